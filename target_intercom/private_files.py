"""Files for their owner only. No link is followed, and every byte is written, or an error names the file."""

from __future__ import annotations

import errno
import os
import stat
import typing as t
from contextlib import suppress

if t.TYPE_CHECKING:
    from pathlib import Path

PRIVATE: t.Final = 0o600


class LineFile:
    """A new file that grows line by line. A line that cannot be written whole is taken out again."""

    def __init__(self, path: Path) -> None:
        """Create the file, and its folder where there is none.

        Raises:
            OSError: the file cannot be made, or something is there already, be it a link.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = create(path)
        self._size = 0

    def append(self, line: str) -> None:
        """Write a line and its end.

        Raises:
            OSError: the disk is full, or the file may not grow; it ends with the line before.
        """
        data = f"{line}\n".encode()
        try:
            write(self._file, data, self._path)
        except BaseException:  # a signal, too
            with suppress(OSError):
                os.ftruncate(self._file, self._size)
                os.lseek(self._file, self._size, os.SEEK_SET)
            raise
        self._size += len(data)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def create(path: Path, mode: int = PRIVATE) -> int:
    """Create a new file and open it.

    Raises:
        OSError: it cannot be made, or something is there already, be it a link that leads nowhere.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)


def ensure(path: Path) -> None:
    """Create an empty file where there is none; a file that is there is not opened.

    Raises:
        OSError: it cannot be made, or what is there is no file of its own but a link, a folder or a device.
    """
    try:
        os.close(create(path))
    except FileExistsError:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OSError(errno.EINVAL, "it is a link, or no file", str(path)) from None


def write(file: int, data: bytes, path: Path) -> None:
    """Write all of the data; a write to a full disk may take a part of it and call that a success.

    Raises:
        OSError: a part of it cannot be written; the error names the file.
    """
    rest = memoryview(data)
    while rest:
        try:
            written = os.write(file, rest)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None
        rest = rest[written:]


def replace(path: Path, draft: Path, content: str, mode: int = PRIVATE) -> None:
    """Replace a file in one step, so that a reader never sees half of it. A link in its place is itself replaced.

    Args:
        path: the file; its folder is made where there is none.
        draft: a path in the same folder that no other process uses.
        content: the new content.
        mode: who may read the file, before the umask.

    Raises:
        OSError: the content cannot be written whole; what was there stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = create(draft, mode)
    try:
        try:
            write(file, content.encode(), draft)
        finally:
            os.close(file)
        draft.replace(path)
    except BaseException:  # a signal, too
        draft.unlink(missing_ok=True)
        raise
