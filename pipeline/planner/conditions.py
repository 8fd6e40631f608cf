"""A candidate elsewhere: its predicted latency at another uplink rate, round trip or load."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from pipeline.link.model import message_bytes
from pipeline.planner.aging import FRESH, left_after

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.plan.plan import Candidate
    from pipeline.planner.aging import Aging

PPM = 1_000_000

# A candidate may agree this much less with the reference than the best feasible one and still
# win by being faster: two points of box F1 or mask IoU.
AGREEMENT_SLACK = 0.02

_NS_PER_S = 1_000_000_000
_ANYWHERE = frozenset(
    {"agreement", "memory", "pixels"}
)  # constraints that no link and no device mends
_FULLEST_PPM = 990_000  # a device that is always busy has no finite wait


class Conditions(NamedTuple):
    """What a plan map is drawn over.

    Attributes:
        up_bits_per_s: Rate of the uplink, above 0.
        rtt_ns: Round trip of an empty message.
        load_ppm: Share of the time that the cloud's device is busy with others' work, in parts per
            million, below a million.
    """

    up_bits_per_s: int
    rtt_ns: int
    load_ppm: int = 0


def crosses(candidate: Candidate) -> bool:
    """Whether a candidate uses the link."""
    return bool(candidate.cut)


def wait_at_load_ns(service_ns: int, load_ppm: int) -> int:
    """Mean wait for a device that others keep busy, in ns.

    M/D/1 with jobs as long as one's own, `rho s / (2 (1 - rho))` (planning.md 4.5).
    """
    load_ppm = min(load_ppm, _FULLEST_PPM)
    return service_ns * load_ppm // (2 * (PPM - load_ppm))


def latency_then_ns(candidate: Candidate, nominal: Conditions, at: Conditions) -> int:
    """Latency of a candidate at other conditions, from its prediction at the nominal ones, in ns.

    Its hedge is left aside. The bytes that it sends up go at the other rate, the round trip is paid
    once, and it waits for the cloud's device. What comes back is left at its rate.
    """
    if not crosses(candidate):
        return candidate.alone_ns
    bits = 8 * message_bytes(candidate.bytes_up) * _NS_PER_S
    service_ns = candidate.spans.get("cloud", 0)
    return (
        candidate.alone_ns
        - bits // nominal.up_bits_per_s
        + bits // at.up_bits_per_s
        + at.rtt_ns
        - nominal.rtt_ns
        + wait_at_load_ns(service_ns, at.load_ppm)
        - wait_at_load_ns(service_ns, nominal.load_ppm)
    )


def best_of(
    candidates: Sequence[Candidate],
    latencies_ns: Sequence[int],
    deadline_ns: int,
    in_pace: Sequence[bool],
    *,
    aging: Aging = FRESH,
) -> int:
    """Index of the candidate that the plan's rule takes, given what each would take.

    The fastest of those in pace, and in time by themselves or by their hedge, that agree best, to
    two points; what needs its hedge by the agreement expected of both. Where there is none, the
    fastest of all. Only allowed ones count, and there must be one; what goes without the hedge that
    the scenario asks for counts only where it alone can run.

    Args:
        candidates: The candidates.
        latencies_ns: Latency of each without its hedge.
        deadline_ns: The task's shortest deadline.
        in_pace: Whether each keeps pace with the task's frames.
        aging: What an answer is worth by its age.
    """
    allowed = [i for i in asked(candidates) if in_pace[i]]
    alone = [i for i in allowed if latencies_ns[i] <= deadline_ns]
    covered = [i for i in allowed if i not in alone and _covered(candidates[i], deadline_ns)]
    in_time = [*alone, *covered]
    then = {i: _then(candidates[i], latencies_ns[i], aging) for i in (*alone, *covered)}
    worth = [then[i].alone_worth for i in alone]
    worth += [then[i].expected or 0.0 for i in covered]
    if not in_time:
        return min(asked(candidates), key=lambda i: (latencies_ns[i], i))
    best = max(worth)
    good = [i for i, mine in zip(in_time, worth, strict=True) if mine >= best - AGREEMENT_SLACK]
    return min(good, key=lambda i: (latencies_ns[i], candidates[i].bytes_up, i))


def _then(candidate: Candidate, latency_ns: int, aging: Aging) -> Candidate:
    """A candidate with what is left of its answers at another latency."""
    more_ns = latency_ns - candidate.alone_ns
    left = left_after(candidate, more_ns, aging)
    return candidate if left == candidate.left else replace(candidate, left=left)


def _covered(candidate: Candidate, deadline_ns: int) -> bool:
    cover = candidate.hedge
    return cover is not None and cover.keeps and cover.least_ns <= deadline_ns


def asked(candidates: Sequence[Candidate]) -> list[int]:
    """Indices of the candidates that may run as the scenario asks: with its hedge, where it can.

    Those of `eligible`, without what stands there with a hedge as well. A hedge that the car's
    device cannot keep pace with does not count.
    """
    found = eligible(candidates)
    covered: dict[str, list[Candidate]] = {}
    for i in found:
        if candidates[i].hedge is not None:
            covered.setdefault(candidates[i].route.id, []).append(candidates[i])
    return [
        i
        for i in found
        if candidates[i].hedge is not None
        or all(_slower(one, candidates[i]) for one in covered.get(candidates[i].route.id, ()))
    ]


def _slower(covered: Candidate, bare: Candidate) -> bool:
    """Whether a hedge keeps a device from keeping pace that does without it."""
    mine = {one.subject for one in covered.broken if one.constraint == "device"}
    return not mine <= {one.subject for one in bare.broken if one.constraint == "device"}


def eligible(candidates: Sequence[Candidate]) -> list[int]:
    """Indices of the allowed candidates that agreement, memory and privacy let run.

    Where there are none, those that privacy lets: a picture that has to stay is never sent. A plan
    is refused before where that leaves nothing.
    """
    private = [
        i for i, c in enumerate(candidates) if c.allowed and not _breaks(c, frozenset({"pixels"}))
    ]
    return [i for i in private if not _breaks(candidates[i], _ANYWHERE)] or private


def _breaks(candidate: Candidate, constraints: frozenset[str]) -> bool:
    return any(broken.constraint in constraints for broken in candidate.broken)
