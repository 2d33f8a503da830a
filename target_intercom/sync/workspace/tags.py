"""The workspace's tags: which there are, by name without case, and making those that are missing.

A group whose tag was renamed in Intercom keeps it: the ledger knows the tag's id.
"""

from __future__ import annotations

import time
import typing as t

from target_intercom.errors import CallFailedError, RefusedError, UnreachableError
from target_intercom.sync.mapping.group_names import group_key

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from target_intercom.errors import Fault
    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.parallel import InParallel
    from target_intercom.intercom.protocol.workspace import Tag
    from target_intercom.ledger.memberships import Memberships
    from target_intercom.model import GroupKey, TagId


_NEW_SECONDS = 5.0
"""A list of tags that is no older need not be read again; to make a tag that is there does no harm."""


class TagCatalog:
    """Knows the tags; read when first asked, and again when a name is new."""

    def __init__(
        self, client: IntercomClient, in_parallel: InParallel, memberships: Memberships, say: Callable[[str], None]
    ) -> None:
        """Nothing is read yet; `memberships` knows which tag a group has had."""
        self._client = client
        self._in_parallel = in_parallel
        self._memberships = memberships
        self._say = say
        self._tags: dict[GroupKey, Tag] | None = None
        self._every: frozenset[TagId] = frozenset()
        self._read_at = 0.0

    @property
    def is_read(self) -> bool:
        """Whether it was asked yet."""
        return self._tags is not None

    def known(self) -> dict[GroupKey, Tag]:
        """Return each group's tag."""
        if self._tags is None:
            self._tags = self._read()
        return self._tags

    def get(self, group: GroupKey) -> Tag | None:
        """Return a group's tag; None: there is none."""
        return self.known().get(group)

    @property
    def known_ids(self) -> frozenset[TagId]:
        """The ids of all tags, as they were last read."""
        return self._every

    def all_ids(self) -> frozenset[TagId]:
        """Return the ids of all tags, read anew."""
        self._tags = self._read()
        return self._every

    def provide(self, names: Mapping[GroupKey, str]) -> dict[GroupKey, Fault]:
        """Make the tags that are missing; returns those that Intercom refuses, with its reason."""
        refused: dict[GroupKey, Fault] = {}
        if all(group in self.known() for group in names):
            return refused
        if time.monotonic() - self._read_at > _NEW_SECONDS:
            self._tags = self._read()
        missing = [(group, name) for group, name in names.items() if group not in self.known()]
        for group, made in self._in_parallel(lambda one: (one[0], self._make(one[1])), missing):
            match made:
                case RefusedError():
                    refused[group] = made.fault
                case _:
                    # Under the name that was asked for, however Intercom writes it.
                    self.known()[group] = made
        return refused

    def _make(self, name: str) -> Tag | RefusedError:
        try:
            return self._client.create_tag(name)
        except RefusedError as error:
            return error
        except CallFailedError as error:
            message = f"A tag could not be created ({error.fault}): run again, or create it in Intercom"
            raise UnreachableError(error.fault, message) from None

    def _read(self) -> dict[GroupKey, Tag]:
        self._read_at = time.monotonic()
        tags: dict[GroupKey, Tag] = {}
        listed = self._client.tags()
        for tag in listed:
            # Names that differ in blanks alone are one group: the oldest tag is its.
            tags.setdefault(group_key(tag.name), tag)
        self._every = frozenset(tag.id for tag in listed)
        return {**tags, **dict(self._renamed(listed))}

    def _renamed(self, listed: Iterable[Tag]) -> Iterator[tuple[GroupKey, Tag]]:
        """Find the tags of groups whose contacts have one that is there, but under no name of the group."""
        there = {tag.id: tag for tag in listed}
        for group, (name, known) in self._memberships.group_tags().items():
            tags = [there[tag] for tag in known if tag in there]
            if tags and not any(group_key(tag.name) == group for tag in tags):
                self._say(
                    f"The tag of group '{name}' is called '{tags[0].name}' in Intercom by now; the group keeps it"
                )
                yield group, tags[0]
