"""The host model: time of host stages and hops from curves, and of operators from a roofline."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from accelerators.errors import SpecError
from accelerators.models.jitter import lognormal_ppm
from accelerators.models.npu import compute_rates
from accelerators.models.roofline import Roofline
from accelerators.specs_schema import HostSpec, read_spec

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from numpy.typing import NDArray

    from accelerators.device import DeviceKind
    from accelerators.specs_schema import StageSpec
    from accelerators.work import Label, OpWork, Precision, SegmentCost, SegmentWork

SHIPPED = ("host-reference",)
_PS_PER_NS = 1000
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCost:
    """Time of a host stage.

    Attributes:
        latency_ns: Median time of one run of the stage.
        label: How far it can be believed.
    """

    latency_ns: int
    label: Label


class HostDevice:
    """A site's host: prices host stages and hops, and is a `Device` besides; immutable.

    Stage names are `prepare`, `pack:<codec>`, `unpack:<codec>`, `post:<decoder>`,
    `deliver:<decoder>` and `hop`, or `hop:<kind>`: `frame` from the player, `work` and `answer`
    into the link and out of it, `result` to the consumer. What a stage's `elements` count is
    written beside its curve in the host file: elements of the prepared tensor for `prepare`, of the
    tensor or frame that crosses for `pack` and `unpack`, of the network's raw output for `post`, of
    the result for `deliver`, bytes of the message for `hop`.
    """

    def __init__(self, spec: HostSpec, *, source: str) -> None:
        """Take over a validated host file; `source` is its name in reports and errors."""
        self._spec, self._source = spec, source
        self._jitter_ppm = lognormal_ppm(spec.jitter.sigma_ppm)
        self._roofline = Roofline(
            name=spec.id,
            label=spec.label,
            compute=compute_rates(spec.compute),
            memory_bytes_per_s=spec.memory.bytes_per_s.value,
            weight_cache_bytes=spec.memory.weight_cache_bytes.value,
            activation_buffer_bytes=spec.memory.activation_buffer_bytes.value,
            run_overhead_ns=spec.overhead.run_ns.value,
            op_overhead_ns=spec.overhead.op_ns.value,
            bias_ppm=(spec.bias.low_permille * 1000, spec.bias.high_permille * 1000),
            power_mw=None if spec.power is None else spec.power.active_mw.value,
        )

    @property
    def name(self) -> str:
        """Stable id, as written in plans and reports."""
        return self._spec.id

    @property
    def kind(self) -> DeviceKind:
        """Always `host`."""
        return "host"

    @property
    def label(self) -> Label:
        """How far its operator prices can be believed; a stage carries a label of its own."""
        return self._spec.label

    @property
    def source(self) -> str:
        """File that holds its figures and their sources."""
        return self._source

    @property
    def spec(self) -> HostSpec:
        """The file's content."""
        return self._spec

    @property
    def machine(self) -> str:
        """Class of the machine that was measured."""
        return self._spec.machine

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the curves in the file, ascending."""
        return tuple(sorted(self._spec.stages))

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """Precisions it computes in, in the file's order, the preferred one first."""
        return tuple(self._roofline.compute)

    @property
    def jitter_ppm(self) -> tuple[int, ...]:
        """101 quantiles of run time over its median, ppm, at the probabilities (2 i + 1) / 202."""
        return self._jitter_ppm

    @property
    def bias_ppm(self) -> tuple[int, int]:
        """10 % and 90 % quantile of true over modelled latency, ppm; the file gives the source."""
        return self._roofline.bias_ppm

    def supports(self, op: OpWork) -> bool:
        """Always True: a host runs every operator."""
        return self._roofline.supports(op)

    def price(self, segment: SegmentWork, *, batch: int, precision: Precision) -> SegmentCost:
        """Cost of running `batch` samples on the host's own cores (`Roofline.price`): ns, pJ.

        Raises:
            UnsupportedPrecisionError: The host file has no rates for `precision`.
            ValueError: `batch` is below one.
        """
        return self._roofline.price(segment, batch=batch, precision=precision)

    def op_costs(
        self, segment: SegmentWork, *, batch: int, precision: Precision
    ) -> NDArray[np.int64]:
        """Additive surrogate of `price`: ns per operator, shape (operators,), int64.

        The gap is that of `NpuDevice.op_costs`: none for the segment itself; a part of it may cost
        more by the element-wise operators that the cut parts from what they were fused into.

        Raises:
            UnsupportedPrecisionError: The host file has no rates for `precision`.
            ValueError: `batch` is below one.
        """
        costs = self._roofline.op_costs(segment, batch=batch, precision=precision)
        return np.array([cost.latency_ns for cost in costs], dtype=np.int64)

    def curve_of(self, stage: str) -> str:
        """Name of the curve that prices a stage: its own, or that of a name with less parameters.

        Raises:
            SpecError: The host file has no such curve; the file is named.
        """
        name = stage
        while name not in self._spec.stages:
            name, separator, _ = name.rpartition(":")
            if not separator:
                known = ", ".join(self.stages)
                raise SpecError(self._source, f"no curve for host stage {stage!r}; it has {known}")
        return name

    def stage_ns(self, stage: str, *, elements: int) -> StageCost:
        """Time of one run of a host stage.

        A name with parameters falls back to the name without the last one: `pack:jpeg:80` to
        `pack:jpeg` to `pack`.

        Args:
            stage: Name of the stage, such as `pack:int8`.
            elements: What it works on, counted as the host file says; not negative.

        Raises:
            SpecError: The host file has no curve of that name; the file is named.
            ValueError: `elements` is negative.
        """
        if elements < 0:
            msg = f"elements must not be negative: {elements}"
            raise ValueError(msg)
        name = self.curve_of(stage)
        curve = self._spec.stages[name]
        return StageCost(latency_ns=on_curve(curve, elements), label=curve.label)

    def hop_ns(self, *, message_bytes: int, kind: str = "") -> int:
        """Time (ns) of one message of this size from one process to another on this host.

        Args:
            message_bytes: Size of the message.
            kind: What it carries, for a host file that tells them apart; else the curve `hop`.

        Raises:
            SpecError: The host file has no curve `hop`.
            ValueError: `message_bytes` is negative.
        """
        name = f"hop:{kind}" if kind else "hop"
        return self.stage_ns(name, elements=message_bytes).latency_ns

    def hop_points(self, kind: str) -> tuple[tuple[int, int], ...]:
        """The curve that `hop_ns` reads for a kind: pairs of bytes and ns, rising.

        Raises:
            SpecError: The host file has no curve `hop`.
        """
        curve = self._spec.stages[self.curve_of(f"hop:{kind}")]
        if curve.points is not None:
            return tuple((at, ns) for at, ns in curve.points)
        return tuple((at, on_curve(curve, at)) for at in (0, _MIB))


def load_host(file: Traversable, *, source: str) -> HostDevice:
    """Make a host of a TOML file, shipped or written by a calibration.

    Raises:
        SpecError: The file is not a valid host file.
        FileNotFoundError: There is no such file.
    """
    spec = read_spec(file, source=source)
    if not isinstance(spec, HostSpec):
        raise SpecError(source, f"describes a device of kind {spec.kind}, not a host")
    return HostDevice(spec, source=source)


@cache
def shipped() -> tuple[HostDevice, ...]:
    """The hosts whose files ship with the package; an entry point of `splitway.devices`."""
    folder = resources.files("accelerators") / "specs"
    return tuple(
        load_host(folder / f"{name}.toml", source=f"specs/{name}.toml") for name in SHIPPED
    )


def on_curve(curve: StageSpec, elements: int) -> int:
    """Value of a curve (ns), rounded up; the schema has made sure that it never falls."""
    if curve.points is None:
        fixed_ns, slope_ps = curve.fixed_ns or 0, curve.ps_per_element or 0
        return fixed_ns + -(-elements * slope_ps // _PS_PER_NS)
    points = curve.points
    if elements <= points[0][0]:
        return points[0][1]
    after = next((i for i, point in enumerate(points) if elements <= point[0]), len(points) - 1)
    (left, low_ns), (right, high_ns) = points[after - 1], points[after]
    return low_ns + -(-(elements - left) * (high_ns - low_ns) // (right - left))
