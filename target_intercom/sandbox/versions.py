"""API versions, and what came with which."""

from __future__ import annotations

from dataclasses import dataclass

from target_intercom.sandbox import errors

_NEWEST_NUMBERED = 17


@dataclass(frozen=True, order=True)
class Version:
    """An API version. Preview is newer than any number."""

    number: tuple[int, int]
    name: str

    @classmethod
    def parse(cls, header: str | None) -> Version:
        """Return the version that answers a call.

        Without a header Intercom takes the version set for the app (docs update-your-api-version): here
        2.16, the newest that its OpenAPI repository numbers.

        Raises:
            IntercomError: There is no such version.
        """
        if not header:
            return DEFAULT
        version = _KNOWN.get(header.lower())
        if version is None:
            raise errors.unknown_version(header)
        return version

    @property
    def owner_is_text(self) -> bool:
        """Return whether `owner_id` is a string (OAS-2.16 #contact; an integer in OAS-2.15)."""
        return self.number >= (2, 16)

    @property
    def merged_is_gone(self) -> bool:
        """Return a merged contact is 410 and names its survivor (OAS-2.16 GET /contacts/{id})."""
        return self.number >= (2, 16)

    @property
    def email_verified_writable(self) -> bool:
        """Return whether `email_verified` can be written (OAS-2.16 #create_contact_request)."""
        return self.number >= (2, 16)

    @property
    def merge_check_skippable(self) -> bool:
        """Return whether `skip_duplicate_validation` exists (OAS-2.16 POST /contacts/merge)."""
        return self.number >= (2, 16)

    @property
    def tagging_skips_missing(self) -> bool:
        """Return whether POST /tags says who was tagged and skips the missing (OAS-2.16 #tag_create_response)."""
        return self.number >= (2, 16)

    @property
    def last_request_writable(self) -> bool:
        """Return whether `update_last_request_at` exists (OAS-2.16 #create_or_update_company_request)."""
        return self.number >= (2, 16)

    @property
    def companies_escaped(self) -> bool:
        """Return whether a company's name and company_id are HTML-escaped (docs 2.17 attachcontacttoacompany)."""
        return self.number >= (2, 17)

    @property
    def company_shows_notes(self) -> bool:
        """Return whether a company has a list of its notes (OAS-P POST /companies, not in OAS-2.16)."""
        return self == PREVIEW

    @property
    def sort_order_checked(self) -> bool:
        """Return an unknown sort order is refused (OAS-2.16 POST /contacts/search)."""
        return self.number >= (2, 16)

    @property
    def conversation_attributes_moved(self) -> bool:
        """Return whether `GET /data_attributes?model=conversation` is refused (OAS-2.16)."""
        return self.number >= (2, 16)

    @property
    def exact_timestamps(self) -> bool:
        """Return whether standard timestamps are searched by the second (docs references/2.17/changelog)."""
        return self.number >= (2, 17)

    @property
    def language_writable(self) -> bool:
        """Return whether `language_override` can be written (OAS-P #create_contact_request, Preview only)."""
        return self == PREVIEW

    @property
    def messenger_writable_default(self) -> bool:
        """Return what `messenger_writable` is when nobody says (docs references/2.11/changelog)."""
        return self.number < (2, 11)


PREVIEW = Version((99, 0), "Preview")
DEFAULT = Version((2, 16), "2.16")
_NUMBERED = [Version((2, minor), f"2.{minor}") for minor in range(_NEWEST_NUMBERED + 1)]
# "Unstable" is Preview's older name and still accepted (docs references/preview/introduction).
_KNOWN = {version.name: version for version in _NUMBERED} | {"preview": PREVIEW, "unstable": PREVIEW}
