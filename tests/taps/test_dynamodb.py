"""Stitch's tap-dynamodb, whose SCHEMA names no properties: the whole table in every run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.taps.aws import KEYS, running_aws
from tests.taps.piping import Line, Person, Tap, command, contact_of, load_change_and_remove, number

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.loading import Loader, People

NUMBERS = ("id", "seats", "balance")


def test_a_table_of_dynamodb_stands_in_the_workspace_attribute_by_attribute(
    load: Loader, people: People, tmp_path: Path
) -> None:
    config = {"account_id": "0", "external_id": "0", "role_name": "a-test", "region_name": KEYS["AWS_DEFAULT_REGION"]}
    with running_aws(tmp_path) as aws:
        # It knows of one other address than Amazon's, localhost:8000: a proxy leads it from there to moto.
        variables = {**KEYS, "HTTP_PROXY": aws.url, "NO_PROXY": "", "no_proxy": ""}
        config["use_local_dynamo"] = "true"
        tap = Tap(command("tap-dynamodb", "tap-dynamodb"), tmp_path, config, environment=variables)
        key = {"AttributeName": "id"}
        aws.dynamodb(
            "CreateTable",
            TableName="people",
            AttributeDefinitions=[{**key, "AttributeType": "N"}],
            KeySchema=[{**key, "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        load.settings = {"sync_mode": "sync"}
        there: set[str] = set()

        def write(rows: dict[str, Person]) -> dict[str, Person]:
            """Put these rows, and no others, into the table."""
            for row in rows.values():
                item = {name: typed(name, value) for name, value in row.items() if value is not None}
                aws.dynamodb("PutItem", TableName="people", Item=item)
            for gone in there - rows.keys():
                aws.dynamodb("DeleteItem", TableName="people", Key={"id": {"N": gone}})
            there.update(rows)
            return {key: as_loaded(row) for key, row in rows.items()}

        load_change_and_remove(Line(tap, load, people), write, removes=True)


def as_loaded(row: Person) -> Person:
    """The contact of a row: DynamoDB has numbers, and no dates."""
    return contact_of(row, balance=number(row["balance"]), birthday=row["birthday"])


def typed(name: str, value: Any) -> dict[str, Any]:
    """A value of DynamoDB."""
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"N": str(value)} if name in NUMBERS else {"S": value}
