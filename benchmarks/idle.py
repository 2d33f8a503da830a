"""A target that does nothing with its records: what the SDK alone costs, with its defaults."""

from __future__ import annotations

import typing as t

from singer_sdk import Target
from singer_sdk.sinks import BatchSink


class IdleSink(BatchSink):
    """Takes batches and drops them."""

    def process_batch(self, context: dict[str, t.Any]) -> None:
        """Do nothing."""


class TargetIdle(Target):
    """The least that the SDK takes for a target."""

    name = "target-idle"
    config_jsonschema: t.ClassVar[dict[str, t.Any]] = {"type": "object", "properties": {}}
    default_sink_class = IdleSink


if __name__ == "__main__":
    TargetIdle.cli()
