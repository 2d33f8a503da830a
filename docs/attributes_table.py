"""Writes the table of standard attributes into docs/mapping.md: `python -m docs.attributes_table`.

The table is what target_intercom/kinds/contacts.py states; a test holds the two together.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from target_intercom.kinds.contacts import CONTACTS
from target_intercom.kinds.entity import ValueType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_intercom.kinds.entity import Attribute

PAGE = Path(__file__).parent / "mapping.md"
BEGIN = "<!-- attributes: written by python -m docs.attributes_table -->\n"
END = "<!-- end of attributes -->\n"
WORDS = {
    ValueType.STRING: "text",
    ValueType.INTEGER: "whole number",
    ValueType.FLOAT: "number",
    ValueType.BOOLEAN: "true or false",
    ValueType.DATE: "date",
    ValueType.DATETIME: "date",
}


def table() -> str:
    """Return the lines of the table."""
    rows = [["attribute", "takes", "by its own name", "in bulk jobs", "`api_version`"], ["---"] * 5]
    rows += [
        [
            f"`{name}`",
            "; ".join(takes(attribute)),
            "no" if attribute.only_when_mapped else "yes",
            bulk_jobs(attribute),
            versions(attribute),
        ]
        for name, attribute in CONTACTS.mappable.items()
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def takes(attribute: Attribute) -> Iterator[str]:
    """Yield what is to be known of an attribute's values."""
    yield "the id of a teammate" if attribute.names_teammate else WORDS[attribute.type]
    if not attribute.writable:
        yield "only to match by"
    if attribute.trimmed:
        yield "trimmed"
    if attribute.member is not None:
        yield f"of an object its `{attribute.member}`"
    if attribute.needs_email:
        yield "only together with an email"
    if not attribute.compared:
        yield "Intercom does not show it, so it is no reason to update"
    if attribute.null_means is not None:
        yield f"null is {json.dumps(attribute.null_means)}"
    if attribute.only_set:
        yield "an update writes only true"


def bulk_jobs(attribute: Attribute) -> str:
    """Return the bulk jobs that take an attribute."""
    if attribute.in_bulk_updates:
        return "creates, updates"
    return "creates" if attribute.in_bulk_creates else "no"


def versions(attribute: Attribute) -> str:
    """Return the API versions that take an attribute."""
    if attribute.since is None:
        return "any"
    since = ".".join(map(str, attribute.since))
    return f"{since}" if attribute.type_before is None else f"any; before {since} a {WORDS[attribute.type_before]}"


def with_table(text: str) -> str:
    """Return the page's text with the table of now between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
