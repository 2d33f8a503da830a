"""The pages of a run, for people: report.html, and plan.html of a dry run."""

from __future__ import annotations

import importlib
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from target_intercom.errors import LedgerError
from target_intercom.ledger.store.database import parsed, shown
from target_intercom.private_files import PRIVATE, replace
from target_intercom.reporting.pages.plan_page import LONGEST_VALUE, PlanSummary, plan_view
from target_intercom.reporting.pages.report_page import RunFacts, Setting, moment, report_view
from target_intercom.reporting.report import READABLE
from target_intercom.settings.objects import general_for
from target_intercom.settings.table import SETTINGS, STREAM_SETTINGS, given

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

    from target_intercom.model import Json
    from target_intercom.settings.config import Config

REPORT, PLAN = "report.html", "plan.html"
_JINJA: t.Final = frozenset({"jinja2", "markupsafe"})


class NoPagesError(Exception):
    """Jinja2 is not installed."""

    def __init__(self) -> None:
        """The message names the extra to install."""
        super().__init__(
            "There is no report.html: for the pages that people read, install target-intercom with its extra 'html' "
            "(Jinja2)"
        )


@dataclass(frozen=True)
class Pages:
    """Writes the pages of a run."""

    config: Config
    run_id: str

    def write(self, facts: RunFacts, plan: Path | None) -> Mapping[str, Path]:
        """Write report.html, and plan.html where there is a plan's file; returns where they are, by what they hold.

        Raises:
            NoPagesError: Jinja2 is not installed.
            OSError: a page cannot be written; what was there stays.
        """
        try:
            rendering = importlib.import_module("target_intercom.reporting.pages.rendering")
        except ModuleNotFoundError as error:
            if error.name not in _JINJA:
                raise
            raise NoPagesError from None
        pages = {"Report as a page": self._save(REPORT, _report(rendering, facts), READABLE)}
        if plan is not None:
            pages["Plan as a page"] = self._save(PLAN, _plan(rendering, facts, plan), PRIVATE)
        return pages

    def settings(self, streams: Iterable[str]) -> dict[str, t.Any]:
        """Return the facts of a page that the settings decide."""
        config = self.config
        return {
            "rate_limit_percent": config.rate_limit_percent,
            "kinds": {name: config.stream(name).object.value for name in streams},
            "settings": list(general_settings(config)),
            "stream_settings": {name: list(stream_settings(config, name)) for name in streams},
            "has_ledger": config.ledger is not None,
        }

    def without_folder(self, text: str) -> str:
        """Return a text without the folder in which the page lies: it may have the name of a person in it."""
        return text.replace(f"{self.config.data_dir}/", "")

    def _save(self, name: str, content: str, mode: int) -> Path:
        path = self.config.data_dir / name
        replace(path, path.with_name(f"{name}.{self.run_id}"), content, mode)
        return path


def _report(rendering: ModuleType, facts: RunFacts) -> str:
    page: str = rendering.html("report", style="page report", **report_view(facts))
    return page


def _plan(rendering: ModuleType, facts: RunFacts, plan: Path) -> str:
    with plan.open(encoding="utf-8", errors="replace") as lines:
        view = plan_view(PlanSummary.of(lines))
    page: str = rendering.html(
        "plan",
        style="page plan",
        script="plan",
        title="What a run would write",
        run=facts.ended.run,
        began=moment(facts.ended.started_at),
        workspace=facts.workspace,
        failed=facts.ended.exit_code != 0,
        why=facts.why,
        file=plan.name,
        longest=LONGEST_VALUE,
        **view,
    )
    return page


# Settings, without secrets.

_ALWAYS: t.Final = frozenset(
    {
        "api_version",
        "clear_nulls",
        "create_attributes",
        "creation_mode",
        "dry_run",
        "ledger_url",
        "mappings",
        "match_by",
        "max_rejected_records",
        "max_removal_percent",
        "rate_limit_percent",
        "region",
        "removal_mode",
        "snapshot",
        "sync_mode",
        "unmapped",
    }
)
"""Settings that decide in every run; others are shown where they are not as by default."""
_ELSEWHERE: t.Final = frozenset({"streams", "data_dir"})
"""`streams` stands beside each stream. The folder may have the name of a person in it, and is where the page lies."""


def general_settings(config: Config) -> Iterator[Setting]:
    """Yield the settings of a run, without secrets: not the token, and the ledger's address without a login."""
    for setting in SETTINGS:
        if setting.secret or setting.name in _ELSEWHERE:
            continue
        value = given(_value(config, setting.name))
        is_default = value == setting.default
        if setting.name in _ALWAYS or not is_default:
            yield Setting(setting.name, _said(setting.name, value, config), is_default)


def stream_settings(config: Config, stream: str) -> Iterator[Setting]:
    """Yield the settings that a stream has of its own."""
    own = config.stream(stream)
    general = general_for(own.object, config.general)
    for setting in STREAM_SETTINGS:
        value = given(getattr(own, setting.name))
        if value != given(getattr(general, setting.name)):
            yield Setting(setting.name, _said(setting.name, value, config), is_default=False)


def _value(config: Config, name: str) -> Json:
    return getattr(config, name) if hasattr(config, name) else getattr(config.general, name)


def _said(name: str, value: Json, config: Config) -> str:
    """Return a value as people write it."""
    match value:
        case _ if name == "ledger_url":
            return _place(config.ledger)
        case None:
            return "not set"
        case bool():
            return "true" if value else "false"
        case list():
            return ", ".join(map(str, value)) or "none"
        case Mapping():
            return ", ".join(f"{one}: {'left out' if to is None else to}" for one, to in value.items()) or "none"
        case _:
            return str(value)


def _place(ledger: Path | str | None) -> str:
    """Return where the ledger is, without a login, and without folders: they may have the name of a person in them."""
    if ledger is None:
        return "none"
    if isinstance(ledger, Path):
        return f"SQLite, {ledger.name} beside this page"
    try:
        url = parsed(ledger)
    except LedgerError:
        return "not readable"
    return f"SQLite, {Path(url.database or '').name}" if url.get_backend_name() == "sqlite" else shown(url)
