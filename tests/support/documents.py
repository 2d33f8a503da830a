"""The documents as a program reads them: their blocks, and the commands in these."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = (README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md")))

_BLOCK = re.compile(
    r"(?:^<!-- (?P<note>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of a page that is set apart."""

    page: Path
    heading: str
    language: str
    text: str
    note: str | None
    """The comment right before it."""
    line: int

    def __str__(self) -> str:
        """Name it as a test's id."""
        return f"{self.page.name}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The commands after the prompts; what is not one is output."""
        found: list[str] = []
        goes_on = False
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append(line.removeprefix("$ "))
            elif goes_on:
                found[-1] += f"\n{line}"
            goes_on = line.endswith("\\")
        return found

    @property
    def output(self) -> str:
        """What a block with one command shows after it."""
        return self.text.split("\n", 1)[1]


def blocks(page: Path, *languages: str) -> list[Block]:
    """Return a page's blocks in these languages, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        if match["language"] in languages:
            headings = _HEADING.findall(text[: match.start()])
            line = text.count("\n", 0, match.start("language")) + 1
            heading = headings[-1] if headings else ""
            found.append(Block(page, heading, match["language"], match["text"], match["note"], line))
    return found


def anchors(page: Path) -> set[str]:
    """Return what links can point to within a page, as GitHub makes it of headings."""
    headings = _HEADING.findall(
        re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
