"""``meltano run tap-postgres target-intercom``, with a database and a workspace of the caller's choice."""

from __future__ import annotations

import json
import os
import typing as t
from dataclasses import dataclass

from demo.errors import DemoError
from demo.processes import ROOT, running

if t.TYPE_CHECKING:
    from pathlib import Path

    from demo.database import Database
    from demo.workspace import Workspace

Report: t.TypeAlias = dict[str, t.Any]

MELTANO = ROOT / ".venv-meltano" / "bin" / "meltano"

_OURS = ("MELTANO_", "TAP_POSTGRES_", "TARGET_INTERCOM_")  # whatever the terminal's user has set for runs of theirs
_SHOWN_LOG_LINES = 40


@dataclass(frozen=True)
class Pipeline:
    """The project's meltano.yml; whatever a run leaves behind goes into the folder."""

    database: Database
    workspace: Workspace
    folder: Path

    @property
    def log(self) -> Path:
        """What Meltano, the tap and the target said in the last run."""
        return self.folder / "meltano.log"

    def run(self, environment: str = "dev") -> Report:
        """Run it once, in an environment of meltano.yml, and give the target's report of the run."""
        if not MELTANO.exists():
            raise DemoError("Meltano is not installed here: use `make demo`, which sets it up.")
        command = (MELTANO, f"--environment={environment}", "run", "tap-postgres", "target-intercom")
        with running(command, self.log, environment=self._environment()) as process:
            status = process.wait()
        if status != 0:
            lines = self.log.read_text(errors="replace").splitlines()[-_SHOWN_LOG_LINES:]
            raise DemoError("\n".join((f"meltano run ended with exit code {status}:", *lines)))
        report: Report = json.loads((self.folder / "report.json").read_text())
        return report

    def _environment(self) -> dict[str, str]:
        others = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        return others | {
            # Bookmarks of its own: every demo starts from the beginning.
            "MELTANO_DATABASE_URI": f"sqlite:///{self.folder / 'meltano.db'}",
            "NO_COLOR": "1",
            "TAP_POSTGRES_SQLALCHEMY_URL": self.database.url,
            "TARGET_INTERCOM_ACCESS_TOKEN": self.workspace.token,
            "TARGET_INTERCOM_API_URL": self.workspace.url,
            "TARGET_INTERCOM_DATA_DIR": str(self.folder),
        }
