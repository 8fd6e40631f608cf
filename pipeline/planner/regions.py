"""The plan map of one task: which candidate is best over the uplink's rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipeline.link.model import message_bytes
from pipeline.planner.planning import AGREEMENT_SLACK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.plan.plan import Candidate

_NS_PER_S = 1_000_000_000
_PER_OCTAVE = 4  # rates that are looked at between one and its double
_AT_ANY_RATE = ("agreement", "memory", "pixels")
_ABOVE = 2  # octaves above the nominal rate


class Region(NamedTuple):
    """From an uplink rate on, up to the next region's, this candidate is the one to run."""

    from_bits_per_s: int
    candidate: int


def regions(
    candidates: Sequence[Candidate],
    *,
    nominal_bits_per_s: int,
    lowest_bits_per_s: int,
    deadline_ns: int,
) -> list[Region]:
    """Regions from the highest rate down; the last one begins at 0.

    A candidate's latency is its prediction at the nominal rate, with the bytes that it sends upward
    at the other rate. The rule of choice is the plan's: the fastest of those in time that agree
    best; the fastest of all where none is in time.

    Args:
        candidates: Candidates of the task, priced at the nominal rate.
        nominal_bits_per_s: That rate.
        lowest_bits_per_s: Least rate that is told apart from none.
        deadline_ns: The task's shortest deadline.
    """
    found: list[Region] = []
    rate = nominal_bits_per_s << _ABOVE
    step = 0
    while True:
        at_bits_per_s = round(rate * 2 ** (-step / _PER_OCTAVE))
        best = _best(candidates, nominal_bits_per_s, at_bits_per_s, deadline_ns)
        if found and found[-1].candidate == best:
            found[-1] = Region(at_bits_per_s, best)
        else:
            found.append(Region(at_bits_per_s, best))
        if at_bits_per_s <= lowest_bits_per_s:
            found[-1] = Region(0, found[-1].candidate)
            return found
        step += 1


def _best(
    candidates: Sequence[Candidate], nominal_bits_per_s: int, at_bits_per_s: int, deadline_ns: int
) -> int:
    def latency_ns(candidate: Candidate) -> int:
        if not candidate.bytes_up:
            return candidate.latency_ns
        bits = 8 * message_bytes(candidate.bytes_up)
        then_ns = bits * _NS_PER_S // nominal_bits_per_s
        return candidate.latency_ns - then_ns + bits * _NS_PER_S // at_bits_per_s

    able = [i for i, candidate in enumerate(candidates) if candidate.allowed]
    allowed = [i for i in able if not _never(candidates[i])] or able
    in_time = [i for i in allowed if latency_ns(candidates[i]) <= deadline_ns]
    if not in_time:
        return min(allowed, key=lambda i: (latency_ns(candidates[i]), i))
    best = max(candidates[i].agreement or 0.0 for i in in_time)
    good = [i for i in in_time if (candidates[i].agreement or 0.0) >= best - AGREEMENT_SLACK]
    return min(good, key=lambda i: (latency_ns(candidates[i]), i))


def _never(candidate: Candidate) -> bool:
    """Whether it is ruled out at any rate."""
    return any(broken.constraint in _AT_ANY_RATE for broken in candidate.broken)
