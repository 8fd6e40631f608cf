"""Tracks: cases by hand, and the laws that each figure keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.scoring.tables import IGNORE, FoundBoxes, TrueBoxes, each_frame
from pipeline.scoring.tracking import Sight, TrackScores, score_tracks, sights_of


def sight(objects: list[int], tracks: list[int], fits: list[list[float]]) -> Sight:
    """One instant."""
    return Sight(
        objects=np.array(objects, np.int64),
        tracks=np.array(tracks, np.int64),
        fits=np.array(fits, np.float64).reshape(len(objects), len(tracks)),
    )


def scored(sights: list[Sight]) -> TrackScores:
    """Scores where there are objects."""
    found = score_tracks(sights)
    assert found is not None
    return found


def test_one_object_whose_track_breaks_in_the_middle() -> None:
    """Four instants, two on track 7 and two on track 9: one switch, half identified."""
    found = scored([sight([1], [7], [[0.8]])] * 2 + [sight([1], [9], [[0.8]])] * 2)
    assert (found.switches, found.misses, found.false) == (1, 0, 0)
    assert found.mota == pytest.approx(0.75)
    assert found.motp == pytest.approx(0.8)
    assert found.idf1 == pytest.approx(0.5)  # two of four objects and two of four tracks
    # Detection is whole up to a fit of 0.8; each track is associated 2 / (4 + 2 - 2).
    assert found.hota == pytest.approx(16 / 19 * np.sqrt(0.5))


def test_misses_and_false_tracks_count_against_objects() -> None:
    """Two objects, one of which is never found, and a track on nothing."""
    found = scored([sight([1, 2], [5, 6], [[0.9, 0.0], [0.0, 0.2]])] * 3)
    assert (found.misses, found.false, found.switches) == (3, 3, 0)
    assert found.mota == pytest.approx(0.0)
    assert found.idf1 == pytest.approx(2 * 3 / (6 + 6))


def test_a_track_keeps_its_object_while_it_fits() -> None:
    """A newcomer that fits better does not take it over, so that nothing switches."""
    first = sight([1], [7], [[0.7]])
    second = sight([1], [7, 8], [[0.6, 0.95]])
    found = scored([first, second])
    assert (found.switches, found.false) == (0, 1)


def test_an_object_that_comes_back_on_another_track_has_switched() -> None:
    """Although it was missed in between."""
    gone = sight([1], [], [])
    found = scored([sight([1], [7], [[0.9]]), gone, sight([1], [8], [[0.9]])])
    assert (found.switches, found.misses) == (1, 1)


def test_without_an_object_there_is_nothing_to_score() -> None:
    """None, and no zero."""
    assert score_tracks([sight([], [3], [])]) is None
    assert score_tracks([]) is None


@given(st.lists(st.lists(st.integers(0, 6), unique=True, max_size=5), min_size=1, max_size=8))
def test_the_truth_itself_is_whole_and_nothing_found_is_nothing(frames: list[list[int]]) -> None:
    """Numbers of tracks are names: others for the same objects change nothing."""
    own = [sight(one, [n + 40 for n in one], np.eye(len(one)).tolist()) for one in frames]
    found = score_tracks(own)
    if found is None:
        assert not any(frames)
        return
    assert (found.mota, found.idf1, found.switches) == (1.0, 1.0, 0)
    assert found.hota == pytest.approx(1.0)
    nothing = scored([sight(one, [], []) for one in frames])
    assert (nothing.mota, nothing.idf1, nothing.hota) == (0.0, 0.0, 0.0)
    assert nothing.motp is None


def test_boxes_of_another_class_do_not_fit_and_ignored_areas_take_theirs() -> None:
    """A track in an area without a class is no false one."""
    truth = TrueBoxes(
        offsets=np.array([0, 2]),
        xyxy=np.array([[0.0, 0, 10, 10], [50, 50, 90, 90]]),
        classes=np.array([1, IGNORE]),
        tracks=np.array([4, 5]),
        distances_m=np.zeros(2),
    )
    found = FoundBoxes(
        offsets=np.array([0, 3]),
        xyxy=np.array([[0.0, 0, 10, 10], [0, 0, 10, 10], [55, 55, 65, 65]]),
        scores=np.array([0.9, 0.8, 0.7]),
        classes=np.array([0, 1, 1]),
        tracks=np.array([1, 2, 3]),
    )
    (seen,) = sights_of(truth, found, each_frame(1))
    assert seen.objects.tolist() == [4]
    assert seen.tracks.tolist() == [1, 2]
    assert seen.fits.tolist() == [[0.0, 1.0]]
