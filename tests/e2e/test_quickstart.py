"""The commands of the quick start for Meltano, with the real Meltano; installing is for test_hub.py."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from tests.support.documents import DOCS, ROOT, blocks
from tests.support.shell import make_shell

if TYPE_CHECKING:
    from pathlib import Path

    from target_intercom.sandbox import SandboxServer

QUICKSTART = DOCS / "quickstart.md"
TAP = {
    "name": "tap-postgres",
    "namespace": "tap_postgres",
    "executable": "tap-postgres",
    "capabilities": ["catalog", "discover", "state"],
}
PROJECT = {
    "default_environment": "dev",
    "environments": [{"name": "dev"}],
    "project_id": "quickstart-test",
    "send_anonymous_usage_stats": False,
    "cli": {"disable_version_check": True},
    "plugins": {"extractors": [TAP]},
}


def test_the_commands_for_meltano(sandbox: SandboxServer, tmp_path: Path) -> None:
    shell = make_shell(tmp_path)
    shell.environment["TARGET_INTERCOM_API_URL"] = sandbox.url
    project = tmp_path / "meltano.yml"
    project.write_text(yaml.safe_dump(PROJECT))
    add, *others = [block for block in blocks(QUICKSTART, "console") if "meltano" in block.commands[0].split()]
    shell(add.commands[0].replace("path/to/target-intercom", str(ROOT)))
    assert project.read_text().count("pip_url: target-intercom\n") == 1  # the line that the page has changed
    # The target on the path, in place of an installed one.
    project.write_text(re.sub(r" +pip_url: .*\n", "", project.read_text()))

    unmarked = [block for block in others if block.note is None]
    commands = ["\n".join(block.commands).replace("access_token …", "access_token sandbox") for block in unmarked]
    _, checked, dry, scheduled = [shell(command) for command in commands]
    assert (tmp_path / ".env").read_text() == "TARGET_INTERCOM_ACCESS_TOKEN='sandbox'\n"
    assert checked.count("Ready: ") == 2
    assert "Stream 'customers' is matched by external_id or email" in checked
    assert "2 created, 1 invalid" in dry
    assert sandbox.workspace.everything() == []
    assert "Scheduled job 'customers-hourly' at @hourly" in scheduled
