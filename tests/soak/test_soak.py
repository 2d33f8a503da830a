"""What `make soak` is made of: it sees differences, makes them small, and keeps them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.soak import cases
from tests.soak.agreeing import Difference, difference
from tests.soak.histories import History, Run, Shape, history
from tests.soak.pairs import pairs
from tests.soak.shrinking import smallest
from tests.soak.worlds import World, happen
from tests.support.loading import record, schema, state

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = World("plain", {"batch_size_rows": 1})
ROWS = [record("customers", id=str(number), email=f"p{number}@example.com") for number in range(3)]
THREE = History(
    there=({"role": "user", "external_id": "0", "name": "Old"},),
    settings={"mappings": {"id": "external_id"}, "search_delay_seconds": 120},
    runs=(Run((schema("customers", id="text", email="text"), *ROWS, state({"bookmarks": {"customers": {}}}))),),
)


def test_what_differs_is_told() -> None:
    found = difference(THREE, [PLAIN, replace(PLAIN, name="enrich", settings={"sync_mode": "enrich"})])
    assert found is not None
    assert '"external_id": "2"' in found.text
    assert '"external_id": "0"' not in found.text


def test_worlds_that_are_alike_agree() -> None:
    assert difference(THREE, [PLAIN, PLAIN]) is None


def test_a_history_happens_the_same_each_time() -> None:
    one = history(7, Shape())
    assert one == history(7, Shape())
    assert happen(one, PLAIN) == happen(one, PLAIN)


@pytest.mark.parametrize(("is_done", "live"), [(False, 1), (True, 2)])
def test_a_run_is_killed_at_a_call(is_done: bool, live: int) -> None:
    killed = replace(PLAIN, kills=((2, True, is_done),))
    (after,) = happen(THREE, killed)
    assert after.exit_code == 1
    assert len(after.contacts) == live
    (after,) = happen(THREE, replace(killed, comes_twice=True))
    assert (after.exit_code, len(after.contacts)) == (0, 3)


def test_a_run_in_bad_weather_fails_and_the_next_one_does_all() -> None:
    storm = {"fault_rate": 1.0, "faults": ["500"]}
    (after,) = happen(THREE, World("storm", conditions=storm))
    assert (after.exit_code, len(after.contacts)) == (1, 1)
    (after,) = happen(THREE, World("storm, then none", conditions=storm, comes_twice=True))
    assert (after.exit_code, len(after.contacts)) == (0, 3)


def test_a_run_that_comes_again_and_changes_something_is_told() -> None:
    rows = [record("customers", id=None, email="p0@example.com", name=name) for name in ("Ann", "Bob")]
    undone = replace(THREE, runs=(Run((THREE.runs[0].messages[0], *rows)),))
    found = difference(undone, [replace(PLAIN, comes_again=True)])
    assert found is not None
    assert "run 1 came again, and changed something\n    customers: 2 updated\n    PUT /contacts/" in found.text
    assert difference(THREE, [replace(PLAIN, comes_again=True)]) is None


def test_what_intercom_tells_only_when_asked_is_excused_where_it_may_be() -> None:
    refused = replace(
        THREE,
        settings={**THREE.settings, "match_by": ["external_id"]},
        there=({"role": "user", "email": "p0@example.com", "external_id": "9"},),
    )
    other = replace(PLAIN, name="enrich", settings={"sync_mode": "enrich"})
    for must_foretell in (False, True):
        found = difference(refused, [PLAIN, replace(other, must_foretell=must_foretell)])
        assert found is not None
        assert found.is_excused == must_foretell
    found = difference(THREE, [PLAIN, replace(other, must_foretell=True)])
    assert found is not None
    assert not found.is_excused


def test_who_comes_later_since_intercom_kept_failing_is_excused_where_it_may_be() -> None:
    rows = [record("customers", id=id_, email=f"{name}@example.com") for id_, name in ("0x", "1y", "2y")]
    rivalry = replace(THREE, there=(), runs=(Run((THREE.runs[0].messages[0], *rows)),))
    # A seed with which Intercom makes the first user, and fails often enough on the second.
    poison = {"fault_rate": 0.65, "faults": ["503_html"], "fault_seed": 23}
    for may_give_up in (False, True):
        storm = replace(PLAIN, name="storm", conditions=poison, comes_twice=True, may_give_up=may_give_up)
        found = difference(rivalry, [PLAIN, storm])
        assert found is not None
        assert found.is_excused == may_give_up


def test_a_difference_is_made_as_small_as_it_can_be() -> None:
    large = next(one for one in (history(seed, Shape()) for seed in range(100)) if one.records > 30)
    named = max(_names(large))
    small = smallest(large, lambda one: named in _names(one))
    assert (small.records, _names(small), small.there, len(small.runs)) == (1, {named}, (), 1)


@pytest.mark.parametrize("name", list(pairs()))
def test_a_case_is_read_as_it_was_written(name: str, tmp_path: Path) -> None:
    pair = pairs()[name]
    one = pair.history(3)
    worlds = pair.of(3, one)
    cases.write(tmp_path, f"{name}-3", one, Difference(tuple(worlds), "what differs"))
    read, read_worlds = cases.read(tmp_path, f"{name}-3")
    assert read == one
    assert read_worlds == worlds


def _names(one: History) -> set[str]:
    records = [message["record"] for run in one.runs for message in run.messages if message["type"] == "RECORD"]
    return {record["name"] for record in records if "name" in record}
