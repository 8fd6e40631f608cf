"""The PIM model: a memory whose units run products and element-wise work, and its host the rest."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from accelerators.errors import AcceleratorError, SpecError, UnsupportedPrecisionError
from accelerators.models.jitter import lognormal_ppm
from accelerators.models.pim_array import array_of
from accelerators.models.pim_facts import facts_of
from accelerators.models.pim_plain import plain_of
from accelerators.models.pim_shares import Frame, losing, segment_cost, shares
from accelerators.models.pim_sides import Energy, Functions, Memory
from accelerators.specs_schema import read_spec
from accelerators.specs_schema_pim import PimSpec
from accelerators.work import BYTES_PER_ELEMENT

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from importlib.resources.abc import Traversable

    from numpy.typing import NDArray

    from accelerators.device import Device, DeviceKind
    from accelerators.models.pim_sides import Sides
    from accelerators.specs_schema_pim import ProcessorSpec
    from accelerators.work import Label, OpWork, Precision, SegmentCost, SegmentWork

SHIPPED = ("samsung-hbm-pim", "skhynix-gddr6-aim")
_LISTS = ("products", "pairwise", "single", "behind")


class PimDevice:
    """A `Device` that runs on its units whatever they can do, and the rest on its host; immutable.

    It does not choose: an operator that plain reads would finish sooner is priced as losing, its
    share says so (`otherwise_ns`), and a warning names it. A package chooses.
    """

    def __init__(self, spec: PimSpec, *, source: str) -> None:
        """Take over a validated spec; `source` is the file's name in reports."""
        self._spec, self._source = spec, source
        self._jitter_ppm = lognormal_ppm(spec.jitter.sigma_ppm)
        self._memory = memory_of(spec, spec.host, handover_ns=0)
        self._frame = Frame(
            units=spec.id,
            processor=spec.host.name,
            label=spec.label,
            run_ns=spec.run_ns.value,
            bias_ppm=(spec.bias.low_permille * 1000, spec.bias.high_permille * 1000),
            standby_mw=standby_mw(spec),
        )

    @property
    def name(self) -> str:
        """Stable id, as written in plans and reports."""
        return self._spec.id

    @property
    def kind(self) -> DeviceKind:
        """Always `pim`."""
        return "pim"

    @property
    def label(self) -> Label:
        """How far its prices can be believed, as the spec says."""
        return self._spec.label

    @property
    def source(self) -> str:
        """File that holds its figures and their sources."""
        return self._source

    @property
    def spec(self) -> PimSpec:
        """The file's content."""
        return self._spec

    @property
    def memory(self) -> Memory:
        """The units and the plain way to the same bytes."""
        return self._memory

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """The one format of its units."""
        return (self._spec.functions.precision,)

    @property
    def jitter_ppm(self) -> tuple[int, ...]:
        """101 quantiles of run time over its median, ppm, at the probabilities (2 i + 1) / 202."""
        return self._jitter_ppm

    @property
    def bias_ppm(self) -> tuple[int, int]:
        """10 % and 90 % quantile of true over modelled latency, ppm; the spec gives the source."""
        return self._frame.bias_ppm

    def limited_to(self, op_types: Collection[str]) -> PimDevice:
        """The same device with units that run these ONNX operator types only, the rest its host.

        Raises:
            AcceleratorError: The units cannot run one of them; what they can is listed.
        """
        functions = self._spec.functions
        lists = {name: getattr(functions, name) for name in _LISTS}
        able = {op_type for names in lists.values() for op_type in names}
        unknown = sorted(set(op_types) - able)
        if unknown:
            what = f"{self.name} cannot run {', '.join(unknown)}"
            raise AcceleratorError(f"{what}; its units can run {', '.join(sorted(able))}")
        kept = {name: [x for x in names if x in op_types] for name, names in lists.items()}
        spec = self._spec.model_copy(update={"functions": functions.model_copy(update=kept)})
        return PimDevice(spec, source=self._source)

    @property
    def memory_bytes(self) -> int | None:
        """Size of the memory that computes; None where no figure is published."""
        capacity = self._spec.plain.capacity_bytes
        return None if capacity is None else capacity.value

    def supports(self, op: OpWork) -> bool:
        """Whether the units run this operator; some activations only behind a product."""
        return self._memory.functions.supports(op)

    def price(self, segment: SegmentWork, *, batch: int, precision: Precision) -> SegmentCost:
        """Cost of one run of `batch` samples: ns, pJ of the memory alone.

        Raises:
            UnsupportedPrecisionError: The units do not compute in `precision`.
            ValueError: `batch` is below one.
        """
        sides = self._sides(segment, batch=batch, precision=precision)
        cost = segment_cost(sides, sides.free, self._frame, warnings=())
        notes = (*self._warnings(cost), *capacity_notes(self._memory, segment, precision))
        return replace(cost, warnings=notes)

    def op_costs(
        self, segment: SegmentWork, *, batch: int, precision: Precision
    ) -> NDArray[np.int64]:
        """Additive surrogate of `price` for cuts: ns per operator, shape (operators,), int64.

        For the segment itself there is no gap: latency is the sum plus `overhead_ns`. For a convex
        part the sum is an upper bound, but for an operator that is free or cheap only behind one
        that the cut parts it from. It is loose by handovers that the cut saves, and by weights that
        the host's buffer holds only for the part.

        Raises:
            UnsupportedPrecisionError: The units do not compute in `precision`.
            ValueError: `batch` is below one.
        """
        sides = self._sides(segment, batch=batch, precision=precision)
        ops = shares(sides, sides.free, self._frame)
        return np.array([op.latency_ns for op in ops], dtype=np.int64)

    def lost(self, segment: SegmentWork, *, batch: int, precision: Precision) -> NDArray[np.bool_]:
        """Which products the units do slower than the processor before them, by itself, would.

        Returns:
            Shape (operators,); false for what is no product or runs on the processor anyway.

        Raises:
            UnsupportedPrecisionError: The units do not compute in `precision`.
            ValueError: `batch` is below one.
        """
        sides = self._sides(segment, batch=batch, precision=precision)
        products = self._memory.functions.products
        kinds = np.array([op.op_type in products for op in segment.ops], dtype=np.bool_)
        return np.asarray(kinds & sides.can & (sides.units_ns > sides.plain_ns), np.bool_)

    def _sides(self, segment: SegmentWork, *, batch: int, precision: Precision) -> Sides:
        if precision not in self.precisions:
            raise UnsupportedPrecisionError(self.name, precision, self.precisions)
        facts = facts_of(segment)
        return self._memory.sides(facts, batch=batch, precision=precision, device=self.name)

    def _warnings(self, cost: SegmentCost) -> tuple[str, ...]:
        warnings = []
        elsewhere = sum(op.on == self._frame.processor and op.latency_ns > 0 for op in cost.ops)
        if elsewhere:
            warnings.append(f"{elsewhere} operators run on {self._frame.processor}")
        worse = losing(cost.ops, self._frame)
        if worse is not None:
            warnings.append(worse)
        warnings.append(energy_note(self._frame))
        return tuple(warnings)


def energy_note(frame: Frame) -> str:
    """What the energy of a price holds."""
    if frame.standby_mw is None:
        return "no energy figure, so energy is not known"
    return f"energy is that of the memory; the arithmetic of {frame.processor} is not in it"


def capacity_notes(memory: Memory, segment: SegmentWork, precision: Precision) -> tuple[str, ...]:
    """A warning where the weights do not fit the memory; nothing where its size is not known."""
    held = BYTES_PER_ELEMENT[precision] * sum(op.weight_elements for op in segment.ops)
    if memory.capacity_bytes is None or held <= memory.capacity_bytes:
        return ()
    return (f"{held} bytes of weights exceed the {memory.capacity_bytes} of the memory",)


def memory_of(spec: PimSpec, processor: ProcessorSpec, *, handover_ns: int) -> Memory:
    """The memory of a spec with a processor at its pins."""
    functions = spec.functions
    energy = spec.energy
    return Memory(
        array=array_of(spec),
        functions=Functions(
            precision=functions.precision,
            products=frozenset(functions.products),
            pairwise=frozenset(functions.pairwise),
            single=frozenset(functions.single),
            behind=frozenset(functions.behind),
            behind_clocks=functions.behind_clocks.value,
        ),
        plain=plain_of(processor, spec.plain),
        handover_ns=handover_ns,
        capacity_bytes=None
        if spec.plain.capacity_bytes is None
        else spec.plain.capacity_bytes.value,
        energy=None
        if energy is None
        else Energy(
            command_pj=energy.command_pj.value,
            row_pj=energy.row_pj.value,
            standby_mw=energy.standby_mw.value,
            plain_fj_per_byte=energy.plain_fj_per_byte.value,
        ),
    )


def standby_mw(spec: PimSpec) -> int | None:
    """Power of the whole memory whatever it does; None where its energy is not known."""
    if spec.energy is None:
        return None
    return spec.energy.standby_mw.value * spec.array.channels.value


def load_pim(file: Traversable, *, source: str) -> PimDevice:
    """Make a device of a TOML file.

    Raises:
        SpecError: The file is not a valid PIM spec.
    """
    spec = read_spec(file, source=source)
    if not isinstance(spec, PimSpec):
        raise SpecError(source, f"describes a {spec.kind}, not a pim")
    return PimDevice(spec, source=source)


@cache
def shipped() -> tuple[PimDevice, ...]:
    """The PIM specs that ship with the package; the entry point `pim` of `splitway.devices`."""
    folder = resources.files("accelerators") / "specs"
    return tuple(load_pim(folder / f"{name}.toml", source=f"specs/{name}.toml") for name in SHIPPED)


def limited(device: Device, op_types: Sequence[str]) -> PimDevice:
    """A device whose units run these ONNX operator types only, the rest its host.

    Raises:
        AcceleratorError: It is no PIM device, or its units cannot run one of them.
    """
    if not isinstance(device, PimDevice):
        raise AcceleratorError(
            f"{device.name} is of kind {device.kind}; only a pim is limited to some operators"
        )
    return device.limited_to(op_types)
