"""A bare HTTP client and a clock, for tests that talk to the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer


class Clock:
    """A clock that only moves when told to. It starts on a full window of ten seconds."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


class Api:
    """Calls a sandbox over HTTP."""

    def __init__(self, sandbox: SandboxServer) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        version: str | None = "2.16",
        token: str | None = "sandbox",
        timeout: float | tuple[float, float] = 120,
        data: bytes | None = None,
    ) -> requests.Response:
        headers = {"Accept": "application/json"}
        if version is not None:
            headers["Intercom-Version"] = version
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return self.session.request(
            method,
            self.sandbox.url + path,
            json=body,
            data=data,
            headers=headers,
            timeout=timeout,
        )

    def ok(self, method: str, path: str, body: object = None, *, version: str = "2.16") -> Any:
        response = self.call(method, path, body, version=version)
        assert response.status_code == 200, response.text
        return response.json() if response.content else None

    def refused(self, method: str, path: str, body: object = None, *, version: str = "2.16") -> tuple[int, str, str]:
        """Status, code and message of a refusal."""
        response = self.call(method, path, body, version=version)
        assert response.json()["type"] == "error.list", response.text
        (error,) = response.json()["errors"]
        return response.status_code, error["code"], error["message"]

    def create(self, *, version: str = "2.16", **contact: Any) -> Any:
        return self.ok("POST", "/contacts", contact, version=version)

    def update(self, contact_id: str, *, version: str = "2.16", **changes: Any) -> Any:
        return self.ok("PUT", f"/contacts/{contact_id}", changes, version=version)

    def get(self, contact_id: str, *, version: str = "2.16") -> Any:
        return self.ok("GET", f"/contacts/{contact_id}", version=version)

    def find(self, field: str, operator: str, value: object, *, version: str = "2.16") -> list[str]:
        """The ids that a search for one filter finds."""
        query = {"field": field, "operator": operator, "value": value}
        body = {"query": query, "pagination": {"per_page": 150}}
        found = self.ok("POST", "/contacts/search", body, version=version)
        return [contact["id"] for contact in found["data"]]

    def attribute(self, name: str, data_type: str = "string", model: str = "contact", **more: Any) -> Any:
        body = {"name": name, "model": model, "data_type": data_type, **more}
        return self.ok("POST", "/data_attributes", body)

    def company(self, company_id: str, *, version: str = "2.16", **company: Any) -> Any:
        return self.ok("POST", "/companies", {"company_id": company_id, **company}, version=version)

    def attach(self, contact_id: str, company_id: str) -> Any:
        """Attach a contact to a company, both by Intercom's id."""
        return self.ok("POST", f"/contacts/{contact_id}/companies", {"id": company_id})

    def tag(self, name: str) -> str:
        return str(self.ok("POST", "/tags", {"name": name})["id"])

    def conditions(self, **changes: Any) -> Any:
        return self.ok("POST", "/_sandbox/conditions", changes)
