"""Reads the files of BATCH messages."""

from __future__ import annotations

import gzip
import typing as t
import zlib

from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchFileFormat, StorageTarget
from singer_sdk.singerlib.exceptions import InvalidInputLine

from target_intercom.errors import way_out
from target_intercom.json_lines import parsed_line

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_intercom.model import Json

_COMPRESSIONS: t.Final = frozenset({None, "none", "gzip"})


def batch_records(message: Mapping[str, Json], loaded_as: str) -> Iterator[dict[str, Json]]:
    """Yield the records of a BATCH message, file by file; `loaded_as` is the stream's name after stream maps.

    Raises:
        InvalidInputLine: the message names no files, or these are not JSON lines.
    """
    stream, manifest = message["stream"], message["manifest"]
    try:
        encoding = BaseBatchFileEncoding.from_dict(message["encoding"])
    except TypeError:
        encoding = None
    if encoding is None or not isinstance(manifest, list) or not all(isinstance(url, str) for url in manifest):
        error = f"Stream '{stream}': a BATCH message has an encoding, with format and compression, and a list of files"
        raise InvalidInputLine(error)
    if encoding.format != BatchFileFormat.JSONL or encoding.compression not in _COMPRESSIONS:
        error = (
            f"Stream '{stream}': BATCH files of format '{encoding.format}', compression '{encoding.compression}', "
            f"cannot be read; let the tap write jsonl, plain or gzip. {way_out(loaded_as)}"
        )
        raise InvalidInputLine(error)
    for number, url in enumerate(manifest, start=1):
        try:
            yield from _file_records(stream, number, url, compressed=encoding.compression == "gzip")
        except (EOFError, gzip.BadGzipFile, zlib.error):
            error = f"Stream '{stream}': BATCH file {number} is damaged, or not whole"
            raise InvalidInputLine(error) from None
        except (ImportError, IndexError, ValueError) as why:
            error = f"Stream '{stream}': BATCH file {number} cannot be opened: {why}"
            raise InvalidInputLine(error) from None


def _file_records(stream: str, number: int, url: str, *, compressed: bool) -> Iterator[dict[str, Json]]:
    head, tail = StorageTarget.split_url(url)
    with StorageTarget.from_url(head).open(tail, mode="rb") as file:
        lines = gzip.GzipFile(fileobj=file) if compressed else file
        for line_number, line in enumerate(lines, start=1):
            try:
                record: Json = parsed_line(line)
            except (ValueError, RecursionError):
                record = None
            if not isinstance(record, dict):
                error = f"Stream '{stream}': line {line_number} of BATCH file {number} is not a JSON object"
                raise InvalidInputLine(error)
            yield record
