"""Finds the streams to which the tap's records go, through stream maps and flattening."""

from __future__ import annotations

import traceback
import typing as t
from functools import lru_cache

from singer_sdk.exceptions import StreamMapConfigError
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform

from target_intercom.errors import InvalidRecordError
from target_intercom.json_lines import json_line, parsed_line
from target_intercom.model import StreamSchema
from target_intercom.singer.schemas import is_open, plain_schema

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from singer_sdk.mapper import PluginMapper, StreamMap

    from target_intercom.model import Json

_MOST_SCHEMAS: t.Final = 200
"""The number of SCHEMA messages of which the routes are kept."""


class Route(t.NamedTuple):
    """A stream to which the records of a stream of the tap go."""

    stream_map: StreamMap
    schema: StreamSchema
    """The schema that the records come under."""

    def map(self, record: dict[str, Json]) -> dict[str, Json] | InvalidRecordError | None:
        """Return what the stream map makes of a record; None: it takes the record out."""
        # What changes nothing needs no copy: records wait in memory for a while.
        given = record if isinstance(self.stream_map, SameRecordTransform) else record.copy()
        try:
            mapped: dict[str, Json] | None = self.stream_map.transform(given)
        except StreamMapConfigError:
            raise
        except Exception as error:  # noqa: BLE001 - an expression of the user's may raise anything
            return _failed_map(error)
        return mapped


class Routes:
    """Finds the routes of the tap's streams."""

    def __init__(self, mapper: PluginMapper, is_ignored: Callable[[str], bool]) -> None:
        """`is_ignored` returns whether the settings leave a stream out."""
        self._mapper = mapper
        self._is_ignored = is_ignored
        self._open_streams: set[str] = set()
        """The tap's streams of which a SCHEMA named no properties."""
        self._now: dict[str, Sequence[Route]] = {}
        self._of_line = lru_cache(_MOST_SCHEMAS)(self._lay)
        """Returns the routes of a SCHEMA line: a tap may send several in turn."""

    def lay(self, message: Mapping[str, Json]) -> Sequence[Route]:
        """Return where the records go that come under a SCHEMA, from now on."""
        routes = self._now[message["stream"]] = self._of_line(json_line(message))
        return routes

    def of(self, tap_stream: str) -> Sequence[Route] | None:
        """Return where the records of a stream of the tap go; None: no SCHEMA of it came."""
        return self._now.get(tap_stream)

    def maps(self, tap_stream: str, schema: Json, keys: Sequence[str] | None) -> Sequence[StreamMap]:
        """Return what stream maps and flattening make of a stream of the tap; its schema may be anything.

        Schemas that follow one without properties do not name all of them: tap-mongodb adds dates, floats and objects.
        """
        schema = plain_schema(schema, keys or (), names_all=tap_stream not in self._open_streams)
        if is_open(schema):
            self._open_streams.add(tap_stream)
        known = self._mapper.stream_maps.get(tap_stream)
        if known is None or (known[0].raw_schema, known[0].raw_key_properties) != (schema, keys):
            self._mapper.register_raw_stream_schema(tap_stream, schema, keys)
        return self._mapper.stream_maps[tap_stream]

    def is_loaded(self, stream_map: StreamMap) -> bool:
        """Check whether a stream map's records are loaded: neither it nor `object: ignore` leaves them out."""
        return not (isinstance(stream_map, RemoveRecordTransform) or self._is_ignored(stream_map.stream_alias))

    def _lay(self, line: str) -> Sequence[Route]:
        """Return the routes of a SCHEMA.

        In place of a part of the SDK's method, which makes a sink of a stream that a stream map takes out, too.
        """
        message: dict[str, Json] = parsed_line(line)
        return [
            Route(one, StreamSchema(one.stream_alias, line, message, one.transformed_schema))
            for one in self.maps(message["stream"], message["schema"], message.get("key_properties"))
            if self.is_loaded(one)
        ]


def _failed_map(error: Exception) -> InvalidRecordError:
    """Return what an expression of a stream map fails on, by the name of its error: the text may quote the record."""
    named = (
        frame.f_locals["property_name"] or "__filter__"
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_name == "_eval" and "property_name" in frame.f_locals
    )
    what = type(error.__cause__ or error).__name__
    reason = f"the expression that 'stream_maps' has for it fails on this record ({what})"
    return InvalidRecordError(reason, code="stream_map_failed", field=next(named, None))
