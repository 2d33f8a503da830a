"""What is asked of a ledger, and one that remembers nothing. No SQL here."""

from __future__ import annotations

import typing as t

from target_intercom.ledger.remembered import Doubt, Stamp

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from target_intercom.errors import LeadPendingError
    from target_intercom.ledger.remembered import Holder, LedgerEntry, Loaded, UnchangedRow
    from target_intercom.model import Contact, ContactId, Email, Identity, RecordKey
    from target_intercom.reporting.ended_run import EndedRun


class Streams:
    """The streams that runs work on; a ledger that remembers nothing knows none."""

    def enter(
        self, stream: str, keys: Sequence[str], *, alone: bool, removes: bool = False, object_: str = "contacts"
    ) -> None:
        """Begin to work on a stream with these key properties; `alone` keeps every other run off it.

        `object_`: what its records are. `removes`: this run may come to remove missing contacts, so it finds out
        whether other runs are there.

        Raises:
            StreamRefusedError: the ledger has records of the stream that are of another object.
            StreamBusyError: another run is alone with the stream, or is there while this one has to be alone.
        """

    def was_alone(self, stream: str) -> bool:
        """Check whether no other run has worked on a stream beside this one, which is alone with it by now.

        Raises:
            LedgerError: the database may have let others in meanwhile.
        """
        del stream
        return True

    def of_contacts(self) -> Sequence[str]:
        """Return the streams of contacts."""
        return ()

    def known_before(self, stream: str) -> int | None:
        """Return how many contacts, or memberships, a stream had when its last run succeeded; None: none did."""
        del stream
        return None

    def last_runs(self) -> Mapping[str, str]:
        """Return all streams, with the time when the last run of each began (UTC, ISO 8601)."""
        return {}


class LeadIntents:
    """The leads that are about to be made; a ledger that remembers nothing lets each be made. Safe from any thread."""

    def add(self, email: Email, replacing: Stamp | None) -> Stamp:
        """Write that a lead is about to be made, for good before it is sent; returns when.

        The intent stays after the lead is made, since another run that looked before will not see the lead for a
        while. `replacing` is the stamp of an earlier intent whose lead is not there.

        Raises:
            LeadPendingError: there is another intent.
        """
        del email
        return Stamp(0) if replacing is None else replacing

    def add_all(
        self, replacing: Mapping[Email, Stamp | None], ahead_seconds: float
    ) -> Mapping[Email, Stamp | LeadPendingError]:
        """Write that leads are about to be made together, which may take `ahead_seconds`; each as `add`."""
        del ahead_seconds
        return {email: Stamp(0) if earlier is None else earlier for email, earlier in replacing.items()}

    def drop(self, emails: Sequence[Email]) -> None:
        """Delete the intents of leads that were surely not made."""


class UnarchivedContacts:
    """Contacts that were brought back from the archive only to be read; without a memory, those of this run.

    Safe from any thread.
    """

    def __init__(self) -> None:
        """Nobody is brought back yet."""
        self._left: dict[ContactId, str] = {}

    def note(self, contact: ContactId, stream: str) -> None:
        """Write, for good before it is done, that a contact is brought back on account of a stream's record."""
        self._left[contact] = stream

    def forget(self, contact: ContactId) -> None:
        """Delete the note of a contact that is archived again, gone, or live because a record says so."""
        self._left.pop(contact, None)

    def left(self) -> Mapping[ContactId, str]:
        """Return the contacts of which this run has notes, with their streams."""
        return dict(self._left)

    def take_over(self) -> Mapping[ContactId, str]:
        """Make this run the owner of the notes whose runs have ended; return its contacts with their streams.

        While another run works on a stream, it may be reading the stream's contacts: it keeps their notes.
        """
        return {}


class Ledger:
    """A ledger that remembers nothing (`ledger_url: none`), and the interface of the one that does.

    It is of one workspace and one run. Every method may raise `LedgerError`.
    """

    remembers: t.ClassVar[bool] = False
    """Whether it remembers records: whether keys and hashes have to be made."""
    streams: Streams = Streams()
    intents: LeadIntents = LeadIntents()
    unarchived: UnarchivedContacts

    def __init__(self) -> None:
        """Remember nothing."""
        self.unarchived = UnarchivedContacts()

    def recall(self, stream: str, keys: Sequence[RecordKey]) -> Mapping[RecordKey, LedgerEntry]:
        """Return the entries of these records, as far as they are known."""
        del stream, keys
        return {}

    def unchanged(self, stream: str, keys: Sequence[RecordKey]) -> Mapping[RecordKey, UnchangedRow]:
        """Return the records whose users are in line with them, groups included, and that have a `source`."""
        del stream, keys
        return {}

    def save_source_hashes(self, stream: str, sources: Mapping[RecordKey, str]) -> None:
        """Write the `source` of records."""

    def adopt(self, contacts: Sequence[Contact]) -> None:
        """Write the ids of contacts into records that name them without, before the contacts' identifiers change.

        Safe from any thread.
        """

    def doubt(self, contacts: Sequence[ContactId]) -> Doubt:
        """Write, before contacts are changed or removed, that they may be otherwise than any record says.

        Records of the stream that are overruled then (`remember`) are in doubt until all records came; after that they
        stay as they are while the contact is that of the record that overruled them. Safe from any thread.

        Returns:
            The doubt, for `trust`.
        """
        del contacts
        return Doubt("")

    def begin(self, stream: str, keys: Sequence[RecordKey]) -> None:
        """Write, before it is done, that contacts are made for records that the ledger does not know."""

    def take_back(self, stream: str, keys: Sequence[RecordKey]) -> None:
        """Write that no contacts were made for records, whichever run began to."""

    def trust(self, contacts: Sequence[ContactId], doubt: Doubt) -> None:
        """Write that Intercom refused to change contacts: what only this doubt has put in doubt holds again."""

    def remember(self, stream: str, loaded: Sequence[Loaded]) -> None:
        """Write records that were loaded."""

    def see(self, stream: str, keys: Sequence[RecordKey], version: int | None) -> None:
        """Write that known records came again."""

    def written_since(self, since: Stamp) -> Iterable[Contact]:
        """Return the contacts that any run has changed or removed since, as they were then."""
        del since
        return ()

    def unnamed(self) -> Iterator[tuple[Contact, Stamp]]:
        """Yield the contacts of all streams whose Intercom ids are not known, and when they were made."""
        return iter(())

    def unnamed_with(self, identities: Iterable[Identity], since: Stamp) -> Sequence[tuple[Contact, Stamp]]:
        """Return the contacts without a known id that were made since and have an identifier of these, and when."""
        del identities, since
        return ()

    def name(self, found: Sequence[tuple[Contact, Contact]]) -> None:
        """Write the ids of contacts, given as they were unnamed and as they were found, for every record of each."""

    def misses(self, stream: str) -> bool:
        """Check whether a synced record of a stream has not come in this run."""
        del stream
        return False

    def unseen(self, stream: str, version: int | None = None) -> Iterator[Holder]:
        """Yield the synced records of a stream that have not come in this run, those of one contact together.

        `version`: records that last came with this version of the stream are not among them.
        """
        del stream, version
        return iter(())

    def holders(self, contacts: Sequence[ContactId]) -> Iterable[Holder]:
        """Return all records, of any stream, that name one of these contacts."""
        del contacts
        return ()

    def named(self, contacts: Sequence[ContactId]) -> Iterable[Contact]:
        """Return those of these contacts that records name, as they were when they were last written."""
        del contacts
        return ()

    def users_with(self, emails: Sequence[Email]) -> Iterable[Contact]:
        """Return the users that records name and that had one of these emails when they were last written."""
        del emails
        return ()

    def holds(self, stream: str, identity: Identity) -> bool:
        """Check whether a record of a stream names a contact that has one of these identifiers."""
        del stream, identity
        return False

    def activate(self, stream: str, version: int) -> None:
        """Write the version of the records that came in this run: their tap named it only after them."""

    def release(self, stream: str, keys: Sequence[RecordKey]) -> None:
        """Delete records that are missing from a stream and whose contacts stay."""

    def miss(self, stream: str, keys: Sequence[RecordKey]) -> None:
        """Write that records are missing or marked whose contacts stay for records of earlier runs, or refused ones."""

    def unlink(self, stream: str, keys: Sequence[RecordKey], *, with_tags: bool) -> None:
        """Write that records are marked as deleted and name their contacts no more, which stay or are gone.

        `with_tags`: the tags that the contacts have because of these records alone are to be taken off.
        """

    def removed(self, contacts: Mapping[ContactId, str]) -> None:
        """Write that contacts were removed, for every record that names them; with the streams on whose account."""

    def of(self, object_: str) -> Ledger:
        """Return the part of the ledger with the records of an object: what it calls contacts are these then.

        It is closed, and finished, with the ledger.
        """
        del object_
        return self

    def failures(self) -> Mapping[str, int]:
        """Return the subjects of calls that ended runs by failing alone, and how many runs in a row each ended."""
        return {}

    def note_failures(self, ended_by: str | None, worked: Collection[str]) -> None:
        """Write the subject of the call that ended this run by failing alone; delete those in `worked`."""

    def last_runs(self) -> Sequence[EndedRun]:
        """Return the runs of the workspace that have ended, the latest last; at most 100."""
        return ()

    def note_run(self, run: EndedRun) -> None:
        """Write what this run did, at its end."""

    def trust_overruled(self) -> None:
        """Write that all records came: what a later one has changed is as that one says, however the run ends."""

    def finish(self) -> None:
        """Write that the run succeeded, and how many contacts, or memberships, each of its streams has now."""

    def close(self) -> None:
        """Close the database and release the locks; safe to call twice."""
