"""Look before the first run: ``target-intercom-check``, or ``python -m target_intercom.check``."""

from __future__ import annotations

import io
import sys
import typing as t

import click
from singer_sdk.exceptions import SingerSDKError

from target_intercom.check import findings
from target_intercom.check.catalog import CatalogError, read_catalog, schema_trouble
from target_intercom.check.found import Checked, Finding, Level
from target_intercom.check.mappings import Verdict, attribute_rows, mapping_verdict, room_findings
from target_intercom.check.probing import KINDS, probe
from target_intercom.check.showing import as_json, as_text
from target_intercom.check.streams import CheckedStream, stream_verdict
from target_intercom.errors import ConfigValidationError, redact
from target_intercom.ledger.command.looking import cannot_hold, look
from target_intercom.model import StreamSchema
from target_intercom.reporting.log import guard_log
from target_intercom.reporting.output import UsageError, echo, put_out
from target_intercom.reporting.text import explained
from target_intercom.settings.parsing import parse_config, unknown_settings
from target_intercom.singer.routes import Routes
from target_intercom.sync.workspace.attributes import CustomAttributes, KnownAttributes
from target_intercom.target import TargetIntercom

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from singer_sdk.plugin_base import _ConfigInput

    from target_intercom.check.catalog import Offered
    from target_intercom.check.found import Probed
    from target_intercom.ledger.command.looking import LedgerLook
    from target_intercom.settings.config import Config


@click.command(name="target-intercom-check")
@click.option(
    "--config",
    multiple=True,
    callback=TargetIntercom.cb_config,
    help="The target's settings: a file, or 'ENV' for environment variables; may be given more than once.",
)
@click.option(
    "--catalog",
    type=click.File("r", encoding="utf-8"),
    help="What the tap sends: a Singer catalog, or the tap's output; '-' reads it from stdin.",
)
@click.option("--format", "as_", type=click.Choice(["text", "json"]), default="text", show_default=True)
def main(config: _ConfigInput, catalog: t.IO[str] | None, as_: str) -> None:
    """Look at the workspace, the settings and the ledger before the first run. Nothing is written.

    The exit code is 0 when nothing is wrong, 1 when something is.
    """
    guard_log()
    offered = _offered(catalog)
    try:
        checked = _checked(config, offered)
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        put_out("What was found", as_json(checked) if as_ == "json" else as_text(checked))
    except BrokenPipeError:
        sys.exit(1)
    except Exception as error:
        logger = TargetIntercom.logger
        logger.debug("The error in full", exc_info=True)
        raise click.ClickException(str(explained(error))) from None
    sys.exit(0 if checked.is_ok else 1)


def _offered(catalog: t.IO[str] | None) -> list[Offered] | None:
    if catalog is None:
        return None
    try:
        return read_catalog(catalog)
    except (CatalogError, UnicodeError, OSError) as error:
        why = str(error) if isinstance(error, CatalogError) else type(error).__name__
        message = f"The catalog cannot be read ({catalog.name}): {why}"
        raise UsageError(message) from None


def _checked(config: _ConfigInput, offered: Sequence[Offered] | None) -> Checked:
    try:
        target = TargetIntercom.configured(config)
    except ConfigValidationError as error:
        return Checked(tuple(findings.setting_findings(error.errors or [str(error)])))
    settings = parse_config(target.config)
    probed = probe(settings, _say)
    ledger = look(settings.ledger)
    listed = [
        row
        for kind in KINDS
        if kind.noun in probed.attributes
        for row in attribute_rows(kind, probed.attributes[kind.noun], settings.api_version)
    ]
    found = [
        *findings.setting_findings([*_unknown(target), *target.unread_variables], Level.WARNING),
        *findings.workspace_findings(settings, probed, ledger),
        *findings.permission_findings(settings, probed),
        *findings.bulk_findings(settings, probed),
        *findings.ledger_findings(ledger, probed.workspace),
        *findings.folder_findings(settings, cannot_hold(settings.data_dir)),
        *findings.selection_findings(offered),
        *_mapping_findings(target, settings, probed, offered, _known(ledger, probed)),
    ]
    return Checked(
        findings.sorted_findings(found),
        url=settings.url,
        api_version=settings.api_version,
        probed=probed,
        attributes=tuple(listed),
        ledger=ledger,
    )


def _say(text: str) -> None:
    echo(redact(text), to_stderr=True)


def _unknown(target: TargetIntercom) -> list[str]:
    return unknown_settings(target.config, target.offered_schema()["properties"])[1]


def _known(ledger: LedgerLook, probed: Probed) -> Mapping[str, str]:
    """Return what the records of streams are that the ledger knows of the workspace."""
    return {} if probed.workspace is None else ledger.objects.get(probed.workspace.id, {})


def _mapping_findings(
    target: TargetIntercom,
    settings: Config,
    probed: Probed,
    offered: Sequence[Offered] | None,
    known: Mapping[str, str],
) -> Iterator[Finding]:
    """Check the mappings, or the tap's streams where they are known, against the workspace and the ledger."""
    attributes = KnownAttributes({noun: CustomAttributes(listed) for noun, listed in probed.attributes.items()})
    streams, wrong = _streams(target, settings, offered)
    verdict = Verdict()
    if streams is not None:
        verdict = stream_verdict(settings, streams, attributes, known)
    elif attributes.by_noun:
        verdict = mapping_verdict(settings, attributes)
    yield from (*wrong, *verdict.findings)
    if attributes.by_noun:
        yield from room_findings(attributes, verdict.to_make)


def _streams(
    target: TargetIntercom, settings: Config, offered: Sequence[Offered] | None
) -> tuple[Sequence[CheckedStream] | None, Sequence[Finding]]:
    """Return the streams as the target sees them, and findings about their schemas; None: they are not known."""
    if offered is None:
        return None, ()
    try:
        streams = list(_mapped(target, settings, offered))
    except SingerSDKError as error:
        return None, [Finding(Level.ERROR, "stream_maps", redact(str(error)))]
    loaded = {stream.schema.tap_stream for stream in streams if stream.is_loaded}
    troubles = [trouble for one in offered if one.name in loaded and (trouble := schema_trouble(one)) is not None]
    if troubles:
        return None, [Finding(Level.ERROR, None, trouble) for trouble in troubles]
    return streams, ()


def _mapped(target: TargetIntercom, settings: Config, offered: Sequence[Offered]) -> Iterator[CheckedStream]:
    """Yield the tap's streams after the settings' stream maps and flattening."""
    routes = Routes(target.mapper, lambda name: settings.stream(name).is_ignored)
    for one in offered:
        for stream_map in routes.maps(one.name, one.schema, one.key_properties):
            # The text tells the schemas of one stream apart; here it has one.
            schema = StreamSchema(stream_map.stream_alias, "", {"stream": one.name}, stream_map.transformed_schema)
            yield CheckedStream(settings, schema, one.is_incremental, routes.is_loaded(stream_map))


if __name__ == "__main__":
    main(prog_name="python -m target_intercom.check")
