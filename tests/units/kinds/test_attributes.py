"""What the kinds state agrees with itself, and with what the client reads."""

from __future__ import annotations

from target_intercom.intercom.protocol.contacts import Contact
from target_intercom.kinds.contacts import CONTACTS
from target_intercom.model import MatchBy


def test_contacts_are_identified_by_what_match_by_takes() -> None:
    assert CONTACTS.names(lambda one: one.identifies) == {which.value for which in MatchBy}


def test_the_client_reads_every_attribute_of_contacts_that_is_compared() -> None:
    contact = Contact.from_json({"id": "1", "role": "user"})
    compared = {name for name, one in CONTACTS.writable.items() if one.compared}
    assert compared == {*contact.attributes, "external_id"}


def test_every_name_of_an_attribute_is_stated_once() -> None:
    names = [*(one.name for one in CONTACTS.attributes), *CONTACTS.other_names]
    assert len(names) == len(CONTACTS.standard_names)


def test_an_attribute_that_a_setting_decides_is_not_mapped() -> None:
    decided = {one.name for one in CONTACTS.attributes if one.set_by is not None}
    assert decided == {"role"}
    assert decided.isdisjoint(CONTACTS.mappable)
    assert decided < CONTACTS.standard_names
