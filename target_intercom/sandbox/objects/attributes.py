"""Data attributes: the standard ones, and the custom ones that the workspace adds."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.objects.standard_attributes import STANDARD
from target_intercom.sandbox.objects.values import check_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_intercom.sandbox.versions import Version

MAX_CUSTOM = 250
"""Custom attributes of a workspace, contacts' and companies' together; archived ones are free (help 179)."""

MAX_STRING = 255
"""Characters of a custom string (help, data attributes). Cut or refused is unknown: refused here."""

MODELS = ("contact", "company")
_TYPES = ("string", "integer", "float", "boolean", "datetime", "date", "options")
_FEWEST_OPTIONS = 2
_FIRST_ID = 8104117


@dataclass(frozen=True)
class DataAttribute:
    """A custom attribute. `options` makes it a list attribute; its type is then `string`."""

    id: int
    name: str
    model: str
    data_type: str
    created_at: int
    updated_at: int
    messenger_writable: bool
    description: str | None = None
    options: tuple[str, ...] | None = None
    archived: bool = False

    def as_json(self, version: Version, admin_id: str) -> dict[str, Any]:
        """Return the attribute as Intercom lists it (GRP destination-mapping-options#1)."""
        shown = {
            "id": self.id,
            "type": "data_attribute",
            "name": self.name,
            "full_name": f"custom_attributes.{self.name}",
            "label": self.name,
            "data_type": _shown_type(self.data_type, version),
            "api_writable": True,
            "ui_writable": False,
            "messenger_writable": self.messenger_writable,
            "custom": True,
            "archived": self.archived,
            "admin_id": admin_id,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "model": self.model,
        }
        if self.description is not None:
            shown["description"] = self.description
        if self.options is not None:
            shown["options"] = list(self.options)
        return shown


class DataAttributes:
    """The workspace's attributes of both models."""

    def __init__(self) -> None:
        self._custom: dict[int, DataAttribute] = {}
        self._names: dict[str, DataAttribute] = {}
        self._ids = count(_FIRST_ID)

    def custom(self, model: str, name: str) -> DataAttribute:
        """Return the live custom attribute of this exact name.

        Raises:
            IntercomError: There is none. An archived one counts as none, by choice.
        """
        found = self._names.get(name)
        if found is None or found.archived or found.model != model:
            raise errors.unknown_attribute(name)
        return found

    def listed(
        self, models: tuple[str, ...], version: Version, admin_id: str, *, archived: bool
    ) -> list[dict[str, Any]]:
        """Return the attributes of the models, standard ones first (OAS-P GET /data_attributes)."""
        standard = [_standard(entry, version) for entry in STANDARD if entry.model in models]
        custom = [
            attribute.as_json(version, admin_id)
            for attribute in self._custom.values()
            if attribute.model in models and (archived or not attribute.archived)
        ]
        return standard + custom

    def create(self, body: Mapping[str, Any], now: int, version: Version) -> DataAttribute:
        """Add a custom attribute (OAS-P POST /data_attributes).

        Raises:
            IntercomError: The name, model, type or options are refused, or there is no room.
        """
        model, data_type = body.get("model"), body.get("data_type")
        if model not in MODELS:
            raise errors.attribute_model_invalid()
        name = self._check_name(body.get("name"), model)
        if data_type not in _TYPES:
            raise errors.invalid("Data Type isn't an option", "data_type")
        self._check_room()
        return self._keep(
            DataAttribute(
                id=next(self._ids),
                name=name,
                model=model,
                data_type="string" if data_type == "options" else data_type,
                created_at=now,
                updated_at=now,
                options=_options(body.get("options")) if data_type == "options" else None,
                **_settings(body, {"messenger_writable": version.messenger_writable_default}),
            )
        )

    def update(self, attribute_id: str, body: Mapping[str, Any], now: int) -> DataAttribute:
        """Change what may be changed; the type may not (OAS-P PUT /data_attributes/{id}).

        Raises:
            IntercomError: No such attribute, or a value is refused.
        """
        old = self._custom.get(int(attribute_id)) if attribute_id.isdecimal() else None
        if old is None:
            raise errors.attribute_not_found()
        changes = _settings(body, {})
        if "options" in body:
            changes["options"] = _options(body["options"])
        archived = body.get("archived", old.archived)
        if not isinstance(archived, bool):
            raise errors.invalid("archived must be a boolean", "archived")
        if old.archived and not archived:
            self._check_room()
        return self._keep(replace(old, **changes, archived=archived, updated_at=now))

    def check_value(self, model: str, name: str, value: object) -> None:
        """Refuse a value that the attribute cannot hold; null it always can.

        Raises:
            IntercomError: No such attribute, or the value does not fit.
        """
        attribute = self.custom(model, name)
        if value is None:
            return
        if attribute.data_type in {"date", "datetime"}:
            check_timestamp(name, value)
        elif not _is_a(attribute.data_type, value):
            raise errors.invalid(f"Custom attribute '{name}' must be a {attribute.data_type}", name)
        elif isinstance(value, str):
            _check_string(attribute, value)

    def _keep(self, attribute: DataAttribute) -> DataAttribute:
        self._custom[attribute.id] = self._names[attribute.name] = attribute
        return attribute

    def _check_name(self, name: object, model: str) -> str:
        """Return a name that is free. Both models share them; an archived attribute keeps its own (by choice)."""
        if not isinstance(name, str) or not name.strip() or not all(map(_allowed_in_name, name)):
            raise errors.attribute_name_invalid()
        if name in self._names:
            raise errors.attribute_name_taken(name, self._names[name].model, model)
        if any(entry.name == name and entry.model == model for entry in STANDARD):
            raise errors.attribute_name_taken(name, model, model)
        return name

    def _check_room(self) -> None:
        if sum(not attribute.archived for attribute in self._custom.values()) >= MAX_CUSTOM:
            raise errors.attribute_limit_reached(MAX_CUSTOM)


def _standard(entry: Any, version: Version) -> dict[str, Any]:
    writable = entry.api_writable or (entry.name == "language_override" and version.language_writable)
    return {
        "type": "data_attribute",
        "name": entry.name,
        "full_name": entry.full_name,
        "label": entry.label,
        "data_type": _shown_type(entry.data_type, version),
        "api_writable": writable,
        "ui_writable": entry.ui_writable,
        "messenger_writable": False,
        "custom": False,
        "archived": False,
        "model": entry.model,
    }


def _shown_type(data_type: str, version: Version) -> str:
    """Return the type as it is listed: `datetime` from 2.17 on (OAS-P #data_attribute); before, all are dates."""
    if data_type == "datetime" and not version.exact_timestamps:
        return "date"
    return data_type


def _settings(body: Mapping[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    settings = dict(defaults)
    if isinstance(body.get("messenger_writable"), bool):
        settings["messenger_writable"] = body["messenger_writable"]
    if isinstance(body.get("description"), str):
        settings["description"] = body["description"]
    return settings


def _options(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise errors.invalid("Options isn't an array", "options")
    options = [entry.get("value") if isinstance(entry, dict) else None for entry in value]
    if len(options) < _FEWEST_OPTIONS or not all(isinstance(option, str) for option in options):
        raise errors.invalid("Options must hold at least two objects with a value", "options")
    return tuple(map(str, options))


def _allowed_in_name(character: str) -> bool:
    """Return whether it is a letter, digit, currency symbol or hyphen (OAS-P); underscores and spaces exist (GRP).

    `$` is not allowed (help), though it is a currency symbol.
    """
    if character == "$":
        return False
    return character in " _-" or character.isalnum() or unicodedata.category(character) == "Sc"


def _is_a(data_type: str, value: object) -> bool:
    if isinstance(value, bool):
        return data_type == "boolean"
    types: dict[str, tuple[type, ...]] = {"string": (str,), "integer": (int,), "float": (int, float)}
    return isinstance(value, types.get(data_type, ()))


def _check_string(attribute: DataAttribute, value: str) -> None:
    name = attribute.name
    if len(value) > MAX_STRING:
        raise errors.invalid(f"Custom attribute '{name}' is over {MAX_STRING} characters", name)
    if attribute.options is not None and value not in attribute.options:
        raise errors.invalid(f"Custom attribute '{name}' has no option '{value}'", name)
