"""Where tracks have been, as a network that forecasts reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import InputError
from pipeline.tasks.prepare import TrackWindow

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST = 4096
_NS_PER_MS = 1_000_000
_FIGURES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorySpec:
    """What a network that forecasts takes and gives.

    Attributes:
        tracks: Rows of its input; of more tracks the surest are taken.
        steps: Places of each track, the newest the last.
        step_ms: Time between two of them.
        futures: Places that it gives of each track.
        future_ms: Time between two of these; the first is as much ahead.
    """

    tracks: int = 32
    steps: int = 11
    step_ms: int = 100
    futures: int = 6
    future_ms: int = 500

    def __post_init__(self) -> None:
        for name in ("tracks", "steps", "step_ms", "futures", "future_ms"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST:
                raise InputError(f"tracks: {name} goes from 1 to {_MOST}, not {value!r}")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the tensor: batch of one, tracks, steps, figures."""
        return (1, self.tracks, self.steps, _FIGURES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """Where the own vehicle is, on the ground.

    Attributes:
        x_m: Of the ego origin in the world frame.
        y_m: The same.
        yaw_rad: Heading, counter-clockwise from the world's x.
    """

    x_m: float = 0.0
    y_m: float = 0.0
    yaw_rad: float = 0.0

    def to_world(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Places of the ego frame in the world; shape (n, 2)."""
        return places @ self._turn().T + (self.x_m, self.y_m)

    def to_ego(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Places of the world in the ego frame; shape (n, 2)."""
        return (places - (self.x_m, self.y_m)) @ self._turn()

    def _turn(self) -> NDArray[np.float64]:
        cosine, sine = np.cos(self.yaw_rad), np.sin(self.yaw_rad)
        return np.array([[cosine, -sine], [sine, cosine]])


class Histories:
    """Remembers where tracks were, in the world, as long as the network looks back."""

    def __init__(self, spec: HistorySpec) -> None:
        self._spec = spec
        self._known: dict[int, list[tuple[int, float, float]]] = {}

    def take(
        self,
        tracks: NDArray[np.int64],
        places: NDArray[np.float64],
        at_ns: int,
        pose: Pose,
    ) -> tuple[NDArray[np.float32], TrackWindow]:
        """Take a frame in, and give the network's input for it.

        Args:
            tracks: Numbers of the frame's tracks, the surest first, -1 for none; shape (n,).
            places: X and y of their middles, ego frame of this frame, metres; shape (n, 2).
            at_ns: When the frame was; never before an earlier one.
            pose: Where the own vehicle was; the same one every time leaves its motion in.

        Returns:
            The tensor, shape (1, tracks, steps, 3), float32: x and y in the newest ego frame less
            the newest place, and 1, oldest first; a row of zeros where nothing is known within
            half a step. And whose rows they are.
        """
        mine = np.flatnonzero(tracks >= 0)
        world = pose.to_world(places[mine])
        for number, (x, y) in zip(tracks[mine].tolist(), world.tolist(), strict=True):
            self._known.setdefault(number, []).append((at_ns, x, y))
        self._forget(at_ns)
        chosen = mine[: self._spec.tracks]
        tensor = np.zeros(self._spec.shape, np.float32)
        for row, index in enumerate(chosen.tolist()):
            tensor[0, row] = self._row(int(tracks[index]), places[index], at_ns, pose)
        window = TrackWindow(
            tracks=tracks[chosen].astype(np.int64),
            places_m=places[chosen].astype(np.float32),
            step_ns=self._spec.future_ms * _NS_PER_MS,
            rows=self._spec.tracks,
            futures=self._spec.futures,
        )
        return tensor, window

    def _row(
        self, number: int, newest: NDArray[np.float64], at_ns: int, pose: Pose
    ) -> NDArray[np.float32]:
        step_ns = self._spec.step_ms * _NS_PER_MS
        row = np.zeros((self._spec.steps, _FIGURES), np.float32)
        nearest: dict[int, tuple[int, float, float]] = {}
        for was_ns, x, y in self._known[number]:
            back = round((at_ns - was_ns) / step_ns)
            off_ns = abs(at_ns - was_ns - back * step_ns)
            if back < self._spec.steps and off_ns <= nearest.get(back, (step_ns // 2, 0, 0))[0]:
                nearest[back] = (off_ns, x, y)
        for back, (_, x, y) in nearest.items():
            here = pose.to_ego(np.array([[x, y]]))[0] - newest
            row[self._spec.steps - 1 - back] = (*here, 1.0)
        return row

    def _forget(self, at_ns: int) -> None:
        oldest_ns = at_ns - self._spec.steps * self._spec.step_ms * _NS_PER_MS
        for number in list(self._known):
            left = [entry for entry in self._known[number] if entry[0] >= oldest_ns]
            if left:
                self._known[number] = left
            else:
                del self._known[number]
