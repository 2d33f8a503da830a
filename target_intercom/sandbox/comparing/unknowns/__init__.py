"""Questions that nobody has documented an answer to, as data."""

from __future__ import annotations

from target_intercom.sandbox.comparing.unknowns.companies import COMPANIES
from target_intercom.sandbox.comparing.unknowns.contacts import CONTACTS

UNKNOWNS = (*CONTACTS, *COMPANIES)
