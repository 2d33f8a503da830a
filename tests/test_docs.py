"""The documents say what the code does."""

from __future__ import annotations

import ast
import inspect
import re
from typing import TYPE_CHECKING

import pytest

from docs import attributes_table, meanings_tables, settings_table
from target_intercom import errors
from target_intercom.outcomes import Result, SkipReason
from target_intercom.sandbox import routes
from target_intercom.sandbox.__main__ import main
from target_intercom.sandbox.compare import main as compare
from target_intercom.settings.table import SETTINGS
from tests.support.documents import DOCS, PAGES, README, ROOT, anchors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READ_ME = README.read_text(encoding="utf-8")
REPORT = (DOCS / "report.md").read_text(encoding="utf-8")
SANDBOX = (DOCS / "sandbox.md").read_text(encoding="utf-8")
ERRORS = (DOCS / "errors.md").read_text(encoding="utf-8")

ERROR_CLASSES = [
    name
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, Exception) and not name.startswith("_")
]


def test_the_readme_has_the_settings_table_of_now() -> None:
    assert settings_table.with_table(READ_ME) == READ_ME


def test_the_mapping_page_has_the_attributes_of_now() -> None:
    page = attributes_table.PAGE.read_text(encoding="utf-8")
    assert attributes_table.with_table(page) == page
    assert page.count("\n| `unsubscribed_from_emails` |") == page.count("\n| `monthly_spend` |") == 1


@pytest.mark.parametrize("page", [meanings_tables.REPORT, meanings_tables.ERRORS], ids=lambda page: page.name)
def test_reasons_and_errors_stand_in_the_documents_as_in_the_pages_of_runs(page: Path) -> None:
    """The texts are the package's: `python -m docs.meanings_tables` writes them into the documents."""
    assert meanings_tables.with_tables(page) == page.read_text(encoding="utf-8")


@pytest.mark.parametrize("setting", [setting.name for setting in SETTINGS])
def test_every_setting_stands_in_the_readme_and_in_meltano_yml(setting: str) -> None:
    assert f"| {setting} |" in READ_ME
    assert f"- name: {setting}\n" in (ROOT / "meltano.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("outcome", list(Result))
def test_the_report_page_explains_every_outcome(outcome: Result) -> None:
    assert re.search(rf"^\|[^|]*`{outcome.value}`[^|]*\| \w", REPORT, re.MULTILINE)


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


# Errors and warnings.


@pytest.mark.parametrize("error", ERROR_CLASSES)
def test_the_errors_page_names_every_class_of_errors(error: str) -> None:
    assert f"`{error}`" in ERRORS


SAYS = frozenset({"say", "_say", "warn", "_warn", "_log", "_leave_out", "warning", "error"})
"""Functions that take what a person reads in the log."""
RAISES = frozenset(
    {"InvalidInputLine", *(name for name in ERROR_CLASSES if issubclass(getattr(errors, name), errors.FatalSyncError))}
)
NAMED = frozenset({"message", "error"})
"""Variables that hold what is raised a line later."""
WORDING = "warnings.py"
"""The module whose functions give what others say or raise."""


def constants(node: ast.expr) -> list[str]:
    """The parts of a message that are always the same."""
    match node:
        case ast.Constant(value=str(text)):
            return re.split(r"%[sd]", text)
        case ast.JoinedStr(values=parts):
            return [text for part in parts if isinstance(part, ast.Constant) for text in constants(part)]
        case ast.IfExp(body=one, orelse=other):
            return max(constants(one), constants(other), key=lambda texts: sum(map(len, texts)))
        case _:
            return []


def messages(tree: ast.AST, *, words: bool) -> Iterator[ast.expr]:
    """What a module says in the log, or when it ends a run, or gives others to say."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=given) if name in SAYS | RAISES:
                yield from given
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in NAMED:
                yield value
            case ast.Return(value=ast.expr() as value) if words:
                yield value


def beginnings(path: Path) -> Iterator[str]:
    """The first words of the longest part that is always the same, of each message of a module."""
    for message in messages(ast.parse(path.read_text(encoding="utf-8")), words=path.name == WORDING):
        longest = max(constants(message), key=len, default="")
        words = re.sub(r"^\W+", "", longest).split()
        if len(words) > 1:
            yield " ".join(words[:5]).rstrip(" ,.;:('\"")


def test_the_errors_page_has_every_message() -> None:
    package = ROOT / "target_intercom"
    elsewhere = {"sandbox", "check"}  # the one ends no run, the other says what a run would
    modules = [path for path in package.rglob("*.py") if path.relative_to(package).parts[0] not in elsewhere]
    said = {beginning for path in modules for beginning in beginnings(path)}
    known = {
        "Intercom does not answer as",
        "contacts that are missing from",
        "has let go of this",
        "another run worked on it",
        "max_removal_percent' is 0: nothing is",
        "is left out",
    }
    assert known <= said
    assert len(said) > 50
    assert {beginning for beginning in said if beginning not in ERRORS} == set()


TWICE = re.compile(
    r"\b(?:is|are) no (?:JSON|Singer|Intercom|SQLAlchemy|email|folder)\b|\bthat (?:is|are) none\b"
    r"|\breason stands there\b|\bwith a higher one\b|\b[Oo]f \w+ see\b"
)
"""Turns that had to be read twice."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_sentence_of_a_page_has_to_be_read_twice(page: Path) -> None:
    assert TWICE.findall(page.read_text(encoding="utf-8")) == []


def test_no_message_has_to_be_read_twice() -> None:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "target_intercom").rglob("*.py")]
    said = [text for tree in trees for message in messages(tree, words=True) for text in constants(message)]
    assert len(said) > 200
    assert [text for text in said if TWICE.search(text)] == []


# The sandbox.


def test_the_sandbox_page_lists_exactly_what_is_emulated() -> None:
    listed = set(re.findall(r"^\| `((?:GET|POST|PUT|DELETE) /(?!_)[^`]*)`", SANDBOX, re.MULTILINE))
    assert listed == {f"{route.method} {route.template}" for route in routes.ROUTES}


def test_the_sandbox_page_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    flags = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert {flag for flag in flags if flag not in SANDBOX} <= {"--port"}


def test_the_sandbox_page_names_every_flag_of_a_comparison(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        compare(["--help"])
    flags = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert flags == set(re.findall(r"^\| `(--[a-z-]+)", SANDBOX.partition("## Beside a workspace")[2], re.MULTILINE))


# Links.

_LINK = re.compile(r"\]\(((?!http)[^)\s]+)\)|<\w+ [^>]*\bsrc(?:set)?=\"([^\"]+)\"")
LINKS = sorted(
    {(page, link or picture) for page in PAGES for link, picture in _LINK.findall(page.read_text(encoding="utf-8"))}
)


@pytest.mark.parametrize(("page", "link"), LINKS, ids=lambda one: one if isinstance(one, str) else one.name)
def test_links_lead_somewhere(page: Path, link: str) -> None:
    place, _, anchor = link.partition("#")
    target = (page.parent / place).resolve() if place else page
    assert target.exists()
    assert not anchor or anchor in anchors(target)


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_every_page_is_linked_from_another(page: Path) -> None:
    assert any(
        other != page and re.search(rf"\]\([^)]*{page.name}", other.read_text(encoding="utf-8")) for other in PAGES
    )


def places() -> list[tuple[str, str, str]]:
    """The rows of "Where do I find …": question, file and name."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = page.split("## Where do I find", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| (.+\?) \| `(\S+\.py)` \| `(\w+)` \|$", section, re.MULTILINE)


def test_contributors_are_told_twenty_places_or_more() -> None:
    assert len(places()) >= 20


@pytest.mark.parametrize(("question", "file", "name"), places())
def test_a_contributor_finds_what_the_table_names(question: str, file: str, name: str) -> None:
    source = (ROOT / "target_intercom" / file).read_text(encoding="utf-8")
    assert re.search(rf"^ *(def|class) {name}\b|^{name}\b.*=", source, re.MULTILINE), question
