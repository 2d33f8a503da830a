"""Writes the tables of settings into the README: `python -m docs.settings_table`.

They are what `target-intercom --about --format=markdown` prints, the target's own settings and the SDK's apart; a test
holds them together.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

from target_intercom.settings.table import SETTINGS
from target_intercom.target import TargetIntercom

README = Path(__file__).parent.parent / "README.md"
BEGIN = "<!-- settings: written by python -m docs.settings_table -->\n"
END = "<!-- end of settings -->\n"


OF_THE_SDK = "Settings of the [Meltano SDK](https://sdk.meltano.com), for batches, stream maps and flattening:\n"


def table() -> str:
    """Return the lines of the tables: the target's own settings, and the SDK's."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        TargetIntercom.print_about("markdown")
    head, ruler, *rows = [line for line in printed.getvalue().splitlines() if line.startswith("|")]
    own = {f"| {setting.name} |" for setting in SETTINGS}
    parts = {True: list[str](), False: list[str]()}
    for row in rows:
        parts[any(row.startswith(name) for name in own)].append(row)
    ours, of_the_sdk = ("\n".join([head, ruler, *part]) + "\n" for part in (parts[True], parts[False]))
    return f"{ours}\n{OF_THE_SDK}\n{of_the_sdk}"


def with_table(text: str) -> str:
    """Return the README's text with the table of now between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
