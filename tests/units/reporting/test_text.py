"""Texts for people: names that come from elsewhere, and columns of them."""

from __future__ import annotations

import pytest

from target_intercom.reporting.text import columns, printable


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Zoë 王小明 🎈 'x' \\n", "Zoë 王小明 🎈 'x' \\n"),
        ("a\x1b[31m\nb", "a\\x1b[31m\\nb"),
        ("Zoë\u2028\ud800\x7f", "Zoë\\u2028\\ud800\\x7f"),
        ("", ""),
    ],
)
def test_only_what_a_terminal_would_obey_is_escaped(name: str, shown: str) -> None:
    assert printable(name) == shown


ROWS = [["name", "count"], ["a\nb", "7"], ["customers", "1200"]]


def test_columns_stand_below_each_other() -> None:
    assert columns(ROWS) == ["name       count", "a\\nb       7", "customers  1200"]


def test_columns_may_be_indented_and_numbers_stand_to_the_right() -> None:
    assert columns(ROWS, indent="  ", numbers=True) == [
        "  name       count",
        "  a\\nb           7",
        "  customers   1200",
    ]


def test_a_table_of_nothing_has_no_lines() -> None:
    assert columns([]) == []


def test_no_line_ends_in_blanks() -> None:
    assert columns([["a", "long"], ["b", ""]]) == ["a  long", "b"]
