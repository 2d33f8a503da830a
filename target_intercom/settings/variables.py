"""Environment variables that look like settings and are not read: a run meant as a dry run would write."""

from __future__ import annotations

import difflib
import re
import typing as t

from target_intercom.settings.environment import is_of_meltano, meltano_variable

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_intercom.model import Json

_LOGLEVEL: t.Final = "LOGLEVEL"
"""No setting: the SDK reads it always."""
_DRY_RUN: t.Final = "DRY_RUN"
_ANY_DRY_RUN: t.Final = re.compile(r"DRY.*|.*_DRY_?RUN")
_FALSE: t.Final = frozenset({"", "0", "f", "false", "n", "no", "off"})
_CLOSE: t.Final = 0.85
"""How alike two names are, of which one is taken for a typing error of the other; as in a config file."""
_CLOSE_WITH_PREFIX: t.Final = 0.94
"""The same for names with their prefix: one error in TARGET_INTERCOM; TAP_INTERCOM is further away."""


class Unread(t.NamedTuple):
    """Sentences about variables that are not read; they name the variables, never their values."""

    warnings: list[str]
    errors: list[str]


def unread_variables(
    environment: Mapping[str, str], prefix: str, settings: Iterable[str], given: Mapping[str, Json], *, are_read: bool
) -> Unread:
    """Find the variables that are meant as settings and are not read.

    Args:
        environment: all variables.
        prefix: what the names of ours begin with.
        settings: the names of all settings.
        given: the settings of the run.
        are_read: whether settings are read from the environment.
    """
    names = {name.upper(): name for name in settings}
    by_meltano = is_of_meltano(given, environment)
    unread, warnings, errors = [], [], []
    for variable, value in sorted(environment.items()):
        meant = _meant(variable, prefix, [*names, _LOGLEVEL], by_meltano=by_meltano)
        if meant is None or value == "" or (variable == prefix + meant and (are_read or meant == _LOGLEVEL)):
            continue
        if meant == _DRY_RUN and given.get("dry_run") is not True and value.strip().lower() not in _FALSE:
            errors.append(
                f"Setting 'dry_run' is not read from the variable {variable}, and this run would write. Give --dry-run "
                "for a dry run; for a run that writes unset the variable, or set it to false"
            )
        elif variable != prefix + meant:
            warnings.append(f"Variable {variable} has no effect: did you mean {prefix}{meant}?")
        elif not by_meltano or environment.get(meltano_variable(names[meant])) != value:
            unread.append(variable)
    if unread:
        warnings.append(
            f"Variables that are set and not read: {', '.join(unread)}. Give --config=ENV to read them, or unset them; "
            "Meltano reads those whose settings its plugin names"
        )
    return Unread(warnings, errors)


def _meant(variable: str, prefix: str, names: list[str], *, by_meltano: bool) -> str | None:
    """Return the setting, in capitals, that a variable is meant for; None: it is meant for no setting."""
    written = re.sub(r"\W", "_", variable.upper())
    if not written.startswith(prefix):
        folded = {_folded(prefix + name): name for name in names}
        near = difflib.get_close_matches(_folded(written), folded, n=1, cutoff=_CLOSE_WITH_PREFIX)
        return folded[near[0]] if near else None
    rest = written.removeprefix(prefix).strip("_")
    if rest in names:
        return rest
    if any(rest.endswith(f"_{name}") for name in names):
        # A plugin of Meltano that inherits from this one, or a config of somebody's scripts: TARGET_INTERCOM_EU_REGION.
        return _DRY_RUN if not by_meltano and _ANY_DRY_RUN.fullmatch(rest) else None
    if _ANY_DRY_RUN.fullmatch(rest):
        return _DRY_RUN
    return next(iter(difflib.get_close_matches(rest, names, n=1, cutoff=_CLOSE)), None)


def _folded(name: str) -> str:
    return name.replace("_", "")
