"""The parts of contacts' links, of every kind: tags, and companies."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from functools import cached_property

from target_intercom.intercom.protocol.companies import Company
from target_intercom.kinds.company_members import CompanyMembers, company_key
from target_intercom.kinds.tags import Tags
from target_intercom.ledger.records import SqlLedger
from target_intercom.model import STAND_IN, ContactId, LinkName
from target_intercom.settings.config import StreamObject
from target_intercom.sync.end_of_pipe import AllLinks, LinksAtEnd
from target_intercom.sync.linking.find_contacts import FindContacts
from target_intercom.sync.linking.in_bulk import LinkJobs, LinksWithContacts
from target_intercom.sync.linking.links import Links
from target_intercom.sync.linking.listed import ContactLinks, ListedLinks
from target_intercom.sync.linking.outcomes import Outcomes
from target_intercom.sync.linking.put_on import PutOn
from target_intercom.sync.linking.take_off import TakeOff
from target_intercom.sync.linking.waiting import UnnamedLists, WaitingMemberships
from target_intercom.sync.removing.complete_streams import CompleteStreams
from target_intercom.sync.workspace.companies import CompanyCatalog
from target_intercom.sync.workspace.tags import TagCatalog

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from target_intercom.kinds.link import LinkKind
    from target_intercom.run.parts.shared import ContactParts
    from target_intercom.settings.config import Stream


@dataclass(frozen=True)
class LinkParts:
    """The parts of contacts' links; each is made of others when it is first asked for."""

    shared: ContactParts

    @cached_property
    def at_end(self) -> AllLinks | None:
        """What is done about contacts' links; None where the run remembers none, not even its own."""
        shared = self.shared
        if not isinstance(shared.ledger, SqlLedger):
            return None
        memberships = shared.ledger.memberships
        tags, members = memberships.of_kind(LinkName.TAG), memberships.of_kind(LinkName.COMPANY)
        tag_catalog = TagCatalog(shared.client, shared.in_parallel, tags, shared.warn)
        companies = CompanyCatalog(shared.client, shared.in_parallel, self._companies_in_ledger)
        kinds = [
            Links(Tags(shared.client), tag_catalog, shared.ledger, tags, shared.config),
            Links(CompanyMembers(shared.client, companies), companies, shared.ledger, members, shared.config),
        ]
        return AllLinks(
            {one.kind.names.kind: self._at_end(one) for one in kinds},
            UnnamedLists(shared.shelves.shelf, shared.ids),
            memberships,
        )

    @property
    def kinds(self) -> Mapping[LinkName, LinkKind]:
        """What contacts can be linked to."""
        return {} if self.at_end is None else {name: one.links.kind for name, one in self.at_end.kinds.items()}

    def of_memberships(self, stream: Stream) -> LinksAtEnd:
        """Return what is done about the links that a stream's records name."""
        if self.at_end is None or stream.settings.links is None:
            raise LookupError(stream.name)
        return self.at_end.kinds[stream.settings.links]

    def of_lists(self, stream: Stream) -> ContactLinks:
        """Return the part of a contact stream's sync that saves which groups its records list."""
        if self.at_end is None:
            return ContactLinks()
        every = self.at_end.kinds
        for kind in stream.settings.lists:
            every[kind].links.add_stream(stream.name)
        with_contacts = [
            LinksWithContacts(
                one.links,
                one.put_on_links.jobs,
                one.put_on_links.outcomes,
                one.put_on_links.look_at,
                one.take_off_links.save_off,
            )
            for one in (every.values() if self.shared.config.bulk_writes else ())
        ]
        kinds = [one.links for one in every.values()]
        return ListedLinks(stream, kinds, self.at_end.memberships, self.at_end.unnamed, with_contacts)

    def members_of_ours(self, companies: Collection[ContactId]) -> Mapping[ContactId, Collection[ContactId]]:
        """Return the contacts that this target has put into companies."""
        if self.at_end is None:
            return {}
        keys = {company_key(one): one for one in companies}
        found = self.at_end.memberships.members_of_ours(keys.keys())
        if any(one.startswith(STAND_IN) for members in found.values() for one in members):
            # A bulk job made them; Intercom shows them by ids that are not known yet.
            self.shared.ids.find_all()
            found = self.at_end.memberships.members_of_ours(keys.keys())
        return {keys[group]: members for group, members in found.items()}

    def _at_end(self, links: Links) -> LinksAtEnd:
        shared, waiting = self.shared, WaitingMemberships(self.shared.shelves.shelf)
        outcomes = Outcomes(links, waiting, shared.report, shared.check_refused, shared.warn)
        jobs = LinkJobs(links.kind, shared.client, shared.contact_jobs)
        return LinksAtEnd(
            links,
            waiting,
            FindContacts(links, waiting, shared.matcher, shared.directory, shared.ids, outcomes),
            PutOn(links, shared.in_parallel, jobs, shared.matcher.shown, shared.plan, outcomes),
            TakeOff(links, shared.in_parallel, jobs, shared.plan, outcomes),
            CompleteStreams(shared.ledger, links.memberships, shared.warn),
        )

    def _companies_in_ledger(self, company_ids: Collection[str]) -> Iterable[Company]:
        known = self.shared.ledger.of(StreamObject.COMPANIES.value).named([ContactId(one) for one in company_ids])
        return [one for one in known if isinstance(one, Company)]
