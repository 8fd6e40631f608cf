"""A plan as the plain document that `--json` prints and `plan.json` holds."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, NotRequired, TypedDict

from pipeline.plan.joined import TogetherDocument, together_document
from pipeline.plan.mapped import (
    MapDocument,
    ValidityDocument,
    map_document,
    validity_documents,
)
from pipeline.plan.predictions import PredictionDocument, prediction_documents
from pipeline.plan.reasons import ReasonsDocument, reasons_documents
from pipeline.plan.robustness import RobustnessDocument, robustness_document
from pipeline.plan.steps import Host, Move, Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.plan.plan import Candidate, Cover, Plan, TaskPlan, Verified
    from pipeline.plan.routes import RouteStep

SCHEMA = "splitway.plan/1"
_NS_PER_MS = 1_000_000
_PJ_PER_MJ = 1_000_000_000


class StepDocument(TypedDict):
    """One step of a candidate; which keys it has depends on what it does."""

    do: str
    latency_ms: float
    label: str
    stage: NotRequired[str]
    site: NotRequired[str]
    segment: NotRequired[str]
    device: NotRequired[str]
    tensors: NotRequired[list[str]]
    channel: NotRequired[str]
    codec: NotRequired[str]
    bytes: NotRequired[int]


class FallbackDocument(TypedDict):
    """Operators that devices hand to their hosts, the copies that takes, and the time of both."""

    operators: int
    copies: int
    latency_ms: float


class BrokenDocument(TypedDict):
    """A constraint that a candidate does not satisfy; `needed` is in the constraint's own unit."""

    constraint: str
    subject: str | None
    needed: int
    text: str


class RelaxationDocument(TypedDict):
    """The least change of a constraint that makes a candidate feasible; an index into them."""

    constraint: str
    subject: str | None
    now: int
    needed: int
    candidate: int
    text: str


class VerifiedDocument(TypedDict):
    """Frames of a virtual run of the task alone, those in time, and the bound of their share."""

    frames: int
    hits: int
    rate: float
    rate_least: float
    hits_at_high_bias: int
    latency_ms: float | None


class HedgeDocument(TypedDict):
    """The hedge of a candidate: when it starts and ends, how often, and what a run of it takes."""

    start_ms: float
    end_ms: float
    runs: float
    answers: float
    agreement: float | None
    edge_ms: float
    energy_mj: float | None
    in_time: bool
    latency_without_ms: float
    waits: bool


class CandidateDocument(TypedDict):
    """One candidate; times in ms, energy in mJ, sizes in bytes."""

    id: str
    title: str
    route: str
    pin: str | None
    variant: str
    hedge: str | None
    hedging: HedgeDocument | None
    steps: list[StepDocument]
    devices: list[str]
    cut: list[str]
    codecs: dict[str, str]
    latency_ms: float
    interval_ms: list[float]
    spans: dict[str, float | None]
    bytes_up: int
    bytes_down: int
    energy_mj: float | None
    accuracy: None
    agreement: float | None
    in_time: float
    expected: float | None
    label: str
    allowed: bool
    feasible: bool
    robust: bool
    why: str
    edge_ms: float
    cloud_ms: float
    load_ms: float | None
    memory_bytes: dict[str, int]
    fallbacks: FallbackDocument
    sizes: str
    broken: list[BrokenDocument]
    pareto: bool
    gap: float
    verified: VerifiedDocument | None
    median_ms: float
    mean_ms: float


class LayerDocument(TypedDict):
    """An operator that could run elsewhere at its site; transfers are in neither time."""

    name: str
    op: str
    on: str
    latency_ms: float
    other: str | None
    otherwise_ms: float


class TaskDocument(TypedDict):
    """The candidates of one task; `chosen` is an index into them, or None.

    `layers` are operators of the candidate that runs; `numerics` says what the variants compute on
    devices that know int8 alone.
    """

    name: str
    chosen: int | None
    run: int
    basis: str
    explanation: str
    candidates: list[CandidateDocument]
    layers: list[LayerDocument]
    relaxations: list[RelaxationDocument]
    robustness: RobustnessDocument | None
    numerics: list[str]


class PlanDocument(TypedDict):
    """A plan; the file adds hashes and quantile tables. `together` is null for one task."""

    schema: str
    percentile: float
    tasks: list[TaskDocument]
    together: TogetherDocument | None
    reasons: list[ReasonsDocument]
    predicted: list[PredictionDocument]
    validity: list[ValidityDocument]
    map: MapDocument | None
    hashes: NotRequired[dict[str, str]]
    quantiles: NotRequired[dict[str, list[int]]]


def plan_document(plan: Plan, spans: Sequence[str], *, as_file: bool = False) -> PlanDocument:
    """A plan as plain data.

    Args:
        plan: The plan.
        spans: The closed list of spans; every candidate names them all.
        as_file: Whether hashes and quantile tables belong in it.
    """
    document: PlanDocument = {
        "schema": SCHEMA,
        "percentile": plan.percentile,
        "tasks": [_task(task, spans) for task in plan.tasks],
        "together": together_document(plan.together),
        "reasons": reasons_documents(plan.reasons),
        "predicted": prediction_documents(plan.predicted),
        "validity": validity_documents(plan.validity),
        "map": map_document(plan.map),
    }
    if as_file:
        document["hashes"] = dict(sorted(plan.hashes.items()))
        document["quantiles"] = {name: list(t) for name, t in sorted(plan.quantiles.items())}
    return document


def plan_hash(plan: Plan, spans: Sequence[str]) -> str:
    """Hash of a plan file's content."""
    text = json.dumps(plan_document(plan, spans, as_file=True), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _task(task: TaskPlan, spans: Sequence[str]) -> TaskDocument:
    return {
        "name": task.task,
        "chosen": task.chosen,
        "run": task.run,
        "basis": task.basis,
        "explanation": task.explanation,
        "candidates": [_candidate(candidate, spans) for candidate in task.candidates],
        "layers": [
            {
                "name": layer.name,
                "op": layer.op,
                "on": layer.on,
                "latency_ms": layer.latency_ns / _NS_PER_MS,
                "other": layer.other or None,
                "otherwise_ms": layer.otherwise_ns / _NS_PER_MS,
            }
            for layer in task.layers
        ],
        "relaxations": [
            {
                "constraint": relaxed.constraint,
                "subject": relaxed.subject or None,
                "now": relaxed.now,
                "needed": relaxed.needed,
                "candidate": relaxed.candidate,
                "text": relaxed.text,
            }
            for relaxed in task.relaxations
        ],
        "robustness": robustness_document(task.robustness),
        "numerics": list(task.numerics),
    }


def _candidate(candidate: Candidate, spans: Sequence[str]) -> CandidateDocument:
    return {
        "id": candidate.route.id,
        "title": candidate.title,
        "route": candidate.name,
        "pin": candidate.pin,
        "variant": candidate.route.variant,
        "hedge": None if candidate.hedge is None else candidate.hedge.form,
        "hedging": _hedge(candidate.hedge),
        "steps": [_step(step) for step in candidate.route.steps],
        "devices": list(candidate.devices),
        "cut": list(candidate.cut),
        "codecs": dict(zip(candidate.cut, candidate.codecs, strict=True)),
        "latency_ms": candidate.latency_ns / _NS_PER_MS,
        "interval_ms": [bound_ns / _NS_PER_MS for bound_ns in candidate.interval_ns],
        "spans": {
            span: candidate.spans[span] / _NS_PER_MS if span in candidate.spans else None
            for span in spans
        },
        "bytes_up": candidate.bytes_up,
        "bytes_down": candidate.bytes_down,
        "energy_mj": None if candidate.energy_pj is None else candidate.energy_pj / _PJ_PER_MJ,
        "accuracy": None,
        "agreement": candidate.agreement,
        "in_time": candidate.in_time,
        "expected": candidate.expected,
        "label": candidate.label,
        "allowed": candidate.allowed,
        "feasible": candidate.feasible,
        "robust": candidate.robust,
        "why": candidate.why,
        "edge_ms": candidate.edge_ns / _NS_PER_MS,
        "cloud_ms": candidate.cloud_ns / _NS_PER_MS,
        "load_ms": None if candidate.load_ns is None else candidate.load_ns / _NS_PER_MS,
        "memory_bytes": dict(candidate.memory),
        "fallbacks": {
            "operators": candidate.fallbacks,
            "copies": 2 * candidate.fallbacks,
            "latency_ms": candidate.fallback_ns / _NS_PER_MS,
        },
        "sizes": candidate.sizes,
        "broken": [
            {
                "constraint": broken.constraint,
                "subject": broken.subject or None,
                "needed": broken.needed,
                "text": broken.text,
            }
            for broken in candidate.broken
        ],
        "pareto": candidate.best,
        "gap": candidate.gap,
        "verified": _verified(candidate.verified),
        "median_ms": candidate.median_ns / _NS_PER_MS,
        "mean_ms": candidate.mean_ns / _NS_PER_MS,
    }


def _hedge(cover: Cover | None) -> HedgeDocument | None:
    if cover is None:
        return None
    return {
        "start_ms": cover.start_ns / _NS_PER_MS,
        "end_ms": cover.ends_ns / _NS_PER_MS,
        "runs": cover.runs,
        "answers": cover.answers,
        "agreement": cover.agreement,
        "edge_ms": cover.edge_ns / _NS_PER_MS,
        "energy_mj": None if cover.energy_pj is None else cover.energy_pj / _PJ_PER_MJ,
        "in_time": cover.keeps,
        "latency_without_ms": cover.alone_ns / _NS_PER_MS,
        "waits": cover.waits,
    }


def _verified(found: Verified | None) -> VerifiedDocument | None:
    if found is None:
        return None
    return {
        "frames": found.frames,
        "hits": found.hits,
        "rate": found.hits / found.frames,
        "rate_least": found.least,
        "hits_at_high_bias": found.hits_high,
        "latency_ms": None if found.latency_ns is None else found.latency_ns / _NS_PER_MS,
    }


def _step(step: RouteStep) -> StepDocument:
    latency_ms = step.latency_ns / _NS_PER_MS
    match step.step:
        case Run(segment=segment, device=device):
            return {
                "do": "run",
                "segment": segment,
                "device": device,
                "latency_ms": latency_ms,
                "label": step.label,
            }
        case Host(stage=stage, site=site):
            return {
                "do": "host",
                "stage": stage,
                "site": site,
                "latency_ms": latency_ms,
                "label": step.label,
            }
        case Move(tensors=tensors, channel=channel, codecs=codecs):
            return {
                "do": "move",
                "tensors": list(tensors),
                "channel": channel,
                "codec": "+".join(dict.fromkeys(codecs)),
                "bytes": step.bytes,
                "latency_ms": latency_ms,
                "label": step.label,
            }
