"""The package model: an NPU whose main memory computes; each operator goes where it is cheaper."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from accelerators.errors import SpecError
from accelerators.models import pim
from accelerators.models.jitter import lognormal_ppm
from accelerators.models.package_cut import cheapest
from accelerators.models.pim_facts import facts_of
from accelerators.models.pim_shares import Frame, segment_cost, shares
from accelerators.specs_schema import read_spec
from accelerators.specs_schema_pim import PackageSpec

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from numpy.typing import NDArray

    from accelerators.device import DeviceKind
    from accelerators.models.pim_sides import Memory, Sides
    from accelerators.specs_schema_pim import PimSpec
    from accelerators.work import Label, OpWork, Precision, SegmentCost, SegmentWork

SHIPPED = ("npu-pim-package",)


class PackageDevice:
    """A `Device` of two parts that share a memory and take turns at it; immutable.

    A price assigns the operators so that own times and handovers add up to least, exactly. `on` in
    a share names the part, `otherwise_ns` what the other part would take.
    """

    def __init__(self, spec: PackageSpec, memory: PimSpec, *, source: str) -> None:
        """Take over validated specs; `source` is the package's file in reports."""
        self._spec, self._source = spec, source
        self._jitter_ppm = lognormal_ppm(spec.jitter.sigma_ppm)
        self._memory = pim.memory_of(memory, spec.npu, handover_ns=spec.handover_ns.value)
        self._frame = Frame(
            units=memory.id,
            processor=spec.npu.name,
            label=spec.label,
            run_ns=spec.run_ns.value,
            bias_ppm=(spec.bias.low_permille * 1000, spec.bias.high_permille * 1000),
            standby_mw=pim.standby_mw(memory),
        )

    @property
    def name(self) -> str:
        """Stable id, as written in plans and reports."""
        return self._spec.id

    @property
    def kind(self) -> DeviceKind:
        """Always `package`."""
        return "package"

    @property
    def label(self) -> Label:
        """How far its prices can be believed, as the spec says."""
        return self._spec.label

    @property
    def source(self) -> str:
        """File that holds its figures and their sources."""
        return self._source

    @property
    def memory(self) -> Memory:
        """The memory with the NPU at its pins: what a price divides between."""
        return self._memory

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """Precisions of the NPU, the preferred one first; the memory computes in one of them."""
        return tuple(self._spec.npu.compute)

    @property
    def jitter_ppm(self) -> tuple[int, ...]:
        """101 quantiles of run time over its median, ppm, at the probabilities (2 i + 1) / 202."""
        return self._jitter_ppm

    @property
    def bias_ppm(self) -> tuple[int, int]:
        """10 % and 90 % quantile of true over modelled latency, ppm; the spec gives the source."""
        return self._frame.bias_ppm

    def supports(self, op: OpWork) -> bool:  # noqa: ARG002  # the protocol's
        """Always: what the memory cannot do, the NPU does."""
        return True

    def price(self, segment: SegmentWork, *, batch: int, precision: Precision) -> SegmentCost:
        """Cost of one run of `batch` samples in the cheapest assignment: ns, pJ of the memory.

        Raises:
            UnsupportedPrecisionError: The NPU does not compute in `precision`.
            ValueError: `batch` is below one.
        """
        sides = self._sides(segment, batch=batch, precision=precision)
        cost = segment_cost(sides, cheapest(sides), self._frame, warnings=())
        notes = pim.capacity_notes(self._memory, segment, precision)
        return replace(cost, warnings=(*self._warnings(cost, precision), *notes))

    def op_costs(
        self, segment: SegmentWork, *, batch: int, precision: Precision
    ) -> NDArray[np.int64]:
        """Additive surrogate of `price` for cuts: ns per operator, shape (operators,), int64.

        For the segment itself there is no gap. For a convex part the sum is an upper bound, but for
        an operator that is free only behind one that the cut parts it from: the part may be
        assigned as here, with fewer handovers, or better.

        Raises:
            UnsupportedPrecisionError: The NPU does not compute in `precision`.
            ValueError: `batch` is below one.
        """
        sides = self._sides(segment, batch=batch, precision=precision)
        ops = shares(sides, cheapest(sides), self._frame)
        return np.array([op.latency_ns for op in ops], dtype=np.int64)

    def _sides(self, segment: SegmentWork, *, batch: int, precision: Precision) -> Sides:
        facts = facts_of(segment)
        return self._memory.sides(facts, batch=batch, precision=precision, device=self.name)

    def _warnings(self, cost: SegmentCost, precision: Precision) -> tuple[str, ...]:
        warnings = []
        own = self._memory.functions.precision
        if precision != own:
            warnings.append(f"{self._frame.units} computes in {own} only, so all runs on the NPU")
        else:
            there = sum(op.on == self._frame.units and op.latency_ns > 0 for op in cost.ops)
            warnings.append(f"{there} operators run in the memory, {self._frame.units}")
        warnings.append(pim.energy_note(self._frame))
        return tuple(warnings)


def make_package(spec: PackageSpec, *, source: str) -> PackageDevice:
    """Make a device of a spec, with the shipped PIM memory that it names.

    Raises:
        SpecError: There is no such memory, or the NPU does not compute in its format.
    """
    memories = {device.name: device.spec for device in pim.shipped()}
    memory = memories.get(spec.memory)
    if memory is None:
        known = ", ".join(sorted(memories))
        raise SpecError(source, f"memory: there is no PIM device {spec.memory!r}; known: {known}")
    if memory.functions.precision not in spec.npu.compute:
        raise SpecError(source, f"npu.compute lacks {memory.functions.precision}, the memory's")
    return PackageDevice(spec, memory, source=source)


def load_package(file: Traversable, *, source: str) -> PackageDevice:
    """Make a device of a TOML file.

    Raises:
        SpecError: The file is not a valid package spec.
    """
    spec = read_spec(file, source=source)
    if not isinstance(spec, PackageSpec):
        raise SpecError(source, f"describes a {spec.kind}, not a package")
    return make_package(spec, source=source)


@cache
def shipped() -> tuple[PackageDevice, ...]:
    """The packages whose specs ship; the entry point `package` of `splitway.devices`."""
    folder = resources.files("accelerators") / "specs"
    return tuple(
        load_package(folder / f"{name}.toml", source=f"specs/{name}.toml") for name in SHIPPED
    )
