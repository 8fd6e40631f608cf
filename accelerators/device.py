"""The protocols of a device, which prices work, and of a backend, which does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from accelerators.work import Label, OpWork, Precision, SegmentCost, SegmentWork

DeviceKind = Literal["npu", "pim", "package", "host", "real"]


class Device(Protocol):
    """Something that can say what a segment costs; owns no clock, queue or I/O."""

    @property
    def name(self) -> str:
        """Stable id, as written in plans and reports."""

    @property
    def kind(self) -> DeviceKind:
        """What sort of device it is."""

    @property
    def label(self) -> Label:
        """How far its prices can be believed."""

    @property
    def source(self) -> str:
        """File that holds its figures and their sources."""

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """Precisions it computes in, the preferred one first."""

    @property
    def jitter_ppm(self) -> tuple[int, ...]:
        """Quantiles of run time over its median, in parts per million, evenly spaced in (0, 1)."""

    def supports(self, op: OpWork) -> bool:
        """Whether the device runs this operator itself; imports nothing heavy."""

    def price(self, segment: SegmentWork, *, batch: int, precision: Precision) -> SegmentCost:
        """Cost of one run of `batch` samples: latency, throughput interval, energy, shares.

        Raises:
            UnsupportedPrecisionError: The device does not compute in `precision`.
        """

    def op_costs(
        self, segment: SegmentWork, *, batch: int, precision: Precision
    ) -> NDArray[np.int64]:
        """Additive surrogate of `price` for cuts: ns per operator, shape (operators,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """Name, shape and dtype of a backend's input or output; shape in the graph's axis order."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtefactDescription:
    """What a loaded artefact takes and gives, in order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a backend can do.

    Attributes:
        most_in_flight: Most tickets it accepts at once.
        static_shapes: Whether shapes are fixed at load.
        artefact_suffix: File suffix of what it runs; other than `.onnx` for one that needs a
            vendor's compiler first.
        isolated: Whether it belongs in a process of its own: a library of a vendor's, which may
            crash, hang, print or pin other packages.
        int8_only: Whether it runs networks with int8 weights and activations only.
        tolerance_ppm: How far its outputs may be off ONNX Runtime's on the CPU, in parts per
            million of the largest absolute value of the output; what the conformance suite allows.
        emulated: Whether it computes on an emulation of the device, so that its wall time says
            nothing of the device's latency.
    """

    most_in_flight: int
    static_shapes: bool
    artefact_suffix: str
    isolated: bool = True
    int8_only: bool = False
    tolerance_ppm: int = 100
    emulated: bool = False


@runtime_checkable
class Losing(Protocol):
    """A device that knows what it is not for: a memory that computes, before a processor."""

    def lost(self, segment: SegmentWork, *, batch: int, precision: Precision) -> NDArray[np.bool_]:
        """Operators that its processor would do sooner by itself; shape (operators,).

        Raises:
            UnsupportedPrecisionError: The device does not compute in `precision`.
            ValueError: `batch` is below one.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """How a ticket ended.

    Attributes:
        outputs: Arrays in the order of `describe().outputs`; None when it failed.
        began_ns: When the run began, on the clock the backend was given.
        ended_ns: When it ended, same clock.
        failure: Why it failed, or None.
    """

    outputs: tuple[NDArray[np.generic[object]], ...] | None
    began_ns: int
    ended_ns: int
    failure: str | None = None


class Ticket(Protocol):
    """A run that was submitted."""

    @property
    def done(self) -> bool:
        """Whether it has ended."""


class Backend(Protocol):
    """Runs artefacts asynchronously; no caller's loop ever blocks on it.

    One backend object holds one loaded artefact.
    """

    @property
    def fingerprint(self) -> str:
        """Text that changes whenever results could: library version, settings, artefact hash."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    def load(self, artefact: Path) -> None:
        """Load an artefact; blocking, before the run.

        Raises:
            ModelLoadError: The file does not load, with the reason.
        """

    def describe(self) -> ArtefactDescription:
        """Names, shapes and dtypes; only after `load`."""

    def submit(
        self,
        inputs: Mapping[str, NDArray[np.generic[object]]],
        *,
        deadline_at_ns: int | None = None,
        on_done: Callable[[Completion], None] | None = None,
    ) -> Ticket:
        """Queue one run; `on_done` is called from a thread of the backend when it has ended.

        Raises:
            BackendRunError: The inputs do not fit the artefact, or it is closed.
        """

    def wait(self, ticket: Ticket, *, timeout_ns: int | None = None) -> Completion | None:
        """Wait for a ticket; None when the timeout ran out first."""

    def cancel(self, ticket: Ticket) -> None:
        """Stop a run, best effort; its completion then carries a failure."""

    def close(self) -> None:
        """Release everything; tickets still open end with a failure. Safe to call twice."""
