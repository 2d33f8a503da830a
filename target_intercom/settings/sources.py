"""The settings as a command is given them: JSON files, ``ENV`` for the environment and a file ``.env``, and flags."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

from dotenv import dotenv_values, find_dotenv, load_dotenv
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.plugin_base import _ConfigInput
from singer_sdk.singerlib.json import deserialize_json

from target_intercom.errors import ConfigValidationError
from target_intercom.reporting.output import UsageError
from target_intercom.settings.environment import (
    environment_errors,
    is_of_meltano,
    restored,
    settings_of_meltano,
    unflattened,
)

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_intercom.model import Json

_ENVIRONMENT: t.Final = "ENV"


def given_settings(config: _ConfigInput, schema: Mapping[str, Json], prefix: str, *, dry_run: bool) -> dict[str, Json]:
    """Return the settings as they are given: in files, in the environment, by Meltano and by a flag.

    Args:
        config: the config files, and whether the environment is read.
        schema: has the settings as its `properties`.
        prefix: what the names of environment variables begin with.
        dry_run: stands above the setting.

    Raises:
        ConfigValidationError: a setting in the environment is wrong.
    """
    settings = schema["properties"]
    given = {
        **config.config,
        **(from_environment(schema, prefix) if config.parse_env else {}),
        **({"dry_run": True} if dry_run else {}),
    }
    if config.parse_env and is_of_meltano(given, os.environ):
        given = {**settings_of_meltano(os.environ, settings), **given}
    return restored(given, os.environ)


def config_input(names: Sequence[str]) -> _ConfigInput:
    """Read the config files; a later one wins, and the name `ENV` asks for the environment.

    Raises:
        UsageError: a file cannot be read; the message is a sentence with its name.
    """
    config: dict[str, Json] = {}
    for name in names:
        if name != _ENVIRONMENT:
            config |= _read(name)
    return _ConfigInput(config, parse_env=_ENVIRONMENT in names)


def _read(name: str) -> dict[str, Json]:
    why: str | None = "it is not a JSON object"
    try:
        # Editors on Windows put a mark before the text.
        settings: Json = deserialize_json(Path(name).read_text(encoding="utf-8-sig"))
        if isinstance(settings, dict):
            return settings
    except FileNotFoundError:
        why = "there is no such file"
    except OSError as error:
        why = error.strerror
    except json.JSONDecodeError as error:
        # Of what stands there nothing is quoted: it may be the token.
        why = f"it is not JSON, from line {error.lineno}, column {error.colno} on: {error.msg}"
    except UnicodeDecodeError:
        why = "it is not UTF-8"
    except (ValueError, RecursionError):
        pass
    message = f"The config file cannot be read ({name}): {why}"
    raise UsageError(message)


def surroundings() -> dict[str, str]:
    """Return all environment variables, and those of `.env` that the environment does not have."""
    try:
        file = dotenv_values(find_dotenv(usecwd=True))
    except (OSError, UnicodeError):
        file = {}
    return {**{name: value for name, value in file.items() if value is not None}, **os.environ}


def from_environment(schema: Mapping[str, Json], prefix: str) -> dict[str, Json]:
    """Read settings from environment variables, and from `.env` in the working directory or above it.

    Args:
        schema: has the settings to be read as its `properties`.
        prefix: what the variables' names begin with.

    Raises:
        ConfigValidationError: one of them cannot be read as what it is.
    """
    # The SDK would look for .env beside its own files, which is the project only where its .venv lies in it, and let
    # that one win.
    load_dotenv(find_dotenv(usecwd=True))
    errors = environment_errors(os.environ, prefix, schema["properties"])
    if errors:
        raise ConfigValidationError("; ".join(errors), errors=errors)
    return unflattened(parse_environment_config(dict(schema), prefix, dotenv_path=os.devnull))
