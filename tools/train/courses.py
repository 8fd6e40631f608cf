"""Courses of movers through synthetic worlds, and windows of them for the forecaster."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING

import numpy as np

from sensors.synthetic.world import make_world
from tools.train.shots import Split, Trip, digest, trips

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TICK_NS = 100_000_000
HISTORY = 11
"""Places in a window: now and one second before, at 10 Hz."""

FUTURES = 6
FUTURE_TICKS = 5
"""Half a second a step, three seconds in all."""

NOISE_M = 0.2
"""Of a tracked place in the tests: about the error of centres found by the LiDAR detector."""

TRIPS: dict[Split, int] = {"train": 300, "validation": 24, "test": 60}
_TICKS = 300
_FIRST_NS = 3_000_000_000
_NEAR_M = 80.0
_STILL_M = 0.5  # in three seconds
_STILL_KEPT = 0.15  # share of windows of what stands that is kept


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Windows:
    """Windows of courses, in the ego frame of their newest instant, less the newest place.

    Attributes:
        past: Exact places, oldest first; shape (n, `HISTORY`, 2), metres; the last is 0.
        future: Places `FUTURE_TICKS` ticks apart; shape (n, `FUTURES`, 2), metres.
    """

    past: NDArray[np.float32]
    future: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.past)


def windows(split: Split, folder: Path, *, workers: int = 2) -> Windows:
    """Return the windows of a split, simulating what is not there yet.

    Args:
        split: Which.
        folder: Where the data is kept.
        workers: Processes that simulate.
    """
    planned = trips(split, count=TRIPS[split])
    path = folder / f"courses-{split}-{digest(planned)}.npz"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            made = list(pool.map(_windows_of, planned, chunksize=4))
        part = path.with_suffix(".part.npz")
        np.savez(
            part,
            past=np.concatenate([windows.past for windows in made]),
            future=np.concatenate([windows.future for windows in made]),
        )
        part.replace(path)
    with np.load(path) as kept:
        return Windows(past=kept["past"], future=kept["future"])


def observed(
    past: NDArray[np.float32], draws: np.random.Generator, noise_m: NDArray[np.float64] | float
) -> NDArray[np.float32]:
    """What a tracker would know of exact windows: noise, late beginnings, misses.

    Args:
        past: Shape (n, `HISTORY`, 2).
        draws: Random numbers.
        noise_m: Standard deviation of a place; of all windows or of each, shape (n,).

    Returns:
        The forecaster's rows, shape (n, `HISTORY`, 3): x and y less the newest, 1 where known. The
        newest place is always known.
    """
    count = len(past)
    spread = np.broadcast_to(np.asarray(noise_m, np.float64), (count,))[:, None, None]
    places = past + draws.normal(0.0, 1.0, past.shape) * spread
    places = places - places[:, -1:]
    begins = np.where(draws.random(count) < 0.25, draws.integers(1, HISTORY, count), 0)  # noqa: PLR2004
    known = np.arange(HISTORY)[None] >= begins[:, None]
    known &= draws.random((count, HISTORY)) > 0.05  # noqa: PLR2004 - a miss in twenty
    known[:, -1] = True
    rows = np.concatenate([places, np.ones((count, HISTORY, 1))], axis=2) * known[:, :, None]
    return rows.astype(np.float32)


def _windows_of(trip: Trip) -> Windows:
    """Follow everything near the own vehicle for half a minute."""
    world = make_world(trip.scene, seed=trip.seed, **dict(trip.parameters))
    courses: dict[int, NDArray[np.float64]] = {}
    own = np.zeros((_TICKS, 3))
    for tick in range(_TICKS):
        moment = world.at(_FIRST_NS + tick * TICK_NS)
        own[tick] = (moment.ego.x_m, moment.ego.y_m, moment.ego.yaw_rad)
        for mover in moment.movers:
            if np.hypot(mover.x_m - own[tick, 0], mover.y_m - own[tick, 1]) < _NEAR_M:
                course = courses.setdefault(mover.track, np.full((_TICKS, 2), np.nan))
                course[tick] = (mover.x_m, mover.y_m)
    draws = np.random.Generator(np.random.Philox(key=[trip.seed, 3]))
    reach = FUTURES * FUTURE_TICKS
    past, future = [], []
    for _, course in sorted(courses.items()):
        for tick in range(HISTORY - 1, _TICKS - reach, 3):
            window = course[tick - HISTORY + 1 : tick + reach + 1]
            if np.isnan(window).any():
                continue
            moved = np.abs(window - window[HISTORY - 1]).max()
            if moved < _STILL_M and draws.random() > _STILL_KEPT:
                continue
            yaw = own[tick, 2]
            turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
            local = (window - window[HISTORY - 1]) @ turn
            past.append(local[:HISTORY])
            future.append(local[HISTORY - 1 + FUTURE_TICKS :: FUTURE_TICKS])
    return Windows(
        past=np.array(past, np.float32).reshape(-1, HISTORY, 2),
        future=np.array(future, np.float32).reshape(-1, FUTURES, 2),
    )
