"""Following objects from frame to frame: who is the same as before, and who is new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pipeline.errors import OutputContractError
from pipeline.tasks.outputs.protocol import Boxes, Boxes3D
from pipeline.tasks.tracking.measures import GroundMeasure, PictureMeasure
from pipeline.tasks.tracking.motion import Filters

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.tasks.outputs.protocol import Result

NOBODY = -1
"""In place of a track's number where an object belongs to none."""

_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tracked:
    """A result with the track of each of its objects.

    Attributes:
        result: The result, as it came.
        tracks: Number of each object's track, from 0, never used twice; -1 where it belongs to
            none; shape (n,), int64.
    """

    result: Boxes | Boxes3D
    tracks: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Who is followed, and how long.

    The thresholds are those of ByteTrack (Zhang et al., 2022, arXiv 2110.06864, section 4.1 and
    the project's defaults).

    Attributes:
        sure: Objects that score as much are matched first, and may begin tracks.
        least: Objects that score less than `sure`, but as much as this, only continue tracks.
        begin: Score from which an object that no track explains begins one.
        lost_ns: A track without an object is forgotten after this time.
    """

    sure: float = 0.5
    least: float = 0.1
    begin: float = 0.6
    lost_ns: int = 1_000_000_000


class Measure(Protocol):
    """What a tracker has to know of the kind of object that it follows."""

    def coordinates(self, result: Result) -> NDArray[np.float64]:
        """What is filtered; shape (objects, coordinates).

        Raises:
            OutputContractError: The result is of another kind.
        """

    def noises(self, place: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """Standard deviations at these coordinates: measured, acceleration, rate at the start."""

    def costs(
        self, expected: NDArray[np.float64], seen: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """How badly each expectation fits each object, infinity where not at all; (n, m)."""


class Tracker:
    """Follows the objects of one path in the order in which results are delivered.

    Tracks are expected where a filter of constant velocity has them. Objects that score high are
    matched to them first, then those that score low to tracks that are left, since a hidden
    object's score falls before it is lost; both times so that the sum of costs is least
    (`scipy.optimize.linear_sum_assignment`). An object that scores high and fits no track begins
    one. The manner is ByteTrack's (Zhang et al., 2022, arXiv 2110.06864); filter and costs are in
    `motion` and `measures`. Boxes in a picture are followed by their overlap, boxes in space by the
    distance of their centres on the ground, in the ego frame.

    A result that is older than one before it moves nothing: its objects belong to nobody.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._measure: Measure | None = None
        self._filters = Filters()
        self._numbers: NDArray[np.int64] = np.zeros(0, np.int64)
        self._classes: NDArray[np.int64] = np.zeros(0, np.int64)
        self._seen_ns: NDArray[np.int64] = np.zeros(0, np.int64)
        self._next = 0
        self._at_ns: int | None = None

    def update(self, result: Result, at_ns: int) -> Tracked:
        """Take a result in.

        Args:
            result: Boxes, in the picture or in space; of the same kind every time.
            at_ns: When its frame was due; drive or run time, the same every time.

        Raises:
            OutputContractError: The result has nothing that could be followed, or is of another
                kind than those before.
        """
        if not isinstance(result, Boxes | Boxes3D):
            kind = type(result).__name__
            raise OutputContractError("track", f"follows boxes, and these are {kind}")
        if self._measure is None:
            self._measure = PictureMeasure() if isinstance(result, Boxes) else GroundMeasure()
        seen = self._measure.coordinates(result)
        tracks = np.full(len(result), NOBODY, np.int64)
        if self._at_ns is not None and at_ns < self._at_ns:
            return Tracked(result=result, tracks=tracks)
        self._predict(at_ns)
        scores, limits = result.scores, self._limits
        sure = np.flatnonzero(scores >= limits.sure)
        weak = np.flatnonzero((scores >= limits.least) & (scores < limits.sure))
        free = np.arange(len(self._filters))
        for objects in (sure, weak):
            row, column = self._matched(free, objects, seen, result.classes)
            tracks[column] = self._numbers[row]
            self._correct(row, column, seen, result.classes, at_ns)
            free = np.setdiff1d(free, row)
        begins = np.flatnonzero((tracks == NOBODY) & (scores >= limits.begin))
        tracks[begins] = self._begin(begins, seen, result.classes, at_ns)
        fresh = at_ns - self._seen_ns <= limits.lost_ns
        self._filters.keep(fresh)
        self._numbers, self._classes = self._numbers[fresh], self._classes[fresh]
        self._seen_ns = self._seen_ns[fresh]
        return Tracked(result=result, tracks=tracks)

    def _predict(self, at_ns: int) -> None:
        if self._at_ns is not None and self._measure is not None and len(self._filters):
            _, noise, _ = self._measure.noises(self._filters.place)
            self._filters.predict((at_ns - self._at_ns) / _NS_PER_S, noise)
        self._at_ns = at_ns

    def _matched(
        self,
        free: NDArray[np.int64],
        objects: NDArray[np.int64],
        seen: NDArray[np.float64],
        classes: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Tracks and objects that belong together, by their positions."""
        none = np.zeros(0, np.int64)
        if not len(free) or not len(objects) or self._measure is None:
            return none, none
        from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - 0.3 s, where it is used

        costs = self._measure.costs(self._filters.place[free], seen[objects])
        costs[self._classes[free][:, np.newaxis] != classes[objects]] += _OTHER_CLASS
        possible = np.isfinite(costs) & (costs <= 1)
        row, column = linear_sum_assignment(np.where(possible, costs, _IMPOSSIBLE))
        fits = possible[row, column]
        return free[row[fits]], objects[column[fits]]

    def _correct(
        self,
        row: NDArray[np.int64],
        column: NDArray[np.int64],
        seen: NDArray[np.float64],
        classes: NDArray[np.int64],
        at_ns: int,
    ) -> None:
        if not len(row) or self._measure is None:
            return
        noise, _, _ = self._measure.noises(seen[column])
        self._filters.correct(row, seen[column], noise)
        self._classes[row], self._seen_ns[row] = classes[column], at_ns

    def _begin(
        self,
        begins: NDArray[np.int64],
        seen: NDArray[np.float64],
        classes: NDArray[np.int64],
        at_ns: int,
    ) -> NDArray[np.int64]:
        """New tracks; returns their numbers."""
        numbers = np.arange(self._next, self._next + len(begins), dtype=np.int64)
        if not len(begins) or self._measure is None:
            return numbers
        self._next += len(begins)
        noise, _, unknown = self._measure.noises(seen[begins])
        self._filters.add(seen[begins], noise, np.zeros_like(noise), unknown)
        self._numbers = np.concatenate([self._numbers, numbers])
        self._classes = np.concatenate([self._classes, classes[begins]])
        self._seen_ns = np.concatenate([self._seen_ns, np.full(len(begins), at_ns, np.int64)])
        return numbers


_OTHER_CLASS = 0.3  # of a cost: a van that is called a car for a frame goes on being the same
_IMPOSSIBLE = 1e6  # of a pair that does not fit; far above the sum of all that do
