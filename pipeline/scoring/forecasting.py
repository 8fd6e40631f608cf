"""Errors of forecasts: how far off the places are where objects were expected.

As usual for trajectories (M. Chang et al., Argoverse, 2019, arXiv 1911.02620): the mean distance
over the steps (ADE), that at the last step (FDE), and the share of objects that are more than 2 m
off there. A forecast names one future, so that the least over futures (minADE) is that of the only
one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from pipeline.tasks.outputs.protocol import Forecasts
    from sensors.labels import Futures

    Floats = NDArray[np.float64]

MISS_M = 2.0
_NEAREST_M = 2.0  # of the first places of a forecast and of the object it is taken for


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastScores:
    """Errors of forecasts.

    Attributes:
        objects: Objects whose future is known.
        forecast: Of these, how many were forecast.
        ade_m: Mean distance over steps and objects; None where nothing was forecast.
        fde_m: Mean distance at the last step that is known to the end; None without one.
        miss_rate: Share of those that are more than `MISS_M` off there.
        ade_at_m: Mean distance at each step, None where no object is known; one per step.
    """

    objects: int
    forecast: int
    ade_m: float | None
    fde_m: float | None
    miss_rate: float | None
    ade_at_m: tuple[float | None, ...]


def score_forecasts(pairs: Iterable[tuple[Futures, Forecasts | None]]) -> ForecastScores | None:
    """Judge forecasts against what came; None where no future is known.

    Numbers of tracks differ between truth and results, so an object is taken for the forecast whose
    place at the first step is nearest to its own, and the other way round, within 2 m.

    Args:
        pairs: Futures of a frame, and what was forecast from it; in one ego frame.
    """
    objects = 0
    errors: list[Floats] = []
    for futures, forecasts in pairs:
        known = futures.valid.any(axis=1)
        objects += int(known.sum())
        if forecasts is None or not len(forecasts.tracks):
            continue
        truth = np.where(futures.valid[..., None], futures.positions_m, np.nan)[known]
        expected = _resampled(forecasts, futures.step_ns, truth.shape[1])
        apart = np.hypot(*np.moveaxis(truth[:, None, 0] - expected[None, :, 0], 2, 0))
        apart = np.where(np.isnan(apart), np.inf, apart)
        if not apart.size:
            continue
        ours, theirs = np.arange(len(truth)), apart.argmin(axis=1)
        taken = (apart.argmin(axis=0)[theirs] == ours) & (apart.min(axis=1) <= _NEAREST_M)
        off = truth[taken] - expected[theirs[taken]]
        errors.append(np.hypot(off[..., 0], off[..., 1]))
    if not objects:
        return None
    steps = max((one.shape[1] for one in errors), default=0)
    every = np.concatenate(
        [np.full((0, steps), np.nan)]
        + [np.pad(e, ((0, 0), (0, steps - e.shape[1])), constant_values=np.nan) for e in errors]
    )
    last = every[:, -1][~np.isnan(every[:, -1])] if steps else np.zeros(0)
    known_errors = every[~np.isnan(every)]
    return ForecastScores(
        objects=objects,
        forecast=len(every),
        ade_m=float(known_errors.mean()) if len(known_errors) else None,
        fde_m=float(last.mean()) if len(last) else None,
        miss_rate=float((last > MISS_M).mean()) if len(last) else None,
        ade_at_m=tuple(
            float(column[~np.isnan(column)].mean()) if (~np.isnan(column)).any() else None
            for column in every.T
        ),
    )


def _resampled(forecasts: Forecasts, step_ns: int, steps: int) -> Floats:
    """Places at the truth's steps, NaN outside what was forecast; shape (n, steps, 2)."""
    places = np.asarray(forecasts.positions_m, np.float64)
    own = np.arange(1, places.shape[1] + 1) * forecasts.step_ns
    wanted = np.arange(1, steps + 1) * step_ns
    out = np.full((len(places), steps, 2), np.nan)
    for row in range(len(places)):
        for axis in range(2):
            out[row, :, axis] = np.interp(
                wanted, own, places[row, :, axis], left=np.nan, right=np.nan
            )
    return out
