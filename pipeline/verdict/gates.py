"""Gates: each rule of a path against what its rows came to, and how many frames are wanting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pipeline.verdict.statistics import frames_needed, miss_rate_upper

if TYPE_CHECKING:
    from pipeline.verdict.rules import AccuracyRule, PathCounts, PathRule, Verdict

GateName = Literal["max_miss", "max_age", "weakly_hard", "consecutive", "accuracy"]
Unit = Literal["share", "ms", "frames", "score"]

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A gate and how it came out.

    Attributes:
        name: Name of the gate, that of its key in the scenario.
        path: Name of the path; of a gate on accuracy the task's, a dot and the figure's.
        unit: Unit of limit, value and margin.
        limit: What is allowed; of a gate on accuracy the least, else the most.
        value: What was seen; None where nothing was.
        margin: Distance to the limit, negative beyond it: that of the upper bound where the gate
            has a confidence, of the value itself otherwise; None without value.
        confidence: Confidence of the bound; None for a gate that judges what was seen and claims
            nothing beyond.
        window: Frames in a row that the limit is for; None where it is for all.
        worst: First and last frame of the worst place; None where there is none.
        verdict: Whether it holds.
    """

    name: GateName
    path: str
    unit: Unit
    limit: float
    value: float | None
    margin: float | None
    confidence: float | None
    window: int | None = None
    worst: tuple[int, int] | None = None
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """Too few frames for something.

    Attributes:
        seen: Frames that were judged.
        required: Frames that it takes; None where no number would do.
    """

    seen: int
    required: int | None

    @property
    def wanting(self) -> int | None:
        """How many frames more it takes."""
        return None if self.required is None else self.required - self.seen


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
        if shortage(rule, counts) is None:
            verdict = "pass" if upper <= max_miss else "fail"
    return Gate(
        name="max_miss",
        path=rule.name,
        unit="share",
        limit=max_miss,
        value=value,
        margin=None if upper is None else max_miss - upper,
        confidence=rule.confidence,
        verdict=verdict,
    )


def judge_path(rule: PathRule, counts: PathCounts) -> tuple[Gate, ...]:
    """Judge every gate of a path from the frames alone, in the order of `GateName`."""
    gates: list[Gate] = []
    if rule.max_miss is not None:
        gates.append(judge_gate(rule, rule.max_miss, counts))
    if rule.max_age_ns is not None:
        gates.append(_age_gate(rule, rule.max_age_ns, counts))
    if rule.weakly_hard is not None:
        gates.append(_window_gate(rule, counts))
    if rule.consecutive is not None:
        gates.append(_streak_gate(rule, rule.consecutive, counts))
    return tuple(gates)


def judge_accuracy(rule: AccuracyRule, value: float | None) -> Gate:
    """Judge a task's accuracy; inconclusive where it was not scored."""
    verdict: Verdict = "inconclusive"
    if value is not None:
        verdict = "pass" if value >= rule.minimum else "fail"
    return Gate(
        name="accuracy",
        path=rule.name,
        unit="score",
        limit=rule.minimum,
        value=value,
        margin=None if value is None else value - rule.minimum,
        confidence=None,
        verdict=verdict,
    )


def _age_gate(rule: PathRule, max_age_ns: int, counts: PathCounts) -> Gate:
    """The largest age; inconclusive where no time passed in which to be old."""
    worst = None if counts.freshness is None else counts.freshness.worst()
    verdict: Verdict = "inconclusive"
    if worst is not None and counts.judged >= rule.min_samples:
        verdict = "pass" if worst[0] <= max_age_ns else "fail"
    return Gate(
        name="max_age",
        path=rule.name,
        unit="ms",
        limit=max_age_ns / _NS_PER_MS,
        value=None if worst is None else worst[0] / _NS_PER_MS,
        margin=None if worst is None else (max_age_ns - worst[0]) / _NS_PER_MS,
        confidence=None,
        worst=None if worst is None else (worst[1], worst[2]),
        verdict=verdict,
    )


def _window_gate(rule: PathRule, counts: PathCounts) -> Gate:
    """Misses in a window; frames that are too few for one window can fail and cannot pass."""
    hard = rule.weakly_hard
    assert hard is not None  # noqa: S101 - the caller looked
    seen = counts.window
    verdict: Verdict = "inconclusive"
    if seen is not None and counts.judged >= rule.min_samples:
        if seen.misses > hard.misses:
            verdict = "fail"
        elif seen.frames == hard.window:
            verdict = "pass"
    return Gate(
        name="weakly_hard",
        path=rule.name,
        unit="frames",
        limit=hard.misses,
        value=None if seen is None else seen.misses,
        margin=None if seen is None else hard.misses - seen.misses,
        confidence=None,
        window=hard.window,
        worst=None if seen is None or not seen.misses else (seen.first, seen.last),
        verdict=verdict,
    )


def _streak_gate(rule: PathRule, most: int, counts: PathCounts) -> Gate:
    """Misses in a row; it takes one frame more than are allowed to pass."""
    value = None
    if counts.judged:
        value = 0 if counts.streak is None else counts.streak.misses
    verdict: Verdict = "inconclusive"
    if value is not None and counts.judged >= rule.min_samples:
        if value > most:
            verdict = "fail"
        elif counts.judged > most:
            verdict = "pass"
    return Gate(
        name="consecutive",
        path=rule.name,
        unit="frames",
        limit=most,
        value=value,
        margin=None if value is None else most - value,
        confidence=None,
        worst=None if counts.streak is None else (counts.streak.first, counts.streak.last),
        verdict=verdict,
    )


def shortage(rule: PathRule, counts: PathCounts) -> Shortage | None:
    """What too few frames leave open on `max_miss` and `min_samples`; None where they suffice."""
    provable = rule.max_miss is None or 1 - rule.max_miss < 1
    if not provable and counts.misses == 0:  # no number of frames proves a rate of zero
        return Shortage(seen=counts.judged, required=None)
    required = rule.min_samples
    if rule.max_miss is not None:
        required = max(required, 1)
        unproven = counts.misses == 0 and (
            counts.judged == 0 or miss_rate_upper(0, counts.judged, rule.confidence) > rule.max_miss
        )
        if unproven:
            required = max(
                required, clean_frames(rule.max_miss, rule.confidence), counts.judged + 1
            )
    if counts.judged >= required:
        return None
    return Shortage(seen=counts.judged, required=required)


def gate_shortage(rule: PathRule, gate: Gate, counts: PathCounts) -> Shortage | None:
    """What too few frames leave open on a gate that judges windows; None where they suffice."""
    if gate.verdict != "inconclusive":
        return None
    required = rule.min_samples
    if gate.name == "weakly_hard" and gate.window is not None:
        required = max(required, gate.window)
    elif gate.name == "consecutive":
        required = max(required, int(gate.limit) + 1)
    elif gate.name == "max_age" and gate.value is None:
        required = max(required, counts.judged + 1)
    return None if counts.judged >= required else Shortage(seen=counts.judged, required=required)


def clean_frames(max_miss: float, confidence: float) -> int:
    """Frames without a miss that it takes to prove a miss rate.

    Args:
        max_miss: The rate, above 0 and at most 1.
        confidence: Above 0 and below 1.
    """
    return 1 if max_miss >= 1 else frames_needed(1 - max_miss, confidence=confidence)
