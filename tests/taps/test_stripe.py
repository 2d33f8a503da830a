"""Stitch's tap-stripe: new customers by their date, changes and deletions as events; its SCHEMA says no incremental."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.taps.piping import Line, Person, Tap, command, people_of_a_table, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.loading import Loader, People

# The tap asks Stripe alone, and trusts no certificate but Stripe's: Python runs this file when it starts, and a proxy
# leads the tap here.
SITECUSTOMIZE = """import stripe
stripe.api_base = "http://api.stripe.com"
"""
DELETED = "updated if record.get('updated_by_event_type') == 'customer.deleted' else None"
CREATED = int(time.time()) - 3600


class Stripe(ThreadingHTTPServer):
    """The three lists of Stripe that the tap reads for customers."""

    def __init__(self) -> None:
        """Nobody is a customer yet."""
        super().__init__(("127.0.0.1", 0), Answers)
        self.customers: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"

    def happens(self, what: str, customer: dict[str, Any]) -> int:
        """Add an event; give its moment."""
        created = CREATED + 60 * (1 + len(self.events))
        event = {"object": "event", "id": f"evt_{len(self.events)}", "type": f"customer.{what}", "created": created}
        self.events.insert(0, {**event, "data": {"object": dict(customer)}})
        return created


class Answers(BaseHTTPRequestHandler):
    """What Stripe answers."""

    server: Stripe

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path.startswith("/v1/accounts/"):
            self._answer({"object": "account", "id": "acct_1", "settings": {"dashboard": {"display_name": "A test"}}})
            return
        objects = {"/v1/customers": self.server.customers, "/v1/events": self.server.events}[url.path]
        first, end = int(float(asked["created[gte]"])), int(float(asked["created[lt]"]))
        data = [one for one in objects if first <= one["created"] < end]
        self._answer({"object": "list", "url": url.path, "has_more": False, "data": data})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class names it so)
        """Write no line for a request."""

    def _answer(self, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def stripe() -> Iterator[Stripe]:
    with Stripe() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def customer_of(row: Person) -> dict[str, Any]:
    """A row as Stripe's customer."""
    address = {"city": "Köln", "country": "DE", "line1": None, "line2": None, "postal_code": None, "state": None}
    return {
        "id": f"cus_{row['id']}",
        "object": "customer",
        "created": CREATED + row["id"],
        "name": row["name"],
        "email": row["email"],
        "balance": row["seats"],
        "delinquent": bool(row["active"]),
        "description": row["balance"],
        "phone": f"+4922112345{row['id']}0",
        "address": address,
        "preferred_locales": ["de", "en"],
        "livemode": False,
        "discount": None,
        "metadata": {},
    }


def as_loaded(customer: dict[str, Any], updated: int | None = None, event: str | None = None) -> Person:
    """The contact of a customer, whose last event was at a moment."""
    names = ("object", "name", "email", "balance", "delinquent", "description", "phone", "livemode")
    wanted = {name: customer[name] for name in names}
    as_text = ("address", "preferred_locales", "metadata")
    wanted |= {name: json.dumps(customer[name], ensure_ascii=False) for name in as_text}
    wanted["email"] = customer["email"] and customer["email"].lower()
    wanted["signed_up_at"] = customer["created"]
    wanted["updated"] = customer["created"] if updated is None else updated
    wanted["updated_by_event_type"] = event
    return {name: value for name, value in wanted.items() if value is not None}


def test_customers_of_stripe_stand_in_the_workspace_attribute_by_attribute(
    stripe: Stripe, load: Loader, people: People, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(SITECUSTOMIZE, encoding="utf-8")
    variables = {"PYTHONPATH": str(site), "HTTP_PROXY": stripe.url, "NO_PROXY": "", "no_proxy": ""}
    start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(CREATED - 86400))
    config = {"client_secret": "a-test", "account_id": "acct_1", "start_date": start}
    tap = Tap(command("tap-stripe", "tap-stripe"), tmp_path, config, "customers", {}, environment=variables)
    load.settings = {
        "sync_mode": "sync",
        "mappings": {"id": "external_id", "created": "signed_up_at"},
        "stream_maps": {"customers": {"deleted_at": DELETED}},
        "deleted_property": "deleted_at",
    }
    line = Line(tap, load, people)
    customers = {one["id"]: one for one in map(customer_of, people_of_a_table().values())}
    stripe.customers = list(reversed(customers.values()))
    wanted = {key: as_loaded(one) for key, one in customers.items()}
    assert line.run().results("customers") == {"created": 4}
    assert line.loaded() == wanted
    assert line.run().writes == 0
    bob = customers["cus_2"]
    bob["name"] = "Bob Changed"
    wanted["cus_2"] = as_loaded(bob, stripe.happens("updated", bob), "customer.updated")
    changed = line.run()
    # The first event brings the attribute of its type.
    assert changed.writes - changed.calls["POST /data_attributes"] == 1
    assert changed.results("customers") == {"updated": 1}
    assert line.loaded() == wanted
    assert line.run().writes == 0
    stripe.happens("deleted", customers.pop("cus_3"))
    del wanted["cus_3"]
    assert line.run().results("customers")["archived"] == 1
    assert line.loaded() == wanted
    assert {shown(one)["name"] for one in people.everyone() if one["state"] != "live"} == {"山田 ゆき"}
