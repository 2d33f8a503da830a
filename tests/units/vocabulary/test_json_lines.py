"""Lines of JSON, read and written."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.intercom.protocol.ids import ExternalId
from target_intercom.json_lines import json_line, parsed_line
from target_intercom.ledger.scratch.shelves import Shelves
from target_intercom.model import GroupKey, Identity, RecordKey
from target_intercom.sync.linking.waiting import WaitingMembership, WaitingMemberships
from tests.support.loading import received

if TYPE_CHECKING:
    from pathlib import Path

LINES = [
    '{"id": 12345678901234567890123456789, "mrr": 0.1000000000000000055511151231257827, "notes": null}',
    '[1.50, -0.0, 1E+400, 5E-324, "1.5", true, []]',
    '{"": "\\u00fc \\ud83d\\ude00 \\ud800"}',
]


@pytest.mark.parametrize("line", LINES)
def test_what_is_read_is_written_as_it_was(line: str) -> None:
    assert json_line(parsed_line(line)) == line
    assert parsed_line(f"{line}\n".encode()) == parsed_line(line)


def test_a_number_of_any_length_is_read_and_written() -> None:
    line = f'{{"id": {"9" * 5000}, "seats": [-{"1" * 5000}, 0.{"3" * 5000}, 7]}}'
    assert json_line(parsed_line(line)) == line


def test_an_exponent_beyond_any_decimal_makes_a_number_infinite_or_zero() -> None:
    assert parsed_line(f"[1e{'9' * 20}, -1e{'9' * 20}, 1e-{'9' * 20}]") == [math.inf, -math.inf, 0]


@pytest.mark.parametrize("text", ["01", "1e", f"[{'9' * 5000}", f"{'9' * 5000}x"])
def test_what_is_not_json_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match="line 1"):
        parsed_line(text)


def test_decimal_numbers_keep_their_digits() -> None:
    assert str(parsed_line("1.50")) == "1.50"
    assert isinstance(parsed_line("1.50"), Decimal)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_read_as_python_writes_it(text: str) -> None:
    assert json_line(parsed_line(text)) == text


def test_bytes_may_begin_with_a_mark_of_their_order() -> None:
    assert parsed_line(b'\xef\xbb\xbf{"name": "\xc3\xbc"}') == {"name": "ü"}


@pytest.mark.parametrize("line", ["", " ", "{", "{'a': 1}", "01", b"", b"\xff", b'"\xfc"'], ids=repr)
def test_what_is_not_json_is_refused(line: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"Expecting|Extra|decode"):
        parsed_line(line)


@pytest.mark.parametrize("value", [Decimal("1.50"), math.inf, None, "x"])
def test_a_membership_that_waits_is_found_again_as_it_came(tmp_path: Path, value: Any) -> None:
    shelves = Shelves(tmp_path)
    room = WaitingMemberships(shelves.shelf)
    message = {"type": "RECORD", "stream": "members", "record": {"id": 1, "weight": value}}
    waiting = WaitingMembership(
        stream="members",
        key=RecordKey("1"),
        identity=Identity(external_id=ExternalId("1")),
        group=GroupKey("vip"),
        name="VIP",
        removed=False,
        content="c",
        version=None,
        place=0,
    )
    room.add(waiting, received(message))
    (found,) = room
    assert room.record(found.place).message == message
    shelves.close()
