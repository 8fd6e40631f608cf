"""Results read back from evidence, and classes brought together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.errors import ClassesError, ScoringError
from pipeline.runtime.live.reports import result_line
from pipeline.scoring.classes import common_classes, found_in
from pipeline.scoring.reference import truth_of
from pipeline.scoring.results import TaskResults, read_results
from pipeline.scoring.tables import IGNORE, FoundBoxes
from pipeline.tasks.fusion import FusedResult
from pipeline.tasks.outputs.protocol import Boxes, Boxes3D, Forecasts, MaskSet

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.tasks.outputs.protocol import Result, ResultKind

NAMES = ("car", "person")


def boxes(count: int) -> Boxes:
    """So many boxes, the first a car, the others persons."""
    return Boxes(
        xyxy=np.arange(4 * count, dtype=np.float32).reshape(-1, 4),
        scores=np.linspace(0.9, 0.5, count, dtype=np.float32),
        classes=np.minimum(np.arange(count), 1),
        names=NAMES,
    )


def space(count: int) -> Boxes3D:
    """So many boxes in space; the velocity of the first is unknown."""
    velocities = np.ones((count, 2), np.float32)
    velocities[:1] = np.nan
    return Boxes3D(
        centres_m=np.full((count, 3), 2.5, np.float32),
        sizes_m=np.ones((count, 3), np.float32),
        yaws_rad=np.zeros(count, np.float32),
        velocities_mps=velocities,
        scores=np.full(count, 0.5, np.float32),
        classes=np.zeros(count, np.int64),
        names=NAMES,
    )


def read(folder: Path, kind: ResultKind, *lines: tuple[int, Result | FusedResult]) -> TaskResults:
    """What evidence of these results says."""
    file = folder / "results.jsonl"
    text = "".join(json.dumps(result_line("p", frame, found)) + "\n" for frame, found in lines)
    file.write_text(text, encoding="utf-8")
    return read_results(file, {"objects": "p"}, {"objects": (kind, NAMES)})["objects"]


def test_results_of_every_kind_are_the_same_again(tmp_path: Path) -> None:
    """In the order of the frames, whatever their order in the file."""
    found = read(tmp_path, "boxes", (4, boxes(3)), (1, boxes(0)), (2, boxes(1)))
    assert found.boxes is not None
    assert found.frames.tolist() == [1, 2, 4]
    assert found.boxes.offsets.tolist() == [0, 0, 1, 4]
    assert found.boxes.xyxy[0].tolist() == [0, 1, 2, 3]
    assert found.boxes.classes.tolist() == [0, 0, 1, 1]
    assert not found.tracked
    three = read(tmp_path, "boxes_3d", (0, space(2))).boxes_3d
    assert three is not None
    assert np.isnan(three.velocities_mps).tolist() == [[True, True], [False, False]]
    grid = np.random.default_rng(3).random((2, 5, 7)) > 0.5
    masks = read(tmp_path, "masks", (0, MaskSet(names=NAMES, masks=grid))).masks
    assert masks is not None
    assert (masks[0] == grid).all()
    ways = np.ones((2, 3, 2), np.float32)
    told = Forecasts(tracks=np.array([3, 5]), step_ns=500_000_000, positions_m=ways)
    (forecast,) = read(tmp_path, "forecasts", (0, told)).forecasts
    assert forecast.step_ns == told.step_ns
    assert forecast.positions_m.tolist() == ways.tolist()


def test_a_task_of_a_path_from_several_sensors_is_found_in_its_part(tmp_path: Path) -> None:
    """A set that lacks the partner has no result of it."""
    whole = FusedResult(parts={"objects": boxes(2), "other": boxes(1)})
    partial = FusedResult(parts={"other": boxes(1)})
    found = read(tmp_path, "boxes", (0, whole), (1, partial))
    assert found.frames.tolist() == [0]


def test_what_improved_an_answer_stands_behind_it_and_tracks_are_read(tmp_path: Path) -> None:
    """Of several with the same standing the first counts."""
    file = tmp_path / "results.jsonl"
    first = {**result_line("p", 0, boxes(2)), "tracks": [7, 8]}
    again = {**result_line("p", 0, boxes(1)), "tracks": [7]}
    better = {**result_line("p", 0, boxes(3)), "tracks": [7, 8, 9], "improves": True}
    later = {**result_line("p", 1, boxes(1)), "tracks": [8]}
    text = "".join(f"{json.dumps(line)}\n" for line in (first, again, later, better))
    file.write_text(text, encoding="utf-8")
    found = read_results(file, {"t": "p"}, {"t": ("boxes", ())})["t"]
    assert found.boxes is not None
    assert found.boxes.tracks is not None
    assert found.frames.tolist() == [0, 0, 1]
    assert found.improves.tolist() == [False, True, False]
    assert found.boxes.tracks.tolist() == [7, 8, 7, 8, 9, 8]
    assert found.names == NAMES


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "results.jsonl:2: is no result"),
        ('{"path": "p", "frame": 1}', "neither boxes, masks nor forecasts"),
        ('{"path": "p", "frame": 1, "masks": [], "size": [0, 0], "bits": ""}', "and this is masks"),
        (
            '{"path": "p", "frame": 1, "boxes": [[0, 0, 1, 1]], "scores": [], "classes": ["car"]}',
            "1 boxes with 0 scores",
        ),
        (
            '{"path": "p", "frame": 1, "boxes": [[0, 0, 1, 1]], "scores": [NaN], "classes": ["a"]}',
            "results.jsonl:2: is no result",
        ),
        (
            '{"path": "p", "frame": 1, "boxes": [[0, 0, 1, 1]], "scores": [null], "classes": [""]}',
            "results.jsonl:2: is no result",
        ),
    ],
)
def test_a_line_that_is_no_result_is_named(line: str, message: str, tmp_path: Path) -> None:
    """Never taken for an empty one; a score that is no number is none."""
    file = tmp_path / "results.jsonl"
    good = json.dumps(result_line("p", 0, boxes(1)))
    file.write_text(f"{good}\n{line}\n", encoding="utf-8")
    with pytest.raises(ScoringError, match=message):
        read_results(file, {"objects": "p"}, {"objects": ("boxes", NAMES)})


def test_classes_are_common_by_name_and_by_a_map_of_names() -> None:
    """A map holds on both sides; what nothing finds is said."""
    common = common_classes(
        "t", ("bus", "person", "car"), ("car", "van", "pedestrian", "tram"),
        {"person": "pedestrian", "van": "car"},
    )  # fmt: skip
    assert common.names == ("car", "pedestrian")
    assert common.unscored == ("tram",)
    assert common.labels(np.array([0, 1, 2, IGNORE])).tolist() == [0, 0, 1, IGNORE]
    found = FoundBoxes(
        offsets=np.array([0, 2, 3]),
        xyxy=np.zeros((3, 4)),
        scores=np.ones(3),
        classes=np.array([0, 2, 1]),
    )
    kept = found_in(found, common)
    assert kept.offsets.tolist() == [0, 1, 2]
    assert kept.classes.tolist() == [0, 1]


def test_no_common_class_is_an_error_with_both_sides_names() -> None:
    """And never a score of zero."""
    with pytest.raises(ClassesError, match=r"finds bus, labelled are car, van; map names under"):
        common_classes("t", ("bus",), ("car", "van"), {})


def test_a_reference_believes_its_sure_boxes_and_first_answers(tmp_path: Path) -> None:
    """A frame of the drive that it answered in two passes is true as in the first."""
    found = read(tmp_path, "boxes", (0, boxes(3)), (1, boxes(1)), (5, boxes(2)))
    truth = truth_of(found, np.array([0, 1, 1]), stream="front", frames=3, least_score=0.7)
    assert truth.boxes is not None
    assert truth.boxes.offsets.tolist() == [0, 2, 3, 3]  # scores 0.9, 0.7 and 0.5; then 0.9
    assert truth.labelled("boxes").tolist() == [True, True, False]
    nowhere = np.zeros((0, 1, 2), np.float32)
    told = Forecasts(tracks=np.zeros(0, np.int64), step_ns=1, positions_m=nowhere)
    with pytest.raises(ScoringError, match="forecasts of another run are no reference"):
        truth_of(
            read(tmp_path, "forecasts", (0, told)), np.array([0]), stream="a", frames=1,
            least_score=0.5,
        )  # fmt: skip
