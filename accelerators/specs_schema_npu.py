"""Schema of the TOML files that describe accelerators by the segment model, fitted or not."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from accelerators.specs_parts import (
    BiasSpec,
    Count,
    DeviceId,
    FallbackSpec,
    JitterSpec,
    LinkSpec,
    Rate,
    Share,
    Source,
    Strict,
)
from accelerators.work import Label, Precision

# How models were left out of a fit to learn its error: a share of every family at once, or, where
# that leaves too few, each model in turn.
Way = Literal["by family", "one at a time"]


class RatesSpec(Strict):
    """What one precision reaches.

    Attributes:
        macs_per_s: Multiply-adds a second in a dense convolution, one sample at a time.
        run_ns: Fixed time of a run.
    """

    macs_per_s: Rate
    run_ns: Count


class ShapeSpec(Strict):
    """How work that is no dense convolution uses the array, in thousandths of its time.

    Attributes:
        depthwise_permille: Time of a multiply-add in a window over one channel, to that of a dense
            one.
        product_permille: The same of a matrix product.
        product_ns: Fixed time of a matrix product beside its own.
        pool_permille: Time of an element of a pooling to one of any other operator of the vector
            unit. Left out: as any other.
        resize_permille: The same of a resize.
        pass_permille: The same of a product, quotient, power or root of elements behind what made
            them, such as the gate of a SiLU. Left out: nothing.
        slice_permille: The same of a slice. Left out: nothing.
    """

    depthwise_permille: Rate
    product_permille: Rate
    product_ns: Count
    pool_permille: Count | None = None
    resize_permille: Count | None = None
    pass_permille: Count | None = None
    slice_permille: Count | None = None


class TrafficSpec(Strict):
    """What moving weights and activations costs.

    Attributes:
        weight_bytes_per_s: Weights read in a run.
        activation_bytes_per_s: Activations read and written by convolutions and products.
        vector_bytes_per_s: Elements through the vector unit.
        knee_bytes: What an operator reads and writes of activations counts by half at this size, by
            less below, and nearly all of it far above. Left out: all counts.
        resident_bytes: Weights up to this size stay on the chip between runs; where a network has
            more, all that exceeds it is read in every run. Left out: all are read.
    """

    weight_bytes_per_s: Rate
    activation_bytes_per_s: Rate
    vector_bytes_per_s: Rate
    knee_bytes: Count | None = None
    resident_bytes: Count | None = None


class BatchSpec(Strict):
    """What a batch gains beyond reading weights once.

    Attributes:
        fill_permille: With s of it, one sample takes (1 + s/b) / (1 + s) of its arithmetic alone
            in a batch of b: how empty one sample leaves the device.
        slots: Runs that the device works on at once when it is kept busy.
    """

    fill_permille: Count
    slots: Rate


class CapacitySpec(Strict):
    """Memory of the device, and how fast a segment's weights get there."""

    memory_bytes: Rate | None = None
    load_bytes_per_s: Rate


class EnergySpec(Strict):
    """Electrical power (mW) of the device, and what part of it an idle one takes.

    Attributes:
        low_mw: Least plausible power while a run is under way.
        high_mw: Most plausible one.
        waiting_permille: Share of that power while no arithmetic is under way.
    """

    low_mw: Rate
    high_mw: Rate
    waiting_permille: Share

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low_mw.value > self.high_mw.value:
            msg = f"low_mw ({self.low_mw.value}) is above high_mw ({self.high_mw.value})"
            raise ValueError(msg)
        return self


class DataflowSpec(Strict):
    """A device that pipelines layers: what is priced is the period, and a sample takes longer."""

    latency_permille: Rate


class PeakSpec(Strict):
    """A published figure that no price rests on."""

    what: str = Field(min_length=3)
    figure: str = Field(min_length=1)
    source: Source


class FitSpec(Strict):
    """How a fitted file came about, and its error on models that it did not see.

    Attributes:
        data_sha256: Hash of the table of published figures.
        date: Day of the fit.
        figures: Figures fitted to, all models included.
        left_out: How models were left out to learn the error.
        seed: Seed of the split by family.
        held_out: Figures of the models left out then.
        median_permille: Median of the absolute relative error on those.
        p90_permille: Its 90 % quantile.
    """

    data_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    figures: int = Field(ge=1)
    left_out: Way
    seed: int = Field(ge=0)
    held_out: int = Field(ge=0)
    median_permille: int | None = Field(default=None, ge=0)
    p90_permille: int | None = Field(default=None, ge=0)


class SegmentNpuSpec(Strict):
    """An accelerator described by the segment model."""

    schema_: Literal["splitway.device/2"] = Field(alias="schema")
    id: DeviceId
    kind: Literal["npu"]
    title: str = Field(min_length=3)
    vendor: str = Field(min_length=2)
    class_: Literal["edge", "cloud"] = Field(alias="class")
    label: Label
    checked: str = Field(min_length=8, description="What the prices were compared with")
    notes: list[str] = Field(default_factory=list)
    published: list[PeakSpec] = Field(default_factory=list)
    rates: dict[Precision, RatesSpec] = Field(min_length=1)
    shape: ShapeSpec
    traffic: TrafficSpec
    batch: BatchSpec
    capacity: CapacitySpec
    dataflow: DataflowSpec | None = None
    link: LinkSpec | None = None
    fallback: FallbackSpec | None = None
    energy: EnergySpec | None = None
    fit: FitSpec | None = None
    bias: BiasSpec
    jitter: JitterSpec

    @model_validator(mode="after")
    def _label_and_fit(self) -> Self:
        if (self.label == "fitted") != (self.fit is not None):
            msg = "label is fitted exactly where the table fit says how"
            raise ValueError(msg)
        return self
