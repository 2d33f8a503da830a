"""The items of bulk jobs, a file for each kind of object."""

from __future__ import annotations

from target_intercom.sandbox.bulk.contacts import Kind, dropped

__all__ = ["Kind", "dropped"]
