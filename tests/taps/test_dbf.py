"""tap-dbf: files of dBase, with names of columns in capitals and no key; the whole file in every run."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.taps.piping import Line, Person, Tap, command, contact_of, load_change_and_remove, number

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.loading import Loader, People

COLUMNS = "ID N(10,0); NAME C(40); EMAIL C(60); SEATS N(12,0); BALANCE N(12,2); ACTIVE L; BIRTHDAY D; UPDATED C(20)"
STANDARD = ("name", "email")


# The library leaves a file open when it makes a table.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_file_of_dbase_stands_in_the_workspace_attribute_by_attribute(
    load: Loader, people: People, tmp_path: Path
) -> None:
    dbf: Any = pytest.importorskip("dbf", reason="make taps installs dbf")
    tap = Tap(command("tap-dbf", "tap-dbf"), tmp_path, {"path": f"{tmp_path}/people.dbf"})
    mappings = {"ID": "external_id", "UPDATED": None}
    load.settings = {"sync_mode": "sync", "snapshot": True, "mappings": mappings}

    def write(rows: dict[str, Person]) -> dict[str, Person]:
        """Write the file with these rows."""
        known = [{**row, "name": row["name"].encode("cp1252", "replace").decode("cp1252")} for row in rows.values()]
        new = dbf.Table(f"{tmp_path}/people.dbf", COLUMNS, codepage="cp1252", dbf_type="vfp")
        with new.open(dbf.READ_WRITE) as table:
            for row in known:
                balance = None if row["balance"] is None else Decimal(row["balance"])
                birthday = None if row["birthday"] is None else date.fromisoformat(row["birthday"])
                table.append(tuple({**row, "balance": balance, "birthday": birthday}.values()))
        return {str(row["id"]): as_loaded(row) for row in known}

    load_change_and_remove(Line(tap, load, people), write, removes=True)


def as_loaded(row: Person) -> Person:
    """The contact of a row: other attributes than standard ones are named as the columns are."""
    contact = contact_of(row, balance=number(row["balance"]))
    return {name if name in STANDARD else name.upper(): value for name, value in contact.items()}
