"""What can go wrong in the demo, told in one sentence."""

from __future__ import annotations


class DemoError(Exception):
    """The demo cannot go on; the message is for the person at the terminal."""
