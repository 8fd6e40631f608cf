"""How well a fit does on models that it did not see, beside two plain fits on the same models."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from accelerators.calibration.fitting import ORDER, UNKNOWN, Known, design, fit, modelled_ns

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from accelerators.calibration.published import Figure
    from accelerators.work import Precision, SegmentWork

    Floats = NDArray[np.float64]

# The split was drawn once, before any fit, and is the same for every device.
SEED = 5
SHARE_PERMILLE = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A published time (ns) of a model that was left out, and what fits of the others say."""

    graph: str
    family: str
    precision: Precision
    published_ns: int
    modelled_ns: float
    plain_ns: float
    plain_activations_ns: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Absolute relative errors: median, 90 % quantile, count; Spearman's rank correlation."""

    median: float
    p90: float
    count: int
    rank: float | None


def split(
    graphs: Collection[str],
    families: Mapping[str, str],
    *,
    seed: int = SEED,
    share_permille: int = SHARE_PERMILLE,
) -> frozenset[str]:
    """Models to leave out, of every family its share; what a small family lacks the next one gives.

    Args:
        graphs: All models.
        families: Family of a model; one without belongs to the family "".
        seed: Of the shuffle.
        share_permille: How many to leave out, in thousandths.
    """
    draw = random.Random(seed)  # noqa: S311 - a split is no secret
    by_family: dict[str, list[str]] = defaultdict(list)
    for graph in sorted(graphs):
        by_family[families.get(graph, "")].append(graph)
    left_out: set[str] = set()
    owed = 0
    for family in sorted(by_family):
        members = by_family[family]
        draw.shuffle(members)
        owed += share_permille * len(members)
        count, owed = divmod(owed, 1000)
        left_out.update(members[:count])
    return frozenset(left_out)


def folds(
    graphs: Collection[str], families: Mapping[str, str], *, seed: int, count: int = 4
) -> tuple[frozenset[str], ...]:
    """Models in parts that are left out in turn, each family spread over the parts.

    A form or a prior is chosen with these, inside the models that `split` does not leave out.

    Args:
        graphs: The models to divide.
        families: Family of a model; one without belongs to the family "".
        seed: Of the shuffle.
        count: Number of parts.
    """
    draw = random.Random(seed)  # noqa: S311 - a split is no secret
    by_family: dict[str, list[str]] = defaultdict(list)
    for graph in sorted(graphs):
        by_family[families.get(graph, "")].append(graph)
    parts: list[set[str]] = [set() for _ in range(count)]
    place = draw.randrange(count)
    for family in sorted(by_family):
        draw.shuffle(by_family[family])
        for graph in by_family[family]:
            parts[place % count].add(graph)
            place += 1
    return tuple(frozenset(part) for part in parts)


def predict(
    works: Mapping[str, SegmentWork],
    figures: Sequence[Figure],
    left_out: Collection[str],
    known: Known = UNKNOWN,
    *,
    families: Mapping[str, str],
) -> tuple[Prediction, ...]:
    """Fit to the figures of the other models, and predict those of the models left out.

    Raises:
        CalibrationDataError: Too few figures remain.
    """
    seen = [figure for figure in figures if figure.graph not in left_out]
    unseen = [figure for figure in figures if figure.graph in left_out]
    found = fit(works, seen, known)
    if not unseen:
        return ()
    counts = design(works, unseen, known)
    modelled = modelled_ns(found.log_values(), counts)
    plain = _plain(works, seen, unseen, activations=False)
    wider = _plain(works, seen, unseen, activations=True)
    return tuple(
        Prediction(
            graph=figure.graph,
            family=families.get(figure.graph, ""),
            precision=figure.precision,
            published_ns=figure.time_ns,
            modelled_ns=float(ours),
            plain_ns=float(first),
            plain_activations_ns=float(second),
        )
        for figure, ours, first, second in zip(unseen, modelled, plain, wider, strict=True)
    )


def errors(published: Iterable[float], modelled: Iterable[float]) -> Errors | None:
    """Errors of modelled against published times; None where there is no figure."""
    from scipy.stats import rankdata  # noqa: PLC0415 - slow to import

    true, guess = (np.array(list(times), dtype=np.float64) for times in (published, modelled))
    if not len(true):
        return None
    off = np.abs(guess / true - 1)
    rank = None
    if len(true) > 1 and np.ptp(true) > 0 and np.ptp(guess) > 0:
        rank = float(np.corrcoef(rankdata(true), rankdata(guess))[0, 1])
    return Errors(
        median=float(np.median(off)), p90=float(np.quantile(off, 0.9)), count=len(true), rank=rank
    )


def _plain(
    works: Mapping[str, SegmentWork],
    seen: Sequence[Figure],
    unseen: Sequence[Figure],
    *,
    activations: bool,
) -> Floats:
    """`a + b MACs + c weight bytes`, non-negative, b per precision, by least relative squares.

    With activation bytes as well, the same is refined under the robust log loss.
    """
    from scipy.optimize import least_squares, nnls  # noqa: PLC0415 - slow to import

    table, target = _features(works, seen, activations=activations), _times(seen)
    scale = np.maximum((table / target[:, None]).max(axis=0), 1e-30)
    scaled = table / scale
    found, _ = nnls(scaled / target[:, None], np.ones(len(target)))
    if activations:

        def residuals(values: Floats) -> Floats:
            gaps: Floats = np.log(np.maximum(scaled @ values, 1e-9)) - np.log(target)
            return gaps

        found = least_squares(
            residuals,
            np.maximum(found, 1e-6),
            bounds=(0, np.inf),
            loss="soft_l1",
            f_scale=0.15,
            max_nfev=100,
        ).x
    predicted: Floats = (_features(works, unseen, activations=activations) / scale) @ found
    return predicted


def _features(
    works: Mapping[str, SegmentWork], figures: Sequence[Figure], *, activations: bool
) -> Floats:
    counts = design(works, figures)
    macs = np.add.reduceat(counts.batch * counts.macs, counts.starts)
    columns = [np.ones(len(figures))]
    columns += [np.where(counts.row_precision == code, macs, 0.0) for code in range(len(ORDER))]
    columns.append(np.add.reduceat(counts.weight_bytes, counts.starts))
    if activations:
        vector = counts.vector_bytes + counts.pooled_bytes + counts.resized_bytes
        moved = counts.batch * (counts.traffic_bytes + vector)
        columns.append(np.add.reduceat(moved, counts.starts))
    table: Floats = np.column_stack(columns)
    # What a throughput counts is one sample's share of a run.
    table /= np.where(counts.busy, counts.row_batch, 1.0)[:, None]
    return table


def _times(figures: Sequence[Figure]) -> Floats:
    return np.array([figure.time_ns for figure in figures], dtype=np.float64)
