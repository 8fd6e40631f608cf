"""The shape of `result.json`, schema `splitway.result/1`: every key is always there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from pipeline.ledger.fates import Fate
    from pipeline.verdict.judging import Reason, Verdict

Kind = Literal["modelled", "emulated", "measured"]
Bias = Literal["low", "zero", "high"]

SCHEMA = "splitway.result/1"


class SpanDocument(TypedDict):
    """A span over the answered frames that passed it, in ms."""

    p50_ms: float | None
    p99_ms: float | None


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
    misses: int
    miss_rate_upper: float | None
    confidence: float
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    max_ms: float | None
    age_max_ms: float | None
    reasons: dict[str, str]
    spans: dict[str, SpanDocument]
    verdict: Verdict
    verdict_at_bias: dict[Bias, Verdict] | None


class GateDocument(TypedDict):
    """One gate."""

    name: str
    path: str
    limit: float
    value: float | None
    margin: float | None
    confidence: float
    verdict: Verdict


class DeviceDocument(TypedDict):
    """One device; `compute` is null for a real one."""

    name: str
    id: str
    label: str
    compute: str | None


class EvidenceDocument(TypedDict):
    """What the run directory keeps."""

    images: str


class ResultDocument(TypedDict):
    """The verdict and all figures of a run."""

    schema: str
    scenario: str
    driver: Literal["virtual", "live"]
    seed: int
    partial: bool
    verdict: Verdict
    inconclusive: list[InconclusiveDocument]
    ledger: LedgerDocument
    paths: list[PathDocument]
    gates: list[GateDocument]
    accuracy: dict[str, dict[str, float | None]]
    devices: list[DeviceDocument]
    hosts: dict[str, str]
    evidence: EvidenceDocument
