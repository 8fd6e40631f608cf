"""A task's results scored in every view, whatever they are."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import LabelsError
from pipeline.scoring.areas import PackedMasks, pack_masks
from pipeline.scoring.judging import score_task
from pipeline.scoring.poses import Poses
from pipeline.scoring.results import TaskResults
from pipeline.scoring.scores import FIGURES, Answers, TaskScore, Timeline, Wishes
from pipeline.scoring.tables import FoundBoxes, FoundBoxes3D, TrueBoxes, TrueBoxes3D
from pipeline.scoring.truths import StreamTruth
from pipeline.tasks.outputs.protocol import Forecasts
from sensors.labels import Futures

MS = 1_000_000
PERIOD_NS = 100 * MS
FRAMES = 20
NUMBERS = np.arange(FRAMES)
AT_S = NUMBERS * 0.1
EGO_M_S = 10.0


def truth(**given: object) -> StreamTruth:
    """What is true of twenty frames, all labelled."""
    kinds = ("boxes", "boxes_3d", "masks", "forecasts")
    whole: dict[str, object] = {
        "stream": "front",
        "frames": FRAMES,
        "names": ("car", "pedestrian"),
        "futures": {},
        "known": {kind: np.ones(FRAMES, np.bool_) for kind in kinds},
        **given,
    }
    return StreamTruth(**whole)  # type: ignore[arg-type]


def results(kind: str, **given: object) -> TaskResults:
    """Results of every frame."""
    whole: dict[str, object] = {
        "task": "objects", "path": "p", "kind": kind, "names": ("car", "pedestrian"),
        "frames": NUMBERS, "improves": np.zeros(len(NUMBERS), np.bool_), **given,
    }  # fmt: skip
    return TaskResults(**whole)  # type: ignore[arg-type]


def score(
    found: TaskResults, known: StreamTruth, *, late_ms: int = 150, live_order: bool = True
) -> TaskScore:
    """Every frame answered after the same time, every fourth by the edge."""
    due_ns = NUMBERS * PERIOD_NS
    scored = score_task(
        found,
        Answers(
            contents=NUMBERS,
            due_ns=due_ns,
            delivered_ns=due_ns + late_ms * MS,
            fates=np.where(NUMBERS % 4 == 0, "edge", "cloud"),
        ),
        Timeline(
            numbers=NUMBERS,
            contents=NUMBERS,
            due_ns=due_ns,
            selected=np.ones(FRAMES, np.bool_),
            live_order=live_order,
        ),
        known,
        Wishes(),
    )
    assert list(scored.figures) == list(FIGURES)
    for name, value in scored.figures.items():
        assert (value is None) == (name in scored.reasons), name
    return scored


def picture_boxes() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """A car that moves right by 150 px/s, and a pedestrian that stands."""
    car = np.stack([40 + 150 * AT_S, 0 * AT_S + 80, 90 + 150 * AT_S, 0 * AT_S + 120], axis=1)
    walker = np.tile([300.0, 60, 320, 120], (FRAMES, 1))
    return np.stack([car, walker], axis=1).reshape(-1, 4)


def in_pictures(classes: tuple[int, int] = (0, 1)) -> tuple[TaskResults, StreamTruth]:
    """Results that are exactly right, with tracks."""
    offsets, count = np.arange(FRAMES + 1) * 2, 2 * FRAMES
    found = FoundBoxes(
        offsets=offsets,
        xyxy=picture_boxes(),
        scores=np.tile([0.9, 0.8], FRAMES),
        classes=np.tile(classes, FRAMES),
        tracks=np.tile([11, 12], FRAMES),
    )
    known = TrueBoxes(
        offsets=offsets,
        xyxy=picture_boxes(),
        classes=np.tile([0, 1], FRAMES),
        tracks=np.tile([1, 2], FRAMES),
        distances_m=np.full(count, 15.0),
    )
    return results("boxes", boxes=found), truth(boxes=known)


def test_right_boxes_that_come_late_are_right_offline_and_not_in_time() -> None:
    """Two frames late, the car has moved by more than half of itself; a forecast brings it back."""
    scored = score(*in_pictures())
    figures = scored.figures
    for name in ("map", "map_all", "ap50", "edge_map", "cloud_map", "coverage", "mota", "idf1"):
        assert figures[name] == pytest.approx(1.0), name
    assert figures["mean_lag_frames"] == 2.0
    assert figures["without"] == 2
    streaming, forecast = figures["streaming_map"], figures["streaming_forecast_map"]
    assert streaming is not None
    assert forecast is not None
    # The pedestrian is found in 18 of 20 instants, the car in none; the forecast misses the car
    # only while there is one result alone.
    assert streaming == pytest.approx(91 / 101 / 2)
    assert forecast > 0.85
    assert figures["safety_misses"] == 0.0
    assert (figures["streaming_safety_misses"] or 0) > 0.4
    assert scored.by_class["car"]["streaming_map"] == 0.0
    assert scored.by_class["pedestrian"]["objects"] == FRAMES


def test_a_wrong_class_is_wrong_and_still_something_was_found() -> None:
    """Precision falls to zero, and nothing that matters was missed."""
    figures = score(*in_pictures(classes=(1, 0))).figures
    assert figures["map"] == 0.0
    assert figures["safety_misses"] == 0.0
    assert figures["mota"] == pytest.approx(-1.0)


def test_at_full_speed_nothing_is_said_of_instants() -> None:
    """Null with the reason, while everything else is scored."""
    scored = score(*in_pictures(), live_order=False)
    assert scored.figures["map"] == pytest.approx(1.0)
    for name in ("streaming_map", "streaming_safety_misses", "mean_lag_frames"):
        assert scored.figures[name] is None
        assert "full speed" in scored.reasons[name]


def test_without_a_label_of_the_kind_there_is_nothing_to_score() -> None:
    """An error that names stream and kind."""
    found, known = in_pictures()
    bare = truth(known={"masks": np.ones(FRAMES, np.bool_)}, boxes=known.boxes)
    with pytest.raises(LabelsError, match="no replayed frame of front has labels of boxes"):
        score(found, bare)


def in_space(*, poses: bool = True) -> tuple[TaskResults, StreamTruth]:
    """A car ahead at the own speed and a standing one, seen exactly from a car that drives on."""
    offsets = np.arange(FRAMES + 1) * 2
    lead = np.tile([20.0, 0.0, 0.7], (FRAMES, 1))
    parked = np.stack([45 - EGO_M_S * AT_S, 0 * AT_S + 6, 0 * AT_S + 0.7], axis=1)
    centres = np.stack([lead, parked], axis=1).reshape(-1, 3)
    velocities = np.tile([[EGO_M_S, 0.0], [0.0, 0.0]], (FRAMES, 1))
    both = {
        "offsets": offsets,
        "centres_m": centres,
        "sizes_m": np.tile([4.0, 2.0, 1.5], (2 * FRAMES, 1)),
        "yaws_rad": np.zeros(2 * FRAMES),
        "velocities_mps": velocities,
        "classes": np.zeros(2 * FRAMES, np.int64),
    }
    tracks = np.tile([1, 2], FRAMES)
    found = FoundBoxes3D(**both, scores=np.tile([0.9, 0.8], FRAMES), tracks=tracks + 30)
    known = TrueBoxes3D(**both, tracks=tracks)
    place = Poses(
        stamps_ns=NUMBERS * PERIOD_NS,
        positions_m=np.stack([EGO_M_S * AT_S, 0 * AT_S, 0 * AT_S], axis=1),
        quaternions=np.tile([0.0, 0, 0, 1], (FRAMES, 1)),
    )
    return (
        results("boxes_3d", boxes_3d=found),
        truth(boxes_3d=known, poses=place if poses else None),
    )


def test_in_space_the_own_motion_is_taken_out_of_old_results() -> None:
    """The parked car stays where it is; the lead car needs the forecast, by its own velocity."""
    figures = score(*in_space()).figures
    for name in ("map", "nds", "ap_2m", "mota", "hota"):
        assert figures[name] == pytest.approx(1.0), name
    streaming, forecast = figures["streaming_map"], figures["streaming_forecast_map"]
    assert streaming is not None
    assert forecast is not None
    # Two frames late the lead car is 2 m on: right at 4 m alone. Two of 20 instants have nothing.
    assert forecast > 0.88
    assert streaming < 0.75 * forecast
    without = score(*in_space(poses=False)).figures
    assert without["streaming_map"] is not None
    # In its own frame the lead car stands still, and the parked one has come nearer by 2 m.
    assert without["streaming_map"] < forecast


def test_areas_are_scored_in_every_view() -> None:
    """A road that is always the same is right however late; lines that move are not."""
    grids = np.zeros((FRAMES, 2, 12, 20), np.bool_)
    grids[:, 0, 6:] = True
    for frame in range(FRAMES):
        grids[frame, 1, :, frame % 20] = True
    packed = PackedMasks(
        names=("drivable", "lane"), height=12, width=20, bodies=[pack_masks(g) for g in grids]
    )
    found = results("masks", masks=packed, names=packed.names)
    scored = score(found, truth(masks=packed))
    assert scored.figures["miou"] == scored.figures["edge_miou"] == 1.0
    assert scored.by_class["drivable"]["streaming_iou"] == pytest.approx(18 / 20)
    assert scored.by_class["lane"]["streaming_iou"] == 0.0
    assert scored.figures["map"] is None
    assert scored.reasons["map"] == "does not apply to masks"


def test_forecasts_are_scored_against_what_came() -> None:
    """Half a metre off at each step."""
    steps = np.tile(np.arange(1, 4, dtype=np.float32)[None, :, None], (2, 1, 2))
    steps[1] += 30
    futures = Futures(
        tracks=np.array([1, 2]), step_ns=500 * MS, positions_m=steps,
        valid=np.ones((2, 3), np.bool_),
    )  # fmt: skip
    told = Forecasts(
        tracks=np.array([7, 8]), step_ns=500 * MS,
        positions_m=steps + np.array([0.3, 0.4], np.float32),
    )  # fmt: skip
    found = results("forecasts", forecasts=(told,) * FRAMES)
    scored = score(found, truth(futures=dict.fromkeys(range(FRAMES), futures)))
    assert scored.figures["ade_m"] == pytest.approx(0.5, abs=1e-5)
    assert scored.figures["fde_m"] == pytest.approx(0.5, abs=1e-5)
    assert scored.figures["forecast_share"] == 1.0
    assert scored.figures["miss_rate_2m"] == 0.0
