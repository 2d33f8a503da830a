"""Remembers what the script made in a workspace: all of it bears the prefix, or an id that a create answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from target_intercom.sandbox.comparing.calls import Raw, has_ended

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_intercom.sandbox.comparing.calls import Call, Exchange

_ACCEPTED = 202
_REFUSED = range(400, 500)
_FIND = "/contacts/find_by_external_id/"


class Sought(NamedTuple):
    """An object that may exist, though no answer told its id."""

    kind: str
    name: str


class Made:
    """What is to be taken away. A call's objects are sought from before it is sent until an answer gives their ids."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.ids: dict[str, dict[str, None]] = {kind: {} for kind in ("contact", "company", "tag", "attribute")}
        self.jobs: dict[str, None] = {}
        self.sought: set[Sought] = set()
        self.finds_companies_without_people = False
        self.has_lost_job = self._had_lost_job = False

    @property
    def cost(self) -> int:
        """Return how many calls it takes to take it all away, about."""
        return sum(map(len, self.ids.values())) + 2 * len(self.sought) + 2 * len(self.jobs)

    def before(self, call: Call) -> None:
        """Record that a call will be sent."""
        self.sought |= self._named(call)
        self._had_lost_job = self.has_lost_job
        self.has_lost_job |= call.method != "GET" and "/bulk" in call.path

    def after(self, exchange: Exchange) -> None:
        """Record what an answer says of the objects."""
        call = exchange.call
        self.has_lost_job = self._had_lost_job
        if exchange.status in _REFUSED and call.path != "/tags":  # a refused tagging may have made the tag
            self.sought -= self._named(call)
        if exchange.is_done:
            self._learn(call, exchange)

    def _learn(self, call: Call, exchange: Exchange) -> None:
        answer = exchange.answer if isinstance(exchange.answer, dict) else {}
        if exchange.status == _ACCEPTED or "/bulk/" in call.path:
            self._learn_job(call, answer)
        elif call.method == "DELETE":
            self._learn_removal(call.path.strip("/").split("/"))
        elif call.method == "POST" and call.path in _MAKES:
            self._keep(_MAKES[call.path], answer, self._named(call))
        elif call.path == "/contacts/merge" and answer.get("id") == call.body.get("into"):
            self.ids["contact"].pop(str(call.body.get("from")), None)
        elif call.path.startswith(_FIND):
            self._learn_found(answer, Sought("contact", call.path.removeprefix(_FIND)))
        elif call.path == "/companies" and "company_id" in call.query:
            self._learn_found(answer, Sought("company", call.query["company_id"]))
            self.finds_companies_without_people |= answer.get("user_count") == 0

    def _learn_found(self, answer: Any, sought: Sought) -> None:
        if self.found(sought.kind, answer):
            self.sought.discard(sought)

    def _learn_job(self, call: Call, answer: Any) -> None:
        if answer.get("id") is None:
            self.has_lost_job = True
            return
        path = f"{call.path.partition('/bulk')[0]}/bulk/{answer['id']}"
        if has_ended(answer):
            self.jobs.pop(path, None)
        else:
            self.jobs[path] = None

    def _learn_removal(self, parts: list[str]) -> None:
        match parts:
            case ["contacts", contact_id]:
                self.ids["contact"].pop(contact_id, None)
            case ["companies", company_id]:
                self.ids["company"].pop(company_id, None)
            case ["tags", tag_id]:
                self.ids["tag"].pop(tag_id, None)
            case _:
                pass  # a contact that leaves a company, or loses a tag

    def found(self, kind: str, entry: Any) -> bool:
        """Record an object that was looked for, if it is the script's: whatever a look-up shows, others' stay."""
        texts = (entry.get(key) for key in ("external_id", "email", "company_id", "name"))
        is_ours = any(isinstance(text, str) and self.prefix in text for text in texts)
        if is_ours:
            self._keep(kind, entry, set())
        return is_ours

    def _keep(self, kind: str, answer: Any, settled: set[Sought]) -> None:
        if answer.get("id") is not None:
            self.ids[kind][str(answer["id"])] = None
            self.sought -= settled

    def _named(self, call: Call) -> set[Sought]:
        """Return the objects that a call may make, by the names that it gives them."""
        if isinstance(call.body, Raw) or call.method not in {"POST", "PUT"}:
            return set()
        return {entry for entry in _named(call.path, call.body) if self.prefix in entry.name}


_MAKES = {"/contacts": "contact", "/companies": "company", "/tags": "tag", "/data_attributes": "attribute"}


def _named(path: str, body: Any) -> Iterator[Sought]:
    body = body if isinstance(body, dict) else {}
    if path in _MAKES:
        yield from _of_object(_MAKES[path], body)
    elif path in {"/contacts/bulk", "/companies/bulk"}:
        kind = _MAKES[path.removesuffix("/bulk")]
        for item in _objects(body.get(path.split("/")[1])):
            yield from () if "id" in item else _of_object(kind, item)
            for company in _objects(item.get("companies")):
                yield from () if company.get("remove") else _of_object("company", company)


def _of_object(kind: str, body: Any) -> Iterator[Sought]:
    for key, sought in _IDENTIFIERS[kind]:
        is_ignored = key == "external_id" and body.get("role") == "lead"  # a lead gets another one
        if isinstance(body.get(key), str) and not is_ignored:
            yield Sought(sought, body[key].strip() if kind == "tag" else body[key])
            return


_IDENTIFIERS = {
    "contact": (("external_id", "contact"), ("email", "email")),
    "company": (("company_id", "company"), ("name", "company name")),
    "tag": (("name", "tag"),),
    "attribute": (("name", "attribute"),),
}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
