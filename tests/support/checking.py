"""Runs `target-intercom-check` in this process, and the catalogs that it takes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from target_intercom.check.__main__ import main
from tests.support.loading import schema

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.loading import Loader


@dataclass
class Checked:
    """What the command printed."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.stdout)
        return found

    def messages(self, level: str, setting: str | None = None) -> list[str]:
        """The findings of a level, of one setting or of all."""
        return [
            one["message"]
            for one in self.json["findings"]
            if one["level"] == level and setting in {None, one["setting"]}
        ]

    def only(self, level: str, setting: str) -> str:
        """The one finding of this level: it is about this setting."""
        assert [one["setting"] for one in self.json["findings"] if one["level"] == level] == [setting], self.stdout
        return self.messages(level)[0]


@dataclass
class Checker:
    """Runs the command in this process, against a sandbox."""

    load: Loader
    folder: Path

    def __call__(self, catalog: object = None, *, as_: str = "json", **settings: Any) -> Checked:
        config = self.folder / "config.json"
        config.write_text(json.dumps(self.load.config(**settings)), encoding="utf-8")
        arguments = ["--config", str(config), "--format", as_]
        if catalog is not None:
            offered = self.folder / "catalog.json"
            offered.write_text(catalog if isinstance(catalog, str) else json.dumps(catalog), encoding="utf-8")
            arguments += ["--catalog", str(offered)]
        return run(*arguments)


def run(*arguments: str, env: Mapping[str, str] | None = None, stdin: str | None = None) -> Checked:
    result = CliRunner().invoke(main, list(arguments), env=env, input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return Checked(result.exit_code, result.stdout, result.stderr)


def catalog(*streams: Mapping[str, Any]) -> dict[str, Any]:
    return {"streams": list(streams)}


def offered(
    name: str, /, *, method: Any = None, deselected: Any = (), selected: Any = None, **properties: Any
) -> dict[str, Any]:
    """A stream of a catalog."""
    message = schema(name, **properties)
    metadata: list[dict[str, Any]] = [
        {"breadcrumb": ["properties", one], "metadata": {"selected": one not in deselected}} for one in properties
    ]
    root = {} if method is None else {"replication-method": method}
    if selected is not None:
        metadata.append({"breadcrumb": [], "metadata": {**root, "selected": selected}})
    elif root:
        metadata.append({"breadcrumb": [], "metadata": root})
    else:
        metadata = []
    return {
        "tap_stream_id": name,
        "schema": message["schema"],
        "key_properties": message["key_properties"],
        "metadata": metadata,
    }
