"""`python -m target_intercom.ledger`."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, insert, make_url

from demo.processes import free_port
from target_intercom.ledger.__main__ import main
from target_intercom.ledger.remembered import EntryState, Loaded
from target_intercom.ledger.store.migrations import STEPS, check_steps
from target_intercom.ledger.store.tables import MIGRATIONS
from target_intercom.model import ContactId, Email, ExternalId, Identity
from target_intercom.settings.config import StreamConfig
from target_intercom.sync.remembering.fingerprints import record_key
from tests.support.loading import record, schema
from tests.support.processes import run_text

from .conftest import Ledgers, contact, entry, gone, loaded

if TYPE_CHECKING:
    from click.testing import Result

    from target_intercom.ledger.interface import Ledger
    from tests.support.loading import Loader, People

ROOT_COMMAND = [sys.executable, "-m", "target_intercom.ledger"]
PASSWORD = "pssst"
S, T = "customers", "leads"


def run(*arguments: str) -> Result:
    """Run the command in this process."""
    result = CliRunner().invoke(main, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def looked(url: str, *arguments: str) -> str:
    """Look into a ledger; returns what is printed."""
    result = run("--ledger-url", url, *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def listed(url: str) -> list[dict[str, Any]]:
    streams: list[dict[str, Any]] = json.loads(looked(url, "streams", "--format=json"))
    return streams


def exported(url: str, *arguments: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(looked(url, "export", *arguments), newline="")))


def refused(*arguments: str) -> str:
    """Run the command in vain; returns what is said, which no password is in."""
    result = run(*arguments)
    assert result.exit_code != 0
    assert result.stdout == ""
    assert PASSWORD not in result.stderr
    return result.stderr


def keyed(
    contact_id: str, values: dict[str, Any], keys: tuple[str, ...] = ("id",), identity: Identity | None = None
) -> Loaded:
    """A record to remember, with the key that the target makes of its values."""
    made = record_key(values, keys, identity or Identity(), StreamConfig().match_by)
    assert made is not None
    return Loaded(replace(entry("", contact(contact_id)), key=made), None, changed=True)


def filled(ledger: Ledger, *rows: Loaded, stream: str = S, keys: tuple[str, ...] = ("id",)) -> None:
    """Have a run load these records."""
    ledger.streams.enter(stream, keys, alone=False)
    ledger.remember(stream, rows)
    ledger.finish()


# Streams.


def test_streams_are_listed_with_their_contacts_and_last_runs(new_ledgers: Ledgers) -> None:
    filled(new_ledgers("r1"), loaded("1", "c1"), loaded("2", "c2"), loaded("3", "c3"), loaded("4", None))
    filled(new_ledgers("r2"), loaded("1", "c1"), loaded("2", "c4"), stream=T, keys=("tenant", "id"))
    last = new_ledgers("r3")
    last.streams.enter(T, ["tenant", "id"], alone=False)
    last.removed(gone(ContactId("c1")))

    customers, leads = listed(new_ledgers.url)
    workspace = new_ledgers.workspace()
    assert customers == {
        "workspace": workspace,
        "stream": S,
        "keys": ["id"],
        "contacts": 2,
        "removed": 1,
        "tags": 0,
        "last_run": "r1",
        "started_at": customers["started_at"],
        "finished_at": customers["finished_at"],
    }
    assert customers["started_at"] <= customers["finished_at"] <= leads["started_at"]
    assert (leads["stream"], leads["keys"]) == (T, ["tenant", "id"])
    assert (leads["contacts"], leads["removed"], leads["last_run"]) == (1, 1, "r3")

    header, *lines = [line.split() for line in looked(new_ledgers.url, "streams").splitlines()]
    assert header == ["workspace", "stream", "contacts", "removed", "tags", "started_at", "finished_at", "last_run"]
    assert lines == [[str(row[name]) for name in header] for row in (customers, leads)]


def test_a_stream_that_no_run_has_finished_has_no_end(on_sqlite: Ledgers) -> None:
    on_sqlite("r1").streams.enter(S, ["id"], alone=False)
    assert [one["finished_at"] for one in listed(on_sqlite.url)] == [None]
    header, row = [line.split() for line in looked(on_sqlite.url, "streams").splitlines()]
    assert dict(zip(header, row, strict=True))["finished_at"] == "-"


def test_columns_stand_below_each_other(on_sqlite: Ledgers) -> None:
    filled(on_sqlite(), loaded("1", "c1"))
    filled(on_sqlite("a-much-longer-run"), loaded("1", "c1"), stream="a-much-longer-name-than-the-others")
    header, *lines = looked(on_sqlite.url, "streams").splitlines()
    for line, row in zip(lines, listed(on_sqlite.url), strict=True):
        assert line == line.rstrip()
        for name in ("workspace", "stream", "contacts", "started_at", "finished_at", "last_run"):
            assert line[header.index(name) :].split()[0] == str(row[name])
            assert line[: header.index(name)].endswith("  ") or name == "workspace"


def test_a_ledger_without_streams_is_an_empty_list(on_sqlite: Ledgers) -> None:
    on_sqlite().close()
    assert listed(on_sqlite.url) == []
    assert len(looked(on_sqlite.url, "streams").splitlines()) == 1
    assert "It knows: none" in refused("--ledger-url", on_sqlite.url, "export", S)


# Ids.


def test_ids_are_exported_by_key(new_ledgers: Ledgers) -> None:
    ledger = new_ledgers()
    found = loaded("2", "c2", state=EntryState.FOUND)
    filled(ledger, loaded("1", "c1"), found, loaded("3", "c3"), loaded("4", None))
    filled(ledger, loaded("5", "c5"), stream=T)
    ledger.removed(gone(ContactId("c3")))
    assert exported(new_ledgers.url, S) == [["id", "intercom_id"], ["1", "c1"], ["2", "c2"]]


def test_a_contact_whose_id_no_bulk_job_has_told_is_exported_without_one(new_ledgers: Ledgers) -> None:
    made = replace(contact("stand-in", "user", "x1", "ann@example.com"), is_named=False)
    ledger = new_ledgers()
    filled(ledger, loaded("1", made), loaded("2", "c2"))
    assert exported(new_ledgers.url, S) == [["id", "intercom_id"], ["1", ""], ["2", "c2"]]
    ledger.name([(made, contact("c1", "user", "x1", "ann@example.com"))])
    assert exported(new_ledgers.url, S) == [["id", "intercom_id"], ["1", "c1"], ["2", "c2"]]


def test_composite_keys_have_a_column_each(on_sqlite: Ledgers) -> None:
    keys = ("tenant", "id")
    values: list[dict[str, Any]] = [{"tenant": "a", "id": 1}, {"tenant": None, "id": 2}, {"tenant": "c", "id": "3"}]
    filled(on_sqlite(), *(keyed(f"c{n}", one, keys) for n, one in enumerate(values, 1)), keys=keys)
    header, *lines = exported(on_sqlite.url, S)
    assert header == ["tenant", "id", "intercom_id"]
    assert sorted(lines) == [["", "2", "c2"], ["a", "1", "c1"], ["c", "3", "c3"]]


def test_without_keys_the_identifier_is_exported(on_sqlite: Ledgers) -> None:
    people = [Identity(ExternalId("1"), Email("ann@example.com")), Identity(None, Email("bob@example.com"))]
    filled(on_sqlite(), *(keyed(f"c{n}", {}, (), one) for n, one in enumerate(people, 1)), keys=())
    header, *lines = exported(on_sqlite.url, S)
    assert header == ["identifier", "value", "intercom_id"]
    assert sorted(lines) == [["email", "bob@example.com", "c2"], ["external_id", "1", "c1"]]


ODD_KEYS = ["a,b", 'say "hi"', "two\nlines", "Zoë 🎈", "王小明", " spaces ", "'", ";", "\\", "=1+1", "null", "€" * 60]


def test_odd_keys_can_be_read_back(on_sqlite: Ledgers) -> None:
    filled(on_sqlite(), *(keyed(f"c{n}", {"id": odd}) for n, odd in enumerate(ODD_KEYS)))
    header, *lines = exported(on_sqlite.url, S)
    assert header == ["id", "intercom_id"]
    assert {tuple(line) for line in lines} == {(odd, f"c{n}") for n, odd in enumerate(ODD_KEYS)}


def test_a_key_that_is_too_long_is_exported_as_its_hash(on_sqlite: Ledgers) -> None:
    keys = ("tenant", "id")
    filled(on_sqlite(), keyed("c1", {"tenant": "x" * 2000, "id": 1}, keys), keys=keys)
    header, line = exported(on_sqlite.url, S)
    assert header == ["tenant", "id", "intercom_id"]
    assert line[0].startswith("blake2b:")
    assert line[1:] == ["", "c1"]


def test_a_stream_of_any_name_is_exported(on_sqlite: Ledgers) -> None:
    name = 'public-Zoë\'s "customers" %'
    filled(on_sqlite(), loaded("1", "c1"), stream=name)
    assert exported(on_sqlite.url, name) == [["id", "intercom_id"], ["1", "c1"]]


def test_an_unknown_stream_is_told_with_those_that_are_known(on_sqlite: Ledgers) -> None:
    for stream in (T, S):
        filled(on_sqlite(), loaded("1", "c1"), stream=stream)
    said = refused("--ledger-url", on_sqlite.url, "export", "customer")
    assert "does not know stream 'customer'" in said
    assert "customers, leads" in said


# Several workspaces.


def test_a_stream_of_several_workspaces_is_exported_for_one(new_ledgers: Ledgers) -> None:
    url, mine, other = new_ledgers.url, new_ledgers.workspace("w1"), new_ledgers.workspace("w2")
    filled(new_ledgers("r1", "w1"), loaded("1", "c1"))
    filled(new_ledgers("r1", "w1"), loaded("2", "c2"), stream=T)
    filled(new_ledgers("r2", "w2"), loaded("1", "c8"), loaded("3", "c9"))
    assert [(one["workspace"], one["stream"], one["contacts"]) for one in listed(url)] == [
        (mine, S, 1),
        (mine, T, 1),
        (other, S, 2),
    ]

    said = refused("--ledger-url", url, "export", S)
    assert "--workspace" in said
    assert mine in said
    assert other in said
    assert exported(url, S, "--workspace", mine) == [["id", "intercom_id"], ["1", "c1"]]
    assert exported(url, S, "--workspace", other) == [["id", "intercom_id"], ["1", "c8"], ["3", "c9"]]
    assert exported(url, T) == [["id", "intercom_id"], ["2", "c2"]]
    assert "does not know stream 'leads'" in refused("--ledger-url", url, "export", T, "--workspace", other)


# Where it is.


@pytest.fixture(params=[["streams"], ["export", S], ["forget", S, "--yes"], ["vacuum"]], ids=lambda command: command[0])
def command(request: pytest.FixtureRequest) -> list[str]:
    arguments: list[str] = request.param
    return arguments


def test_an_option_goes_before_the_settings(tmp_path: Path, sqlite: str) -> None:
    folder, config = tmp_path / "data", tmp_path / "config.json"
    folder.mkdir()
    for url, contact_id in ((f"sqlite:///{folder}/ledger.db", "c1"), (sqlite, "c2")):
        with closing(Ledgers(url)) as ledgers:
            filled(ledgers(), loaded("1", contact_id))
    in_folder, in_file = "id,intercom_id\n1,c1\n", "id,intercom_id\n1,c2\n"

    config.write_text(json.dumps({"data_dir": str(tmp_path / "empty")}), encoding="utf-8")
    assert "does not exist" in refused("--config", str(config), "export", S)
    assert run("--config", str(config), "--data-dir", str(folder), "export", S).stdout == in_folder
    assert run("--config", str(config), "--ledger-url", sqlite, "export", S).stdout == in_file

    config.write_text(json.dumps({"data_dir": str(folder), "ledger_url": sqlite}), encoding="utf-8")
    assert run("--config", str(config), "export", S).stdout == in_file


# After runs of the target.


def test_the_ledger_of_runs_is_found_by_their_settings(load: Loader, people: People, tmp_path: Path) -> None:
    messages = [schema(S, id="integer", email="text"), record(S, id=1, email="ann@example.com"), record(S, id=2)]
    config, folder = str(load.data_dir / "config.json"), tmp_path / ".target-intercom"

    def looked_up() -> dict[str, Any]:
        stream: dict[str, Any]
        (stream,) = json.loads(run("--config", config, "streams", "--format=json").stdout)
        return stream

    assert load([*messages, "no message"], data_dir=...).exit_code == 1
    assert (looked_up()["contacts"], looked_up()["finished_at"]) == (0, None)

    assert load(messages, data_dir=...).exit_code == 0
    report, finished = json.loads((folder / "report.json").read_text(encoding="utf-8")), looked_up()
    assert (finished["contacts"], finished["last_run"]) == (2, report["run_id"])
    assert report["started_at"] <= finished["started_at"] <= finished["finished_at"] <= report["finished_at"]

    assert load([*messages, "no message"], data_dir=...).exit_code == 1
    failed = looked_up()
    assert (failed["contacts"], failed["finished_at"]) == (2, finished["finished_at"])
    assert failed["last_run"] != finished["last_run"]

    ids = sorted(f"{one['external_id']},{one['id']}" for one in people.live())
    for options in (["--config", config], ["--data-dir", str(folder)], []):
        assert run(*options, "export", S).stdout.splitlines() == ["id,intercom_id", *ids]


# Where there is none.


def test_a_folder_without_a_ledger_is_told_and_left_as_it_is(tmp_path: Path, command: list[str]) -> None:
    said = refused("--data-dir", str(tmp_path / "data"), *command)
    assert f"There is no ledger: {tmp_path / 'data' / 'ledger.db'} does not exist" in said
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there_is_told_and_not_made(tmp_path: Path, command: list[str]) -> None:
    said = refused("--ledger-url", f"sqlite:///{tmp_path}/data/ledger.db", *command)
    assert "There is no ledger" in said
    assert str(tmp_path / "data" / "ledger.db") in said
    assert list(tmp_path.iterdir()) == []


def test_a_database_without_a_ledger_is_left_as_it_is(postgresql: str) -> None:
    for command in (["streams"], ["runs"], ["export", S], ["forget", S, "--yes"], ["vacuum"]):
        assert "There is no ledger" in refused("--ledger-url", postgresql, *command)
    with closing(Ledgers(postgresql)) as ledgers:
        assert ledgers.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


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
        (["forget"], "STREAM"),
        (["forget", S, "--force"], "--force"),
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
    assert "is damaged, or is not a ledger" in said


def test_a_ledger_of_a_newer_version_is_told(on_sqlite: Ledgers, command: list[str]) -> None:
    on_sqlite().close()
    on_sqlite.sql("INSERT INTO target_intercom_migrations VALUES ('add_moon_phases', '2031')")
    assert "newer version" in refused("--ledger-url", on_sqlite.url, *command)


# Beside runs.


def test_a_ledger_is_looked_into_while_a_run_works_on_it(new_ledgers: Ledgers) -> None:
    ledger = new_ledgers("r1")
    ledger.streams.enter(S, ["id"], alone=True)
    ledger.remember(S, [loaded("1", "c1", changed=True)])
    ledger.intents.add(Email("ann@example.com"), None)

    def everything() -> list[list[tuple[Any, ...]]]:
        return [new_ledgers.rows(table) for table in ("streams", "entries", "intents")]

    before = everything()
    assert exported(new_ledgers.url, S) == [["id", "intercom_id"], ["1", "c1"]]
    (stream,) = listed(new_ledgers.url)
    assert (stream["last_run"], stream["finished_at"], stream["contacts"]) == ("r1", None, 1)
    assert everything() == before
    assert ledger.streams.was_alone(S)


# As a process.


def test_any_key_is_written_in_utf_8_whatever_the_terminal_takes(on_sqlite: Ledgers) -> None:
    keys = ["plain", "Zoë 🎈", "half \ud800 a character", "a\0b"]
    filled(on_sqlite(), *(keyed(f"c{n}", {"id": one}) for n, one in enumerate(keys)))
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = [*ROOT_COMMAND, "--ledger-url", on_sqlite.url, "export", S]
    done = subprocess.run(command, capture_output=True, check=False, env=env, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")
    header, *lines = csv.reader(io.StringIO(done.stdout.decode(), newline=""))
    assert header == ["id", "intercom_id"]
    assert dict(lines) == {"plain": "c0", "Zoë 🎈": "c1", "half \\ud800 a character": "c2", "a\\x00b": "c3"}


def test_a_reader_that_has_enough_is_no_trouble(on_sqlite: Ledgers) -> None:
    """It ends with more to come than a pipe holds."""
    filled(on_sqlite(), *(loaded(str(n), f"{n:0>99}") for n in range(5000)))
    with subprocess.Popen(
        [*ROOT_COMMAND, "--ledger-url", on_sqlite.url, "export", S],
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


# It only reads.


def traces(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """What lies in a folder: contents, times and modes."""
    found = {path.name: (path.read_bytes(), path.stat()) for path in folder.iterdir()}
    return {name: (content, known.st_mtime_ns, known.st_mode) for name, (content, known) in found.items()}


@pytest.mark.parametrize("command", [["streams"], ["runs"], ["export", S]])
def test_looking_into_a_ledger_leaves_no_trace(on_sqlite: Ledgers, tmp_path: Path, command: list[str]) -> None:
    ledger = on_sqlite()
    filled(ledger, loaded("1", "c1"))
    ledger.close()
    (tmp_path / "ledger.db").chmod(0o644)
    before = traces(tmp_path)
    assert looked(on_sqlite.url, *command)
    assert traces(tmp_path) == before


@pytest.mark.parametrize("steps", [1, len(STEPS) - 1])
def test_an_older_ledger_is_named_and_not_migrated(new_ledgers: Ledgers, steps: int) -> None:
    """It has the tables of its version only, so that half of them could not even be read."""
    is_sqlite = new_ledgers.url.startswith("sqlite")
    engine = create_engine(make_url(new_ledgers.url).set(drivername="sqlite" if is_sqlite else "postgresql+psycopg"))
    with engine.begin() as connection:
        MIGRATIONS.create(connection)
        for step in STEPS[:steps]:
            step(connection)
            connection.execute(insert(MIGRATIONS).values(name=step.__name__, applied_at="2025"))
    place = Path(make_url(new_ledgers.url).database or "")
    before = traces(place.parent) if is_sqlite else {}
    for command in (["streams"], ["runs"], ["export", S], ["forget", S, "--yes"], ["vacuum"]):
        said = refused("--ledger-url", new_ledgers.url, *command)
        assert " is of an older version; the next run brings it up to date" in said
        assert place.name in said
    assert is_sqlite is bool(before)
    assert not is_sqlite or traces(place.parent) == before
    with engine.connect() as connection:
        assert check_steps(connection, "it") == {step.__name__ for step in STEPS[:steps]}
    engine.dispose()


# Settings.


def from_environment(tmp_path: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a process, with settings from the environment."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("TARGET_INTERCOM_")}
    given = {f"TARGET_INTERCOM_{name.upper()}": value for name, value in settings.items()}
    command = [*ROOT_COMMAND, *arguments]
    return run_text(command, cwd=tmp_path, env={**env, **given}, timeout=120)


@pytest.fixture
def two(tmp_path: Path) -> tuple[str, str]:
    """The URLs of two ledgers, with contacts c1 and c2."""
    first, second = (f"sqlite:///{tmp_path / name}.db" for name in ("first", "second"))
    for url, contact_id in ((first, "c1"), (second, "c2")):
        with closing(Ledgers(url)) as ledgers:
            filled(ledgers(), loaded("1", contact_id))
    return first, second


def test_settings_come_from_the_environment_and_no_token_is_needed(tmp_path: Path, two: tuple[str, str]) -> None:
    done = from_environment(tmp_path, "--config=ENV", "export", S, ledger_url=two[0], bulk_writes="perhaps")
    assert (done.returncode, done.stdout, done.stderr) == (0, "id,intercom_id\n1,c1\n", "")


def test_an_env_file_is_read_and_the_environment_wins_over_it(tmp_path: Path, two: tuple[str, str]) -> None:
    (tmp_path / ".env").write_text(f"TARGET_INTERCOM_LEDGER_URL={two[0]}\n", encoding="utf-8")
    assert from_environment(tmp_path, "--config=ENV", "export", S).stdout.endswith("1,c1\n")
    assert from_environment(tmp_path, "--config=ENV", "export", S, ledger_url=two[1]).stdout.endswith("1,c2\n")
    assert ".target-intercom/ledger.db does not exist" in from_environment(tmp_path, "export", S).stderr


def test_of_several_files_the_last_wins_and_the_environment_over_all(tmp_path: Path, two: tuple[str, str]) -> None:
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    for path, url in zip((first, second), two, strict=True):
        path.write_text(json.dumps({"ledger_url": url}), encoding="utf-8")
    in_order = ["--config", str(first), "--config", str(second)]
    assert run(*in_order, "export", S).stdout.endswith("1,c2\n")
    done = from_environment(tmp_path, "--config=ENV", *in_order, "export", S, ledger_url=two[0])
    assert done.stdout.endswith("1,c1\n")
    done = from_environment(tmp_path, "--config=ENV", "--ledger-url", two[1], "export", S, ledger_url=two[0])
    assert done.stdout.endswith("1,c2\n")


def test_a_wrong_setting_in_the_environment_is_told_without_its_password(tmp_path: Path) -> None:
    done = from_environment(tmp_path, "--config=ENV", "streams", ledger_url=f"mysql://me:{PASSWORD}@db/x")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'ledger_url'" in done.stderr
    assert PASSWORD not in done.stderr


@pytest.mark.parametrize("content", ["[]", '[["ledger_url", "none"]]'])
def test_a_file_with_a_list_is_no_settings(tmp_path: Path, content: str) -> None:
    config = tmp_path / "config.json"
    config.write_text(content, encoding="utf-8")
    said = " ".join(refused("--config", str(config), "streams").split())
    assert "The config file cannot be read" in said
    assert "it is not a JSON object" in said


# Names.

PAINTING = "a\x1b[31m\nb"


def test_names_cannot_paint_a_terminal_or_break_a_line(on_sqlite: Ledgers) -> None:
    filled(on_sqlite("r1", PAINTING), loaded("1", "c1"), stream=PAINTING)
    filled(on_sqlite("r2", "w2"), loaded("1", "c1"), stream=PAINTING)
    printed = looked(on_sqlite.url, "streams")
    assert len(printed.splitlines()) == 3
    told = refused("--ledger-url", on_sqlite.url, "export", S) + refused(
        "--ledger-url", on_sqlite.url, "export", PAINTING
    )
    for text in (printed, told):
        assert "\x1b" not in text
        assert "a\\x1b[31m\\nb" in text
