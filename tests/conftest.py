from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from target_intercom.sandbox import SandboxServer
from tests.support.description import VERSIONS, official_description
from tests.support.dialect import use_one_dialect
from tests.support.loading import SAID, Loader, People
from tests.support.selection import ByFile

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from xdist.remote import Producer  # type: ignore[import-untyped]


pytest_plugins = ("tests.support.fixtures",)

LONGEST = (
    "test_meltano",
    "test_quickstart",
    "test_hub",
    "test_scale",
    "test_kills",
    "test_safety",
    "test_differences",
    "test_groups_kills",
    "test_memory",
    "test_removals",
    "test_groups",
    "test_memberships_leaving",
    "test_tags",
    "test_memberships",
    "test_faults",
    "test_groups_faults",
    "test_workers",
    "test_leaving",
    "test_moments_ago",
    "test_fuse",
    "test_variables",
    "test_outages",
    "test_bulk_tags",
    "test_bulk_faults",
    "test_bulk",
    "test_signals",
    "test_following",
    "test_release",
    "test_readme",
    "test_histories",
)
"""Files that take long begin first, so that no process is left with one at the end."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile | None:
    """Have the long files given out test by test."""
    return ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


IN_MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes a folder of its own there
ROOM = 2 * 10**9
"""Bytes that the files of the tests may take there: they are deleted with the test that made them, unless it failed."""


def pytest_configure() -> None:
    """Share what SQLAlchemy compiles, and let nothing wait for a disk: each run saves its ledger some ten times."""
    use_one_dialect()
    if IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


def pytest_runtest_setup() -> None:
    SAID.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the runs of the test said: one that exits 1 tells why."""
    report = yield
    if report.failed:
        report.sections.extend(SAID)
    return report


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """A new workspace behind real HTTP. Its conditions may be changed by the test."""
    with SandboxServer() as server:
        yield server


@pytest.fixture
def people(sandbox: SandboxServer) -> People:
    """Who is in the workspace, and a second hand in it."""
    return People(sandbox)


@pytest.fixture
def load(sandbox: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loader]:
    """Runs the target against the workspace."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.excepthook", sys.excepthook)
    handlers = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    yield Loader(sandbox.url, tmp_path / "data")
    for name, handler in handlers.items():
        signal.signal(name, handler)
    logging.captureWarnings(capture=False)
    assert not breaks_of_the_description(sandbox)


@pytest.fixture
def nothing_masked() -> Iterator[None]:
    """New files are for everybody unless somebody takes care."""
    before = os.umask(0)
    yield
    os.umask(before)


_COMPANY_WRITES = ("POST /companies: ", "PUT /companies", "POST /companies/bulk: ")


def breaks_of_the_description(sandbox: SandboxServer) -> list[str]:
    """Hold every call of a test against Intercom's official description, where it lies beside the repository."""
    described = official_description()
    if described is None:
        return []
    # Of the other versions there is no description here.
    calls = [call for call in sandbox.calls if call.version in VERSIONS]
    breaks = [one for call in calls for one in described.check(call.method, call.path, call.body, call.version)]
    # It knows no null of a company's attributes, and types all of them as text: what clears one differs from it.
    return [one for one in breaks if not (one.startswith(_COMPANY_WRITES) and " is not of type 'string'" in one)]
