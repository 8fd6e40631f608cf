"""The roofline that prices a segment: arithmetic or memory, whichever is slower, plus overheads.

All quantities are integers and every division rounds up, so a price is the same on any machine.

An operator falls in one of five classes.

- *Convolution*: as slow as its multiply-adds at the dense rate, or its windows (output elements
  times window size, the multiply-adds it would have with one channel per group) at the depthwise
  rate, whichever is longer. So a depthwise convolution pays the depthwise rate, a grouped one
  something between, and a first layer on three channels is not as fast as a deep one.
- *Matrix product*: multiply-adds at the matrix rate.
- *Element-wise*, behind a convolution, a matrix product, or an operator fused into one, in the same
  segment: fused, at no time and no traffic; `fused_into` names the convolution or product at the
  root. Reading the second operand of a residual addition is neglected.
- *Layout* (`Reshape`, `Concat`, `Transpose` and the like): a matter of addressing; no time, no
  traffic, and `fused_into` stays None. A chain of fusion goes through it.
- *Other*: elements, pooling windows and multiply-adds at the vector rate. An element-wise operator
  with nothing to fuse into belongs here.

An operator takes its fixed overhead plus the longer of arithmetic and outer-memory traffic. Traffic
is the part of the weights that the chip cannot hold for this segment, spread over its operators by
size and read once per batch, and the part of the live tensors above the activation buffer, once per
sample. Enlarging any count of an operator never makes the segment cheaper.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from accelerators.errors import UnsupportedPrecisionError
from accelerators.models.facts import root_of
from accelerators.models.host_side import transfers_ns, up
from accelerators.work import BYTES_PER_ELEMENT, OpCost, SegmentCost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from accelerators.models.host_side import Fallback, Link
    from accelerators.work import Label, OpWork, Precision, SegmentWork

_S = 1_000_000_000
_PERMILLE = 1000

_CONVOLUTIONS = frozenset(
    {"Conv", "ConvInteger", "FusedConv", "NhwcFusedConv", "QLinearConv"},
)
# Its windows lie on the input, and their depth cannot be told from the counts.
_TRANSPOSED = frozenset({"ConvTranspose"})
_PRODUCTS = frozenset(
    {"Attention", "Einsum", "FusedGemm", "FusedMatMul", "GRU", "Gemm", "LSTM", "MatMul"}
    | {"MatMulInteger", "MultiHeadAttention", "QGemm", "QLinearMatMul", "RNN"},
)
ELEMENT_WISE = frozenset(
    {"Abs", "Add", "BatchNormalization", "BiasGelu", "Celu", "Clip", "Div", "Elu", "Erf", "Exp"}
    | {"FastGelu", "Floor", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Max", "Min"}
    | {"Mish", "Mul", "Neg", "PRelu", "Pow", "QuickGelu", "Reciprocal", "Relu", "Round", "Selu"}
    | {"Sigmoid", "Softplus", "Softsign", "Sqrt", "Sub", "Swish", "Tanh", "ThresholdedRelu"}
    | {"Where"},
)
# Quantise and dequantise nodes only note a scale; the device computes in one precision throughout.
LAYOUT = frozenset(
    {"Cast", "Concat", "DequantizeLinear", "Dropout", "Expand", "Flatten", "Gather", "Identity"}
    | {"QuantizeLinear", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compute:
    """Rates of one precision: multiply-adds a second, elements a second for the vector unit."""

    dense_macs_per_s: int
    depthwise_macs_per_s: int
    matmul_macs_per_s: int
    vector_elements_per_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Roofline:
    """Parameters of a device, all in the unit that their name ends with.

    Attributes:
        name: The device's id, written in the cost shares.
        label: How far the parameters can be believed.
        compute: Rates per precision, the preferred precision first.
        memory_bytes_per_s: Bandwidth of the outer memory.
        weight_cache_bytes: Weights that stay on chip between runs.
        activation_buffer_bytes: Live tensors of one operator that stay on chip.
        run_overhead_ns: Fixed time of one run.
        op_overhead_ns: Fixed time of each operator that is not fused and no layout matter.
        bias_ppm: 10 % and 90 % quantile of true over modelled latency, parts per million.
        link: None where device and host share a memory.
        fallback: None where every operator runs on the device.
        power_mw: Power during a run; None where there is no figure.
    """

    name: str
    label: Label
    compute: Mapping[Precision, Compute]
    memory_bytes_per_s: int
    weight_cache_bytes: int
    activation_buffer_bytes: int
    run_overhead_ns: int
    op_overhead_ns: int
    bias_ppm: tuple[int, int]
    link: Link | None = None
    fallback: Fallback | None = None
    power_mw: int | None = None

    def supports(self, op: OpWork) -> bool:
        """Whether the device runs this operator itself."""
        return self.fallback is None or op.op_type not in self.fallback.op_types

    def op_costs(
        self, segment: SegmentWork, *, batch: int, precision: Precision
    ) -> tuple[OpCost, ...]:
        """Shares of the operators, in the segment's order.

        Raises:
            UnsupportedPrecisionError: The device does not compute in `precision`.
            ValueError: `batch` is below one.
        """
        if precision not in self.compute:
            raise UnsupportedPrecisionError(self.name, precision, self.compute)
        if batch < 1:
            msg = f"batch must be at least 1: {batch}"
            raise ValueError(msg)
        item_bytes = BYTES_PER_ELEMENT[precision]
        weight_bytes = item_bytes * sum(op.weight_elements for op in segment.ops)
        excess_bytes = max(0, weight_bytes - self.weight_cache_bytes)
        roots: dict[str, str] = {}
        places = {op.name: place for place, op in enumerate(segment.ops)}
        costs: list[OpCost] = []
        for op in segment.ops:
            root = root_of(op, roots, places)
            if self.fallback is not None and op.op_type in self.fallback.op_types:
                fallen = self.fallback.share(op, batch=batch, item=item_bytes)
                energy_pj = fallen.latency_ns * (self.power_mw or 0)  # the device idles meanwhile
                costs.append(replace(fallen, energy_pj=energy_pj))
                continue
            if op.op_type in LAYOUT:
                if root is not None:
                    roots[op.name] = root
                costs.append(self._share(op, latency_ns=0, moved_bytes=0))
                continue
            if op.op_type in ELEMENT_WISE and root is not None:
                roots[op.name] = root
                costs.append(self._share(op, latency_ns=0, moved_bytes=0, fused_into=root))
                continue
            if op.op_type in _CONVOLUTIONS | _TRANSPOSED | _PRODUCTS:
                roots[op.name] = op.name
            own_bytes = item_bytes * op.weight_elements
            live_bytes = item_bytes * (op.input_elements + op.output_elements)
            streamed = up(own_bytes * excess_bytes, weight_bytes) if weight_bytes else 0
            spilled = batch * max(0, live_bytes - self.activation_buffer_bytes)
            memory_ns = up((streamed + spilled) * _S, self.memory_bytes_per_s)
            arithmetic_ns = _arithmetic_ns(op, self.compute[precision], batch)
            costs.append(
                self._share(
                    op,
                    latency_ns=self.op_overhead_ns + max(memory_ns, arithmetic_ns),
                    moved_bytes=own_bytes + batch * live_bytes,
                )
            )
        return tuple(costs)

    def price(self, segment: SegmentWork, *, batch: int, precision: Precision) -> SegmentCost:
        """Cost of one run of `batch` samples.

        The overhead is the fixed time of a run and, on a card, the transfers of the segment's
        inputs and outputs. A device that is kept busy hides both behind the arithmetic, so its
        period is the longest of the operators' time, one transfer and the fixed time. Energy is
        power times latency, shares included; without a power figure shares are 0, the total None.

        Raises:
            UnsupportedPrecisionError: The device does not compute in `precision`.
            ValueError: `batch` is below one.
        """
        ops = self.op_costs(segment, batch=batch, precision=precision)
        item_bytes = BYTES_PER_ELEMENT[precision]
        moves_ns = transfers_ns(self.link, segment, batch * item_bytes)
        busy_ns = sum(op.latency_ns for op in ops)
        overhead_ns = self.run_overhead_ns + sum(moves_ns)
        latency_ns = busy_ns + overhead_ns
        low_ppm, high_ppm = self.bias_ppm
        return SegmentCost(
            latency_ns=latency_ns,
            interval_ns=(latency_ns * low_ppm // 1_000_000, up(latency_ns * high_ppm, 1_000_000)),
            period_ns=max(busy_ns, self.run_overhead_ns, *moves_ns),
            energy_pj=None if self.power_mw is None else latency_ns * self.power_mw,
            overhead_ns=overhead_ns,
            ops=ops,
            label=self.label,
            warnings=self._warnings(segment, item_bytes),
        )

    def _share(
        self, op: OpWork, *, latency_ns: int, moved_bytes: int, fused_into: str | None = None
    ) -> OpCost:
        return OpCost(
            name=op.name,
            latency_ns=latency_ns,
            energy_pj=latency_ns * (self.power_mw or 0),  # 1 mW x 1 ns = 1 pJ
            on=self.name,
            moved_bytes=moved_bytes,
            fused_into=fused_into,
        )

    def _warnings(self, segment: SegmentWork, item_bytes: int) -> tuple[str, ...]:
        warnings = [] if self.fallback is None else self.fallback.warnings(segment)
        weight_bytes = item_bytes * sum(op.weight_elements for op in segment.ops)
        if weight_bytes > self.weight_cache_bytes > 0:
            warnings.append(
                f"{weight_bytes} bytes of weights exceed the {self.weight_cache_bytes} held on chip"
            )
        if self.power_mw is None:
            warnings.append("no power figure, so energy is not known")
        return tuple(warnings)


def permille(rate: int, share: int) -> int:
    """`share` thousandths of `rate`, at least 1."""
    return max(1, rate * share // _PERMILLE)


def _arithmetic_ns(op: OpWork, compute: Compute, batch: int) -> int:
    """Time of the arithmetic of `batch` samples; memory and overhead left out."""
    if op.op_type in _CONVOLUTIONS:
        dense_ns = up(batch * op.macs * _S, compute.dense_macs_per_s)
        windows = op.output_elements * op.kernel_elements
        return max(dense_ns, up(batch * windows * _S, compute.depthwise_macs_per_s))
    if op.op_type in _TRANSPOSED:
        rate = compute.depthwise_macs_per_s if op.groups > 1 else compute.dense_macs_per_s
        return up(batch * op.macs * _S, rate)
    if op.op_type in _PRODUCTS:
        return up(batch * op.macs * _S, compute.matmul_macs_per_s)
    work = op.macs + max(op.input_elements, op.output_elements * op.kernel_elements)
    return up(batch * work * _S, compute.vector_elements_per_s)
