"""The report of a comparison, as Markdown. It shows no data but the script's own."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from target_intercom.sandbox.comparing.results.verdicts import Finding
from target_intercom.sandbox.comparing.results.weights import weights
from target_intercom.sandbox.comparing.results.words import IDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from target_intercom.sandbox.comparing.calls import Transcript
    from target_intercom.sandbox.comparing.playing.cleaning import Cleaned
    from target_intercom.sandbox.comparing.results.differences import Comparison
    from target_intercom.sandbox.comparing.results.verdicts import Verdict

_MOST_STEPS = 4
_LONGEST = 160


@dataclass(frozen=True)
class Results:
    """All that a comparison found.

    Attributes:
        day: When it was made.
        calls: Calls to the workspace, those that took away included.
    """

    day: str
    calls: int
    workspace: Transcript
    sandbox: Transcript
    comparison: Comparison
    verdicts: Sequence[Verdict]
    cleaned: Cleaned


def summary(results: Results) -> list[str]:
    """Return what differs and what was answered, for a terminal."""
    differences = results.comparison.differences
    lines = [
        f"{entry.kind:7} {_steps(entry.steps)}{_where(entry.where)}: {entry.workspace}, in the sandbox {entry.sandbox}"
        for entry in differences
    ]
    findings = Counter(verdict.finding for verdict in results.verdicts)
    answers = ", ".join(f"{findings[finding]} {finding.value}" for finding in Finding)
    count = "1 difference" if len(differences) == 1 else f"{len(differences)} differences"
    compared = f"{len(results.comparison.compared)} steps compared"
    return [*(line[:_LONGEST] for line in lines), f"{compared}, {count}. Open questions: {answers}."]


def markdown(results: Results) -> str:
    """Return the report."""
    return "\n".join(
        [
            "# A workspace beside the sandbox",
            "",
            *_facts(results),
            "",
            "## What differs",
            "",
            *_differences(results.comparison),
            "",
            "## What was not known",
            "",
            *_answers(results.verdicts),
            "",
            "## How long it took",
            "",
            *_timings(results.workspace, results.sandbox),
            *_left_out(results.comparison),
            "",
        ]
    )


def _facts(results: Results) -> Iterator[str]:
    yield f"Made on {results.day}, with {results.calls} calls to the workspace."
    yield f"Compared: {len(results.comparison.compared)} steps."
    yield f"Taken away at the end: {results.cleaned.counted or 'nothing'}."
    if results.cleaned.left:
        yield f"Still there: {len(results.cleaned.left)} objects, named in the terminal."


def _differences(comparison: Comparison) -> Iterator[str]:
    if not comparison.differences:
        yield "Nothing."
        return
    yield from _table("kind", "steps", "where", "workspace", "sandbox")
    for entry in comparison.differences:
        yield _row(entry.kind, _steps(entry.steps), entry.where, entry.workspace, entry.sandbox)


def _answers(verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield "Confirmed: the workspace answers as is taken for granted. Refuted: what rests on it has to change."
    yield ""
    yield from _table("number", "question", "taken for granted", "answer", "why", "rests on")
    order = [Finding.REFUTED, Finding.CONFIRMED, Finding.NOT_TESTABLE]
    for verdict in sorted(verdicts, key=lambda entry: order.index(entry.finding)):
        unknown, rests_on = verdict.unknown, "; ".join(verdict.unknown.rests_on)
        yield _row(
            unknown.number, unknown.question, unknown.taken, f"**{verdict.finding.value}**", verdict.why, rests_on
        )


def _timings(workspace: Transcript, sandbox: Transcript) -> Iterator[str]:
    yield from _table("repeated until it held", "workspace", "sandbox")
    for exchange in workspace.exchanges:
        if exchange.is_last and exchange.waited is not None:
            yield _row(exchange.step, f"{exchange.waited:.1f} s", _waited(sandbox, exchange.step))
    yield ""
    yield from _table("call", "number", "median of the workspace", "longest", "median of the sandbox")
    here, there = _by_call(workspace), _by_call(sandbox)
    for call, seconds in sorted(here.items()):
        other = there.get(call)
        yield _row(call, len(seconds), _ms(median(seconds)), _ms(max(seconds)), _ms(median(other)) if other else "")
    yield ""
    yield from _table("counts as", "workspace", "sandbox")
    weighed, own = weights(workspace), weights(sandbox)
    for step in sorted({*weighed, *own}):
        yield _row(step, weighed.get(step, "not seen"), own.get(step, "not seen"))
    for name in ("x-ratelimit-limit",):
        yield _row(name, *(_header(transcript, name) for transcript in (workspace, sandbox)))


def _left_out(comparison: Comparison) -> Iterator[str]:
    if comparison.skipped:
        yield from ("", "## What was not compared", "")
        yield from _table("step", "why")
        for step, why in comparison.skipped.items():
            yield _row(step, why)


def _header(transcript: Transcript, name: str) -> str:
    return next((exchange.headers[name] for exchange in transcript.exchanges if name in exchange.headers), "missing")


def _waited(transcript: Transcript, step: str) -> str:
    exchange = transcript.last(step)
    return "" if exchange is None or exchange.waited is None else f"{exchange.waited:.1f} s"


def _by_call(transcript: Transcript) -> dict[str, list[float]]:
    found = defaultdict(list)
    for exchange in transcript.exchanges:
        path = IDS.sub("{id}", exchange.call.path)
        path = re.sub(r"(find_by_external_id)/.*|(/tags|/data_attributes)/\w+", _template, path)
        found[f"{exchange.call.method} {path}"].append(exchange.seconds)
    return found


def _template(match: re.Match[str]) -> str:
    return f"{match[1] or match[2]}/{{id}}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _steps(steps: Iterable[str]) -> str:
    named = list(steps)
    more = f" and {len(named) - _MOST_STEPS} more" if len(named) > _MOST_STEPS else ""
    return ", ".join(named[:_MOST_STEPS]) + more


def _where(where: str) -> str:
    return f" ({where})" if where else ""


def _table(*heads: str) -> Iterator[str]:
    yield _row(*heads)
    yield "|" + "---|" * len(heads)


def _row(*cells: object) -> str:
    return "| " + " | ".join(_cell(str(cell)) for cell in cells) + " |"


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|").replace("<", "&lt;")
