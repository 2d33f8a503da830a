"""Which attribute each property of a stream goes into. Pure.

An attribute takes one property. What is mapped comes first, then what has the attribute's very name; other properties
have the names of standard attributes, and of those that settings name, whatever their case.
"""

from __future__ import annotations

import typing as t

from target_intercom.intercom.protocol import CUSTOM_PREFIX
from target_intercom.kinds.contacts import CONTACTS
from target_intercom.kinds.entity import ValueType
from target_intercom.settings.config import TAG, Unmapped
from target_intercom.settings.warnings import is_in_doubt, is_taken
from target_intercom.sync.mapping.names import allowed, custom_name, folded
from target_intercom.sync.mapping.properties import CUSTOM

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_intercom.kinds.entity import Attribute
    from target_intercom.settings.config import StreamConfig
    from target_intercom.sync.mapping.properties import Properties


class Places:
    """Where the properties of a stream that are known by now go."""

    def __init__(
        self,
        stream: str,
        properties: Properties,
        config: StreamConfig,
        kinds: Mapping[str, ValueType | None],
        say: Callable[[str], None],
    ) -> None:
        """Lay them out; `kinds` has what the standard attributes take, None for those that the API does not have."""
        self._stream = stream
        self._properties = properties
        self._config = config
        self._kinds = kinds
        self._say = say
        self.targets: dict[str, str | None] = {}
        """The attribute of each property; None: it goes nowhere."""
        self.sources: dict[str, str] = {}
        """The property of each attribute."""
        self.deleted = self._setting("deleted_property", config.deleted_property)
        """The property that marks a record as deleted; None: it is in doubt."""
        self.groups = self._setting("tags_property", config.tags_property)
        """The property that lists a contact's groups."""
        self._lay_out()

    def _lay_out(self) -> None:
        names, mappings = self._properties.names, self._config.mappings
        alike: dict[str, list[str]] = {}
        for name in names:
            if name not in mappings and name not in self.targets:
                alike.setdefault(folded(name), []).append(name)
        for name in sorted(names, key=lambda one: (one not in mappings, allowed(one) != one or _is_almost(one))):
            if name not in self.targets or mappings.get(name) is not None:
                self.targets[name] = self._claim(name, alike.get(folded(name), ()))
        if "external_id" not in self.sources and any(which.value in self.sources for which in self._config.match_by):
            self._say_own_id()

    def _say_own_id(self) -> None:
        """Warn that the source's id is not loaded; a stream without any identifier is refused with the same advice."""
        for name in self._properties.names:
            if folded(name) == "id" and name not in self._config.mappings:
                self._say(
                    f"Stream '{self._stream}': property '{name}' is left out: a source's id is never taken for "
                    f'Intercom\'s. To match by it, map it: {{"{name}": "external_id"}}; to silence this, map it to '
                    "null."
                )

    def _setting(self, setting: str, wanted: str | None) -> str | None:
        """Find the property that a setting names; neither it nor one that may be meant goes into an attribute."""
        if wanted is None:
            return None
        named = self._properties.find(wanted)
        self.targets |= dict.fromkeys(named.others)
        if named.property is not None:
            self.targets[named.property] = None
            if named.property != wanted:
                self._say(is_taken(self._stream, named.property, wanted))
        if named.property is None and named.others:
            self._say(is_in_doubt(self._stream, named.others, wanted, setting))
            return None
        for other in named.others:
            self._say(f"Stream '{self._stream}': property '{other}' is left out: '{setting}' names '{named.property}'")
        return named.property or wanted

    def _claim(self, name: str, alike: Sequence[str]) -> str | None:
        """Decide where a property goes; `alike` are the unmapped ones that fold to the same name."""
        attribute = self._wanted(name, alike)
        if attribute is None:
            return None
        if self._kinds.get(attribute, ValueType.STRING) is None:
            self._say(
                f"Stream '{self._stream}': property '{name}' is left out: '{attribute}' needs API version "
                f"{_since(CONTACTS.writable[attribute])}"
            )
            return None
        holder = self.sources.setdefault(attribute, name)
        if holder != name:
            self._say(
                f"Stream '{self._stream}': property '{name}' is left out: '{holder}' goes into '{attribute}' already"
            )
            return None
        if name not in self._config.mappings and name != attribute and attribute in CONTACTS.writable:
            self._say(is_taken(self._stream, name, attribute))
        return attribute

    def _wanted(self, name: str, alike: Sequence[str]) -> str | None:
        if name in self._config.mappings:
            return self._mapped(self._config.mappings[name])
        bare = folded(name)
        if self._config.unmapped is Unmapped.IGNORE or bare.startswith("_sdc_"):
            return None
        if self._properties.is_custom(name):
            return CUSTOM
        if name.startswith(CUSTOM_PREFIX):
            return custom_name(name.removeprefix(CUSTOM_PREFIX))
        standard = CONTACTS.writable.get(bare)
        if standard is not None and not standard.only_when_mapped:
            return self._standard(bare, alike)
        if bare in CONTACTS.standard_names or allowed(bare) in CONTACTS.standard_names:
            if bare != "id":
                self._say_kept(name)
            return None
        return custom_name(name)

    @staticmethod
    def _mapped(attribute: str | None) -> str | None:
        if attribute is None or attribute == TAG:
            return None
        is_custom = attribute.startswith(CUSTOM_PREFIX)
        return custom_name(attribute.removeprefix(CUSTOM_PREFIX)) if is_custom else attribute

    def _standard(self, attribute: str, alike: Sequence[str]) -> str | None:
        """Decide whether a property goes into the standard attribute that its name folds to."""
        if attribute in alike or len(alike) == 1 or attribute in self.sources:
            return attribute
        self._say(is_in_doubt(self._stream, alike, attribute, "mappings"))
        return None

    def _say_kept(self, name: str) -> None:
        self._say(
            f"Stream '{self._stream}': property '{name}' is left out: Intercom has a standard attribute of that "
            f'name. To load it, map it, for example {{"{name}": "{_elsewhere(name)}"}}; to silence this, map it to '
            "null."
        )


def _is_almost(name: str) -> bool:
    """Check whether a property has the name of a standard attribute but for its case."""
    return folded(name) in CONTACTS.writable and name not in CONTACTS.writable


def _since(attribute: Attribute) -> str:
    return ".".join(map(str, attribute.since or ()))


def _elsewhere(name: str) -> str:
    """Return an attribute that a property of this name can go into."""
    bare = folded(name)
    return bare if bare in CONTACTS.writable else custom_name(f"source_{bare}")
