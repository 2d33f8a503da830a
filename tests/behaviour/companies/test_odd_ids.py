"""Company ids as taps send them: numbers, signs, other scripts; one is the same company wherever it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.companies import ACCOUNTS, accounts, companies
from tests.support.membering import LISTS, SEATS, all_companies, seats, working

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader, People

ALL: dict[str, Any] = {
    **LISTS,
    "sync_mode": "sync",
    "max_removal_percent": 100,
    "streams": {**ACCOUNTS["streams"], **SEATS["streams"]},
}
WAYS = pytest.mark.parametrize("bulk", [False, True], ids=["singly", "in bulk"])
SIGNS = [
    "a/b",
    "a b",
    "a\tb",
    "a&b=c",
    "a &amp; b",
    "100%",
    "%2F",
    "+1",
    "?x#y",
    'it\'s "q"',
    "<b>",
    "a;b",
    "\\",
    "..",
    "-",
]
SCRIPTS = ["null", "İ", "i", "ä ö", "\u00e9", "e\u0301", "日本", "🙂" * 60, "x" * 255]
NUMBERS = {42: "42", 43.0: "43", " 44 ": "44", "042": "042", 0: "0", -7: "-7", 1e20: "1" + "0" * 20}


@pytest.fixture(autouse=True)
def at_once(sandbox: SandboxServer) -> None:
    sandbox.conditions.change({"company_deletion_delay": 0, "bulk_seconds": 0})


def everything(ids: list[Any], ended: str | None = None) -> list[dict[str, Any]]:
    """Accounts, somebody for each whose record names it, and somebody for each who has a seat there."""
    return [
        *accounts(*({"id": one, "name": "Acme", "_sdc_deleted_at": ended} for one in ids), id="any"),
        *working(
            *({"id": f"p{n}", "account_id": None if ended else [one]} for n, one in enumerate(ids)),
            *({"id": f"s{n}"} for n, _ in enumerate(ids)),
        ),
        *seats(
            *({"external_id": f"s{n}", "company_id": one, "_sdc_deleted_at": ended} for n, one in enumerate(ids)),
        ),
    ]


@pytest.mark.parametrize(("bulk", "escaping"), [(False, "always"), (True, "never")])
@pytest.mark.parametrize(
    "wanted", [NUMBERS, {one: one for one in [*SIGNS, *SCRIPTS]}], ids=["numbers", "signs and scripts"]
)
def test_an_id_is_one_company_wherever_it_stands(
    load: Loader, people: People, sandbox: SandboxServer, wanted: dict[Any, str], bulk: bool, escaping: str
) -> None:
    sandbox.conditions.change({"company_escaping": escaping})
    ids = list(wanted)
    done = load(everything(ids), bulk_writes=bulk, **ALL)
    assert (done.exit_code, done.refusals) == (0, [])
    assert sorted(companies(sandbox)) == sorted(wanted.values())
    assert all_companies(people) == {f"{who}{n}": {own} for who in "ps" for n, own in enumerate(wanted.values())}
    for repair in (False, True):
        again = load(everything(ids), bulk_writes=bulk, repair=repair, **ALL)
        assert (again.exit_code, again.refusals, again.writes) == (0, [], 0)
    gone = load(everything(ids, ended="2026-01-01"), bulk_writes=bulk, **ALL)
    assert (gone.exit_code, gone.refusals) == (0, [])
    assert gone.results("accounts") == {"archived": len(ids)}
    assert companies(sandbox) == {}


@WAYS
def test_what_is_no_company_id_stops_nothing_else(
    load: Loader, people: People, sandbox: SandboxServer, bulk: bool
) -> None:
    """One that is too long for Intercom, or that cannot be told from another, is refused, and in a list left out."""
    codes = {
        "x" * 256: ("parameter_invalid", "no_company"),
        "a\u200bb": ("unseen_character", "no_company"),
        "a\0b": ("unseen_character", "not_an_identifier"),
        "\ud800": ("not_unicode", "not_unicode"),
        "  ": ("no_company_id", "no_company_id"),
        True: ("not_an_identifier", "not_an_identifier"),
        1.5: ("not_whole", "not_whole"),
    }
    rows = [
        *accounts(*({"id": bad, "name": "Bad"} for bad in codes), {"id": None}, {"id": "ok"}, id="any"),
        *working({"id": "1", "account_id": "ok"}, {"id": "2"}, {"id": "3", "account_id": ["x" * 256, "ok"]}),
        *seats(*({"external_id": "2", "company_id": bad} for bad in [*codes, None, "ok"])),
    ]
    done = load(rows, bulk_writes=bulk, **ALL)
    assert done.exit_code == 0
    refused = [one["code"] for one in done.refusals]
    assert sorted(refused) == sorted([*(code for pair in codes.values() for code in pair), *["no_company_id"] * 2])
    assert done.stream("customers")["left_out"] == {"companies": 1}
    assert list(companies(sandbox)) == ["ok"]
    assert all_companies(people) == {"1": {"ok"}, "2": {"ok"}, "3": {"ok"}}
