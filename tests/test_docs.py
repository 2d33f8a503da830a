"""The documents say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import settings_table
from target_intercom.config import SETTINGS
from target_intercom.model import Result
from target_intercom.sandbox import routes
from target_intercom.sandbox.__main__ import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SANDBOX = (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8")


def test_the_readme_has_the_settings_table_of_now() -> None:
    assert settings_table.with_table(README) == README


@pytest.mark.parametrize("setting", [setting.name for setting in SETTINGS])
def test_every_setting_stands_in_meltano_yml(setting: str) -> None:
    assert f"- name: {setting}\n" in (ROOT / "meltano.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("outcome", list(Result))
def test_the_readme_explains_every_outcome(outcome: Result) -> None:
    assert f"`{outcome.value}`" in README


def test_the_sandbox_page_lists_exactly_what_is_emulated() -> None:
    listed = set(re.findall(r"^\| `((?:GET|POST|PUT|DELETE) /(?!_)[^`]*)`", SANDBOX, re.MULTILINE))
    assert listed == {f"{route.method} {route.template}" for route in routes.ROUTES}


def test_the_sandbox_page_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    flags = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert {flag for flag in flags if flag not in SANDBOX} <= {"--port"}


@pytest.mark.parametrize("link", re.findall(r"\]\(((?!http)[^)]+)\)", README + SANDBOX))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists() or (ROOT / "docs" / link).exists()
