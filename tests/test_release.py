"""A release: what is built, that it installs where nothing else is, and what the workflow lets through."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from docs import release_notes, settings_table
from docs.release_notes import ChangelogError
from tests.support.packaging import ROOT, build, commit, copy_sources, install, run, unpack

if TYPE_CHECKING:
    from email.message import Message
    from pathlib import Path

VERSION = "0.2.0"
CHANGELOG = release_notes.CHANGELOG.read_text(encoding="utf-8")
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
RELEASED = (
    f"# Changelog\n\n## Unreleased\n\n## {VERSION} - 2026-11-21\n\n### Added\n\n- A thing.\n\n## 0.1.0 - 2026-11-01\n"
)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_sources(tmp_path_factory.mktemp("release") / "sources")
    commit(folder, f"v{VERSION}")
    return folder


@pytest.fixture(scope="module")
def sdist(sources: Path) -> Path:
    return build("sdist", sources, sources.parent / "dist")


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the sdist, as `python -m build` does: what is not in that is not in the wheel."""
    return build("wheel", unpack(sdist, tmp_path_factory.mktemp("unpacked")), sdist.parent)


@pytest.fixture(scope="module")
def commands(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(wheel, tmp_path_factory.mktemp("bare") / "environment")


def package_files() -> set[str]:
    package = ROOT / "target_intercom"
    return {str(path.relative_to(ROOT)) for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        return message_from_string(archive.read(f"target_intercom-{VERSION}.dist-info/METADATA").decode())


def test_the_version_is_the_tag(sdist: Path, wheel: Path) -> None:
    assert sdist.name == f"target_intercom-{VERSION}.tar.gz"
    assert wheel.name == f"target_intercom-{VERSION}-py3-none-any.whl"


def test_an_export_without_git_builds_too(tmp_path: Path) -> None:
    assert re.fullmatch(
        r"target_intercom-\d.+\.dev0-py3.+", build("wheel", copy_sources(tmp_path / "a"), tmp_path).name
    )


def test_the_sdist_holds_the_package_and_what_belongs_to_it_and_nothing_else(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        held = {name.split("/", 1)[1] for name in archive.getnames()}
    beside = {".gitignore", "CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "meltano.yml", "pyproject.toml"}
    assert held == package_files() | beside


def test_the_wheel_holds_the_package_and_its_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    about = {
        f"target_intercom-{VERSION}.dist-info/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")
    }
    assert held == package_files() | about | {f"target_intercom-{VERSION}.dist-info/licenses/LICENSE"}
    assert "target_intercom/py.typed" in held
    pages = "target_intercom/reporting/pages/"
    assert {f"{pages}{name}" for name in ("templates/report.html.j2", "static/plan.js", "texts/errors.json")} <= held


def test_nothing_that_is_built_tells_where_it_was_built(sdist: Path, wheel: Path) -> None:
    with tarfile.open(sdist) as archive:
        texts = [file.read() for member in archive if (file := archive.extractfile(member)) is not None]
    with zipfile.ZipFile(wheel) as zipped:
        texts += [zipped.read(name) for name in zipped.namelist()]
    places = [str(ROOT).encode(), str(sdist.parent).encode(), sys.prefix.encode()]
    assert [place for place in places if any(place in text for text in texts)] == []


def test_the_metadata_says_what_a_registry_shows(wheel: Path) -> None:
    package = metadata(wheel)
    assert package["License-Expression"] == "Apache-2.0"
    assert package["License-File"] == "LICENSE"
    assert package["Description-Content-Type"] == "text/markdown"
    assert package["Requires-Python"] == ">=3.10"
    pythons = [f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 15)]
    assert set(pythons) | {"Typing :: Typed"} <= set(package.get_all("Classifier", ()))
    assert {"html", "postgres", "sandbox"} <= set(package.get_all("Provides-Extra", ()))
    needed = {re.split(r"[<>=~ ;]", one)[0] for one in package.get_all("Requires-Dist", ()) if "extra ==" not in one}
    assert {"python-backoff", "requests", "singer-sdk", "sqlalchemy"} <= needed
    assert {"backoff", "jsonschema", "pytest"}.isdisjoint(needed)


def test_in_a_bare_environment_the_commands_are_there_and_say_the_version(commands: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        entry_points = archive.read(f"target_intercom-{VERSION}.dist-info/entry_points.txt").decode()
    names = re.findall(r"^(\S+) = ", entry_points, re.MULTILINE)
    assert "target-intercom" in names
    assert [name for name in names if not (commands / name).exists()] == []
    assert f"target-intercom v{VERSION}," in run(commands / "target-intercom", "--version")


def test_in_a_bare_environment_about_prints_the_table_of_the_readme(commands: Path) -> None:
    about = run(commands / "target-intercom", "--about", "--format=markdown")
    printed = [line for line in about.splitlines() if line.startswith("|")]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.partition(settings_table.BEGIN)[2].partition(settings_table.END)[0]
    # The settings of the SDK have a table of their own, with the same head.
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    head = printed[:2]
    assert rows.count(head[0]) == 2
    assert [line for line in rows if line not in head] == printed[2:]
    assert len(printed) > 30


def test_the_environment_stands_above_a_dotenv_beside_the_installation(commands: Path) -> None:
    """Meltano's plugins are installed within the project, where its `.env` lies."""
    project = commands.parent.parent
    (project / ".env").write_text("TARGET_INTERCOM_REGION=xx\n", encoding="utf-8")
    given = {"TARGET_INTERCOM_ACCESS_TOKEN": "sandbox", "TARGET_INTERCOM_DATA_DIR": str(project)}
    command = (commands / "target-intercom", "--config=ENV", "--input", os.devnull)
    refused = subprocess.run(command, cwd=project, env={**os.environ, **given}, capture_output=True, check=False)
    assert (refused.returncode, b"'region'" in refused.stderr) == (1, True)
    run(*command, folder=project, environment={**given, "TARGET_INTERCOM_REGION": "eu"})


def test_in_a_bare_environment_the_sandbox_starts(commands: Path) -> None:
    assert "--port" in run(commands / "python", "-m", "target_intercom.sandbox", "--help")


def test_the_changelog_has_a_section_for_each_release_newest_first() -> None:
    first, *released = release_notes.sections(CHANGELOG)
    assert first.version == release_notes.UNRELEASED
    versions = [tuple(map(int, section.version.split("."))) for section in released]
    days = [section.day for section in released if section.day is not None]
    assert versions == sorted(versions, reverse=True)
    assert days == sorted(days, reverse=True)
    assert len(set(versions)) == len(days) == len(released)


def test_the_changelog_sorts_changes_by_their_kind() -> None:
    assert set(re.findall(r"^### (.+)$", CHANGELOG, re.MULTILINE)) <= set(KINDS)


def test_the_notes_of_a_release_are_its_section_alone() -> None:
    assert release_notes.notes(RELEASED, f"v{VERSION}") == "### Added\n\n- A thing."


@pytest.mark.parametrize("tag", ["v0.3.0", "0.2.0", "v0.2", "vUnreleased", "v0.1.0"])
def test_a_tag_without_a_section_of_its_own_or_with_an_empty_one_is_refused(tag: str) -> None:
    with pytest.raises(ChangelogError, match=re.escape(tag)):
        release_notes.notes(RELEASED, tag)


@pytest.mark.parametrize("heading", ["0.2.0", "[0.2.0] - 2026-11-21", "0.2.0 - 21.11.2026", "0.2.0 - 2026-02-30"])
def test_a_heading_that_is_no_release_is_named(heading: str) -> None:
    with pytest.raises(ChangelogError, match=r"in CHANGELOG\.md"):
        release_notes.sections(f"## {heading}\n")


def test_the_workflow_s_command_ends_without_notes_for_a_tag_that_the_changelog_does_not_know() -> None:
    command = (sys.executable, "-m", "docs.release_notes", "v999.0.0")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert 'add "## 999.0.0 - YEAR-MONTH-DAY"' in done.stderr


WORKFLOWS: dict[str, Any] = {
    path.name: yaml.safe_load(path.read_text()) for path in (ROOT / ".github" / "workflows").glob("*.yml")
}
ON = True  # what YAML reads the word "on" as
JOBS = [
    pytest.param(job, id=f"{file}:{name}") for file, made in WORKFLOWS.items() for name, job in made["jobs"].items()
]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_read_the_code_and_nothing_else(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("job", JOBS)
def test_no_job_leaves_the_token_in_its_checkout(job: dict[str, Any]) -> None:
    checkouts = [step for step in job.get("steps", ()) if step.get("uses", "").startswith("actions/checkout@")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_only_a_tag_that_passed_everything_is_published_and_without_a_password() -> None:
    jobs = WORKFLOWS["release.yml"]["jobs"]
    assert WORKFLOWS["release.yml"][ON]["push"]["tags"] == ["v*"]
    may = {name: job["permissions"] for name, job in jobs.items() if "permissions" in job}
    assert may == {"publish": {"id-token": "write"}, "release": {"contents": "write"}}
    assert jobs["publish"]["if"] == "github.ref_type == 'tag'"
    assert set(jobs["publish"]["needs"]) == {"build", "install", "test"}
    assert jobs["publish"]["environment"] == "pypi"
    assert jobs["release"]["needs"] == "publish"
    assert "secrets." not in (ROOT / ".github/workflows/release.yml").read_text()
    assert any("docs.release_notes" in step.get("run", "") for step in jobs["build"]["steps"])
