"""The programs that are compared, and how each is started."""

from __future__ import annotations

import enum
import json
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

from benchmarks.customers import TAGS_PROPERTY
from benchmarks.errors import BenchmarkError
from benchmarks.measuring import measure
from demo.workspace import TOKEN

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measuring import Usage

TARGET: t.Final = Path(sys.executable).with_name("target-intercom")


class Writer(enum.Enum):
    """Who writes, and how."""

    SINGLE = "single"
    """The target, one contact a call: the default."""
    BULK = "bulk"
    """The target, with `bulk_writes`."""
    NAIVE = "naive"
    """Search, then write, record by record."""


@dataclass(frozen=True)
class Loader:
    """Loads files into one workspace; what the runs leave behind lies in one folder."""

    writer: Writer
    url: str
    folder: Path
    mode: str = "sync"
    """The sync mode; tags are taken off in this one only."""
    ledger: Path | None = None
    """An SQLite file that several share; without one, each has its own."""

    def load(self, messages: Path) -> Usage:
        """Run to the end of a file of Singer messages.

        Raises:
            BenchmarkError: the run failed.
        """
        config = self.folder / "config.json"
        config.write_text(json.dumps(self._config(), indent=2), encoding="utf-8")
        naive = (sys.executable, "-m", "benchmarks.naive")
        command = naive if self.writer is Writer.NAIVE else (TARGET,)
        return measure((*command, "--config", config, "--input", messages), self.folder / "load.log")

    def results(self) -> dict[str, int]:
        """Return what the last run's report counted by outcome, the zeros left out; nothing of the naive target."""
        report = self.folder / "data" / "report.json"
        if self.writer is Writer.NAIVE or not report.exists():
            return {}
        streams = json.loads(report.read_text(encoding="utf-8"))["streams"]
        return {name: count for one in streams.values() for name, count in one.items() if count and name != "read"}

    def _config(self) -> dict[str, t.Any]:
        """All else is the default: the ledger an SQLite file in `data_dir`."""
        shared = {} if self.ledger is None else {"ledger_url": f"sqlite:///{self.ledger}"}
        bulk = {"bulk_writes": True} if self.writer is Writer.BULK else {}
        return {
            "access_token": TOKEN,
            "api_url": self.url,
            "data_dir": str(self.folder / "data"),
            "sync_mode": self.mode,
            "tags_property": TAGS_PROPERTY,
            **shared,
            **bulk,
        }


def check_known(writers: Sequence[Writer], folder: Path) -> None:
    """Make sure that the target that is installed has what the writers need.

    Raises:
        BenchmarkError: it does not know the setting, and would write singly under the name of bulk.
    """
    if Writer.BULK in writers and not knows_bulk(folder):
        raise BenchmarkError("This target does not know the setting 'bulk_writes'. Leave out the writer 'bulk'.")


def knows_bulk(folder: Path) -> bool:
    """Check whether the target that is installed can write in bulk."""
    log = folder / "about.log"
    measure((TARGET, "--about", "--format=json"), log)
    return '"bulk_writes"' in log.read_text(encoding="utf-8")
