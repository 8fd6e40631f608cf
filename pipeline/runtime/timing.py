"""Modelled durations: a step's price, the device's bias and the frame's jitter."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, get_args

from pipeline.draws import PPM, Draws
from pipeline.plan.steps import Run
from pipeline.values import Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.draws import Factors
    from pipeline.plan.routes import RouteStep

Bias = Literal["low", "zero", "high"]

HopKind = Literal["frame", "work", "answer", "result"]
"""What a message carries: from the player, into the cloud, back from it, to the consumer."""

HOP_KINDS: tuple[HopKind, ...] = get_args(HopKind)

StepTime = Callable[[int, int, int], int]
"""Duration in ns of a step by frame (the first one of a batch), frames together, begin in ns."""

HopTime = Callable[[int, int], int]
"""Duration in ns of a hop between processes by payload bytes and frame."""


class Hops(Value, frozen=True, kw_only=True):
    """What it costs to hand a message from one process to the next.

    Attributes:
        curves: By what the message carries, pairs of bytes and median ns, rising and at least two:
            joined by straight lines, level below the first, going on beyond the last.
        jitter: Name of the quantile table; "" for none.
    """

    curves: Mapping[HopKind, tuple[tuple[int, int], ...]]
    jitter: str = ""

    @classmethod
    def line(cls, *, fixed_ns: int, ns_per_mib: int, jitter: str = "") -> Hops:
        """The same straight line for every kind.

        Args:
            fixed_ns: Cost of an empty message.
            ns_per_mib: Further cost per 2**20 bytes.
            jitter: Name of the quantile table; "" for none.
        """
        points = ((0, fixed_ns), (1 << 20, fixed_ns + ns_per_mib))
        return cls(curves=dict.fromkeys(HOP_KINDS, points), jitter=jitter)

    def cost_ns(self, payload_bytes: int, kind: HopKind) -> int:
        """Median cost of one hop, rounded up."""
        points = self.curves[kind]
        place = bisect_left(points, (payload_bytes, -1))
        if place == 0:
            return points[0][1]
        place = min(place, len(points) - 1)
        (left, low_ns), (right, high_ns) = points[place - 1], points[place]
        return low_ns + -(-(payload_bytes - left) * (high_ns - low_ns) // (right - left))


class Slowed(Value, frozen=True, kw_only=True):
    """A device is slower for a while.

    Attributes:
        device: Name of the device.
        at_ns: Run time from which on.
        until_ns: Run time up to which.
        factor_ppm: Its times over those of before, in parts per million.
    """

    device: str
    at_ns: int
    until_ns: int
    factor_ppm: int


class Timing:
    """Draws how long jobs and hops take; the same draw for the same seed, step and frame.

    Both drivers use it: the virtual one for everything, the live one for emulated devices. Who
    asks for the same step or hop again and again keeps what `of_step` and `of_hop` give.
    """

    def __init__(
        self,
        *,
        seed: int,
        quantiles: Mapping[str, tuple[int, ...]],
        hops: Hops,
        bias: Bias = "zero",
        slowed: Sequence[Slowed] = (),
    ) -> None:
        self._draws = Draws(seed)
        self._quantiles = quantiles
        self._hops = hops
        self._bias: Bias = bias
        self._slowed = tuple(slowed)
        self._plain = bias == "zero" and not slowed
        self._jobs: dict[tuple[str, int], StepTime] = {}
        self._crossings: dict[str, HopTime] = {}

    def of_step(self, step: RouteStep, *, task: str, index: int) -> StepTime:
        """How long a step takes, frame by frame.

        Args:
            step: The step.
            task: Name of its task.
            index: Its place among the task's steps.
        """
        held = self._jobs.get((task, index))
        if held is not None:
            return held
        factors = self._factors(step.jitter, f"{task}/{index}")
        factor = None if factors is None else factors.at
        latency_ns, batch_ns = step.latency_ns, step.batch_ns
        moved_ns = None if self._plain else self._moved_ns

        def length_ns(frame: int, batch: int, at_ns: int) -> int:
            median_ns = latency_ns if batch == 1 else batch_ns[batch - 2]
            if moved_ns is not None:
                median_ns = moved_ns(step, median_ns, at_ns)
            return median_ns if factor is None else median_ns * factor(frame) // PPM

        self._jobs[task, index] = length_ns
        return length_ns

    def of_hop(self, subject: str, kind: HopKind) -> HopTime:
        """How long the hops of a subject take.

        Args:
            subject: A stream, or a task's channel; hops of different subjects are drawn apart.
            kind: What its messages carry.
        """
        held = self._crossings.get(subject)
        if held is not None:
            return held
        factors = self._factors(self._hops.jitter, subject)
        factor = None if factors is None else factors.at
        cost_ns = self._hops.cost_ns

        def length_ns(payload_bytes: int, frame: int) -> int:
            median_ns = cost_ns(payload_bytes, kind)
            return median_ns if factor is None else median_ns * factor(frame) // PPM

        self._crossings[subject] = length_ns
        return length_ns

    def job_ns(
        self,
        step: RouteStep,
        *,
        task: str,
        index: int,
        frame: int,
        batch: int = 1,
        at_ns: int = 0,
    ) -> int:
        """Duration of one step of one frame, or of several run together, in ns.

        Args:
            step: The step.
            task: Name of its task.
            index: Its place among the task's steps.
            frame: Number of the frame, the first one of a batch.
            batch: How many frames run together.
            at_ns: Run time at which it begins.
        """
        return self.of_step(step, task=task, index=index)(frame, batch, at_ns)

    def hop_ns(self, payload_bytes: int, *, subject: str, kind: HopKind, frame: int) -> int:
        """Duration of one hop between processes, in ns."""
        return self.of_hop(subject, kind)(payload_bytes, frame)

    def _moved_ns(self, step: RouteStep, median_ns: int, at_ns: int) -> int:
        """A step's median with the run's bias, on a device that may be slowed just then."""
        if self._bias != "zero" and step.interval_ns != (0, 0):
            at_bias_ns = step.interval_ns[0 if self._bias == "low" else 1]
            median_ns = median_ns * at_bias_ns // max(1, step.latency_ns)
        if self._slowed and isinstance(step.step, Run):
            for slow in self._slowed:
                if slow.device == step.step.device and slow.at_ns <= at_ns < slow.until_ns:
                    median_ns = median_ns * slow.factor_ppm // PPM
        return median_ns

    def _factors(self, table: str, subject: str) -> Factors | None:
        """What a subject's jitter is drawn from; None without any."""
        quantiles = self._quantiles.get(table)
        return self._draws.factors(quantiles, "jitter", subject) if quantiles else None
