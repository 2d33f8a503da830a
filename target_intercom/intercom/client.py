"""The Intercom client: one method per endpoint."""

from __future__ import annotations

import typing as t

from target_intercom.errors import NotFoundError, RefusedError, UnreachableError
from target_intercom.intercom.calls.companies import CompanyCalls
from target_intercom.intercom.protocol.contacts import Contact, attributes_body, contacts_of
from target_intercom.intercom.protocol.ids import AdminId, ContactId, ExternalId, TagId, entries_of, id_of
from target_intercom.intercom.protocol.searches import (
    halves,
    next_cursor,
    pages,
    search_body,
    search_halves,
    search_query,
)
from target_intercom.intercom.protocol.versions import version_at_least
from target_intercom.intercom.protocol.workspace import DataAttribute, Tag, Tagged, Workspace

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from target_intercom.intercom.outages import Tries
    from target_intercom.json_lines import Json


class IntercomClient(CompanyCalls):
    """Calls Intercom's API; safe to use from any number of threads.

    Every method may raise the fatal errors (`UnauthorizedError`, `ForbiddenError`, `VersionError`,
    `UnreachableError`, `StoppedError`), `RefusedError` with its subclasses for what Intercom refuses, and
    `CallFailedError` for a call that keeps failing while others of its operation are answered.
    """

    def __init__(self, *, version: str, bulk_version: str, **kwargs: t.Any) -> None:
        """`bulk_version` is as of `BulkCalls`, the rest as of `Transport`."""
        super().__init__(version=version, bulk_version=bulk_version, **kwargs)
        self.finds_by_external_id = version_at_least(version, 2, 13)

    def workspace(self) -> Workspace:
        """`GET /me`: the workspace and the teammate of the token; checks the token, too."""
        try:
            return self._request("GET", "/me", Workspace.from_json)
        except RefusedError as error:
            message = f"This is not Intercom's API: GET {self._url}/me answered {error.fault}. Check 'api_url'."
            raise UnreachableError(error.fault, message) from None

    def create_contact(
        self,
        attributes: Mapping[str, Json],
        *,
        before: Callable[[], object] | None = None,
        again: bool = False,
        tries: Tries | None = None,
    ) -> Contact:
        """`POST /contacts`. Never repeated by itself once Intercom may have seen it; `again` counts it as a retry.

        `before` is called right before each time it is sent, when its turn has come; what it raises keeps it back.
        `tries` has the failures of earlier creations of the same contact.

        Raises:
            InDoubtError: the answer was lost; the contact may exist.
            ConflictError: a contact with these identifiers exists.
        """
        if again:
            self.traffic.retried()
        return self._request(
            "POST",
            "/contacts",
            Contact.from_json,
            body=attributes_body(attributes),
            repeatable=False,
            before=before,
            subject=(attributes.get("external_id"), attributes.get("email")),
            tries=tries,
        )

    def get_contact(self, contact: ContactId) -> Contact:
        """`GET /contacts/{id}`: the contact as it is now, without the search index's lag.

        Raises:
            NotFoundError: it is archived, deleted or was never there.
            MergedError: it was merged into another.
        """
        return self._request("GET", "/contacts/{id}", Contact.from_json, ids=(contact,))

    def update_contact(self, contact: ContactId, attributes: Mapping[str, Json]) -> Contact:
        """`PUT /contacts/{id}` with the attributes to change; None clears.

        Raises:
            NotFoundError, MergedError: as for `get_contact`.
            ConflictError: another contact has one of the new identifiers.
        """
        return self._request(
            "PUT", "/contacts/{id}", Contact.from_json, ids=(contact,), body=attributes_body(attributes)
        )

    def archive_contact(self, contact: ContactId) -> None:
        """`POST /contacts/{id}/archive`. Repeating it is harmless (recorded)."""
        self._request("POST", "/contacts/{id}/archive", id_of, ids=(contact,), body={})

    def unarchive_contact(self, contact: ContactId) -> None:
        """`POST /contacts/{id}/unarchive`.

        Raises:
            RefusedError: it was permanently deleted or merged (fact sheet section 4).
        """
        self._request("POST", "/contacts/{id}/unarchive", id_of, ids=(contact,), body={})

    def delete_contact(self, contact: ContactId) -> None:
        """`DELETE /contacts/{id}`: permanent.

        Raises:
            NotFoundError: it is not there; not raised when a lost try of this very call removed it.
        """
        try:
            self._request("DELETE", "/contacts/{id}", id_of, ids=(contact,))
        except NotFoundError as error:
            if not error.repeated:
                raise

    def find_user(self, external_id: ExternalId) -> Contact | None:
        """`GET /contacts/find_by_external_id/{id}`: a live user, or None; before API version 2.13 always None."""
        if not self.finds_by_external_id:
            return None
        try:
            return self._request("GET", "/contacts/find_by_external_id/{id}", Contact.from_json, ids=(external_id,))
        except NotFoundError:
            return None

    def search_contacts(self, wanted: Mapping[str, Sequence[str]]) -> list[Contact]:
        """`POST /contacts/search`: every contact that has one of the values in one of the fields, all pages.

        What it shows may be minutes old.

        Raises:
            CallFailedError: it keeps failing; where it asks for several values, each half is worth a search of its own.
        """
        query = search_query(wanted)
        parts = [search_body(search_query(half), None) for half in search_halves(wanted)]

        def page(cursor: str | None) -> tuple[Iterable[Contact], str | None]:
            body = search_body(query, cursor)
            return self._request("POST", "/contacts/search", _page, body=body, reads=True, parts=parts)

        return list(pages(page))

    def admins(self) -> frozenset[AdminId]:
        """`GET /admins`: the ids of the workspace's teammates, who may own contacts.

        Raises:
            ForbiddenError: the token may not read them; the run can go on.
        """
        return self._request("GET", "/admins", _admins, optional=True)

    def tags(self) -> list[Tag]:
        """`GET /tags`: all tags of the workspace; there are no pages."""
        return self._request("GET", "/tags", _tags)

    def create_tag(self, name: str) -> Tag:
        """`POST /tags` with a name: a new tag, or the one that has the name, in any case."""
        return self._request("POST", "/tags", Tag.from_json, body={"name": name})

    def tag_contacts(
        self, name: str, contacts: Sequence[ContactId], others: Sequence[Sequence[ContactId]] = ()
    ) -> Tagged:
        """`POST /tags` with users: one tag on many contacts, made where there is none. Repeating it is harmless.

        `others` are to get the tag, too: it may be put on them to see whether tags can be put on at all.

        Raises:
            NotFoundError: before API version 2.16, one of them is not there, and none was tagged.
            CallFailedError: it keeps failing; each half of several contacts is worth a call of its own.
        """
        return self._request(
            "POST",
            "/tags",
            Tagged.from_json,
            body=_tag_body(name, contacts),
            parts=[_tag_body(name, half) for half in halves(contacts)],
            others=[_tag_body(name, one) for one in others],
        )

    def contact_tags(self, contact: ContactId) -> list[Tag]:
        """`GET /contacts/{id}/tags`: all tags of a contact, without the search index's lag.

        Raises:
            NotFoundError, MergedError: as for `get_contact`.
        """
        return self._request("GET", "/contacts/{id}/tags", _tags, ids=(contact,))

    def tag_contact(self, contact: ContactId, tag: TagId) -> None:
        """`POST /contacts/{id}/tags`. Repeating it is harmless.

        Raises:
            NotFoundError, MergedError: as for `get_contact`, or there is no such tag.
        """
        self._request("POST", "/contacts/{id}/tags", id_of, ids=(contact,), body={"id": tag})

    def untag_contact(self, contact: ContactId, tag: TagId) -> None:
        """`DELETE /contacts/{id}/tags/{tag_id}`.

        Raises:
            NotFoundError: the contact is not there, or does not have the tag.
            MergedError: as for `get_contact`.
        """
        self._request("DELETE", "/contacts/{id}/tags/{tag_id}", id_of, ids=(contact, tag))

    def data_attributes(self, model: str = "contact") -> list[DataAttribute]:
        """`GET /data_attributes` of contacts or companies, archived ones too."""
        return self._request(
            "GET",
            "/data_attributes",
            lambda body: [DataAttribute.from_json(entry) for entry in entries_of(body)],
            params={"model": model, "include_archived": "true"},
        )

    def create_data_attribute(self, name: str, data_type: str, model: str = "contact") -> DataAttribute:
        """`POST /data_attributes`: a new custom attribute of contacts or companies.

        Raises:
            RefusedError: the name is taken or not allowed, or the workspace is full. Also after a lost try that
                had arrived: ask for the list before believing it.
        """
        return self._request(
            "POST",
            "/data_attributes",
            DataAttribute.from_json,
            body={"name": name, "model": model, "data_type": data_type},
        )


def _admins(body: Json) -> frozenset[AdminId]:
    return frozenset(AdminId(id_of(one)) for one in entries_of(body, "admins"))


def _tags(body: Json) -> list[Tag]:
    return [Tag.from_json(entry) for entry in entries_of(body)]


def _tag_body(name: str, contacts: Sequence[ContactId]) -> dict[str, Json]:
    return {"name": name, "users": [{"id": contact} for contact in contacts]}


def _page(body: Json) -> tuple[Iterable[Contact], str | None]:
    return list(contacts_of(body)), next_cursor(body)
