"""The groups that contact records list in their `tags_property`: noted batch by batch, tags at the end of the pipe."""

from __future__ import annotations

import typing as t

from target_intercom.config import SyncMode
from target_intercom.ledger.base import UNNOTED
from target_intercom.model import Found, Result
from target_intercom.sync.claims import Claim
from target_intercom.sync.fingerprints import groups_print, record_key

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_intercom.config import StreamConfig
    from target_intercom.ledger.memberships import Memberships
    from target_intercom.model import Contact, ContactId, Entry, Group, RecordKey
    from target_intercom.sync.claiming import Claiming


class ListedGroups:
    """A contact stream whose run knows no groups, and the interface of the one whose run does."""

    def saved(self, group: Group, contact: Contact, result: Result) -> None:
        """Note the records of a contact that went through."""

    def unchanged(self, entry: Entry, contact: Contact) -> None:
        """Note a record whose contact is as it says."""

    def gone(self, contact: ContactId) -> None:
        """Note that a contact is not there: it may come back without its tags."""

    def write(self) -> None:
        """Write down what the records of a batch list, where it is not what they listed before."""


class NotedGroups(ListedGroups):
    """Notes which groups the records of one contact stream list."""

    def __init__(
        self,
        stream: str,
        config: StreamConfig,
        key_properties: Sequence[str],
        begin: Callable[[], Claiming],
        memberships: Memberships,
        *,
        repair: bool,
    ) -> None:
        """`begin` gives a place for the claims of a batch; `repair` looks at every contact's tags."""
        self._stream = stream
        self._config = config
        self._key_properties = key_properties
        self._begin = begin
        self._memberships = memberships
        self._repair = repair
        self._listed: dict[RecordKey, tuple[Entry, Contact]] = {}

    def saved(self, group: Group, contact: Contact, result: Result) -> None:
        """See `ListedGroups`."""
        if self._config.sync_mode is SyncMode.INSERT:
            # What is there already is left alone, unless a run was cut off; of several records the first counts.
            first = group.entries[0]
            if result is Result.CREATED or (first.known is not None and first.known.groups == UNNOTED):
                self.unchanged(first, contact)
            return
        if result is Result.UPDATED and not isinstance(group.match, Found):
            # It was in the archive.
            self._memberships.back([contact.id])
        for entry in group.entries:
            self.unchanged(entry, contact)

    def unchanged(self, entry: Entry, contact: Contact) -> None:
        """See `ListedGroups`."""
        if self._config.tags_property is None or entry.draft.groups is None:
            return
        key = entry.key if entry.key is not None else self._key(entry)
        if key is not None:
            self._listed[key] = (entry, contact)

    def gone(self, contact: ContactId) -> None:
        """See `ListedGroups`."""
        self._memberships.gone([contact])

    def write(self) -> None:
        """See `ListedGroups`."""
        listed, self._listed = self._listed, {}
        news = {key: (entry, contact) for key, (entry, contact) in listed.items() if _is_news(entry, contact)}
        if not news:
            return
        claims = self._begin()
        claims.recall(self._stream, news)
        claims.meet((contact.id, group) for entry, contact in news.values() for group in entry.draft.groups or ())
        prints = {}
        for key, (entry, contact) in news.items():
            groups = entry.draft.groups or {}
            claims.claim(
                Claim(
                    stream=self._stream,
                    key=key,
                    contact=contact,
                    groups=groups,
                    releases=self._config.sync_mode is SyncMode.SYNC,
                    is_doubtful=self._repair,
                )
            )
            prints[self._stream, key] = groups_print(groups)
        claims.write(prints)

    def _key(self, entry: Entry) -> RecordKey | None:
        return record_key(entry.received.record, self._key_properties, entry.draft.identity, self._config.match_by)


def _is_news(entry: Entry, contact: Contact) -> bool:
    """Tell whether a record's groups, or its contact, are others than when they were last noted."""
    known = entry.known
    if known is None or known.contact is None or known.contact.id != contact.id or entry.is_unsure:
        return True
    return known.groups != groups_print(entry.draft.groups or {})
