"""Groups: a groups stream, batch by batch, and what its memberships and the contacts' records lead to at the end."""

from __future__ import annotations

import typing as t
from collections import defaultdict

from target_intercom.errors import InvalidRecordError
from target_intercom.ledger.interface import NOBODY
from target_intercom.model import Outcome, Refusal, Result
from target_intercom.settings.config import SyncMode
from target_intercom.sync.linking.claiming import Claiming
from target_intercom.sync.linking.find_contacts import Resolution
from target_intercom.sync.linking.listed import NotedGroups, UnnamedListings
from target_intercom.sync.linking.tag_jobs import TagJobs
from target_intercom.sync.linking.tagging import Tagging
from target_intercom.sync.linking.waiting import Waiting, WaitingRoom
from target_intercom.sync.linking.with_contacts import CarriedTags
from target_intercom.sync.mapping.group_names import group_key
from target_intercom.sync.mapping.identifiers import no_identifier
from target_intercom.sync.remembering.fingerprints import NO_IDENTITY, membership_print, readable_key, record_key
from target_intercom.sync.removing.complete_streams import CompleteStreams
from target_intercom.sync.removing.limit import Share
from target_intercom.sync.workspace.tags import TagCatalog

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.parallel import InParallel
    from target_intercom.ledger.interface import Ledger
    from target_intercom.ledger.memberships import Memberships
    from target_intercom.model import Received, RecordKey, StreamSchema
    from target_intercom.reporting.report import RunReport
    from target_intercom.settings.config import Config
    from target_intercom.settings.stream import Stream
    from target_intercom.sync.mapping.mappers import Mappers
    from target_intercom.sync.mapping.memberships import MembershipDraft, MembershipMapper
    from target_intercom.sync.matching.contact_ids import ContactIds
    from target_intercom.sync.matching.directory import Directory
    from target_intercom.sync.matching.search import Matcher
    from target_intercom.sync.writing.bulk_jobs import BulkJobs
    from target_intercom.sync.writing.plan_file import Plan


class GroupSync:
    """Takes in the memberships of one stream; they wait for the end of the pipe."""

    def __init__(
        self,
        stream: Stream,
        *,
        mappers: Mappers[MembershipMapper],
        room: WaitingRoom,
        memberships: Memberships,
        report: RunReport,
        unclear: set[str],
    ) -> None:
        """`room` is where the memberships of all streams wait.

        `unclear` takes the stream in when the key of a refused record cannot be read.
        """
        self._stream = stream
        self._mappers = mappers
        self._room = room
        self._memberships = memberships
        self._report = report
        self._unclear = unclear
        self._seen: dict[int | None, set[RecordKey]] = defaultdict(set)

    def meet(self, schema: StreamSchema) -> None:
        """Check that records can be loaded that come under a schema.

        Raises:
            StreamRefusedError: they cannot.
        """
        self._mappers.of(schema)

    def run(self, records: Sequence[Received]) -> None:
        """Let a batch wait; what is wrong in itself is told at once."""
        for received in records:
            try:
                self._take_in(received)
            except InvalidRecordError as error:
                self._invalid(received, error)
        for version, keys in self._seen.items():
            self._memberships.see(self._stream.name, keys, version)
        self._seen.clear()

    def _take_in(self, received: Received) -> None:
        if received.trouble is not None:
            raise received.trouble
        draft = self._mappers.of(received.schema).map(received.record)
        key = self._key(received, draft)
        if key is None:
            raise no_identifier(self._stream.settings.match_by)
        self._room.add(self._waiting(received, draft, key), received)

    def _waiting(self, received: Received, draft: MembershipDraft, key: RecordKey) -> Waiting:
        group = None if draft.name is None else group_key(draft.name)
        return Waiting(
            stream=self._stream.name,
            key=key,
            identity=draft.identity,
            group=group,
            name=draft.name or "",
            removed=draft.removed,
            content=None if group is None else membership_print(draft.identity, group, self._stream.settings.match_by),
            version=self._stream.version_of(received),
            place=0,
        )

    def _key(self, received: Received, draft: MembershipDraft) -> RecordKey | None:
        group = None if draft.name is None else group_key(draft.name)
        if group is None and not self._has_key(received):
            return None
        return record_key(received.record, self._stream.keys, draft.identity, self._stream.settings.match_by, group)

    def _has_key(self, received: Received) -> bool:
        return any(received.record.get(name) is not None for name in self._stream.keys)

    def _invalid(self, received: Received, error: InvalidRecordError) -> None:
        """Report a record that cannot be loaded; it is not missing from its stream, or it may be any record of it."""
        why = Refusal(Result.INVALID, error.reason, error.code, error.field)
        self._report.record(self._stream.name, Outcome(received, Result.INVALID, refusal=why))
        key = readable_key(received.record, self._stream.keys, NO_IDENTITY, ())
        if key is None:
            self._unclear.add(self._stream.name)
        else:
            self._seen[self._stream.version_of(received)].add(key)


class Groups:
    """What the groups of all streams share, and what is done about them at the end of the pipe."""

    def __init__(
        self,
        config: Config,
        *,
        client: IntercomClient,
        in_parallel: InParallel,
        jobs: BulkJobs,
        matcher: Matcher,
        ledger: Ledger,
        memberships: Memberships,
        directory: Directory,
        ids: ContactIds,
        plan: Plan,
        report: RunReport,
        check: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        """`memberships` is the ledger's, or of this run alone where there is no ledger.

        `check` ends a run that has refused too many records.
        """
        self._config = config
        self._memberships = memberships
        self._report = report
        self._streams: list[str] = []
        self._whole: dict[str, int | None] = {}
        self._tags = TagCatalog(client, in_parallel, memberships, say)
        self._jobs = jobs
        self._room = WaitingRoom(config.data_dir)
        self._unnamed = UnnamedListings(config.data_dir, ids, config.search_delay_seconds)
        self.complete_streams = CompleteStreams(ledger, memberships, say)
        self._ledger = ledger
        self._unclear: set[str] = set()
        self._resolution = Resolution(
            self._room,
            memberships,
            matcher,
            report,
            directory=directory,
            ids=ids,
            config=config.stream,
            removes=self._removes,
            begin=self._begin,
            check=check,
            repair=config.repair,
        )
        self._tagging = Tagging(
            client,
            in_parallel,
            jobs=TagJobs(client, jobs),
            matcher=matcher,
            tags=self._tags,
            memberships=memberships,
            report=report,
            room=self._room,
            ledger=ledger,
            plan=plan,
            # What another run's stream wants has no outcome in this one.
            is_groups=lambda stream: stream not in self._streams or config.stream(stream).is_groups,
            check=check,
            search_delay_seconds=config.search_delay_seconds,
            say=say,
        )

    @property
    def pending(self) -> bool:
        """Whether memberships or tags wait for the end of the pipe: then no STATE may go out before it."""
        return not (self._room.is_empty and self._unnamed.is_empty) or self._memberships.has_work

    def listed(self, stream: Stream) -> NotedGroups:
        """Make the part of a contact stream's sync that notes the groups its records list."""
        if stream.name not in self._streams and stream.settings.tags_property is not None:
            self._streams.append(stream.name)
        return NotedGroups(
            stream,
            self._begin,
            self._memberships,
            unnamed=self._unnamed,
            carried=self._carried() if self._config.bulk_writes else None,
            repair=self._config.repair,
        )

    def _carried(self) -> CarriedTags:
        return CarriedTags(
            self._jobs, memberships=self._memberships, tags=self._tags, tagging=self._tagging, begin=self._begin
        )

    def sync(self, stream: Stream, mappers: Mappers[MembershipMapper]) -> GroupSync:
        """Make the sync of a groups stream."""
        if stream.name not in self._streams:
            self._streams.append(stream.name)
        self._report.groups(stream.name)
        return GroupSync(
            stream,
            mappers=mappers,
            room=self._room,
            memberships=self._memberships,
            report=self._report,
            unclear=self._unclear,
        )

    def put_on(self) -> None:
        """Settle whom the memberships mean, and put on the tags that are wanted, now that the contacts are there."""
        for stream in self._unnamed.settle(self._begin, self._lets_go):
            self._tagging.leave_out(stream)
        self._resolution.run()
        if self.pending:
            self._tagging.put_on(self._streams)

    def decide(self) -> None:
        """Decide which groups streams are whole, at the end of the pipe."""
        self.complete_streams.decide(self._unclear)
        self._whole = self.complete_streams.versions()

    def shares(self) -> Iterator[Share]:
        """Tell how many memberships of each stream are about to end."""
        for stream in self._streams:
            if not (self._config.stream(stream).is_groups and self._config.stream(stream).is_limited):
                continue
            marked = self._memberships.marked(stream, self._whole)
            missing = self._memberships.missing(stream, self._whole) if stream in self._whole else 0
            yield Share(stream, marked, missing, self._ledger.streams.known_before(stream), "memberships")

    def take_off(self) -> None:
        """Take off the tags of memberships that have ended."""
        for stream, version in self._whole.items():
            self._memberships.leave(stream, version)
        streams = [stream for stream in self._streams if self._takes_off(stream)]
        if streams:
            self._memberships.release_forgotten(streams, is_whole=bool(self._whole))
            self._tagging.take_off([*streams, NOBODY], self._streams)
        self._room.close()
        self._memberships.has_work = False

    def close(self) -> None:
        """Return everything back."""
        self._room.close()
        self._unnamed.close()
        self._memberships.close()

    def _removes(self, stream: str) -> bool:
        """Check whether a groups stream ends memberships."""
        return self._config.stream(stream).may_remove

    def _takes_off(self, stream: str) -> bool:
        config = self._config.stream(stream)
        return self._removes(stream) if config.is_groups else config.sync_mode is SyncMode.SYNC

    def _lets_go(self, stream: str) -> bool:
        return self._config.stream(stream).sync_mode is SyncMode.SYNC

    def _begin(self) -> Claiming:
        return Claiming(self._memberships, self._tags, self._config.search_delay_seconds)
