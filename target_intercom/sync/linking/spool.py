"""Lines that wait on disk, in a file that has no name and ends with the process."""

from __future__ import annotations

import tempfile
import typing as t
from contextlib import ExitStack

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Spool:
    """Lines in the order in which they came."""

    def __init__(self, folder: Path) -> None:
        """The file is made in `folder` when the first line comes."""
        self._folder = folder
        self._file: t.IO[bytes] | None = None
        self._open = ExitStack()

    @property
    def is_empty(self) -> bool:
        """Whether there is no line."""
        return self._file is None

    def add(self, *lines: str) -> None:
        """Put lines at the end."""
        if self._file is None:
            with ExitStack() as stack:
                self._file = stack.enter_context(tempfile.TemporaryFile(dir=self._folder))
                self._open = stack.pop_all()
        self._file.write("".join(f"{line}\n" for line in lines).encode())

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Return each line and its place; others may be read in between."""
        place = 0
        while line := self.line(place):
            yield place, line
            place += len(line)

    def line(self, place: int) -> bytes:
        """Return the line at a place; empty at the end."""
        if self._file is None:
            return b""
        self._file.seek(place)
        return self._file.readline()

    def close(self) -> None:
        """Return the file back."""
        self._open.close()
        self._file = None
