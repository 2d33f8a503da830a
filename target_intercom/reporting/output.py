"""Prints the texts and errors of commands, made printable."""

from __future__ import annotations

import sys
import typing as t
from contextlib import contextmanager, suppress

import click

from target_intercom.reporting.text import printable

if t.TYPE_CHECKING:
    from collections.abc import Iterator


class CommandError(click.ClickException):
    """An error that ends a command."""

    def __init__(self, message: object) -> None:
        """Make the message printable."""
        super().__init__(printable(str(message)))


class UsageError(click.UsageError):
    """A command was given something that it cannot use."""

    def __init__(self, message: object) -> None:
        """Make the message printable."""
        super().__init__(printable(str(message)))


def echo(text: str, *, to_stderr: bool = False) -> None:
    """Print a line, made printable."""
    click.echo(printable(text), err=to_stderr)


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
