"""Candidates in virtual time: one task alone, on the scenario's own link, frame after frame.

A prediction takes spans as independent and leaves queues out. So what comes close to being chosen
is run: the cores themselves, with the plan's prices as durations and the link's trace from its
beginning, the same draws for every candidate. Scripted faults are left out, and so are the other
tasks and the hedge: it is the route that is looked at.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from pipeline.plan.plan import Broken, Verified
from pipeline.plan.steps import Host, Move
from pipeline.planner.aging import FRESH, Aging, quantiles_of
from pipeline.runtime.core.config import CONSUMER, CloudConfig, CoreConfig, PathConfig, TaskConfig
from pipeline.runtime.results import content_key
from pipeline.runtime.sizes import Sizes
from pipeline.runtime.timing import Timing
from pipeline.runtime.virtual import run_virtual
from pipeline.runtime.virtual_setup import VirtualSetup
from pipeline.values import to_plain
from replay.schedule import StreamTimes, build_schedule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.link.model import LinkConfig
    from pipeline.plan.plan import Candidate
    from pipeline.plan.routes import Sites
    from pipeline.runtime.results import ResultCache
    from pipeline.runtime.timing import Bias, Hops

MOST_FRAMES = 3_000
"""Frames of a run at most: 2,995 in time of as many show 99.9 % at 95 % confidence."""

CANDIDATES = 4
"""Candidates of a task that are run: those that the prediction puts first."""

_CONFIDENCE = 0.95
_HORIZON = 3
_LEAST_FRAMES = 300
_ONE_LATE = 4.75  # frames times the share of late ones at 95 %, from the exact binomial
_VERSION = "1"  # of what is kept: raise it when a run would come out differently
_STREAM = "frames"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """What a run of one task alone is made of.

    Attributes:
        sites: Where devices stand.
        slots: Slots of each device, hosts and buses included.
        link: The link.
        quantiles: Quantile tables by name.
        hops: What a message between two processes costs.
        seed: Seed of the draws.
        frame_bytes: Size of a frame as the player sends it.
        period_ns: Time between two frames of the task.
        deadline_ns: Its shortest deadline.
        in_flight: Frames of it under way at once.
        percentile: Percentile of the plan.
        cache: Where what came of a run is kept.
        aging: What a result is worth by its age.
    """

    sites: Sites
    slots: Mapping[str, int]
    link: LinkConfig
    quantiles: Mapping[str, tuple[int, ...]]
    hops: Hops
    seed: int
    frame_bytes: int
    period_ns: int
    deadline_ns: int
    in_flight: int
    percentile: float
    cache: ResultCache
    aging: Aging = FRESH

    @property
    def frames(self) -> int:
        """Frames of a run: as many as show the percentile where one is late, within limits."""
        wanted = math.ceil(_ONE_LATE / (1 - self.percentile / 100))
        return min(MOST_FRAMES, max(_LEAST_FRAMES, wanted))

    @property
    def varies(self) -> bool:
        """Whether the link does anything but its constants."""
        link = self.link
        return link.trace is not None or bool(link.jitter_ppm) or link.loss_ppm > 0

    def verify(self, candidates: Sequence[Candidate]) -> list[Verified]:
        """Run each candidate at no bias and at the 90 % quantile of the devices' bias."""
        return [self._verified(candidate) for candidate in candidates]

    def _verified(self, candidate: Candidate) -> Verified:
        frames = self.frames
        latencies = self._kept(candidate, "zero")
        biased = any(step.interval_ns != (0, 0) for step in candidate.route.steps)
        high = self._kept(candidate, "high") if biased else latencies
        times_ns = np.array(latencies, np.int64)
        timely_ns = times_ns[times_ns <= self.deadline_ns]
        hits = len(timely_ns)
        place = math.ceil(self.percentile / 100 * frames) - 1
        return Verified(
            frames=frames,
            hits=hits,
            least=least_share(hits, frames, _CONFIDENCE),
            hits_high=sum(latency_ns <= self.deadline_ns for latency_ns in high),
            latency_ns=latencies[place] if place < len(latencies) else None,
            left=self.aging.of(times_ns, frames),
            left_in_time=self.aging.of(timely_ns),
            times_ns=quantiles_of(times_ns),
        )

    def _kept(self, candidate: Candidate, bias: Bias) -> list[int]:
        """Latencies of the answered frames, ascending; out of the cache where they are there."""
        what = [
            _VERSION,
            bias,
            self.frames,
            to_plain(candidate.route),
            candidate.bytes_down,
            to_plain(self.link),
            to_plain(self.hops),
            to_plain(self.sites),
            sorted(self.slots.items()),
            sorted(self.quantiles.items()),
            [self.seed, self.frame_bytes, self.period_ns, self.deadline_ns, self.in_flight],
        ]
        key = content_key(hashlib.sha256(json.dumps(what).encode()).hexdigest(), {})
        held = self.cache.get(key)
        if held is None or "latencies" not in held:
            found = self._latencies(candidate, bias)
            self.cache.put(key, {"latencies": np.array(found, np.int64)})
            return found
        return [int(latency) for latency in held["latencies"].tolist()]

    def _latencies(self, candidate: Candidate, bias: Bias) -> list[int]:
        frames = self.frames
        route = candidate.route
        task = replace(
            TaskConfig.of(route.task, _STREAM, route, in_flight=self.in_flight), name=route.task
        )
        path = PathConfig(
            name=_STREAM,
            stream=_STREAM,
            task=route.task,
            every=1,
            deadline_ns=self.deadline_ns,
            horizon_ns=_HORIZON * self.deadline_ns,
        )
        core = CoreConfig(
            tasks={route.task: task},
            paths=(path,),
            sites=self.sites,
            slots=dict(self.slots),
            cloud_credits=self.in_flight,
            consumer_host=self.sites.host[CONSUMER],
            down_channel=f"{self.link.name}.down",
            streams=(_STREAM,),
            cloud=CloudConfig(),
        )
        times = StreamTimes(
            stream=_STREAM,
            offsets_ns=range(0, frames * self.period_ns, self.period_ns),
            period_ns=self.period_ns,
        )
        setup = VirtualSetup(
            core=core,
            schedule=build_schedule([times], loop=1, rate=1.0, warmup=0, origin_ns=0),
            frame_bytes={_STREAM: self.frame_bytes},
            sizes=Sizes(frames={_STREAM: frames}, bytes=_sizes(candidate, self.sites, frames)),
            timing=Timing(seed=self.seed, quantiles=self.quantiles, hops=self.hops, bias=bias),
            links={self.link.name: replace(self.link, faults=())},
        )
        outcome = run_virtual(setup)
        return sorted(
            delivery.delivered_ns - delivery.frame * self.period_ns
            for delivery in outcome.deliveries
        )


def _sizes(candidate: Candidate, sites: Sites, frames: int) -> dict[tuple[str, int], list[int]]:
    """Bytes that the steps before a crossing make, the same for every frame."""
    task, steps = candidate.route.task, candidate.route.steps
    found: dict[tuple[str, int], list[int]] = {}
    for step in steps:
        match step.step:
            case Move() if sites.site_of(step.step) is None:
                size = step.bytes
            case Host(stage="deliver"):
                size = candidate.bytes_down
            case _:
                continue
        for first, index in enumerate(step.after):
            found.setdefault((task, index), [0 if first else size] * frames)
    return found


def held_against(candidate: Candidate, found: Verified, percentile: float) -> Candidate:
    """A candidate whose deadline is judged by its run.

    In time it is where the share of the frames in time is at the percentile; its bound says how far
    that can be believed. The prediction, which adds quantiles, is the more cautious of the two.
    """
    rest = tuple(one for one in candidate.broken if one.constraint != "deadline")
    late: tuple[Broken, ...] = ()
    wanted, share = percentile / 100, found.hits / found.frames
    if share < wanted:
        needed = candidate.latency_ns if found.latency_ns is None else found.latency_ns
        text = f"in time in {100 * share:.1f} % of the trace's frames, p{percentile:g} is asked"
        late = (Broken(constraint="deadline", subject="", needed=needed, text=text),)
    broken = (*late, *rest)
    wanted_high = found.hits_high / found.frames >= wanted
    return replace(
        candidate,
        verified=found,
        in_time=share,
        left=found.left,
        times_ns=found.times_ns,
        broken=broken,
        feasible=not broken,
        robust=not rest and wanted_high,
    )


def least_share(hits: int, frames: int, confidence: float) -> float:
    """One-sided lower bound of a share (Clopper and Pearson), for independent frames.

    Args:
        hits: How often it was so.
        frames: Of how many, at least one.
        confidence: Between 0 and 1.
    """
    from scipy.stats import beta  # noqa: PLC0415 - slow to import, rarely needed

    return 0.0 if not hits else float(beta.ppf(1 - confidence, hits, frames - hits + 1))


def order(candidate: Candidate) -> tuple[int, bool, int]:
    """What a candidate is ranked by, the best first: hits at high bias and none, then robustness.

    Those that were not run stand behind all that were.
    """
    found = candidate.verified
    hits = -1 if found is None else min(found.hits, found.hits_high)
    return (-hits, not candidate.robust, candidate.alone_ns)
