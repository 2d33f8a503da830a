"""Run the target: ``python -m target_intercom``."""

from __future__ import annotations

from target_intercom.target import TargetIntercom

if __name__ == "__main__":
    TargetIntercom.cli()
