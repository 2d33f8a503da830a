"""The items of bulk jobs, a file for each kind of object."""

from __future__ import annotations

from target_intercom.sandbox.bulk.contacts import dropped
from target_intercom.sandbox.jobs.submissions import Kind

__all__ = ["Kind", "dropped"]
