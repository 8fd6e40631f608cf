"""Parts of the uplink: what each task needs for its frames, and how the link is divided by that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace as with_values

from pipeline.link.model import message_bytes
from pipeline.planner.conditions import crosses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.plan.plan import Candidate
    from pipeline.plan.together import TaskTogether
    from pipeline.planner.problems import Sharer

RESERVE_PPM = 10_000
"""Part of the uplink that no task's share takes: credits and refusals go there."""

_PPM = 1_000_000
_NS_PER_S = 1_000_000_000


def needed_bits_per_s(sharer: Sharer, candidate: Candidate, wait_ns: int) -> int:
    """Uplink rate at which a frame is just in time, and the next one finds the link free."""
    if not crosses(candidate):
        return 0
    planned = sharer.planned
    bits = 8 * message_bytes(candidate.bytes_up) * _NS_PER_S
    rest_ns = candidate.alone_ns + wait_ns - planned.world.link.serial_ns(candidate.bytes_up, "up")
    left_ns = planned.deadline_ns - rest_ns
    kept_pace = -(-bits // sharer.period_ns)
    return kept_pace if left_ns <= 0 else max(kept_pace, -(-bits // left_ns))


def shared_out(
    sharers: Sequence[Sharer], tasks: Sequence[TaskTogether]
) -> tuple[TaskTogether, ...]:
    """The tasks with their shares of the uplink: in proportion to the rates that they need."""
    wants = [
        0 if sharer.own_lane else task.needs_bits_per_s
        for sharer, task in zip(sharers, tasks, strict=True)
    ]
    total = sum(wants)
    if sum(want > 0 for want in wants) < 2:  # noqa: PLR2004 - one alone has nobody to share with
        return tuple(tasks)
    rest = _PPM - RESERVE_PPM
    return tuple(
        with_values(task, share_ppm=want * rest // total)
        for task, want in zip(tasks, wants, strict=True)
    )
