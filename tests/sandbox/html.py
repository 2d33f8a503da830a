"""An HTML page as a test looks at it: tables, links, text."""

from __future__ import annotations

from html.parser import HTMLParser


class Html(HTMLParser):
    """The content of a page. White space is put together."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.source = text
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.links: dict[str, str] = {}
        self.tables: list[list[list[str]]] = []
        self.captions: list[str] = []
        self.headings: list[str] = []
        self._text: list[str] = []
        self._open: list[tuple[str, int, str | None]] = []
        self.feed(text)
        self.close()

    @property
    def text(self) -> str:
        return " ".join("".join(self._text).split())

    def rows(self, table: int = 0) -> list[list[str]]:
        """The cells of a table, without its head."""
        return self.tables[table][1:]

    def column(self, name: str, table: int = 0) -> list[str]:
        place = self.tables[table][0].index(name)
        return [row[place] for row in self.rows(table)]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._text.append(" ")
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in {"a", "caption", "h1", "td", "th"}:
            self._open.append((tag, len(self._text), dict(attrs).get("href")))

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1][0] == tag:
            _, start, href = self._open.pop()
            text = " ".join("".join(self._text[start:]).split())
            if tag == "a":
                self.links[text] = href or ""
            elif tag == "caption":
                self.captions.append(text)
            elif tag == "h1":
                self.headings.append(text)
            else:
                self.tables[-1][-1].append(text)
        self._text.append(" ")

    def handle_data(self, data: str) -> None:
        self._text.append(data)
