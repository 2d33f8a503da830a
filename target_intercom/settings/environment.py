"""Settings in environment variables: values that cannot be read, and nested settings that Meltano flattens."""

from __future__ import annotations

import difflib
import json
import re
import typing as t
from functools import cache

from target_intercom.settings.parsing import CLOSE

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from target_intercom.model import Json


def environment_errors(
    environment: Mapping[str, str], prefix: str, settings: Mapping[str, Mapping[str, Json]]
) -> list[str]:
    """Return an error for each setting whose environment variable cannot be read (the SDK has none).

    `settings` has the JSON schema of each.
    """
    errors = []
    for name, schema in settings.items():
        types = set(schema["type"]) if isinstance(schema["type"], list) else {schema["type"]}
        text = environment.get(prefix + name.upper())
        if text is None:
            continue
        for kind, (wanted, fits) in _IN_ENVIRONMENT.items():
            if kind in types and not fits(text):
                errors.append(f"Setting '{name}' does not take {json.dumps(text, ensure_ascii=False)}: give {wanted}")
    return errors


_NESTED: t.Final = ("mappings", "stream_maps", "streams")
_MELTANO: t.Final = "MELTANO_LOAD_"
"""The prefix of variables in which Meltano gives a loader its settings, whatever the loader is called."""
_SEPARATOR = re.compile(r"(?<!\\)\.")


def unflattened(environment: Mapping[str, Json]) -> dict[str, Json]:
    """Return settings from environment variables nested as they were in meltano.yml.

    Meltano writes nested objects flat into variables, `{"customers.sync_mode": "sync"}`, and a dot in a name with a
    backslash (meltano 4.4, `flatten` and `nest` in core/utils).
    """
    return {
        name: _unflattened(value, deep=name != "mappings") if name in _NESTED and isinstance(value, dict) else value
        for name, value in environment.items()
    }


def _unflattened(flat: Mapping[str, Json], *, deep: bool) -> dict[str, Json]:
    nested: dict[str, Json] = {}
    for path, value in flat.items():
        *parents, last = _SEPARATOR.split(path) if deep and not isinstance(value, dict) else [path]
        place = nested
        for parent in parents:
            name = parent.replace(r"\.", ".")
            if not isinstance(place.get(name), dict):
                place[name] = {}
            place = place[name]
        place[last.replace(r"\.", ".")] = value
    return nested


def restored(given: Mapping[str, Json], environment: Mapping[str, str]) -> dict[str, Json]:
    """Return settings with what Meltano's config file lost of them; what is there stays.

    The variables have the same names for every loader, and what a loader starts inherits them: they count only where
    they have our token.

    Meltano leaves nulls inside nested settings, and names with a dot, out of the file (meltano 4.4, `process_config` in
    core/plugin/singer/base); its variables have them.
    """
    if not is_of_meltano(given, environment):
        return dict(given)
    said = {name: _json(environment.get(meltano_variable(name))) for name in _NESTED}
    return _with_lost(given, unflattened({name: value for name, value in said.items() if isinstance(value, dict)}))


def is_of_meltano(given: Mapping[str, Json], environment: Mapping[str, str]) -> bool:
    """Check whether Meltano has given the settings: its variables have our token."""
    token = given.get("access_token")
    return token is not None and environment.get(meltano_variable("access_token")) == token


def settings_of_meltano(environment: Mapping[str, str], settings: Mapping[str, Mapping[str, Json]]) -> dict[str, Json]:
    """Return what a plugin of Meltano has in its config that is no setting: a run would get it, too.

    `settings` has the JSON schema of each. Of a nested one Meltano names the members, each in a variable of its own.
    """
    objects = [name for name, schema in settings.items() if "object" in schema["type"]]
    found: dict[str, Json] = {}
    for variable, value in environment.items():
        name = variable.removeprefix(_MELTANO).lower()
        if not variable.startswith(_MELTANO) or name.startswith("_") or name in settings:
            continue
        if any(name.startswith(f"{one}_") for one in objects):
            continue
        words = name.split("_")
        nested = ("_".join(words[:count]) for count in range(1, len(words)))
        slip = next((one for one in nested if difflib.get_close_matches(one, objects, n=1, cutoff=CLOSE)), None)
        found[slip or name] = value if slip is None else {}
    return found


def meltano_variable(name: str) -> str:
    """Return the name of the variable in which Meltano gives a setting."""
    return _MELTANO + name.upper()


def _with_lost(given: Mapping[str, Json], said: Mapping[str, Json]) -> dict[str, Json]:
    result = dict(given)
    for name, value in said.items():
        if name not in given and (value is None or "." in name):
            result[name] = value
        elif isinstance(value, dict) and isinstance(given.get(name, {}), dict):
            below = _with_lost(given.get(name, {}), value)
            if below:
                result[name] = below
    return result


def _json(text: str | None) -> Json:
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return None


def _parses(read: Callable[[str], Json], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


_IN_ENVIRONMENT: t.Final[Mapping[str, tuple[str, Callable[[str], bool]]]] = {
    "integer": ("a whole number", lambda text: _parses(int, text)),
    "boolean": ("true or false", lambda text: text.lower() in {"true", "false", "1", "0", "yes", "no", "on", "off"}),
    "array": ('a JSON list such as ["email"]', lambda text: _parses(json.loads, text)),
    "object": ('a JSON object such as {"id": "external_id"}', lambda text: _parses(json.loads, text)),
}


# Variables that look like settings and are not read: a run meant as a dry run would write.

_LOGLEVEL: t.Final = "LOGLEVEL"
"""No setting: the SDK reads it always."""
_DRY_RUN: t.Final = "DRY_RUN"
_ANY_DRY_RUN: t.Final = re.compile(r"DRY.*|.*_DRY_?RUN")
_FALSE: t.Final = frozenset({"", "0", "f", "false", "n", "no", "off"})
_CLOSE_WITH_PREFIX: t.Final = 0.94
"""The same for names with their prefix: one error in TARGET_INTERCOM; TAP_INTERCOM is further away."""


class Unread(t.NamedTuple):
    """Sentences about variables that are not read; they name the variables, never their values."""

    warnings: list[str]
    errors: list[str]


def unread_variables(
    environment: Mapping[str, str], prefix: str, settings: Iterable[str], given: Mapping[str, Json], *, are_read: bool
) -> Unread:
    """Find the variables that are meant as settings and are not read.

    Args:
        environment: all variables.
        prefix: what the names of ours begin with.
        settings: the names of all settings.
        given: the settings of the run.
        are_read: whether settings are read from the environment.
    """
    names = {name.upper(): name for name in settings}
    by_meltano = is_of_meltano(given, environment)
    unread, warnings, errors = [], [], []
    for variable, value in sorted(environment.items()):
        meant = _meant(variable, prefix, (*names, _LOGLEVEL), by_meltano=by_meltano)
        if meant is None or value == "" or (variable == prefix + meant and (are_read or meant == _LOGLEVEL)):
            continue
        if meant == _DRY_RUN and given.get("dry_run") is not True and value.strip().lower() not in _FALSE:
            errors.append(
                f"Setting 'dry_run' is not read from the variable {variable}, and this run would write. Give --dry-run "
                "for a dry run; for a run that writes unset the variable, or set it to false"
            )
        elif variable != prefix + meant:
            warnings.append(f"Variable {variable} has no effect: did you mean {prefix}{meant}?")
        elif not by_meltano or environment.get(meltano_variable(names[meant])) != value:
            unread.append(variable)
    if unread:
        warnings.append(
            f"Variables that are set and not read: {', '.join(unread)}. Give --config=ENV to read them, or unset them; "
            "Meltano reads those whose settings its plugin names"
        )
    return Unread(warnings, errors)


@cache
def _meant(variable: str, prefix: str, names: tuple[str, ...], *, by_meltano: bool) -> str | None:
    """Return the setting, in capitals, that a variable is meant for; None: it is meant for no setting."""
    written = re.sub(r"\W", "_", variable.upper())
    if not written.startswith(prefix):
        folded = {_folded(prefix + name): name for name in names}
        near = difflib.get_close_matches(_folded(written), folded, n=1, cutoff=_CLOSE_WITH_PREFIX)
        return folded[near[0]] if near else None
    rest = written.removeprefix(prefix).strip("_")
    if rest in names:
        return rest
    if any(rest.endswith(f"_{name}") for name in names):
        # A plugin of Meltano that inherits from this one, or a config of somebody's scripts: TARGET_INTERCOM_EU_REGION.
        return _DRY_RUN if not by_meltano and _ANY_DRY_RUN.fullmatch(rest) else None
    if _ANY_DRY_RUN.fullmatch(rest):
        return _DRY_RUN
    return next(iter(difflib.get_close_matches(rest, names, n=1, cutoff=CLOSE)), None)


def _folded(name: str) -> str:
    return name.replace("_", "")
