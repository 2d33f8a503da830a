"""What Meltano's config file loses of the settings, and its variables have."""

from __future__ import annotations

import json
from typing import Any

import pytest

from target_intercom.settings.environment import restored
from target_intercom.settings.parsing import parse_config

TOKEN = {"access_token": "dG9rOnNlY3JldA=="}


def under_meltano(given: dict[str, Any], **said: Any) -> dict[str, Any]:
    """The settings of a config file under Meltano, which puts all of them into variables, too."""
    variables = {f"MELTANO_LOAD_{name.upper()}": json.dumps(value) for name, value in said.items()}
    settings = restored({**TOKEN, **given}, {**variables, "MELTANO_LOAD_ACCESS_TOKEN": TOKEN["access_token"]})
    return {name: value for name, value in settings.items() if name not in TOKEN}


@pytest.mark.parametrize(
    ("given", "said", "expected"),
    [
        (
            {"streams": {"people": {"mappings": {"id": "external_id"}}}},
            {"streams": {"people.mappings.id": "external_id", "people.mappings.notes": None}},
            {"streams": {"people": {"mappings": {"id": "external_id", "notes": None}}}},
        ),
        (
            {},
            {"streams": {r"public\.people.mappings.last\.seat": None}},
            {"streams": {"public.people": {"mappings": {"last.seat": None}}}},
        ),
        (
            {"mappings": {"id": "external_id"}},
            {"mappings": {"id": "external_id", "last.seat": None}},
            {"mappings": {"id": "external_id", "last.seat": None}},
        ),
        (
            {"stream_maps": {}},
            {"stream_maps": {"people.notes": None, "people.__else__": None}},
            {"stream_maps": {"people": {"notes": None, "__else__": None}}},
        ),
        # Given as one text in a variable, names with a dot and all that is in them are lost.
        (
            {"streams": {}},
            {"streams": {"public.people": {"sync_mode": "enrich", "mappings": {"mail": "email"}}}},
            {"streams": {"public.people": {"sync_mode": "enrich", "mappings": {"mail": "email"}}}},
        ),
    ],
)
def test_what_meltano_s_config_file_lost_is_given_back(given: Any, said: Any, expected: Any) -> None:
    assert under_meltano(given, **said) == expected


STREAMS = json.dumps({r"public\.people.sync_mode": "remove"})


@pytest.mark.parametrize(
    ("given", "variables"),
    [
        (TOKEN, {}),
        (TOKEN, {"MELTANO_LOAD_ACCESS_TOKEN": "another loader's"}),
        ({}, {"MELTANO_LOAD_ACCESS_TOKEN": TOKEN["access_token"]}),
        ({}, {}),
    ],
    ids=["no token there", "another token", "no token here", "no token"],
)
def test_variables_of_another_loader_say_nothing(given: Any, variables: dict[str, str]) -> None:
    theirs = {"MELTANO_LOAD_STREAMS": STREAMS, "MELTANO_LOAD_STREAM_MAPS": '{"__else__": null}'}
    assert restored(given, {**variables, **theirs}) == given
    ours = {"MELTANO_LOAD_ACCESS_TOKEN": TOKEN["access_token"], **theirs}
    assert restored(TOKEN, ours) == {
        **TOKEN,
        "streams": {"public.people": {"sync_mode": "remove"}},
        "stream_maps": {"__else__": None},
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mappings": {"notes": "name"}}, {"mappings": {"notes": None}}),
        ({"streams": {"a": {"mappings": {"notes": "name"}}}}, {"streams": {"a.mappings.notes": None}}),
        ({"streams": {"a": {"mappings": "b"}}}, {"streams": {"a.mappings.notes": None}}),
        ({"streams": []}, {"streams": {"a.mappings.notes": None}}),
        # No null, and no name that Meltano loses: whoever gave the file meant it so.
        ({"streams": {"a": {}}}, {"streams": {"a.sync_mode": "sync", "b.sync_mode": "sync"}}),
        ({"region": "eu"}, {"region": "us", "streams": None, "mappings": 5, "stream_maps": "{"}),
    ],
)
def test_what_the_file_has_holds(given: Any, said: Any) -> None:
    assert under_meltano(given, **said) == given


def test_settings_that_lie_across_each_other_end_in_no_surprise() -> None:
    said = {"a": None, "a.mappings.notes": None, "b.mappings": "x", "b.mappings.notes": None}
    assert under_meltano({}, streams=said) == {
        "streams": {"a": {"mappings": {"notes": None}}, "b": {"mappings": {"notes": None}}}
    }


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"TARGET_INTERCOM_STREAMS": '{"a.mappings.notes": null}', "TARGET_INTERCOM_MAPPINGS": '{"notes": null}'},
        {"MELTANO_LOAD_STREAMS": "not JSON", "MELTANO_LOAD_MAPPINGS": "[]"},
    ],
)
def test_without_meltano_nothing_is_taken_from_its_variables(environment: dict[str, str]) -> None:
    assert restored({"streams": {"a": {}}}, environment) == {"streams": {"a": {}}}


@pytest.mark.parametrize("own", [{}, {"object": "groups"}])
def test_the_text_null_leaves_a_property_out_as_null_does(own: dict[str, Any]) -> None:
    """Meltano's `config set` stores a text."""
    text, null = (
        parse_config(
            {**TOKEN, "mappings": {"x": value}, "streams": {"a": {**own, "mappings": {"x": value, "y": value}}}}
        )
        for value in ("null", None)
    )
    assert text == null
    assert text.stream("a").mappings == {"x": None, "y": None}
