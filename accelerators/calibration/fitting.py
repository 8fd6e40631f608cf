"""The fit of the NPU model: parameters in log space, a robust loss, and priors that bound them.

Minimised is the sum of `rho((ln modelled - ln published) / scale)` with scipy's soft-l1 as rho,
plus the squared distance of each log parameter from its prior in units of the prior's width. A
factor, not a difference, is what a latency is off by; a robust loss leaves rows aside whose layers
left the accelerator; a prior keeps a parameter that the rows say nothing about where it is
plausible. A network that is off is off in all precisions, so these share one network's say. A chip
as a whole is faster or slower by a factor of its own, which all rates have and all fixed times are
divided by; the priors hold for what is left. The modelled time is that of
`accelerators.models.segment`, in floats.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from accelerators.errors import CalibrationDataError
from accelerators.models.facts import Role, facts
from accelerators.work import BYTES_PER_ELEMENT, WEIGHT_BYTES_PER_ELEMENT, Precision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from accelerators.calibration.published import Figure
    from accelerators.models.host_side import Link
    from accelerators.work import SegmentWork

    Floats = NDArray[np.float64]

ORDER: tuple[Precision, ...] = ("int8", "float16", "w8a16", "float32")
# Typical value and width of the log, a factor e for 1: the first where a chip of a few TMAC/s
# stands, the second so wide that some ten rows outweigh it. Times in ns, rates per ns.
PRIORS: dict[str, tuple[float, float]] = {
    "int8_macs": (11_000.0, 0.43),
    "float16_macs": (2_200.0, 0.43),
    "w8a16_macs": (4_500.0, 0.43),
    "float32_macs": (1_000.0, 0.43),
    "depthwise_times": (12.0, 0.85),
    "product_times": (1.1, 0.34),
    "weight_bytes": (55.0, 0.3),
    "activation_bytes": (34.0, 0.43),
    "vector_bytes": (33.0, 0.21),
    "pool_times": (0.4, 0.43),
    "resize_times": (0.5, 0.43),
    "pass_times": (0.2, 0.85),
    "slice_times": (0.7, 0.85),
    "knee_bytes": (20_000.0, 0.85),
    "product_ns": (8_000.0, 0.85),
    "run_int8_ns": (150_000.0, 0.6),
    "run_wide_ns": (500_000.0, 0.6),
    "fill": (0.3, 0.85),
}
NAMES = tuple(PRIORS)
# Width of the log of a whole chip's speed, and which way it moves each parameter.
SPEED_WIDTH = 0.85
# Where the speed is taken as known: it stays, and rates are so much wider.
_NO_WIDTH = 0.001
_SIZED_WIDTH = 2.0
_RATES = frozenset({"weight_bytes", "activation_bytes", "vector_bytes"})
_BY_SPEED = np.array(
    [
        1.0 if name in _RATES or name.endswith("_macs") else -1.0 if name.endswith("_ns") else 0.0
        for name in NAMES
    ]
)
SCALE = 0.15
LEAST_FIGURES = 3
# The prior of a chip whose size is known says most of it.
LEAST_FIGURES_OF_SIZED = 2
# A value this much of its prior's width away from it was moved by figures.
_MOVED = 0.01
_CODES = {Role.ELEMENTS: 2, Role.VECTOR: 3, Role.AGAIN: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a device before a fit.

    Attributes:
        left_aside: Graphs whose figures get a residual but no say in the fit.
        centre: Prior values other than `PRIORS` has, such as those of a related device.
        sized: Whether `centre` is of the chip's size already: its speed is not sought then, and its
            rates are held less narrowly.
        resident_bytes: Weights that the device holds on chip; None where all are read.
        link: Link of a card, whose transfers are part of a latency; None for any other device.
        slots: Runs that a busy device works on at once.
    """

    left_aside: frozenset[str] = frozenset()
    centre: Mapping[str, float] = field(default_factory=dict)
    sized: bool = False
    resident_bytes: int | None = None
    link: Link | None = None
    slots: int = 1


# Nothing is known: a device with a memory shared with its host, and the priors as they stand.
UNKNOWN = Known()


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Counts of several rows (graph and precision), one after the other, ready for the formula.

    Arrays over operators have shape (operators,), those over rows (rows,). `role` is 0 for a
    convolution, 1 for a product, 2 for a lone element-wise operator, 3 for what else there is.
    """

    role: NDArray[np.int8]
    macs: Floats
    window_macs: Floats
    weight_bytes: Floats
    traffic_bytes: Floats
    vector_bytes: Floats
    pooled_bytes: Floats
    resized_bytes: Floats
    passed_bytes: Floats
    sliced_bytes: Floats
    precision: NDArray[np.int8]
    starts: NDArray[np.int64]
    row_precision: NDArray[np.int8]
    batch: Floats
    row_batch: Floats
    busy: NDArray[np.bool_]
    part: NDArray[np.bool_]
    transfer_ns: Floats
    slots: int


def design(
    works: Mapping[str, SegmentWork],
    figures: Sequence[Figure],
    known: Known = UNKNOWN,
) -> Design:
    """Counts of the figures' graphs at their precisions, weights less what stays on the chip."""
    parts, lengths = [], []
    kept: dict[str, Floats] = {}
    for figure in figures:
        if figure.graph not in kept:
            kept[figure.graph] = _counts(works[figure.graph])
        part, precision = kept[figure.graph], figure.precision
        item, weight = BYTES_PER_ELEMENT[precision], WEIGHT_BYTES_PER_ELEMENT[precision]
        code = np.full(len(part), ORDER.index(precision), dtype=np.float64)
        scaled = part * np.array([1, 1, 1, weight, *[item] * 6], dtype=np.float64)
        if known.resident_bytes is not None:
            held = float(scaled[:, 3].sum())
            scaled[:, 3] *= max(0.0, held - known.resident_bytes) / max(held, 1.0)
        batch = np.full(len(part), figure.batch, dtype=np.float64)
        parts.append(np.column_stack([scaled, code, batch]))
        lengths.append(len(part))
    table = np.concatenate(parts)
    return Design(
        role=table[:, 0].astype(np.int8),
        macs=table[:, 1],
        window_macs=table[:, 2],
        weight_bytes=table[:, 3],
        traffic_bytes=table[:, 4],
        vector_bytes=table[:, 5],
        pooled_bytes=table[:, 6],
        resized_bytes=table[:, 7],
        passed_bytes=table[:, 8],
        sliced_bytes=table[:, 9],
        precision=table[:, 10].astype(np.int8),
        starts=np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64),
        row_precision=np.array([ORDER.index(f.precision) for f in figures], dtype=np.int8),
        batch=table[:, 11],
        row_batch=np.array([f.batch for f in figures], dtype=np.float64),
        busy=np.array([f.busy for f in figures], dtype=np.bool_),
        part=np.array([f.part for f in figures], dtype=np.bool_),
        slots=known.slots,
        transfer_ns=np.array([_transfers_ns(works[f.graph], f, known.link) for f in figures]),
    )


def _transfers_ns(work: SegmentWork, figure: Figure, link: Link | None) -> float:
    """Time of inputs and outputs over a card's link."""
    if link is None:
        return 0.0
    moved = figure.batch * (work.input_elements + work.output_elements)
    return 2 * link.transfer_ns + moved * BYTES_PER_ELEMENT[figure.precision] * (
        1e9 / link.bytes_per_s
    )


def _counts(work: SegmentWork) -> Floats:
    rows: list[tuple[int, ...]] = []
    for fact in facts(work.ops):
        if fact.role in {Role.FREE, Role.FUSED}:
            continue
        role = _CODES.get(fact.role, 1 if fact.product_macs else 0)
        macs = fact.product_macs or fact.macs
        vector = (fact.vector, fact.pooled, fact.resized, fact.passed, fact.sliced)
        rows.append((role, macs, fact.window_macs, fact.weights, fact.traffic, *vector))
    # A graph of free operators only still has a run.
    return np.array(rows or [(3, *[0] * 9)], dtype=np.float64)


def modelled_ns(log_values: Floats, counts: Design) -> Floats:
    """Time of each row (ns), as its figure counts it; `log_values` in the order of `NAMES`."""
    p = dict(zip(NAMES, np.exp(log_values), strict=True))
    rates = np.array([p[f"{name}_macs"] for name in ORDER])[counts.precision]
    work = np.maximum(counts.macs, counts.window_macs * p["depthwise_times"])
    product = counts.role == 1
    arithmetic = np.where(product, counts.macs * p["product_times"], work) / rates
    filled = (counts.batch + p["fill"]) / (1 + p["fill"])
    vector = (
        counts.vector_bytes
        + counts.pooled_bytes * p["pool_times"]
        + counts.resized_bytes * p["resize_times"]
        + counts.passed_bytes * p["pass_times"]
        + counts.sliced_bytes * p["slice_times"]
    )
    inside = (arithmetic + vector / p["vector_bytes"]) * filled
    weights = counts.weight_bytes / p["weight_bytes"]
    small = counts.traffic_bytes / (counts.traffic_bytes + p["knee_bytes"])
    traffic = counts.batch * counts.traffic_bytes * small / p["activation_bytes"]
    longest = np.maximum(np.maximum(inside, weights), traffic)
    per_op = longest + np.where(product, p["product_ns"], 0.0)
    runs = np.array([p["run_int8_ns"], *[p["run_wide_ns"]] * 3])[counts.row_precision]
    busy_ns: Floats = np.add.reduceat(per_op, counts.starts)
    period_ns = np.maximum(busy_ns, runs) / (counts.row_batch * counts.slots)
    alone_ns = np.where(counts.part, busy_ns, busy_ns + runs + counts.transfer_ns)
    total: Floats = np.where(counts.busy, period_ns, alone_ns)
    return total


def _shared(figures: Sequence[Figure]) -> Floats:
    """Each figure's part of its network's say, shape (figures,): the precisions share it.

    Latency, a query of several samples and throughput tell of different things: each has its own.
    """
    taken = [(each.graph, each.batch, each.busy, each.part) for each in figures]
    times = Counter(taken)
    return np.array([1 / times[key] for key in taken])


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A fit: values by the names in `PRIORS` (ns, per ns, or a factor), and ln(modelled/published).

    Attributes:
        values: Fitted values.
        residuals: One per figure, in the figures' order, shape (figures,).
        untouched: Names of the values that the figures say nothing of: where the prior of a chip
            of this speed has them.
    """

    values: Mapping[str, float]
    residuals: Floats
    untouched: frozenset[str]

    def log_values(self) -> Floats:
        """The values as the model takes them."""
        return np.log([self.values[name] for name in NAMES])


def fit(
    works: Mapping[str, SegmentWork],
    figures: Sequence[Figure],
    known: Known = UNKNOWN,
) -> Fit:
    """Fit the model to figures.

    Args:
        works: Whole graphs as segments, by file name; at least those of the figures.
        figures: What to fit to.
        known: What is known of the device before.

    Raises:
        CalibrationDataError: Fewer than three figures have a say, or than two for a chip whose
            size is known.
    """
    from scipy.optimize import least_squares  # noqa: PLC0415 - slow to import

    used = [figure for figure in figures if figure.graph not in known.left_aside]
    least = LEAST_FIGURES_OF_SIZED if known.sized else LEAST_FIGURES
    if len(used) < least:
        raise CalibrationDataError(
            "fit", f"{len(used)} figures are too few; at least {least} are needed"
        )
    counts = design(works, used, known)
    target = np.log([figure.time_ns for figure in used])
    typical = np.log([known.centre.get(name, PRIORS[name][0]) for name in NAMES])
    width = np.array([PRIORS[name][1] for name in NAMES])
    width = np.where(known.sized & (_BY_SPEED > 0), _SIZED_WIDTH * width, width)
    # Precisions of a network share its say. All layers together have as much as all runs, which are
    # what is to be predicted.
    shared = _shared(used)
    of_runs = max(1.0, float(shared[~counts.part].sum()))
    say = np.sqrt(np.where(counts.part, of_runs / max(1, counts.part.sum()), shared))

    # The last of what is sought is the log of the chip's speed.
    middle, widths = (
        np.append(typical, 0.0),
        np.append(width, _NO_WIDTH if known.sized else SPEED_WIDTH),
    )

    def residuals(sought: Floats) -> Floats:
        log_values = sought[:-1] + sought[-1] * _BY_SPEED
        gap = (np.log(modelled_ns(log_values, counts)) - target) / SCALE
        robust = np.sign(gap) * SCALE * np.sqrt(2 * (np.sqrt(1 + gap**2) - 1))
        prior = SCALE * (sought - middle) / widths
        return np.concatenate([say * robust, prior])

    sought = least_squares(residuals, middle, max_nfev=80).x
    log_values = sought[:-1] + sought[-1] * _BY_SPEED
    everything = design(works, figures, known)
    gaps = np.log(modelled_ns(log_values, everything)) - np.log([f.time_ns for f in figures])
    moved = np.abs(sought[:-1] - typical) / width
    return Fit(
        values=dict(zip(NAMES, np.exp(log_values).tolist(), strict=True)),
        residuals=gaps,
        untouched=frozenset(
            name for name, by in zip(NAMES, moved.tolist(), strict=True) if by < _MOVED
        ),
    )
