"""The settings and mappings that a stream takes by its `object`: contacts, groups, companies, their members. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from target_intercom.kinds.attribute_names import custom_name
from target_intercom.kinds.companies import COMPANIES
from target_intercom.kinds.contacts import CONTACTS
from target_intercom.model import CUSTOM_PREFIX, MatchBy
from target_intercom.settings.config import COMPANY_ID, TAG, RemovalMode, StreamConfig, StreamObject
from target_intercom.settings.values import shown

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_intercom.kinds.entity import EntityKind
    from target_intercom.model import Json

_IDENTIFIERS: t.Final = tuple(which.value for which in MatchBy)
_GENERAL: t.Final = StreamConfig()


@dataclass(frozen=True)
class ObjectRules:
    """What a stream of an object takes."""

    streams: str
    """How messages call such a stream."""
    kind: EntityKind | None = None
    """Its records' kind; None: they name links of contacts."""
    targets: tuple[str, ...] = ()
    """What properties can be mapped to, beside the attributes of its kind."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """The settings that it does not take, and why; they are ignored where they are set for all streams."""

    @property
    def named(self) -> str:
        """The names that properties can be mapped to."""
        of_kind = () if self.kind is None else (*self.kind.mappable, f"{CUSTOM_PREFIX}NAME")
        return ", ".join((*of_kind, *self.targets))


_KNOWN_BY_KEY: t.Final = "is for contacts: companies are known by their company_id"


def _refused_by_links(one_link: str) -> Mapping[str, str]:
    """Return what a stream of memberships does not take. `one_link`: why it has no lists."""
    return MappingProxyType(
        {
            "create_attributes": "is for contacts and companies: a membership has no attributes",
            "creation_mode": "is for contacts: a membership creates none",
            "match_by": "is for contacts: a membership is of the contact that its identifiers find",
            "removal_mode": "is for contacts: a membership ends, and removes none",
            "tags_property": f"is for contacts: {one_link}",
            "companies_property": f"is for contacts: {one_link}",
        }
    )


_RULES: t.Final[Mapping[StreamObject, ObjectRules]] = MappingProxyType(
    {
        StreamObject.CONTACTS: ObjectRules("a stream of contacts", CONTACTS),
        StreamObject.GROUPS: ObjectRules(
            "a groups stream",
            targets=(*_IDENTIFIERS, TAG),
            refused=_refused_by_links("a record of a groups stream names one group"),
        ),
        StreamObject.COMPANIES: ObjectRules(
            "a stream of companies",
            COMPANIES,
            refused=MappingProxyType(
                {
                    "creation_mode": _KNOWN_BY_KEY,
                    "match_by": _KNOWN_BY_KEY,
                    "tags_property": "is for contacts: tags of companies are not loaded",
                    "companies_property": "is for contacts: a company is in no company",
                }
            ),
        ),
        StreamObject.COMPANY_MEMBERS: ObjectRules(
            "a company_members stream",
            targets=(*_IDENTIFIERS, COMPANY_ID),
            refused=_refused_by_links("a record of a company_members stream names one company"),
        ),
    }
)


def rules_of(config: StreamConfig) -> ObjectRules:
    """Return what a stream takes that is not ignored."""
    return _RULES[config.object]


def general_for(kind: StreamObject, general: StreamConfig) -> StreamConfig:
    """Return the general settings as far as they hold for streams of an object."""
    match kind:
        case StreamObject.COMPANIES:
            return replace(
                general,
                creation_mode=_GENERAL.creation_mode,
                removal_mode=RemovalMode.ARCHIVE,
                match_by=(MatchBy.EXTERNAL_ID,),
                mappings=MappingProxyType({}),
                tags_property=None,
                companies_property=None,
            )
        case StreamObject.COMPANY_MEMBERS | StreamObject.GROUPS:
            own = general.mappings if kind is StreamObject.GROUPS else MappingProxyType({})
            return replace(
                general,
                match_by=tuple(MatchBy),
                mappings=own,
                tags_property=None,
                companies_property=None,
            )
        case _:
            return general


def foreign_settings(name: str, given: Mapping[str, Json], config: StreamConfig) -> Iterator[str]:
    """Yield an error for each setting that a stream is given and does not take. `given`: its own settings."""
    for setting, why in rules_of(config).refused.items():
        if given.get(setting) is not None:
            yield f"Setting 'streams.{name}.{setting}' {why}"
    if config.is_companies and config.removal_mode is RemovalMode.DELETE:
        allowed = f"give {shown(RemovalMode.ARCHIVE.value)}, or take it out: Intercom only archives companies"
        yield f"Setting 'streams.{name}.removal_mode' does not take {shown(RemovalMode.DELETE.value)}: {allowed}"


def mapping_errors(setting: str, config: StreamConfig, *, of_groups: bool = False) -> Iterator[str]:
    """Yield an error for each mapping that a stream does not take. `of_groups`: the mappings hold for groups, too."""
    rules, taken = rules_of(config), dict[str, str]()
    for prop, attribute in config.mappings.items():
        if attribute is None:
            continue
        why = _twice(attribute, taken) or _not_taken(attribute, rules, of_groups=of_groups)
        if why is not None:
            yield f"{setting}[{shown(prop)}] does not take {shown(attribute)}: {why}"
        elif isinstance(attribute, str):
            taken[attribute] = prop


def _twice(attribute: Json, taken: Mapping[str, str]) -> str | None:
    if not isinstance(attribute, str) or attribute not in taken:
        return None
    return f"give each attribute once ({shown(taken[attribute])} is mapped to it, too)"


def _not_taken(attribute: Json, rules: ObjectRules, *, of_groups: bool) -> str | None:
    """Return why no property of a stream can be mapped to an attribute; None: it can."""
    if attribute in rules.targets or (of_groups and attribute == TAG):
        return None
    if isinstance(attribute, str) and rules.kind is not None:
        kind, custom = rules.kind, attribute.removeprefix(CUSTOM_PREFIX)
        if attribute in kind.mappable or (
            custom != attribute and custom.strip() and not kind.is_standard(custom_name(custom))
        ):
            return None
        if (hint := _hint(attribute, custom, kind)) is not None:
            return hint
    return f"{rules.streams} takes {rules.named}. Give one of these, or null to leave the property out"


def _hint(attribute: str, custom: str, kind: EntityKind) -> str | None:
    """Return what may have been meant by an attribute that a kind does not have."""
    decided = next((one.set_by for one in kind.attributes if one.name == attribute), None)
    if decided is not None:
        return f"give any other attribute: '{decided}' decides the {attribute}"
    if kind is CONTACTS and attribute == TAG:
        return "that is for groups streams ('groups_stream'); 'tags_property' names the groups of a contact"
    if kind is CONTACTS and attribute == COMPANY_ID:
        return "that is for companies and their members; 'companies_property' names the companies of a contact"
    if custom != attribute and kind.is_standard(custom_name(custom)):
        return "give another name: Intercom takes no custom attribute named like a standard one"
    return None
