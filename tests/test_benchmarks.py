"""The benchmark's command works; its figures are for people to judge."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parent.parent
FREE = ["--limit", "100000", "--window", "0.2", "--latency", "0"]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command: Sequence[str | Path] = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)


def test_the_table_tells_what_loads_cost_and_what_was_left_out(tmp_path: Path) -> None:
    done = run("--sizes", "20", "--writers", "single,naive", *FREE, "--patience", "0.0000805", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "table.md").read_text(encoding="utf-8") in done.stdout
    figures = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))["figures"]
    calls = {(cell["writer"], cell["load"]): cell["calls"] for cell in figures}
    # A search and a write for each; before them the attributes, listed and three of them made, and the tags.
    assert calls["naive", "first load"] == 2 * 20 + 5
    assert 20 < calls["single", "first load"] < 40
    assert calls["single", "unchanged re-run"] < 5
    assert all(cell["cpu_seconds"] > 0 and cell["peak_mb"] > 10 and cell["rate_limited"] == 0 for cell in figures)
    assert ("naive", "a tag on for each") not in calls
    assert "| a tag on for each | naive | 20 | – | – |" in done.stdout


def test_a_wrong_word_on_the_command_line_is_a_sentence(tmp_path: Path) -> None:
    done = run("--writers", "double", "--out", tmp_path)
    assert done.returncode == 2
    assert "'double' is not a valid Writer; it takes single, bulk, naive" in done.stderr
