"""Gates, doubts and how they add up to the verdict of a run."""

from __future__ import annotations

from dataclasses import replace

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
    exit_code,
    judge,
    judge_gate,
    worst,
)

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
    gate = found.paths[0].gate
    assert gate is not None
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
    assert found.paths[0].gate is not None
    assert found.paths[0].gate.margin is not None
    assert found.paths[0].gate.margin < 0


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
    assert found.paths[0].gate is not None
    assert found.paths[0].gate.value is None
    assert found.paths[0].gate.margin is None
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
    assert found.paths[0].gate is not None
    assert found.paths[0].gate.verdict == "inconclusive"
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


@pytest.mark.parametrize(
    ("conditions", "reason"),
    [
        (Conditions(partial=True), "interrupted"),
        (Conditions(evidence_complete=False), "evidence-incomplete"),
    ],
)
def test_an_unfinished_run_is_inconclusive_and_not_failed(
    conditions: Conditions, reason: str
) -> None:
    """Its later report has to give exit code 3, whatever it missed so far."""
    found = judged(PathCounts(offered=1_000, misses=500), conditions=conditions)
    assert found.verdict == "inconclusive"
    assert [(r.path, r.reason) for r in found.inconclusive] == [(None, reason)]


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
    assert path.gate is not None
    assert path.gate.verdict == path.verdict == found.verdict
    assert (path.verdict == "inconclusive") == bool(found.inconclusive)
    for reason in found.inconclusive:
        assert 1 - limit == 1 or (reason.frames_needed or 0) > 0
