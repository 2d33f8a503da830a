"""The script: every step of a comparison, in its order, as data."""

from __future__ import annotations

from target_intercom.sandbox.comparing.script import (
    access,
    attributes,
    companies,
    contacts,
    identity,
    jobs,
    searches,
    tags,
)

SCRIPT = (
    *access.STEPS,
    *access.WEIGHTS,
    *attributes.STEPS,
    *contacts.STEPS,
    *tags.STEPS,
    *companies.STEPS,
    *searches.STEPS,
    *identity.STEPS,
    *jobs.STEPS,
)
