"""What the demo says after its verdict: its plan beside simpler ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.cli.printing import print_table

if TYPE_CHECKING:
    from pipeline.api import Demonstration, Standing
    from pipeline.cli.options import Common

_HEADER = ("", "plan", "route", "on time", "accuracy", "streaming", "up B", "mJ")


def print_standings(common: Common, found: Demonstration) -> None:
    """The plans side by side; nothing where the comparison was left out."""
    if not found.standings:
        return
    print()
    print("the same drive and link in virtual time, per offered frame; all modelled")
    print_table(common, _HEADER, [_row(standing) for standing in found.standings], left=3)
    print(" accuracy is the mean average precision of what was delivered, streaming that of what")
    print(" was known at each instant; * nothing beats it in on time, streaming, bytes and energy")


def _row(standing: Standing) -> tuple[str, ...]:
    entry = standing.entry
    return (
        "*" if entry.best else "",
        standing.rival.title,
        entry.route,
        f"{100 * entry.on_time:.1f} %",
        _figure(standing.accuracy),
        _figure(entry.streaming),
        f"{entry.bytes_up:,.0f}".replace(",", " "),
        "n/a" if entry.energy_mj is None else f"{entry.energy_mj:.2f}",
    )


def _figure(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"
