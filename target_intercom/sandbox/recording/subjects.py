"""Which contacts a call names, whatever becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def named(method: str, template: str, params: tuple[str, ...], body: object) -> set[str]:
    """Return the ids of the contacts in a call's path or body. Those that it only finds or makes are not known."""
    if template.startswith("/contacts/{id}"):
        return {params[0]}
    read = _IN_BODY.get((method, template))
    if read is None or not isinstance(body, dict):
        return set()
    return {contact_id for contact_id in read(body) if isinstance(contact_id, str)}


def _merged(body: Mapping[str, Any]) -> Iterable[object]:
    return body.get("from"), body.get("into")


def _tagged(body: Mapping[str, Any]) -> Iterable[object]:
    return _ids(body.get("users"))


def _items(body: Mapping[str, Any]) -> Iterable[object]:
    return _ids(body.get("contacts"))


def _ids(entries: object) -> Iterable[object]:
    if not isinstance(entries, list):
        return ()
    return (entry.get("id") for entry in entries if isinstance(entry, dict))


_IN_BODY: dict[tuple[str, str], Callable[[Mapping[str, Any]], Iterable[object]]] = {
    ("POST", "/contacts/merge"): _merged,
    ("POST", "/tags"): _tagged,
    ("PUT", "/contacts/bulk"): _items,
    ("POST", "/contacts/bulk/delete"): _items,
}
