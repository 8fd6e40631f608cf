"""Gates on the accuracy of tasks, and what people read of it."""

from __future__ import annotations

import pytest

from pipeline.verdict import AccuracyRule, Conditions, PathCounts, PathRule, accuracy_lines, judge
from pipeline.verdict.gates import judge_accuracy
from pipeline.verdict.judging import Judgement, with_accuracy

RULE = AccuracyRule(task="objects", figure="map", minimum=0.4)


def judged(*, partial: bool = False, max_miss: float = 0.5, misses: int = 0) -> Judgement:
    """A path of a hundred frames."""
    rule = PathRule(name="a", deadline_ns=1, max_miss=max_miss)
    counts = {"a": PathCounts(offered=100, misses=misses)}
    return judge([rule], counts, Conditions(partial=partial))


@pytest.mark.parametrize(
    ("value", "verdict", "margin"),
    [(0.41, "pass", 0.01), (0.4, "pass", 0.0), (0.39, "fail", -0.01), (None, "inconclusive", None)],
)
def test_the_figure_has_to_reach_the_minimum(
    value: float | None, verdict: str, margin: float | None
) -> None:
    """And what was not scored is neither good nor bad."""
    gate = judge_accuracy(RULE, value)
    assert (gate.name, gate.path, gate.unit, gate.limit) == (
        "accuracy",
        "objects.map",
        "score",
        0.4,
    )
    assert gate.verdict == verdict
    assert gate.margin == (None if margin is None else pytest.approx(margin))


def test_the_verdict_of_the_run_is_the_worst_of_all() -> None:
    """A failed path stays failed, a failed figure fails a run whose paths hold."""
    assert with_accuracy(judged(), [(RULE, 0.5)]).verdict == "pass"
    assert with_accuracy(judged(), [(RULE, 0.3)]).verdict == "fail"
    assert with_accuracy(judged(misses=90), [(RULE, 0.5)]).verdict == "fail"
    assert with_accuracy(judged(misses=90), [(RULE, None)]).verdict == "fail"
    open_ = with_accuracy(judged(), [(RULE, None)])
    assert open_.verdict == "inconclusive"
    assert [(why.path, why.reason) for why in open_.inconclusive] == [("objects.map", "not-scored")]


def test_a_doubt_about_the_run_leaves_its_figures_open() -> None:
    """Half a drive has not the accuracy of the whole."""
    found = with_accuracy(judged(partial=True), [(RULE, 0.1)])
    assert found.verdict == "inconclusive"
    assert [gate.verdict for gate in found.accuracy] == ["inconclusive"]
    assert [why.reason for why in found.inconclusive] == ["interrupted"]


def test_people_read_the_figures_that_there_are() -> None:
    """In a line a task."""
    scores = {"map": 0.5, "streaming_map": 0.25, "miou": None, "labelled": 40, "against": "labels"}
    assert accuracy_lines({"objects": scores}) == [
        "objects: mAP 0.500 · streaming 0.250 (40 frames against labels)"
    ]
    assert accuracy_lines({"t": {"labelled": 3, "against": "labels"}}) == [
        "t: nothing to score (3 frames against labels)"
    ]
    assert accuracy_lines({}) == []
