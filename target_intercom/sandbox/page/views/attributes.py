"""Attributes and tags, as the pages of contacts and companies show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from target_intercom.sandbox.page.values import Moment, Value, moment, value
from target_intercom.sandbox.versions import PREVIEW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from target_intercom.sandbox.workspace import Workspace

Types: TypeAlias = "Mapping[str, Mapping[str, Any]]"
"""What the workspace says of its attributes, by full name."""

_CUSTOM = "custom_attributes."


@dataclass(frozen=True)
class Attribute:
    """An attribute of a contact, under the name that the API has for it. `note` says what the value does not."""

    name: str
    value: Value
    data_type: str
    note: str = ""


@dataclass(frozen=True)
class AppliedTag:
    """A tag, or a company, that is on a contact or company."""

    name: str
    url: str
    since: Moment | None


def types_of(workspace: Workspace, model: str) -> Types:
    """Return the attributes of a model, with types as exact as there are; those that are archived, too."""
    described = workspace.list_attributes((model,), PREVIEW, archived=True)
    return {attribute["full_name"]: attribute for attribute in described}


def standard(types: Types, name: str, held: object, note: str = "") -> Attribute:
    """Return a standard attribute. Those that Intercom does not list are times."""
    data_type: str = types[name]["data_type"] if name in types else "datetime"
    return Attribute(name, value(held, data_type), data_type, note)


def custom(types: Types, attributes: Mapping[str, Any]) -> Iterator[Attribute]:
    """Yield the custom attributes by name; those that the workspace has archived since keep their types."""
    for name, held in sorted(attributes.items()):
        described = types[_CUSTOM + name]
        data_type: str = described["data_type"]
        yield Attribute(name, value(held, data_type), data_type, "archived" if described["archived"] else "")


def tags(workspace: Workspace, applied: Mapping[str, int], address: Callable[[str], str]) -> Iterator[AppliedTag]:
    """Yield the tags that are on a contact or company."""
    names = {tag.id: tag.name for tag in workspace.tags.all()}
    for tag_id, at in applied.items():
        if tag_id in names:
            yield AppliedTag(names[tag_id], address(tag_id), moment(at))
