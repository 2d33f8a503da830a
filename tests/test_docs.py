"""The documents say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import settings_table
from target_intercom.config import SETTINGS
from target_intercom.model import Result, SkipReason
from target_intercom.sandbox import routes
from target_intercom.sandbox.__main__ import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
REPORT = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
SANDBOX = (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8")


def test_the_readme_has_the_settings_table_of_now() -> None:
    assert settings_table.with_table(README) == README


@pytest.mark.parametrize("setting", [setting.name for setting in SETTINGS])
def test_every_setting_stands_in_meltano_yml(setting: str) -> None:
    assert f"- name: {setting}\n" in (ROOT / "meltano.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("outcome", list(Result))
def test_the_readme_explains_every_outcome(outcome: Result) -> None:
    assert f"`{outcome.value}`" in README


@pytest.mark.parametrize("reason", list(SkipReason))
def test_the_report_page_explains_why_a_record_is_skipped(reason: SkipReason) -> None:
    assert f"| `{reason.value}` |" in REPORT


def test_the_report_page_explains_every_code_of_a_refusal() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "target_intercom").rglob("*.py"))
    codes = set(re.findall(r'(?:UncoercibleError\(|code=)"([a-z_]+)"', sources))
    for refusal in re.findall(r"Refusal\(\s*Result\.\w+,.*", sources):
        codes |= set(re.findall(r'"([a-z]+(?:_[a-z]+)*)"', refusal)) - {"email"}
    assert {"no_identifier", "not_a_date", "ambiguous", "in_doubt"} <= codes
    assert {code for code in codes if f"| `{code}` |" not in REPORT} == set()


def test_the_sandbox_page_lists_exactly_what_is_emulated() -> None:
    listed = set(re.findall(r"^\| `((?:GET|POST|PUT|DELETE) /(?!_)[^`]*)`", SANDBOX, re.MULTILINE))
    assert listed == {f"{route.method} {route.template}" for route in routes.ROUTES}


def test_the_sandbox_page_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    flags = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert {flag for flag in flags if flag not in SANDBOX} <= {"--port"}


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(((?!http)[^)]+)\)", README + SANDBOX + REPORT))))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists() or (ROOT / "docs" / link).exists()
