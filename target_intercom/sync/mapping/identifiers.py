"""The identifiers of a record: which properties hold them, and how they are read. Pure."""

from __future__ import annotations

import re
import typing as t
import unicodedata

from target_intercom.errors import InvalidRecordError, StreamRefusedError
from target_intercom.intercom.protocol.ids import ContactId, ExternalId, normal_email
from target_intercom.model import Identity, MatchBy
from target_intercom.sync.mapping.values import UncoercibleError, identifier

if t.TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from target_intercom.kinds.entity import EntityKind
    from target_intercom.model import Json
    from target_intercom.settings.config import StreamConfig
    from target_intercom.sync.mapping.properties import Properties

_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")


def read_identity(
    record: Mapping[str, Json], sources: Mapping[str, str], match_by: Sequence[MatchBy], *, lenient: bool
) -> Identity:
    """Read a record's identifiers; `sources` names the property of each.

    `lenient` leaves out invalid ones.

    Raises:
        InvalidRecordError: a value cannot be an identifier.
    """
    read = _identifier if not lenient else _identifier_if_valid
    external_id = read(record, sources.get("external_id"), MatchBy.EXTERNAL_ID)
    email = read(record, sources.get("email"), MatchBy.EMAIL)
    contact_id = read(record, sources.get("id"), MatchBy.ID)
    return Identity(
        external_id=None if external_id is None else ExternalId(external_id),
        email=None if email is None else normal_email(email),
        id=ContactId(contact_id) if contact_id is not None and MatchBy.ID in match_by else None,
    )


def read_key(record: Mapping[str, Json], name: str | None, *, lenient: bool) -> Identity:
    """Read the key of an object that is known by it alone; `name` is its property. `lenient` leaves out an invalid one.

    Raises:
        InvalidRecordError: the value cannot be an identifier.
    """
    read = _identifier if not lenient else _identifier_if_valid
    value = read(record, name, MatchBy.EXTERNAL_ID)
    return Identity() if value is None else Identity(external_id=ExternalId(value))


def _identifier_if_valid(record: Mapping[str, Json], name: str | None, which: MatchBy) -> str | None:
    try:
        return _identifier(record, name, which)
    except InvalidRecordError:
        return None


def _identifier(record: Mapping[str, Json], name: str | None, which: MatchBy) -> str | None:
    if name is None:
        return None
    try:
        value = identifier(record.get(name))
    except UncoercibleError as error:
        raise InvalidRecordError(str(error), code=error.code, field=name) from None
    if value is not None:
        _refuse_unseen(value, name)
        if which is MatchBy.EMAIL and not _ADDRESS.fullmatch(value):
            raise InvalidRecordError("it is not an email address", code="invalid_email", field=name)
    return value


def _refuse_unseen(identifier: str, field: str) -> None:
    """Refuse an identifier with a NUL or a character of no width: it looks like another identifier and is none.

    Raises:
        InvalidRecordError: it names the character.
    """
    if identifier.isascii() and "\0" not in identifier:
        return
    for char in identifier:
        if char == "\0" or unicodedata.category(char) == "Cf":
            reason = f"it holds a character that cannot be seen (U+{ord(char):04X})"
            raise InvalidRecordError(reason, code="unseen_character", field=field)


def no_identifier(match_by: Sequence[MatchBy]) -> InvalidRecordError:
    """Return the refusal of a record without an identifier to match by."""
    names = ", ".join(which.value for which in match_by)
    return InvalidRecordError(f"the record has no identifier to match by ({names})", code="no_identifier")


def no_key(kind: EntityKind, field: str | None) -> InvalidRecordError:
    """Return the refusal of a record without the key of its object; `field` is the key's property."""
    return InvalidRecordError(f"the record names no {kind.noun}", code=f"no_{kind.key}", field=field)


def refuse_without_identifier(
    stream: str, properties: Properties, sources: Container[str], config: StreamConfig, key: str | None = None
) -> None:
    """Refuse a stream whose contacts cannot be matched, or whose objects' `key` no property gives.

    Where its schema does not name all properties, the properties that `mappings` names may still come.

    Raises:
        StreamRefusedError: no property gives an identifier of `match_by`; the message shows the mapping to add.
    """
    wanted = [which.value for which in config.match_by] if key is None else [key]
    mappings = config.mappings
    if any(one in sources or (properties.is_open and one in mappings.values()) for one in wanted):
        return
    names = " or ".join(f"'{one}'" for one in wanted)
    almost = next(
        (one for name, to in mappings.items() if to in wanted and (one := properties.find(name).property)), None
    )
    example = almost or next(iter(properties.names), "PROPERTY")
    known = "" if almost is None else f": names in 'mappings' are exact, and it has '{almost}'"
    gives, where = (
        (f"no identifier to match contacts by ({names})", "generally or in 'streams'")
        if key is None
        else (f"no {key}", "in 'streams'")
    )
    message = (
        f"Stream '{stream}' gives {gives}{known}. Map the property that holds one, for example "
        f'\'mappings\': {{"{example}": "{wanted[0]}"}}, {where}'
    )
    raise StreamRefusedError(stream, message)
