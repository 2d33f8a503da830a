"""The streams that a tap offers: from a Singer catalog, or from what the tap printed."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

from singer_sdk.singerlib import CatalogEntry

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from target_intercom.model import Json


class CatalogError(Exception):
    """The file is neither a Singer catalog nor Singer messages."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A stream as the tap sends it."""

    name: str
    schema: dict[str, Json]
    key_properties: Sequence[str]
    is_incremental: bool


def read_catalog(lines: Iterable[str]) -> list[Offered]:
    """Read the streams of a catalog, but those that are not selected, or of the SCHEMA messages of a tap's output.

    Raises:
        CatalogError: it is neither; the message quotes nothing of it.
    """
    rest = iter(lines)
    first = next((line for line in rest if line.strip()), "")
    try:
        message = _parsed(first)
        if message is not None and "type" in message:
            return list({one.name: one for one in _of_messages([first], rest)}.values())
        whole = message if message is not None else _parsed(first + "".join(rest))
        return list(_of_catalog(whole or {}))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise CatalogError("it is neither a Singer catalog nor Singer messages") from None


def _parsed(text: str) -> dict[str, Json] | None:
    try:
        value: Json = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _of_messages(*parts: Iterable[str]) -> Iterator[Offered]:
    for line in (line for lines in parts for line in lines):
        # Records are many, and nothing is asked of them.
        message = _parsed(line) if '"SCHEMA"' in line else None
        if message is not None and message.get("type") == "SCHEMA":
            bookmarks = message.get("bookmark_properties")
            yield Offered(
                str(message["stream"]), dict(message["schema"]), message.get("key_properties") or (), bool(bookmarks)
            )


def _of_catalog(whole: Mapping[str, Json]) -> Iterator[Offered]:
    if not isinstance(whole.get("streams"), list):
        raise TypeError
    # Where nothing is selected it is what a discovery printed: all of it.
    streams = [(CatalogEntry.from_dict(stream), stream) for stream in whole["streams"]]
    selected = [one for one in streams if one[0].metadata.resolve_selection()[()]]
    for entry, raw in selected or streams:
        yield _of_entry(entry, raw, whole=not selected)


def _of_entry(entry: CatalogEntry, raw: Mapping[str, Json], *, whole: bool) -> Offered:
    schema: dict[str, Json] = dict(raw.get("schema") or {})
    if not whole:
        mask = entry.metadata.resolve_selection()
        properties = schema.get("properties", {})
        schema["properties"] = {name: one for name, one in properties.items() if mask["properties", name]}
    root: Mapping[str, Json] = next((one["metadata"] for one in raw.get("metadata") or () if not one["breadcrumb"]), {})
    methods = (entry.replication_method, root.get("replication-method"), root.get("forced-replication-method"))
    return Offered(
        entry.stream or entry.tap_stream_id,
        schema,
        entry.key_properties or entry.metadata.root.table_key_properties or (),
        next((method for method in methods if method), None) == "INCREMENTAL",
    )
