"""Building the package as a release does, and installing it where nothing of this project is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")

_FOLDERS = (".ci", ".github", "benchmarks", "demo", "docs", "hub", "target_intercom", "tests")
_FILES = (
    ".env.example",
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "meltano.yml",
    "pyproject.toml",
)


def run(*command: str | Path, folder: Path | None = None, environment: Mapping[str, str] | None = None) -> str:
    """Run a command that must succeed; give what it printed."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def copy_sources(folder: Path) -> Path:
    """Copy the project as it is now, as an export without git has it."""
    folder.mkdir()
    for name in _FOLDERS:
        # `benchmarks/results` is what a benchmark leaves behind.
        left_out = ("__pycache__", "results") if name == "benchmarks" else ("__pycache__",)
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(*left_out))
    for name in _FILES:
        shutil.copy(ROOT / name, folder / name)
    return folder


def commit(sources: Path, tag: str) -> None:
    """Make the sources a git repository whose only commit has this tag."""
    person = ("-c", "user.name=Tests", "-c", "user.email=tests@example.com")
    git = ("git", *person, "-c", "commit.gpgsign=false", "-c", f"core.hooksPath={os.devnull}")
    run(*git, "init", "--quiet", folder=sources)
    run(*git, "add", "--all", folder=sources)
    run(*git, "commit", "--quiet", "--message", "Release", folder=sources)
    run(*git, "tag", tag, folder=sources)


def build(what: str, sources: Path, into: Path, **environment: str) -> Path:
    """Build the `sdist` or the `wheel` with the project's build backend."""
    run(
        *(sys.executable, "-m", "hatchling", "build", "--target", what, "--directory", into),
        folder=sources,
        environment=environment,
    )
    (built,) = into.glob("*.whl" if what == "wheel" else "*.tar.gz")
    return built


def unpack(sdist: Path, into: Path) -> Path:
    """Unpack an sdist; give the folder that is in it."""
    run("tar", "-xzf", sdist, "-C", into)
    (folder,) = into.iterdir()
    return folder


@cache
def uv_finds_packages() -> bool:
    """Check whether uv has a registry here; it does not read where pip is told to look."""
    asked = subprocess.run(
        (UV, "pip", "compile", "--quiet", "--no-deps", "-"),
        input="singer-sdk",
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.returncode == 0


def install(wheel: Path, into: Path) -> Path:
    """Install a wheel, and what it needs, into a new environment; give the folder of its commands."""
    if uv_finds_packages():
        run(UV, "venv", "--quiet", "--python", sys.executable, into)
        run(UV, "pip", "install", "--quiet", "--python", into / "bin" / "python", wheel)
    else:
        run(sys.executable, "-m", "venv", into)
        run(into / "bin" / "python", "-m", "pip", "install", "--quiet", wheel)
    return into / "bin"
