"""An agreement as JSON data: what `splitway agree --json` prints and `agreement.json` holds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipeline.verdict.agreement import (
        Answer,
        Compared,
        ComparedFates,
        PathAgreement,
        Tolerances,
    )
    from pipeline.verdict.agreement_costs import Cost
    from pipeline.verdict.agreement_noise import Noise
    from pipeline.verdict.rules import Verdict

_NS_PER_MS = 1_000_000
SCHEMA = "splitway.agree/1"


class ComparedDocument(TypedDict):
    """One figure in both runs; times in ms, `name` a percentile or a span, whose median it is."""

    name: str
    frames: int
    modelled_ms: float | None
    live_ms: float | None
    difference_ms: float | None
    difference_share: float | None
    interval_ms: list[float | None] | None
    tolerance_ms: float | None
    spread_ms: float | None
    answer: Answer | None
    reason: str | None


class ChangeDocument(TypedDict):
    """How many frames have one fate in virtual time and another live."""

    virtual: str
    live: str
    frames: int


class FatesDocument(TypedDict):
    """Fates of the same frames in both runs."""

    same: float | None
    interval: list[float] | None
    least: float
    same_live: float | None
    changes: list[ChangeDocument]
    answer: Answer | None
    reason: str | None


class AgreedPathDocument(TypedDict):
    """One path; `live_kind` is `emulated` or `measured`."""

    name: str
    virtual_kind: Literal["modelled"]
    live_kind: str
    frames: int
    block_frames: int | None
    answer: Answer | None
    virtual_miss_rate: float
    live_miss_rate: float
    fates: FatesDocument
    percentiles: list[ComparedDocument]
    spans: list[ComparedDocument]


class NoiseDocument(TypedDict):
    """A sign of a noisy host; `unit` is `ms`, or null for a figure of the run's own document."""

    run: str
    sign: str
    value: float | None
    limit: float | None
    unit: Literal["ms"] | None
    noisy: bool


class CostDocument(TypedDict):
    """A host stage, or one hop of a kind of message: what a host file says, and what it took."""

    what: str
    task: str
    where: str
    bytes: int | None
    seen: int
    modelled_ms: float
    own_ms: float | None
    live_ms: float


class TolerancesDocument(TypedDict):
    """What may differ: shares of the modelled figure, and what a span may always."""

    p50: float
    p90: float
    p99: float
    spans: float
    spans_floor_ms: float
    fates: float
    confidence: float


class DifferDocument(TypedDict):
    """A figure that is outside its tolerance."""

    path: str
    figure: str
    difference_ms: float | None


class AgreementDocument(TypedDict):
    """A whole agreement."""

    schema: str
    scenario: str
    seed: int
    partial: bool
    verdict: Verdict
    runs: dict[str, str]
    tolerances: TolerancesDocument
    noise: list[NoiseDocument]
    differ: list[DifferDocument]
    paths: list[AgreedPathDocument]
    host_costs: list[CostDocument]
    notes: list[str]


def judge_agreement(paths: Sequence[PathAgreement], noise: Sequence[Noise]) -> Verdict:
    """Whether the runs agree; a noisy host decides nothing, whichever way the figures point."""
    if any(sign.noisy for sign in noise) or not paths:
        return "inconclusive"
    answers = {path.answer for path in paths}
    if "outside" in answers:
        return "fail"
    return "pass" if answers == {"within"} else "inconclusive"


def agreement_document(
    *,
    scenario: str,
    seed: int,
    partial: bool,
    runs: Mapping[str, str],
    tolerances: Tolerances,
    confidence: float,
    noise: Sequence[Noise],
    paths: Sequence[PathAgreement],
    live_kinds: Mapping[str, str],
    costs: Sequence[Cost],
    notes: Sequence[str],
) -> AgreementDocument:
    """The document.

    Args:
        scenario: Name of the scenario.
        seed: Of all runs.
        partial: Whether a run was stopped, so that nothing was compared.
        runs: Driver of each run, by the name of its directory.
        tolerances: What might differ.
        confidence: Of every interval.
        noise: Signs of a noisy host.
        paths: The paths.
        live_kinds: Whether a path's live figures are emulated or measured.
        costs: What host stages and hops cost.
        notes: What a reader of the figures should know.
    """
    return {
        "schema": SCHEMA,
        "scenario": scenario,
        "seed": seed,
        "partial": partial,
        "verdict": judge_agreement(paths, noise),
        "runs": dict(runs),
        "tolerances": {
            "p50": tolerances.p50,
            "p90": tolerances.p90,
            "p99": tolerances.p99,
            "spans": tolerances.spans,
            "spans_floor_ms": tolerances.floor_ns / _NS_PER_MS,
            "fates": tolerances.fates,
            "confidence": confidence,
        },
        "noise": [_noise(sign) for sign in noise],
        "differ": [differs for path in paths for differs in _differ(path)],
        "paths": [_path(path, live_kinds[path.name]) for path in paths],
        "host_costs": [_cost(cost) for cost in costs],
        "notes": list(notes),
    }


def _differ(path: PathAgreement) -> Iterator[DifferDocument]:
    for figure in path.figures:
        if figure.answer == "outside":
            difference_ms = _ms(figure.difference_ns)
            yield {"path": path.name, "figure": figure.name, "difference_ms": difference_ms}
    if path.fates.answer == "outside":
        yield {"path": path.name, "figure": "fates", "difference_ms": None}


def _path(path: PathAgreement, live_kind: str) -> AgreedPathDocument:
    virtual_rate, live_rate = path.miss_rates
    return {
        "name": path.name,
        "virtual_kind": "modelled",
        "live_kind": live_kind,
        "frames": path.frames,
        "block_frames": path.block,
        "answer": path.answer,
        "virtual_miss_rate": virtual_rate,
        "live_miss_rate": live_rate,
        "fates": _fates(path.fates),
        "percentiles": [_compared(figure) for figure in path.percentiles],
        "spans": [_compared(figure) for figure in path.spans],
    }


def _compared(figure: Compared) -> ComparedDocument:
    share = None
    difference_ns = figure.difference_ns
    if difference_ns is not None and figure.virtual_ns:
        share = difference_ns / figure.virtual_ns
        share = share if math.isfinite(share) and math.isfinite(figure.virtual_ns) else None
    interval = figure.interval_ns
    return {
        "name": figure.name,
        "frames": figure.frames,
        "modelled_ms": _ms(figure.virtual_ns),
        "live_ms": _ms(figure.live_ns),
        "difference_ms": _ms(difference_ns),
        "difference_share": share,
        "interval_ms": None if interval is None else [_ms(end) for end in interval],
        "tolerance_ms": _ms(figure.tolerance_ns),
        "spread_ms": _ms(figure.spread_ns),
        "answer": figure.answer,
        "reason": figure.reason,
    }


def _fates(fates: ComparedFates) -> FatesDocument:
    return {
        "same": fates.same,
        "interval": None if fates.interval is None else list(fates.interval),
        "least": fates.least,
        "same_live": fates.same_live,
        "changes": [
            {"virtual": virtual, "live": live, "frames": count}
            for (virtual, live), count in fates.changes.items()
        ],
        "answer": fates.answer,
        "reason": fates.reason,
    }


def _noise(sign: Noise) -> NoiseDocument:
    return {
        "run": sign.run,
        "sign": sign.sign,
        "value": _ms(sign.value) if sign.is_tail else sign.value,
        "limit": _ms(sign.limit) if sign.is_tail else sign.limit,
        "unit": "ms" if sign.is_tail else None,
        "noisy": sign.noisy,
    }


def _cost(cost: Cost) -> CostDocument:
    return {
        "what": cost.what,
        "task": cost.task,
        "where": cost.where,
        "bytes": cost.size_bytes,
        "seen": cost.seen,
        "modelled_ms": cost.modelled_ns / _NS_PER_MS,
        "own_ms": _ms(cost.own_ns),
        "live_ms": cost.live_ns / _NS_PER_MS,
    }


def _ms(ns: float | None) -> float | None:
    """Milliseconds; none where there is no finite time."""
    return None if ns is None or not math.isfinite(ns) else ns / _NS_PER_MS
