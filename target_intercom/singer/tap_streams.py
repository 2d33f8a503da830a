"""What the tap says of its streams: their versions, and whether they came completely. Pure.

A tap that dies leaves a truncated stream and a clean end of input, so that only its own word counts: after a stream's
last record, and before another stream's messages, a STATE with the stream's bookmark, or an ACTIVATE_VERSION.

Not every tap says in its SCHEMA that a stream is incremental (`bookmark_properties`), so that its bookmark counts, too:
one that holds a position is of a tap that goes on from there.
"""

from __future__ import annotations

import re
import typing as t
from itertools import islice

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from target_intercom.model import Json


_STATE_EVERY: t.Final = 10_000
"""Records between two STATEs of a tap of the Meltano SDK (`Stream.STATE_MSG_FREQUENCY`)."""
_MOST: t.Final = 2**63
"""The ledger keeps smaller versions only."""
_MOST_NAMED: t.Final = 3
_KEY_VALUES: t.Final = frozenset({"replication_key_value", "starting_replication_value"})
"""Parts of a bookmark that are a position whatever they hold: a replication key may be any text."""
_NO_POSITIONS: t.Final = frozenset({"version", "last_pk_fetched", "max_pk_values", "context", "success_timestamp"})
"""Parts of a bookmark that a complete table has, too: its version, how far an earlier run got, its partition, and the
end of the run (tap-dynamodb)."""
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?(?!\d)"
    r"|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}(?!\d)"
    r"|([A-Za-z]{3}, *)?\d{1,2} [A-Za-z]{3,9} \d{4}(?!\d)"
)
"""The beginning of a text that is a date: ISO 8601, with other signs, the day first, or as HTTP writes it."""
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")


def _version(value: Json) -> int | None:
    """Read a version as RECORD and ACTIVATE_VERSION carry it; None: it is no version."""
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MOST else None


class TapStream:
    """What the tap says of one stream, by its name in the tap."""

    def __init__(self, name: str) -> None:
        """Begin before the first message."""
        self.name = name
        self.version: int | None = None
        """The version of the last ACTIVATE_VERSION."""
        self.tells_versions = False
        """Whether its records name their version."""
        self.is_incremental = False
        """Whether it has `bookmark_properties`: a missing record has not changed then."""
        self.missing: str | None = "no record came"
        """The sign of its completeness that did not come: a record, or the tap's word that it was the last.

        None: it is complete.
        """
        self.position: str | None = None
        """The part of its bookmark, in the last STATE, that holds a position; None: there is none."""
        self._records = 0
        self._in_batch = False
        self._versions: set[int] = set()

    def described(self, bookmark_properties: Json) -> None:
        """Read its SCHEMA."""
        self.is_incremental = self.is_incremental or bool(bookmark_properties)

    def record(self, version: Json, *, in_batch: bool) -> None:
        """Count a record, with the version that it names."""
        self.missing = "no STATE, and no ACTIVATE_VERSION of the stream, came after its last record"
        self._records += 1
        self._in_batch = in_batch
        own = None if version is None else _version(version)
        if own is not None:
            self.tells_versions = True
            self._versions.add(own)

    def version_of(self, message: Mapping[str, Json]) -> int | None:
        """Return the version of the stream that a record is of."""
        own = _version(message.get("version"))
        return self.version if own is None else own

    def activated(self, version: Json, *, follows: bool) -> None:
        """Read an ACTIVATE_VERSION; one that does not follow the stream's records only names their version."""
        self.version = _version(version)
        if self.version is not None:
            self._versions.add(self.version)
        if follows:
            self.missing = None

    def found(self, bookmark: Json) -> None:
        """Read the stream's bookmark in a STATE, whenever it came.

        Only the last one counts: taps that read a complete table may keep a position meanwhile, and drop it at the end.
        """
        parts = _parts(self.name, bookmark)
        self.position = next((name for name, value in parts if _is_position(name, value, self._versions)), None)

    def bookmarked(self, state: Json) -> None:
        """Read a STATE that follows the stream's records.

        Taps of the Meltano SDK send one after every 10,000 records, and after a BATCH, and of a complete table it looks
        like the last one: it proves nothing where it may be one of these.
        """
        if self.missing is None:
            return
        if self._in_batch or self._records % _STATE_EVERY == 0:
            self.missing = "its last STATE may be one of those that taps send on their way"
        else:
            self.missing = _missing(state, self.name)


class TapStreams:
    """The streams of the tap, by their names there."""

    def __init__(self) -> None:
        """Begin before the first message."""
        self._streams: dict[str, TapStream] = {}
        self._open: TapStream | None = None
        """The stream of the last record, while no other stream's message came after it."""

    def stream(self, name: str) -> TapStream:
        """Return a stream."""
        if name not in self._streams:
            self._streams[name] = TapStream(name)
        return self._streams[name]

    def schema(self, stream: str, bookmark_properties: Sequence[str] | None) -> None:
        """Read a SCHEMA."""
        self._message_of(stream).described(bookmark_properties)

    def record(self, stream: str, version: Json = None, *, in_batch: bool = False) -> None:
        """Count a RECORD with the version that it names, or a record of a BATCH."""
        self._open = self.stream(stream)
        self._open.record(version, in_batch=in_batch)

    def activate_version(self, stream: str, version: Json) -> None:
        """Read an ACTIVATE_VERSION."""
        named = self._message_of(stream)
        named.activated(version, follows=named is self._open)

    def state(self, value: Json) -> None:
        """Read a STATE: it has the bookmarks of all streams, and may say that the last record's stream is complete."""
        for name, bookmark in _bookmarks(value).items():
            self.stream(name).found(bookmark)
        if self._open is not None:
            self._open.bookmarked(value)

    def _message_of(self, stream: str) -> TapStream:
        """Return the stream of a message that is no record; no record of another stream is the last one then."""
        named = self.stream(stream)
        if self._open is not named:
            self._open = None
        return named


def _missing(state: Json, stream: str) -> str | None:
    """Return why a STATE does not say that a stream is complete; None: it does."""
    bookmarks = _bookmarks(state)
    if stream not in bookmarks:
        return _is_not_named(stream, bookmarks)
    syncing = state.get("currently_syncing")
    if syncing == stream or (isinstance(syncing, list) and stream in syncing):
        return "its STATE says 'currently_syncing'"
    bookmark: Mapping[str, Json] = bookmarks[stream] if isinstance(bookmarks[stream], dict) else {}
    if bookmark.get("partitions") is not None:
        return (
            "its bookmark in STATE has 'partitions', and whether all of them came is not known: let the tap read it "
            "without, or have deletions marked ('deleted_property')"
        )
    marks = [mark for mark in ("currently_syncing", "progress_markers") if bookmark.get(mark) is not None]
    return f"its bookmark in STATE has '{marks[0]}'" if marks else None


def _is_not_named(stream: str, bookmarks: Iterable[str]) -> str:
    names = ", ".join(f"'{name}'" for name in islice(bookmarks, _MOST_NAMED))
    if not names:
        return "its STATE has no bookmark of it"
    return (
        f"its STATE names {names}, not '{stream}': if a mapper renames the stream, rename it with '__alias__' in the "
        "target's 'stream_maps' instead"
    )


def _bookmarks(state: Json) -> Mapping[str, Json]:
    bookmarks = state.get("bookmarks") if isinstance(state, dict) else None
    return bookmarks if isinstance(bookmarks, dict) else {}


def _parts(name: str, value: Json) -> Iterator[tuple[str, Json]]:
    """Yield the values of a bookmark that may be positions, each with the name of its part."""
    if isinstance(value, dict):
        for part, held in value.items():
            if part not in _NO_POSITIONS:
                yield from _parts(part, held)
    elif isinstance(value, list):
        for held in value:
            yield from _parts(name, held)
    else:
        yield name, value


def _is_position(name: str, value: Json, versions: Collection[int]) -> bool:
    """Check whether a part of a bookmark holds a position.

    A number that is a version of the stream is none: tap-google-sheets keeps the version of a whole table so.
    """
    if value is None or isinstance(value, bool):
        return False
    text = str(value).strip()
    if not isinstance(value, str) or _NUMBER.fullmatch(text):
        return text not in {str(version) for version in versions}
    return _DATE.match(text) is not None or (name in _KEY_VALUES and text != "")
