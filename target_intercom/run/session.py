"""The part of a run that begins when its workspace is known: streams, what is removed at the end, the ledger."""

from __future__ import annotations

import typing as t
from contextlib import suppress

from target_intercom.errors import LedgerError
from target_intercom.settings.warnings import no_earlier_run, removals_turned_off

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from target_intercom.reporting.ended_run import EndedRun
    from target_intercom.run.parts.parts import Parts
    from target_intercom.settings.config import Stream
    from target_intercom.singer.tap_streams import TapStream
    from target_intercom.sync.removing.complete_streams import CompleteStreams


class Session:
    """A run that knows its workspace, and the streams that it works on."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.known_contact_streams = parts.ledger.streams.of_contacts()
        """Those that the ledger knew when the run began."""
        self._is_first_run = not parts.ledger.streams.last_runs()
        self._streams: dict[str, Stream] = {}
        parts.client.remember(parts.ledger.failures())

    def enter(self, stream: Stream) -> None:
        """Begin to work on a stream, once, and keep other runs off it where what is missing from it is removed."""
        parts, settings = self.parts, stream.settings
        if stream.name not in self._streams:
            complete = self._complete(stream.name)
            if settings.is_limited:
                complete.add(stream)
            alone = complete.may_tell(stream.name)
            parts.ledger.streams.enter(
                stream.name, stream.keys, alone=alone, removes=settings.is_limited, object_=settings.object.value
            )
            self._streams[stream.name] = stream
            parts.warn(removals_turned_off(stream.name, parts.config))
        if settings.is_companies:
            parts.companies.removals.streams.add(stream.name)
        elif settings.is_contacts:
            self._join_removals(stream)

    def _join_removals(self, stream: Stream) -> None:
        removals = self.parts.removals
        removals.streams.add(stream.name)
        if self._is_first_run:
            self.parts.warn(no_earlier_run(removals.streams, self.parts.config))

    def add_source(self, stream: str, source: TapStream) -> None:
        """Add a stream of the tap that a stream is made of, too."""
        self._complete(stream).add_source(stream, source)

    def _complete(self, stream: str) -> CompleteStreams:
        links, settings = self.parts.links.at_end, self.parts.config.stream(stream)
        if settings.is_companies:
            return self.parts.companies.complete_streams
        if links is not None and settings.links is not None:
            return links.kinds[settings.links].complete
        return self.parts.complete_streams

    def lock(self, stream: str) -> None:
        """Keep other runs off a stream that its tap versions, where missing contacts may be removed."""
        entered = self._streams.get(stream)
        if entered is not None and self._complete(stream).may_tell(stream):
            object_ = entered.settings.object.value
            self.parts.ledger.streams.enter(stream, entered.keys, alone=True, object_=object_)

    def finish(self) -> None:
        """Do what is done when all records came."""
        self.parts.ledger.trust_overruled()
        self.parts.end_of_pipe.run(self._streams)

    def end(self, ended: EndedRun) -> Sequence[EndedRun]:
        """Report contacts that are still unarchived, save what the ledger has to know, and close it.

        Returns:
            The last runs of the workspace, this one the last; without a ledger none.
        """
        parts = self.parts
        parts.overlap.close()
        parts.in_parallel.close()
        for stream, contacts in parts.archived.left().items():
            parts.report.unarchived(stream, contacts)
        try:
            with suppress(LedgerError):
                parts.ledger.note_failures(parts.client.ended_by, parts.client.worked)
            if not ended.exit_code:
                parts.ledger.finish()
            return self._history(ended)
        finally:
            parts.shelves.close()
            parts.ledger.close()

    def _history(self, ended: EndedRun) -> Sequence[EndedRun]:
        config, ledger = self.parts.config, self.parts.ledger
        if config.ledger is None:
            return ()
        with suppress(LedgerError):
            if not config.dry_run:
                ledger.note_run(ended)
            return [*(run for run in ledger.last_runs() if run.run != ended.run), ended]
        return ()
