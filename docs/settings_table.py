"""Writes the settings table into the README: `python -m docs.settings_table`.

The table is what `target-intercom --about --format=markdown` prints; a test holds the two together.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

from target_intercom.target import TargetIntercom

README = Path(__file__).parent.parent / "README.md"
BEGIN = "<!-- settings: written by python -m docs.settings_table -->\n"
END = "<!-- end of settings -->\n"


def table() -> str:
    """Return the lines of the settings table as the target prints it."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        TargetIntercom.print_about("markdown")
    return "".join(line + "\n" for line in printed.getvalue().splitlines() if line.startswith("|"))


def with_table(text: str) -> str:
    """Return the README's text with the table of now between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
