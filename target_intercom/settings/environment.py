"""Settings in environment variables: values that cannot be read, and nested settings that Meltano flattens."""

from __future__ import annotations

import difflib
import json
import re
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
_CLOSE: t.Final = 0.85
"""How alike two names are, of which one is taken for a typing error of the other; as in a config file."""
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
        slip = next((one for one in nested if difflib.get_close_matches(one, objects, n=1, cutoff=_CLOSE)), None)
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
