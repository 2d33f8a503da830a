"""A sandbox workspace in place of Intercom, and what stands in it."""

from __future__ import annotations

import sys
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

import requests

from demo.errors import DemoError
from demo.processes import free_port, running, wait_until_ready

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Contact: t.TypeAlias = dict[str, t.Any]
Company: t.TypeAlias = dict[str, t.Any]

TOKEN = "sandbox"  # noqa: S105, the sandbox's token is no secret

_CALL_SECONDS = 10


@dataclass(frozen=True)
class Workspace:
    """A workspace that answers under this URL as Intercom's API does."""

    url: str
    token: str = TOKEN

    def contact(self, external_id: str) -> Contact | None:
        """Read the user with this external_id; nothing if there is none, or an archived one."""
        response = self._get(f"/contacts/find_by_external_id/{external_id}")
        if response.status_code == HTTPStatus.NOT_FOUND:
            return None
        return self._body(response)

    def tags(self, contact: Contact) -> list[str]:
        """Read the names of a contact's tags, in their order."""
        body = self._body(self._get(f"/contacts/{contact['id']}/tags"))
        return sorted(tag["name"] for tag in body["data"])

    def company(self, company_id: str) -> Company | None:
        """Read the company with this company_id; nothing if there is none, or an archived one."""
        response = self._get("/companies", company_id=company_id)
        if response.status_code == HTTPStatus.NOT_FOUND:
            return None
        return self._body(response)

    def companies_of(self, contact: Contact) -> list[str]:
        """Read the company_ids of a contact's companies, in their order."""
        body = self._body(self._get(f"/contacts/{contact['id']}/companies"))
        return sorted(company["company_id"] for company in body["data"])

    def contacts(self) -> Iterator[Contact]:
        """Read all contacts that are not archived."""
        page: dict[str, str] = {}
        while True:
            body = self._body(self._get("/contacts", per_page="150", **page))
            yield from body["data"]
            following = body["pages"].get("next")
            if not following:
                return
            page = {"starting_after": following["starting_after"]}

    def answers(self) -> bool:
        """Check whether the workspace is up and takes the token."""
        try:
            return self._get("/me").ok
        except requests.ConnectionError:
            return False

    def _get(self, path: str, **parameters: str) -> requests.Response:
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/json",
            "Intercom-Version": "2.16",
        }
        return requests.get(self.url + path, params=parameters, headers=headers, timeout=_CALL_SECONDS)

    @staticmethod
    def _body(response: requests.Response) -> dict[str, t.Any]:
        if not response.ok:
            raise DemoError(f"The workspace answered {response.status_code}: {response.text}")
        return t.cast("dict[str, t.Any]", response.json())


@contextmanager
def running_workspace(folder: Path) -> Iterator[Workspace]:
    """Run the sandbox, its log in that folder, until the block ends."""
    port = free_port()
    log = folder / "sandbox.log"
    workspace = Workspace(f"http://127.0.0.1:{port}")
    command = (sys.executable, "-m", "target_intercom.sandbox", "--port", str(port), "--token", TOKEN)
    with running(command, log) as process:
        wait_until_ready("The sandbox", process, log, workspace.answers)
        yield workspace
