"""Tags under the name by which tests of the target import them."""

from __future__ import annotations

from target_intercom.sandbox.objects.tags import Tag, Tags

__all__ = ["Tag", "Tags"]
