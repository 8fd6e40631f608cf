"""Errors of forecasts, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.scoring.forecasting import score_forecasts
from pipeline.tasks.outputs.protocol import Forecasts
from sensors.labels import Futures

STEP_NS = 500_000_000


def futures(places: list[list[tuple[float, float]]], valid: list[list[bool]]) -> Futures:
    """What comes, half a second a step."""
    return Futures(
        tracks=np.arange(len(places)),
        step_ns=STEP_NS,
        positions_m=np.array(places, np.float32).reshape(len(places), -1, 2),
        valid=np.array(valid, np.bool_).reshape(len(places), -1),
    )


def forecasts(places: list[list[tuple[float, float]]], step_ns: int = STEP_NS) -> Forecasts:
    """What was expected."""
    return Forecasts(
        tracks=np.arange(len(places)) + 100,
        step_ns=step_ns,
        positions_m=np.array(places or np.zeros((0, 1, 2)), np.float32),
    )


def test_a_case_by_hand() -> None:
    """One object 3 m off at the end, one right until it leaves, one that nobody expected."""
    truth = futures(
        [[(1, 0), (2, 0)], [(10, 5), (0, 0)], [(40, 0), (41, 0)]],
        [[True, True], [True, False], [True, True]],
    )
    found = score_forecasts([(truth, forecasts([[(10, 5), (11, 5)], [(1, 1), (2, 3)]]))])
    assert found is not None
    assert (found.objects, found.forecast) == (3, 2)
    assert found.ade_m == pytest.approx((1 + 3 + 0) / 3)
    assert found.fde_m == pytest.approx(3.0)
    assert found.miss_rate == 1.0
    assert found.ade_at_m == pytest.approx((0.5, 3.0))


def test_steps_of_another_length_are_read_in_between() -> None:
    """A forecast every 250 ms; its second and fourth step are ours."""
    truth = futures([[(1, 0), (2, 0)]], [[True, True]])
    fine = forecasts([[(0.5, 0), (1, 0), (1.5, 0), (2, 0)]], STEP_NS // 2)
    found = score_forecasts([(truth, fine)])
    assert found is not None
    assert (found.ade_m, found.fde_m, found.miss_rate) == (0.0, 0.0, 0.0)


def test_nothing_expected_is_said_so_and_nothing_known_is_no_score() -> None:
    """No error is made of what is not there."""
    truth = futures([[(1, 0), (2, 0)]], [[True, True]])
    found = score_forecasts([(truth, None), (truth, forecasts([]))])
    assert found is not None
    assert (found.objects, found.forecast, found.ade_m, found.fde_m) == (2, 0, None, None)
    gone = futures([[(1, 0), (2, 0)]], [[False, False]])
    assert score_forecasts([(gone, forecasts([[(1, 0), (2, 0)]]))]) is None
    assert score_forecasts([]) is None
