"""The command: its options and settings, as the SDK asks a plugin for them."""

from __future__ import annotations

import copy
import signal
import typing as t
from functools import cache

import click
from singer_sdk import Target
from singer_sdk.cli import plugin_cli
from singer_sdk.configuration._dict_config import merge_missing_config_jsonschema
from singer_sdk.helpers.capabilities import TARGET_BATCH_SIZE_ROWS_CONFIG, PluginCapabilities

from target_intercom.errors import ConfigValidationError
from target_intercom.reporting.log import guard_log
from target_intercom.settings.environment import unread_variables
from target_intercom.settings.parsing import parse_config, unknown_settings
from target_intercom.settings.sources import config_input, given_settings, surroundings
from target_intercom.settings.table import json_schema

if t.TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from singer_sdk.plugin_base import _ConfigInput
    from typing_extensions import Self


class Command(Target):
    """A target that reads its settings and checks them; it loads nothing itself."""

    name = "target-intercom"
    config_jsonschema: t.ClassVar[dict[str, t.Any]] = json_schema()
    capabilities: t.ClassVar = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.BATCH,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    unread_variables: Sequence[str] = ()
    """Sentences about environment variables that look like settings and are not read."""

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, t.Any]) -> None:
        """Offer those of the SDK's settings that mean something here: stream maps, flattening, batch size."""
        merge_missing_config_jsonschema(TARGET_BATCH_SIZE_ROWS_CONFIG, config_jsonschema)
        super(Target, cls).append_builtin_config(config_jsonschema)

    @classmethod
    @cache
    def offered_schema(cls) -> dict[str, t.Any]:
        """Return the JSON schema of all settings, the SDK's among them."""
        schema = copy.deepcopy(cls.config_jsonschema)
        cls.append_builtin_config(schema)
        return schema

    @classmethod
    @cache
    def get_plugin_version(cls) -> str:
        """Return our version; the package's files are read once."""
        return super().get_plugin_version()

    @classmethod
    @cache
    def get_sdk_version(cls) -> str:
        """Return the SDK's version; the package's files are read once."""
        return super().get_sdk_version()

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check our own settings, with messages that never quote the token, then the SDK's."""
        slips, unknown = unknown_settings(self.config, self.offered_schema()["properties"])
        for text in unknown:
            self.logger.warning("%s", text)
        try:
            parse_config(self.config)
        except ConfigValidationError as error:
            slips = [*error.errors, *slips]
        if slips and raise_errors:
            raise ConfigValidationError("; ".join(slips), errors=slips)
        return slips or super()._validate_config(raise_errors=raise_errors)

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """End the run on a signal, without a STATE.

        The SDK would drain here, inside a batch that may be running. Meltano sends SIGTERM right after Ctrl-C's
        SIGINT: the second must not interrupt the clean-up.
        """
        del frame
        for name in (signal.SIGINT, signal.SIGTERM):
            # Not SIG_IGN: Python complains in the log about a signal that came just before it was ignored.
            signal.signal(name, lambda _signum, _frame: None)
        raise SystemExit(128 + signum)

    @plugin_cli
    def cli(cls) -> click.Command:  # noqa: N805 - the decorator makes it the class's
        """Return the command; nothing is logged before the log is guarded."""
        guard_log()
        return super().cli

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Add our own flag to the SDK's command."""
        command = super().get_singer_command()
        text = "Write nothing, and say what a run would do, whatever 'dry_run' says."
        command.params.append(click.Option(["--dry-run"], is_flag=True, help=text))
        return command

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> _ConfigInput:
        """Read the config files; one that cannot be read ends in a sentence with its name."""
        del ctx, param
        return config_input(value)

    @classmethod
    def configured(cls, config: _ConfigInput, *, dry_run: bool = False) -> Self:
        """Return the target with the settings that its command was given.

        Args:
            config: the config files, and whether the environment is read.
            dry_run: stands above the setting.

        Raises:
            ConfigValidationError: a setting is wrong or missing, or a variable that asks for a dry run is not read.
        """
        schema, prefix = cls.offered_schema(), cls._env_var_prefix
        target = cls(config=given_settings(config, schema, prefix, dry_run=dry_run))
        unread = unread_variables(
            surroundings(), prefix, schema["properties"], target.config, are_read=config.parse_env
        )
        if unread.errors:
            raise ConfigValidationError("; ".join(unread.errors), errors=unread.errors)
        target.unread_variables = unread.warnings
        return target
