"""`companies`: the calls that companies, and contacts in companies, cost: a thousand of each, singly and in bulk."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field

from benchmarks import progress
from benchmarks.errors import BenchmarkError
from benchmarks.findings import Demand, Findings, table
from benchmarks.measuring import measure
from benchmarks.workspaces import running_sandbox
from benchmarks.writers import TARGET
from demo.workspace import TOKEN

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from benchmarks.options import Options

_SIZE = 1000
_COMPANIES = 50
Row: t.TypeAlias = "Mapping[str, t.Any]"


@dataclass(frozen=True)
class Case:
    """Loads into one workspace, of which the last one is measured, and the calls that it may cost."""

    name: str
    loads: tuple[Load, ...]
    most: int
    most_in_bulk: int


@dataclass(frozen=True)
class Load:
    """A stream of companies, a stream of contacts, or both, and the settings that are not the usual ones."""

    accounts: tuple[Row, ...] = ()
    customers: tuple[Row, ...] = ()
    mode: str = "sync"
    repair: bool = False
    forgets: bool = False
    """The ledger is deleted before."""
    is_bulk: bool | None = None
    """None: as the case is measured."""

    def messages(self) -> Iterable[Row]:
        """Yield the Singer messages."""
        for stream, rows in (("accounts", self.accounts), ("customers", self.customers)):
            if rows:
                names = {name: {"type": ["string", "null"]} for row in rows for name in row}
                schema = {"type": "object", "properties": names}
                yield {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": ["id"]}
                yield from ({"type": "RECORD", "stream": stream, "record": row} for row in rows)

    def settings(self, *, bulk: bool) -> dict[str, t.Any]:
        """Return the settings, but for the place of the workspace and of the files."""
        return {
            "access_token": TOKEN,
            "sync_mode": self.mode,
            "repair": self.repair,
            "mappings": {"id": "external_id"},
            "companies_property": "account",
            "max_removal_percent": 100,
            "search_delay_seconds": 0,
            "bulk_writes": bulk if self.is_bulk is None else self.is_bulk,
            "streams": {"customers": {}, "accounts": {"object": "companies", "mappings": {"id": "company_id"}}},
        }


@dataclass
class _Bench:
    """Where the loads of one case go."""

    url: str
    folder: Path
    bulk: bool
    _number: int = field(default=0)

    def load(self, load: Load) -> int:
        """Load, and return the number of calls.

        Raises:
            BenchmarkError: a run failed.
        """
        self._number += 1
        data = self.folder / "data"
        if load.forgets:
            (data / "ledger.db").unlink()
        config, messages = self.folder / "config.json", self.folder / f"load {self._number}.jsonl"
        own = {**load.settings(bulk=self.bulk), "api_url": self.url, "data_dir": str(data)}
        config.write_text(json.dumps(own, indent=2), encoding="utf-8")
        messages.write_text("".join(json.dumps(one) + "\n" for one in load.messages()), encoding="utf-8")
        measure((TARGET, "--config", config, "--input", messages), self.folder / "load.log")
        report = json.loads((data / "report.json").read_text(encoding="utf-8"))
        return sum(report["api"]["calls"].values())


def _accounts(**values: str) -> tuple[Row, ...]:
    return tuple({"id": f"c{n}", "name": f"Company {n}", **values} for n in range(_SIZE))


def _few(prefix: str = "c") -> tuple[Row, ...]:
    return tuple({"id": f"{prefix}{n}", "name": f"Company {n}"} for n in range(_COMPANIES))


def _customers(prefix: str | None = "c") -> tuple[Row, ...]:
    account = {} if prefix is None else {"account": f"{prefix}%d"}
    return tuple(
        {"id": str(n), "name": f"Person {n}", **{key: value % (n % _COMPANIES) for key, value in account.items()}}
        for n in range(_SIZE)
    )


_BOTH = (*_few("a"), *_few("b"))
_NOBODY: t.Final = tuple({**row, "account": None} for row in _customers(None))
CASES: t.Final = (
    Case("companies, new", (Load(_accounts()),), 1010, 25),
    Case("companies, all changed", (Load(_accounts()), Load(_accounts(plan="pro"))), 1010, 25),
    Case("companies unchanged", (Load(_accounts()), Load(_accounts())), 3, 3),
    Case(
        "companies, 1 % changed",
        (Load(_accounts()), Load((*_accounts(plan="pro")[:10], *_accounts()[10:]))),
        15,
        15,
    ),
    Case(
        "companies, mode enrich, not in the ledger",
        (Load(_accounts(), is_bulk=False), Load(_accounts(plan="pro"), mode="enrich", forgets=True)),
        2010,
        1025,
    ),
    Case("companies, repair, nothing changed", (Load(_accounts()), Load(_accounts(), repair=True)), 1010, 1010),
    Case(
        "companies archived, ids known", (Load(_accounts(), is_bulk=False), Load(_accounts(), mode="remove")), 1010, 25
    ),
    Case("new users, each in one of 50 known companies", (Load(_few()), Load((), _customers())), 2040, 40),
    Case(
        "the same, companies not in the ledger",
        (Load(_few()), Load((), _customers(), forgets=True)),
        2090,
        90,
    ),
    Case(
        "known users put into one company each",
        (Load(_few(), _NOBODY, is_bulk=False), Load((), _customers())),
        1030,
        40,
    ),
    Case(
        "each moves from A to B",
        (Load(_BOTH, _customers("a"), is_bulk=False), Load((), _customers("b"))),
        2030,
        40,
    ),
    Case("memberships unchanged", (Load(_few(), _customers()), Load((), _customers())), 3, 3),
)


def run(options: Options, folder: Path) -> Findings:
    """Load each case singly and in bulk, each into a workspace of its own.

    Raises:
        BenchmarkError: a run failed.
    """
    rows, demands, figures = [], list[Demand](), {}
    for number, case in enumerate(CASES):
        calls = {bulk: _measure(options, folder / f"{number} {bulk}", case, bulk=bulk) for bulk in (False, True)}
        progress.say(f"{case.name}: {calls[False]:,} calls, in bulk {calls[True]:,}")
        figures[case.name] = {"single": calls[False], "bulk": calls[True]}
        rows.append((case.name, f"{calls[False]:,}", f"{case.most:,}", f"{calls[True]:,}", f"{case.most_in_bulk:,}"))
        demands.append(Demand(f"{case.name}, singly", calls[False], case.most))
        demands.append(Demand(f"{case.name}, in bulk", calls[True], case.most_in_bulk))
    head = ("load", "calls", "at most", "calls in bulk", "at most")
    about = f"Calls for {_SIZE:,} companies, or contacts, `GET /me` and `GET /data_attributes` counted."
    return Findings("companies", f"{about}\n\n{table(head, rows)}", figures, tuple(demands))


def _measure(options: Options, folder: Path, case: Case, *, bulk: bool) -> int:
    folder.mkdir()
    with running_sandbox(options.weather, folder) as place:
        bench, calls = _Bench(place.url, folder, bulk), 0
        for load in case.loads:
            calls = bench.load(load)
    if not calls:
        raise BenchmarkError(f"{case.name}: nothing was loaded")
    return calls
