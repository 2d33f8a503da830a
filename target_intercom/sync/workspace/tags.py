"""The tags that the workspace has, by group; a group that has none gets a new tag.

A group whose tag was renamed in Intercom keeps it: the ledger knows the tag's id.
"""

from __future__ import annotations

import time
import typing as t

from target_intercom.errors import CallFailedError, RefusedError, UnreachableError
from target_intercom.kinds.link import LinkCatalog
from target_intercom.kinds.tags import group_key
from target_intercom.outcomes import Refusal

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.parallel import InParallel
    from target_intercom.intercom.protocol.workspace import Tag
    from target_intercom.ledger.memberships.written import Memberships
    from target_intercom.model import GroupKey, TagId

_NEW_SECONDS = 5.0
"""A list of tags that is no older need not be read again; to make a tag that is there does no harm."""


class TagCatalog(LinkCatalog):
    """The workspace's tags; read when first asked for, and again when a name is new."""

    def __init__(
        self, client: IntercomClient, in_parallel: InParallel, memberships: Memberships, say: Callable[[str], None]
    ) -> None:
        """Nothing is read yet; `memberships` knows which tags a group has had."""
        self._client = client
        self._in_parallel = in_parallel
        self._memberships = memberships
        self._say = say
        self._tags: dict[GroupKey, Tag] | None = None
        self._ids: frozenset[TagId] = frozenset()
        self._read_at = 0.0

    def get(self, group: GroupKey, name: str) -> Tag | None:
        """See `LinkCatalog`."""
        del name
        return self._known().get(group)

    def known(self, names: Collection[str]) -> Collection[str]:
        """See `LinkCatalog`: a tag that is missing is made."""
        return names

    def read(self) -> None:
        """See `LinkCatalog`."""
        self._known()

    def look_up(self, names: Collection[str]) -> None:
        """See `LinkCatalog`: a tag's id is all that is needed of it."""

    def lost(self, ids: Collection[TagId]) -> Collection[TagId]:
        """See `LinkCatalog`."""
        if self._tags is None or self._ids.issuperset(ids):
            return ()
        self._tags = self._read()
        return set(ids) - self._ids

    def provide(self, names: Mapping[GroupKey, str]) -> Mapping[GroupKey, Refusal]:
        """See `LinkCatalog`."""
        refused: dict[GroupKey, Refusal] = {}
        if all(group in self._known() for group in names):
            return refused
        if time.monotonic() - self._read_at > _NEW_SECONDS:
            self._tags = self._read()
        missing = [(group, name) for group, name in names.items() if group not in self._known()]
        for group, made in self._in_parallel(lambda one: (one[0], self._make(one[1])), missing):
            match made:
                case RefusedError():
                    refused[group] = Refusal.by_intercom(made.fault)
                case _:
                    # Under the name that was asked for, however Intercom writes it.
                    self._known()[group] = made
        return refused

    def _make(self, name: str) -> Tag | RefusedError:
        try:
            return self._client.create_tag(name)
        except RefusedError as error:
            return error
        except CallFailedError as error:
            message = f"A tag could not be created ({error.fault}): run again, or create it in Intercom"
            raise UnreachableError(error.fault, message) from None

    def _known(self) -> dict[GroupKey, Tag]:
        if self._tags is None:
            self._tags = self._read()
        return self._tags

    def _read(self) -> dict[GroupKey, Tag]:
        self._read_at = time.monotonic()
        tags: dict[GroupKey, Tag] = {}
        listed = self._client.tags()
        for tag in listed:
            # Of several tags whose names differ in blanks alone, the oldest is the group's.
            tags.setdefault(group_key(tag.name), tag)
        self._ids = frozenset(tag.id for tag in listed)
        return {**tags, **dict(self._renamed(listed))}

    def _renamed(self, listed: Iterable[Tag]) -> Iterator[tuple[GroupKey, Tag]]:
        """Yield the tags that contacts have for a group, and that no longer have the group's name."""
        by_id = {tag.id: tag for tag in listed}
        for group, (name, ids) in self._memberships.linked_by_group().items():
            tags = [by_id[id_] for id_ in ids if id_ in by_id]
            if tags and not any(group_key(tag.name) == group for tag in tags):
                self._say(f"The tag of group '{name}' is now called '{tags[0].name}' in Intercom; the group keeps it")
                yield group, tags[0]
