"""Gives what the changelog says of a release: `python -m docs.release_notes v0.2.0`.

The release workflow publishes it as the release's text, and publishes nothing where it is missing. It needs no package,
so that it runs in a plain Python.
"""

from __future__ import annotations

import re
import sys
import typing as t
from dataclasses import dataclass
from datetime import date
from pathlib import Path

if t.TYPE_CHECKING:
    from collections.abc import Iterator

CHANGELOG: t.Final = Path(__file__).parent.parent / "CHANGELOG.md"
UNRELEASED: t.Final = "Unreleased"

_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_RELEASE = re.compile(r"(\d+\.\d+\.\d+) - (\d{4}-\d{2}-\d{2})")


class ChangelogError(Exception):
    """The changelog does not have what a release needs; the text says what."""


@dataclass(frozen=True)
class Section:
    """What the changelog says of one release."""

    version: str
    """`Unreleased`, or the version."""
    day: date | None
    """When it was released; None: it was not."""
    body: str


def sections(changelog: str) -> list[Section]:
    """Read the changelog's sections, in its order.

    Raises:
        ChangelogError: a heading is neither `Unreleased` nor a version and its day.
    """
    return list(_sections(changelog))


def notes(changelog: str, tag: str) -> str:
    """Return the text of the release with this tag, such as `v0.2.0`.

    Raises:
        ChangelogError: there is none, or it is empty.
    """
    for section in sections(changelog):
        if section.day is not None and f"v{section.version}" == tag:
            if not section.body:
                raise ChangelogError(f"CHANGELOG.md says nothing about {tag}: its section is empty")
            return section.body
    wanted = f"## {tag.removeprefix('v')} - YEAR-MONTH-DAY"
    raise ChangelogError(f'CHANGELOG.md has no section for the tag {tag}: add "{wanted}", or mend the tag (v1.2.3)')


def _sections(changelog: str) -> Iterator[Section]:
    _, *parts = _HEADING.split(changelog)
    for heading, body in zip(parts[::2], parts[1::2], strict=True):
        if heading == UNRELEASED:
            yield Section(UNRELEASED, None, body.strip())
            continue
        release = _RELEASE.fullmatch(heading)
        if release is None:
            raise ChangelogError(
                f'"## {heading}" in CHANGELOG.md is neither "## {UNRELEASED}" nor "## 1.2.3 - 2026-01-31"'
            )
        yield Section(release[1], _day(release[2]), body.strip())


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ChangelogError(f'"{text}" in CHANGELOG.md is no day') from None


if __name__ == "__main__":
    try:
        sys.stdout.write(notes(CHANGELOG.read_text(encoding="utf-8"), sys.argv[1]) + "\n")
    except ChangelogError as error:
        sys.exit(str(error))
