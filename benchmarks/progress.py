"""What is told while a benchmark runs."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """Tell the person at the terminal; the results alone go to stdout."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
