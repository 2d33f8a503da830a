"""Settings in the environment that a run does not read, and the flag for a dry run."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.loading import lines, record, schema, state
from tests.support.processes import run_text

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.loading import Loader, People

MESSAGES = [
    schema("customers", id="integer", email="text"),
    record("customers", id=1, email="ann@example.com"),
    state({"n": 1}),
]
REFUSED = "and this run would write. Give --dry-run"


def run(
    load: Loader, *arguments: str, variables: Mapping[str, str], module: str = "", **settings: Any
) -> subprocess.CompletedProcess[str]:
    """Run in the data folder with a config file, and with what a user has in the environment."""
    load.data_dir.mkdir(exist_ok=True)
    config = load.data_dir / "config.json"
    config.write_text(json.dumps(load.config(**settings)), encoding="utf-8")
    return run_text(
        [sys.executable, "-m", f"target_intercom{module}", "--config", str(config), *arguments],
        input="" if module else lines(MESSAGES),
        cwd=load.data_dir,
        env={**load.env(), **variables},
        timeout=120,
    )


def assert_dry(done: subprocess.CompletedProcess[str], people: People, data_dir: Path) -> None:
    assert (done.returncode, done.stdout) == (0, "")
    assert "Dry run: nothing was written" in done.stderr
    assert people.everyone() == []
    assert json.loads((data_dir / "report.json").read_text())["dry_run"] is True


@pytest.mark.parametrize("module", ["", ".check"], ids=["run", "check"])
@pytest.mark.parametrize(
    "variables",
    [
        {"TARGET_INTERCOM_DRY_RUN": "true"},
        {"TARGET_INTERCOM_DRY_RUN": "1"},
        {"TARGET_INTERCOM_DRY_RUN": "maybe"},
        {"TARGET_INTERCOM_DRYRUN": "true"},
        {"target_intercom_dry_run": "yes"},
        {"TARGET_INTERCM_DRY_RUN": "true"},
    ],
    ids=str,
)
def test_a_variable_that_asks_for_a_dry_run_and_is_not_read_refuses_to_run(
    load: Loader, people: People, variables: dict[str, str], module: str
) -> None:
    done = run(load, variables=variables, module=module)
    assert done.returncode == 1
    (variable,) = variables
    assert f"'dry_run' is not read from the variable {variable}, {REFUSED}" in done.stdout + done.stderr
    assert people.everyone() == []
    assert not (load.data_dir / "report.json").exists()


def test_so_does_one_in_a_file_that_is_not_read(load: Loader, people: People) -> None:
    load.data_dir.mkdir()
    (load.data_dir / ".env").write_text("TARGET_INTERCOM_DRY_RUN=true\n")
    done = run(load, variables={})
    assert done.returncode == 1
    assert REFUSED in done.stderr
    assert people.everyone() == []


def test_a_misspelt_one_refuses_to_run_with_the_environment_too(load: Loader, people: People) -> None:
    done = run(load, "--config=ENV", variables={"TARGET_INTERCOM_DRYRUN": "true"})
    assert done.returncode == 1
    assert REFUSED in done.stderr
    assert people.everyone() == []


@pytest.mark.parametrize("value", ["False", ""])
@pytest.mark.parametrize("name", ["TARGET_INTERCOM_DRY_RUN", "TARGET_INTERCOM_DRYRUN"])
def test_one_that_asks_for_no_dry_run_does_not(load: Loader, people: People, name: str, value: str) -> None:
    done = run(load, variables={name: value})
    assert done.returncode == 0
    assert len(people.everyone()) == 1
    assert (name in done.stderr) is (value != "")


@pytest.mark.parametrize("name", ["TARGET_INTERCOM_DRY_RUN", "TARGET_INTERCOM_DRYRUN"])
@pytest.mark.parametrize("way", ["flag", "setting"])
def test_a_run_that_is_dry_anyway_runs(load: Loader, people: People, name: str, way: str) -> None:
    arguments = ["--dry-run"] if way == "flag" else []
    settings: dict[str, Any] = {"dry_run": True} if way == "setting" else {}
    assert_dry(run(load, *arguments, variables={name: "true"}, **settings), people, load.data_dir)


@pytest.mark.parametrize("arguments", [[], ["--config=ENV"]], ids=["file", "environment"])
@pytest.mark.parametrize("settings", [{}, {"dry_run": False}])
def test_the_flag_makes_a_run_dry(load: Loader, people: People, arguments: list[str], settings: dict[str, Any]) -> None:
    variables = {"TARGET_INTERCOM_DRY_RUN": "false"} if arguments else {}
    assert_dry(run(load, "--dry-run", *arguments, variables=variables, **settings), people, load.data_dir)


def test_the_flag_needs_no_config_file(load: Loader, people: People) -> None:
    load.data_dir.mkdir()
    config = load.config()
    variables = {
        f"TARGET_INTERCOM_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in config.items()
    }
    done = run_text(
        [sys.executable, "-m", "target_intercom", "--config=ENV", "--dry-run"],
        input=lines(MESSAGES),
        env={**load.env(), **variables},
        timeout=120,
    )
    assert_dry(done, people, load.data_dir)
    assert "not read" not in done.stderr


def test_the_variable_that_is_read_makes_a_run_dry(load: Loader, people: People) -> None:
    done = run(load, "--config=ENV", variables={"TARGET_INTERCOM_DRY_RUN": "true"})
    assert_dry(done, people, load.data_dir)
    assert "not read" not in done.stderr


SECRET = "dG9rOnNlY3JldA=="
OTHERS = {
    "TARGET_INTERCOM_ACCESS_TOKEN": SECRET,
    "TARGET_INTERCOM_REGION": "eu",
    "TARGET_INTERCOM_SYNC_MOD": "remove",
    "TARGET_INTERCOM_LOGLEVEL": "INFO",
    "TARGET_INTERCOM_PORT_80_TCP_ADDR": "10.0.0.1",
    "TARGET_INTERCOM__EU_ACCESS_TOKEN": "another plugin's",
    "TAP_INTERCOM_ACCESS_TOKEN": "a tap's",
}
UNREAD = "Variables that are set and not read: TARGET_INTERCOM_ACCESS_TOKEN, TARGET_INTERCOM_REGION. Give --config=ENV"
SLIP = "Variable TARGET_INTERCOM_SYNC_MOD has no effect: did you mean TARGET_INTERCOM_SYNC_MODE?"


@pytest.mark.parametrize("module", ["", ".check"], ids=["run", "check"])
def test_variables_that_are_not_read_are_said_once_by_name(load: Loader, module: str) -> None:
    done = run(load, variables=OTHERS, module=module)
    said = done.stdout + done.stderr
    assert done.returncode == 0
    assert [said.count(one) for one in (UNREAD, SLIP, "TARGET_INTERCOM_REGION")] == [1, 1, 1]
    assert [one for one in OTHERS.values() if len(one) > 5 and one in said] == []
    assert [name for name in OTHERS if name in said] == list(OTHERS)[:3]


def test_those_that_are_read_are_no_matter(load: Loader) -> None:
    done = run(load, "--config=ENV", variables={**OTHERS, "TARGET_INTERCOM_ACCESS_TOKEN": "sandbox"})
    assert done.returncode == 0
    assert SLIP in done.stderr
    assert "not read" not in done.stderr


def meltano(load: Loader, **settings: str) -> dict[str, str]:
    """What Meltano puts into the environment of a loader, beside its config file."""
    given = {"access_token": "sandbox", "region": "eu", "api_url": load.url, **settings}
    return {
        f"{prefix}_{name.upper()}": value
        for prefix in ("MELTANO_LOAD", "TARGET_INTERCOM", "TARGET_INTERCOM__EU")
        for name, value in given.items()
    }


def test_under_meltano_its_own_variables_are_no_matter(load: Loader, people: People) -> None:
    others = {"TARGET_INTERCOM_EU2_DRY_RUN": "true", "TARGET_INTERCOM__US_DRY_RUN": "true"}
    done = run(load, variables={**meltano(load), **others}, region="eu")
    assert done.returncode == 0
    assert "TARGET_INTERCOM" not in done.stderr
    assert len(people.everyone()) == 1


def test_under_meltano_a_dry_run_is_one(load: Loader, people: People) -> None:
    done = run(load, variables=meltano(load, dry_run="true"), region="eu", dry_run=True)
    assert_dry(done, people, load.data_dir)
    assert "TARGET_INTERCOM" not in done.stderr


@pytest.mark.parametrize("name", ["TARGET_INTERCOM_DRY_RUN", "TARGET_INTERCOM_DRYRUN"])
def test_under_meltano_a_dry_run_that_it_does_not_read_is_refused(load: Loader, people: People, name: str) -> None:
    done = run(load, variables={**meltano(load), name: "true"}, region="eu")
    assert done.returncode == 1
    assert REFUSED in done.stderr
    assert people.everyone() == []


def test_variables_of_another_meltano_run_are_not_ours(load: Loader) -> None:
    done = run(load, variables={**meltano(load), "MELTANO_LOAD_ACCESS_TOKEN": "another"})
    assert "not read: TARGET_INTERCOM_ACCESS_TOKEN, TARGET_INTERCOM_API_URL, TARGET_INTERCOM_REGION." in done.stderr
