"""The other way to do the work: a processor that reads the same memory through its pins.

An operator takes its fixed time plus the longer of arithmetic and reading. It reads the part of
the weights, and of matrices that lie in the memory alike, that the processor cannot hold for this
segment, spread over the operators by size, once per run; a recurrent cell whose weights exceed the
buffer reads that excess again for each step. Other live tensors go through the memory as far as
they exceed what the buffer has left beside the operator's own such matrices, weights left out. An
element-wise operator behind another that runs here costs nothing; nor does a change of layout.

All quantities are int64 arrays, one entry per operator, and every division rounds up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from accelerators.models.pim_array import up
from accelerators.work import BYTES_PER_ELEMENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from accelerators.models.pim_facts import Facts
    from accelerators.specs_schema_pim import PlainSpec, ProcessorSpec
    from accelerators.work import Precision

    Ints = NDArray[np.int64]

_PER_US = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """A processor and its way to the memory.

    Attributes:
        name: As cost shares write it.
        macs_per_us: Multiply-adds a microsecond, per precision.
        elements_per_us: Elements a microsecond of everything else, per precision.
        buffer_bytes: What it holds.
        call_ns: Fixed time of an operator.
        bytes_per_us: What long reads reach.
    """

    name: str
    macs_per_us: Mapping[Precision, int]
    elements_per_us: Mapping[Precision, int]
    buffer_bytes: int
    call_ns: int
    bytes_per_us: int

    def read_ns(self, amount_bytes: Ints) -> Ints:
        """Time of reading or writing so many bytes in the ordinary way."""
        return up(amount_bytes * 1000, self.bytes_per_us)

    def traffic_bytes(self, facts: Facts, *, batch: int, precision: Precision) -> Ints:
        """Bytes that cross the pins for each operator."""
        item = BYTES_PER_ELEMENT[precision]
        lying = item * (facts.weights + batch * facts.caches)
        total = int(lying.sum())
        excess = max(0, total - self.buffer_bytes)
        # Products of two sizes in bytes may exceed 64 bits.
        shares = [-(-own * excess // total) if own else 0 for own in lying.tolist()]
        streamed = np.array(shares, dtype=np.int64)
        again = (facts.steps - 1) * np.maximum(0, lying - self.buffer_bytes)
        # A byte of the buffer counts once among live tensors: with all of it for the matrices and
        # all of it for the rest, an operator would get cheaper as a matrix's share of them grows.
        matrices = np.minimum(batch * item * facts.caches, lying - streamed)
        live = np.maximum(0, batch * (item * facts.live - self.buffer_bytes) + matrices)
        return np.where(facts.view, 0, streamed + again + live)

    def arithmetic_ns(self, facts: Facts, *, batch: int, precision: Precision) -> Ints:
        """Time of the arithmetic of each operator, memory and fixed time left out."""
        macs_ns = up(batch * facts.macs * 1000, self.macs_per_us[precision])
        elements_ns = up(batch * facts.elements * 1000, self.elements_per_us[precision])
        return np.where(facts.view, 0, macs_ns + elements_ns)

    def alone_ns(self, facts: Facts, *, batch: int, precision: Precision) -> Ints:
        """Time of each operator with nothing fused."""
        memory_ns = self.read_ns(self.traffic_bytes(facts, batch=batch, precision=precision))
        arithmetic_ns = self.arithmetic_ns(facts, batch=batch, precision=precision)
        return np.where(facts.view, 0, self.call_ns + np.maximum(memory_ns, arithmetic_ns))


def plain_of(processor: ProcessorSpec, memory: PlainSpec) -> Plain:
    """The processor of a spec at the memory of a spec; rates below one a microsecond become one."""
    return Plain(
        name=processor.name,
        macs_per_us={
            precision: max(1, rates.macs_per_s.value // _PER_US)
            for precision, rates in processor.compute.items()
        },
        elements_per_us={
            precision: max(1, rates.elements_per_s.value // _PER_US)
            for precision, rates in processor.compute.items()
        },
        buffer_bytes=processor.buffer_bytes.value,
        call_ns=processor.call_ns.value,
        bytes_per_us=max(
            1, memory.bytes_per_s.value * memory.reached_permille.value // (1000 * _PER_US)
        ),
    )
