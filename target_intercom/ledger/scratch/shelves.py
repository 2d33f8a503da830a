"""Dictionaries on disk: for what a run has to keep of its records, however many there are."""

from __future__ import annotations

import copyreg
import io
import json
import pickle
import sqlite3
import threading
import typing as t
from collections.abc import ItemsView, MutableMapping, ValuesView
from types import MappingProxyType

from target_intercom.ledger.scratch.folder import ScratchFolder
from target_intercom.ledger.store.database import errors_of
from target_intercom.private_files import ensure

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_K = t.TypeVar("_K")
_V = t.TypeVar("_V")

_PAGE: t.Final = 500
_FILTER_BYTES: t.Final = 1 << 20
"""Most keys that are asked for are not there. A bit for each hash tells so of nearly all, up to millions of keys."""
_BEFORE_ALL: t.Final = -(1 << 63)
"""SQLite's smallest number, which comes before all texts, too."""
_SETTINGS: t.Final = ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE")
"""Nobody reads the file after this process."""


class Shelves:
    """Dictionaries in one private file, which goes when they are closed."""

    def __init__(self, folder: Path) -> None:
        """The file is made with the first item, in a folder of its own in `folder`."""
        self._parent = folder
        self._turn = threading.Lock()
        self._count = 0
        self._folder: ScratchFolder | None = None
        self._connection: sqlite3.Connection | None = None

    def shelf(self) -> Shelf[t.Any, t.Any]:
        """Return a new dictionary."""
        return Shelf(self)

    def number(self) -> int:
        """Return a number that no dictionary has had."""
        self._count += 1
        return self._count

    def read(self, statement: str, *parameters: object) -> Sequence[tuple[t.Any, ...]]:
        """Return the rows of a statement. Safe from any thread, as `write`.

        Raises:
            LedgerError: the file cannot be read.
            OSError: it cannot be made.
        """
        with self._turn:
            return self._execute(statement, parameters).fetchall()

    def write(self, statement: str, *parameters: object) -> int:
        """Execute a statement; returns how many rows it has written.

        Raises:
            LedgerError: the disk is full.
            OSError: the file cannot be made.
        """
        with self._turn:
            return self._execute(statement, parameters).rowcount

    def close(self) -> None:
        """Remove the file; safe to call twice."""
        with self._turn:
            if self._connection is not None:
                self._connection.close()
            if self._folder is not None:
                self._folder.close()
            self._connection = self._folder = None

    def _execute(self, statement: str, parameters: Sequence[object]) -> sqlite3.Cursor:
        try:
            return (self._connection or self._opened()).execute(statement, parameters)
        except sqlite3.Error as error:
            with errors_of(f"notes of this run alone, in {self._parent}"):
                raise error from None

    def _opened(self) -> sqlite3.Connection:
        self._folder = ScratchFolder(self._parent)
        ensure(self._folder.ledger)
        self._connection = sqlite3.connect(self._folder.ledger, isolation_level=None, check_same_thread=False)
        for setting in _SETTINGS:
            self._connection.execute(f"PRAGMA {setting}")
        self._connection.execute("CREATE TABLE items (shelf, key, value, PRIMARY KEY (shelf, key))")
        # Never committed: what does not fit into SQLite's cache goes to the file all the same.
        self._connection.execute("BEGIN")
        return self._connection


class Shelf(MutableMapping[_K, _V]):
    """A dictionary on disk; its keys are numbers, which are in order, or texts and tuples of texts.

    A value that it returns is a copy. It may be read from any thread while one writes.
    """

    def __init__(self, shelves: Shelves) -> None:
        self._shelves = shelves
        self._number = shelves.number()
        self._count = 0
        self._hashes: bytearray | None = None

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, key: _K) -> _V:
        for value in self._found(key):
            return value
        raise KeyError(key)

    def get(self, key: _K, default: t.Any = None) -> t.Any:
        """Return a value, or the default: faster than by a KeyError."""
        return next(iter(self._found(key)), default)

    def __contains__(self, key: object) -> bool:
        return bool(self._found(key))

    def __setitem__(self, key: _K, value: _V) -> None:
        row = _dumped(value), self._number, _encoded(key)
        if self._may_have(key) and self._shelves.write("UPDATE items SET value = ? WHERE shelf = ? AND key = ?", *row):
            return
        self._shelves.write("INSERT INTO items (value, shelf, key) VALUES (?, ?, ?)", *row)
        self._count += 1
        self._hashes = self._hashes or bytearray(_FILTER_BYTES)
        byte, bit = _place(key)
        self._hashes[byte] |= bit

    def __delitem__(self, key: _K) -> None:
        row = self._number, _encoded(key)
        is_gone = self._may_have(key) and self._shelves.write("DELETE FROM items WHERE shelf = ? AND key = ?", *row)
        if not is_gone:
            raise KeyError(key)
        self._count -= 1

    def clear(self) -> None:
        """Begin anew, at once: what was there goes with the file."""
        self._number, self._count, self._hashes = self._shelves.number(), 0, None

    def __iter__(self) -> Iterator[_K]:
        return (key for key, _ in self.pages())

    def items(self) -> ItemsView[_K, _V]:
        """Return all items; they are read some at once."""
        return _Items(self)

    def values(self) -> ValuesView[_V]:
        """Return all values; they are read some at once."""
        return _Values(self)

    def pages(self) -> Iterator[tuple[_K, _V]]:
        """Yield all items in the order of their keys; others may come and go meanwhile."""
        following = "SELECT key, value FROM items WHERE shelf = ? AND key > ? ORDER BY key LIMIT ?"
        after: int | str = _BEFORE_ALL
        while page := self._shelves.read(following, self._number, after, _PAGE) if self._count else ():
            for key, value in page:
                yield _decoded(key), _loaded(value)
            after = page[-1][0]

    def _found(self, key: object) -> Sequence[_V]:
        if not self._may_have(key):
            return ()
        row = self._number, _encoded(key)
        rows = self._shelves.read("SELECT value FROM items WHERE shelf = ? AND key = ?", *row)
        return [_loaded(value) for (value,) in rows]

    def _may_have(self, key: object) -> bool:
        if self._hashes is None:
            return False
        byte, bit = _place(key)
        return bool(self._hashes[byte] & bit)


class _Items(ItemsView[_K, _V]):
    _mapping: Shelf[_K, _V]

    def __iter__(self) -> Iterator[tuple[_K, _V]]:
        return self._mapping.pages()


class _Values(ValuesView[_V]):
    _mapping: Shelf[t.Any, _V]

    def __iter__(self) -> Iterator[_V]:
        return (value for _, value in self._mapping.pages())


def _read_only(values: dict[str, t.Any]) -> MappingProxyType[str, t.Any]:
    return MappingProxyType(values)


_REDUCTIONS: t.Final[t.Any] = {
    **copyreg.dispatch_table,
    MappingProxyType: lambda mapping: (_read_only, (dict(mapping),)),
}
"""How what Python does not pickle itself is made: read-only dictionaries."""


def _dumped(value: object) -> bytes:
    data = io.BytesIO()
    pickler = pickle.Pickler(data, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _REDUCTIONS
    pickler.dump(value)
    return data.getvalue()


def _loaded(data: bytes) -> t.Any:
    return pickle.loads(data)  # noqa: S301 - from a private file that this very process has made and written


def _encoded(key: object) -> int | str:
    """Return a key as SQLite takes it: it has no texts with half of a character."""
    return key if isinstance(key, int) else json.dumps(key)


def _decoded(key: int | str) -> t.Any:
    if isinstance(key, int):
        return key
    decoded = json.loads(key)
    return tuple(decoded) if isinstance(decoded, list) else decoded


def _place(key: object) -> tuple[int, int]:
    """Return the byte of the filter, and its bit, that stand for a key's hash."""
    place = hash(key) % (8 * _FILTER_BYTES)
    return place >> 3, 1 << (place & 7)
