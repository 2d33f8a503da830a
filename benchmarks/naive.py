"""The baseline: a Singer target as most are, one search and one write a record, one call after the other.

It is honest work: it finds who is there, makes the attributes that are missing, puts tags on and takes them off, waits
when it is told to, and prints STATE once all is written. It remembers nothing from one run to the next.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import time
import typing as t
from http import HTTPStatus
from pathlib import Path

import requests

from benchmarks.customers import CUSTOM_ATTRIBUTES, TAGS_PROPERTY

Body: t.TypeAlias = dict[str, t.Any]

_CALL_SECONDS = 60


class NaiveClient:
    """One connection to the workspace."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.headers.update({"Authorization": f"Bearer {token}", "Intercom-Version": "2.16"})

    def call(self, method: str, path: str, body: Body | None = None) -> Body:
        """Make a call; again after the window's end when there were too many.

        Raises:
            HTTPError: Intercom refuses it.
        """
        while True:
            response = self._session.request(method, f"{self._url}/{path}", json=body, timeout=_CALL_SECONDS)
            if response.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                response.raise_for_status()
                return t.cast("Body", response.json())
            time.sleep(max(0.1, float(response.headers["X-RateLimit-Reset"]) - time.time()))


class NaiveTarget:
    """Search, then write, record by record."""

    def __init__(self, client: NaiveClient) -> None:
        self._client = client
        self._tags: dict[str, str] = {}

    def prepare(self) -> None:
        """Make the custom attributes that are missing, and learn the tags."""
        there = {one["name"] for one in self._client.call("GET", "data_attributes?model=contact")["data"]}
        for name, kind in CUSTOM_ATTRIBUTES.items():
            if name not in there:
                self._client.call("POST", "data_attributes", {"name": name, "model": "contact", "data_type": kind})
        self._tags = {tag["name"]: tag["id"] for tag in self._client.call("GET", "tags")["data"]}

    def load(self, record: Body) -> None:
        """Bring one record into the workspace."""
        query = {"field": "external_id", "operator": "=", "value": record["external_id"]}
        found = self._client.call("POST", "contacts/search", {"query": query})["data"]
        if found:
            contact = self._client.call("PUT", f"contacts/{found[0]['id']}", _attributes(record))
        else:
            contact = self._client.call("POST", "contacts", {"role": "user", **_attributes(record)})
        self._tag(contact, record[TAGS_PROPERTY])

    def _tag(self, contact: Body, names: list[str]) -> None:
        wanted = {self._tag_id(name) for name in names}
        there = {tag["id"] for tag in contact["tags"]["data"]}
        for tag in wanted - there:
            self._client.call("POST", f"contacts/{contact['id']}/tags", {"id": tag})
        for tag in there - wanted:
            self._client.call("DELETE", f"contacts/{contact['id']}/tags/{tag}")

    def _tag_id(self, name: str) -> str:
        if name not in self._tags:
            self._tags[name] = self._client.call("POST", "tags", {"name": name})["id"]
        return self._tags[name]


def _attributes(record: Body) -> Body:
    standard = {name: record[name] for name in ("external_id", "email", "name", "phone")}
    signed_up = int(dt.datetime.fromisoformat(record["signed_up_at"]).timestamp())
    custom = {name: record[name] for name in CUSTOM_ATTRIBUTES}
    return {**standard, "signed_up_at": signed_up, "custom_attributes": custom}


def main() -> None:
    """Load a file of Singer messages."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.naive", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="a target-intercom config; api_url is needed")
    parser.add_argument("--input", type=Path, required=True, help="Singer messages, a line each")
    options = parser.parse_args()
    config = json.loads(options.config.read_text(encoding="utf-8"))
    target = NaiveTarget(NaiveClient(config["api_url"], config["access_token"]))
    state = None
    with options.input.open(encoding="utf-8") as file:
        for message in map(json.loads, file):
            if message["type"] == "SCHEMA":
                target.prepare()
            elif message["type"] == "RECORD":
                target.load(message["record"])
            elif message["type"] == "STATE":
                state = message["value"]
    if state is not None:
        sys.stdout.write(f"{json.dumps(state)}\n")


if __name__ == "__main__":
    main()
