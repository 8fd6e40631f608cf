"""NPUs as devices: a validated spec, and the model that prices by it."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Protocol

import numpy as np

from accelerators.errors import SpecError
from accelerators.models.host_side import Fallback, Link
from accelerators.models.jitter import lognormal_ppm
from accelerators.models.roofline import Compute, Roofline, permille
from accelerators.models.segment import Power, SegmentModel
from accelerators.specs_schema import NpuSpec, read_spec
from accelerators.specs_schema_npu import SegmentNpuSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

    from numpy.typing import NDArray

    from accelerators.device import DeviceKind
    from accelerators.specs_parts import Count, FallbackSpec, LinkSpec
    from accelerators.specs_schema import ComputeSpec
    from accelerators.work import Label, OpCost, OpWork, Precision, SegmentCost, SegmentWork

SHIPPED = (
    "apple-m1-ane",
    "aws-inferentia",
    "aws-inferentia2",
    "deepx-dx-m1",
    "furiosa-rngd",
    "furiosa-warboy",
    "furiosa-warboy-1pe",
    "google-edge-tpu",
    "hailo-8",
    "nvidia-a100-pcie-40gb",
    "nvidia-agx-orin",
    "nvidia-agx-xavier",
    "nvidia-l4",
    "nvidia-orin-nano-super",
    "nvidia-orin-nx-16gb",
    "nvidia-t4",
    "qualcomm-8-elite",
    "qualcomm-iq9075",
    "qualcomm-qcs6490",
    "qualcomm-qcs8550",
    "qualcomm-sa7255p",
    "qualcomm-sa8295p",
    "qualcomm-sa8775p",
    "rebellions-atom",
    "rebellions-ion",
    "rebellions-rebel-quad",
    "samsung-exynos-auto-v920",
    "sapeon-x220-compact",
    "sapeon-x220-enterprise",
    "sapeon-x330",
)
_S = 1_000_000_000


class Pricer(Protocol):
    """What both models of an NPU can do."""

    def supports(self, op: OpWork) -> bool:
        """Whether the device runs this operator itself."""

    def op_costs(
        self, segment: SegmentWork, *, batch: int, precision: Precision
    ) -> tuple[OpCost, ...]:
        """Shares of the operators, in the segment's order."""

    def price(self, segment: SegmentWork, *, batch: int, precision: Precision) -> SegmentCost:
        """Cost of one run of `batch` samples."""


class NpuDevice:
    """A `Device` that prices segments by one of two models; immutable.

    A file of schema `splitway.device/2` is priced by `accelerators.models.segment`, the form that
    calibration fits; one of schema `splitway.device/1` by `accelerators.models.roofline`.
    """

    def __init__(self, spec: NpuSpec | SegmentNpuSpec, *, source: str) -> None:
        """Take over a validated spec; `source` is the file's name in reports."""
        self._spec, self._source = spec, source
        self._jitter_ppm = lognormal_ppm(spec.jitter.sigma_ppm)
        self._bias_ppm = (spec.bias.low_permille * 1000, spec.bias.high_permille * 1000)
        self._pricer: Pricer
        if isinstance(spec, SegmentNpuSpec):
            self._pricer = segment_model(spec)
            self._precisions: tuple[Precision, ...] = tuple(spec.rates)
        else:
            self._pricer = _roofline(spec, self._bias_ppm)
            self._precisions = tuple(spec.compute)

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
    def spec(self) -> NpuSpec | SegmentNpuSpec:
        """The file's content."""
        return self._spec

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """Precisions it computes in, in the spec's order, the preferred one first."""
        return self._precisions

    @property
    def jitter_ppm(self) -> tuple[int, ...]:
        """101 quantiles of run time over its median, ppm, at the probabilities (2 i + 1) / 202."""
        return self._jitter_ppm

    @property
    def bias_ppm(self) -> tuple[int, int]:
        """10 % and 90 % quantile of true over modelled latency, ppm; the spec gives the source."""
        return self._bias_ppm

    @property
    def memory_bytes(self) -> int | None:
        """Memory of the device for weights and activations; None where no figure is known."""
        if isinstance(self._spec, NpuSpec) or self._spec.capacity.memory_bytes is None:
            return None
        return self._spec.capacity.memory_bytes.value

    def load_ns(self, weight_bytes: int) -> int | None:
        """Time (ns) to bring a segment's weights to the device; None where no figure is known."""
        if isinstance(self._spec, NpuSpec):
            return None
        return -(-weight_bytes * _S // self._spec.capacity.load_bytes_per_s.value)

    def supports(self, op: OpWork) -> bool:
        """Whether the device runs this operator itself; False where the spec sends it to a host."""
        return self._pricer.supports(op)

    def price(self, segment: SegmentWork, *, batch: int, precision: Precision) -> SegmentCost:
        """Cost of one run of `batch` samples: ns, pJ.

        Raises:
            UnsupportedPrecisionError: The device does not compute in `precision`.
            ValueError: `batch` is below one.
        """
        return self._pricer.price(segment, batch=batch, precision=precision)

    def op_costs(
        self, segment: SegmentWork, *, batch: int, precision: Precision
    ) -> NDArray[np.int64]:
        """Additive surrogate of `price` for cuts: ns per operator, shape (operators,), int64.

        For the segment itself there is no gap: latency is the sum plus `overhead_ns`, which holds
        the transfers and, on a pipelined device, what a sample waits for in the pipeline. For a
        convex part of it, priced with its own overhead, the sum over the part is an upper bound
        but for one thing: an element-wise operator that the cut parts from what it was fused into
        is 0 here and costs its own time there. The bound is loose by the weights that fit on chip
        only in the part.

        Raises:
            UnsupportedPrecisionError: The device does not compute in `precision`.
            ValueError: `batch` is below one.
        """
        costs = self._pricer.op_costs(segment, batch=batch, precision=precision)
        return np.array([cost.latency_ns for cost in costs], dtype=np.int64)


def compute_rates(compute: Mapping[Precision, ComputeSpec]) -> dict[Precision, Compute]:
    """Rates per precision of a roofline: the spec's peak times its shares."""
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


def segment_model(spec: SegmentNpuSpec) -> SegmentModel:
    """The segment model with a spec's parameters."""
    power = spec.energy
    resident = spec.traffic.resident_bytes
    return SegmentModel(
        name=spec.id,
        label=spec.label,
        macs_per_s={name: rates.macs_per_s.value for name, rates in spec.rates.items()},
        run_ns={name: rates.run_ns.value for name, rates in spec.rates.items()},
        depthwise_permille=spec.shape.depthwise_permille.value,
        product_permille=spec.shape.product_permille.value,
        weight_bytes_per_s=spec.traffic.weight_bytes_per_s.value,
        activation_bytes_per_s=spec.traffic.activation_bytes_per_s.value,
        vector_bytes_per_s=spec.traffic.vector_bytes_per_s.value,
        resident_bytes=None if resident is None else resident.value,
        product_ns=spec.shape.product_ns.value,
        pool_permille=_value(spec.shape.pool_permille, 1000),
        resize_permille=_value(spec.shape.resize_permille, 1000),
        pass_permille=_value(spec.shape.pass_permille, 0),
        slice_permille=_value(spec.shape.slice_permille, 0),
        knee_bytes=_value(spec.traffic.knee_bytes, 0),
        fill_permille=spec.batch.fill_permille.value,
        slots=spec.batch.slots.value,
        dataflow_permille=None if spec.dataflow is None else spec.dataflow.latency_permille.value,
        bias_ppm=(spec.bias.low_permille * 1000, spec.bias.high_permille * 1000),
        link=_link(spec.link),
        fallback=_fallback(spec.fallback),
        power=None
        if power is None
        else Power(
            low_mw=power.low_mw.value,
            high_mw=power.high_mw.value,
            waiting_permille=power.waiting_permille.value,
        ),
    )


def load_npu(file: Traversable, *, source: str) -> NpuDevice:
    """Make a device of a TOML file.

    Raises:
        SpecError: The file is not a valid NPU spec.
    """
    spec = read_spec(file, source=source)
    if not isinstance(spec, NpuSpec | SegmentNpuSpec):
        raise SpecError(source, f"describes a {spec.kind}, not an npu")
    return NpuDevice(spec, source=source)


@cache
def shipped() -> tuple[NpuDevice, ...]:
    """The NPUs whose specs ship with the package; the entry point `npu` of `splitway.devices`."""
    folder = resources.files("accelerators") / "specs"
    return tuple(load_npu(folder / f"{name}.toml", source=f"specs/{name}.toml") for name in SHIPPED)


def _roofline(spec: NpuSpec, bias_ppm: tuple[int, int]) -> Roofline:
    return Roofline(
        name=spec.id,
        label=spec.label,
        compute=compute_rates(spec.compute),
        memory_bytes_per_s=spec.memory.bytes_per_s.value,
        weight_cache_bytes=spec.memory.weight_cache_bytes.value,
        activation_buffer_bytes=spec.memory.activation_buffer_bytes.value,
        run_overhead_ns=spec.overhead.run_ns.value,
        op_overhead_ns=spec.overhead.op_ns.value,
        bias_ppm=bias_ppm,
        link=_link(spec.link),
        fallback=_fallback(spec.fallback),
        power_mw=None if spec.power is None else spec.power.active_mw.value,
    )


def _value(figure: Count | None, otherwise: int) -> int:
    return otherwise if figure is None else figure.value


def _link(link: LinkSpec | None) -> Link | None:
    if link is None:
        return None
    return Link(bytes_per_s=link.bytes_per_s.value, transfer_ns=link.transfer_ns.value)


def _fallback(fallback: FallbackSpec | None) -> Fallback | None:
    if fallback is None:
        return None
    return Fallback(
        host=fallback.host,
        op_types=frozenset(fallback.op_types),
        macs_per_s=fallback.macs_per_s.value,
        elements_per_s=fallback.elements_per_s.value,
        copy_bytes_per_s=fallback.copy_bytes_per_s.value,
        copy_ns=fallback.copy_ns.value,
    )
