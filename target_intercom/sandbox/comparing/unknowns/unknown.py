"""A question that nobody has documented an answer to."""

from __future__ import annotations

from dataclasses import dataclass

NOTHING_YET = "nothing yet"


@dataclass(frozen=True)
class Unknown:
    """A question, what is taken for granted, and what rests on it.

    Attributes:
        number: The number that the steps of the script name it by.
        question: What nobody has documented.
        taken: What the sandbox does, or the target is ready for: an equal answer confirms it.
        rests_on: `file: what to look for in it`, or `setting: its name`; what has to change if it is refuted.
        untestable: Why no call of the script can tell; None where one can.
        within: Seconds that the target is ready to wait: a step that takes no longer refutes nothing.
    """

    number: str
    question: str
    taken: str
    rests_on: tuple[str, ...]
    untestable: str | None = None
    within: float = 0.0
