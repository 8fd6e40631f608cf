"""How old the consumer's newest result is, and how long an event waits to be seen.

Data age. At every instant the consumer has some newest result, that with the latest scheduled time
of all that were delivered so far; its age is the instant less that scheduled time. It is observed
from the path's first scheduled time to its last one, or to the last delivery that made the result
newer where that comes later. Before the first result the age counts from the first scheduled time.
Late answers count, since the consumer has them; frames without one leave a gap in which the age
goes on growing. CARET and the literature on cause-effect chains call this the data age.

Reaction time. An event just after a frame's instant is in no frame before the next one. Its
reaction is the time from there to the first delivery of a result of any later frame: the maximum
reaction time of cause-effect chains, CARET's response time in the case
`worst-with-external-latency`. There is one for every frame but the last. An event that no result
ever showed counts with the time to the end of the observation, less than its reaction would be.

The largest age and the largest reaction of a path are equal (Günzel et al., On the Equivalence of
Maximum Reaction Time and Maximum Data Age for Cause-Effect Chains, ECRTS 2023; with the ends of the
observation as above it holds for every ledger, and a property test says so). The other percentiles
are not: ages are weighted by time, reactions by frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Freshness:
    """Ages and reactions of a path, exact in whole nanoseconds.

    Attributes:
        ages: Pieces during which the age grows with time, shape (m, 2): age at the begin and at the
            end of each, in ns; pieces of no length are left out.
        holders: Numbers of the frames before and after each piece, shape (m, 2): whose result was
            the newest, and whose delivery ended that. Before the first result it is the first
            frame; after the last delivery the last frame of the path.
        reactions_ns: Reaction to an event just after each frame but the last, shape (n - 1,).
        frames: Frames that were offered, n.
    """

    ages: NDArray[np.int64]
    holders: NDArray[np.int64]
    reactions_ns: NDArray[np.int64]
    frames: int

    @property
    def observed_ns(self) -> int:
        """How long the age was observed."""
        return int((self.ages[:, 1] - self.ages[:, 0]).sum())

    def worst(self) -> tuple[int, int, int] | None:
        """Largest age in ns, the frame that had it and the frame whose delivery ended it."""
        if len(self.ages) == 0:
            return None
        at = int(np.argmax(self.ages[:, 1]))
        return int(self.ages[at, 1]), int(self.holders[at, 0]), int(self.holders[at, 1])

    def age_at_share(self, percent: int) -> int | None:
        """The smallest age in ns that is not exceeded during so many per cent of the time.

        Args:
            percent: From 1 to 100.
        """
        if len(self.ages) == 0:
            return None
        # Time spent below an age is linear between the ends of pieces: as many ns per ns as there
        # are pieces that pass it.
        ends = np.concatenate([self.ages[:, 0], self.ages[:, 1]])
        steps = np.repeat(np.array([1, -1], np.int64), len(self.ages))
        order = np.argsort(ends, kind="stable")
        ends, passing = ends[order], np.cumsum(steps[order])
        below = np.concatenate([[0], np.cumsum(passing[:-1] * np.diff(ends))])
        wanted = -(-self.observed_ns * percent // 100)
        at = int(np.searchsorted(below, wanted, side="left"))  # below[at - 1] < wanted
        missing = wanted - int(below[at - 1])
        return int(ends[at - 1]) + -(-missing // int(passing[at - 1]))

    def above(self, limit_ns: int) -> tuple[int, int]:
        """How often and for how many ns in all the age was above a limit."""
        over = self.ages[:, 1] > limit_ns
        time_ns = self.ages[over, 1] - np.maximum(self.ages[over, 0], limit_ns)
        # A piece that begins at the limit or above goes on with the spell of the piece before it.
        begun = over & (self.ages[:, 0] < limit_ns)
        begun[1:] |= over[1:] & ~over[:-1]
        begun[:1] |= over[:1]
        return int(begun.sum()), int(time_ns.sum())


def observe(
    scheduled_ns: NDArray[np.int64],
    delivered_ns: NDArray[np.int64],
    answered: NDArray[np.bool_],
    frames: NDArray[np.int64],
) -> Freshness | None:
    """Ages and reactions of a path's rows, which are in the order of their scheduled times.

    Args:
        scheduled_ns: Scheduled time of every frame, not decreasing, shape (n,), run time in ns.
        delivered_ns: When its result was delivered, where it was, shape (n,).
        answered: Whether it was, shape (n,).
        frames: Its number, shape (n,).

    Returns:
        None where there is no frame.
    """
    if len(scheduled_ns) == 0:
        return None
    given = np.flatnonzero(answered)
    given = given[np.lexsort((-scheduled_ns[given], delivered_ns[given]))]
    newest_ns = np.maximum.accumulate(
        np.concatenate([scheduled_ns[:1], scheduled_ns[given]]), dtype=np.int64
    )
    # Deliveries that made the consumer's result newer; the first result does so always.
    renews = scheduled_ns[given] > newest_ns[:-1]
    renews[:1] = True
    given = given[renews]

    holders = np.concatenate([[0], given])
    begins_ns = np.concatenate([scheduled_ns[:1], delivered_ns[given]])
    end_ns = max(int(scheduled_ns[-1]), int(begins_ns[-1]))
    begins_ns = np.concatenate([begins_ns, [end_ns]])
    begins_ns = np.maximum(begins_ns, scheduled_ns[0])
    since_ns = scheduled_ns[holders]
    ages = np.stack([begins_ns[:-1] - since_ns, begins_ns[1:] - since_ns], axis=1)
    between = np.stack(
        [frames[holders], frames[np.concatenate([given, [len(frames) - 1]])]], axis=1
    )
    lasting = ages[:, 1] > ages[:, 0]

    # The first delivery of anything later than each frame, from the back.
    at_ns = np.where(answered, delivered_ns, _NEVER)
    first_after_ns = np.minimum.accumulate(at_ns[::-1])[::-1]
    later = np.searchsorted(scheduled_ns, scheduled_ns[:-1], side="right")
    later = later[later < len(scheduled_ns)]
    seen_ns = np.minimum(first_after_ns[later], end_ns)
    return Freshness(
        ages=ages[lasting],
        holders=between[lasting],
        reactions_ns=seen_ns - scheduled_ns[: len(later)],
        frames=len(frames),
    )
