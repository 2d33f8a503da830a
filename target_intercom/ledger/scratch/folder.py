"""Folders of scratch ledgers: each has a mark of its maker, and what a killed run has left is removed by the next."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
import typing as t
from contextlib import suppress
from pathlib import Path

from target_intercom.private_files import create, write

_PREFIX: t.Final = "target-intercom-scratch-"
_LEDGER: t.Final = "ledger.db"
_MARK: t.Final = "made-by-target-intercom"
_DRAFT: t.Final = f"{_MARK}.draft"


class ScratchFolder:
    """A folder for an SQLite file, readable by its owner only, that goes when it is closed.

    The mark in it is locked as long as its maker lives, however it ends.
    """

    def __init__(self, parent: Path) -> None:
        """Make the folder.

        Raises:
            OSError: it cannot be made, or the disk is full.
        """
        self._path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        self._mark = _marked(self._path)
        self.ledger = self._path / _LEDGER
        """Where the SQLite file is to be."""

    def close(self) -> None:
        """Remove the folder with what this program has put into it."""
        _remove(self._path)
        os.close(self._mark)


def sweep(parent: Path) -> None:
    """Remove the folders of killed runs, and nothing that this program has not made."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            _sweep(folder)


def _marked(folder: Path) -> int:
    """Write the mark into a folder; it is locked before it has its name, so that no run takes its maker for dead."""
    draft = folder / _DRAFT
    try:
        mark = create(draft)
        with suppress(OSError):  # a file system without locks: then nobody else gets one, either
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        write(mark, _words(folder), draft)
        draft.rename(folder / _MARK)
    except BaseException:
        _remove(folder)
        raise
    return mark


def _sweep(folder: Path) -> None:
    known = folder.lstat()
    if not stat.S_ISDIR(known.st_mode) or known.st_uid != os.geteuid():
        return
    mark = os.open(folder / _MARK, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        words = _words(folder)
        if os.read(mark, len(words) + 1) == words:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(folder)
    finally:
        os.close(mark)


def _words(folder: Path) -> bytes:
    """Return the content of a folder's mark; the folder's name is part of it, so that a copy has no valid mark."""
    return os.fsencode(f"{folder.name}: made by target-intercom, and removed by it\n")


def _remove(folder: Path) -> None:
    """Remove the ledger, what SQLite and its locks put beside it, the mark, and the folder if nothing else is in it."""
    with suppress(OSError):
        for path in (*folder.glob(f"{_LEDGER}-*"), folder / _LEDGER, folder / _DRAFT, folder / _MARK):
            path.unlink(missing_ok=True)
        folder.rmdir()
