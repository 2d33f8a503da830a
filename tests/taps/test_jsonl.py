"""tap-jsonl: files of JSON lines, whose STATE has `partitions`; a file that changed is sent again, removals are not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.taps.piping import Line, Person, Tap, command, contact_of, load_change_and_remove

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.loading import Loader, People


def test_lines_stand_in_the_workspace_attribute_by_attribute(load: Loader, people: People, tmp_path: Path) -> None:
    file = tmp_path / "people.jsonl"
    config = {"path": str(file), "stream_name": "people", "primary_keys": ["id"]}
    tap = Tap(command("tap-jsonl", "tap-jsonl"), tmp_path, config, "people", {})

    def write(rows: dict[str, Person]) -> dict[str, Person]:
        """Add the lines that are not there yet."""
        there = file.read_text(encoding="utf-8") if file.exists() else ""
        lines = [json.dumps(row) + "\n" for row in rows.values()]
        file.write_text(there + "".join(line for line in lines if line not in there), encoding="utf-8")
        return {key: contact_of(row) for key, row in rows.items()}

    load_change_and_remove(Line(tap, load, people), write, removes=False)
