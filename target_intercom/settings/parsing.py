"""Reads the settings as given, and refuses what is wrong with its name, what was given and what is allowed.

No other module sees the mapping that was given: `parse_config` makes a frozen `Config` of it.
"""

from __future__ import annotations

import difflib
import typing as t
from dataclasses import replace
from types import MappingProxyType

from target_intercom.errors import ConfigValidationError
from target_intercom.settings.config import NO_LEDGER, Config, StreamConfig, StreamObject
from target_intercom.settings.objects import foreign_settings, general_for, mapping_errors
from target_intercom.settings.table import DEFAULTS, SETTINGS, STREAM_DEFAULTS, STREAM_SETTINGS
from target_intercom.settings.values import WrongValueError, one_of, shown

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from target_intercom.model import Json
    from target_intercom.settings.values import Value

_OBJECT: t.Final = "object"
_VALUES: t.Final = {setting.name: setting.value for setting in SETTINGS}
_STREAM_VALUES: t.Final = {
    **{setting.name: setting.value for setting in STREAM_SETTINGS},
    _OBJECT: one_of(StreamObject),
}
_FOR_STREAMS: t.Final = (*_STREAM_VALUES, "max_removal_percent")
"""Settings that every `StreamConfig` has; the last one cannot differ between streams."""


def parse_config(raw: Mapping[str, Json]) -> Config:
    """Return the settings as given as a `Config`. null stands for not given.

    Raises:
        ConfigValidationError: its `errors` has one sentence for each setting that is wrong or missing.
    """
    errors: list[str] = []
    values = _read({name: raw.get(name) for name in _VALUES}, _VALUES, "", errors)
    if "access_token" not in values and raw.get("access_token") is None:
        errors.append(
            "Setting 'access_token' is missing: give the access token of a private app "
            "(Developer Hub, your app, Authentication)"
        )
    general = replace(STREAM_DEFAULTS, **{name: values.pop(name) for name in _FOR_STREAMS if name in values})
    given, groups_stream = values.pop("streams", {}), values.get("groups_stream")
    if groups_stream is not None and isinstance(given, dict):
        given = {**given, groups_stream: given.get(groups_stream, {})}
    streams = _streams(given, general, groups_stream, errors)
    errors.extend(_contradictions(given, general, streams, groups_stream))
    rows = raw.get("batch_size_rows")
    if isinstance(rows, int) and rows < 1:
        # The SDK's setting, which takes any number.
        errors.append(f"Setting 'batch_size_rows' does not take {rows}: give a whole number from 1")
    if values.get("ledger_url") == NO_LEDGER:
        errors.extend(_snapshots_without_ledger(general, streams))
    if errors:
        raise ConfigValidationError("; ".join(errors), errors=errors)
    return Config(general=general, streams=streams, aliases=_aliases(raw.get("stream_maps")), **values)


def _aliases(stream_maps: Json) -> Mapping[str, frozenset[str]]:
    """Return, by stream, the tap's streams that the SDK's stream maps make it of."""
    aliases: dict[str, set[str]] = {}
    for name, rules in stream_maps.items() if isinstance(stream_maps, dict) else ():
        given = rules if isinstance(rules, dict) else {}
        source, alias = given.get("__source__", name), name if "__source__" in given else given.get("__alias__")
        # A pattern may stand for any number of streams.
        if isinstance(alias, str) and isinstance(source, str) and not set("*?[") & set(source):
            aliases.setdefault(alias, set()).add(source)
    return MappingProxyType({alias: frozenset(names) for alias, names in aliases.items()})


def ledger_place(raw: Mapping[str, Json]) -> Path | str | None:
    """Return where the ledger is, as `Config.ledger`, from the settings that say so.

    Raises:
        ConfigValidationError: one of them is wrong.
    """
    errors: list[str] = []
    values = _read({name: raw.get(name) for name in ("data_dir", "ledger_url")}, _VALUES, "", errors)
    if errors:
        raise ConfigValidationError("; ".join(errors), errors=errors)
    return replace(DEFAULTS, **values).ledger


def _contradictions(
    given: Json, general: StreamConfig, streams: Mapping[str, StreamConfig], groups_stream: str | None
) -> Iterator[str]:
    """Yield what is wrong with settings that streams of another object take."""
    for name, config in streams.items():
        if name == groups_stream and given[name].get(_OBJECT) not in {None, StreamObject.GROUPS.value}:
            yield f"Setting 'streams.{name}.{_OBJECT}' contradicts 'groups_stream': take one of them out"
        elif not config.is_ignored:
            yield from foreign_settings(name, given[name], config)
            if given[name].get("mappings") is not None:
                yield from mapping_errors(f"Setting 'streams.{name}.mappings'", config)
    of_groups = any(config.object is StreamObject.GROUPS for config in streams.values())
    yield from mapping_errors("Setting 'mappings'", general, of_groups=of_groups)


def _snapshots_without_ledger(general: StreamConfig, streams: Mapping[str, StreamConfig]) -> Iterator[str]:
    """Yield the snapshots for which a run would not know what is missing."""
    for name, config in (("snapshot", general), *((f"streams.{name}.snapshot", own) for name, own in streams.items())):
        if config.snapshot and not config.is_ignored:
            yield f"Setting '{name}' needs a ledger, to know what is missing: take 'ledger_url': \"none\" out"


CLOSE: t.Final = 0.85
"""How alike two names are, of which one is taken for a typing error of the other."""


def unknown_settings(raw: Mapping[str, Json], known: Iterable[str]) -> tuple[list[str], list[str]]:
    """Find names that are no settings.

    Returns:
        Sentences about names that look like a typing error (an error), and about others (a warning).
    """
    names = sorted({*known, *_VALUES})
    slips, others = [], []
    for name in sorted(set(raw) - set(names)):
        near = difflib.get_close_matches(name, names, n=1, cutoff=CLOSE)
        if near:
            slips.append(f"Setting '{name}' is unknown: did you mean '{near[0]}'?")
        else:
            others.append(f"Setting '{name}' is unknown to this version and has no effect")
    return slips, others


def _read(given: Mapping[str, Json], expected: Mapping[str, Value], prefix: str, errors: list[str]) -> dict[str, Json]:
    """Read the values that are given, and add what is wrong to the errors."""
    values: dict[str, Json] = {}
    for name, value in given.items():
        if value is None:
            continue
        try:
            values[name] = expected[name].read(value)
        except WrongValueError as error:
            errors.extend(error.sentences(f"{prefix}{name}", value))
    return values


def _streams(
    given: Json, general: StreamConfig, groups_stream: str | None, errors: list[str]
) -> Mapping[str, StreamConfig]:
    """Return the settings of each stream that has some of its own, laid over the general ones."""
    if not isinstance(given, dict) or not all(isinstance(own, dict) for own in given.values()):
        errors.append(
            f"Setting 'streams' does not take {shown(given)}: give an object of {{stream name: {{setting: value}}}}"
        )
        return {}
    streams: dict[str, StreamConfig] = {}
    for name, own in given.items():
        unknown = sorted(set(own) - set(_STREAM_VALUES))
        errors.extend(
            f"Setting 'streams.{name}.{setting}' is unknown: a stream takes {', '.join(_STREAM_VALUES)}"
            for setting in unknown
        )
        known = {setting: value for setting, value in own.items() if setting in _STREAM_VALUES}
        values = _read(known, _STREAM_VALUES, f"streams.{name}.", errors)
        kind = StreamObject.GROUPS if name == groups_stream else values.get(_OBJECT, general.object)
        streams[name] = replace(general_for(kind, general), **{**values, _OBJECT: kind})
    return MappingProxyType(streams)
