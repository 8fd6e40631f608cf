"""Modelled durations: a step's price, the device's bias and the frame's jitter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pipeline.runtime.draws import PPM, Draws
from pipeline.values import Value

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    ) -> None:
        self._draws = Draws(seed)
        self._quantiles = quantiles
        self._hops = hops
        self._bias: Bias = bias

    def job_ns(self, step: RouteStep, *, task: str, index: int, frame: int) -> int:
        """Duration of one step of one frame, in ns."""
        median_ns = step.latency_ns
        if self._bias != "zero" and step.interval_ns != (0, 0):
            median_ns = step.interval_ns[0 if self._bias == "low" else 1]
        return self._spread(median_ns, step.jitter, f"{task}/{index}", frame)

    def hop_ns(self, payload_bytes: int, *, subject: str, frame: int) -> int:
        """Duration of one hop between processes, in ns."""
        return self._spread(self._hops.cost_ns(payload_bytes), self._hops.jitter, subject, frame)

    def _spread(self, median_ns: int, table: str, subject: str, frame: int) -> int:
        quantiles = self._quantiles.get(table)
        if not quantiles:
            return median_ns
        return median_ns * self._draws.ppm(quantiles, "jitter", subject, frame) // PPM
