"""The result of a run as a plain document, from the ledger and what the run was made of."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.errors import LedgerError
from pipeline.verdict.figures import PathFigures, count_paths
from pipeline.verdict.judging import judge, with_accuracy
from pipeline.verdict.paths import path_document
from pipeline.verdict.shapes import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.ledger import Ledger
    from pipeline.values import Plain
    from pipeline.verdict.facts import RunFacts
    from pipeline.verdict.gates import Gate
    from pipeline.verdict.judging import Inconclusive, Judgement
    from pipeline.verdict.rules import (
        AccuracyRule,
        Conditions,
        PathCounts,
        PathRule,
        Verdict,
    )
    from pipeline.verdict.shapes import GateDocument, InconclusiveDocument, ResultDocument


def build_document(ledger: Ledger, rules: Sequence[PathRule], facts: RunFacts) -> ResultDocument:
    """Judge a sealed ledger and write the result down; no NaN or infinity is in it.

    Lateness of player and holds is judged in a live run alone: virtual time has no host to blame.

    Raises:
        LedgerError: The ledger has rows of a path that no rule is for.
    """
    paths, counts, judgement = _judged(ledger, rules, facts.conditions)
    judgement = with_accuracy(
        judgement, [(rule, _figure(facts, rule)) for rule in facts.accuracy_rules]
    )
    return {
        "schema": SCHEMA,
        "scenario": facts.scenario,
        "driver": ledger.driver,
        "seed": facts.seed,
        "sizes": ledger.sizes,
        "partial": facts.conditions.partial,
        "verdict": judgement.verdict,
        "inconclusive": [_inconclusive(reason) for reason in judgement.inconclusive],
        "ledger": {"offered": len(ledger), "settled": len(ledger), "hash": ledger.hash()},
        "paths": [
            path_document(ledger, facts, rule, paths[rule.name], counts[rule.name], judged)
            for rule, judged in zip(rules, judgement.paths, strict=True)
        ],
        "gates": [
            _gate(gate)
            for gates in (*(path.gates for path in judgement.paths), judgement.accuracy)
            for gate in gates
        ],
        "accuracy": {
            task: {name: _finite(value) for name, value in scores.items()}
            for task, scores in facts.accuracy.items()
        },
        "devices": [
            {
                "name": d.name,
                "id": d.id,
                "label": d.label,
                "compute": d.compute or None,
                "computes": dict(d.computes),
            }
            for d in facts.devices
        ],
        "hosts": dict(facts.hosts),
        "evidence": {"images": facts.images},
    }


def path_verdicts(
    ledger: Ledger, rules: Sequence[PathRule], conditions: Conditions
) -> dict[str, Verdict]:
    """The verdict of each path by the same gates, and nothing else of the document.

    Raises:
        LedgerError: The ledger has rows of a path that no rule is for.
    """
    _, _, judgement = _judged(ledger, rules, conditions)
    return {path.name: path.verdict for path in judgement.paths}


def _judged(
    ledger: Ledger, rules: Sequence[PathRule], conditions: Conditions
) -> tuple[dict[str, PathFigures], dict[str, PathCounts], Judgement]:
    paths = {rule.name: PathFigures(ledger, rule.name) for rule in rules}
    if sum(map(len, paths.values())) != len(ledger):
        known = ", ".join(paths) or "none"
        raise LedgerError(f"the ledger has rows of paths other than those judged: {known}")
    if ledger.driver == "virtual":
        conditions = replace(conditions, lags_ns=(), hold_late_ns=())
    counts = count_paths(ledger, paths, rules)
    return paths, counts, judge(rules, counts, conditions)


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
        "unit": gate.unit,
        "limit": gate.limit,
        "value": gate.value,
        "margin": gate.margin,
        "confidence": gate.confidence,
        "window": gate.window,
        "worst": None if gate.worst is None else list(gate.worst),
        "verdict": gate.verdict,
    }


def _figure(facts: RunFacts, rule: AccuracyRule) -> float | None:
    """The figure that a gate is on; None where there is none."""
    match facts.accuracy.get(rule.task, {}).get(rule.figure):
        case int() | float() as value if math.isfinite(value):
            return float(value)
        case _:
            return None


def _finite(value: Plain) -> Plain:
    """JSON data with null in place of what is no number."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {name: _finite(inner) for name, inner in value.items()}
        case list():
            return [_finite(inner) for inner in value]
        case _:
            return value
