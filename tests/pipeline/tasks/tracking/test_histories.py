"""Where tracks have been, as a forecaster reads it, and what it gives back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError, OutputContractError
from pipeline.tasks.outputs.forecast import Forecast
from pipeline.tasks.outputs.protocol import Forecasts
from pipeline.tasks.prepare import Ground, TrackWindow
from pipeline.tasks.tracking.histories import Histories, HistorySpec, Pose

STEP_NS = 100_000_000
SPEC = HistorySpec(tracks=3, steps=4, futures=2)


def _tracks(*numbers: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.array(numbers, np.int64)


def test_rows_are_the_past_against_the_newest_place() -> None:
    """Oldest first, the newest at zero, and what was not seen a row of zeros."""
    histories = Histories(SPEC)
    places = [np.array([[10.0 + frame, 2.0], [5.0, -frame]]) for frame in range(3)]
    for frame in range(2):
        histories.take(_tracks(7, 4), places[frame], frame * STEP_NS, Pose())
    tensor, window = histories.take(_tracks(7, 4), places[2], 2 * STEP_NS, Pose())
    wanted = np.zeros((1, 3, 4, 3), np.float32)
    wanted[0, 0, 1:] = [[-2, 0, 1], [-1, 0, 1], [0, 0, 1]]
    wanted[0, 1, 1:] = [[0, 2, 1], [0, 1, 1], [0, 0, 1]]
    np.testing.assert_allclose(tensor, wanted)
    assert window.tracks.tolist() == [7, 4]
    np.testing.assert_allclose(window.places_m, [[12, 2], [5, -2]])


def test_the_own_motion_is_taken_out() -> None:
    """What stands still in the world has not moved, though the vehicle drives and turns."""
    histories = Histories(SPEC)
    post = np.array([[30.0, 8.0]])
    for frame in range(4):
        pose = Pose(x_m=1.5 * frame, y_m=0.1 * frame, yaw_rad=0.05 * frame)
        tensor, _ = histories.take(_tracks(1), pose.to_ego(post), frame * STEP_NS, pose)
        known = [[0, 0, 1]] * (frame + 1)
        np.testing.assert_allclose(tensor[0, 0, 3 - frame :], known, atol=1e-6)


def test_a_missed_frame_leaves_a_gap_and_the_far_past_is_forgotten() -> None:
    """Nobody guesses what lies between."""
    histories = Histories(SPEC)
    for frame in (0, 1, 6):
        histories.take(_tracks(1), np.zeros((1, 2)), frame * STEP_NS, Pose())
    tensor, _ = histories.take(_tracks(1), np.zeros((1, 2)), 8 * STEP_NS, Pose())
    assert tensor[0, 0, :, 2].tolist() == [0, 1, 0, 1]
    _, window = histories.take(_tracks(-1), np.zeros((1, 2)), 9 * STEP_NS, Pose())
    assert len(window.tracks) == 0


def test_of_too_many_tracks_the_surest_are_taken() -> None:
    """They come first."""
    tensor, window = Histories(SPEC).take(_tracks(5, -1, 3, 2, 9), np.ones((5, 2)), 0, Pose())
    assert window.tracks.tolist() == [5, 3, 2]
    assert tensor.shape == SPEC.shape


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.floats(-7, 7))
def test_a_pose_there_and_back(x: float, y: float, yaw: float) -> None:
    """World and ego frame are one turn and one shift apart."""
    pose = Pose(x_m=x, y_m=y, yaw_rad=yaw)
    places = np.array([[3.0, -4.0], [0.0, 0.0]])
    np.testing.assert_allclose(pose.to_ego(pose.to_world(places)), places, atol=1e-9)
    np.testing.assert_allclose(pose.to_world(places)[1], [x, y])


@pytest.mark.parametrize("wrong", [{"tracks": 0}, {"steps": True}, {"step_ms": 5000}])
def test_figures_have_their_ranges(wrong: dict[str, int]) -> None:
    """Said by name."""
    with pytest.raises(InputError, match="tracks: "):
        HistorySpec(**wrong)


def _window(count: int) -> TrackWindow:
    return TrackWindow(
        tracks=np.arange(count),
        places_m=np.full((count, 2), 10, np.float32),
        step_ns=500_000_000,
        rows=3,
        futures=2,
    )


def test_an_output_becomes_places_in_the_ego_frame() -> None:
    """The newest place is added, and empty rows are left out."""
    output = np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2)
    found = Forecast().decode({"positions": output}, _window(2))
    np.testing.assert_allclose(found.positions_m, output[0, :2] + 10)
    assert found.tracks.tolist() == [0, 1]
    with pytest.raises(OutputContractError, match=r"expected \[1, 3, 2, 2\]"):
        Forecast().decode({"positions": output[:, :2]}, _window(2))
    ground = Ground(x_m=0, y_m=0, cell_m=1, rows=1, columns=1)
    with pytest.raises(OutputContractError, match="read tracks"):
        Forecast().decode({"positions": output}, ground)


@st.composite
def forecasts(draw: st.DrawFn) -> Forecasts:
    """Forecasts as a decoder may give them."""
    numbers = draw(st.lists(st.integers(0, 2**40), max_size=6, unique=True))
    size = len(numbers) * 3 * 2
    places = draw(st.lists(st.floats(-1e4, 1e4, width=32), min_size=size, max_size=size))
    return Forecasts(
        tracks=np.array(numbers, np.int64),
        step_ns=500_000_000,
        positions_m=np.array(places, np.float32).reshape(len(numbers), 3, 2),
    )


@given(forecasts(), forecasts())
def test_forecasts_cross_without_loss_and_agree_with_themselves(
    one: Forecasts, other: Forecasts
) -> None:
    """And two of them agree alike in either order."""
    decoder = Forecast()
    back = decoder.decode_result(decoder.encode(one))
    np.testing.assert_array_equal(back.tracks, one.tracks)
    np.testing.assert_array_equal(back.positions_m, one.positions_m)
    assert back.step_ns == one.step_ns
    assert decoder.agreement(one, one) == 1
    assert 0 <= decoder.agreement(one, other) <= 1
    assert decoder.agreement(one, other) == pytest.approx(decoder.agreement(other, one))


@pytest.mark.parametrize("cut", [0, 5, 11, -1, -9])
def test_damaged_forecasts_are_refused(cut: int) -> None:
    """By the decoder's own error."""
    decoder = Forecast()
    output = np.ones((1, 3, 2, 2), np.float32)
    coded = decoder.encode(decoder.decode({"p": output}, _window(2)))
    with pytest.raises(OutputContractError):
        decoder.decode_result(coded[:cut])
