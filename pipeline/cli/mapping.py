"""The plan map for people: a letter per cell, rate across, round trip down, a panel per load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.cli.tables import console, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.cli.options import Common
    from pipeline.plan.document import CandidateDocument, PlanDocument, TaskDocument
    from pipeline.plan.mapped import MapDocument, MapTaskDocument

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_CELL, _LEAST_CELL = 6, 3  # columns of a terminal
_BEFORE = 10  # the same, in front of the cells


def print_map(common: Common, document: PlanDocument) -> None:
    """Each task's map with its legend; the plan's own cell stands in brackets.

    In a narrow terminal cells move together, and not every rate is written down.
    """
    found = document["map"]
    if found is None:
        return
    tasks = {task["name"]: task for task in document["tasks"]}
    for mapped in found["tasks"]:
        _print_task(common, found, mapped, tasks[mapped["name"]])


def _print_task(
    common: Common, found: MapDocument, mapped: MapTaskDocument, task: TaskDocument
) -> None:
    used = sorted({index for panel in mapped["cells"] for row in panel for index in row})
    letters = {index: _LETTERS[place % len(_LETTERS)] for place, index in enumerate(used)}
    axes = "uplink in Mbit/s across, round trip in ms down; as predicted"
    say(common, f"map of {mapped['name']}  ({axes})")
    for index in used:
        print(f"  {letters[index]}  {_legend(task['candidates'][index])}")
    for index in found["refused"].get(mapped["name"], []):
        print(f"  not on it, for memory: {task['candidates'][index]['title']}")
    at = found["nominal"]
    here = (
        found["load"].index(at["load"]),
        found["rtt_ms"].index(at["rtt_ms"]),
        found["up_mbps"].index(at["up_mbps"]),
    )
    room = (console(common).width - _BEFORE) // len(found["up_mbps"])
    cell = max(_LEAST_CELL, min(_CELL, room))
    header = _header(found["up_mbps"], cell)
    before: list[list[int]] | None = None
    for place, (load, panel) in enumerate(zip(found["load"], mapped["cells"], strict=True)):
        if panel == before:
            print(f"  cloud {100 * load:.0f} % busy: the same")
            continue
        before = panel
        print(f"  cloud {100 * load:.0f} % busy")
        print(f"  {'':8}{header}")
        for row, (rtt, cells) in enumerate(zip(found["rtt_ms"], panel, strict=True)):
            marks = [
                f"[{letters[i]}]" if (place, row, column) == here else f"{letters[i]} "
                for column, i in enumerate(cells)
            ]
            shown = "".join(f"{mark:>{cell}}" for mark in marks)
            print(f"  {rtt:8.4g}{shown}")
    print()


def _header(rates_mbps: Sequence[float], cell: int) -> str:
    """The rates above their columns, as many as have room: each ends where its letter stands."""
    every = -(-_CELL // cell)
    return "".join(
        f"{_rate(rate):>{cell * every}}"
        for rate in rates_mbps[every - 1 :: every]  # each takes the room of those before it
    )


def _rate(mbps: float) -> str:
    return f"{mbps:.0f}" if mbps >= 100 else f"{mbps:.3g}"  # noqa: PLR2004 - shown digits


def _legend(candidate: CandidateDocument) -> str:
    """A candidate's title, of a split with its cut."""
    title = candidate["title"]
    if candidate["route"] != "split" or " at " in title:
        return title
    return f"{title} at {', '.join(candidate['cut'])}"
