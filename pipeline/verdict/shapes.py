"""The shape of `result.json`, schema `splitway.result/1`: every key is always there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from pipeline.ledger.fates import Fate
    from pipeline.values import Plain
    from pipeline.verdict.gates import GateName, Unit
    from pipeline.verdict.judging import Reason
    from pipeline.verdict.prediction import PredictionCheckDocument
    from pipeline.verdict.rules import Verdict

Kind = Literal["modelled", "emulated", "measured"]
Bias = Literal["low", "zero", "high"]

SCHEMA = "splitway.result/1"


class SpanDocument(TypedDict):
    """A span over the answered frames that passed it, in ms."""

    p50_ms: float | None
    p99_ms: float | None


class BudgetDocument(TypedDict):
    """A span against its budget, over the answered frames that passed it; advice, and no gate.

    `over` says whether the p99 is above the budget, null where the sample has no p99.
    """

    budget_ms: float
    p99_ms: float | None
    over: bool | None
    frames: int
    frames_over: int


class FreshnessDocument(TypedDict):
    """Age of the newest result, weighted by time, and reaction to an event just after a frame.

    `over_spells` and `over_share` say how often, and in what share of the time, the age was above
    `max_age`; null without one.
    """

    age_p50_ms: float | None
    age_p99_ms: float | None
    age_max_ms: float | None
    reaction_p50_ms: float | None
    reaction_p99_ms: float | None
    reaction_max_ms: float | None
    over_spells: int | None
    over_share: float | None


class IntervalsDocument(TypedDict):
    """Moving-block bootstrap intervals, `[low, high]`, at the path's confidence.

    An end is null where it falls on a frame without an answer.
    """

    block_frames: int | None
    replicates: int | None
    p50_ms: list[float | None] | None
    p99_ms: list[float | None] | None
    miss_rate: list[float] | None
    miss_rate_upper: float | None


class InconclusiveDocument(TypedDict):
    """A reason for which something could not be judged; null path: the whole run."""

    path: str | None
    reason: Reason
    value: float | None
    limit: float | None
    frames_needed: int | None


class LedgerDocument(TypedDict):
    """The ledger of all paths."""

    offered: int
    settled: int
    hash: str


class PathDocument(TypedDict):
    """One path; `reasons` says why a figure that one might expect is null."""

    name: str
    kind: Kind
    modelled_share: float | None
    label: str
    n: int
    not_selected: int
    fates: dict[Fate, int]
    causes: dict[str, int]
    improved: int
    partial_sets: int
    overruns: int
    deadline_ms: float
    deadline_min_ms: float
    misses: int
    miss_rate_upper: float | None
    confidence: float
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    max_ms: float | None
    age_max_ms: float | None
    freshness: FreshnessDocument
    intervals: IntervalsDocument
    reasons: dict[str, str]
    spans: dict[str, SpanDocument]
    budgets: dict[str, BudgetDocument]
    prediction: PredictionCheckDocument | None
    verdict: Verdict
    verdict_at_bias: dict[Bias, Verdict] | None


class GateDocument(TypedDict):
    """One gate; `worst` is the first and the last frame of the worst place."""

    name: GateName
    path: str
    unit: Unit
    limit: float
    value: float | None
    margin: float | None
    confidence: float | None
    window: int | None
    worst: list[int] | None
    verdict: Verdict


class DeviceDocument(TypedDict):
    """One device; `compute` is null for a real one, `computes` by segment where int8 is all."""

    name: str
    id: str
    label: str
    compute: str | None
    computes: dict[str, str]


class EvidenceDocument(TypedDict):
    """What the run directory keeps."""

    images: str


class ResultDocument(TypedDict):
    """The verdict and all figures of a run."""

    schema: str
    scenario: str
    driver: Literal["virtual", "live"]
    seed: int
    sizes: Literal["exact", "modelled"]
    partial: bool
    verdict: Verdict
    inconclusive: list[InconclusiveDocument]
    ledger: LedgerDocument
    paths: list[PathDocument]
    gates: list[GateDocument]
    accuracy: dict[str, dict[str, Plain]]
    devices: list[DeviceDocument]
    hosts: dict[str, str]
    evidence: EvidenceDocument
