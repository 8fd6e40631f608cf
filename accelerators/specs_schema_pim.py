"""Schema of specs whose memory computes: PIM devices, and packages of an NPU and PIM."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from accelerators.specs_parts import (
    BiasSpec,
    Count,
    DeviceId,
    JitterSpec,
    Rate,
    Share,
    Source,
    Strict,
)
from accelerators.work import Label, Precision


class ArraySpec(Strict):
    """Where the units stand and what they hold; every channel does the same at the same time.

    Attributes:
        channels: Channels that compute together, each with its own command bus.
        banks: Banks of a channel.
        units: Units of a channel that one command drives.
        lanes: Elements that one command feeds to one unit.
        registers: Results that a unit gathers before they are written out.
        input_elements: Elements of the input vector that a unit can hold at once.
        input_step: The input is padded to a multiple of this.
        row_elements: Elements of a bank's row; the next row costs `row_clocks`.
        result_rows: Rows opened to write the results of a tile out.
        result_fences: Fences around that.
        element_units: Units of a channel that one element-wise command drives.
        element_group: Element-wise commands between two changes of row.
        operands_together: Whether one element-wise command reads all operands and writes the
            result; else each operand and the result take a group of commands of their own.
    """

    channels: Rate
    banks: Rate
    units: Rate
    lanes: Rate
    registers: Rate
    input_elements: Rate
    input_step: Rate
    row_elements: Rate
    result_rows: Count
    result_fences: Count
    element_units: Rate
    element_group: Rate
    operands_together: bool

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.banks.value % self.units.value:
            msg = f"banks ({self.banks.value}) must be a multiple of units ({self.units.value})"
            raise ValueError(msg)
        if self.element_units.value > self.banks.value:
            msg = f"element_units must not exceed banks ({self.banks.value})"
            raise ValueError(msg)
        if self.input_step.value % self.lanes.value:
            msg = f"input_step ({self.input_step.value}) must be whole commands of lanes"
            raise ValueError(msg)
        if self.input_elements.value % self.input_step.value:
            msg = f"input_elements ({self.input_elements.value}) must be whole input_step"
            raise ValueError(msg)
        if self.row_elements.value % self.lanes.value:
            msg = f"row_elements ({self.row_elements.value}) must be whole commands of lanes"
            raise ValueError(msg)
        return self


class TimingSpec(Strict):
    """Clocks of the memory that each kind of event takes.

    Attributes:
        clock_ps: Length of a clock.
        column_clocks: From one column command to the next in computing mode.
        row_clocks: Closing one row and opening the next, in all banks.
        fence_clocks: Waiting for a group of commands before the next group.
        result_clocks: Reading or writing the results of a tile, beside its column commands.
        launch_clocks: Entering and leaving computing mode, and loading the program.
        refresh_clocks: Length of a refresh; 0 where the other figures contain it.
        refresh_interval_clocks: From one refresh to the next.
    """

    clock_ps: Rate
    column_clocks: Rate
    row_clocks: Count
    fence_clocks: Count
    result_clocks: Count
    launch_clocks: Count
    refresh_clocks: Count
    refresh_interval_clocks: Rate

    @model_validator(mode="after")
    def _time_between_refreshes(self) -> Self:
        if self.refresh_clocks.value >= self.refresh_interval_clocks.value:
            msg = "refresh_clocks must be less than refresh_interval_clocks"
            raise ValueError(msg)
        return self


class FunctionsSpec(Strict):
    """What the units can do, as ONNX operator types.

    Attributes:
        precision: The one number format of the units, as the project names it.
        precision_source: What the format really is, and where that is said.
        products: Matrix products and recurrent cells.
        pairwise: Element-wise operators of two operands.
        single: Element-wise operators of one operand.
        behind: Activations that work on the results of a product only, before they leave the unit.
        source: Where the lists come from.
        behind_clocks: Time of an activation for each tile of results.
    """

    precision: Precision
    precision_source: Source
    products: list[str] = Field(min_length=1)
    pairwise: list[str] = Field(default_factory=list)
    single: list[str] = Field(default_factory=list)
    behind: list[str] = Field(default_factory=list)
    source: Source
    behind_clocks: Count


class PlainSpec(Strict):
    """Ordinary access to the same memory, which rests while the units compute.

    Attributes:
        bytes_per_s: Bandwidth on the pins, all channels.
        reached_permille: Share of it that long reads reach.
        capacity_bytes: Size of the part that computes; None where no figure is published.
    """

    bytes_per_s: Rate
    reached_permille: Share
    capacity_bytes: Rate | None = None


class RatesSpec(Strict):
    """What a processor reaches in one precision."""

    macs_per_s: Rate
    elements_per_s: Rate


class ProcessorSpec(Strict):
    """The processor on the other side of the memory's pins.

    Attributes:
        name: As cost shares write it.
        compute: Rates per precision.
        buffer_bytes: Weights, and live tensors of one operator, up to this size stay inside.
        call_ns: Fixed time of an operator, or of one start of the units.
    """

    name: DeviceId
    compute: dict[Precision, RatesSpec] = Field(min_length=1)
    buffer_bytes: Count
    call_ns: Count


class EnergySpec(Strict):
    """Energy of the memory; the processor's is not in it.

    Attributes:
        command_pj: One computing command in all units of one channel.
        row_pj: Closing and opening a row in all banks of one channel.
        standby_mw: One channel, whatever it does.
        plain_fj_per_byte: A byte read or written in the ordinary way, pins included.
    """

    command_pj: Count
    row_pj: Count
    standby_mw: Count
    plain_fj_per_byte: Count


class PimSpec(Strict):
    """A memory whose banks compute, and the processor that it belongs to."""

    schema_: Literal["splitway.device/1"] = Field(alias="schema")
    id: DeviceId
    kind: Literal["pim"]
    title: str = Field(min_length=3)
    vendor: str = Field(min_length=2)
    label: Label
    checked: str = Field(min_length=8, description="What the prices were compared with")
    notes: list[str] = Field(default_factory=list)
    array: ArraySpec
    timing: TimingSpec
    functions: FunctionsSpec
    plain: PlainSpec
    host: ProcessorSpec
    run_ns: Count
    energy: EnergySpec | None = None
    bias: BiasSpec
    jitter: JitterSpec

    @model_validator(mode="after")
    def _host_speaks_the_format(self) -> Self:
        if self.functions.precision not in self.host.compute:
            msg = f"host.compute lacks {self.functions.precision}, the format of the units"
            raise ValueError(msg)
        return self


class PackageSpec(Strict):
    """An NPU and a PIM memory that is its main memory.

    Attributes:
        memory: Id of the shipped PIM spec that describes the memory.
        npu: The NPU; it takes the place of that spec's host.
        handover_ns: Fixed time of handing a tensor from one part to the other.
    """

    schema_: Literal["splitway.device/1"] = Field(alias="schema")
    id: DeviceId
    kind: Literal["package"]
    title: str = Field(min_length=3)
    vendor: str = Field(min_length=2)
    label: Label
    checked: str = Field(min_length=8, description="What the prices were compared with")
    notes: list[str] = Field(default_factory=list)
    memory: DeviceId
    npu: ProcessorSpec
    handover_ns: Count
    run_ns: Count
    bias: BiasSpec
    jitter: JitterSpec
