"""meltano-map-transform between a tap and the target: STATE goes on naming the tap's stream, so that nobody leaves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.taps import test_postgres
from tests.taps.piping import Line, Person, command, load_change_and_remove

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from demo.database import Database
    from tests.support.loading import Loader, People

__all__ = ["database", "table"]
database, table = test_postgres.database, test_postgres.table


def test_a_table_that_a_mapper_renames_stands_in_the_workspace_attribute_by_attribute(
    table: Database, load: Loader, people: People, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    maps = {"public-people": {"__alias__": "people", "seats": "seats * 2 if seats is not None else None"}}
    config = tmp_path / "mapper.json"
    config.write_text(json.dumps({"stream_maps": maps}), encoding="utf-8")
    tap = test_postgres.meltanolabs(table, tmp_path, {"replication-method": "FULL_TABLE"})
    mapper = command("meltano-map-transform", "meltano-map-transform")
    tap.mapper = [str(mapper), "--config", str(config)]
    load.settings = {"sync_mode": "sync", "snapshot": True}

    last: dict[str, Person] = {}

    def write(rows: dict[str, Person]) -> dict[str, Person]:
        last.update(rows)
        wanted = test_postgres.write(table, rows)
        return {key: {**one, "seats": one["seats"] * 2} if "seats" in one else one for key, one in wanted.items()}

    line = Line(tap, load, people)
    load_change_and_remove(line, write, removes=False)
    del last["3"]
    write(last)
    again = line.run()
    assert (again.stream("people")["left"], again.writes) == (0, 0)
    assert "rename it with '__alias__' in the target's 'stream_maps'" in caplog.text
