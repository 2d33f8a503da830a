"""Standard output."""

from __future__ import annotations

import sys
import typing as t
from contextlib import contextmanager, suppress

if t.TYPE_CHECKING:
    from collections.abc import Iterator


def put_out(what: str, text: str) -> None:
    """Print a text and a line's end, at once; see `printing`."""
    with printing(what) as stdout:
        stdout.write(f"{text}\n")


@contextmanager
def printing(what: str) -> Iterator[t.TextIO]:
    """Yield stdout, and flush it when the block ends; `what` begins the message where that fails.

    Raises:
        BrokenPipeError: whoever read it has gone.
        OSError: stdout is closed, or the disk is full.
    """
    if sys.stdout is None:  # so Python begins where it was closed
        message = f"{what} cannot be printed: stdout is closed"
        raise OSError(message)
    try:
        yield sys.stdout
        sys.stdout.flush()
    except OSError as error:
        # Or Python tries again at the end, fails again, and makes the exit code 120.
        with suppress(OSError):
            sys.stdout.close()
        message = f"{what} cannot be printed: {error.strerror}"
        raise type(error)(message) from None
