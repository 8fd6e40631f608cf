"""Gates, doubts and how they add up to the verdict of a run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.verdict import (
    Conditions,
    Inconclusive,
    Judgement,
    PathCounts,
    PathRule,
    Verdict,
    WeaklyHard,
    exit_code,
    judge,
    judge_gate,
    worst,
)
from pipeline.verdict.freshness import Freshness
from pipeline.verdict.windows import Spell

MS = 1_000_000
RULE = PathRule(name="a", deadline_ns=100 * MS, max_miss=0.01)
ENOUGH = PathCounts(offered=299)


def judged(
    counts: PathCounts, rule: PathRule = RULE, conditions: Conditions | None = None
) -> Judgement:
    """Judge a run of one path."""
    return judge([rule], {rule.name: counts}, conditions or Conditions())


def test_a_gate_passes_once_the_bound_is_within_the_limit() -> None:
    """299 frames without a miss prove 1 % at 95 %."""
    found = judged(ENOUGH)
    assert found.verdict == "pass"
    assert found.inconclusive == ()
    (gate,) = found.paths[0].gates
    assert gate.value == 0
    assert gate.margin is not None
    assert 0 <= gate.margin < 0.0001


def test_zero_misses_on_too_few_frames_are_inconclusive() -> None:
    """298 frames miss the proof by one, and the reason says so."""
    found = judged(PathCounts(offered=298))
    assert found.verdict == "inconclusive"
    assert found.inconclusive == (
        Inconclusive(path="a", reason="too-few-frames", value=298, limit=299, frames_needed=1),
    )


def test_a_miss_above_the_limit_fails() -> None:
    """One miss of 299 has a bound above 1 %, and is no want of frames."""
    found = judged(PathCounts(offered=299, misses=1))
    assert found.verdict == "fail"
    assert found.inconclusive == ()
    assert (found.paths[0].gates[0].margin or 0) < 0


def test_misses_within_the_limit_pass() -> None:
    """Two of 628 are the table's own claim for p99."""
    assert judged(PathCounts(offered=628, misses=2)).verdict == "pass"
    assert judged(PathCounts(offered=627, misses=2)).verdict == "fail"


def test_fewer_frames_than_min_samples_are_inconclusive_even_with_misses() -> None:
    """The scenario said below which count nothing is to be judged."""
    rule = replace(RULE, min_samples=1_500)
    for misses in (0, 100):
        found = judged(PathCounts(offered=1_499, misses=misses), rule)
        assert found.verdict == "inconclusive"
        assert found.inconclusive[0].frames_needed == 1


def test_min_samples_hold_for_a_path_without_a_gate() -> None:
    """Such a path passes otherwise, whatever it missed."""
    rule = PathRule(name="a", deadline_ns=MS, min_samples=10)
    assert judged(PathCounts(offered=9), rule).verdict == "inconclusive"
    assert judged(PathCounts(offered=10, misses=10), rule).verdict == "pass"


def test_a_path_without_a_frame_has_no_bound() -> None:
    """Nothing was seen, so nothing is claimed, and the gate says how many frames it takes."""
    found = judged(PathCounts(offered=0))
    assert found.paths[0].miss_rate_upper is None
    assert found.paths[0].gates[0].value is None
    assert found.paths[0].gates[0].margin is None
    assert found.inconclusive[0].frames_needed == 299


def test_a_limit_of_zero_can_be_missed_and_never_proven() -> None:
    """No number of frames proves that there are no misses at all."""
    rule = replace(RULE, max_miss=0.0)
    found = judged(PathCounts(offered=10_000), rule)
    assert found.inconclusive == (
        Inconclusive(path="a", reason="too-few-frames", value=10_000, limit=None),
    )
    assert judged(PathCounts(offered=10_000, misses=1), rule).verdict == "fail"


def test_a_limit_of_one_is_always_held() -> None:
    """Every frame may be missed, and one is enough to say so."""
    rule = replace(RULE, max_miss=1.0)
    assert judged(PathCounts(offered=1, misses=1), rule).verdict == "pass"
    assert judged(PathCounts(offered=0), rule).inconclusive[0].frames_needed == 1


def test_interrupted_frames_are_neither_held_nor_missed() -> None:
    """They are no proof, and no failure of what is tested."""
    gate = judge_gate(RULE, 0.01, PathCounts(offered=310, interrupted=11))
    assert gate.verdict == "pass"
    assert judge_gate(RULE, 0.01, PathCounts(offered=310, interrupted=12)).verdict == "inconclusive"


@pytest.mark.parametrize("misses", [0, 200])
def test_overruns_above_one_per_cent_are_inconclusive_and_not_failed(misses: int) -> None:
    """The machine is to blame, not the change."""
    assert judged(PathCounts(offered=1_000, misses=0, overruns=10)).verdict == "pass"
    found = judged(PathCounts(offered=1_000, misses=misses, overruns=11))
    assert found.verdict == "inconclusive"
    assert found.paths[0].gates[0].verdict == "inconclusive"
    assert found.inconclusive == (
        Inconclusive(path="a", reason="overrun", value=0.011, limit=0.01),
    )


def test_a_fate_that_an_overrun_may_have_made_is_inconclusive() -> None:
    """One is enough."""
    found = judged(PathCounts(offered=1_000, misses=50, overruns=1, would_change=1))
    assert found.verdict == "inconclusive"
    assert [reason.reason for reason in found.inconclusive] == ["fate-would-change"]


def late_in_a_hundred(frames: int) -> list[int]:
    """So many of a hundred are 6 ms late, in ns."""
    return [0] * (100 - frames) + [6 * MS] * frames


@pytest.mark.parametrize(
    ("tolerable", "too_late", "reason"),
    [
        (
            Conditions(lags_ns=late_in_a_hundred(1)),
            Conditions(lags_ns=late_in_a_hundred(2)),
            "generator-lag",
        ),
        (
            Conditions(hold_late_ns=late_in_a_hundred(1)),
            Conditions(hold_late_ns=late_in_a_hundred(2)),
            "noisy-host",
        ),
    ],
)
def test_lateness_above_a_tenth_of_the_tightest_deadline_is_inconclusive(
    tolerable: Conditions, too_late: Conditions, reason: str
) -> None:
    """At p99: one late frame in a hundred is let pass, two are not."""
    rules = [RULE, PathRule(name="b", deadline_ns=50 * MS)]
    counts = {"a": ENOUGH, "b": ENOUGH}
    assert judge(rules, counts, tolerable).verdict == "pass"
    found = judge(rules, counts, too_late)
    assert found.verdict == "inconclusive"
    assert [(r.path, r.reason, r.value, r.limit) for r in found.inconclusive] == [
        (None, reason, 6.0, 5.0)
    ]
    assert [path.verdict for path in found.paths] == ["inconclusive", "inconclusive"]


def test_lateness_is_held_against_the_tightest_deadline_that_a_row_had() -> None:
    """Where deadlines follow the speed, the rule names the longest alone."""
    conditions = Conditions(lags_ns=[6 * MS])
    assert judged(ENOUGH, conditions=conditions).verdict == "pass"
    found = judged(replace(ENOUGH, tightest_ns=50 * MS), conditions=conditions)
    assert found.inconclusive[0].limit == 5.0


@pytest.mark.parametrize(
    ("conditions", "reason"),
    [
        (Conditions(partial=True), "interrupted"),
        (Conditions(evidence_complete=False), "evidence-incomplete"),
        (Conditions(full_speed=True), "full-speed"),
    ],
)
def test_a_run_that_cannot_be_judged_is_inconclusive_and_not_failed(
    conditions: Conditions, reason: str
) -> None:
    """Unfinished, or without deadlines that count: exit code 3, whatever it missed so far."""
    found = judged(PathCounts(offered=1_000, misses=500), conditions=conditions)
    assert found.verdict == "inconclusive"
    assert [(r.path, r.reason) for r in found.inconclusive] == [(None, reason)]


def spell(misses: int, frames: int) -> Spell:
    """Some frames in a row from frame 40 on."""
    return Spell(first=40, last=39 + frames, misses=misses, frames=frames)


HARD = PathRule(name="a", deadline_ns=100 * MS, weakly_hard=WeaklyHard(misses=2, window=10))


@pytest.mark.parametrize(
    ("seen", "judged_frames", "verdict", "margin", "needed"),
    [
        (spell(2, 10), 10, "pass", 0, None),
        (spell(3, 10), 10, "fail", -1, None),
        (spell(0, 10), 500, "pass", 2, None),
        (spell(2, 9), 9, "inconclusive", 0, 1),
        (spell(3, 9), 9, "fail", -1, None),
        (None, 0, "inconclusive", None, 10),
    ],
)
def test_a_weakly_hard_gate_needs_a_whole_window_to_pass_and_none_to_fail(
    seen: Spell | None,
    judged_frames: int,
    verdict: Verdict,
    margin: int | None,
    needed: int | None,
) -> None:
    """Too many misses in part of a window are too many in the whole."""
    found = judged(PathCounts(offered=judged_frames, window=seen), HARD)
    (gate,) = found.paths[0].gates
    assert (gate.name, gate.unit, gate.window, gate.confidence) == (
        "weakly_hard", "frames", 10, None,
    )  # fmt: skip
    assert (gate.verdict, gate.margin) == (verdict, margin)
    assert gate.worst == (None if seen is None or not seen.misses else (seen.first, seen.last))
    assert found.verdict == found.paths[0].verdict == verdict
    assert [reason.frames_needed for reason in found.inconclusive] == ([needed] if needed else [])


@pytest.mark.parametrize(
    ("streak", "judged_frames", "verdict", "needed"),
    [(0, 4, "pass", None), (3, 4, "pass", None), (4, 4, "fail", None), (3, 3, "inconclusive", 1)],
)
def test_a_gate_on_misses_in_a_row_needs_one_frame_more_than_it_allows(
    streak: int, judged_frames: int, verdict: Verdict, needed: int | None
) -> None:
    """Three of three may be the begin of four."""
    rule = PathRule(name="a", deadline_ns=MS, consecutive=3)
    seen = spell(streak, streak) if streak else None
    found = judged(PathCounts(offered=judged_frames, misses=streak, streak=seen), rule)
    (gate,) = found.paths[0].gates
    assert (gate.value, gate.limit, gate.verdict) == (streak, 3, verdict)
    assert [reason.frames_needed for reason in found.inconclusive] == ([needed] if needed else [])


def fresh(age_ns: int) -> Freshness:
    """One piece, at the end of which the result is so old."""
    return Freshness(
        ages=np.array([[0, age_ns]], np.int64),
        holders=np.array([[7, 9]], np.int64),
        reactions_ns=np.array([age_ns], np.int64),
        frames=2,
    )


def test_a_gate_on_the_age_judges_the_oldest_result_to_the_nanosecond() -> None:
    """And names the frames between which it grew so old."""
    rule = PathRule(name="a", deadline_ns=MS, max_age_ns=400 * MS)
    held = judged(PathCounts(offered=2, freshness=fresh(400 * MS)), rule)
    assert held.verdict == "pass"
    missed = judged(PathCounts(offered=2, freshness=fresh(400 * MS + 1)), rule)
    assert missed.verdict == "fail"
    (gate,) = missed.paths[0].gates
    assert (gate.name, gate.unit, gate.limit, gate.worst) == ("max_age", "ms", 400.0, (7, 9))
    nothing = judged(PathCounts(offered=0), rule)
    assert nothing.verdict == "inconclusive"
    assert nothing.inconclusive[0].frames_needed == 1


def test_a_failed_gate_beats_one_that_wants_frames_and_min_samples_beat_both() -> None:
    """What was seen is certain; what is to be believed at all, the scenario says."""
    rule = replace(RULE, max_age_ns=MS)
    counts = PathCounts(offered=10, freshness=fresh(2 * MS))
    found = judged(counts, rule)
    assert [gate.verdict for gate in found.paths[0].gates] == ["inconclusive", "fail"]
    assert found.verdict == "fail"
    assert [reason.frames_needed for reason in found.inconclusive] == [289]
    found = judged(counts, replace(rule, min_samples=11))
    assert [gate.verdict for gate in found.paths[0].gates] == ["inconclusive", "inconclusive"]
    assert found.verdict == "inconclusive"
    doubtful = judged(replace(counts, overruns=10), rule)
    assert [gate.verdict for gate in doubtful.paths[0].gates] == ["inconclusive", "inconclusive"]


def test_a_failed_path_beats_one_in_doubt() -> None:
    """A doubt about one path leaves the others to be judged."""
    rules = [RULE, replace(RULE, name="b")]
    counts = {
        "a": PathCounts(offered=1_000, overruns=500),
        "b": PathCounts(offered=1_000, misses=500),
    }
    found = judge(rules, counts, Conditions())
    assert [path.verdict for path in found.paths] == ["inconclusive", "fail"]
    assert found.verdict == "fail"


def test_fail_beats_inconclusive_beats_pass() -> None:
    """The order of verdicts, with their exit codes."""
    assert worst(["pass", "inconclusive", "fail"]) == "fail"
    assert worst(["pass", "inconclusive"]) == "inconclusive"
    assert worst([]) == "pass"
    verdicts: tuple[Verdict, ...] = ("pass", "fail", "inconclusive")
    assert [exit_code(verdict) for verdict in verdicts] == [0, 1, 3]


@given(
    n=st.integers(0, 5_000),
    share=st.floats(0, 1),
    limit=st.floats(0, 1),
    min_samples=st.integers(0, 1_000),
)
def test_the_path_and_its_gate_agree_and_say_why(
    n: int, share: float, limit: float, min_samples: int
) -> None:
    """Without doubts, a path is inconclusive exactly where it has a reason with frames to come."""
    rule = replace(RULE, max_miss=limit, min_samples=min_samples)
    found = judged(PathCounts(offered=n, misses=round(share * n)), rule)
    path = found.paths[0]
    assert path.gates[0].verdict == path.verdict == found.verdict
    assert (path.verdict == "inconclusive") == bool(found.inconclusive)
    for reason in found.inconclusive:
        assert 1 - limit == 1 or (reason.frames_needed or 0) > 0
