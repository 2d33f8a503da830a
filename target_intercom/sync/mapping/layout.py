"""Where the properties of a stream go: which attribute each of them goes into. Pure.

An attribute takes one property: a mapped one comes first, then one that has the attribute's very name. Properties that
are not mapped are compared with the names of standard attributes, and with names in settings, whatever their case.
"""

from __future__ import annotations

import typing as t

from target_intercom.kinds.attribute_names import allowed, custom_name
from target_intercom.model import CUSTOM_PREFIX
from target_intercom.settings.config import TAG, Unmapped
from target_intercom.settings.warnings import ambiguous_property, nearly_named_property
from target_intercom.sync.mapping.properties import CUSTOM, folded

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_intercom.kinds.entity import Attribute, EntityKind
    from target_intercom.settings.config import StreamConfig
    from target_intercom.sync.mapping.properties import Properties


class Layout:
    """Where the properties go that are known by now."""

    def __init__(
        self,
        stream: str,
        properties: Properties,
        config: StreamConfig,
        *,
        kind: EntityKind,
        api_version: str,
        say: Callable[[str], None],
    ) -> None:
        """Lay out the properties of a stream of objects of a kind; `say` takes what is left out, and why."""
        self._stream = stream
        self._properties = properties
        self._config = config
        self._kind = kind
        self._api_version = api_version
        self._say = say
        self.targets: dict[str, str | None] = {}
        """The attribute of each property; None: it goes nowhere."""
        self.sources: dict[str, str] = {}
        """The property of each attribute."""
        self.deleted = self._find("deleted_property", config.deleted_property)
        """The property that marks a record as deleted; None: it is in doubt."""
        found = {kind: self._find(setting, wanted) for kind, (setting, wanted) in config.lists.items()}
        self.lists = {kind: name for kind, name in found.items() if name is not None}
        """The property that lists a contact's groups, by kind of link; none where it is in doubt."""
        self._lay_out()
        self._say_own_id()

    def _lay_out(self) -> None:
        names, mappings = self._properties.names, self._config.mappings
        alike: dict[str, list[str]] = {}
        for name in names:
            if name not in mappings and name not in self.targets:
                alike.setdefault(folded(name), []).append(name)
        for name in sorted(names, key=lambda one: (one not in mappings, self._is_almost(one))):
            if name not in self.targets or mappings.get(name) is not None:
                self.targets[name] = self._claim(name, alike.get(folded(name), ()))

    def _is_almost(self, name: str) -> bool:
        """Check whether a property has the name of an attribute but for its case, or for characters that it loses."""
        return allowed(name) != name or (folded(name) in self._kind.writable and name not in self._kind.writable)

    def _find(self, setting: str, wanted: str | None) -> str | None:
        """Find the property that a setting names; neither it nor another that may be meant goes into an attribute."""
        if wanted is None:
            return None
        found = self._properties.find(wanted)
        self.targets |= dict.fromkeys(found.others)
        if found.property is None:
            if not found.others:
                return wanted
            self._say(ambiguous_property(self._stream, found.others, wanted, setting))
            return None
        self.targets[found.property] = None
        if found.property != wanted:
            self._say(nearly_named_property(self._stream, found.property, wanted))
        for other in found.others:
            self._leave_out(other, f"'{setting}' names '{found.property}'")
        return found.property

    def _claim(self, name: str, alike: Sequence[str]) -> str | None:
        """Decide where a property goes; `alike` are the unmapped ones that fold to the same name."""
        attribute = self._wanted(name, alike)
        if attribute is None:
            return None
        standard = self._kind.writable.get(attribute)
        if standard is not None and standard.type_in(self._api_version) is None:
            self._leave_out(name, f"'{attribute}' needs API version {_since(standard)}")
            return None
        holder = self.sources.setdefault(attribute, name)
        if holder != name:
            self._leave_out(name, f"'{holder}' goes into '{attribute}' already")
            return None
        if standard is not None and name != attribute and name not in self._config.mappings:
            self._say(nearly_named_property(self._stream, name, attribute))
        return attribute

    def _wanted(self, name: str, alike: Sequence[str]) -> str | None:
        """Return the attribute that a property asks for, by its mapping or its name."""
        if name in self._config.mappings:
            return mapped_to(self._config.mappings[name])
        bare = folded(name)
        if self._config.unmapped is Unmapped.IGNORE or bare.startswith("_sdc_"):
            return None
        if self._properties.is_custom(name):
            return CUSTOM
        if name.startswith(CUSTOM_PREFIX):
            return self._custom(name)
        standard = self._kind.writable.get(bare)
        if standard is not None and not standard.only_when_mapped:
            return self._standard(bare, alike)
        if self._kind.standard_names.isdisjoint((bare, allowed(bare))):
            return custom_name(name)
        self._say_standard(name, bare)
        return None

    def _custom(self, name: str) -> str | None:
        """Return the custom attribute that a property names."""
        attribute = custom_name(name.removeprefix(CUSTOM_PREFIX))
        if not self._kind.is_standard(attribute):
            return attribute
        self._leave_out(name, "Intercom takes no custom attribute named like a standard one; map it to another name")
        return None

    def _standard(self, attribute: str, alike: Sequence[str]) -> str | None:
        """Decide whether a property goes into the standard attribute that its name folds to."""
        if attribute in alike or len(alike) == 1 or attribute in self.sources:
            return attribute
        self._say(ambiguous_property(self._stream, alike, attribute, "mappings"))
        return None

    def _say_standard(self, name: str, bare: str) -> None:
        """Warn that a property is not loaded by itself, since it has the name of a standard attribute."""
        if bare == "id":
            return
        elsewhere = bare if bare in self._kind.writable else custom_name(f"source_{bare}")
        self._leave_out(
            name,
            "Intercom has a standard attribute of that name. To load it, map it, for example "
            f'{{"{name}": "{elsewhere}"}}; to silence this, map it to null.',
        )

    def _say_own_id(self) -> None:
        """Warn that the source's id is not loaded; a stream without any identifier is refused with the same advice."""
        match_by = [which.value for which in self._config.match_by]
        if "external_id" in self.sources or self.sources.keys().isdisjoint(match_by):
            return
        for name in self._properties.names:
            if folded(name) == "id" and name not in self._config.mappings:
                self._leave_out(
                    name,
                    "a source's id is never taken for Intercom's. To match by it, map it: "
                    f'{{"{name}": "external_id"}}; to silence this, map it to null.',
                )

    def _leave_out(self, name: str, reason: str) -> None:
        self._say(f"Stream '{self._stream}': property '{name}' is left out: {reason}")


# Names of attributes.


def mapped_to(attribute: str | None) -> str | None:
    """Return the full name of the attribute that a mapping names; None: the property goes into none."""
    if attribute is None or attribute == TAG:
        return None
    return custom_name(attribute.removeprefix(CUSTOM_PREFIX)) if attribute.startswith(CUSTOM_PREFIX) else attribute


def _since(attribute: Attribute) -> str:
    return ".".join(map(str, attribute.since or ()))
