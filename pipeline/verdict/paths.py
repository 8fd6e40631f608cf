"""One path of the result document: its figures, with a reason for each that there is not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipeline.draws import Draws
from pipeline.ledger import SPANS
from pipeline.ledger.sealing import fate_counts
from pipeline.verdict.prediction import check_prediction
from pipeline.verdict.resampling import (
    BLOCKS,
    block_length,
    blocks_for,
    replicates_for,
    resample,
)
from pipeline.verdict.statistics import Percentile, maximum, percentile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.ledger import Ledger
    from pipeline.verdict.facts import RunFacts
    from pipeline.verdict.figures import PathFigures
    from pipeline.verdict.judging import PathJudgement
    from pipeline.verdict.resampling import Resampling
    from pipeline.verdict.rules import PathCounts, PathRule
    from pipeline.verdict.shapes import (
        BudgetDocument,
        FreshnessDocument,
        IntervalsDocument,
        Kind,
        PathDocument,
        SpanDocument,
    )

_NS_PER_MS = 1_000_000


class _Reasons:
    """Why a figure is null, by its key; each is asked for and noted in one go."""

    def __init__(self) -> None:
        self.by_key: dict[str, str] = {}

    def ms(self, key: str, found: Percentile) -> float | None:
        """A percentile in ms, or None with its reason noted."""
        if found.reason is not None:
            self.by_key[key] = found.reason
        return None if found.value is None else found.value / _NS_PER_MS


def path_document(
    ledger: Ledger,
    facts: RunFacts,
    rule: PathRule,
    figures: PathFigures,
    counts: PathCounts,
    judged: PathJudgement,
) -> PathDocument:
    """Write a path down.

    Args:
        ledger: The ledger of all paths.
        facts: What is known of the run beside its frames.
        rule: What the path has to keep.
        figures: Its rows.
        counts: What they add up to.
        judged: Its judgement.
    """
    kind = _kind(ledger, facts, rule.name)
    latencies_ns = figures.latencies_ns()
    reasons = _Reasons()
    share = _modelled_share(kind, figures)
    if share is None:
        reasons.by_key["modelled_share"] = "no frame was answered"
    if judged.miss_rate_upper is None:
        reasons.by_key["miss_rate_upper"] = "no frame was judged"
    p50, p90, p99, p999 = (
        reasons.ms(key, percentile(latencies_ns, percent))
        for key, percent in (("p50_ms", 50), ("p90_ms", 90), ("p99_ms", 99), ("p999_ms", 99.9))
    )
    largest = reasons.ms("max_ms", maximum(latencies_ns))
    freshness = _freshness(rule, counts, reasons)
    age_max_ms = None
    if rule.max_age_ns is None:
        reasons.by_key["age_max_ms"] = "no max_age on this path"
    elif freshness["age_max_ms"] is None:
        reasons.by_key["age_max_ms"] = reasons.by_key["freshness.age_max_ms"]
    else:
        age_max_ms = freshness["age_max_ms"]
    at_bias = None if facts.verdict_at_bias is None else facts.verdict_at_bias.get(rule.name)
    spans, budgets = _spans(rule, figures, reasons)
    predicted = facts.predicted.get(rule.name)
    prediction = None
    if predicted is None:
        reasons.by_key["prediction"] = "the plan predicts a task's route, and this is none"
    else:
        prediction = check_prediction(figures, predicted, facts.percentile)
    return {
        "name": rule.name,
        "kind": kind,
        "modelled_share": share,
        "label": facts.labels[rule.name],
        "n": len(figures),
        "not_selected": facts.not_selected.get(rule.name, 0),
        "fates": fate_counts(ledger, rule.name),
        "causes": figures.causes(),
        "improved": figures.improved,
        "partial_sets": int(figures.data["partial"].sum()),
        "overruns": counts.overruns,
        "deadline_ms": rule.deadline_ns / _NS_PER_MS,
        "deadline_min_ms": (counts.tightest_ns or rule.deadline_ns) / _NS_PER_MS,
        "misses": counts.misses,
        "miss_rate_upper": judged.miss_rate_upper,
        "confidence": rule.confidence,
        "p50_ms": p50,
        "p90_ms": p90,
        "p99_ms": p99,
        "p999_ms": p999,
        "max_ms": largest,
        "age_max_ms": age_max_ms,
        "freshness": freshness,
        "intervals": _intervals(rule, facts.seed, figures, counts, reasons),
        "reasons": reasons.by_key,
        "spans": spans,
        "budgets": budgets,
        "prediction": prediction,
        "verdict": judged.verdict,
        "verdict_at_bias": None if at_bias is None else dict(at_bias),
    }


def _kind(ledger: Ledger, facts: RunFacts, path: str) -> Kind:
    if ledger.driver == "virtual":
        return "modelled"
    return "measured" if path in facts.measured else "emulated"


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


def _freshness(rule: PathRule, counts: PathCounts, reasons: _Reasons) -> FreshnessDocument:
    """Ages and reactions, each percentile where the frames are enough for one of latencies."""
    found = counts.freshness
    worst = None if found is None else found.worst()
    document: FreshnessDocument = {
        "age_p50_ms": None,
        "age_p99_ms": None,
        "age_max_ms": None if worst is None else worst[0] / _NS_PER_MS,
        "reaction_p50_ms": None,
        "reaction_p99_ms": None,
        "reaction_max_ms": None,
        "over_spells": None,
        "over_share": None,
    }
    if found is None or worst is None:
        why = "no time passed between two frames"
        reasons.by_key["freshness.age_max_ms"] = why
    # An age has no sample of its own: its percentiles ask for the frames that latencies ask for.
    frames = np.zeros(0 if found is None or worst is None else found.frames)
    reactions_ns = np.zeros(0) if found is None else found.reactions_ns.astype(np.float64)
    ages: tuple[tuple[Literal["age_p50_ms", "age_p99_ms"], int], ...]
    ages = (("age_p50_ms", 50), ("age_p99_ms", 99))
    for key, percent in ages:
        supported = percentile(frames, percent)
        reasons.ms(f"freshness.{key}", supported)
        if found is not None and supported.reason is None:
            age_ns = found.age_at_share(percent)
            document[key] = None if age_ns is None else age_ns / _NS_PER_MS
    document["reaction_p50_ms"] = reasons.ms(
        "freshness.reaction_p50_ms", percentile(reactions_ns, 50)
    )
    document["reaction_p99_ms"] = reasons.ms(
        "freshness.reaction_p99_ms", percentile(reactions_ns, 99)
    )
    if len(reactions_ns):
        document["reaction_max_ms"] = float(reactions_ns.max()) / _NS_PER_MS
    else:
        reasons.by_key["freshness.reaction_max_ms"] = "no frame came after another"
    if rule.max_age_ns is None:
        reasons.by_key["freshness.over_spells"] = "no max_age on this path"
        reasons.by_key["freshness.over_share"] = "no max_age on this path"
    elif found is not None and worst is not None:
        spells, over_ns = found.above(rule.max_age_ns)
        document["over_spells"] = spells
        document["over_share"] = over_ns / found.observed_ns
    return document


def _intervals(
    rule: PathRule, seed: int, figures: PathFigures, counts: PathCounts, reasons: _Reasons
) -> IntervalsDocument:
    """Block-bootstrap intervals of p50, p99 and the miss rate, where frames are enough."""
    document: IntervalsDocument = {
        "block_frames": None,
        "replicates": None,
        "p50_ms": None,
        "p99_ms": None,
        "miss_rate": None,
        "miss_rate_upper": None,
    }
    streak = 0 if counts.streak is None else counts.streak.misses
    judged = figures.judged()
    block = block_length(counts.judged, streak)
    if counts.judged < BLOCKS * block:
        reasons.by_key["intervals"] = (
            f"{streak} misses in a row are over a tenth of {counts.judged} frames"
            if block == streak
            else f"needs {BLOCKS * block} frames, has {counts.judged}"
        )
        return document
    replicates = replicates_for(counts.judged)
    words = Draws(seed).words("bootstrap", rule.name, replicates * blocks_for(counts.judged, block))
    drawn = resample(words, frames=counts.judged, block=block, confidence=rule.confidence)
    document["block_frames"] = block
    document["replicates"] = replicates
    latencies_ns = figures.latencies_ns()[judged]
    document["p50_ms"] = _interval("p50_ms", drawn, latencies_ns, 50, reasons)
    document["p99_ms"] = _interval("p99_ms", drawn, latencies_ns, 99, reasons)
    if counts.misses == 0:
        why = "no miss to draw; miss_rate_upper of the path bounds the rate"
        reasons.by_key["intervals.miss_rate"] = why
        reasons.by_key["intervals.miss_rate_upper"] = why
        return document
    missed = figures.missed()[judged]
    document["miss_rate"] = list(drawn.share(missed))
    document["miss_rate_upper"] = drawn.share_upper(missed, rule.confidence)
    return document


def _interval(
    key: str,
    drawn: Resampling,
    latencies_ns: NDArray[np.float64],
    percent: float,
    reasons: _Reasons,
) -> list[float | None] | None:
    """Both ends in ms; none where the sample has no such percentile for want of frames."""
    shown = percentile(latencies_ns, percent)
    ends_ns = drawn.percentile(latencies_ns, percent)
    if shown.reason is not None and shown.reason.startswith("needs"):
        reasons.by_key[f"intervals.{key}"] = shown.reason
        return None
    if any(map(math.isinf, ends_ns)):
        reasons.by_key[f"intervals.{key}"] = "an end falls on a frame without an answer"
    return [None if math.isinf(end) else end / _NS_PER_MS for end in ends_ns]


def _spans(
    rule: PathRule, figures: PathFigures, reasons: _Reasons
) -> tuple[dict[str, SpanDocument], dict[str, BudgetDocument]]:
    """Percentiles of every span over the answered frames that passed it, and its budget if any.

    A frame without an answer has no winning way, so none of its spans is known to be one.
    """
    durations_ns, passed = figures.durations_ns()
    passed &= figures.answered[:, np.newaxis]
    spans: dict[str, SpanDocument] = {}
    budgets: dict[str, BudgetDocument] = {}
    for index, span in enumerate(SPANS):
        seen_ns = durations_ns[passed[:, index], index].astype(np.float64)
        spans[span] = {"p50_ms": None, "p99_ms": None}
        if len(seen_ns):
            spans[span] = {
                "p50_ms": reasons.ms(f"spans.{span}.p50_ms", percentile(seen_ns, 50)),
                "p99_ms": reasons.ms(f"spans.{span}.p99_ms", percentile(seen_ns, 99)),
            }
        if span in rule.budgets_ns:
            budgets[span] = _budget(rule.budgets_ns[span], seen_ns, f"budgets.{span}", reasons)
    return spans, budgets


def _budget(
    budget_ns: int, seen_ns: NDArray[np.float64], key: str, reasons: _Reasons
) -> BudgetDocument:
    p99 = percentile(seen_ns, 99)
    if p99.value is None:
        reasons.by_key[f"{key}.p99_ms"] = reasons.by_key[f"{key}.over"] = p99.reason or ""
    return {
        "budget_ms": budget_ns / _NS_PER_MS,
        "p99_ms": None if p99.value is None else p99.value / _NS_PER_MS,
        "over": None if p99.value is None else p99.value > budget_ns,
        "frames": len(seen_ns),
        "frames_over": int((seen_ns > budget_ns).sum()),
    }
