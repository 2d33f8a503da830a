"""Writes what Meltano Hub knows of the target: `python -m docs.hub_definition`.

Kinds, defaults and descriptions are told from the settings, the rest from the package's metadata; only labels are
written here. CONTRIBUTING.md says what is done with the file, and a test holds it to the code.

Source: Meltano's reference of plugin definitions, https://docs.meltano.com/reference/plugin-definition-syntax
"""

from __future__ import annotations

import re
import typing as t
from importlib.metadata import metadata
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from target_intercom.settings.table import SETTINGS
from target_intercom.target import TargetIntercom

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from email.message import Message

    from target_intercom.model import Json

NAME: t.Final = TargetIntercom.name
FOLDER: t.Final = Path(__file__).parent.parent / "hub" / "loaders" / NAME

_KINDS: t.Final = {
    "array": "array",
    "boolean": "boolean",
    "integer": "integer",
    "number": "decimal",
    "object": "object",
    "string": "string",
}
"""Meltano's kinds by JSON type."""

_SENSITIVE: t.Final = frozenset({"ledger_url"})
"""Settings that are no secret, but may hold one: a database's password stands in its URL."""

_WITHOUT_EFFECT: t.Final = frozenset({"faker_config"})
"""Settings of the SDK for a library that the package does not install."""

_OF_THE_RELEASE: t.Final = frozenset({"api_version", "bulk_api_version"})
"""Settings whose defaults change with the target's releases: Meltano would go on sending the old ones."""

_LABELS: t.Final = {
    "api_url": "API URL",
    "api_version": "API version",
    "batch_size_rows": "Batch size (rows)",
    "bulk_api_version": "API version of bulk calls",
    "data_dir": "Data directory",
    "flattening_enabled": "Flattening",
    "flattening_max_depth": "Flattening depth at most",
    "flattening_max_key_length": "Length of flattened names at most",
    "ledger_url": "Ledger URL",
    "max_connections": "Connections at most",
    "max_rejected_records": "Rejected records at most",
    "max_removal_percent": "Removals at most (percent)",
    "rate_limit_percent": "Rate limit (percent)",
    "search_delay_seconds": "Search delay (seconds)",
    "stream_map_config": "Stream map settings",
    "unmapped": "Unmapped properties",
}
"""Labels that are not simply the setting's name in words."""

_OPTIONS: t.Final[Mapping[str, Mapping[str, str]]] = {
    "creation_mode": {
        "user": "Users",
        "lead": "Leads",
        "lifecycle": "Users where the record has an external_id, else leads",
    },
    "region": {"us": "United States", "eu": "Europe", "au": "Australia"},
    "removal_mode": {"archive": "Archive", "delete": "Delete for good"},
    "sync_mode": {
        "sync": "Create, update and remove",
        "additive": "Create and update, never remove",
        "enrich": "Only update",
        "insert": "Only create",
        "remove": "Only remove",
    },
    "unmapped": {"load": "Load them under their own names", "ignore": "Leave them out"},
}
"""Labels of the values of settings that take one of a few."""

_STATUS: t.Final = {"3 - Alpha": "development", "4 - Beta": "beta", "5 - Production/Stable": "active"}
"""The Hub's maintenance status by the classifier of the development status."""

_PREREQ: t.Final = (
    "The access token of a private app in Intercom (Developer Hub, your app, Authentication) that may read and write "
    "users and companies, read admins and, for groups, read and write tags."
)
_PREAMBLE: t.Final = (
    "Only `access_token` is required. Most projects set `mappings`, `region` and `sync_mode`, too. Arrays and objects "
    "are given as JSON on the command line and in environment variables."
)
_NEXT_STEPS: t.Final = f"""\
1. `meltano invoke {NAME}:check` tests the connection and the settings. It writes nothing.
2. With `dry_run: true` a run says what it would do. It changes nothing in Intercom.
"""
_USAGE: t.Final = """\
### What a run leaves behind

The report, the rejected records and the ledger, which is the memory between runs, lie in `data_dir`. Keep that folder
from one run to the next, or give the ledger a place of its own with `ledger_url`. For a ledger in PostgreSQL set
`pip_url` to `target-intercom[postgres]`; with the extra `html`, `target-intercom[html,postgres]`, a run also writes
`report.html`, for people.

### Trying it without an account

The package brings a sandbox: `python -m target_intercom.sandbox --port 8030`, run in the plugin's environment, is an
Intercom workspace on your machine. Set `api_url` to `http://127.0.0.1:8030` and `access_token` to `sandbox`.
"""
_COMMANDS: t.Final = {
    "about": {"args": "--about --format=markdown", "description": "Show all settings."},
    "check": {
        "args": "--config=ENV",
        "description": "Test the connection and the settings. Nothing is written.",
        "executable": f"{NAME}-check",
    },
    "ledger": {
        "args": "-m target_intercom.ledger --config=ENV",
        "description": "List the ledger's streams and runs, export Intercom ids, forget a stream that was renamed.",
        "executable": "python",
    },
}


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines line by line, as a person would."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def installed() -> Message:
    """Read the metadata of the package as it is installed here: what pyproject.toml says, once `make` has run."""
    return t.cast("Message", metadata(NAME))


def definition(package: Message) -> dict[str, Json]:
    """Make the definition from the package's metadata and the code.

    While the package names no repository (`Repository` among its URLs), there is none here, and the package's name
    stands for the owner's.
    """
    urls = dict(t.cast("tuple[str, str]", one.split(", ", 1)) for one in package.get_all("Project-URL", ()))
    addresses = {
        key: urls[label] for key, label in (("repo", "Repository"), ("docs", "Documentation")) if label in urls
    }
    classifiers = package.get_all("Classifier", ())
    return {
        **addresses,
        "capabilities": sorted(one.value for one in TargetIntercom.capabilities),
        "commands": _COMMANDS,
        "description": package["Summary"],
        "domain_url": "https://www.intercom.com/",
        "executable": NAME,
        "keywords": ["api", "meltano_sdk"],
        "label": "Intercom",
        "log_parser": "singer-sdk",
        "logo_url": "/assets/logos/loaders/intercom.png",
        "maintenance_status": _STATUS[_classified(classifiers, r"Development Status :: (.+)")[0]],
        "name": NAME,
        "namespace": NAME.replace("-", "_"),
        "next_steps": _NEXT_STEPS,
        "pip_url": package["Name"],
        "prereq": _PREREQ,
        "quality": "silver",  # what the Hub calls plugins of the community that are built with the SDK
        "settings": settings(),
        "settings_group_validation": [[setting.name for setting in SETTINGS if setting.required]],
        "settings_preamble": _PREAMBLE,
        "supported_python_versions": _classified(classifiers, r"Programming Language :: Python :: (3\.\d+)"),
        "usage": _USAGE,
        "variant": urlsplit(urls["Repository"]).path.split("/")[1].lower() if "Repository" in urls else NAME,
    }


def settings() -> list[dict[str, Json]]:
    """Describe every setting, the SDK's among them, by name."""
    schema = {"properties": dict(TargetIntercom.config_jsonschema["properties"])}
    TargetIntercom.append_builtin_config(schema)
    secret = {setting.name for setting in SETTINGS if setting.secret}
    return [
        _setting(name, described, is_secret=name in secret)
        for name, described in sorted(schema["properties"].items())
        if name not in _WITHOUT_EFFECT
    ]


def text(package: Message) -> str:
    """Write the definition down as the Hub's linter wants it: keys in order, lists not indented."""
    return yaml.dump(definition(package), Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=120)


def path(package: Message) -> Path:
    """Tell where the definition lies: under the name of its variant, as in the Hub."""
    return FOLDER / f"{definition(package)['variant']}.yml"


def _setting(name: str, described: Mapping[str, Json], *, is_secret: bool) -> dict[str, Json]:
    kind = _kind(described)
    setting: dict[str, Json] = {
        "description": described["description"],
        "kind": "password" if is_secret else kind,
        "label": _LABELS.get(name, name.replace("_", " ").capitalize()),
        "name": name,
    }
    if is_secret or name in _SENSITIVE:
        setting["sensitive"] = True
    if kind == "options":
        setting["options"] = [{"label": _OPTIONS[name][value], "value": value} for value in described["enum"]]
    # An empty object says nothing to a reader of the page.
    default = described.get("default")
    if name in _OF_THE_RELEASE:
        setting["placeholder"] = default
    elif default not in (None, {}):
        setting["value"] = default
    return setting


def _kind(described: Mapping[str, Json]) -> str:
    """Tell Meltano's kind of a setting from its JSON schema; each takes one type, and null for not given."""
    if "enum" in described:
        return "options"
    types = [described["type"]] if isinstance(described["type"], str) else described["type"]
    (one,) = set(types) - {"null"}
    return _KINDS[one]


def _classified(classifiers: Iterable[str], pattern: str) -> list[str]:
    found = (re.fullmatch(pattern, one) for one in classifiers)
    return [match[1] for match in found if match is not None]


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    path(installed()).write_text(text(installed()), encoding="utf-8")
