"""The settings in the documents are accepted as they stand there, and do what is said of them."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from target_intercom.sandbox import SandboxServer
from target_intercom.settings.parsing import parse_config
from target_intercom.settings.table import SETTINGS
from target_intercom.target import TargetIntercom
from tests.support.companies import companies
from tests.support.documents import DOCS, README, blocks
from tests.support.loading import People, record, schema, state
from tests.support.proxy import led_to
from tests.support.shell import STATE, make_shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.documents import Block
    from tests.support.loading import Loaded, Loader

Settings = dict[str, Any]
Row = dict[str, Any]
RECIPES = DOCS / "recipes.md"
NAMES = {setting.name for setting in SETTINGS}
OFFERED = set(TargetIntercom.offered_schema()["properties"])
"""The SDK's settings, too."""
WHEN = "2026-05-01T12:00:00Z"


def loaders(project: dict[str, Any]) -> Iterator[Settings]:
    """The settings of each target in a part of a meltano.yml, those that it inherits below."""
    own: dict[str, Settings] = {}
    for plugin in project["plugins"]["loaders"]:
        own[plugin["name"]] = {**own.get(plugin.get("inherit_from"), {}), **plugin.get("config", {})}
    yield from own.values()


def settings_of(block: Block) -> list[Settings]:
    """The settings in a block; none where it holds something else."""
    if block.language == "yaml":
        project = yaml.safe_load(block.text)
        return list(loaders(project)) if "loaders" in project.get("plugins", {}) else []
    first: Any = json.loads(block.text.splitlines()[0]) if block.text.count("\n{") else json.loads(block.text)
    return [first] if isinstance(first, dict) and set(first) & NAMES else []


PAGES = (README, *(DOCS / name for name in ("quickstart.md", "recipes.md", "groups.md", "mapping.md", "ledger.md")))
GIVEN = [
    pytest.param(settings, id=f"{block}-{number}")
    for page in PAGES
    for block in blocks(page, "json", "yaml")
    for number, settings in enumerate(settings_of(block), start=1)
]


@pytest.mark.parametrize("settings", GIVEN)
def test_settings_in_the_documents_are_accepted(settings: Settings) -> None:
    assert set(settings) <= OFFERED
    parse_config({**settings, "access_token": "sandbox"})


def test_every_recipe_has_settings_and_says_what_happens_and_what_to_watch() -> None:
    parts = RECIPES.read_text(encoding="utf-8").split("\n## ")[1:]
    shown = {block.heading for block in blocks(RECIPES, "json", "yaml") if settings_of(block)}
    assert shown == {part.split("\n", 1)[0] for part in parts}
    assert [part for part in parts if "**What happens**" not in part] == []
    assert [part.split("\n", 1)[0] for part in parts if "**Watch**" not in part] == [
        "A workspace in Europe or Australia"
    ]


# What they do.


def recipe(heading: str) -> Settings:
    """The settings of a recipe, as they stand there."""
    (block,) = [one for one in blocks(RECIPES, "json", "yaml") if one.heading == heading]
    (settings,) = settings_of(block)
    return settings


@pytest.fixture
def load(load: Loader) -> Loader:
    """A loader with no settings of its own but where and how fast."""
    load.settings = {"mappings": ..., "max_connections": 8}
    return load


def told(stream: str, *rows: Row, keys: tuple[str, ...] = ("id",), **properties: str) -> list[Row]:
    """A whole stream."""
    done = state({"bookmarks": {stream: {}}})
    return [schema(stream, keys=keys, **properties), *(record(stream, **row) for row in rows), done]


def customers(*rows: Row, stream: str = "public-customers") -> list[Row]:
    return told(stream, *rows, id="integer", email="text", plan="text", deleted_at="datetime", segments="array")


def person(number: int, **values: Any) -> Row:
    return {"id": number, "email": f"c{number}@example.com", **values}


def states(people: People) -> dict[str, str]:
    return {one["external_id"]: one["state"] for one in people.everyone()}


def test_soft_deletes_archive_and_a_live_row_brings_back(load: Loader, people: People) -> None:
    settings = recipe("An incremental table with soft deletes")
    first = load(customers(person(1), person(2), person(3, deleted_at=WHEN)), **settings)
    assert first.results("public-customers") == {"created": 2, "skipped": 1}
    assert first.stream("public-customers")["reasons"] == {"skipped": {"not_there": 1}}
    load(customers(person(2, deleted_at=WHEN)), **settings)
    assert states(people) == {"1": "live", "2": "archived"}
    load(customers(person(2, deleted_at=None)), **settings)
    assert states(people) == {"1": "live", "2": "live"}


def test_a_snapshot_archives_who_is_missing_and_no_more_than_half(load: Loader, people: People) -> None:
    settings = recipe("A full table as a snapshot")
    load(customers(*map(person, range(1, 5))), **settings)
    assert load(customers(*map(person, range(1, 4))), **settings).stream("public-customers")["left"] == 1
    assert states(people)["4"] == "archived"
    assert load(customers(person(1)), **settings).exit_code == 1
    assert load(customers(person(1)), **settings, max_removal_percent=70).exit_code == 0
    assert states(people) == {"1": "live", "2": "archived", "3": "archived", "4": "archived"}


def test_a_deletion_from_the_log_needs_nothing_but_the_key(load: Loader, people: People) -> None:
    settings = recipe("Log-based replication")
    rows = [
        schema("customers", id="integer", email="text", _sdc_deleted_at="datetime", _sdc_lsn="integer"),
        record("customers", id=1, email="c1@example.com", _sdc_lsn=7),
    ]
    load(rows, **settings)
    assert people.one()["custom_attributes"] == {}
    load([rows[0], record("customers", id=1, _sdc_deleted_at=WHEN)], **settings)
    assert people.one()["state"] == "archived"


@pytest.mark.parametrize("region", ["eu", "au"])
def test_a_workspace_of_another_region_is_called_where_it_lies(load: Loader, tmp_path: Path, region: str) -> None:
    settings = {**recipe("A workspace in Europe or Australia"), "region": region, "api_url": ...}
    host = f"api.{region}.intercom.io"
    with SandboxServer(allowed_hosts=[host], region=region.upper()) as there:
        with led_to(int(there.url.rsplit(":", 1)[1]), tmp_path, host) as load.variables:
            assert load.pipe(customers(person(1)), **settings).results("public-customers") == {"created": 1}
        assert len(People(there).live()) == 1


def test_a_token_of_another_region_ends_the_run_with_its_region(load: Loader, tmp_path: Path) -> None:
    settings = {**recipe("A workspace in Europe or Australia"), "region": "us", "api_url": ...}
    with SandboxServer(allowed_hosts=["api.intercom.io"], region="EU") as there:
        with led_to(int(there.url.rsplit(":", 1)[1]), tmp_path) as load.variables:
            done = load.pipe(customers(person(1)), **settings)
        assert People(there).everyone() == []
    assert done.exit_code == 1
    assert "The workspace is in region 'eu', but 'region' is 'us': change the setting" in done.log


def test_the_same_people_go_into_several_workspaces(load: Loader, people: People) -> None:
    (block,) = [one for one in blocks(RECIPES, "yaml") if one.heading == "Several workspaces"]
    first, second = settings_of(block)
    rows = customers(person(1, plan="pro"), person(2))
    with SandboxServer(region="EU") as other:
        for _ in range(2):
            # An address stands above the region.
            one, another = load(rows, **first), load(rows, **{**second, "api_url": other.url})
        assert (one.writes, another.writes) == (0, 0)
        assert states(people) == states(People(other)) == {"1": "live", "2": "live"}
    assert (load.data_dir.parent / second["data_dir"] / "report.json").exists()


def test_the_users_of_a_workspace_come_into_another_with_their_attributes(load: Loader, people: People) -> None:
    shown = {"type": "avatar", "image_url": "https://cdn.example.com/a.png"}
    ann = {
        "id": "63a07ddf05a32042dffac965",
        "role": "user",
        "external_id": "7",
        "email": "ann@example.com",
        "phone": "+1",
        "name": "Ann",
        "avatar": shown,
        "signed_up_at": "2026-01-01T00:00:00.000000Z",
        "last_seen_at": None,
        "unsubscribed_from_emails": True,
        "custom_attributes": {"plan": "pro", "seats": 3, "vip": None},
        "updated_at": "2026-01-02T00:00:00.000000Z",
    }
    lead = {**ann, "id": "63a07ddf05a32042dffac966", "role": "lead", "external_id": "8c53b2a1", "email": None}
    rows = [record("contacts", **one) for one in (ann, lead)]
    types = {"custom_attributes": "object", "unsubscribed_from_emails": "boolean", "signed_up_at": "datetime"}
    described = schema("contacts", **{name: types.get(name, "text") for name in ann})
    settings = recipe("From workspace to workspace")
    assert load([described, *rows], **settings).results("contacts") == {"created": 1}
    came = people.one()
    same = ("role", "external_id", "email", "phone", "name", "unsubscribed_from_emails")
    assert {name: came[name] for name in same} == {name: ann[name] for name in same}
    assert (came["avatar"], came["signed_up_at"]) == (shown["image_url"], 1767225600)
    assert came["custom_attributes"] == {"plan": "pro", "seats": 3}
    assert load([described, *rows], **settings).writes == 0


def test_enriching_touches_one_attribute_and_skips_what_is_not_created(load: Loader, people: People) -> None:
    people.add(email="ann@example.com", external_id="77", name="Ann")
    rows = [{"email": "Ann@example.com", "health": 7, "name": "Nobody"}, {"email": "new@example.com", "health": 1}]
    loaded = load(
        told("scores", *rows, keys=("email",), email="text", health="integer", name="text"),
        **recipe("Attributes for who is there already"),
    )
    assert loaded.stream("scores")["reasons"] == {"skipped": {"not_created": 1}}
    ann = people.one()
    assert (ann["name"], ann["external_id"], ann["custom_attributes"]) == ("Ann", "77", {"health_score": 7})


def test_a_column_of_groups_becomes_tags(load: Loader, people: People) -> None:
    settings = recipe("Groups from a column")
    load(customers(person(1, segments=["beta", "vip"])), **settings)
    assert sorted(people.one()["tags"]) == ["beta", "vip"]
    load(customers(person(1, segments=["vip"])), **settings)
    assert people.one()["tags"] == ["vip"]


def test_a_table_of_groups_becomes_tags(load: Loader, people: People) -> None:
    settings = recipe("Groups from a table")

    def run(*pairs: tuple[int, str]) -> Loaded:
        rows = [{"customer_id": number, "segment": segment} for number, segment in pairs]
        members = told("memberships", *rows, keys=("customer_id", "segment"), customer_id="integer", segment="text")
        return load([*customers(person(1), person(2), stream="customers"), *members], **settings)

    loaded = run((1, "beta"), (2, "beta"), (2, "vip"), (9, "vip"))
    assert loaded.stream("memberships")["reasons"] == {"rejected": {"no_contact": 1}}
    assert sorted(people.one(external_id="2")["tags"]) == ["beta", "vip"]
    assert run((1, "beta"), (2, "beta"), (9, "vip")).stream("memberships")["left"] == 1
    assert people.one(external_id="2")["tags"] == ["beta"]


ACCOUNT: dict[str, Any] = {"id": "text", "name": "text", "arr": "number", "tier": "text"}


def test_accounts_become_companies_and_their_users_are_in_them(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    settings = recipe("Accounts and their users")
    user: dict[str, Any] = {"id": "integer", "email": "text", "account_id": "text", "tier": "text"}
    rows = [
        *told("public-users", person(1, account_id="acme", tier="a"), person(2, account_id="acmee"), **user),
        *told("public-accounts", {"id": "acme", "name": "Acme", "arr": 49.9, "tier": "gold"}, **ACCOUNT),
    ]
    loaded = load(rows, **settings)
    assert loaded.stream("public-users")["attached"] == 1
    assert loaded.stream("public-users")["left_out"] == {"companies": 1}
    acme = companies(sandbox)["acme"]
    assert (acme["name"], acme["monthly_spend"], acme["custom_attributes"]) == ("Acme", 49, {"account_tier": "gold"})
    assert people.one(external_id="1")["companies"] == ["acme"]
    assert people.one(external_id="1")["custom_attributes"] == {"tier": "a"}
    assert load(rows, **settings).writes == 0


def test_a_seat_puts_its_user_into_its_company_until_it_is_gone(load: Loader, people: People) -> None:
    settings = recipe("Who works in several companies")

    def run(*pairs: tuple[int, str]) -> Loaded:
        rows = [{"user_id": number, "account_id": account} for number, account in pairs]
        members = told("seats", *rows, keys=("user_id", "account_id"), user_id="integer", account_id="text")
        accounts = told("accounts", {"id": "acme"}, {"id": "bolt"}, **ACCOUNT)
        return load([*customers(person(1), person(2), stream="customers"), *members, *accounts], **settings)

    loaded = run((1, "acme"), (1, "bolt"), (2, "bolt"), (9, "bolt"), (2, "core"))
    assert loaded.stream("seats")["reasons"] == {"rejected": {"no_company": 1, "no_contact": 1}}
    assert sorted(people.one(external_id="1")["companies"]) == ["acme", "bolt"]
    assert run((1, "acme"), (2, "bolt"), (9, "bolt"), (2, "core")).stream("seats")["left"] == 1
    assert people.one(external_id="1")["companies"] == ["acme"]


def test_who_changed_company_is_in_the_new_one_alone(load: Loader, people: People) -> None:
    settings = recipe("Who changed company")
    for company in ("acme", "bolt"):
        people.call("POST", "/companies", {"company_id": company})

    def run(account: str | None, **others: Any) -> list[str]:
        row = person(1, account_id=account)
        load(told("customers", row, id="integer", email="text", account_id="text"), **{**settings, **others})
        return sorted(people.one()["companies"])

    assert run("acme") == ["acme"]
    assert run("bolt") == ["bolt"]
    assert run("acme", sync_mode="additive") == ["acme", "bolt"]
    assert run(None, clear_nulls=False) == ["acme", "bolt"]
    assert run(None) == []


def test_a_privacy_request_deletes_the_person_for_good_but_not_who_is_archived(load: Loader, people: People) -> None:
    people.call("POST", f"/contacts/{people.add(external_id='3', email='c3@example.com')}/archive")
    people.add(external_id="1", email="c1@example.com")
    people.add(role="lead", email="c1@example.com")
    people.add(external_id="2", email="c2@example.com")
    rows = [{"customer_id": number, "email": f"c{number}@example.com"} for number in (1, 3)]
    loaded = load(
        told("erasure_requests", *rows, keys=("customer_id",), customer_id="integer", email="text"),
        **recipe("Privacy deletions"),
    )
    assert loaded.results("erasure_requests") == {"deleted": 1, "skipped": 1}
    assert sorted((one["email"], one["state"]) for one in people.everyone()) == [
        ("c1@example.com", "deleted"),
        ("c1@example.com", "deleted"),
        ("c2@example.com", "live"),
        ("c3@example.com", "archived"),
    ]


def test_a_form_makes_one_lead_for_an_email_and_a_user_s_email_finds_the_user(load: Loader, people: People) -> None:
    people.add(external_id="1", email="ann@example.com")
    rows: list[Row] = [
        {"submission": 1, "mail": "ann@example.com", "name": "Ann", "source": "fair"},
        {"submission": 2, "mail": "new@example.com", "name": "New", "source": "fair"},
        {"submission": 3, "mail": "New@example.com ", "name": "Newer", "source": "web"},
        {"submission": 4, "mail": None, "name": "Nobody", "source": "web"},
    ]
    properties = {"submission": "integer", "mail": "text", "name": "text", "source": "text"}
    settings = recipe("Leads from a form")
    for row in rows[:3]:
        load(told("form", row, keys=("submission",), **properties), **settings)
    assert load(told("form", rows[3], keys=("submission",), **properties), **settings).results("form") == {"invalid": 1}
    assert sorted((one["role"], one["name"], one["custom_attributes"]["lead_source"]) for one in people.everyone()) == [
        ("lead", "Newer", "web"),
        ("user", "Ann", "fair"),
    ]


def test_a_lead_becomes_a_user_when_its_id_arrives(load: Loader, people: People) -> None:
    settings = recipe("Leads that become users")
    properties = {"person": "integer", "user_id": "text", "email": "text"}
    load(
        told("people", {"person": 1, "user_id": None, "email": "a@example.com"}, keys=("person",), **properties),
        **settings,
    )
    lead = people.one()
    load(
        told("people", {"person": 1, "user_id": "u1", "email": "a@example.com"}, keys=("person",), **properties),
        **settings,
    )
    user = people.one()
    assert (lead["role"], user["role"], user["external_id"], user["id"]) == ("lead", "user", "u1", lead["id"])


def test_repair_undoes_an_edit_that_a_usual_run_leaves(load: Loader, people: People) -> None:
    settings = recipe("Cheap runs, and repair")
    daily = {name: value for name, value in settings.items() if name != "repair"}
    rows = customers(person(1, plan="pro"))
    load(rows, **daily)
    people.call("PUT", f"/contacts/{people.one()['id']}", {"custom_attributes": {"plan": "free"}})
    again = load(rows, **daily)
    assert again.calls == {"GET /data_attributes": 1, "GET /me": 1}
    assert people.one()["custom_attributes"]["plan"] == "free"
    load(rows, **settings)
    assert people.one()["custom_attributes"]["plan"] == "pro"


def test_large_loads_go_through_bulk_jobs(load: Loader, people: People) -> None:
    loaded = load(customers(*map(person, range(1, 31))), **recipe("Large loads"))
    assert loaded.calls["POST /contacts/bulk"] == 1
    assert len(people.live()) == 30


def test_the_sandbox_takes_a_mapping_on_trial(load: Loader, people: People, tmp_path: Path) -> None:
    settings = recipe("A mapping tried on the sandbox")
    assert settings["access_token"] == "sandbox"
    given = {"api_url": load.url, "data_dir": str(tmp_path / settings["data_dir"])}
    rows = told("customers", {"id": 1, "full_name": "Ann"}, id="integer", full_name="text")
    load(rows, **{**settings, **given})
    assert people.one()["name"] == "Ann"
    assert (tmp_path / settings["data_dir"] / "report.json").exists()


def test_a_file_of_texts_is_read_as_the_attributes_are_or_as_a_stream_map_says(load: Loader, people: People) -> None:
    for name, kind in (("age", "integer"), ("vip", "boolean"), ("renewed", "date")):
        people.call("POST", "/data_attributes", {"name": name, "model": "contact", "data_type": kind})
    names = ["id", "email", "Full Name", "plan", "seats", "age", "vip", "renewed", "Signed Up At"]
    cells = ["1", "ann@example.com", "Ann", "pro", "3", "41", "true", "2026-01-31", "2026-01-01"]
    settings = recipe("A CSV file")
    described = schema("customers", **dict.fromkeys(names, "text"))
    assert load([described, record("customers", **dict(zip(names, cells, strict=True)))], **settings).results() == {
        "created": 1
    }
    ann = people.one()
    assert (ann["name"], ann["signed_up_at"]) == ("Ann", 1767225600)
    assert ann["custom_attributes"] == {"plan": "pro", "seats": 3, "age": 41, "vip": True, "renewed": 1769817600}
    blank = {**dict.fromkeys(names, ""), "id": "1"}
    assert load([described, record("customers", **blank)], **settings).results() == {"updated": 1}
    ann = people.one()
    assert (ann["name"], ann["email"], ann["signed_up_at"]) == ("", "", None)
    assert ann["custom_attributes"] == {"plan": "", "seats": None, "age": None, "vip": None, "renewed": None}
    wrong = {**blank, "email": "ann@example.com", "age": "41 years"}
    assert load([described, record("customers", **wrong)], **settings).results() == {"invalid": 1}


def test_empty_cells_can_be_left_alone(load: Loader, people: People) -> None:
    maps = {"stream_maps": {"customers": {"plan": "plan or None"}}, "clear_nulls": False}
    for plan in ("pro", ""):
        row = {"id": "1", "email": "ann@example.com", "plan": plan}
        load(told("customers", row, id="text", email="text", plan="text"), mappings={"id": "external_id"}, **maps)
    assert people.one()["custom_attributes"] == {"plan": "pro"}


@pytest.mark.skipif(shutil.which("flock") is None, reason="there is no flock here (on Debian: util-linux)")
def test_a_run_by_cron_goes_on_from_its_state_wherever_it_is_started(
    load: Loader, people: People, tmp_path: Path
) -> None:
    shell = make_shell(tmp_path)
    (script,) = [one.text for one in blocks(RECIPES, "bash") if "/srv/intercom" in one.text]
    (line,) = [one.text for one in blocks(RECIPES, "crontab")]
    settings = recipe("A run every hour, by cron")
    text = json.dumps({**settings, "access_token": "sandbox", "api_url": load.url})
    (tmp_path / "config.json").write_text(text.replace("/srv/intercom", str(tmp_path)))
    (tmp_path / "sync.sh").write_text(script.replace("/srv/intercom", str(tmp_path)))
    command = line.strip().removeprefix("17 * * * * ").replace("/srv/intercom", str(tmp_path))
    for _ in range(2):
        assert shell(f"cd / && {command}") == ""
        assert json.loads((tmp_path / "state.json").read_text()) == STATE
    assert len(people.live()) == 2
    log = (tmp_path / "sync.log").read_text()
    assert log.count(f"Files of this run: {tmp_path}/data\n") == 2
    assert json.loads((tmp_path / "data" / "report.json").read_text())["streams"]["customers"]["unchanged"] == 2
