"""Computes the keys and hashes by which later runs recognize a record. Pure."""

from __future__ import annotations

import hashlib
import json
import math
import typing as t
from dataclasses import fields
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring_ascii

from target_intercom.ledger.remembered import Hashes
from target_intercom.model import Identity, LinkName, RecordKey
from target_intercom.settings.config import StreamConfig
from target_intercom.sync.planning.bulk_items import single

if t.TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from target_intercom.model import Contact, ContactDraft, Entry, GroupKey, Json, MatchBy

LONGEST_KEY: t.Final = 1500
"""Characters of a key; a longer one stands as its hash, since databases limit what they index."""

NO_IDENTITY: t.Final = Identity()
"""Of a record whose key properties tell all."""
_ENCODER: t.Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str)
_MOST_ZEROS = 40
"""A number that needs more of them is written with an exponent."""
_LONG_NUMBER: t.Final = 10**_MOST_ZEROS
_WITHOUT_EFFECT: t.Final = frozenset(
    ["companies_property", "max_removal_percent", "object", "removal_mode", "snapshot", "tags_property"]
)
"""Settings of a stream that change nothing of what a record writes."""


def record_key(
    record: Mapping[str, Json],
    key_properties: Sequence[str],
    identity: Identity,
    match_by: Sequence[MatchBy],
    group: GroupKey | None = None,
) -> RecordKey | None:
    """Make a record's key of its key properties, or of its first identifier (and its group) where it has none.

    The same value is the same key, as text or as a number: taps differ in that between replication methods. Blank
    texts, null and NaN are no key: records of several people may have them.

    Returns:
        A JSON list, in ASCII; None where the record has neither.
    """
    parts = [_part(record.get(name)) for name in key_properties]
    if not any(part is not None and part.strip() for part in parts):
        first = next(((which, value) for which in match_by if (value := identity.get(which)) is not None), None)
        if first is None:
            return None
        parts = [first[0].value, first[1], *([] if group is None else [group])]
    # As `json.dumps`, at a third of its time.
    key = f"[{', '.join('null' if part is None else encode_basestring_ascii(part) for part in parts)}]"
    return RecordKey(key if len(key) <= LONGEST_KEY else json.dumps([f"blake2b:{text_print(key)}"]))


def readable_key(
    record: Mapping[str, Json], key_properties: Sequence[str], identity: Identity, match_by: Sequence[MatchBy]
) -> RecordKey | None:
    """Return the key of a record that cannot be loaded; None where it is not sure to be the one that it had before.

    `match_by` are the identifiers that the stream has: without key properties, the first of them is the key.
    """
    if key_properties:
        is_readable = all(_is_readable(record.get(name)) for name in key_properties)
    else:
        is_readable = bool(match_by) and identity.get(match_by[0]) is not None
    return record_key(record, key_properties, identity, match_by) if is_readable else None


def _is_readable(value: Json) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    if isinstance(value, bool):
        return False
    return isinstance(value, (int, Decimal)) or (isinstance(value, float) and math.isfinite(value))


def _part(value: Json) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if value.__class__ is int and -_LONG_NUMBER < value < _LONG_NUMBER:
        # As `_number`, at a tenth of its time: most keys are such.
        return str(value)
    if isinstance(value, (float, Decimal)) and math.isnan(value):
        return None
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return _number(Decimal(str(value)))
    return _canonical(value)


def _number(value: Decimal) -> str:
    """Write a number in one way, whatever zeros it came with; no arithmetic, which would round it."""
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return str(value)
    kept = list(digits)
    while len(kept) > 1 and kept[-1] == 0:
        kept.pop()
        exponent += 1
    bare = Decimal((sign if any(kept) else 0, tuple(kept), exponent if any(kept) else 0))
    return f"{bare:f}" if abs(exponent) <= _MOST_ZEROS else str(bare)


def prints_of(draft: ContactDraft, settings: str, without: Container[str] = ()) -> Hashes:
    """Hash what a record says of its contact; attributes in `without` were not taken by Intercom."""
    written = {name: value for name, value in draft.attributes.items() if name not in without}
    # What a record clears counts, whether the workspace has the attribute yet or not.
    said = {**written, **{name: None for name in draft.unset if name not in without}}
    content = _canonical([[draft.identity.external_id, draft.identity.id], said])
    return Hashes(text_print(content), _shape(tuple(sorted(said))), settings, single_print(written))


@lru_cache(maxsize=100)  # most records of a stream have the same
def _shape(names: tuple[str, ...]) -> str:
    return text_print(_canonical(names))


def single_print(attributes: Mapping[str, Json]) -> str:
    """Hash those of a record's attributes that no bulk job can write to a contact."""
    part = single(attributes)
    return text_print(_canonical(part)) if part else ""


def source_print(basis: str, record: Mapping[str, Json], relevant: AbstractSet[str]) -> str:
    """Hash the relevant properties of a record as they came; `basis` stands for all else that decides what it means."""
    if not record.keys() <= relevant:
        record = {name: value for name, value in record.items() if name in relevant}
    return text_print(f"{basis}{record!r}")


def lists_print(listed: Mapping[LinkName, Iterable[GroupKey]]) -> str:
    """Hash the groups that a record lists, of every kind of link, in whatever order.

    The hash of a list of tags alone is as it was when there were no others.
    """
    groups = {kind.value: sorted(some) for kind, some in listed.items()}
    return text_print(_canonical(groups[LinkName.TAG] if groups.keys() == {LinkName.TAG} else groups))


def lists_news(entry: Entry, contact: Contact) -> bool:
    """Check whether a record lists groups that differ, in groups or contact, from the list last saved."""
    if not entry.draft.listed:
        return False
    known = entry.known
    if known is None or known.contact is None or known.contact.id != contact.id or entry.is_unsure:
        return True
    return known.groups != lists_print(entry.draft.listed)


def membership_print(identity: Identity, group: GroupKey, match_by: Sequence[MatchBy]) -> str:
    """Hash what a membership says: who is in which group, and how they are found."""
    who = [identity.external_id, identity.email, identity.id]
    return text_print(_canonical([who, group, [which.value for which in match_by]]))


def settings_print(config: StreamConfig) -> str:
    """Hash the settings that decide what becomes of a stream's records; defaults leave no trace in it."""
    default = StreamConfig()
    own = {
        field.name: getattr(config, field.name)
        for field in fields(config)
        if field.name not in _WITHOUT_EFFECT and getattr(config, field.name) != getattr(default, field.name)
    }
    return text_print(_canonical({name: dict(value) if name == "mappings" else value for name, value in own.items()}))


def _canonical(value: Json) -> str:
    return _ENCODER.encode(value)


def text_print(text: str) -> str:
    """Hash a text."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
