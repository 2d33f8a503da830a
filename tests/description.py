"""Intercom's official description, where it lies beside the repository."""

from __future__ import annotations

import importlib.util
import warnings
from functools import cache
from pathlib import Path
from typing import Any, Protocol

SHARED = Path(__file__).parents[2] / "shared"
CHECKER = SHARED / "tools" / "openapi_requests.py"
DESCRIPTIONS = SHARED / "intercom-openapi"
VERSIONS = ("2.16", "Preview")


class Description(Protocol):
    """What the checker gives."""

    def check(self, method: str, path: str, body: Any, version: str | None) -> list[str]:
        """Say what of a request breaks the description."""


@cache
def official_description() -> Description | None:
    """Give the description; None where it does not lie beside the repository."""
    if not CHECKER.exists() or not DESCRIPTIONS.exists():
        return None
    spec = importlib.util.spec_from_file_location("openapi_requests", CHECKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the checker leaves its files to the collector
        described: Description = module.Spec([f"{version}={DESCRIPTIONS / version}.json" for version in VERSIONS])
    return described
