"""`python -m target_intercom.ledger`, on ledgers that runs of the target made."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from demo.processes import free_port
from target_intercom.ledger.__main__ import main
from target_intercom.sandbox import SandboxServer
from tests.loading import Loader, record, schema

from .conftest import Ledgers, loaded

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from tests.loading import People

ROOT_COMMAND = [sys.executable, "-m", "target_intercom.ledger"]
PASSWORD = "pssst"
WHEN = "2024-05-01T12:00:00Z"


@pytest.fixture
def load(load: Loader, url: str) -> Loader:
    """Runs the target with the test's ledger."""
    load.settings = {"ledger_url": url, "sync_mode": "sync"}
    return load


def stream(name: str, keys: tuple[str, ...] = ("id",)) -> dict[str, Any]:
    return schema(name, keys, id="any", tenant="any", email="text", name="text", _sdc_deleted_at="datetime")


def customers(*rows: dict[str, Any], name: str = "customers", keys: tuple[str, ...] = ("id",)) -> list[dict[str, Any]]:
    return [stream(name, keys), *(record(name, **row) for row in rows)]


ANN = {"id": 1, "email": "ann@example.com"}
BOB = {"id": 2, "email": "bob@example.com"}


def run(*arguments: str) -> Result:
    """Run the command in this process."""
    result = CliRunner().invoke(main, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def looked(url: str, *arguments: str) -> str:
    """Look into a ledger; gives what is printed."""
    result = run("--ledger-url", url, *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def listed(url: str) -> list[dict[str, Any]]:
    streams: list[dict[str, Any]] = json.loads(looked(url, "streams", "--format=json"))
    return streams


def exported(url: str, *arguments: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(looked(url, "export", *arguments), newline="")))


def refused(*arguments: str) -> str:
    """Run the command in vain; gives what is said, which no password is in."""
    result = run(*arguments)
    assert result.exit_code != 0
    assert result.stdout == ""
    assert PASSWORD not in result.stderr
    return result.stderr


def ids(people: People) -> dict[str, str]:
    return {contact["external_id"]: contact["id"] for contact in people.live()}


# Streams.


def test_streams_are_listed_with_their_contacts_and_last_runs(load: Loader, url: str) -> None:
    load([*customers(ANN, BOB, {"id": 3}), *customers({"id": 4}, {"id": 5}, name="leads")])
    gone = {"_sdc_deleted_at": WHEN}
    last = load([*customers({**ANN, **gone}, BOB), *customers({"id": 4, **gone}, name="leads")]).report
    rows = listed(url)
    for row, (name, contacts) in zip(rows, [("customers", 2), ("leads", 1)], strict=True):
        assert row == {
            "workspace": rows[0]["workspace"],
            "stream": name,
            "keys": ["id"],
            "contacts": contacts,
            "removed": 1,
            "last_run": last["run_id"],
            "started_at": row["started_at"],
            "finished_at": row["finished_at"],
        }
        assert last["started_at"] <= row["started_at"] <= row["finished_at"] <= last["finished_at"]

    header, *lines = [line.split() for line in looked(url, "streams").splitlines()]
    assert header == ["workspace", "stream", "contacts", "removed", "started_at", "finished_at", "last_run"]
    assert lines == [[str(row[name]) for name in header] for row in rows]


def test_a_stream_whose_run_failed_is_not_finished(load: Loader, url: str) -> None:
    assert load([*customers(ANN), "no message"]).exit_code == 1
    assert [one["finished_at"] for one in listed(url)] == [None]
    header, row = [line.split() for line in looked(url, "streams").splitlines()]
    assert dict(zip(header, row, strict=True))["finished_at"] == "-"

    finished = load(customers(ANN)).report["run_id"]
    (first,) = listed(url)
    assert first["last_run"] == finished
    assert load([*customers(ANN), "no message"]).exit_code == 1
    (second,) = listed(url)
    assert second["finished_at"] == first["finished_at"]
    assert second["last_run"] != finished


def test_columns_stand_below_each_other(load: Loader, url: str) -> None:
    load([*customers(ANN), *customers(BOB, name="a-much-longer-name-than-the-others")])
    header, *lines = looked(url, "streams").splitlines()
    for line, row in zip(lines, listed(url), strict=True):
        assert line == line.rstrip()
        for name in ("workspace", "stream", "contacts", "started_at", "finished_at", "last_run"):
            assert line[header.index(name) :].split()[0] == str(row[name])
            assert line[: header.index(name)].endswith("  ") or name == "workspace"


def test_a_ledger_without_streams_is_an_empty_list(ledgers: Ledgers) -> None:
    ledgers().close()
    assert listed(ledgers.url) == []
    assert len(looked(ledgers.url, "streams").splitlines()) == 1


# Ids.


def test_ids_are_exported_by_key(load: Loader, people: People, url: str) -> None:
    load(customers(ANN, BOB, {"id": 30, "email": None}))
    header, *rows = exported(url, "customers")
    assert header == ["id", "intercom_id"]
    assert dict(rows) == ids(people)
    assert len(rows) == 3


def test_whose_contact_was_removed_is_not_exported(load: Loader, people: People, url: str) -> None:
    load(customers(ANN, BOB))
    load(customers({**ANN, "_sdc_deleted_at": WHEN}))
    assert exported(url, "customers") == [["id", "intercom_id"], ["2", people.one(external_id="2")["id"]]]


def test_contacts_that_were_there_are_exported_too(load: Loader, people: People, url: str) -> None:
    contact = people.add(external_id="1")
    load(customers(ANN), sync_mode="insert")
    assert exported(url, "customers") == [["id", "intercom_id"], ["1", contact]]


def test_composite_keys_have_a_column_each(load: Loader, people: People, url: str) -> None:
    rows = [{"tenant": "a", **ANN}, {"tenant": None, **BOB}, {"tenant": "c", "id": 3}]
    load(customers(*rows, keys=("tenant", "id")))
    header, *lines = exported(url, "customers")
    of = ids(people)
    assert header == ["tenant", "id", "intercom_id"]
    assert sorted(lines) == [["", "2", of["2"]], ["a", "1", of["1"]], ["c", "3", of["3"]]]


def test_without_keys_the_identifier_is_exported(load: Loader, people: People, url: str) -> None:
    load(customers(ANN, {"id": None, "email": "bob@example.com"}, keys=()))
    header, *lines = exported(url, "customers")
    bob = people.one(email="bob@example.com")["id"]
    assert header == ["identifier", "value", "intercom_id"]
    assert sorted(lines) == [["email", "bob@example.com", bob], ["external_id", "1", ids(people)["1"]]]


ODD_KEYS = ["a,b", 'say "hi"', "two\nlines", "Zoë 🎈", "王小明", " spaces ", "'", ";", "\\", "=1+1", "null", "€" * 60]


def test_odd_keys_can_be_read_back(load: Loader, people: People, url: str) -> None:
    done = load(customers(*({"id": key, "tenant": "x"} for key in ODD_KEYS)), mappings={"id": "external_id"})
    assert done.results() == {"created": len(ODD_KEYS)}
    header, *lines = exported(url, "customers")
    of = ids(people)
    assert header == ["id", "intercom_id"]
    assert {tuple(line) for line in lines} == {(key, of[key.strip()]) for key in ODD_KEYS}


def test_a_key_that_is_too_long_is_exported_as_its_hash(load: Loader, people: People, url: str) -> None:
    load(customers({"id": 1, "tenant": "x" * 2000}, keys=("tenant", "id")), mappings={"id": "external_id"})
    header, line = exported(url, "customers")
    assert header == ["tenant", "id", "intercom_id"]
    assert line[0].startswith("blake2b:")
    assert line[1:] == ["", ids(people)["1"]]


def test_a_stream_of_any_name_is_exported(load: Loader, people: People, url: str) -> None:
    name = 'public-Zoë\'s "customers" %'
    load(customers(ANN, name=name))
    assert exported(url, name) == [["id", "intercom_id"], ["1", ids(people)["1"]]]


def test_an_unknown_stream_is_told_with_those_that_are_known(load: Loader, url: str) -> None:
    load([*customers(ANN), *customers(BOB, name="leads")])
    said = refused("--ledger-url", url, "export", "customer")
    assert "does not know stream 'customer'" in said
    assert "customers, leads" in said


def test_a_ledger_without_streams_knows_none(ledgers: Ledgers) -> None:
    ledgers().close()
    assert "It knows: none" in refused("--ledger-url", ledgers.url, "export", "customers")


# Several workspaces.


def test_a_stream_of_several_workspaces_is_exported_for_one(
    load: Loader, people: People, url: str, tmp_path: Path
) -> None:
    load([*customers(ANN), *customers(BOB, name="leads")])
    with SandboxServer() as elsewhere:
        Loader(elsewhere.url, tmp_path / "elsewhere", dict(load.settings))(customers(ANN, {"id": 3}))
        theirs = {one["external_id"]: one["id"] for one in elsewhere.workspace.everything()}
        other = elsewhere.workspace.id
    mine = next(one["workspace"] for one in listed(url) if one["stream"] == "leads")
    assert {(one["workspace"], one["stream"], one["contacts"]) for one in listed(url)} == {
        (mine, "customers", 1),
        (mine, "leads", 1),
        (other, "customers", 2),
    }

    said = refused("--ledger-url", url, "export", "customers")
    assert "--workspace" in said
    assert mine in said
    assert other in said
    ours = exported(url, "customers", "--workspace", mine)
    assert ours == [["id", "intercom_id"], ["1", people.one(external_id="1")["id"]]]
    assert dict(exported(url, "customers", "--workspace", other)[1:]) == theirs
    assert len(exported(url, "leads")) == 2
    assert "does not know stream 'leads'" in refused("--ledger-url", url, "export", "leads", "--workspace", other)


# Where it is.


@pytest.fixture
def in_folder(load: Loader) -> Loader:
    """Runs the target with the ledger that it makes by itself."""
    load.settings = {}
    load(customers(ANN))
    return load


@pytest.fixture(params=["streams", "export"])
def command(request: pytest.FixtureRequest) -> list[str]:
    return ["export", "customers"] if request.param == "export" else ["streams"]


SQLITE_ALONE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


@SQLITE_ALONE
def test_the_ledger_is_found_in_the_folder(in_folder: Loader, command: list[str]) -> None:
    assert "1" in run("--data-dir", str(in_folder.data_dir), *command).stdout


@SQLITE_ALONE
def test_the_ledger_is_found_by_the_targets_own_settings(in_folder: Loader, command: list[str]) -> None:
    result = run("--config", str(in_folder.data_dir / "config.json"), *command)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "customers" in result.stdout or "intercom_id" in result.stdout


def test_the_ledger_url_is_taken_from_the_settings(load: Loader, people: People) -> None:
    load(customers(ANN))
    result = run("--config", str(load.data_dir / "config.json"), "export", "customers")
    assert result.stdout == f"id,intercom_id\n1,{people.one(external_id='1')['id']}\n"


@SQLITE_ALONE
def test_an_option_goes_before_the_settings(in_folder: Loader, tmp_path: Path, url: str) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"data_dir": str(tmp_path / "empty")}), encoding="utf-8")
    assert "there is no" in refused("--config", str(config), "streams")
    assert run("--config", str(config), "--data-dir", str(in_folder.data_dir), "export", "customers").exit_code == 0
    Ledgers(url)().close()
    result = run("--config", str(in_folder.data_dir / "config.json"), "--ledger-url", url, "streams", "--format=json")
    assert json.loads(result.stdout) == []


@SQLITE_ALONE
def test_without_options_it_is_where_the_target_puts_it(
    load: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load.settings = {}
    monkeypatch.chdir(tmp_path)
    load(customers(ANN), data_dir=...)
    assert json.loads(run("streams", "--format=json").stdout)[0]["contacts"] == 1


# Where there is none.


def test_a_folder_without_a_ledger_is_told_and_left_as_it_is(tmp_path: Path, command: list[str]) -> None:
    said = refused("--data-dir", str(tmp_path / "data"), *command)
    assert f"There is no ledger: there is no {tmp_path / 'data' / 'ledger.db'}" in said
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there_is_told_and_not_made(tmp_path: Path, command: list[str]) -> None:
    said = refused("--ledger-url", f"sqlite:///{tmp_path}/data/ledger.db", *command)
    assert "There is no ledger" in said
    assert str(tmp_path / "data" / "ledger.db") in said
    assert list(tmp_path.iterdir()) == []


def test_a_database_without_a_ledger_is_left_as_it_is(postgresql: str, command: list[str]) -> None:
    run("--ledger-url", postgresql, *command)
    query = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    assert Ledgers(postgresql).sql(query) == [(0,)]


def test_a_run_without_a_ledger_has_none_to_look_into(command: list[str]) -> None:
    assert "'ledger_url' is \"none\"" in refused("--ledger-url", "none", *command)


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '"text"', "null", "5", '{"data_dir": 5}', '{"ledger_url": "mysql://me:pssst@db/x"}', "\udcff"],
)
def test_settings_that_cannot_be_read_are_told(tmp_path: Path, content: str) -> None:
    config = tmp_path / "config.json"
    config.write_bytes(content.encode(errors="surrogateescape"))
    said = refused("--config", str(config), "streams")
    assert "Traceback" not in said
    assert "'data_dir'" in said or "'ledger_url'" in said or str(config) in said


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--config", "nowhere.json", "streams"], "nowhere.json"),
        (["--ledger-url", "mysql://me:pssst@db/x", "streams"], "'ledger_url'"),
        (["--ledger-url", "", "streams"], "'ledger_url'"),
        (["--ledger-url", "sqlite:///:memory:", "streams"], "'ledger_url'"),
        (["--data-dir", "", "streams"], "'data_dir'"),
        (["--colour", "streams"], "--colour"),
        (["streams", "--format=xml"], "xml"),
        (["export"], "STREAM"),
        (["look"], "look"),
    ],
)
def test_a_wrong_option_is_told(arguments: list[str], named: str) -> None:
    assert named in refused(*arguments)


def test_a_server_that_is_not_there_is_told(command: list[str]) -> None:
    port = free_port()
    said = refused("--ledger-url", f"postgresql://me:{PASSWORD}@127.0.0.1:{port}/ledgers", *command)
    assert "cannot be reached: check 'ledger_url'" in said
    assert f"127.0.0.1:{port}/ledgers" in said


def test_a_damaged_file_is_told(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "ledger.db").write_bytes(b"no ledger" * 1000)
    said = refused("--data-dir", str(tmp_path), *command)
    assert str(tmp_path / "ledger.db") in said
    assert "is damaged, or no ledger" in said


def test_a_ledger_of_a_newer_version_is_told(ledgers: Ledgers, command: list[str]) -> None:
    ledgers().close()
    ledgers.sql("INSERT INTO target_intercom_migrations VALUES ('add_moon_phases', '2031')")
    assert "newer version" in refused("--ledger-url", ledgers.url, *command)


# Beside runs.


def test_a_ledger_is_looked_into_while_a_run_works_on_it(ledgers: Ledgers) -> None:
    ledger = ledgers("r1")
    ledger.enter("customers", ["id"], alone=True)
    ledger.remember("customers", [loaded("1", "c1", changed=True)])
    assert exported(ledgers.url, "customers") == [["id", "intercom_id"], ["1", "c1"]]
    (stream,) = listed(ledgers.url)
    assert (stream["last_run"], stream["finished_at"], stream["contacts"]) == ("r1", None, 1)
    ledger.check_alone()
    ledger.finish()


def test_looking_changes_nothing(load: Loader, url: str) -> None:
    load(customers(ANN, BOB))

    def everything() -> list[list[tuple[Any, ...]]]:
        names = ("migrations", "streams", "entries", "intents")
        return [
            Ledgers(url).sql(f"SELECT * FROM target_intercom_{name} ORDER BY 1, 2")  # noqa: S608 - names of ours
            for name in names
        ]

    before = everything()
    looked(url, "streams")
    exported(url, "customers")
    assert everything() == before


# As a process.


def piped(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    env = {**{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}, **environment}
    return subprocess.run([*ROOT_COMMAND, *arguments], capture_output=True, check=False, env=env, timeout=30)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_any_key_is_written_in_utf_8_whatever_the_terminal_takes(load: Loader, url: str, encoding: str) -> None:
    keys = ["plain", "Zoë 🎈", "half \ud800 a character", "a\0b"]
    rows = [{"id": key, "email": f"p{number}@example.com"} for number, key in enumerate(keys)]
    assert load(customers(*rows), mappings={"id": None}).results() == {"created": 4}
    result = piped("--ledger-url", url, "export", "customers", PYTHONIOENCODING=encoding)
    assert (result.returncode, result.stderr) == (0, b"")
    header, *lines = csv.reader(io.StringIO(result.stdout.decode(), newline=""))
    assert header == ["id", "intercom_id"]
    assert len({contact for _, contact in lines}) == 4
    assert {"plain", "Zoë 🎈"} <= {key for key, _ in lines}


def test_it_runs_as_a_module(load: Loader, people: People, url: str) -> None:
    load(customers(ANN))
    result = piped("--ledger-url", url, "export", "customers")
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.decode() == f"id,intercom_id\n1,{people.one(external_id='1')['id']}\n"


@SQLITE_ALONE
def test_a_reader_that_has_enough_is_no_trouble(ledgers: Ledgers) -> None:
    ledger = ledgers()
    ledger.enter("customers", ["id"], alone=False)
    ledger.remember("customers", [loaded(str(n), f"c{n}") for n in range(20_000)])
    ledger.close()
    with subprocess.Popen(
        [*ROOT_COMMAND, "--ledger-url", ledgers.url, "export", "customers"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"id,intercom_id\n"
        process.stdout.close()
        assert process.stderr.read() == b""


def test_help_says_what_there_is() -> None:
    said = run("--help").stdout
    for word in ("streams", "export", "--config", "--data-dir", "--ledger-url"):
        assert word in said
    assert "--workspace" in run("export", "--help").stdout
