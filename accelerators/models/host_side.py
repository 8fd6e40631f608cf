"""What a card and its host have to do with each other: transfers, and operators that fall back.

Every model of an NPU uses these, so that one link and one fallback cost the same in all of them.
All quantities are integers and every division rounds up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from accelerators.work import OpCost

if TYPE_CHECKING:
    from accelerators.work import OpWork, SegmentWork

_S = 1_000_000_000


def up(amount: int, per: int) -> int:
    """Quotient rounded up; both not negative, `per` above zero."""
    return -(-amount // per)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Link of a card to its host: payload bandwidth of one direction, fixed time per transfer."""

    bytes_per_s: int
    transfer_ns: int


def transfers_ns(link: Link | None, segment: SegmentWork, sample_bytes: int) -> tuple[int, int]:
    """Times of bringing a segment's inputs to the device and its outputs back.

    Args:
        link: The link; None where device and host share a memory.
        segment: The segment.
        sample_bytes: Bytes of an element, times the samples of the batch.
    """
    if link is None:
        return 0, 0
    there, back = (
        link.transfer_ns + up(sample_bytes * elements * _S, link.bytes_per_s)
        for elements in (segment.input_elements, segment.output_elements)
    )
    return there, back


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """Where operators go that the device does not run, and what that costs.

    Attributes:
        host: Name written in the cost shares.
        op_types: ONNX operator types that fall back.
        macs_per_s: Multiply-adds a second there.
        elements_per_s: Elements a second there, beside the multiply-adds.
        copy_bytes_per_s: Bandwidth of copies.
        copy_ns: Fixed time of one of the two copies.
    """

    host: str
    op_types: frozenset[str]
    macs_per_s: int
    elements_per_s: int
    copy_bytes_per_s: int
    copy_ns: int

    def share(self, op: OpWork, *, batch: int, item: int) -> OpCost:
        """Two copies and the host's own time, without energy: that is the waiting device's.

        Args:
            op: The operator.
            batch: Samples.
            item: Bytes of an element.
        """
        copied_bytes = batch * item * (op.input_elements + op.output_elements)
        elements = batch * max(op.input_elements, op.output_elements * op.kernel_elements)
        return OpCost(
            name=op.name,
            latency_ns=2 * self.copy_ns
            + up(copied_bytes * _S, self.copy_bytes_per_s)
            + up(batch * op.macs * _S, self.macs_per_s)
            + up(elements * _S, self.elements_per_s),
            energy_pj=0,
            on=self.host,
            moved_bytes=item * op.weight_elements + copied_bytes,
        )

    def warnings(self, segment: SegmentWork) -> list[str]:
        """What to say of a segment's operators that fall back; nothing where none does."""
        fallen = [op.op_type for op in segment.ops if op.op_type in self.op_types]
        if not fallen:
            return []
        return [f"{len(fallen)} operators ({', '.join(sorted(set(fallen)))}) run on {self.host}"]
