"""The sandbox's layers, with imports that are for types only counted as well."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 reads no TOML")

ROOT = Path(__file__).parents[2]
CONTRACT = "The sandbox, top to bottom"
FILES = 9
LINES = 350

pytest.importorskip("importlinter", reason="import-linter is not installed")


def test_imports_point_down_with_those_for_types_counted(tmp_path: Path) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (contract,) = [entry for entry in settings["contracts"] if entry["name"] == CONTRACT]
    layers = "\n    ".join(contract["layers"])
    config = tmp_path / "importlinter.ini"
    config.write_text(
        "[importlinter]\nroot_package = target_intercom\nexclude_type_checking_imports = false\n"
        f"[importlinter:contract:sandbox]\nname = {CONTRACT}\ntype = layers\nexhaustive = true\n"
        f"containers =\n    target_intercom.sandbox\nlayers =\n    {layers}\n",
        encoding="utf-8",
    )
    command = [str(Path(sys.executable).with_name("lint-imports")), "--config", str(config), "--no-cache"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)

    assert ended.returncode == 0, ended.stdout
    assert f"{CONTRACT} KEPT" in ended.stdout


def test_rooms_and_files_stay_small() -> None:
    package = ROOT / "target_intercom" / "sandbox"
    modules = list(package.rglob("*.py"))
    rooms = {module.parent for module in modules}

    assert len(modules) > 50
    assert {room.name for room in rooms if len(list(room.glob("*.py"))) > FILES} == set()
    assert {module.name for module in modules if len(module.read_text(encoding="utf-8").splitlines()) > LINES} == set()
