"""Intercom's official description, where it lies beside the repository."""

from __future__ import annotations

import importlib.util
import json
import runpy
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import jsonschema
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

SHARED = Path(__file__).parents[3] / "shared"
CHECKER = SHARED / "tools" / "openapi_requests.py"
DESCRIPTIONS = SHARED / "intercom-openapi"
VERSIONS = ("2.16", "Preview")
DESCRIBED = pytest.mark.skipif(not CHECKER.exists(), reason="Intercom's OpenAPI descriptions are not here")


class Description(Protocol):
    """What the checker gives."""

    def check(self, method: str, path: str, body: Any, version: str | None) -> list[str]:
        """Return what of a request breaks the description."""


@cache
def official_description() -> Description | None:
    """Return the description; None where it does not lie beside the repository."""
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


def answers(version: str, *, complete: bool = False) -> Callable[[str, Any], None]:
    """Return what holds an answer against a schema of this name; one that is `complete` has all that is described."""
    text = (DESCRIPTIONS / f"{version}.json").read_text(encoding="utf-8")
    description = runpy.run_path(str(CHECKER))["_loosen"](json.loads(text))
    schemas = description["components"]["schemas"]

    def check(schema: str, answer: Any) -> None:
        whole = {**schemas[schema], "components": description["components"]}
        jsonschema.Draft7Validator(whole).validate(answer)
        assert not complete or answer.keys() == schemas[schema]["properties"].keys()

    return check
