"""What is said of gates before the run that cannot decide them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.verdict import PathCounts, PathRule, WeaklyHard, gate_warnings
from pipeline.verdict.gates import clean_frames, judge_gate

RULE = PathRule(name="a", deadline_ns=1, max_miss=0.002)


def warned(rule: PathRule, offered: int) -> list[str]:
    """Warnings on one path."""
    return gate_warnings([rule], {rule.name: offered})


@pytest.mark.parametrize(
    ("min_samples", "offered", "warning"),
    [
        (0, 1_497, None),
        (1_497, 1_497, None),
        (
            1_496,
            1_497,
            (
                "run.min_samples 1496 cannot support max_miss 0.2 % at 95 %, which takes 1497"
                " frames with no miss"
            ),
        ),
        (
            0,
            1_496,
            (
                "the run offers 1496 frames and max_miss 0.2 % at 95 % takes 1497 with no miss:"
                " it cannot pass"
            ),
        ),
        (1_498, 1_497, "the run offers 1497 frames, fewer than run.min_samples 1498"),
    ],
)
def test_a_gate_that_its_frames_cannot_support_is_named(
    min_samples: int, offered: int, warning: str | None
) -> None:
    """0.2 % at 95 % takes 1,497 frames, the interface's own figure."""
    rule = PathRule(name="a", deadline_ns=1, max_miss=0.002, min_samples=min_samples)
    assert warned(rule, offered) == ([] if warning is None else [f"a: {warning}"])


def test_a_gate_that_nothing_proves_is_named() -> None:
    """No misses at all is no statement that frames can prove."""
    (warning,) = warned(PathRule(name="a", deadline_ns=1, max_miss=0.0), 10_000)
    assert warning.endswith("the gate can fail and never pass")


def test_a_drive_shorter_than_a_window_is_named() -> None:
    """A path without a gate has nothing to be warned of."""
    rule = PathRule(name="a", deadline_ns=1, weakly_hard=WeaklyHard(misses=2, window=10))
    assert warned(rule, 10) == []
    (warning,) = warned(rule, 9)
    assert "fewer than one window of weakly_hard, 10" in warning
    assert warned(PathRule(name="a", deadline_ns=1), 0) == []


@pytest.mark.parametrize("max_miss", [0.001, 0.002, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_the_warning_and_the_gate_agree_on_how_many_frames(
    max_miss: float, confidence: float
) -> None:
    """With as many, and no miss, the gate passes; with one less it does not."""
    rule = PathRule(name="a", deadline_ns=1, max_miss=max_miss, confidence=confidence)
    needed = clean_frames(max_miss, confidence)
    assert judge_gate(rule, max_miss, PathCounts(offered=needed)).verdict == "pass"
    assert judge_gate(rule, max_miss, PathCounts(offered=needed - 1)).verdict == "inconclusive"
    assert not warned(rule, needed)
    assert warned(rule, needed - 1)


def test_budgets_that_add_up_to_more_than_the_deadline_are_named() -> None:
    """Each may be kept and the deadline missed all the same."""
    rule = PathRule(
        name="a", deadline_ns=9_000_000, budgets_ns={"edge": 5_000_000, "uplink": 4_000_000}
    )
    assert warned(rule, 1) == []
    (warning,) = warned(replace(rule, deadline_ns=8_000_000), 1)
    assert warning == "a: its budgets add up to 9 ms, more than its deadline of 8 ms"
