"""Looks up the contacts of a batch of records."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from target_intercom.model import Identity, MatchBy
from target_intercom.sync.matching.whose import may_let_go

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from target_intercom.model import Entry
    from target_intercom.settings.config import Stream
    from target_intercom.sync.matching.contact_ids import ContactIds
    from target_intercom.sync.matching.directory import Directory
    from target_intercom.sync.matching.search import Matcher


@dataclass
class LookUps:
    """Asks Intercom for the contacts of a batch of records of one stream."""

    stream: Stream
    directory: Directory
    """The run's: it knows the answers to all calls that search may not show yet."""
    matcher: Matcher
    ids: ContactIds
    known: Directory = field(init=False)
    """What is known to the batch."""

    def begin(self, entries: Sequence[Entry], since: float) -> Callable[[], None]:
        """Forget what was looked up, and `ask`; `since`: when the oldest batch under way began."""
        self.known = self.directory.start(since)
        return self.ask(entries)

    def ask(self, entries: Sequence[Entry]) -> Callable[[], None]:
        """Ask Intercom for the contacts of records; returns what waits for the answers and takes them in.

        Where the ledger knows a contact, Intercom is not asked, unless in doubt, or where the record may let go of it:
        its identifiers may be another contact's.
        """
        asked = [entry for entry in entries if entry.contact is None or entry.is_unsure]
        moving = [entry for entry in entries if not (entry.contact is None or entry.is_unsure) and may_let_go(entry)]
        removes = self.stream.settings.orders_removals
        unsure = {entry.contact.id for entry in asked if entry.contact is not None}
        take_in = self.ask_identities(asked, known=unsure, everyone=removes)

        def finish() -> None:
            take_in()
            if moving:
                self.ask_identities(moving, trusting=True)()
            if removes and entries:
                self._look_up_leads(entries)

        return finish

    def ask_identities(self, entries: Iterable[Entry], **how: t.Any) -> Callable[[], None]:
        """Ask for the identifiers of records, whatever the ledger says; `how` is as for `Matcher.ask`."""
        # A removal means the leads with an email, too; what is written must not be another contact's.
        also = [MatchBy.EMAIL] if self.stream.settings.orders_removals else [MatchBy.EXTERNAL_ID, MatchBy.EMAIL]
        identities = identities_of(entries)
        self.ids.find_for(identities)
        return self.matcher.ask(identities, self.stream.settings.match_by, self.known, also=also, **how)

    def _look_up_leads(self, entries: Sequence[Entry]) -> None:
        """Ask Intercom for all contacts with the emails of those that orders to remove find: they mean the person."""
        identities = identities_of(entries)
        linked = (entry.contact for entry in entries if entry.contact is not None)
        emails = {contact.email for contact in (*self.known.around(identities), *linked) if contact.email is not None}
        emails -= {identity.email for identity in identities if identity.email is not None}
        wanted = [Identity(email=email) for email in sorted(emails)]
        self.ids.find_for(wanted)
        self.matcher.look_up(wanted, [MatchBy.EMAIL], self.known, everyone=True)


def identities_of(entries: Iterable[Entry]) -> list[Identity]:
    """Return the identities of records, each once."""
    return list(dict.fromkeys(entry.draft.identity for entry in entries))
