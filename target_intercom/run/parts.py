"""Builds the parts of a run: the only module that knows them all."""

from __future__ import annotations

import typing as t
from functools import cached_property

from target_intercom.intercom.dry_run.client import DryRunClient
from target_intercom.intercom.protocol.companies import Company
from target_intercom.kinds.companies import Companies
from target_intercom.kinds.company_members import CompanyMembers, company_key
from target_intercom.kinds.contacts import CONTACTS
from target_intercom.kinds.tags import Tags
from target_intercom.ledger.interface import stamp
from target_intercom.ledger.records import SqlLedger
from target_intercom.model import ContactId, LinkName
from target_intercom.run.keyed_parts import KeyedParts
from target_intercom.run.shared_parts import SharedParts
from target_intercom.settings.config import StreamObject
from target_intercom.sync.contacts import ContactSync
from target_intercom.sync.end_of_pipe import AllLinks, EndOfPipe, LinksAtEnd
from target_intercom.sync.intake import Intake
from target_intercom.sync.linking.find_contacts import FindContacts
from target_intercom.sync.linking.in_bulk import LinkJobs, LinksWithContacts
from target_intercom.sync.linking.links import Links
from target_intercom.sync.linking.listed import ContactLinks, ListedLinks
from target_intercom.sync.linking.outcomes import Outcomes
from target_intercom.sync.linking.put_on import PutOn
from target_intercom.sync.linking.take_off import TakeOff
from target_intercom.sync.linking.waiting import UnnamedLists, WaitingMemberships
from target_intercom.sync.matching.contact_ids import ContactIds
from target_intercom.sync.matching.directory import Directory
from target_intercom.sync.matching.look_ups import LookUps
from target_intercom.sync.matching.search import Matcher
from target_intercom.sync.memberships import MembershipSync
from target_intercom.sync.record_outcomes import RecordOutcomes
from target_intercom.sync.removing.complete_streams import CompleteStreams
from target_intercom.sync.removing.marked import Marks, StreamMarks
from target_intercom.sync.removing.removals import Removals
from target_intercom.sync.removing.remover import ContactRemovals, Remover
from target_intercom.sync.workspace.attributes import AttributeCatalog
from target_intercom.sync.workspace.companies import CompanyCatalog
from target_intercom.sync.workspace.tags import TagCatalog
from target_intercom.sync.writing.archived import ArchivedContacts
from target_intercom.sync.writing.bulk import BulkWriter, Teammates
from target_intercom.sync.writing.conflicts import ExistingContacts
from target_intercom.sync.writing.dry_run import DryRunWriter
from target_intercom.sync.writing.lost_answers import Creates
from target_intercom.sync.writing.one_by_one import DirectWriter

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from target_intercom.model import Contact
    from target_intercom.settings.config import Stream
    from target_intercom.sync.mapping.mappers import Mappers
    from target_intercom.sync.mapping.memberships import MembershipMapper
    from target_intercom.sync.mapping.records import RecordMapper
    from target_intercom.sync.writing.bulk_jobs import BulkJobs
    from target_intercom.sync.writing.results import Writer


class Parts(SharedParts):
    """The parts of streams of contacts and of their links; each is made of others when it is first asked for."""

    def contact_sync(self, stream: Stream, mappers: Mappers[RecordMapper]) -> ContactSync:
        """Return the sync of a stream of contacts."""
        memory = self.memory(stream, self.ledger, self._ids)
        outcomes = RecordOutcomes(
            stream,
            self.report,
            mappers,
            self._directory,
            memory,
            self._listed_links(stream),
            StreamMarks(stream, self._marks),
            self.say_ignored,
        )
        look_ups = LookUps(stream, self._directory, self._matcher, self._ids)
        intake = Intake(stream, mappers, self._catalog, memory, outcomes)
        return ContactSync(stream, intake, look_ups, memory, self._writer(stream), outcomes)

    def membership_sync(self, stream: Stream, mappers: Mappers[MembershipMapper]) -> MembershipSync:
        """Return the sync of a stream of groups."""
        if self.links is None or stream.settings.links is None:
            raise LookupError(stream.name)
        at_end = self.links.kinds[stream.settings.links]
        at_end.links.add_stream(stream.name)
        self.report.memberships(stream.name, stream.settings.links)
        return MembershipSync(stream, mappers, at_end.links, at_end.waiting, self.report)

    @cached_property
    def end_of_pipe(self) -> EndOfPipe:
        """What is done when all records came."""
        return EndOfPipe(self.config, self.every_removals, self.links, self.report)

    @cached_property
    def every_removals(self) -> list[Removals]:
        """The objects to remove, by kind, in the order in which they are removed."""
        return [self.removals, *([self.companies.removals] if self.config.has_companies else [])]

    @cached_property
    def companies(self) -> KeyedParts:
        """The parts that streams of companies share."""
        kind = Companies(self.client, self.in_parallel)
        return KeyedParts(self, kind, StreamObject.COMPANIES, self._members_of_ours)

    def _members_of_ours(self, companies: Collection[ContactId]) -> Mapping[ContactId, int]:
        """Return how many users this target has put into companies."""
        if self.links is None:
            return {}
        groups = {company_key(one): one for one in companies}
        counts = self.links.memberships.of_kind(LinkName.COMPANY).users_of_ours(groups)
        return {groups[group]: count for group, count in counts.items()}

    @cached_property
    def archived(self) -> ArchivedContacts:
        """The contacts that are brought back from the archive to be looked at."""
        return ArchivedContacts(self.client, self.in_parallel, self.ledger, plan=self.plan, say=self.warn)

    @cached_property
    def complete_streams(self) -> CompleteStreams:
        """Which streams of contacts delivered their complete table."""
        return CompleteStreams(self.ledger, self.ledger, self.warn)

    @cached_property
    def _marks(self) -> Marks:
        return Marks(self.report, are_expected=self.config.removes)

    @cached_property
    def removals(self) -> Removals:
        """The contacts to remove."""
        return Removals(
            self.ledger,
            Remover(ContactRemovals(self.client, self._jobs), self.in_parallel, self.ledger, self.plan),
            self.complete_streams,
            self._marks,
            config=self.config.stream,
            find_ids=self._ids.find_all,
            say=self.warn,
        )

    @cached_property
    def links(self) -> AllLinks | None:
        """What is done about contacts' links; None where the run remembers none, not even its own."""
        if not isinstance(self.ledger, SqlLedger):
            return None
        memberships = self.ledger.memberships
        of_tags = memberships.of_kind(LinkName.TAG)
        tags = Links(
            Tags(self.client),
            TagCatalog(self.client, self.in_parallel, of_tags, self.warn),
            self.ledger,
            of_tags,
            self.config,
        )
        companies = CompanyCatalog(self.client, self.in_parallel, self._companies_in_ledger)
        members = Links(
            CompanyMembers(self.client, companies),
            companies,
            self.ledger,
            memberships.of_kind(LinkName.COMPANY),
            self.config,
        )
        kinds = {one.kind.names.kind: self._links_at_end(one) for one in (tags, members)}
        return AllLinks(
            kinds,
            UnnamedLists(self.config.data_dir, self._ids, self.config.search_delay_seconds),
            memberships,
        )

    def _companies_in_ledger(self, company_ids: Collection[str]) -> Iterable[Company]:
        known = self.ledger.of(StreamObject.COMPANIES.value).named([ContactId(one) for one in company_ids])
        return [one for one in known if isinstance(one, Company)]

    def _links_at_end(self, links: Links) -> LinksAtEnd:
        waiting = WaitingMemberships(self.config.data_dir)
        outcomes = Outcomes(links, waiting, self.report, self.check_refused, self.warn)
        jobs = LinkJobs(links.kind, self.client, self._jobs)
        return LinksAtEnd(
            links,
            waiting,
            FindContacts(links, waiting, self._matcher, self._directory, self._ids, outcomes),
            PutOn(links, self.in_parallel, jobs, self._matcher, self.plan, outcomes),
            TakeOff(links, self.in_parallel, jobs, self.plan, outcomes),
            CompleteStreams(self.ledger, links.memberships, self.warn),
        )

    def _listed_links(self, stream: Stream) -> ContactLinks:
        """Return the part of a contact stream's sync that saves which groups its records list."""
        if self.links is None:
            return ContactLinks()
        for kind in stream.settings.lists:
            self.links.kinds[kind].links.add_stream(stream.name)
        kinds = [one.links for one in self.links.kinds.values()]
        with_contacts = [
            LinksWithContacts(
                one.links,
                one.put_on_links.jobs,
                one.put_on_links.outcomes,
                one.put_on_links.look_at,
                one.take_off_links.save_off,
            )
            for one in (self.links.kinds.values() if self.config.bulk_writes else ())
        ]
        return ListedLinks(stream, kinds, self.links.memberships, self.links.unnamed, with_contacts)

    # Parts that only other parts use.

    @cached_property
    def _catalog(self) -> AttributeCatalog:
        return AttributeCatalog(self.client, CONTACTS, self.warn)

    @cached_property
    def _directory(self) -> Directory:
        return Directory(search_delay_seconds=self.config.search_delay_seconds, clock=self.client.clock.monotonic)

    @cached_property
    def _matcher(self) -> Matcher:
        return Matcher(self.client, self._directory, self.in_parallel, self._written_lately)

    def _written_lately(self) -> Iterable[Contact]:
        since = self.client.clock.time() - self.config.search_delay_seconds
        return self.ledger.written_since(stamp(since))

    @cached_property
    def _ids(self) -> ContactIds:
        return ContactIds(
            self.client,
            self._matcher,
            self._directory,
            ledger=self.ledger,
            in_parallel=self.in_parallel,
            search_delay_seconds=self.config.search_delay_seconds,
        )

    @cached_property
    def _jobs(self) -> BulkJobs:
        return self.jobs(self.client.job, "contacts")

    @cached_property
    def _teammates(self) -> Teammates:
        return Teammates(self.client)

    def _writer(self, stream: Stream) -> Writer:
        existing = ExistingContacts(
            self.client, self._matcher, self._catalog, self.ledger, archived=self.archived, stream=stream
        )
        delay = self.config.search_delay_seconds
        creates = Creates(
            self.client, self._matcher, self.in_parallel, self.ledger, existing, search_delay_seconds=delay
        )
        direct = DirectWriter(creates, existing, self.in_parallel)
        if isinstance(self.client, DryRunClient):
            return DryRunWriter(
                stream, client=self.client, direct=direct, matcher=self._matcher, ledger=self.ledger, plan=self.plan
            )
        if not self.config.bulk_writes:
            return direct
        kinds = {} if self.links is None else {name: one.links.kind for name, one in self.links.kinds.items()}
        return BulkWriter(self._jobs, direct, existing, self._teammates, kinds)
