"""Sweeps as pillar tensors: each figure against its definition, and laws of any sweep."""

from __future__ import annotations

from math import log1p, pi
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.errors import InputError
from pipeline.tasks.pillars import PILLAR_CHANNELS, OwnMotion, PillarSpec, at_stamp, pillarise
from sensors.calibration import Mounting

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALL = PillarSpec(x_m=-1.0, y_m=-2.0, cell_m=0.5, rows=8, columns=6, low_m=-1.0, high_m=3.5)


def figures(tensor: NDArray[np.float32], row: int, column: int) -> dict[str, float]:
    """The channels of one cell, by name."""
    return dict(zip(PILLAR_CHANNELS, map(float, tensor[0, :, row, column]), strict=True))


def sweep(*points: tuple[float, float, float, float]) -> NDArray[np.float32]:
    """Points of a sweep."""
    return np.array(points, np.float32).reshape(-1, 4)


def test_a_cell_holds_the_figures_of_its_points() -> None:
    """Counts, heights, intensity, place in the cell and slices, as documented."""
    points = sweep((0.10, -0.40, 0.5, 0.2), (0.20, -0.30, 1.0, 0.4), (0.40, -0.10, 2.0, 0.9))
    tensor = pillarise(points, SMALL)
    assert tensor.shape == SMALL.shape == (1, 10, 8, 6)
    assert tensor.dtype == np.float32
    assert tensor.flags.c_contiguous
    cell = figures(tensor, 2, 3)
    ones = log1p(1) / log1p(31)
    expected = {
        "count": log1p(3) / log1p(31),
        "top": 2.0,
        "bottom": 0.5,
        "mean": 3.5 / 3,
        "intensity": 0.5,
        "ahead": (0.2 + 0.4 + 0.8) / 3 - 0.5,
        "left": (0.2 + 0.4 + 0.8) / 3 - 0.5,
        "low": ones,
        "middle": ones,
        "high": ones,
    }
    assert cell == pytest.approx(expected, abs=1e-3)
    assert np.count_nonzero(tensor) == len(PILLAR_CHANNELS)


def test_a_grid_takes_its_lower_edges_and_leaves_its_upper_ones() -> None:
    """Half-open in x, y and height; what is not finite lies nowhere."""
    inside = sweep((-1.0, -2.0, -1.0, 0.0), (2.99, 0.99, 3.49, 0.0))
    tensor = pillarise(inside, SMALL)
    assert np.argwhere(tensor[0, 0]).tolist() == [[0, 0], [7, 5]]
    nan = float("nan")
    outside = sweep(
        (-1.01, 0, 0, 0),
        (3.0, 0, 0, 0),
        (0, -2.01, 0, 0),
        (0, 1.0, 0, 0),
        (0, 0, -1.01, 0),
        (0, 0, 3.5, 0),
        (nan, 0, 0, 0),
        (0, nan, 0, 0),
        (0, 0, nan, 0),
        (0, 0, 0, nan),
        (float("inf"), 0, 0, 0),
    )
    assert not pillarise(outside, SMALL).any()
    assert not pillarise(sweep(), SMALL).any()


spots = arrays(
    np.float32,
    st.tuples(st.integers(0, 60), st.just(4)),
    elements=st.floats(-2.5, 4.0, width=32),
)


@given(points=spots, seed=st.integers(0, 100))
def test_the_order_of_the_points_changes_no_bit(points: NDArray[np.float32], seed: int) -> None:
    """Sums are exact, so any order gives the same tensor."""
    shuffled = np.random.default_rng(seed).permutation(points, axis=0)
    assert pillarise(shuffled, SMALL).tobytes() == pillarise(points, SMALL).tobytes()


@given(points=spots)
def test_every_cell_agrees_with_its_definition(points: NDArray[np.float32]) -> None:
    """Cell by cell, point by point, in plain arithmetic."""
    tensor = pillarise(points, SMALL)
    x, y, z, light = points.T
    low_x, low_y, cell_m = (np.float32(v) for v in (SMALL.x_m, SMALL.y_m, SMALL.cell_m))
    rows, columns = np.floor((x - low_x) / cell_m), np.floor((y - low_y) / cell_m)
    in_height = (z >= SMALL.low_m) & (z < SMALL.high_m)
    for row in range(SMALL.rows):
        for column in range(SMALL.columns):
            own = (rows == row) & (columns == column) & in_height
            cell = figures(tensor, row, column)
            if not own.any():
                assert not any(cell.values())
                continue
            assert cell["count"] == pytest.approx(log1p(own.sum()) / log1p(31), rel=1e-6)
            assert cell["top"] == pytest.approx(z[own].max(), abs=1e-3)
            assert cell["bottom"] == pytest.approx(z[own].min(), abs=1e-3)
            assert cell["mean"] == pytest.approx(z[own].mean(), abs=1e-3)
            assert cell["intensity"] == pytest.approx(light[own].mean(), abs=1e-3)
            assert cell["ahead"] == pytest.approx(
                ((x[own] - low_x) / cell_m - row).mean() - 0.5, abs=1e-3
            )
            assert cell["left"] == pytest.approx(
                ((y[own] - low_y) / cell_m - column).mean() - 0.5, abs=1e-3
            )
            for name, least, most in (("low", 0.3, 0.9), ("middle", 0.9, 1.6), ("high", 1.6, 3.0)):
                within = ((z[own] >= np.float32(least)) & (z[own] < np.float32(most))).sum()
                assert cell[name] == pytest.approx(log1p(within) / log1p(31), rel=1e-6)


def test_points_are_told_in_the_ego_frame_by_the_mounting() -> None:
    """A sensor turned left and raised puts its points where they are for the vehicle."""
    turned = PillarSpec(
        x_m=-8.0,
        y_m=-8.0,
        cell_m=0.5,
        rows=32,
        columns=32,
        mounting=Mounting(x_m=1.0, y_m=0.0, z_m=2.0, yaw_rad=pi / 2),
    )
    tensor = pillarise(sweep((3.2, 0.3, -1.5, 0.5)), turned)
    ((row, column),) = np.argwhere(tensor[0, 0])
    assert turned.x_m + 0.5 * row <= 1.0 - 0.3 < turned.x_m + 0.5 * (row + 1)
    assert turned.y_m + 0.5 * column <= 3.2 < turned.y_m + 0.5 * (column + 1)
    assert figures(tensor, int(row), int(column))["top"] == pytest.approx(0.5, abs=1e-3)


def test_own_motion_puts_a_post_measured_twice_into_one_place() -> None:
    """A post seen 100 ms ago at 20 m lies 18 m ahead now at 20 m/s."""
    points = sweep((20.0, 0.1, 0.5, 0.5), (18.0, 0.1, 1.0, 0.5))
    offsets_ns = np.array([-100_000_000, 0], np.int32)
    moved = pillarise(points, PillarSpec(), offsets_ns=offsets_ns, motion=OwnMotion(speed_mps=20.0))
    assert np.count_nonzero(moved[0, 0]) == 1
    left = pillarise(points, PillarSpec(), offsets_ns=offsets_ns)
    assert np.count_nonzero(left[0, 0]) == 2


@given(
    speed=st.floats(-5, 40),
    rate=st.floats(-0.8, 0.8),
    offset_ms=st.integers(0, 100),
    spot=st.tuples(st.floats(-60, 60), st.floats(-40, 40)),
)
@settings(max_examples=200)
def test_own_motion_is_an_arc(
    speed: float, rate: float, offset_ms: int, spot: tuple[float, float]
) -> None:
    """The same as driving the arc in a thousand small straight steps."""
    x, y = at_stamp(
        np.array([spot[0]], np.float32),
        np.array([spot[1]], np.float32),
        np.array([-offset_ms * 1_000_000], np.int32),
        OwnMotion(speed_mps=speed, yaw_rate_radps=rate),
    )
    step_s = offset_ms * 1e-6
    place, heading = complex(0.0), 0.0
    for _ in range(1000):
        place += speed * step_s * np.exp(1j * (heading + 0.5 * rate * step_s))
        heading += rate * step_s
    seen = (complex(*spot) - place) * np.exp(-1j * heading)
    assert x[0] == pytest.approx(seen.real, abs=2e-4)
    assert y[0] == pytest.approx(seen.imag, abs=2e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"cell_m": 0.0},
        {"cell_m": float("nan")},
        {"x_m": float("inf")},
        {"rows": 0},
        {"columns": 1 << 20},
        {"low_m": 4.0},
    ],
)
def test_a_grid_that_cannot_be_is_refused(change: dict[str, float]) -> None:
    """With what is wrong in the message."""
    with pytest.raises(InputError, match="pillars"):
        PillarSpec(**change)  # type: ignore[arg-type]


def test_what_is_no_sweep_is_refused() -> None:
    """Wrong dtype, wrong shape, offsets of another length."""
    with pytest.raises(InputError, match="float32"):
        pillarise(np.zeros((3, 4)), SMALL)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"\[3, 3\]"):
        pillarise(np.zeros((3, 3), np.float32), SMALL)
    with pytest.raises(InputError, match="3 points"):
        pillarise(np.zeros((3, 4), np.float32), SMALL, offsets_ns=np.zeros(2, np.int32))
