"""The two taps for CSV files in S3: one table from many files, of which those that changed are sent again."""

from __future__ import annotations

import csv
import io
import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.loading import until
from tests.taps.aws import Aws, running_aws
from tests.taps.piping import Line, Person, Tap, command, contact_of, load_change_and_remove, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.support.loading import Loader, People


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Aws]:
    with running_aws(tmp_path) as aws:
        yield aws


class Bucket:
    """CSV files, each with two rows of the table."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._files: dict[str, str] = {}
        aws.put("people")

    def write(self, rows: dict[str, Person]) -> None:
        """Write the files that are not what they should be."""
        everyone = list(rows.values())
        files = {f"people-{at}.csv": text_of(everyone[at : at + 2]) for at in range(0, len(everyone), 2)}
        # S3 tells whole seconds, and the taps send what is later than all that they have seen.
        now = int(time.time())
        until(lambda: int(time.time()) > now)
        for name, text in files.items():
            if self._files.get(name) != text:
                self._aws.put(f"people/{name}", text)
        self._files = files


def text_of(rows: Sequence[Person]) -> str:
    """CSV, with an empty cell for null."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


TABLE = {
    "table_name": "people",
    "search_pattern": "people-.*csv$",
    "key_properties": ["id"],
    "date_overrides": ["birthday"],
}


@pytest.mark.parametrize("package", ["tap-s3-csv", "pipelinewise-tap-s3-csv"])
def test_files_in_s3_stand_in_the_workspace_attribute_by_attribute(
    aws: Aws, load: Loader, people: People, tmp_path: Path, package: str
) -> None:
    config = {"bucket": "people", "start_date": "2020-01-01T00:00:00Z", "tables": [TABLE], "aws_endpoint_url": aws.url}
    if package == "tap-s3-csv":
        tables = json.dumps([{**TABLE, "search_prefix": "people-", "delimiter": ","}])
        role = {"account_id": "0", "external_id": "0", "role_name": "a-test"}
        config = {"bucket": "people", "start_date": "2020-01-01T00:00:00Z", "tables": tables, **role}
    tap = Tap(command(package, "tap-s3-csv"), tmp_path, config, "people", {}, "--properties", aws.variables)
    bucket = Bucket(aws)

    def write(rows: dict[str, Person]) -> dict[str, Person]:
        bucket.write(rows)
        return {key: contact_of(row, **typed(row)) for key, row in rows.items()}

    def typed(row: Person) -> Person:
        """Without types a cell is text; tap-s3-csv finds decimals, and says integer or text of what may be empty."""
        values = {name: None if row[name] is None else str(row[name]) for name in ("seats", "active", "balance")}
        return {**values, "balance": number(row["balance"])} if package == "tap-s3-csv" else values

    load_change_and_remove(Line(tap, load, people), write, removes=False)
