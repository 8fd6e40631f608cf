"""The NPU model: a roofline whose parameters are read from a spec."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from accelerators.errors import SpecError
from accelerators.models.jitter import lognormal_ppm
from accelerators.models.roofline import Compute, Fallback, Link, Roofline, permille
from accelerators.specs_schema import NpuSpec, read_spec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

    from numpy.typing import NDArray

    from accelerators.device import DeviceKind
    from accelerators.specs_schema import ComputeSpec
    from accelerators.work import Label, OpWork, Precision, SegmentCost, SegmentWork

SHIPPED = ("furiosa-warboy", "qualcomm-sa8775p")


class NpuDevice:
    """A `Device` that prices segments by `accelerators.models.roofline`; immutable."""

    def __init__(self, spec: NpuSpec, *, source: str) -> None:
        """Take over a validated spec; `source` is the file's name in reports."""
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
            link=_link(spec),
            fallback=_fallback(spec),
            power_mw=None if spec.power is None else spec.power.active_mw.value,
        )

    @property
    def name(self) -> str:
        """Stable id, as written in plans and reports."""
        return self._spec.id

    @property
    def kind(self) -> DeviceKind:
        """Always `npu`."""
        return "npu"

    @property
    def label(self) -> Label:
        """How far its prices can be believed, as the spec says."""
        return self._spec.label

    @property
    def source(self) -> str:
        """File that holds its figures and their sources."""
        return self._source

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """Precisions it computes in, in the spec's order, the preferred one first."""
        return tuple(self._roofline.compute)

    @property
    def jitter_ppm(self) -> tuple[int, ...]:
        """101 quantiles of run time over its median, ppm, at the probabilities (2 i + 1) / 202."""
        return self._jitter_ppm

    @property
    def bias_ppm(self) -> tuple[int, int]:
        """10 % and 90 % quantile of true over modelled latency, ppm; the spec gives the source."""
        return self._roofline.bias_ppm

    def supports(self, op: OpWork) -> bool:
        """Whether the device runs this operator itself; False where the spec sends it to a host."""
        return self._roofline.supports(op)

    def price(self, segment: SegmentWork, *, batch: int, precision: Precision) -> SegmentCost:
        """Cost of one run of `batch` samples (`Roofline.price`): ns, pJ.

        Raises:
            UnsupportedPrecisionError: The device does not compute in `precision`.
            ValueError: `batch` is below one.
        """
        return self._roofline.price(segment, batch=batch, precision=precision)

    def op_costs(
        self, segment: SegmentWork, *, batch: int, precision: Precision
    ) -> NDArray[np.int64]:
        """Additive surrogate of `price` for cuts: ns per operator, shape (operators,), int64.

        For the segment itself there is no gap: latency is the sum plus `overhead_ns`, which holds
        the transfers. For a convex part of it, priced with its own overhead, the sum over the part
        is an upper bound but for one thing: an element-wise operator that the cut parts from what
        it was fused into is 0 here and costs its own time there. The bound is loose by the weights
        that fit on chip only in the part.

        Raises:
            UnsupportedPrecisionError: The device does not compute in `precision`.
            ValueError: `batch` is below one.
        """
        costs = self._roofline.op_costs(segment, batch=batch, precision=precision)
        return np.array([cost.latency_ns for cost in costs], dtype=np.int64)


def compute_rates(compute: Mapping[Precision, ComputeSpec]) -> dict[Precision, Compute]:
    """Rates per precision: the spec's peak times its shares."""
    return {
        precision: Compute(
            dense_macs_per_s=permille(spec.peak_macs_per_s.value, spec.dense_permille.value),
            depthwise_macs_per_s=permille(
                spec.peak_macs_per_s.value, spec.depthwise_permille.value
            ),
            matmul_macs_per_s=permille(spec.peak_macs_per_s.value, spec.matmul_permille.value),
            vector_elements_per_s=spec.vector_elements_per_s.value,
        )
        for precision, spec in compute.items()
    }


def load_npu(file: Traversable, *, source: str) -> NpuDevice:
    """Make a device of a TOML file.

    Raises:
        SpecError: The file is not a valid NPU spec.
    """
    spec = read_spec(file, source=source)
    if not isinstance(spec, NpuSpec):
        raise SpecError(source, f"describes a {spec.kind}, not an npu")
    return NpuDevice(spec, source=source)


@cache
def shipped() -> tuple[NpuDevice, ...]:
    """The NPUs whose specs ship with the package; the entry point `npu` of `splitway.devices`."""
    folder = resources.files("accelerators") / "specs"
    return tuple(load_npu(folder / f"{name}.toml", source=f"specs/{name}.toml") for name in SHIPPED)


def _link(spec: NpuSpec) -> Link | None:
    if spec.link is None:
        return None
    return Link(bytes_per_s=spec.link.bytes_per_s.value, transfer_ns=spec.link.transfer_ns.value)


def _fallback(spec: NpuSpec) -> Fallback | None:
    if spec.fallback is None:
        return None
    return Fallback(
        host=spec.fallback.host,
        op_types=frozenset(spec.fallback.op_types),
        macs_per_s=spec.fallback.macs_per_s.value,
        elements_per_s=spec.fallback.elements_per_s.value,
        copy_bytes_per_s=spec.fallback.copy_bytes_per_s.value,
        copy_ns=spec.fallback.copy_ns.value,
    )
