"""The properties that settings name, and that no stream has had: with a typing error in a name, nothing is loaded."""

from __future__ import annotations

import typing as t
from collections import defaultdict

from target_intercom.settings.warnings import unused_name
from target_intercom.sync.mapping.properties import Meant, meant

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from target_intercom.settings.config import Config


class UnusedNames:
    """Finds the names in `mappings`, `tags_property` and `companies_property` that mean no property."""

    def __init__(self, config: Config) -> None:
        """Begin with no stream."""
        self._config = config
        self._mappings = set(config.general.mappings)
        self._lists: defaultdict[tuple[str, str], bool] = defaultdict(bool)
        """Whether a property was found, by the setting and the name in it."""

    def meet(self, stream: str, properties: Collection[str]) -> None:
        """Add the properties of a stream that are known by now; there are none while its SCHEMA names none."""
        self._mappings.difference_update(properties)
        for setting, name in self._config.stream(stream).lists.values() if properties else ():
            is_general = getattr(self._config.general, setting) == name
            self._lists[setting if is_general else f"streams.{stream}.{setting}", name] |= (
                meant(name, properties) != Meant()
            )

    def warnings(self) -> Iterator[str]:
        """Yield a warning for each name."""
        yield from (unused_name("mappings", name) for name in sorted(self._mappings))
        yield from (unused_name(*named) for named, is_found in self._lists.items() if not is_found)
