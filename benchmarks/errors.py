"""What can go wrong in a benchmark, told in one sentence."""

from __future__ import annotations


class BenchmarkError(Exception):
    """The benchmark cannot go on; the message is for the person at the terminal."""
