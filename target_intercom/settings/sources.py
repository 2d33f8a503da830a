"""The settings as a command is given them: JSON files, and ``ENV`` for the environment and a file ``.env``."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import click
from dotenv import dotenv_values, find_dotenv, load_dotenv
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.plugin_base import _ConfigInput
from singer_sdk.singerlib.json import deserialize_json

from target_intercom.reporting.text import printable
from target_intercom.settings.environment import unflattened

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_intercom.model import Json

_ENVIRONMENT: t.Final = "ENV"


def config_input(names: Sequence[str]) -> _ConfigInput:
    """Read the config files, of which a later one wins; `ENV` among them asks for the environment.

    Raises:
        click.UsageError: a file cannot be read; the message is a sentence with its name.
    """
    config: dict[str, Json] = {}
    for name in names:
        if name != _ENVIRONMENT:
            config |= _read(name)
    return _ConfigInput(config, parse_env=_ENVIRONMENT in names)


def _read(name: str) -> dict[str, Json]:
    why: str | None = "it is no JSON object"
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
        why = f"it is no JSON, from line {error.lineno}, column {error.colno} on: {error.msg}"
    except UnicodeDecodeError:
        why = "it is not UTF-8"
    except (ValueError, RecursionError):
        pass
    message = f"The config file cannot be read ({name}): {why}"
    raise click.UsageError(printable(message))


def surroundings() -> dict[str, str]:
    """Return the environment's variables, and under them those of `.env` as `from_environment` finds it."""
    try:
        file = dotenv_values(find_dotenv(usecwd=True))
    except (OSError, UnicodeError):
        file = {}
    return {**{name: value for name, value in file.items() if value is not None}, **os.environ}


def from_environment(schema: Mapping[str, Json], prefix: str) -> dict[str, Json]:
    """Read settings from environment variables; these stand above `.env` in the working directory or over it.

    Args:
        schema: has the settings to be read as its `properties`.
        prefix: what the variables' names begin with.

    Raises:
        ValueError: one of them cannot be read as what it is.
    """
    # The SDK would look for .env beside its own files, which is the project only where its .venv lies in it, and let
    # that one win.
    load_dotenv(find_dotenv(usecwd=True))
    return unflattened(parse_environment_config(dict(schema), prefix, dotenv_path=os.devnull))
