"""Verdicts: does each path hold its gates, and can the run be believed at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipeline.verdict.gates import gate_shortage, judge_accuracy, judge_path, shortage
from pipeline.verdict.statistics import miss_rate_upper, nearest_rank

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline.verdict.gates import Gate
    from pipeline.verdict.rules import (
        AccuracyRule,
        Conditions,
        PathCounts,
        PathRule,
        Verdict,
    )

Reason = Literal[
    "too-few-frames",
    "overrun",
    "fate-would-change",
    "generator-lag",
    "noisy-host",
    "evidence-incomplete",
    "interrupted",
    "full-speed",
    "not-scored",
]

OVERRUN_SHARE = 0.01  # of a path's frames; above it the run is inconclusive
LATENESS_SHARE = 0.1  # of the tightest deadline, for player and holds at their p99

_EXIT_CODES: dict[Verdict, int] = {"pass": 0, "fail": 1, "inconclusive": 3}
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Inconclusive:
    """Why a path, or the whole run, could not be judged.

    Attributes:
        path: Name of the path; None for the whole run.
        reason: One of the closed list.
        value: What was seen: frames for `too-few-frames` and `fate-would-change`, a share of the
            path's frames for `overrun`, ms at p99 for `generator-lag` and `noisy-host`,
            interrupted rows for `interrupted`; None where there is no figure.
        limit: What was allowed, or required, in the unit of `value`; None where there is none.
        frames_needed: How many frames more it takes; None where more would not help.
    """

    path: str | None
    reason: Reason
    value: float | None = None
    limit: float | None = None
    frames_needed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PathJudgement:
    """One path, judged.

    Attributes:
        name: Name of the path.
        miss_rate_upper: Upper bound on the miss rate; None where no frame was judged.
        gates: Its gates, none where it has none.
        verdict: Whether the path holds.
    """

    name: str
    miss_rate_upper: float | None
    gates: tuple[Gate, ...]
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A run, judged.

    Attributes:
        verdict: Of the whole run.
        inconclusive: Every reason for which something could not be judged.
        paths: One per rule, in the rules' order.
        accuracy: Gates on the accuracy of tasks.
    """

    verdict: Verdict
    inconclusive: tuple[Inconclusive, ...]
    paths: tuple[PathJudgement, ...]
    accuracy: tuple[Gate, ...] = ()


def exit_code(verdict: Verdict) -> int:
    """Exit code of a verdict: 0, 1 or 3; an interrupted command answers for itself."""
    return _EXIT_CODES[verdict]


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of several: fail beats inconclusive beats pass."""
    found = set(verdicts)
    if "fail" in found:
        return "fail"
    return "inconclusive" if "inconclusive" in found else "pass"


def judge(
    rules: Sequence[PathRule], counts: Mapping[str, PathCounts], conditions: Conditions
) -> Judgement:
    """Judge every path, and the run.

    The gate on the miss rate passes when its one-sided upper bound is within the limit, and fails
    when the bound is above it and a frame was missed. Without a miss it is inconclusive: more
    frames decide. The gates on age, windows and misses in a row judge what was seen and claim
    nothing beyond. With fewer frames than `min_samples` every gate is inconclusive. Interrupted
    frames count neither way. On one path a failed gate beats an inconclusive one.

    A doubt about the measurement itself (overruns, a player or a host that fell behind, evidence
    that is not whole, an interruption) makes every gate it touches inconclusive, those that would
    fail too: such a failure says nothing about what is tested. A doubt about one path leaves the
    others to be judged, and then a failed path beats an inconclusive one.

    Args:
        rules: The paths.
        counts: What each of them came to, by name.
        conditions: How the run went.
    """
    of_run = _doubts_of_run(rules, counts, conditions)
    reasons = list(of_run)
    paths: list[PathJudgement] = []
    for rule in rules:
        found = counts[rule.name]
        doubts = _doubts_of_path(rule, found)
        gates = judge_path(rule, found)
        wants = _wanting(rule, gates, found)
        reasons.extend(doubts)
        reasons.extend(wants)
        verdict = worst(gate.verdict for gate in gates)
        if wants:
            verdict = worst([verdict, "inconclusive"])
        if doubts or of_run:
            gates = tuple(replace(gate, verdict="inconclusive") for gate in gates)
            verdict = "inconclusive"
        upper = None
        if found.judged:
            upper = miss_rate_upper(found.misses, found.judged, rule.confidence)
        paths.append(
            PathJudgement(name=rule.name, miss_rate_upper=upper, gates=gates, verdict=verdict)
        )
    return Judgement(
        verdict="inconclusive" if of_run else worst(path.verdict for path in paths),
        inconclusive=tuple(reasons),
        paths=tuple(paths),
    )


def with_accuracy(
    judgement: Judgement, asked: Sequence[tuple[AccuracyRule, float | None]]
) -> Judgement:
    """Judge the accuracy of tasks as well.

    A figure that there is not leaves its gate inconclusive, and so does a doubt about the whole
    run: such a run's results are not those of what is tested.

    Args:
        judgement: Of the paths.
        asked: Each gate with the figure it is on, None where it was not scored.
    """
    doubted = any(reason.path is None for reason in judgement.inconclusive)
    gates = [judge_accuracy(rule, value) for rule, value in asked]
    missing = [
        Inconclusive(path=gate.path, reason="not-scored") for gate in gates if gate.value is None
    ]
    if doubted:
        gates = [replace(gate, verdict="inconclusive") for gate in gates]
    verdict = worst([judgement.verdict, *(gate.verdict for gate in gates)])
    return replace(
        judgement,
        verdict="inconclusive" if doubted else verdict,
        inconclusive=(*judgement.inconclusive, *missing),
        accuracy=tuple(gates),
    )


def _wanting(rule: PathRule, gates: Sequence[Gate], counts: PathCounts) -> list[Inconclusive]:
    """What too few frames leave open on a path, the largest want alone: it covers the others."""
    found = [shortage(rule, counts), *(gate_shortage(rule, gate, counts) for gate in gates)]
    wants = [want for want in found if want is not None]
    if not wants:
        return []
    # A want that no number of frames meets is the largest of all.
    largest = max(wants, key=lambda want: (want.required is None, want.required or 0))
    return [
        Inconclusive(
            path=rule.name,
            reason="too-few-frames",
            value=largest.seen,
            limit=largest.required,
            frames_needed=largest.wanting,
        )
    ]


def _doubts_of_path(rule: PathRule, counts: PathCounts) -> list[Inconclusive]:
    doubts: list[Inconclusive] = []
    share = counts.overruns / counts.offered if counts.offered else 0.0
    if share > OVERRUN_SHARE:
        doubts.append(
            Inconclusive(path=rule.name, reason="overrun", value=share, limit=OVERRUN_SHARE)
        )
    if counts.would_change:
        doubts.append(
            Inconclusive(
                path=rule.name, reason="fate-would-change", value=counts.would_change, limit=0
            )
        )
    return doubts


def _tightest_ns(rule: PathRule, counts: PathCounts) -> int:
    return rule.deadline_ns if counts.tightest_ns is None else counts.tightest_ns


def _doubts_of_run(
    rules: Sequence[PathRule], counts: Mapping[str, PathCounts], conditions: Conditions
) -> list[Inconclusive]:
    doubts: list[Inconclusive] = []
    if conditions.partial:
        stopped = sum(counts[rule.name].interrupted for rule in rules)
        doubts.append(Inconclusive(path=None, reason="interrupted", value=stopped))
    if not conditions.evidence_complete:
        doubts.append(Inconclusive(path=None, reason="evidence-incomplete"))
    if conditions.full_speed:
        doubts.append(Inconclusive(path=None, reason="full-speed"))
    tightest_ns = min((_tightest_ns(rule, counts[rule.name]) for rule in rules), default=0)
    limit_ns = LATENESS_SHARE * tightest_ns
    lateness: tuple[tuple[Reason, Sequence[int]], ...] = (
        ("generator-lag", conditions.lags_ns),
        ("noisy-host", conditions.hold_late_ns),
    )
    for reason, seen_ns in lateness:
        if not seen_ns:
            continue
        # Whatever the count: a doubt needs no proof.
        p99_ns = nearest_rank(np.asarray(seen_ns, np.float64), 99)
        if p99_ns > limit_ns:
            doubts.append(
                Inconclusive(
                    path=None,
                    reason=reason,
                    value=p99_ns / _NS_PER_MS,
                    limit=limit_ns / _NS_PER_MS,
                )
            )
    return doubts
