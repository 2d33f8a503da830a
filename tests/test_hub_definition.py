"""The definition for Meltano Hub says what the code does, in the form that the Hub takes."""

from __future__ import annotations

import struct
import zlib
from email.message import Message
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from docs import hub_definition, hub_logo
from target_intercom.settings.parsing import parse_config
from target_intercom.settings.table import SETTINGS
from target_intercom.target import TargetIntercom
from tests.support.packaging import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = hub_definition.installed()
FILE = hub_definition.path(PACKAGE)
DEFINITION: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
DESCRIBED: dict[str, dict[str, Any]] = {setting["name"]: setting for setting in DEFINITION["settings"]}
TYPES = {"array": "array", "boolean": "boolean", "integer": "integer", "number": "decimal", "object": "object"}

TEXT = {"type": "string", "minLength": 1}
ADDRESS = {"type": "string", "pattern": "^https://"}
CAPABILITIES = [
    *("about", "activate-version", "batch", "datatype-failsafe", "hard-delete", "schema-flattening"),
    *("soft-delete", "stream-maps", "structured-logging", "target-schema", "validate-records"),
]
# In our words; the Hub's own schemas are in its repository, https://github.com/meltano/hub/tree/main/schemas
SETTING = {
    "type": "object",
    "required": ["name", "kind", "label", "description"],
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(("description", "label", "name", "placeholder", "documentation"), TEXT),
        "hidden": {"type": "boolean"},
        "kind": {"enum": [*TYPES.values(), "string", "options", "password", "date_iso8601", "email", "file"]},
        "options": {
            "type": "array",
            "minItems": 2,
            "items": {
                "type": "object",
                "required": ["label", "value"],
                "additionalProperties": False,
                "properties": {"label": TEXT, "value": TEXT},
            },
        },
        "placeholder": TEXT,
        "sensitive": {"const": True},
        "value": {"not": {"type": "null"}},
    },
}
LOADER = {
    "type": "object",
    "required": ["name", "namespace", "variant", "quality", "label", "pip_url", "executable", "settings"],
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(("definition", "dialect", "label", "next_steps", "prereq", "settings_preamble", "usage"), TEXT),
        **dict.fromkeys(("description", "executable", "pip_url", "target_schema", "variant"), TEXT),
        **dict.fromkeys(("docs", "domain_url", "repo"), ADDRESS),
        "capabilities": {"type": "array", "uniqueItems": True, "items": {"enum": CAPABILITIES}},
        "commands": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["args", "description"],
                "additionalProperties": False,
                "properties": dict.fromkeys(("args", "description", "executable"), TEXT),
            },
        },
        "keywords": {"type": "array", "items": TEXT, "contains": {"const": "meltano_sdk"}},
        "log_parser": {"const": "singer-sdk"},
        "logo_url": {"type": "string", "pattern": r"^/assets/logos/loaders/[a-z0-9-]+\.png$"},
        "maintenance_status": {"enum": ["active", "beta", "development", "inactive", "unknown"]},
        "name": {"const": "target-intercom"},
        "namespace": {"const": "target_intercom"},
        "quality": {"enum": ["gold", "silver", "bronze", "unknown"]},
        "settings": {"type": "array", "items": SETTING},
        "settings_group_validation": {"type": "array", "items": {"type": "array", "items": {"enum": list(DESCRIBED)}}},
        "supported_python_versions": {"type": "array", "items": {"type": "string", "pattern": r"^3\.\d+$"}},
    },
}


def mappings(value: Any) -> Iterator[dict[str, Any]]:
    """All mappings within a value."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from mappings(inner)


def test_the_file_is_what_the_code_makes() -> None:
    assert FILE.read_text(encoding="utf-8") == hub_definition.text(PACKAGE), "run: python -m docs.hub_definition"


def test_there_is_one_variant_under_its_name() -> None:
    assert list(FILE.parent.iterdir()) == [FILE]
    assert FILE.parts[-3:] == ("loaders", DEFINITION["name"], f"{DEFINITION['variant']}.yml")


def test_it_has_the_form_of_a_loader() -> None:
    jsonschema.validate(DEFINITION, LOADER)


def test_keys_and_settings_stand_in_order() -> None:
    assert [list(one) for one in mappings(DEFINITION)] == [sorted(one) for one in mappings(DEFINITION)]
    assert list(DESCRIBED) == sorted(DESCRIBED)
    assert len(DESCRIBED) == len(DEFINITION["settings"])


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_setting_is_of_the_kind_that_the_code_takes(setting: Any) -> None:
    described, schema = DESCRIBED[setting.name], setting.schema
    (one,) = set([schema["type"]] if isinstance(schema["type"], str) else schema["type"]) - {"null"}
    options = [option["value"] for option in described.get("options", ())]
    assert options == schema.get("enum", [])
    expected = "options" if options else "password" if setting.secret else TYPES.get(one, "string")
    assert described["kind"] == expected
    assert described["description"] == setting.description
    default = schema.get("default")
    # A default that changes with the releases must not be kept by a project.
    kept = "placeholder" if described["name"] in {"api_version", "bulk_api_version"} else "value"
    assert {name: described[name] for name in ("placeholder", "value") if name in described} == (
        {} if default in (None, {}) else {kept: default}
    )


def test_the_sdk_s_settings_are_there_but_for_those_of_a_library_that_is_not_installed() -> None:
    schema: dict[str, Any] = {"properties": {}}
    TargetIntercom.append_builtin_config(schema)
    assert set(DESCRIBED) == {setting.name for setting in SETTINGS} | set(schema["properties"]) - {"faker_config"}


def test_what_is_or_may_hold_a_secret_is_sensitive_and_nothing_else() -> None:
    assert {name for name, one in DESCRIBED.items() if "sensitive" in one} == {"access_token", "ledger_url"}
    assert {name for name, one in DESCRIBED.items() if one["kind"] == "password"} == {"access_token"}


def test_the_defaults_given_are_the_defaults_of_the_code() -> None:
    given = {name: one["value"] for name, one in DESCRIBED.items() if "value" in one}
    token = {"access_token": "sandbox"}
    assert vars(parse_config(given | token)) == vars(parse_config(token))


def test_labels_are_words_that_tell_settings_apart() -> None:
    labels = [one["label"] for one in DESCRIBED.values()]
    assert len(set(labels)) == len(labels)
    assert [label for label in labels if "_" in label or not label[0].isupper()] == []


def test_what_is_required_is_a_group() -> None:
    required = [setting.name for setting in SETTINGS if setting.required]
    assert DEFINITION["settings_group_validation"] == [required] == [["access_token"]]


def test_the_commands_are_installed_with_the_package() -> None:
    scripts = {script.name for script in entry_points(group="console_scripts")}
    executables = {one.get("executable", DEFINITION["executable"]) for one in DEFINITION["commands"].values()}
    assert executables <= {*scripts, "python"}


def test_it_names_the_pythons_that_the_tests_run_on() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))
    assert DEFINITION["supported_python_versions"] == workflow["jobs"]["test"]["strategy"]["matrix"]["python"]


def test_the_project_s_meltano_yml_agrees_with_it() -> None:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    (loader,) = project["plugins"]["loaders"]
    for key in ("name", "namespace", "executable", "capabilities", "settings_group_validation"):
        assert loader[key] == DEFINITION[key], key
    for setting in loader["settings"]:
        described = DESCRIBED[setting["name"]]
        for key in ("label", "options", "sensitive"):
            assert setting.get(key) == described.get(key), setting["name"]
        # In Meltano itself a password is by now a text that is sensitive.
        assert setting["kind"] == ("string" if described["kind"] == "password" else described["kind"])


def test_repository_documentation_and_variant_come_from_the_package_s_addresses() -> None:
    package = Message()
    for name, value in PACKAGE.items():
        if name != "Project-URL":
            package[name] = value
    assert {"repo", "docs"}.isdisjoint(hub_definition.definition(package))
    assert hub_definition.path(package).name == "target-intercom.yml"
    package["Project-URL"] = "Repository, https://github.com/Acme/target-intercom"
    package["Project-URL"] = "Documentation, https://github.com/Acme/target-intercom#readme"
    named = hub_definition.definition(package)
    assert named["repo"] == "https://github.com/Acme/target-intercom"
    assert named["docs"] == "https://github.com/Acme/target-intercom#readme"
    assert named["variant"] == "acme"
    jsonschema.validate(named, LOADER)


def test_the_logo_s_picture_is_drawn_from_its_source() -> None:
    assert (ROOT / "hub" / "logo.svg").read_text(encoding="utf-8") == hub_logo.svg()
    drawn, kept = hub_logo.png(), (ROOT / "hub" / "logo.png").read_bytes()
    assert pixels(kept) == pixels(drawn)
    assert len(kept) < 100_000


def pixels(png: bytes) -> bytes:
    """The rows of a picture; how well they are packed differs from one zlib to the next."""
    assert struct.unpack(">II", png[16:24]) == (hub_logo.SIZE, hub_logo.SIZE)
    start = png.index(b"IDAT")
    (length,) = struct.unpack(">I", png[start - 4 : start])
    return zlib.decompress(png[start + 4 : start + 4 + length])
