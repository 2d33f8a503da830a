"""Which streams are about people, and which names may mean a stream."""

from __future__ import annotations

import pytest

from target_intercom.settings.config import Config, StreamConfig, StreamObject, SyncMode
from target_intercom.settings.contact_streams import ContactStreams, is_nearly


@pytest.mark.parametrize(
    ("stream", "name", "nearly"),
    [
        ("public-requests", "requests", True),
        ("public.requests", "requests", True),
        ("shop_public_requests", "requests", True),
        ("REQUESTS", "requests", True),
        ("erasure-requests", "erasure_requests", True),
        ("erasure requests", "erasure_requests", True),
        ("request", "requests", True),
        ("requests", "request", True),
        ("reqeusts", "requests", True),
        ("requests", "public-requests", False),
        ("allrequests", "requests", False),
        ("requests_eu", "requests_us", False),
        ("requests_1", "requests_2", False),
        ("customers", "requests", False),
        ("customers", "customers_removed", False),
        ("customers", "removed_customers", False),
        ("a", "b", False),
        ("ab", "ba", False),
        ("user", "users", False),
        ("", "requests", False),
    ],
)
def test_a_name_is_nearly_another_but_for_its_case_its_schema_or_a_slip(stream: str, name: str, nearly: bool) -> None:
    assert is_nearly(stream, name) is nearly


NOBODY = [
    StreamConfig(sync_mode=SyncMode.REMOVE),
    StreamConfig(sync_mode=SyncMode.ENRICH),
    StreamConfig(object=StreamObject.GROUPS),
    StreamConfig(object=StreamObject.IGNORE),
]


@pytest.mark.parametrize("entry", NOBODY)
def test_a_stream_that_an_entry_may_mean_is_refused_while_its_records_would_make_nobody(entry: StreamConfig) -> None:
    order = ContactStreams(Config(access_token="t", streams={"requests": entry}))
    refusal = order.refusal("public-requests")
    assert "'streams.requests'" in str(refusal)
    order.came("requests", "requests")
    assert order.refusal("public-requests") is None


@pytest.mark.parametrize("mode", [SyncMode.SYNC, SyncMode.ADDITIVE, SyncMode.INSERT])
def test_an_entry_whose_records_make_contacts_is_only_said_at_the_end(mode: SyncMode) -> None:
    order = ContactStreams(Config(access_token="t", streams={"requests": StreamConfig(sync_mode=mode)}))
    assert order.refusal("public-requests") is None
    order.came("public-requests", "public-requests")
    ((setting, said),) = order.missing()
    assert (setting, "Did you mean 'public-requests'?" in said) == ("streams.requests", True)


def test_of_several_streams_that_the_ledger_knows_each_may_be_the_one() -> None:
    known = ["leads", "customers"]
    for one in known:
        order = ContactStreams(Config(access_token="t"))
        assert order.refusal(one, known) is None
        order.admit(one)
        assert order.refusal(one, known) is None
        assert [order.refusal(other, known) is None for other in known] == [other == one for other in known]
