"""What stays on each device during a drive: the segments of all that the vehicle may switch to.

Everything is loaded before the first frame and stays, so that a switch loads nothing and costs no
time. What does not fit beside the rest is therefore no cell of a plan map.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pipeline.planner.limits import held_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.planner.planning import Planned

    Pieces = dict[tuple[str, str], int]


def crowded_out(
    planned: Sequence[Planned], cells: Sequence[Sequence[int]]
) -> tuple[int, int] | None:
    """A candidate that has to leave a map for a device's memory; None where everything fits.

    Of those that need some of a device which is too full, the one that the fewest cells name. What
    the plan itself runs stays; where that alone is too much nothing is left to leave.

    Args:
        planned: The tasks' plans.
        cells: Per cell the candidate of each task, by index.

    Returns:
        The task's place and the candidate's index.
    """
    named = [Counter(cell[place] for cell in cells) for place in range(len(planned))]
    used = [[*{found.plan.run, *mine}] for found, mine in zip(planned, named, strict=True)]
    full = {device for device, (needs, has) in _held(planned, used).items() if needs > has}
    victims = [
        (count, place, index)
        for place, (found, mine) in enumerate(zip(planned, named, strict=True))
        for index, count in mine.items()
        if index != found.plan.run
        and found.plan.candidates[index].route.id != found.plan.route.id
        and any(device in full for device, _ in _pieces(found, index))
    ]
    return None if not full or not victims else min(victims)[1:]


def overfull(planned: Sequence[Planned]) -> list[str]:
    """Devices that have too little memory for what all tasks run together, in words."""
    held = _held(planned, [[found.plan.run] for found in planned])
    return [
        f"{device}: what all tasks run needs {needs / 1e6:.1f} MB there, and it has "
        f"{has / 1e6:.1f} MB; take a smaller variant, or other devices (`tasks.NAME.devices`)"
        for device, (needs, has) in held.items()
        if needs > has
    ]


def _held(planned: Sequence[Planned], used: Sequence[Sequence[int]]) -> dict[str, tuple[int, int]]:
    """Bytes that some candidates need on each device together, and that it has, where known."""
    pieces: Pieces = {}
    memory: dict[str, int] = {}
    for found, mine in zip(planned, used, strict=True):
        placed = found.world.placed.values()
        memory |= {d.name: d.memory_bytes for d in placed if d.memory_bytes is not None}
        for index in mine:
            pieces |= _pieces(found, index)
    needs: dict[str, int] = {}
    for (device, _), size in pieces.items():
        needs[device] = needs.get(device, 0) + size
    return {device: (needs.get(device, 0), has) for device, has in memory.items()}


def _pieces(planned: Planned, index: int) -> Pieces:
    """Bytes of each segment of a candidate, by device and name; its hedge's as one piece.

    Candidates share segments of one name, which are there once.
    """
    draft, candidate = planned.drafts[index], planned.plan.candidates[index]
    graph = planned.subject_of(draft).graph
    found: Pieces = {}
    for part in draft.parts:
        held = held_bytes(graph, [part], planned.world)
        found[part.device, part.segment] = held[part.device]
    own = held_bytes(graph, draft.parts, planned.world)
    for device, size in candidate.memory.items():
        more = size - own.get(device, 0)
        if more > 0 and candidate.hedge is not None:
            found[device, f"{planned.plan.task}/{candidate.hedge.form}/{more}"] = more
    return found
