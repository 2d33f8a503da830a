"""Every code with which a record can be refused, by an input that gets it; its test bears its name."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.documents import DOCS, ROOT
from tests.support.loading import record, schema

if TYPE_CHECKING:
    from tests.support.loading import Loader, People

TYPES: dict[str, Any] = {
    "id": {"type": ["string", "integer", "array", "null"]},
    "email": "text",
    "seats": "integer",
    "score": {"type": ["number", "null"]},
    "is_staff": {"type": ["boolean", "null"]},
    "born": "datetime",
    "plan": "text",
    "groups": {"type": ["array", "string", "null"]},
}
ANN = {"id": "1", "email": "ann@example.com"}

INVALID: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "no_identifier": ({"id": None, "email": None}, {}),
    "not_an_identifier": ({"id": ["1"]}, {}),
    "unseen_character": ({"id": "1\u200b"}, {}),
    "invalid_email": ({"email": "ann"}, {}),
    "not_a_number": ({"seats": "many"}, {}),
    "not_whole": ({"seats": 1.5}, {}),
    "not_finite": ({"plan": [float("inf")]}, {}),
    "out_of_range": ({"seats": 10**40}, {}),
    "not_a_boolean": ({"is_staff": "maybe"}, {}),
    "not_a_date": ({"born": "yesterday"}, {}),
    "not_unicode": ({"plan": "\ud800"}, {}),
    "invalid_group": ({"groups": [{"a": 1}]}, {"tags_property": "groups"}),
    "lead_without_email": ({"id": "2", "email": None}, {"creation_mode": "lead"}),
    "stream_map_failed": ({"plan": None}, {"stream_maps": {"customers": {"plan": "plan + '!'"}}}),
}


@pytest.mark.parametrize("code", INVALID)
def test_a_record_is_invalid(load: Loader, people: People, code: str) -> None:
    values, settings = INVALID[code]
    load.settings |= {"mappings": {"id": "external_id"}, **settings}
    piped = [schema("customers", ["id"], **TYPES), record("customers", **ANN, plan="pro")]
    done = load([*piped, record("customers", **{**ANN, **values})])
    assert (done.exit_code, [one["code"] for one in done.refusals]) == (0, [code])
    assert done.refusals[0]["outcome"] == "invalid"
    assert len(people.live()) == 1, "one bad record never stops the others"


@pytest.mark.parametrize("creation_mode", ["lead", "user"])
def test_no_identifier_of_match_by_is_refused_whoever_has_the_email(
    load: Loader, people: People, creation_mode: str
) -> None:
    load.settings |= {"creation_mode": creation_mode, "match_by": ["external_id"], "batch_size_rows": 1}
    load.settings["mappings"] = {"row": None, "id": "external_id"}
    rows: list[dict[str, Any]] = [{"row": 1, "id": None, "name": "1"}, {"row": 2, "id": "2", "name": "2"}]
    piped = [schema("customers", ["row"], row="integer", id="text", email="text", name="text")]
    piped += [record("customers", **row, email="ann@example.com") for row in rows]
    for writes in 1, 0:
        done = load(piped)
        assert (done.writes, [one["code"] for one in done.refusals]) == (writes, ["no_identifier"])
        assert [one["name"] for one in people.live()] == ["2"]


def test_each_code_of_a_refusal_is_in_the_name_of_a_test() -> None:
    page = (DOCS / "report.md").read_text(encoding="utf-8")
    reasons = page.split("## Reasons", 1)[1].split("\n## ", 1)[0]
    codes = set(re.findall(r"^\| `([a-z_]+)` \|", reasons, re.MULTILINE))
    assert len(codes) > 30
    modules = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "tests").rglob("test_*.py")]
    names = [node.name for module in modules for node in ast.walk(module) if isinstance(node, ast.FunctionDef)]
    assert {code for code in codes - INVALID.keys() if not any(code in name for name in names)} == set()
