"""Modelled durations: a step's price, the device's bias and the frame's jitter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pipeline.draws import PPM, Draws
from pipeline.plan.steps import Run
from pipeline.values import Value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.plan.routes import RouteStep

Bias = Literal["low", "zero", "high"]


class Hops(Value, frozen=True, kw_only=True):
    """What it costs to hand a message from one process to the next.

    Attributes:
        fixed_ns: Cost of an empty message.
        ns_per_mib: Further cost per 2**20 bytes.
        jitter: Name of the quantile table; "" for none.
    """

    fixed_ns: int
    ns_per_mib: int
    jitter: str = ""

    def cost_ns(self, payload_bytes: int) -> int:
        """Median cost of one hop."""
        return self.fixed_ns + (payload_bytes * self.ns_per_mib >> 20)


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

    Both drivers use it: the virtual one for everything, the live one for emulated devices.
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
        median_ns = step.latency_ns if batch == 1 else step.batch_ns[batch - 2]
        if self._bias != "zero" and step.interval_ns != (0, 0):
            at_bias_ns = step.interval_ns[0 if self._bias == "low" else 1]
            median_ns = median_ns * at_bias_ns // max(1, step.latency_ns)
        if self._slowed and isinstance(step.step, Run):
            for slow in self._slowed:
                if slow.device == step.step.device and slow.at_ns <= at_ns < slow.until_ns:
                    median_ns = median_ns * slow.factor_ppm // PPM
        return self._spread(median_ns, step.jitter, f"{task}/{index}", frame)

    def hop_ns(self, payload_bytes: int, *, subject: str, frame: int) -> int:
        """Duration of one hop between processes, in ns."""
        return self._spread(self._hops.cost_ns(payload_bytes), self._hops.jitter, subject, frame)

    def _spread(self, median_ns: int, table: str, subject: str, frame: int) -> int:
        quantiles = self._quantiles.get(table)
        if not quantiles:
            return median_ns
        return median_ns * self._draws.ppm(quantiles, "jitter", subject, frame) // PPM
