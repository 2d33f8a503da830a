"""The table as a plot."""

from __future__ import annotations

import typing as t
from importlib import import_module

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_FIGURES = {
    "calls_per_thousand": "calls per 1,000 contacts",
    "contacts_per_second": "contacts per second",
    "records_per_cpu_second": "records per CPU second",
    "peak_mb": "peak memory, MB",
}
_STYLES = {"single": ("o", "#1f77b4"), "bulk": ("s", "#2ca02c"), "naive": ("^", "#d62728")}


def draw(cells: Sequence[Mapping[str, t.Any]], path: Path) -> bool:
    """Draw each figure over the number of contacts, a column for each load; False where matplotlib is not installed.

    It is imported here, not above: it is no part of the development environment, and its size would count as that of
    the programs that are measured.
    """
    try:
        figure_module = import_module("matplotlib.figure")
    except ImportError:
        return False
    loads = list(dict.fromkeys(cell["load"] for cell in cells))
    figure = figure_module.Figure(figsize=(3.2 * len(loads), 2.6 * len(_FIGURES)), layout="constrained")
    axes = figure.subplots(len(_FIGURES), len(loads), sharex=True, sharey="row", squeeze=False)
    for row, (name, label) in zip(axes, _FIGURES.items(), strict=True):
        row[0].set_ylabel(label)
        for axis, load in zip(row, loads, strict=True):
            _lines(axis, [cell for cell in cells if cell["load"] == load], name)
    for axis, load in zip(axes[0], loads, strict=True):
        axis.set_title(load, fontsize="small", wrap=True)
    for axis in axes[-1]:
        axis.set_xlabel("contacts")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels))
    figure.savefig(path, dpi=100)
    return True


def _lines(axis: t.Any, cells: Sequence[Mapping[str, t.Any]], name: str) -> None:
    axis.set_xscale("log")
    axis.set_yscale("linear" if name == "peak_mb" else "log")
    axis.grid(visible=True, alpha=0.3)
    for writer, (marker, colour) in _STYLES.items():
        own = [cell for cell in cells if cell["writer"] == writer]
        if own:
            x, y = [cell["contacts"] for cell in own], [cell[name] for cell in own]
            axis.plot(x, y, marker=marker, color=colour, label=writer)
    if name == "peak_mb":
        axis.set_ylim(bottom=0)
