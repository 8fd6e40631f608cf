"""A sample of a route's latency on an idle system: its steps' jitter, and the link's own spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.plan.steps import Move
from pipeline.planner.percentiles import samples_ns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.link.model import Direction
    from pipeline.plan.routes import RouteStep
    from pipeline.planner.pricing import World

    Samples = NDArray[np.int64]

LINK_LEVELS = tuple((2 * level + 1) * 50.0 / 40 for level in range(40))
"""Percentiles of the link that stand for its spread: forty, each for as many of the frames."""

_THINNED = 10  # of the steps' own sample every so many, where the link's spread multiplies it


def way_of(step: RouteStep) -> Direction:
    """The direction in which a step crosses the link."""
    return "down" if step.span == "downlink" else "up"


def crossings(world: World, steps: Sequence[RouteStep]) -> list[RouteStep]:
    """Steps over the link; transfers over a site's bus are none."""
    return [s for s in steps if isinstance(s.step, Move) and world.sites.site_of(s.step) is None]


def link_extra_ns(world: World, steps: Sequence[RouteStep]) -> Samples:
    """What a route's crossings take beyond their medians at each of `LINK_LEVELS`, in ns."""
    extra = np.zeros(len(LINK_LEVELS), np.int64)
    for step in crossings(world, steps):
        way = way_of(step)
        times = world.spread.transfer_ns(step.bytes, way, LINK_LEVELS)
        extra += np.array(times, np.int64) - world.link.transfer_ns(step.bytes, way)
    return extra


def idle_ns(
    world: World,
    steps: Sequence[RouteStep],
    quantiles: Mapping[str, tuple[int, ...]],
    *,
    extra_ns: int = 0,
    bias: int | None = None,
) -> Samples:
    """A sample of a route's latency, ascending, in ns; int64, shape (samples,).

    Jitter and link are taken as independent, all crossings of a frame at the same level.

    Args:
        world: What the route is priced against.
        steps: The route.
        quantiles: Quantile tables of run times by name.
        extra_ns: Constant time beside the steps.
        bias: 0 for the 10 % and 1 for the 90 % quantile of the devices' bias; None for neither.
    """
    own = samples_ns(steps, quantiles, bias=bias)[::_THINNED] + extra_ns
    extra = link_extra_ns(world, steps)
    return np.sort((own[:, None] + extra[None, :]).reshape(-1))
