"""A folder to run the documents' commands in: a file of a tap's output, its catalog, and a tap."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from demo.pipeline import MELTANO

_OURS = ("MELTANO_", "TAP_", "TARGET_INTERCOM_")
_TEXT = {"type": ["string", "null"]}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "email": _TEXT, "full_name": _TEXT, "plan": _TEXT, "notes": _TEXT},
}
STATE: dict[str, Any] = {"bookmarks": {"customers": {}}}
PEOPLE: tuple[dict[str, Any], ...] = (
    {"id": 1, "email": "Ann@Example.com", "full_name": "Ann"},
    {"id": 2, "email": "bob@example.com", "plan": "free"},
    {"id": 3, "email": "eve at example.com", "notes": "private"},
)
TAP = """#!/bin/sh
case "$*" in
  *--discover*) cat "$(dirname "$0")/catalog.json" ;;
  *) cat "$(dirname "$0")/customers.singer"; sleep "${TAP_SLEEPS:-0}" ;;
esac
"""
"""Stands in for a tap that reads a database: three people, and a STATE."""


@dataclass
class Shell:
    """Runs commands in a folder as a person would, with the programs of the documents on the path."""

    folder: Path
    environment: dict[str, str]

    def __call__(self, command: str, *, fails: bool = False, **environment: str) -> str:
        """Run a command to its end; returns all that it said."""
        process = self.start(command, **environment)
        out, err = process.communicate(timeout=600)
        assert (process.returncode != 0) is fails, f"{command}\n{out}\n{err}"
        return out + err

    def start(self, command: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            ("bash", "-c", command),
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def make_shell(folder: Path) -> Shell:
    """Make the folder."""
    programs = folder / "programs"
    programs.mkdir()
    tap = programs / "tap-postgres"
    tap.write_text(TAP)
    tap.chmod(0o755)
    (folder / "tap-venv").mkdir()
    (folder / "tap-venv" / "bin").symlink_to(programs)
    described = {"stream": "customers", "schema": SCHEMA, "key_properties": ["id"]}
    messages = [
        {"type": "SCHEMA", **described},
        *({"type": "RECORD", "stream": "customers", "record": person} for person in PEOPLE),
        {"type": "STATE", "value": STATE},
    ]
    stream = {
        **described,
        "tap_stream_id": "customers",
        "metadata": [{"breadcrumb": [], "metadata": {"selected": True}}],
    }
    for place in (folder, programs):
        (place / "customers.singer").write_text("".join(f"{json.dumps(message)}\n" for message in messages))
        (place / "catalog.json").write_text(json.dumps({"streams": [stream]}))
    others = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    path = [str(programs), str(Path(sys.executable).parent), str(MELTANO.parent), os.environ["PATH"]]
    return Shell(folder, others | {"PATH": os.pathsep.join(path), "NO_COLOR": "1"})


def empty(url: str) -> None:
    """Start over with a sandbox."""
    requests.post(f"{url}/_sandbox/reset", headers={"Authorization": "Bearer sandbox"}, timeout=120).raise_for_status()
