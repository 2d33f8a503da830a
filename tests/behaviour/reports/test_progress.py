"""How far a run is: a live line on a terminal, a log line at a steady pace elsewhere, and metrics for programs."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from docs.terminal import LOGGING, Terminal, written
from target_intercom.sandbox import Fault, TargetedFault
from tests.support.loading import lines, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from docs.terminal import Screen
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loaded, Loader, People

CUSTOMERS = schema("customers", id="integer", email="text", name="text", tags="array")
LIVE = re.compile(
    r"(\d+) read, (\d+) written, (\d+) rejected, (\d+) calls(?:, window (\d+)%)?, waits (\d+)s \[\d\d:\d\d\]"
)
LOGGED = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) \| ([A-Z]+) +\| ([a-z_.-]+) +\| (.+)")
STATE = state({"n": 1})
HASTY = """
from target_intercom.target import TargetIntercom

class Hasty(TargetIntercom):
    pace_seconds = 0.15

Hasty.cli()
"""


def customers(count: int, first: int = 1) -> list[dict[str, Any]]:
    """People, of whom every tenth has no email to speak of."""
    numbers = range(first, first + count)
    return [record("customers", id=n, email=f"c{n}@example.com" if n % 10 else "c") for n in numbers]


def files(load: Loader, messages: Iterable[dict[str, Any] | str], settings: dict[str, Any]) -> tuple[Path, Path]:
    load.data_dir.mkdir(parents=True, exist_ok=True)
    config, piped = load.data_dir / "config.json", load.data_dir / "input.singer"
    config.write_text(json.dumps(load.config(**settings)), encoding="utf-8")
    piped.write_text(lines(messages), encoding="utf-8")
    return config, piped


@contextmanager
def in_terminal(
    load: Loader,
    *messages: dict[str, Any] | str,
    term: str = "xterm",
    no_color: str = "1",
    columns: int = 1000,
    **settings: Any,
) -> Iterator[Terminal]:
    """Run in a terminal, by default one that is wide enough for every line of the log; STATE goes to it, too."""
    config, piped = files(load, messages, settings)
    # Of Python 3.10 the SDK says, in lines of its own, that it has reached its end.
    env = {**load.env(), "TERM": term, "PYTHONWARNINGS": "ignore", "NO_COLOR": no_color}
    with piped.open("rb") as stdin, Terminal(load.command(config), stdin=stdin, env=env, columns=columns) as terminal:
        yield terminal


def hastily(load: Loader, *messages: dict[str, Any] | str, **settings: Any) -> Loaded:
    """Run without a terminal, with a pace that a test can wait for."""
    config, piped = files(load, messages, settings)
    with piped.open("rb") as stdin:
        process = subprocess.Popen(
            [sys.executable, "-c", HASTY, "--config", str(config)],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=load.env(),
        )
    return load.finish(process)


def is_live(shown: list[str]) -> bool:
    return LIVE.fullmatch(shown[-1]) is not None


def assert_whole(screen: Screen, last: str) -> None:
    """Nothing is left of the live line, no line of the log is mixed up, and the cursor stands on a line of its own."""
    *shown, cursor = screen.lines
    assert (cursor, screen.column) == ("", 0)
    texts = [line for line in shown if not LOGGED.fullmatch(line)]
    assert [line for line in texts if " read, " in line or "[" in line or "|" in line] == []
    assert "" not in shown
    logged = LOGGED.fullmatch(shown[-1])
    assert logged is not None
    assert logged[4].startswith(last)


# On a terminal.


def test_a_terminal_has_a_live_line_below_a_log_that_stays_whole(load: Loader, sandbox: SandboxServer) -> None:
    sandbox.conditions.latency = 0.3
    messages = [CUSTOMERS, *customers(60), STATE]
    with in_terminal(load, *messages, batch_size_rows=20, max_connections=4) as terminal:
        running = terminal.until(lambda shown: (written(shown[-1]) or 0) > 20)
        assert terminal.wait() == 0
        ended, drawn = terminal.screen, terminal.drawn
    figures = LIVE.fullmatch(running.lines[-1])
    assert figures is not None
    read, done, rejected, calls = map(int, figures.groups()[:4])
    assert (read, rejected) in {(40, 4), (60, 4), (60, 6)}
    assert 20 < done <= calls < 60
    assert figures[5] is not None
    assert [line for line in running.lines[:-1] if "a record is invalid" in line and LOGGED.fullmatch(line)]
    assert len([line for line in ended.lines if "a record is invalid" in line and "more like it" not in line]) == 3
    assert [line for line in ended.lines if "3 more like it: " in line]
    assert json.dumps(STATE["value"]) in ended.lines
    assert_whole(ended, "Done: stream 'customers': 60 read: 54 created, 6 invalid")
    assert "\x1b" not in drawn


def test_the_live_line_goes_on_within_a_batch_and_while_the_run_waits(load: Loader, sandbox: SandboxServer) -> None:
    sandbox.conditions.latency = 0.1
    sandbox.conditions.rate_limit, sandbox.conditions.rate_window = 30, 100_000.0

    def at_the_limit(terminal: Terminal) -> set[str]:
        """What was drawn when half of the window was used; without the time, it is all the same."""
        frames = [frame.strip() for frame in terminal.drawn.split("\r") if "window 50%" in frame]
        return set(frames) if len({frame.partition(" [")[0] for frame in frames[-6:]}) == 1 else set()

    with in_terminal(load, CUSTOMERS, *customers(60), rate_limit_percent=50, max_connections=2) as terminal:
        terminal.until(lambda _shown: len(at_the_limit(terminal)) > 1)
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.wait() == 128 + signal.SIGTERM
        frames = [LIVE.fullmatch(frame.strip()) for frame in terminal.drawn.split("\r")]
    assert len({int(frame[2]) for frame in frames if frame is not None}) > 2


def test_the_live_line_is_gone_after_a_signal(load: Loader, sandbox: SandboxServer) -> None:
    sandbox.conditions.latency = 0.15
    with in_terminal(load, CUSTOMERS, *customers(80), STATE, max_connections=2) as terminal:
        terminal.until(lambda shown: (written(shown[-1]) or 0) > 0)
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.wait() == 128 + signal.SIGTERM
        ended = terminal.screen
    assert [line for line in ended.lines if "Stopped by a signal" in line]
    assert_whole(ended, "Failed: ")


def test_the_live_line_is_gone_after_a_failure(load: Loader, sandbox: SandboxServer) -> None:
    sandbox.conditions.latency = 0.15
    with in_terminal(load, CUSTOMERS, *customers(9), "no json", batch_size_rows=9, max_connections=2) as terminal:
        terminal.until(is_live)
        assert terminal.wait() == 1
        ended = terminal.screen
    assert [line for line in ended.lines if "Line 11 is not JSON" in line]
    assert_whole(ended, "Failed: stream 'customers': 9 read: 9 created")


def test_with_stderr_closed_a_run_does_all_the_same(load: Loader) -> None:
    config, piped = files(load, [CUSTOMERS, *customers(2), STATE], {})
    command = ["sh", "-c", '"$@" 2>&-', "sh", *load.command(config), "--input", str(piped)]
    done = subprocess.run(command, stdout=subprocess.PIPE, env=load.env(), check=False)
    assert (done.returncode, json.loads(done.stdout)) == (0, STATE["value"])


def test_a_dumb_terminal_gets_a_plain_log(load: Loader) -> None:
    with in_terminal(load, CUSTOMERS, *customers(9), term="dumb") as terminal:
        assert terminal.wait() == 0
        drawn, ended = terminal.drawn, terminal.screen
    assert "\r" not in drawn.replace("\r\n", "")
    assert_whole(ended, "Done: ")


def coloured(drawn: str) -> list[tuple[str, str]]:
    """The texts in colours, each with its colour."""
    return re.findall(r"\x1b\[(\d+)m([^\x1b]*)\x1b\[0m", drawn)


def test_warnings_and_errors_have_colours_on_a_terminal(load: Loader) -> None:
    with in_terminal(load, CUSTOMERS, *customers(10), "no json", no_color="", batch_size_rows=10) as terminal:
        assert terminal.wait() == 1
        drawn = terminal.drawn
    texts = coloured(drawn)
    assert [colour for colour, text in texts if "a record is invalid" in text and "WARNING" in text] == ["33"]
    assert [colour for colour, text in texts if "Line 12 is not JSON" in text and "ERROR" in text] == ["31"]
    assert "INFO" in drawn
    assert not [text for _, text in texts if "INFO" in text]


def test_a_dumb_terminal_gets_no_colours(load: Loader) -> None:
    with in_terminal(load, CUSTOMERS, *customers(10), term="dumb", no_color="") as terminal:
        assert terminal.wait() == 0
        assert "\x1b" not in terminal.drawn


def test_a_terminal_of_80_columns_shows_a_table_that_fits(load: Loader, people: People) -> None:
    """Upright it has 88 characters in a line."""
    stream = "public-customers-of-all-regions-and-of-all-times"
    described = {**CUSTOMERS, "stream": stream}
    two, three = ({"id": n, "email": f"c{n}@example.com"} for n in (2, 3))
    load([described, record(stream, **two), record(stream, **three)])
    people.add(external_id="7", email="c7@example.com")
    rows: list[dict[str, Any]] = [
        two,
        {**three, "name": "New"},
        {"id": 4, "email": "c"},
        {"id": 5, "email": "c7@example.com"},
        {"id": 6, "email": "c6@example.com"},
    ]
    with in_terminal(load, described, *(record(stream, **row) for row in rows), columns=80) as terminal:
        assert terminal.wait() == 0
        told = terminal.drawn.replace("\r\n", "\n").partition("What the run did:\n")[2].partition("\ninvalid of")[0]
    assert [line.split() for line in told.splitlines()] == [
        ["stream", stream],
        ["read", "5"],
        ["created", "1"],
        ["updated", "1"],
        ["unchanged", "1"],
        ["invalid", "1"],
        ["rejected", "1"],
    ]


# Elsewhere.


def logged(done: Loaded, logger: str = "target-intercom") -> list[tuple[datetime, str]]:
    found = [LOGGED.fullmatch(line) for line in done.log.splitlines()]
    return [(datetime.fromisoformat(one[1].replace(",", ".")), one[4]) for one in found if one and one[3] == logger]


def measured(done: Loaded) -> Counter[tuple[str, ...]]:
    """The sums of the metrics of a log, by name and tags."""
    sums: Counter[tuple[str, ...]] = Counter()
    for _, text in logged(done, "singer_sdk.metrics"):
        point = json.loads(text.removeprefix("METRIC: "))
        assert isinstance(point["tags"].pop("pid"), int)
        if point["type"] == "counter":
            key = (point["metric"], *(f"{name}={value}" for name, value in sorted(point["tags"].items())))
            sums[key] += point["value"]
    return sums


def test_a_log_says_at_a_steady_pace_how_far_the_run_is(load: Loader, sandbox: SandboxServer) -> None:
    sandbox.conditions.latency = 0.1
    done = hastily(load, CUSTOMERS, *customers(60), STATE, max_connections=6)
    said = [(at, text) for at, text in logged(done) if text.startswith("So far: ")]
    gaps = [(after - before).total_seconds() for (before, _), (after, _) in pairwise(said)]
    assert len(gaps) > 3
    assert sum(gaps) / len(gaps) > 0.1
    figures = [[int(number) for number in re.findall(r"\d+", text)] for _, text in said]
    assert figures[-1][:3] == [60, figures[-1][1], 6]
    written_so_far = [one[1] for one in figures]
    assert written_so_far == sorted(written_so_far)
    assert len(set(written_so_far)) > 2
    assert re.search(r"So far: 60 read, \d+ written, 6 rejected, \d+ calls, window \d+%, waits 0s\n", done.log)
    assert [one for one in done.log if not one.isprintable() and one != "\n"] == []
    assert done.states == [STATE["value"]]
    assert logged(done)[-1][1].startswith("Done: ")


def test_a_dry_run_says_what_it_would_write(load: Loader, sandbox: SandboxServer) -> None:
    sandbox.conditions.latency = 0.5
    done = hastily(load, CUSTOMERS, *customers(20), dry_run=True)
    assert re.search(r"So far: 20 read, \d+ to write, ", done.log)
    assert "Dry run: nothing was written. What a run would do:\n" in done.log
    (plan,) = load.data_dir.glob("plan-*.jsonl")
    assert f"Plan: {plan}\n" in done.log


# Metrics.

METRICS_TOO = """
version: 1
disable_existing_loggers: false
formatters:
  line: {(): singer_sdk.logging.ConsoleFormatter}
handlers:
  metrics: {class: logging.StreamHandler, formatter: line, stream: ext://sys.stderr}
loggers:
  singer_sdk.metrics: {handlers: [metrics], propagate: false}
"""


def test_metrics_are_lines_of_the_log_at_debug_alone(load: Loader) -> None:
    assert "METRIC" not in load.pipe([CUSTOMERS, *customers(2)]).log
    load.variables = {"TARGET_INTERCOM_LOGLEVEL": "DEBUG"}
    log = load.pipe([CUSTOMERS, *customers(2)]).log
    assert '"metric":"outcome_count"' in log
    assert '"metric":"record_count"' in log


def test_metrics_go_into_a_file_as_the_report_page_shows(load: Loader, tmp_path: Path) -> None:
    config = tmp_path / "logging.yml"
    config.write_text(LOGGING.replace("metrics.log", str(tmp_path / "metrics.log")), encoding="utf-8")
    load.variables = {"SINGER_SDK_LOG_CONFIG": str(config)}
    assert "outcome_count" not in load.pipe([CUSTOMERS, *customers(2)]).log
    assert '"metric":"outcome_count"' in (tmp_path / "metrics.log").read_text(encoding="utf-8")


def test_the_metrics_of_a_log_sum_up_to_the_report(load: Loader, sandbox: SandboxServer) -> None:
    sandbox.conditions.latency = 0.05
    sandbox.conditions.rate_window = 1.0
    sandbox.conditions.plan.add(TargetedFault(Fault.TOO_MANY, "POST", "/contacts/search"))
    sandbox.conditions.plan.add(TargetedFault(Fault.ERROR, "POST", "/tags"))
    groups = [record("customers", id=n, email=f"c{n}@example.com", tags=["VIP"]) for n in (101, 102)]
    config = load.data_dir.with_name("logging.yml")
    config.write_text(METRICS_TOO, encoding="utf-8")
    load.variables = {"SINGER_SDK_LOG_CONFIG": str(config)}
    done = hastily(
        load, CUSTOMERS, *customers(40), *groups, batch_size_rows=21, max_connections=4, tags_property="tags"
    )
    api, counts = done.report["api"], done.stream()
    expected: Counter[tuple[str, ...]] = Counter()
    for operation, calls in api["calls"].items():
        expected["http_request_count", f"endpoint={operation}"] = calls
    for name in set(counts) - {"read", "reasons", "cut", "left_out"}:
        expected["outcome_count", f"outcome={name}", "stream=customers"] = counts[name]
    expected["record_count", "stream=customers"] = 42
    expected["http_retry_count",] = api["retries"]
    expected["http_rate_limited_count",] = api["rate_limited"]
    assert measured(done) == +expected
    assert (api["retries"], api["rate_limited"], counts["created"], counts["tagged"]) == (1, 1, 38, 2)
    assert len([text for _, text in logged(done, "singer_sdk.metrics") if "batch_processing_time" in text]) == 2
    assert "example.com" not in done.log


# What it costs.


def test_nobody_waits_for_the_library_who_has_no_terminal(load: Loader) -> None:
    config, _ = files(load, [], {})
    for arguments in (load.command(config), [*load.command(config)[:-2], "--version"]):
        command = [arguments[0], "-X", "importtime", *arguments[1:]]
        done = subprocess.run(command, input=b"", capture_output=True, check=True, env=load.env(), timeout=120)
        assert b"singer_sdk" in done.stderr
        assert b"tqdm" not in done.stderr
        assert b"So far" not in done.stderr
