"""The streams that a tap offers: from a Singer catalog, or from what the tap printed."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass
from itertools import chain

from singer_sdk.singerlib import CatalogEntry

from target_intercom.settings.warnings import is_no_schema

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from target_intercom.model import Json

_BOM: t.Final = "\ufeff"
_SCHEMA: t.Final = '"SCHEMA"'
_TYPES: t.Final = frozenset({"SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION", "BATCH"})
_NEITHER: t.Final = "it is neither a Singer catalog nor Singer messages"
_Line: t.TypeAlias = tuple[int, str]
"""A line with its number, from 1."""


class CatalogError(Exception):
    """The file is neither a Singer catalog nor Singer messages."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A stream as the tap sends it."""

    name: str
    schema: Json
    key_properties: Sequence[str]
    is_incremental: bool
    is_selected: bool = True
    """False: the catalog selects no stream at all, and most taps would send nothing."""


def read_catalog(lines: Iterable[str]) -> list[Offered]:
    """Read the selected streams of a catalog, or the streams of the SCHEMA messages in a tap's output.

    Raises:
        CatalogError: the lines are neither; the message quotes nothing of them, and names a key that is missing.
    """
    rest = ((number, line.removeprefix(_BOM)) for number, line in enumerate(lines, start=1))
    first = next(((number, line) for number, line in rest if line.strip()), (1, ""))
    try:
        message = _parsed(first[1])
        if message is not None and "type" in message:
            return list({one.name: one for one in _of_messages(chain([first], rest))}.values())
        return list(_of_catalog(_whole(first, rest) if message is None else message))
    except KeyError as error:
        raise CatalogError(f"{_NEITHER}: a part of it lacks '{error.args[0]}'") from None
    except (TypeError, ValueError, AttributeError):
        raise CatalogError(_NEITHER) from None


def _whole(first: _Line, rest: Iterable[_Line]) -> dict[str, Json]:
    """Read a catalog of many lines.

    Raises:
        CatalogError: the lines are a tap's output that does not begin with a message.
    """
    others = [line for _, line in rest]
    whole = _parsed("".join([first[1], *others]))
    if whole is None and any((_parsed(line) or {}).get("type") in _TYPES for line in others):
        raise _no_message(first[0])
    return whole or {}


def _no_message(number: int) -> CatalogError:
    return CatalogError(f"line {number} is not JSON, and others are Singer messages: a tap must not log to stdout")


def _parsed(text: str) -> dict[str, Json] | None:
    try:
        value: Json = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _of_messages(lines: Iterable[_Line]) -> Iterator[Offered]:
    for number, line in lines:
        # Records are many, and nothing is asked of them.
        message = _parsed(line) if _SCHEMA in line else None
        if message is None and line.strip() and (_SCHEMA in line or not line.lstrip().startswith("{")):
            raise _no_message(number)
        if message is not None and message.get("type") == "SCHEMA":
            bookmarks = message.get("bookmark_properties")
            yield Offered(
                str(message["stream"]), message["schema"], message.get("key_properties") or (), bool(bookmarks)
            )


def schema_trouble(offered: Offered) -> str | None:
    """Return why a stream's schema cannot be read, in the words of a run; None: it can."""
    return None if isinstance(offered.schema, dict) else str(is_no_schema(offered.name))


def _of_catalog(whole: Mapping[str, Json]) -> Iterator[Offered]:
    if not isinstance(whole.get("streams"), list):
        raise TypeError
    # Where nothing is selected it is what a discovery printed: all of it.
    given = [{**stream, "metadata": stream.get("metadata") or []} for stream in whole["streams"]]
    # A schema that cannot be read is a finding about its stream, later.
    streams = [(CatalogEntry.from_dict({**stream, "schema": {}}), stream) for stream in given]
    selected = [one for one in streams if _is_selected(*one)]
    for entry, raw in selected or streams:
        yield _of_entry(entry, raw, is_selected=bool(selected))


def _is_selected(entry: CatalogEntry, raw: Mapping[str, Json]) -> bool:
    """Check whether a stream is selected, also in the old ways: `selected` of the stream, or of its schema."""
    schema = raw.get("schema")
    marks = (raw.get("selected"), schema.get("selected") if isinstance(schema, dict) else None)
    return entry.metadata.resolve_selection()[()] or any(mark is True for mark in marks)


def _of_entry(entry: CatalogEntry, raw: Mapping[str, Json], *, is_selected: bool) -> Offered:
    schema: Json = raw.get("schema", {})
    properties = schema.get("properties") if isinstance(schema, dict) else None
    mask = entry.metadata.resolve_selection()
    if mask[()] and isinstance(properties, dict):
        schema = {**schema, "properties": {name: one for name, one in properties.items() if mask["properties", name]}}
    root: Mapping[str, Json] = next((one["metadata"] for one in raw["metadata"] if not one["breadcrumb"]), {})
    methods = (entry.replication_method, root.get("replication-method"), root.get("forced-replication-method"))
    return Offered(
        entry.stream or entry.tap_stream_id,
        schema,
        entry.key_properties or entry.metadata.root.table_key_properties or (),
        next((method for method in methods if method), None) == "INCREMENTAL",
        is_selected,
    )
