"""`python -m target_intercom.ledger forget STREAM`: nobody goes, and tags stay until somebody else says otherwise."""

from __future__ import annotations

import json
import os
import pty
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from target_intercom.ledger.__main__ import main
from tests.support import processes
from tests.support.grouping import LISTS, add_people, all_tags, listing, member, members, tag_by_hand, tagged
from tests.support.loading import feed, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.loading import Loader, People

Row = dict[str, Any]
SYNC: Row = {"sync_mode": "sync", **LISTS, "streams": {"customers": {}, "clients": {}}}
GROUPS: Row = {
    "sync_mode": "sync",
    "max_removal_percent": 100,
    "streams": {name: {"object": "groups", "mappings": {}, "snapshot": True} for name in ("old", "new")},
}


def row(number: int, *groups: str, **values: Any) -> Row:
    return {"id": str(number), "email": f"p{number}@example.com", "groups": list(groups), **values}


def forget(load: Loader, stream: str = "customers") -> str:
    """Run the command; returns what it says."""
    arguments = ["--config", str(load.data_dir / "config.json"), "forget", stream, "--yes"]
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def refused(load: Loader, *arguments: str, code: int = 1) -> str:
    """Run the command in vain; returns what it says."""
    result = CliRunner().invoke(main, ["--data-dir", str(load.data_dir), "forget", *arguments], input="y\n")
    assert result.exit_code == code
    return result.stderr


def known(load: Loader) -> dict[str, str]:
    """The streams that the ledger knows, with their last runs."""
    result = CliRunner().invoke(main, ["--data-dir", str(load.data_dir), "streams", "--format=json"])
    return {one["stream"]: one["last_run"] for one in json.loads(result.stdout)}


# Who stays.


def test_contacts_and_tags_stay_and_the_ledger_knows_the_stream_no_more(load: Loader, people: People) -> None:
    load(listing(row(1, "VIP"), row(2, "VIP", "Beta"), row(3)), **SYNC)
    said = forget(load)
    assert re.match(r"Stream 'customers' of workspace \S+, last run \S+: 3 contacts, 3 of them in no other", said)
    assert "3 tags that no other stream wants" in said
    assert said.endswith("Stream 'customers' is forgotten\n")
    assert known(load) == {}
    assert all_tags(people) == {"1": {"VIP"}, "2": {"VIP", "Beta"}, "3": set()}

    # Neither a run that knows nothing of them nor one that names some takes anything from the others.
    done = load(listing(row(4), stream="clients"), **SYNC)
    assert tagged(done, "clients") == (0, 0)
    done = load(listing(row(1, "VIP", name="Ann"), stream="clients"), **SYNC)
    assert tagged(done, "clients") == (0, 0)
    assert all_tags(people) == {"1": {"VIP"}, "2": {"VIP", "Beta"}, "3": set(), "4": set()}


def test_whoever_leaves_the_new_stream_is_no_longer_kept_by_the_old_one(load: Loader, people: People) -> None:
    settings = {**SYNC, "max_removal_percent": 100, "streams": {"customers": {}, "clients": {"snapshot": True}}}
    load(listing(row(1), row(2)), **settings)
    load(listing(row(1), row(2), stream="clients"), **settings)
    forget(load)
    done = load(listing(row(1), stream="clients"), **settings)
    assert (done.exit_code, done.stream("clients")["left"]) == (0, 1)
    assert set(all_tags(people)) == {"1"}


# Whose tags.


def test_the_new_name_goes_on_with_the_tags_and_takes_them_off(load: Loader, people: People) -> None:
    load(listing(row(1, "VIP", "Beta"), row(2, "VIP")), **SYNC)
    forget(load)
    done = load(listing(row(1, "VIP"), row(2, "VIP"), stream="clients"), **SYNC)
    # What was the old name's alone is nobody's record's: it is counted for none.
    assert tagged(done, "clients") == (0, 0)
    assert all_tags(people) == {"1": {"VIP"}, "2": {"VIP"}}
    done = load(listing(row(1), row(2, "VIP"), stream="clients"), **SYNC)
    assert tagged(done, "clients") == (0, 1)
    assert all_tags(people) == {"1": set(), "2": {"VIP"}}


def test_a_tag_that_only_the_old_name_held_goes_with_the_next_run(load: Loader, people: People) -> None:
    load(listing(row(1, "VIP")), **SYNC)
    load(listing(row(1, "VIP"), stream="clients"), **SYNC)
    load(listing(row(1), stream="clients"), **SYNC)
    assert all_tags(people) == {"1": {"VIP"}}
    assert "1 contacts, 0 of them in no other stream; 1 tags" in forget(load)
    load(listing(row(1), stream="clients"), **{**SYNC, "sync_mode": "additive"})
    assert all_tags(people) == {"1": {"VIP"}}
    assert tagged(load(listing(row(1), stream="clients"), **SYNC), "clients") == (0, 0)
    assert all_tags(people) == {"1": set()}


def test_a_tag_that_another_stream_wants_stays_and_is_still_ours(load: Loader, people: People) -> None:
    load(listing(row(1, "VIP")), **SYNC)
    load(listing(row(1, "VIP"), stream="clients"), **SYNC)
    assert "0 tags that no other stream wants" in forget(load)
    load(listing(row(1, "VIP"), stream="clients"), **SYNC)
    assert all_tags(people) == {"1": {"VIP"}}
    assert tagged(load(listing(row(1), stream="clients"), **SYNC), "clients") == (0, 1)
    assert all_tags(people) == {"1": set()}


def test_a_tag_that_was_there_before_is_nobodys(load: Loader, people: People) -> None:
    tag_by_hand(people, "VIP", *add_people(people, [1]).values())
    load(listing(row(1, "VIP")), **SYNC)
    assert "0 tags that no other stream wants" in forget(load)
    load(listing(row(1, "VIP"), stream="clients"), **SYNC)
    load(listing(row(1), stream="clients"), **SYNC)
    assert all_tags(people) == {"1": {"VIP"}}


def test_what_was_taken_off_after_it_was_forgotten_is_not_ours(load: Loader, people: People) -> None:
    load(listing(row(1, "VIP")), **SYNC)
    forget(load)
    load(listing(row(1, "VIP"), stream="clients"), **SYNC)
    load(listing(row(1), stream="clients"), **SYNC)
    tag_by_hand(people, "VIP", people.one(external_id="1")["id"])
    load(listing(row(1, "VIP"), stream="clients"), **SYNC)
    load(listing(row(1), stream="clients"), **SYNC)
    assert all_tags(people) == {"1": {"VIP"}}


def test_the_same_name_begins_anew(load: Loader, people: People) -> None:
    """Also where only some of its rows come: nobody else's tags are taken off."""
    load(listing(row(1, "VIP"), row(2, "VIP", "Beta")), **SYNC)
    forget(load)
    assert tagged(load(listing(row(1, "VIP")), **SYNC)) == (0, 0)
    assert all_tags(people) == {"1": {"VIP"}, "2": {"VIP", "Beta"}}
    load(listing(row(2, "Beta")), **SYNC)
    assert all_tags(people) == {"1": {"VIP"}, "2": {"Beta"}}


def test_the_memberships_of_a_groups_stream_end_with_the_whole_new_one(load: Loader, people: People) -> None:
    add_people(people, [1, 2, 3])
    load(members(member(1, "VIP"), member(2, "VIP"), member(3, "Beta"), stream="old"), **GROUPS)
    assert "0 contacts, 0 of them in no other stream; 3 tags" in forget(load, "old")
    done = load(members(member(1, "VIP"), stream="new")[:-1], **GROUPS)
    assert done.results("new") == {"unchanged": 1}
    assert all_tags(people) == {"1": {"VIP"}, "2": {"VIP"}, "3": {"Beta"}}
    done = load(members(member(1, "VIP"), member(3, "Beta"), stream="new"), **GROUPS)
    assert (done.results("new"), done.stream("new")["left"]) == ({"unchanged": 2}, 0)
    assert all_tags(people) == {"1": {"VIP"}, "2": set(), "3": {"Beta"}}
    done = load(members(member(1, "VIP"), stream="new"), **GROUPS)
    assert done.stream("new")["left"] == 1
    assert all_tags(people) == {"1": {"VIP"}, "2": set(), "3": set()}


def test_a_dry_run_says_which_tags_a_run_would_take_off(load: Loader, people: People) -> None:
    load(listing(row(1, "VIP", "Beta")), **SYNC)
    forget(load)
    done = load(listing(row(1, "VIP"), stream="clients"), dry_run=True, **SYNC)
    assert done.exit_code == 0
    (plan,) = load.data_dir.glob("plan-*.jsonl")
    lines = [json.loads(line) for line in plan.read_text(encoding="utf-8").splitlines()]
    assert [(one["operation"], one["tag"], one["stream"], one["key"]) for one in lines] == [("untag", "Beta", "", None)]
    assert all_tags(people) == {"1": {"VIP", "Beta"}}


# Asking.


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_on_a_terminal_it_asks(load: Loader, answer: str, code: int) -> None:
    load(listing(row(1, "VIP")), **SYNC)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "target_intercom.ledger", "--data-dir", str(load.data_dir), "forget", "customers"]
    os.write(ours, answer.encode())
    done = processes.run(command, stdin=theirs, timeout=120, env=load.env())
    os.close(ours)
    os.close(theirs)
    assert done.returncode == code
    assert b"1 contacts, 1 of them in no other stream; 1 tags" in done.stdout
    assert b"Forget it? [y/N]" in done.stdout
    assert set(known(load)) == ({"customers"} if code else set())


def test_without_a_terminal_it_wants_yes(load: Loader) -> None:
    load(listing(row(1, "VIP")), **SYNC)
    assert "--yes" in refused(load, "customers", code=2)
    assert set(known(load)) == {"customers"}


def test_an_unknown_name_is_refused_with_those_that_are_known(load: Loader) -> None:
    load(listing(row(1)), **SYNC)
    load(listing(row(1), stream="clients"), **SYNC)
    assert "does not know stream 'customer'. It knows: clients, customers" in refused(load, "customer", "--yes")
    assert set(known(load)) == {"clients", "customers"}


def test_the_environment_names_the_ledger(load: Loader, tmp_path: Path) -> None:
    load(listing(row(1)), **SYNC)
    env = {**load.env(), "TARGET_INTERCOM_DATA_DIR": str(load.data_dir)}
    command = [sys.executable, "-m", "target_intercom.ledger", "--config=ENV", "forget", "customers", "--yes"]
    done = processes.run(command, timeout=120, env=env, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert known(load) == {}


def test_a_stream_that_a_run_works_on_is_not_forgotten(load: Loader, people: People) -> None:
    load(listing(row(1, "VIP")), **SYNC)
    before = known(load)
    process = load.start(**SYNC)
    try:
        feed(process, *listing(row(1, "Beta")))
        until(lambda: known(load) != before)
        assert "Stream 'customers' is busy: a run works on it" in refused(load, "customers", "--yes")
        feed(process, end=True)
        assert load.finish(process).exit_code == 0
    finally:
        process.kill()
    assert all_tags(people) == {"1": {"Beta"}}
    forget(load)
    assert known(load) == {}
