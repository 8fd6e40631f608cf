"""Old results brought forward to a later instant: by the own motion, and by how objects move.

A consumer that knows how late a result is can forecast what it shows. Here that is the plainest
forecast there is, constant velocity: of a box in space the velocity that was found with it, where
it has one; else, and in pictures, that between the two newest results, whose boxes are paired by
mutual best fit. It sees nothing that had not been delivered at the instant.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.scoring.detection import overlaps
from pipeline.scoring.matching import make_cells, mutual
from pipeline.scoring.rows import NOTHING, pick
from pipeline.scoring.tables import pick_found, pick_found_3d

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.scoring.poses import Poses
    from pipeline.scoring.streaming import Pairing
    from pipeline.scoring.tables import FoundBoxes, FoundBoxes3D

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_LEAST_OVERLAP = 0.3  # of one object's boxes in two results
_NEAREST_M = 3.0  # of one object's centres, seen from the world
_MOST_NS = 1_000_000_000  # that anything is forecast; what is older stays where it would be then
_LEAST_SIDE_PX = 1.0
_S = 1e9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timing:
    """When things were, for bringing results forward.

    Attributes:
        pairing: What counts at each instant.
        frames_ns: When the frame of each result was due, run time; shape (results,).
        pace: Seconds of the drive in a second of run time.
    """

    pairing: Pairing
    frames_ns: Ints
    pace: float = 1.0

    @property
    def ahead_s(self) -> Floats:
        """How far each instant's result is brought forward."""
        ahead: Floats = np.clip(self.pairing.ages_ns * self.pace, 0, _MOST_NS) / _S
        return ahead


def forecast_boxes(found: FoundBoxes, timing: Timing) -> FoundBoxes:
    """Boxes of each instant, moved on in the picture; one frame an instant."""
    pairing = timing.pairing
    now = pick_found(found, pairing.results)
    if not len(now.xyxy):
        return now
    before = pick(found.offsets, pairing.previous)
    old = found.xyxy[before.rows]
    kinds = 1 + int(max(found.classes.max(), 0))
    places = np.repeat(np.arange(now.frames), np.diff(now.offsets))
    cells = make_cells(
        places * kinds + now.classes,
        now.scores,
        before.places * kinds + found.classes[before.rows],
        len(now.scores),
    )
    partners = mutual(cells, _Overlap(now.xyxy, old), _LEAST_OVERLAP)
    paired = partners >= 0
    ours, theirs = cells.found[paired], partners[paired]
    speeds = np.zeros(now.xyxy.shape)
    speeds[ours] = (now.xyxy[ours] - old[theirs]) / _apart_s(timing, places[ours])[:, None]
    moved = now.xyxy + speeds * timing.ahead_s[places][:, None]
    sides = moved[:, 2:] - moved[:, :2]
    good = sides.min(axis=1) >= _LEAST_SIDE_PX
    return replace(now, xyxy=np.where(good[:, None], moved, now.xyxy))


class _Overlap:
    def __init__(self, now: Floats, old: Floats) -> None:
        self._now, self._old = now, old

    def __call__(self, found: Ints, truths: Ints) -> Floats:
        return overlaps(self._now[found], self._old[truths])


class _Nearness:
    def __init__(self, now: Floats, old: Floats) -> None:
        self._now, self._old = now, old

    def __call__(self, found: Ints, truths: Ints) -> Floats:
        apart = self._now[found][:, :, None, :] - self._old[truths][:, None, :, :]
        return -np.hypot(apart[..., 0], apart[..., 1])


def forecast_boxes_3d(
    found: FoundBoxes3D,
    timing: Timing,
    *,
    seen_from: Poses | None,
    shown_at: Poses | None,
    moving: bool,
) -> FoundBoxes3D:
    """Boxes in space of each instant, in the ego frame of that instant; one frame an instant.

    Args:
        found: The boxes, each frame in its own ego frame.
        timing: When things were.
        seen_from: Ego pose at the frame of each result; None leaves the own motion out.
        shown_at: Ego pose at each instant; None likewise.
        moving: Whether objects move on too, or only the own vehicle does.
    """
    pairing = timing.pairing
    now = pick_found_3d(found, pairing.results)
    if not len(now.scores):
        return now
    places = np.repeat(np.arange(now.frames), np.diff(now.offsets))
    centres, speeds = now.centres_m.copy(), now.velocities_mps
    if moving:
        known = np.isfinite(speeds.sum(axis=1))
        if not known.all():
            speeds = np.where(
                known[:, None], speeds, _speeds(found, now, places, timing, seen_from)
            )
        centres[:, :2] += np.nan_to_num(speeds) * timing.ahead_s[places][:, None]
    yaws, drift = now.yaws_rad, now.velocities_mps
    if seen_from is not None and shown_at is not None:
        results = np.maximum(pairing.results, 0)[places]
        into, out = seen_from.rotations()[results], shown_at.rotations()[places]
        world = _turned(into, centres) + seen_from.positions_m[results]
        centres = _turned(np.swapaxes(out, 1, 2), world - shown_at.positions_m[places])
        turn = seen_from.yaws_rad()[results] - shown_at.yaws_rad()[places]
        yaws = (yaws + turn + np.pi) % (2 * np.pi) - np.pi
        cos, sin = np.cos(turn), np.sin(turn)
        drift = np.stack(
            [cos * drift[:, 0] - sin * drift[:, 1], sin * drift[:, 0] + cos * drift[:, 1]], axis=1
        )
    return replace(now, centres_m=centres, yaws_rad=yaws, velocities_mps=drift)


def _speeds(
    found: FoundBoxes3D,
    now: FoundBoxes3D,
    places: Ints,
    timing: Timing,
    seen_from: Poses | None,
) -> Floats:
    """Velocity over ground between the two newest results, ego axes; 0 where none was paired."""
    pairing = timing.pairing
    before = pick(found.offsets, pairing.previous)
    newer, older = pairing.results[places], pairing.previous[before.places]
    here, there = now.centres_m, found.centres_m[before.rows]
    if seen_from is not None:
        turns = seen_from.rotations()
        here = _turned(turns[newer], here) + seen_from.positions_m[newer]
        there = _turned(turns[older], there) + seen_from.positions_m[older]
    kinds = 1 + int(max(found.classes.max(), 0))
    cells = make_cells(
        places * kinds + now.classes,
        now.scores,
        before.places * kinds + found.classes[before.rows],
        len(now.scores),
    )
    partners = mutual(cells, _Nearness(here, there), -_NEAREST_M)
    paired = partners >= 0
    ours, theirs = cells.found[paired], partners[paired]
    speeds = np.zeros((len(here), 3))
    speeds[ours] = (here[ours] - there[theirs]) / _apart_s(timing, places[ours])[:, None]
    if seen_from is not None:
        speeds = _turned(np.swapaxes(seen_from.rotations()[newer], 1, 2), speeds)
    return speeds[:, :2]


def _apart_s(timing: Timing, places: Ints) -> Floats:
    """Time between the frames of the two newest results, for rows of these instants."""
    pairing = timing.pairing
    newer, older = pairing.results[places], pairing.previous[places]
    assert (older != NOTHING).all()  # noqa: S101 - a pair has an older side
    apart = (timing.frames_ns[newer] - timing.frames_ns[older]) * (timing.pace / _S)
    bounded: Floats = np.maximum(apart, 1 / _S)
    return bounded


def _turned(matrices: Floats, vectors: Floats) -> Floats:
    turned: Floats = np.einsum("nij,nj->ni", matrices, vectors)
    return turned
