"""Verdicts: does each path hold its gate, and can the run be believed at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipeline.verdict.statistics import CONFIDENCE, frames_needed, miss_rate_upper, nearest_rank

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Verdict = Literal["pass", "fail", "inconclusive"]
Reason = Literal[
    "too-few-frames",
    "overrun",
    "fate-would-change",
    "generator-lag",
    "noisy-host",
    "evidence-incomplete",
    "interrupted",
]

OVERRUN_SHARE = 0.01  # of a path's frames; above it the run is inconclusive
LATENESS_SHARE = 0.1  # of the tightest deadline, for player and holds at their p99

_EXIT_CODES: dict[Verdict, int] = {"pass": 0, "fail": 1, "inconclusive": 3}
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRule:
    """What a path has to keep.

    Attributes:
        name: Name of the path.
        deadline_ns: From the scheduled time to the decoded result at the consumer.
        max_miss: Largest allowed miss rate, 0 to 1; None for a path without a gate.
        confidence: Confidence of the gate, above 0 and below 1.
        min_samples: Frames below which the path is not judged.
    """

    name: str
    deadline_ns: int
    max_miss: float | None = None
    confidence: float = CONFIDENCE
    min_samples: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PathCounts:
    """What a path's rows add up to.

    Attributes:
        offered: All rows.
        interrupted: Rows that a stop ended; neither held nor missed.
        misses: Rows that are late, dropped or failed.
        overruns: Rows during which something ran that should have been computed ahead.
        would_change: Misses that might be none without the overruns.
    """

    offered: int
    interrupted: int = 0
    misses: int = 0
    overruns: int = 0
    would_change: int = 0

    @property
    def judged(self) -> int:
        """Rows that say whether the deadline held."""
        return self.offered - self.interrupted


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How the run went, apart from its frames.

    Attributes:
        partial: Whether it was ended before its time.
        evidence_complete: Whether everything that should have been written down was.
        lags_ns: How late the player sent each frame; empty in virtual time.
        hold_late_ns: How late emulated devices let go; empty in virtual time.
    """

    partial: bool = False
    evidence_complete: bool = True
    lags_ns: Sequence[int] = ()
    hold_late_ns: Sequence[int] = ()


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
class Gate:
    """A gate and how it came out.

    Attributes:
        name: Name of the gate.
        path: Name of the path.
        limit: What is allowed.
        value: What was seen; None where nothing was.
        margin: Distance of the upper bound to the limit, negative above it; None without value.
        confidence: Confidence of the bound.
        verdict: Whether it holds.
    """

    name: str
    path: str
    limit: float
    value: float | None
    margin: float | None
    confidence: float
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class PathJudgement:
    """One path, judged.

    Attributes:
        name: Name of the path.
        miss_rate_upper: Upper bound on the miss rate; None where no frame was judged.
        gate: Its gate; None where it has none.
        verdict: Whether the path holds.
    """

    name: str
    miss_rate_upper: float | None
    gate: Gate | None
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A run, judged.

    Attributes:
        verdict: Of the whole run.
        inconclusive: Every reason for which something could not be judged.
        paths: One per rule, in the rules' order.
    """

    verdict: Verdict
    inconclusive: tuple[Inconclusive, ...]
    paths: tuple[PathJudgement, ...]


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

    A gate passes when the one-sided upper bound on its miss rate is within the limit, and fails
    when the bound is above it and a frame was missed. Without a miss, or with fewer frames than
    `min_samples`, it is inconclusive: more frames decide. Interrupted frames count neither way.

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
        gate = None if rule.max_miss is None else judge_gate(rule, rule.max_miss, found)
        short = _shortage(rule, found)
        reasons.extend(doubts)
        if short is not None:
            reasons.append(short)
        if gate is not None and (doubts or of_run):
            gate = replace(gate, verdict="inconclusive")
        unsure = bool(doubts or of_run or short)
        verdict: Verdict = "inconclusive" if unsure else "pass" if gate is None else gate.verdict
        upper = None
        if found.judged:
            upper = miss_rate_upper(found.misses, found.judged, rule.confidence)
        paths.append(
            PathJudgement(name=rule.name, miss_rate_upper=upper, gate=gate, verdict=verdict)
        )
    return Judgement(
        verdict="inconclusive" if of_run else worst(path.verdict for path in paths),
        inconclusive=tuple(reasons),
        paths=tuple(paths),
    )


def judge_gate(rule: PathRule, max_miss: float, counts: PathCounts) -> Gate:
    """Judge a path's gate on its miss rate from the frames alone.

    Args:
        rule: The path, for its confidence and `min_samples`.
        max_miss: Largest allowed miss rate, 0 to 1.
        counts: What the path came to.
    """
    value = upper = None
    verdict: Verdict = "inconclusive"
    if counts.judged:
        value = counts.misses / counts.judged
        upper = miss_rate_upper(counts.misses, counts.judged, rule.confidence)
        if _shortage(rule, counts) is None:
            verdict = "pass" if upper <= max_miss else "fail"
    return Gate(
        name="max_miss",
        path=rule.name,
        limit=max_miss,
        value=value,
        margin=None if upper is None else max_miss - upper,
        confidence=rule.confidence,
        verdict=verdict,
    )


def _shortage(rule: PathRule, counts: PathCounts) -> Inconclusive | None:
    """What too few frames leave open; None where the frames suffice to judge."""
    provable = rule.max_miss is None or 1 - rule.max_miss < 1
    if not provable and counts.misses == 0:  # no number of frames proves a rate of zero
        return Inconclusive(
            path=rule.name, reason="too-few-frames", value=counts.judged, limit=None
        )
    required = rule.min_samples
    if rule.max_miss is not None:
        required = max(required, 1)
        unproven = counts.misses == 0 and (
            counts.judged == 0 or miss_rate_upper(0, counts.judged, rule.confidence) > rule.max_miss
        )
        if unproven:
            clean = 1
            if rule.max_miss < 1:
                clean = frames_needed(1 - rule.max_miss, confidence=rule.confidence)
            required = max(required, clean, counts.judged + 1)
    if counts.judged >= required:
        return None
    return Inconclusive(
        path=rule.name,
        reason="too-few-frames",
        value=counts.judged,
        limit=required,
        frames_needed=required - counts.judged,
    )


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


def _doubts_of_run(
    rules: Sequence[PathRule], counts: Mapping[str, PathCounts], conditions: Conditions
) -> list[Inconclusive]:
    doubts: list[Inconclusive] = []
    if conditions.partial:
        stopped = sum(counts[rule.name].interrupted for rule in rules)
        doubts.append(Inconclusive(path=None, reason="interrupted", value=stopped))
    if not conditions.evidence_complete:
        doubts.append(Inconclusive(path=None, reason="evidence-incomplete"))
    tightest_ns = min((rule.deadline_ns for rule in rules), default=0)
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
