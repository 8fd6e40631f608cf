"""What is left of a result when it is there: measured once, and weighed wherever plans are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.planner.aging import FRESH, Aging, aging_of, quantiles_of
from pipeline.planner.joint import JointCandidate, JointTask, best_together

if TYPE_CHECKING:
    from pipeline.tasks.outputs.protocol import OutputDecoder

MS = 1_000_000
PERIOD = 100 * MS
AGING = Aging(left=(1.0, 0.6, 0.5), period_ns=PERIOD)


@dataclass(frozen=True)
class _Near:
    """Results are numbers here, and agree the less the further they lie apart."""

    def agreement(self, mine: float, theirs: float) -> float:
        return max(0.0, 1 - abs(mine - theirs) / 10)


def _aging_of(results: list[float], later: list[list[float]]) -> Aging:
    decoder: OutputDecoder = _Near()  # type: ignore[assignment]
    return aging_of(decoder, results, later, period_ns=PERIOD)  # type: ignore[arg-type]


def test_a_scene_that_moves_on_leaves_less_of_older_results() -> None:
    """Held against what is left after one frame, which no result can better."""
    found = _aging_of([0.0, 5.0], [[2.0, 4.0, 6.0], [7.0, 9.0]])
    assert found.left == pytest.approx((1.0, 0.75, 0.5))


def test_it_never_rises_and_is_whole_where_nothing_was_measured() -> None:
    """An object that comes back makes no result younger."""
    assert _aging_of([0.0], [[2.0, 6.0, 1.0]]).left == pytest.approx((1.0, 0.5, 0.5))
    assert _aging_of([0.0], [[]]).left == (1.0,)
    assert _aging_of([0.0], [[99.0, 99.0]]).left == (1.0,)


@pytest.mark.parametrize(
    ("latency_ms", "left"), [(1, 1.0), (100, 1.0), (101, 0.6), (200, 0.6), (201, 0.5), (9_999, 0.5)]
)
def test_an_answer_counts_at_the_first_instant_by_which_it_is_there(
    latency_ms: int, left: float
) -> None:
    """Instants are those of the frames."""
    assert AGING.of(np.array([latency_ms * MS])) == left


def test_frames_without_an_answer_count_as_the_oldest() -> None:
    """Something older stands in for them."""
    assert AGING.of(np.array([MS, MS]), frames=4) == pytest.approx((1 + 1 + 0.5 + 0.5) / 4)
    assert AGING.of(np.array([], np.int64)) == 0.5


@given(
    left=st.lists(st.floats(0, 1), min_size=0, max_size=5),
    latencies_ms=st.lists(st.integers(1, 900), min_size=1, max_size=40),
    deadline_ms=st.integers(1, 900),
)
def test_bounds_say_what_answers_in_time_are_worth(
    left: list[float], latencies_ms: list[int], deadline_ms: int
) -> None:
    """Summed up over the shares within them, late ones left out."""
    aging = Aging(left=(1.0, *sorted(left, reverse=True)), period_ns=PERIOD)
    times = np.array(sorted(latencies_ms)) * MS
    deadline_ns = deadline_ms * MS
    found = sum(
        float((times <= within).mean()) * weight for within, weight in aging.bounds(deadline_ns)
    )
    timely = times[times <= deadline_ns]
    wanted = aging.of(timely) * len(timely) / len(times) if len(timely) else 0.0
    assert found == pytest.approx(wanted)


def test_tasks_together_take_what_is_there_before_the_next_frame() -> None:
    """The better network, two frames old, is worth less than the quicker one."""

    def candidate(name: str, accuracy: float, latency_ms: int) -> JointCandidate:
        times = np.array([latency_ms * MS])
        return JointCandidate(name=name, accuracy=accuracy, latencies_ns=times, holds_ns={"up": MS})

    both = (candidate("slow", 0.9, 150), candidate("quick", 0.7, 80))
    for aging, chosen in ((FRESH, 0), (AGING, 1)):
        task = JointTask(
            name="t", candidates=both, frames_per_s=10, deadline_ns=200 * MS, aging=aging
        )
        plan = best_together([task], capacity={"up": 1.0})
        assert plan is not None
        assert plan.chosen == (chosen,)
        assert plan.worth == pytest.approx(0.9 if aging is FRESH else 0.7)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=200))
def test_quantiles_stand_for_the_sample(times: list[int]) -> None:
    """They are of it, rise with it, and are all of it where it is small."""
    ordered = np.array(sorted(times), np.int64)
    found = quantiles_of(ordered)
    assert list(found) == sorted(found)
    assert set(found) <= set(times)
    assert len(times) > 40 or list(found) == sorted(times)
