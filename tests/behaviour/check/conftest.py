"""The command against a sandbox, and attributes in its workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.checking import Checker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.loading import Loader, People


@pytest.fixture
def check(load: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checker]:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    yield Checker(load, tmp_path)
    assert not list(here.iterdir())


@pytest.fixture
def attribute(people: People) -> Any:
    """Makes custom attributes in the workspace."""

    def make(
        name: str, data_type: str = "string", *, model: str = "contact", archived: bool = False, **more: Any
    ) -> None:
        made = people.call("POST", "/data_attributes", {"name": name, "model": model, "data_type": data_type, **more})
        if archived:
            people.call("PUT", f"/data_attributes/{made['id']}", {"archived": True})

    return make
