"""Writes the tables of standard attributes into docs/mapping.md: `python -m docs.attributes_table`.

The tables are what target_intercom/kinds/contacts.py and companies.py state; a test holds them together.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from target_intercom.kinds.companies import COMPANIES
from target_intercom.kinds.contacts import CONTACTS
from target_intercom.kinds.entity import ValueType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_intercom.kinds.entity import Attribute, EntityKind

PAGE = Path(__file__).parent / "mapping.md"
BEGIN = "<!-- attributes of {}: written by python -m docs.attributes_table -->\n"
END = "<!-- end of attributes of {} -->\n"
WORDS = {
    ValueType.STRING: "text",
    ValueType.INTEGER: "whole number",
    ValueType.FLOAT: "number",
    ValueType.BOOLEAN: "true or false",
    ValueType.DATE: "date",
    ValueType.DATETIME: "date",
}


def table(kind: EntityKind) -> str:
    """Return the lines of the table of a kind."""
    rows = [["attribute", "takes", "by its own name", "in bulk jobs", "`api_version`"], ["---"] * 5]
    rows += [
        [
            f"`{name}`",
            "; ".join(takes(attribute)),
            "no" if attribute.only_when_mapped else "yes",
            bulk_jobs(attribute),
            versions(attribute),
        ]
        for name, attribute in kind.mappable.items()
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def takes(attribute: Attribute) -> Iterator[str]:
    """Yield what is to be known of an attribute's values."""
    yield "the id of a teammate" if attribute.names_teammate else WORDS[attribute.type]
    said = {
        "only to match by": not attribute.writable,
        f"decimals are cut, {attribute.most} at most": attribute.most is not None,
        "trimmed": attribute.trimmed,
        f"of an object its `{attribute.member}`": attribute.member is not None,
        "only together with an email": attribute.needs_email,
        "Intercom does not show it, so it alone causes no update": not attribute.compared,
        f"null is {json.dumps(attribute.null_means)}": attribute.null_means is not None,
        "an update writes only true": attribute.only_set,
        "not in mode `enrich`": attribute.only_upserted,
    }
    yield from (text for text, applies in said.items() if applies)


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
    """Return the page's text with the tables of now between their marks."""
    for kind in (CONTACTS, COMPANIES):
        begin, end = BEGIN.format(kind.plural), END.format(kind.plural)
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{table(kind)}\n{end}{after}"
    return text


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
