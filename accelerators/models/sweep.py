"""Many variations of one segment's price at once: batches and memory bandwidths, as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from accelerators.errors import UnsupportedPrecisionError
from accelerators.models.facts import Role, facts
from accelerators.work import BYTES_PER_ELEMENT, WEIGHT_BYTES_PER_ELEMENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from accelerators.models.segment import SegmentModel
    from accelerators.work import Precision, SegmentWork

_NS_PER_S = 1e9
_PERMILLE = 1000.0


def latencies_ns(
    model: SegmentModel,
    segment: SegmentWork,
    *,
    precision: Precision,
    batch: NDArray[np.int64],
    bandwidth_permille: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Latencies of a segment under variations of batch and memory bandwidth.

    Args:
        model: The device.
        segment: What runs.
        precision: What it runs in.
        batch: Samples per run, at least 1, shape (variations,).
        bandwidth_permille: Bandwidth of weights and activations to the device's own, in thousandths
            above 0, shape (variations,).

    Returns:
        Latency (ns) of each variation, shape (variations,): that of `SegmentModel.price` but for
        rounding, at most one nanosecond for each division there.

    Raises:
        UnsupportedPrecisionError: The device does not compute in `precision`.
        ValueError: A batch or bandwidth is below 1, or an operator falls back to a host.
    """
    if precision not in model.macs_per_s:
        raise UnsupportedPrecisionError(model.name, precision, model.macs_per_s)
    if (batch < 1).any() or (bandwidth_permille < 1).any():
        msg = "batches and bandwidths must be at least 1"
        raise ValueError(msg)
    if not all(model.supports(op) for op in segment.ops):
        msg = f"{segment.name}: operators that fall back to a host are not varied"
        raise ValueError(msg)
    item, weight_item = BYTES_PER_ELEMENT[precision], WEIGHT_BYTES_PER_ELEMENT[precision]
    held = weight_item * sum(op.weight_elements for op in segment.ops)
    streamed = max(0, held - (model.resident_bytes or 0))
    alone = [fact for fact in facts(segment.ops) if fact.role not in {Role.FREE, Role.FUSED}]
    # Rows of counts: dense-equivalent multiply-adds, elements of the vector unit, weights, bytes of
    # activations that count.
    counts = np.array(
        [
            (
                max(
                    fact.macs * 1000,
                    fact.window_macs * model.depthwise_permille,
                    fact.product_macs * model.product_permille,
                ),
                model.vector_milli(fact) / _PERMILLE,
                fact.weights,
                _counted(item * fact.traffic, model.knee_bytes),
            )
            for fact in alone
        ]
        or [(0, 0, 0, 0)],
        dtype=np.float64,
    ).T
    one_ns = counts[0] * (_NS_PER_S / _PERMILLE / model.macs_per_s[precision]) + counts[1] * (
        item * _NS_PER_S / model.vector_bytes_per_s
    )
    share = streamed / held if held else 0.0
    weights_ns = counts[2] * (weight_item * share * _NS_PER_S / model.weight_bytes_per_s)
    traffic_ns = counts[3] * (_NS_PER_S / model.activation_bytes_per_s)
    fill = model.fill_permille / _PERMILLE
    samples = batch.astype(np.float64)
    slower = _PERMILLE / bandwidth_permille
    times = np.multiply.outer((samples + fill) / (1 + fill), one_ns)
    np.maximum(times, np.multiply.outer(slower, weights_ns), out=times)
    np.maximum(times, np.multiply.outer(samples * slower, traffic_ns), out=times)
    products = sum(1 for fact in alone if fact.product_macs)
    busy_ns = times.sum(axis=1) + products * model.product_ns
    fixed_ns = np.full(len(samples), float(model.run_ns[precision]))
    if model.dataflow_permille is not None:
        fixed_ns += (busy_ns + fixed_ns) * (model.dataflow_permille / _PERMILLE - 1)
    if model.link is not None:
        moved = item * (segment.input_elements + segment.output_elements)
        fixed_ns += 2 * model.link.transfer_ns
        fixed_ns += samples * (moved * _NS_PER_S / model.link.bytes_per_s)
    total: NDArray[np.float64] = busy_ns + fixed_ns
    return total


def _counted(traffic_bytes: int, knee_bytes: int) -> float:
    """Bytes of activations that count: half of those at the knee, nearly all far above it."""
    return traffic_bytes * (traffic_bytes / (traffic_bytes + knee_bytes)) if traffic_bytes else 0.0
