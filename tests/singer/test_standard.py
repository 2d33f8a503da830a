"""The SDK's standard tests for targets, each with what must stand in the workspace after it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import get_target_test_class, target_tests
from singer_sdk.testing.suites import SingerTestSuite
from singer_sdk.testing.suites import target_tests as standard_suite

from target_intercom.target import TargetIntercom

if TYPE_CHECKING:
    from singer_sdk.testing.runners import TargetTestRunner

    from tests.support.loading import Loader, People

CONFIG: dict[str, Any] = {
    "mappings": {"id": "external_id"},
    "streams": {
        "TestCamelcase": {"mappings": {"Id": "external_id", "clientName": "name"}},
        "ForecastingTypeToCategory": {"mappings": {"Id": "external_id"}},
        "test:SpecialChars!in?attributes": {"mappings": {"_id": "external_id"}},
        # Streams that share their ids keep apart by attribute, and those without one by a computed identifier.
        "test_strings_in_objects": {"mappings": {"id": "external_id", "info": "custom_attributes.info_object"}},
        # Streams that come beside another.
        "test_strings_in_arrays": {},
        "test_object_schema_no_properties": {},
    },
    "stream_maps": {
        "test_object_schema_with_properties": {"external_id": "'with ' + str(_['object_store']['id'])"},
        "test_object_schema_no_properties": {"external_id": "'without ' + str(_['object_store']['id'])"},
    },
}


@dataclass
class Workspace:
    """What a standard test is run against, and what it is judged by."""

    people: People
    runner: TargetTestRunner

    def users(self) -> dict[str, dict[str, Any]]:
        """The live users by external_id."""
        live = self.people.live()
        users = {contact["external_id"]: contact for contact in live if contact["role"] == "user"}
        assert len(users) == len(live)
        return users

    def custom(self) -> dict[str, dict[str, Any]]:
        """The custom attributes of the live users that are set, by external_id."""
        return {
            external_id: {name: value for name, value in user["custom_attributes"].items() if value is not None}
            for external_id, user in self.users().items()
        }


class Validated:
    """Mixed in before an SDK test: its resource is the workspace, and nobody is in there unless it says so."""

    resource: Workspace

    def validate(self) -> None:
        assert self.resource.people.everyone() == []
        assert self.resource.runner.state_messages == []


class Erroneous(Validated):
    """A test that expects an exception: it must not have let anything through before."""

    def teardown(self) -> None:
        assert self.resource.people.everyone() == []


class ArrayData(Validated, target_tests.TargetArrayData):
    def validate(self) -> None:
        assert self.resource.custom() == {
            "1": {"fruits": '["apple", "orange", "pear"]'},
            "2": {"fruits": '["banana", "apple"]'},
            "3": {"fruits": '["pear"]'},
            "4": {"fruits": '["orange", "banana", "apple", "pear"]'},
        }
        assert self.resource.runner.state_messages == [{"test_array_data": 4}]


class CamelcaseComplexSchema(Validated, target_tests.TargetCamelcaseComplexSchema):
    """Two schemas and no record: the inherited `validate` expects nobody."""


class Camelcase(Validated, target_tests.TargetCamelcaseTest):
    def validate(self) -> None:
        users = self.resource.users()
        assert {key: user["name"] for key, user in users.items()} == {
            "1": "Gitter Windows Desktop App",
            "2": "Gitter iOS App",
        }
        assert self.resource.custom() == {"1": {}, "2": {}}


class CliPrints(Validated, target_tests.TargetCliPrintsTest):
    """Prints and calls nobody: the inherited `validate` expects nobody."""


class DuplicateRecords(Validated, target_tests.TargetDuplicateRecords):
    def validate(self) -> None:
        assert self.resource.custom() == {"1": {"metric": 100}, "2": {"metric": 20}}
        assert self.resource.runner.state_messages == [{"test_duplicate_records": 2}]


class EncodedStringData(Validated, target_tests.TargetEncodedStringData):
    def validate(self) -> None:
        custom = self.resource.custom()
        assert {key: values["info"] for key, values in custom.items()} == {
            "1": "simple string 2837",
            "2": "απλή συμβολοσειρά",
            "3": "简单的字串",
            "4": "chaîne simple",
            "5": 'quoted "string"',
            "6": 'various " \\ / \n escape sequences',
            "7": "m",
            "8": "ā",
            "9": "ƙ",
            "10": "Double quoting: \\u0000 \\u0041 \\u0001",
            "11": "Control Characters in string: \x00 A \x01",
        }
        objects = {key: json.loads(values["info_object"]) for key, values in custom.items()}
        assert len(objects) == 11
        assert objects["2"] == {"name": "greek", "value": "απλή συμβολοσειρά"}
        assert objects["11"] == {"name": "Control Characters in string", "value": "\x00 A \x01"}
        arrays = {key: json.loads(values["strings"]) for key, values in custom.items() if "strings" in values}
        assert sorted(arrays) == ["1", "2", "3", "4", "5", "6"]
        assert arrays["1"] == ["simple string", "απλή συμβολοσειρά", "简单的字串"]
        assert arrays["5"] == ["aaa", "Double quoting: \\u0000 \\u0041 \\u0001"]


class InvalidSchema(Erroneous, target_tests.TargetInvalidSchemaTest):
    pass


class NoPrimaryKeys(Validated, target_tests.TargetNoPrimaryKeys):
    def validate(self) -> None:
        assert self.resource.custom() == {"1": {"metric": 11}, "2": {"metric": 22}, "3": {"metric": 33}}
        assert self.resource.runner.state_messages == [{"test_no_pk": 3}]


class OptionalAttributes(Validated, target_tests.TargetOptionalAttributes):
    def validate(self) -> None:
        assert self.resource.custom() == {
            "1": {"optional": "This is optional"},
            "2": {},
            "3": {"optional": "Also optional"},
            "4": {},
        }


class PrimaryKeyUpdates(Validated, target_tests.TargetPrimaryKeyUpdates):
    def validate(self) -> None:
        users = self.resource.users()
        assert {key: (user["name"], user["email"]) for key, user in users.items()} == {
            "1": ("Alice", "alice@example.com"),
            "2": ("Bob", "bob@example.com"),
        }


class RecordBeforeSchema(Erroneous, target_tests.TargetRecordBeforeSchemaTest):
    pass


class RecordMissingKeyProperty(Erroneous, target_tests.TargetRecordMissingKeyProperty):
    pass


class RecordMissingOptionalFields(Validated, target_tests.TargetRecordMissingOptionalFields):
    def validate(self) -> None:
        assert self.resource.custom() == {"1": {"optional": "now you see me"}, "2": {}}


class RecordMissingRequiredProperty(Validated, target_tests.TargetRecordMissingRequiredProperty):
    """The record lacks its only identifier: it alone is refused. Nobody comes in."""


class SchemaNoProperties(Validated, target_tests.TargetSchemaNoProperties):
    def validate(self) -> None:
        assert self.resource.custom() == {
            "with 1": {"object_store": '{"id": 1, "metric": 187}'},
            "with 2": {"object_store": '{"id": 2, "metric": 203}'},
            "without 1": {"object_store": '{"id": 1, "metric": 1}'},
            "without 2": {"object_store": '{"id": 2, "metric": 2}'},
        }


class SchemaUpdates(Validated, target_tests.TargetSchemaUpdates):
    def validate(self) -> None:
        assert self.resource.custom() == {
            "1": {"a1": 101, "a2": "string1"},
            "2": {"a1": 102, "a2": "string2", "a3": True},
            "3": {"a1": 103, "a2": "string3", "a3": False, "a4": _pair(1, 1), "a5": '["banana", "apple"]'},
            "4": {"a1": 104, "a2": "string4", "a3": True, "a4": _pair(2, 22), "a5": '["orange", "pear"]'},
            "5": {"a1": 105, "a2": "string5", "a3": False, "a4": _pair(3, 33), "a5": '["apple"]', "a6": 985},
            "6": {"a1": 106, "a2": "string6", "a3": True, "a4": _pair(4, 444), "a5": '["banana", "orange"]', "a6": 341},
        }
        assert self.resource.runner.state_messages == [{"test_schema_updates": 6}]


class SpecialCharsInAttributes(Validated, target_tests.TargetSpecialCharsInAttributes):
    def validate(self) -> None:
        assert self.resource.custom() == {
            "a2e98886": {"d": '{"agent:os:version": "10.13.1", "agent:type": "desktop", "env": "prod"}'}
        }


def _pair(number: int, value: int) -> str:
    return f'{{"id": {number}, "value": {value}}}'


VALIDATED: list[Any] = [
    ArrayData,
    Camelcase,
    CamelcaseComplexSchema,
    CliPrints,
    DuplicateRecords,
    EncodedStringData,
    InvalidSchema,
    NoPrimaryKeys,
    OptionalAttributes,
    PrimaryKeyUpdates,
    RecordBeforeSchema,
    RecordMissingKeyProperty,
    RecordMissingOptionalFields,
    RecordMissingRequiredProperty,
    SchemaNoProperties,
    SchemaUpdates,
    SpecialCharsInAttributes,
]

StandardTests: Any = get_target_test_class(
    TargetIntercom,
    config={**CONFIG, "access_token": "sandbox"},
    custom_suites=[SingerTestSuite(kind="target", tests=VALIDATED)],
    include_target_tests=False,
)


class TestTargetIntercom(StandardTests):  # type: ignore[misc] # the SDK makes the class at run time
    @pytest.fixture
    def resource(self, runner: TargetTestRunner, people: People, load: Loader) -> Workspace:
        """Point the run at a workspace of its own."""
        load.settings = runner.config
        runner.config = load.config()
        return Workspace(people, runner)


def test_every_standard_test_runs_and_is_validated() -> None:
    standard = {test.name for test in standard_suite.tests}
    assert len(standard) == 16
    assert standard <= {test.name for test in VALIDATED}
    assert all(issubclass(test, Validated) for test in VALIDATED)
    assert {f"test_target_{test.name}" for test in VALIDATED} <= set(dir(TestTargetIntercom))
