"""The checks of devices: every registered one holds, and one broken in one way is found out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from accelerators import registry
from accelerators.conformance.devices import device_checks
from accelerators.conformance.findings import broken, run_checks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from accelerators.device import Device, DeviceKind
    from accelerators.work import Label, OpWork, Precision, SegmentCost, SegmentWork

DEVICES = {
    entry.id: entry.device for entry in registry.devices().values() if entry.device is not None
}


def names_of_broken(device: Device) -> Iterable[str]:
    """Checks that the device does not hold."""
    return {finding.check for finding in broken(run_checks(device_checks(device), limit_s=60))}


@pytest.mark.parametrize("device", DEVICES.values(), ids=DEVICES.keys())
def test_every_device_holds_its_checks(device: Device) -> None:
    """What `splitway devices --conformance` runs."""
    assert broken(run_checks(device_checks(device), limit_s=60)) == ()


class Wrapped:
    """A device around a shipped one that passes everything on."""

    def __init__(self) -> None:
        self.inner = registry.device("qualcomm-sa8775p")
        self._asked = 0

    @property
    def name(self) -> str:
        """As the inner one."""
        return self.inner.name

    @property
    def kind(self) -> DeviceKind:
        """As the inner one."""
        return self.inner.kind

    @property
    def label(self) -> Label:
        """As the inner one."""
        return self.inner.label

    @property
    def source(self) -> str:
        """As the inner one."""
        return self.inner.source

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """As the inner one."""
        return self.inner.precisions

    @property
    def jitter_ppm(self) -> tuple[int, ...]:
        """As the inner one."""
        return self.inner.jitter_ppm

    def supports(self, op: OpWork) -> bool:
        """As the inner one."""
        return self.inner.supports(op)

    def price(self, segment: SegmentWork, *, batch: int, precision: Precision) -> SegmentCost:
        """As the inner one."""
        return self.inner.price(segment, batch=batch, precision=precision)

    def op_costs(
        self, segment: SegmentWork, *, batch: int, precision: Precision
    ) -> NDArray[np.int64]:
        """As the inner one."""
        return self.inner.op_costs(segment, batch=batch, precision=precision)


class NoName(Wrapped):
    """Has a name in capitals."""

    @property
    def name(self) -> str:
        """In capitals."""
        return "MY NPU"


class NoMiddle(Wrapped):
    """Its median run is not the median."""

    @property
    def jitter_ppm(self) -> tuple[int, ...]:
        """All above."""
        return tuple(value + 1 for value in self.inner.jitter_ppm)


class Maybe(Wrapped):
    """Answers neither yes nor no."""

    def supports(self, op: OpWork) -> bool:
        """Perhaps."""
        return cast("bool", None if op.op_type == "Conv" else self.inner.supports(op))


class Remembers(Wrapped):
    """Gets slower the more it is asked."""

    def price(self, segment: SegmentWork, *, batch: int, precision: Precision) -> SegmentCost:
        """A nanosecond more each time."""
        self._asked += 1
        found = self.inner.price(segment, batch=batch, precision=precision)
        return replace(
            found,
            latency_ns=found.latency_ns + self._asked,
            overhead_ns=found.overhead_ns + self._asked,
        )


class CheaperWhenLarger(Wrapped):
    """Likes large layers."""

    def price(self, segment: SegmentWork, *, batch: int, precision: Precision) -> SegmentCost:
        """Half the time for a large one."""
        found = self.inner.price(segment, batch=batch, precision=precision)
        if max(op.macs for op in segment.ops) < 10**8:
            return found
        return replace(found, latency_ns=1, period_ns=1)


class LosesTime(Wrapped):
    """Its shares are less than the whole."""

    def price(self, segment: SegmentWork, *, batch: int, precision: Precision) -> SegmentCost:
        """A nanosecond is missing."""
        found = self.inner.price(segment, batch=batch, precision=precision)
        return replace(found, overhead_ns=found.overhead_ns - 1)


class Optimist(Wrapped):
    """Tells the planner less than it will cost."""

    def op_costs(
        self, segment: SegmentWork, *, batch: int, precision: Precision
    ) -> NDArray[np.int64]:
        """Nothing."""
        del batch, precision
        return np.zeros(len(segment.ops), np.int64)


class NoBatch(Wrapped):
    """A batch costs as much as one."""

    def price(self, segment: SegmentWork, *, batch: int, precision: Precision) -> SegmentCost:
        """Whatever the batch."""
        return self.inner.price(segment, batch=min(batch, 1), precision=precision)


class AnyPrecision(Wrapped):
    """Prices what it does not compute in."""

    def price(self, segment: SegmentWork, *, batch: int, precision: Precision) -> SegmentCost:
        """In its own."""
        known = precision if precision in self.precisions else self.precisions[0]
        return self.inner.price(segment, batch=batch, precision=known)


BROKEN: tuple[tuple[type[Wrapped], str], ...] = (
    (NoName, "identity"),
    (NoMiddle, "jitter"),
    (Maybe, "supports"),
    (Remembers, "same-price"),
    (CheaperWhenLarger, "growth"),
    (LosesTime, "sum"),
    (Optimist, "surrogate"),
    (NoBatch, "batch"),
    (AnyPrecision, "refusals"),
)


@pytest.mark.parametrize(("kind", "check"), BROKEN, ids=[check for _, check in BROKEN])
def test_a_device_broken_in_one_way_is_found_out(kind: type[Wrapped], check: str) -> None:
    """The check for that way fails; the wrapper itself holds all of them."""
    assert names_of_broken(Wrapped()) == set()
    assert check in names_of_broken(kind())


def test_every_check_is_broken_by_some_device_above() -> None:
    """No check is there that cannot fail."""
    assert {check.name for check in device_checks(Wrapped())} == {check for _, check in BROKEN}
