"""Dictionaries on disk."""

from __future__ import annotations

import stat
from contextlib import closing
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_intercom.errors import LedgerError
from target_intercom.ledger.scratch.shelves import Shelves
from tests.support.examples import few

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ("a", "A", "é", "\ud800", "", "a\0", ("a", "b"), ("a", ""), ("a\0b",), ("a", "\udfff"))


@dataclass(frozen=True)
class Thing:
    values: Any


@pytest.fixture
def shelves(tmp_path: Path) -> Iterator[Shelves]:
    with closing(Shelves(tmp_path)) as shelves:
        yield shelves


@few(30)
@given(
    done=st.lists(
        st.tuples(
            st.sampled_from(["set", "set", "set", "del", "pop", "get", "clear"]),
            st.sampled_from(NAMES),
            st.integers() | st.none(),
        ),
        max_size=30,
    )
)
def test_it_is_a_dictionary(shelves: Shelves, done: list[tuple[str, Any, Any]]) -> None:
    shelf, model, other = shelves.shelf(), dict[Any, Any](), shelves.shelf()
    other["a"] = "of the other"
    for what, key, value in done:
        match what:
            case "set":
                shelf[key] = model[key] = value
            case "del" if key not in model:
                with pytest.raises(KeyError):
                    del shelf[key]
            case "del":
                del shelf[key], model[key]
            case "pop":
                assert shelf.pop(key, "none") == model.pop(key, "none")
            case "get" if key not in model:
                with pytest.raises(KeyError):
                    shelf[key]
            case "get":
                assert shelf[key] == model[key]
            case _:
                shelf.clear()
                model.clear()
        assert (len(shelf), bool(shelf)) == (len(model), bool(model))
        assert dict(shelf.items()) == model
        assert [key in shelf for key in NAMES] == [key in model for key in NAMES]
        assert [shelf.get(key, "none") for key in NAMES] == [model.get(key, "none") for key in NAMES]
    assert dict(other.items()) == {"a": "of the other"}


def test_numbers_are_in_order_and_may_come_and_go_while_they_are_read(shelves: Shelves) -> None:
    shelf = shelves.shelf()
    numbers = [*range(1200, 0, -1), -(1 << 62), 0, 1 << 62]
    for number in numbers:
        shelf[number] = str(number)
    assert list(shelf) == sorted(numbers)
    seen = []
    for number, text in shelf.items():
        seen.append((number, text))
        del shelf[number]
        shelf[-(1 << 61)] = "came late"
    assert seen == [(number, str(number)) for number in sorted(numbers)]
    assert list(shelf.values()) == ["came late"]


def test_a_value_is_a_copy_and_may_hold_a_read_only_dictionary(shelves: Shelves) -> None:
    shelf, thing = shelves.shelf(), Thing(MappingProxyType({"list": [1]}))
    shelf["a"] = thing
    thing.values["list"].append(2)
    assert shelf["a"] == Thing(MappingProxyType({"list": [1]}))
    assert isinstance(shelf["a"].values, MappingProxyType)


def test_the_file_is_for_its_owner_only_comes_with_the_first_item_and_goes_at_the_end(tmp_path: Path) -> None:
    shelves = Shelves(tmp_path)
    shelf = shelves.shelf()
    assert (shelf.get("a"), len(shelf), list(shelf), "a" in shelf) == (None, 0, [], False)
    assert list(tmp_path.iterdir()) == []
    shelf["a"] = 1
    (folder,) = tmp_path.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    shelves.close()
    shelves.close()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_ends_the_run_with_its_name(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    with closing(Shelves(tmp_path)) as shelves:
        shelf = shelves.shelf()
        shelf[0] = ""
        earlier = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, earlier[1]))
        try:
            with pytest.raises(LedgerError, match=f"in {tmp_path}.* cannot be written"):
                shelf.update(dict.fromkeys(range(1, 100), "x" * 100_000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, earlier)
