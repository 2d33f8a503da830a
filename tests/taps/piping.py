"""Real taps, each from an environment of its own, piped into the target."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.support.loading import Loaded, Loader, People

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / ".venv-taps"
MELTANOS = ROOT / ".meltano" / "extractors" / "tap-postgres" / "venv" / "bin" / "tap-postgres"
STANDARD = ("email", "name", "phone", "signed_up_at", "last_seen_at")

Person = dict[str, Any]


def command(package: str, name: str) -> Path:
    """Find the command of a package that `make taps` has installed; a test is skipped where it could not be."""
    path = ENVIRONMENTS / package / "bin" / name
    log = ENVIRONMENTS / f"{package}.log"
    if not path.exists():
        why = log.read_text(encoding="utf-8").strip() if log.exists() else "make taps"
        pytest.skip(f"{package} is not installed here: {why}")
    return path


def meltanos_tap_postgres() -> Path:
    """Find MeltanoLabs' tap-postgres, which Meltano has installed for the demo."""
    if not MELTANOS.exists():
        pytest.skip("meltanolabs-tap-postgres is not installed here: make taps")
    return MELTANOS


def program(*names: str) -> str:
    """Find a program of this machine, under the first of its names; a test is skipped where there is none."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    found = next(filter(None, (shutil.which(name, path=path) for name in names)), None)
    if found is None:
        pytest.skip(f"this machine has no {' or '.join(names)}")
    return found


@dataclass
class Tap:
    """A tap, and what it goes on from."""

    command: Path
    folder: Path
    config: Mapping[str, Any]
    stream: str = "people"
    """The table, as the tap's catalog names it, or as its name ends there."""
    metadata: Mapping[str, Any] = field(default_factory=lambda: {"replication-method": "FULL_TABLE"})
    catalog_flag: str = "--catalog"
    environment: Mapping[str, str] = field(default_factory=dict)
    mapper: Sequence[str] = ()
    """The command that its messages go through."""
    discovered: Any = None
    """Its catalog, for a tap that cannot discover here."""
    state: Any = None

    def messages(self) -> list[str]:
        """Run it from its last state on, and return what it sends."""
        files = {"--config": self.config, self.catalog_flag: self._catalog()}
        if self.state is not None:
            files["--state"] = self.state
        sent = self._run(files)
        return (self._done(self.mapper, sent) if self.mapper else sent).splitlines()

    def _catalog(self) -> dict[str, Any]:
        if self.discovered is None:
            self.discovered = json.loads(self._run({"--config": self.config}, "--discover"))
        catalog = self.discovered
        wanted = [one for one in catalog["streams"] if one["tap_stream_id"].endswith(self.stream)]
        assert len(wanted) == 1, [one["tap_stream_id"] for one in catalog["streams"]]
        for entry in wanted[0]["metadata"]:
            entry["metadata"]["selected"] = True
            if not entry["breadcrumb"]:
                entry["metadata"] |= self.metadata
        return {"streams": wanted}

    def _run(self, files: Mapping[str, Any], *flags: str) -> str:
        words = [str(self.command), *flags]
        for flag, content in files.items():
            path = self.folder / f"{self.command.name}{flag}.json"
            path.write_text(json.dumps(content), encoding="utf-8")
            words += [flag, str(path)]
        return self._done(words)

    def _done(self, words: Sequence[str], given: str = "") -> str:
        """Run a command that must succeed; give what it printed."""
        environment = os.environ | self.environment
        done = subprocess.run(
            words, capture_output=True, check=False, cwd=self.folder, env=environment, input=given.encode()
        )
        assert done.returncode == 0, done.stderr.decode()[-3000:]
        return done.stdout.decode()


@dataclass
class Line:
    """A tap and the target, run again and again as a scheduler does."""

    tap: Tap
    load: Loader
    people: People

    def run(self) -> Loaded:
        """Load what the tap sends; the next run goes on from the last STATE."""
        done = self.load(self.tap.messages())
        assert done.exit_code == 0, done.log[-3000:]
        assert done.refusals == []
        if done.states:
            self.tap.state = done.states[-1]
        return done

    def loaded(self) -> dict[str, Person]:
        """Everybody in the workspace, by external_id, without what is not set."""
        return {one["external_id"]: shown(one) for one in self.people.live()}


def shown(contact: Mapping[str, Any]) -> Person:
    """The attributes of a contact that a source fills."""
    attributes = {name: contact[name] for name in STANDARD} | contact["custom_attributes"]
    return {name: value for name, value in attributes.items() if value not in (None, "")}


def load_change_and_remove(
    line: Line, write: Callable[[dict[str, Person]], dict[str, Person]], *, removes: bool
) -> None:
    """The four runs of any tap: all, nothing new, one change, one row less.

    `write` puts rows into the source and gives back the contacts that they are, by external_id.
    """
    rows = people_of_a_table()
    wanted = write(rows)
    assert line.run().results(stream_of(line)) == {"created": len(wanted)}
    assert line.loaded() == wanted
    assert line.run().writes == 0
    rows["2"] = {**rows["2"], "name": "Bob Changed", "updated_at": "2026-02-03T04:05:06"}
    wanted = write(rows)
    changed = line.run()
    assert (changed.writes, changed.results(stream_of(line))["updated"]) == (1, 1)
    assert line.loaded() == wanted
    if removes:
        del rows["3"]
        wanted = write(rows)
        assert line.run().stream(stream_of(line))["left"] == 1
        assert line.loaded() == wanted


def stream_of(line: Line) -> str:
    """The only stream of the last report."""
    report = json.loads((line.load.data_dir / "report.json").read_text(encoding="utf-8"))
    (stream,) = report["streams"]
    return str(stream)


def people_of_a_table() -> dict[str, Person]:
    """Rows with what real tables hold: other alphabets, nulls, decimals, dates, times, big numbers."""
    common = {"updated_at": "2026-01-02T03:04:05"}
    ann: Person = {"name": "Ann Müller", "email": "Ann@Example.com", "seats": 3, "balance": "12.50", "active": True}
    bob: Person = {"name": "Bob", "email": "bob@example.com", "seats": 2147483648, "balance": "0.01", "active": False}
    yuki: Person = {"name": "山田 ゆき", "email": "yuki@example.com", "seats": None, "balance": None, "active": None}
    eve: Person = {"name": "Eve 'O\"Neil, \\", "email": None, "seats": 0, "balance": "-7.25", "active": True}
    days = ("2024-02-29", "1999-12-31", None, "2026-11-30")
    rows = zip((ann, bob, yuki, eve), days, strict=True)
    return {str(number): {"id": number, **row, "birthday": day, **common} for number, (row, day) in enumerate(rows, 1)}


def contact_of(row: Person, **otherwise: Any) -> Person:
    """The contact that a row is, but for what its source says `otherwise`; `updated_at` is Intercom's own."""
    email = None if row["email"] is None else row["email"].lower()
    contact = {**row, "email": email, "birthday": seconds(row["birthday"]), **otherwise}
    return {name: value for name, value in contact.items() if value is not None and name not in {"id", "updated_at"}}


def number(text: str | None) -> float | None:
    """A decimal as Intercom's number."""
    return None if text is None else float(text)


def seconds(day: str | None) -> int | None:
    """The first second of a day."""
    return None if day is None else int(datetime.fromisoformat(day).replace(tzinfo=timezone.utc).timestamp())
