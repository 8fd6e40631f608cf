"""The result of a run as a plain document, from the ledger and what the run was made of."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import LedgerError
from pipeline.ledger import SPANS
from pipeline.ledger.sealing import fate_counts
from pipeline.verdict.figures import PathFigures, count_paths
from pipeline.verdict.judging import Conditions, judge
from pipeline.verdict.shapes import SCHEMA
from pipeline.verdict.statistics import Percentile, maximum, percentile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.ledger import Ledger
    from pipeline.verdict.judging import (
        Gate,
        Inconclusive,
        PathCounts,
        PathJudgement,
        PathRule,
        Verdict,
    )
    from pipeline.verdict.shapes import (
        Bias,
        GateDocument,
        InconclusiveDocument,
        Kind,
        PathDocument,
        ResultDocument,
        SpanDocument,
    )

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """A device of the run.

    Attributes:
        name: Name in the scenario.
        id: Id of its spec or backend.
        label: How far its prices can be believed.
        compute: When an emulated device's outputs are computed; None for a real one.
    """

    name: str
    id: str
    label: str
    compute: str | None

    @property
    def emulated(self) -> bool:
        """Whether its time is held and not measured."""
        return bool(self.compute)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What a result says of a run beside its frames.

    Attributes:
        scenario: Name of the scenario.
        seed: Seed of the run.
        devices: Devices, hosts left out.
        hosts: Host file of each site.
        labels: Weakest label of each path's parts, by path.
        measured: Names of the paths of a live run on whose way nothing is emulated: no held device,
            no shaped link.
        not_selected: Frames that `every` left out, by path; 0 where a path is missing.
        conditions: How the run went.
        verdict_at_bias: Verdict of each path at low, zero and high bias; None in a live run.
        accuracy: Scores by task; empty where nothing was scored.
        images: What the evidence keeps of pictures.
    """

    scenario: str
    seed: int
    devices: Sequence[DeviceFacts]
    hosts: Mapping[str, str]
    labels: Mapping[str, str]
    measured: frozenset[str] = frozenset()
    not_selected: Mapping[str, int] = field(default_factory=dict)
    conditions: Conditions = field(default_factory=Conditions)
    verdict_at_bias: Mapping[str, Mapping[Bias, Verdict]] | None = None
    accuracy: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    images: str = "none"


def build_document(ledger: Ledger, rules: Sequence[PathRule], facts: RunFacts) -> ResultDocument:
    """Judge a sealed ledger and write the result down; no NaN or infinity is in it.

    Lateness of player and holds is judged in a live run alone: virtual time has no host to blame.

    Raises:
        LedgerError: The ledger has rows of a path that no rule is for.
    """
    paths = {rule.name: PathFigures(ledger, rule.name) for rule in rules}
    if sum(map(len, paths.values())) != len(ledger):
        known = ", ".join(paths) or "none"
        raise LedgerError(f"the ledger has rows of paths other than those judged: {known}")
    conditions = facts.conditions
    if ledger.driver == "virtual":
        conditions = Conditions(
            partial=conditions.partial, evidence_complete=conditions.evidence_complete
        )
    counts = count_paths(ledger, paths)
    judgement = judge(rules, counts, conditions)
    return {
        "schema": SCHEMA,
        "scenario": facts.scenario,
        "driver": ledger.driver,
        "seed": facts.seed,
        "partial": conditions.partial,
        "verdict": judgement.verdict,
        "inconclusive": [_inconclusive(reason) for reason in judgement.inconclusive],
        "ledger": {"offered": len(ledger), "settled": len(ledger), "hash": ledger.hash()},
        "paths": [
            _path(
                ledger,
                rule,
                _kind(ledger, facts, rule.name),
                facts,
                paths[rule.name],
                counts[rule.name],
                judged,
            )
            for rule, judged in zip(rules, judgement.paths, strict=True)
        ],
        "gates": [_gate(judged.gate) for judged in judgement.paths if judged.gate is not None],
        "accuracy": {
            task: {name: _number(value) for name, value in scores.items()}
            for task, scores in facts.accuracy.items()
        },
        "devices": [
            {"name": d.name, "id": d.id, "label": d.label, "compute": d.compute or None}
            for d in facts.devices
        ],
        "hosts": dict(facts.hosts),
        "evidence": {"images": facts.images},
    }


def _kind(ledger: Ledger, facts: RunFacts, path: str) -> Kind:
    if ledger.driver == "virtual":
        return "modelled"
    return "measured" if path in facts.measured else "emulated"


def _path(
    ledger: Ledger,
    rule: PathRule,
    kind: Kind,
    facts: RunFacts,
    figures: PathFigures,
    counts: PathCounts,
    judged: PathJudgement,
) -> PathDocument:
    latencies_ns = figures.latencies_ns()
    reasons: dict[str, str] = {}

    def ms(key: str, found: Percentile) -> float | None:
        if found.reason is not None:
            reasons[key] = found.reason
        return None if found.value is None else found.value / _NS_PER_MS

    share = _modelled_share(kind, figures)
    if share is None:
        reasons["modelled_share"] = "no frame was answered"
    if judged.miss_rate_upper is None:
        reasons["miss_rate_upper"] = "no frame was judged"
    p50, p90, p99, p999 = (
        ms(key, percentile(latencies_ns, percent))
        for key, percent in (("p50_ms", 50), ("p90_ms", 90), ("p99_ms", 99), ("p999_ms", 99.9))
    )
    largest = ms("max_ms", maximum(latencies_ns))
    reasons["age_max_ms"] = "no max_age on this path"
    at_bias = None if facts.verdict_at_bias is None else facts.verdict_at_bias.get(rule.name)
    return {
        "name": rule.name,
        "kind": kind,
        "modelled_share": share,
        "label": facts.labels[rule.name],
        "n": len(figures),
        "not_selected": facts.not_selected.get(rule.name, 0),
        "fates": fate_counts(ledger, rule.name),
        "causes": figures.causes(),
        "improved": int(figures.data["improved"].sum()),
        "partial_sets": int(figures.data["partial"].sum()),
        "overruns": counts.overruns,
        "deadline_ms": rule.deadline_ns / _NS_PER_MS,
        "misses": counts.misses,
        "miss_rate_upper": judged.miss_rate_upper,
        "confidence": rule.confidence,
        "p50_ms": p50,
        "p90_ms": p90,
        "p99_ms": p99,
        "p999_ms": p999,
        "max_ms": largest,
        "age_max_ms": None,
        "reasons": reasons,
        "spans": _spans(figures, reasons),
        "verdict": judged.verdict,
        "verdict_at_bias": None if at_bias is None else dict(at_bias),
    }


def _modelled_share(kind: Kind, figures: PathFigures) -> float | None:
    """Modelled time over all time of the answered frames; None where there is none."""
    answered = figures.answered
    if not answered.any():
        return None
    if kind != "emulated":
        return 1.0 if kind == "modelled" else 0.0
    latency_ns = float(figures.latencies_ns()[answered].sum())
    modelled_ns = float(figures.data["modelled_ns"][answered].sum())
    return modelled_ns / latency_ns if latency_ns > 0 else None


def _spans(figures: PathFigures, reasons: dict[str, str]) -> dict[str, SpanDocument]:
    """Percentiles of every span over the answered frames that passed it.

    A frame without an answer has no winning way, so none of its spans is known to be one.
    """
    durations_ns, passed = figures.durations_ns()
    passed &= figures.answered[:, np.newaxis]
    spans: dict[str, SpanDocument] = {}
    for index, span in enumerate(SPANS):
        seen_ns = durations_ns[passed[:, index], index].astype(np.float64)
        spans[span] = {"p50_ms": None, "p99_ms": None}
        if len(seen_ns) == 0:
            continue
        p50, p99 = percentile(seen_ns, 50), percentile(seen_ns, 99)
        spans[span] = {
            "p50_ms": None if p50.value is None else p50.value / _NS_PER_MS,
            "p99_ms": None if p99.value is None else p99.value / _NS_PER_MS,
        }
        for key, found in (("p50_ms", p50), ("p99_ms", p99)):
            if found.reason is not None:
                reasons[f"spans.{span}.{key}"] = found.reason
    return spans


def _inconclusive(reason: Inconclusive) -> InconclusiveDocument:
    return {
        "path": reason.path,
        "reason": reason.reason,
        "value": reason.value,
        "limit": reason.limit,
        "frames_needed": reason.frames_needed,
    }


def _gate(gate: Gate) -> GateDocument:
    return {
        "name": gate.name,
        "path": gate.path,
        "limit": gate.limit,
        "value": gate.value,
        "margin": gate.margin,
        "confidence": gate.confidence,
        "verdict": gate.verdict,
    }


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
