"""Meltano Hub's definition with the real Meltano: from its file, and from a Hub that serves it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from demo.database import running_database
from demo.pipeline import MELTANO
from demo.workspace import running_workspace
from docs import hub_definition
from tests.support.packaging import ROOT, UV, build, copy_sources, run, uv_finds_packages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from demo.workspace import Workspace

TARGET = "target-intercom"
DEFINITION = hub_definition.path(hub_definition.installed())
DEFINED: dict[str, Any] = yaml.safe_load(DEFINITION.read_text(encoding="utf-8"))
SETTINGS = {setting["name"]: setting for setting in DEFINED["settings"]}
VARIANT = DEFINED["variant"]
# The one that `make` installed for meltano.yml.
TAP = ROOT / ".meltano" / "extractors" / "tap-postgres" / "venv" / "bin" / "tap-postgres"
TOKEN = "dG9rOjEyMzQ1Njc4OTA="
OURS = ("MELTANO_", "TAP_", "TARGET_INTERCOM_")

PEOPLE = """
create table people (id integer primary key, mail text, full_name text, seats integer, rating integer);
insert into people values
(1, 'ada@example.com', 'Ada', 3, 5), (2, 'bob@example.com', 'Bob', null, 1), (3, null, 'Cleo', 0, 2);
create table guests (id integer primary key, notes text, "last.seat" integer, "full.name" text, diet text);
insert into guests values (11, 'Owes us money', 7, 'Dot', 'none');
"""
NULLS = {
    "stream_maps": {"public-people": {"rating": None}},
    "streams": {
        "public-guests": {
            "mappings": {
                "id": "external_id",
                "notes": None,
                r"last\.seat": None,
                r"full\.name": "name",
                "diet": "null",
            }
        }
    },
}
"""What stays out, as it stands in meltano.yml; Meltano leaves the nulls out of the config file that it writes."""


@dataclass(frozen=True)
class Project:
    """A Meltano project of its own, with caches of its own, that installs the target from a folder of wheels."""

    folder: Path
    environment: dict[str, str]

    def __call__(self, *arguments: str | Path, **environment: str) -> str:
        """Run a command of Meltano that must succeed; give what it printed."""
        done = self._run(*arguments, **environment)
        assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def refusal(self, *arguments: str | Path) -> str:
        """Run a command of Meltano that must fail; give what it said."""
        done = self._run(*arguments)
        assert done.returncode != 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def _run(self, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (MELTANO, *arguments),
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def twin(self, folder: Path) -> Project:
        """A project with the same settings, to change; its plugins are not installed."""
        for name in ("meltano.yml", "plugins"):
            copy = shutil.copytree if (self.folder / name).is_dir() else shutil.copy
            copy(self.folder / name, folder / name)
        return Project(folder, self.environment)

    @property
    def loader(self) -> dict[str, Any]:
        """The target as it stands in meltano.yml."""
        project = yaml.safe_load((self.folder / "meltano.yml").read_text())
        (loader,) = project["plugins"]["loaders"]
        loaded: dict[str, Any] = loader
        return loaded

    def configure(self, settings: dict[str, Any]) -> None:
        """Write settings of the target into meltano.yml."""
        project = yaml.safe_load((self.folder / "meltano.yml").read_text())
        project["plugins"]["loaders"][0]["config"] = settings
        (self.folder / "meltano.yml").write_text(yaml.safe_dump(project))

    def config(self, **environment: str) -> dict[str, Any]:
        """The settings that the target would get."""
        printed: dict[str, Any] = json.loads(self("config", "print", TARGET, **environment))
        return printed


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the target, of a version that no registry has a newer one of."""
    folder = tmp_path_factory.mktemp("wheels")
    sources = copy_sources(folder / "sources")
    return build("wheel", sources, folder, SETUPTOOLS_SCM_PRETEND_VERSION="999.0.0").parent


def make_project(folder: Path, wheels: Path, **settings: Any) -> Project:
    project = {
        "project_id": "hub-test",
        "default_environment": "dev",
        "environments": [{"name": "dev"}],
        "send_anonymous_usage_stats": False,
        "cli": {"disable_version_check": True},
        "venv": {"backend": "uv" if uv_finds_packages() else "virtualenv"},
        **settings,
    }
    (folder / "meltano.yml").write_text(yaml.safe_dump(project))
    others = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    found = [str(wheels), *filter(None, [os.environ.get("PIP_FIND_LINKS")])]
    return Project(
        folder,
        others
        | {
            "NO_COLOR": "1",
            "PIP_FIND_LINKS": " ".join(found),
            "UV_CACHE_DIR": run(UV, "cache", "dir").strip(),
            "UV_FIND_LINKS": str(wheels),
            "XDG_CACHE_HOME": str(folder / "cache"),
        },
    )


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with running_workspace(tmp_path_factory.mktemp("workspace")) as workspace:
        yield workspace


class Hub(ThreadingHTTPServer):
    """Serves the definition as Meltano Hub does, and keeps the paths that were asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, path: str) -> Any:
        root = "/meltano/api/v1/plugins/loaders"
        answers = {
            f"{root}/index": {
                TARGET: {
                    "default_variant": VARIANT,
                    "logo_url": DEFINED["logo_url"],
                    "variants": {VARIANT: {"ref": f"{self.url}{root}/{TARGET}--{VARIANT}"}},
                }
            },
            f"{root}/{TARGET}--{VARIANT}": DEFINED,
        }
        self.asked.append(path.removeprefix(root))
        return answers.get(path)


class HubHandler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        answer = self.server.answer(self.path)
        body = json.dumps({} if answer is None else answer).encode()
        self.send_response(404 if answer is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def from_hub(hub: Hub, wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose target was added by its name alone."""
    project = make_project(tmp_path_factory.mktemp("from-hub"), wheels, hub_url=hub.url)
    project("add", TARGET)
    return project


def test_the_definition_s_file_makes_a_plugin_that_loads_a_table(
    wheels: Path, workspace: Workspace, tmp_path: Path
) -> None:
    tap = {
        "name": "tap-postgres",
        "namespace": "tap_postgres",
        "executable": str(TAP),
        "capabilities": ["catalog", "discover", "state"],
        "settings": [{"name": "sqlalchemy_url", "sensitive": True}, {"name": "filter_schemas", "kind": "array"}],
        "config": {"filter_schemas": ["public"]},
        "select": ["public-people.*", "public-guests.*"],
    }
    project = make_project(tmp_path, wheels, plugins={"extractors": [tap]})

    project("add", TARGET, "--from-ref", DEFINITION)
    kinds = {setting["name"]: setting["kind"] for setting in project.loader["settings"]}
    # Meltano's own word for a password.
    assert kinds == {name: setting["kind"] for name, setting in SETTINGS.items()} | {"access_token": "string"}
    sensitive = {setting["name"] for setting in project.loader["settings"] if setting.get("sensitive")}
    assert sensitive == {"access_token", "ledger_url"}

    project.configure(NULLS)
    with running_database() as database:
        with database.connect() as connection:
            connection.execute(PEOPLE)
        project(
            *("run", "tap-postgres", TARGET),
            TAP_POSTGRES_SQLALCHEMY_URL=database.url,
            TARGET_INTERCOM_ACCESS_TOKEN=workspace.token,
            TARGET_INTERCOM_API_URL=workspace.url,
            TARGET_INTERCOM_MAPPINGS='{"id": "external_id", "mail": "email", "full_name": "name"}',
        )
    contacts = {
        one["external_id"]: (one["email"], one["name"], one["custom_attributes"]) for one in workspace.contacts()
    }
    assert contacts == {
        "1": ("ada@example.com", "Ada", {"seats": 3}),
        "2": ("bob@example.com", "Bob", {}),
        "3": (None, "Cleo", {"seats": 0}),
        "11": (None, "Dot", {}),
    }
    # Where the definition says that a run leaves its files.
    report = json.loads((tmp_path / SETTINGS["data_dir"]["value"] / "report.json").read_text())
    assert report["streams"]["public-people"]["created"] == 3


def test_the_hub_is_asked_twice_and_what_it_says_is_locked(from_hub: Project, hub: Hub) -> None:
    assert hub.asked == ["/index", f"/{TARGET}--{VARIANT}"]
    assert from_hub.loader == {"name": TARGET, "variant": VARIANT, "pip_url": "target-intercom"}
    locked = json.loads((from_hub.folder / "plugins" / "loaders" / f"{TARGET}--{VARIANT}.lock").read_text())
    for key in ("capabilities", "commands", "log_parser", "settings_group_validation", "supported_python_versions"):
        assert locked[key] == DEFINED[key], key
    settings = {setting["name"]: setting for setting in locked["settings"]}
    assert set(settings) == set(SETTINGS)
    for name, setting in SETTINGS.items():
        kept = settings[name] | ({"kind": "password"} if name == "access_token" else {})
        assert {key: kept.get(key) for key in setting} == setting


def test_every_setting_arrives_as_what_it_is(from_hub: Project) -> None:
    """Given as texts, in environment variables; Meltano makes of them what the kind says."""
    given: dict[str, tuple[str, Any]] = {
        "array": ('["email"]', ["email"]),
        "boolean": ("true", True),
        "integer": ("30", 30),
        "object": ('{"id": "external_id"}', {"id": "external_id"}),
        "string": ("30", "30"),
    }
    expected = {
        name: (setting["options"][-1]["value"],) * 2 if setting["kind"] == "options" else given[setting["kind"]]
        for name, setting in SETTINGS.items()
        if not setting.get("sensitive")
    }
    variables = {f"TARGET_INTERCOM_{name.upper()}": text for name, (text, _) in expected.items()}
    assert from_hub.config(**variables) == {name: value for name, (_, value) in expected.items()}


def test_what_is_set_is_kept_and_secrets_are_not_shown(from_hub: Project, tmp_path: Path) -> None:
    project = from_hub.twin(tmp_path)
    project("config", "set", TARGET, "max_removal_percent", "30")
    project("config", "set", TARGET, "access_token", TOKEN)
    assert project.loader["config"] == {"max_removal_percent": 30}
    assert TOKEN in (tmp_path / ".env").read_text()

    printed = project.config(TARGET_INTERCOM_LEDGER_URL="postgresql://loader:hidden@host/ledger")
    assert {"access_token", "ledger_url"} <= set(printed)
    assert TOKEN not in str(printed)
    assert "hidden" not in str(printed)
    defaults = {name: setting["value"] for name, setting in SETTINGS.items() if "value" in setting}
    assert {name: value for name, value in printed.items() if name in defaults} == defaults | {
        "max_removal_percent": 30
    }


def test_what_a_setting_does_not_take_is_refused(from_hub: Project, tmp_path: Path) -> None:
    project = from_hub.twin(tmp_path)
    assert "xx" in project.refusal("config", "set", TARGET, "region", "xx")
    assert "many" in project.refusal("config", "set", TARGET, "max_removal_percent", "many")
    assert project.loader == from_hub.loader


def test_the_check_is_a_command_of_the_plugin(from_hub: Project, workspace: Workspace) -> None:
    said = from_hub(
        *("invoke", f"{TARGET}:check"),
        TARGET_INTERCOM_ACCESS_TOKEN=workspace.token,
        TARGET_INTERCOM_API_URL=workspace.url,
    )
    assert workspace.url in said
    assert "custom_attributes" in said or "external_id" in said


def test_the_check_refuses_a_setting_that_a_run_refuses(
    from_hub: Project, workspace: Workspace, tmp_path: Path
) -> None:
    project = from_hub.twin(tmp_path)
    (tmp_path / ".meltano").symlink_to(from_hub.folder / ".meltano")
    right = {"access_token": workspace.token, "api_url": workspace.url, "mappings": {"id": "external_id"}}
    project.configure({**right, "sync_mode": "sync"})
    project("invoke", f"{TARGET}:check")
    project.configure({**right, "sync_mod": "sync"})
    checked, ran = project.refusal("invoke", f"{TARGET}:check"), project.refusal("invoke", TARGET)
    assert all("Setting 'sync_mod' is unknown: did you mean 'sync_mode'?" in said for said in (checked, ran))


def test_the_ledger_is_a_command_of_the_plugin(from_hub: Project) -> None:
    said = from_hub("invoke", f"{TARGET}:ledger", "--help")
    assert all(command in said for command in ("export", "forget", "streams"))
