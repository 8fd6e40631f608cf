"""KITTI object frames: both layouts, labels in the ego frame, and folders that are almost right."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from sensors.errors import RecordingCorruptError, StreamMissingError
from sensors.frames import CameraFrame, LidarSweep
from sensors.labels import Labelled
from sensors.readers.errors import PeriodUnknownError, TopicError
from sensors.readers.images import ImagesReader
from sensors.readers.kitti_object import KittiObject
from sensors.readers.registry import open_drive

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.labels import FrameLabels

PERIOD_NS = 100_000_000
DATA = os.environ.get("SPLITWAY_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="SPLITWAY_DATA names no recordings")
CALIBRATION = """P0: 10 0 4 0 0 10 3 0 0 0 1 0
P2: 10 0 4 0 0 10 3 0 0 0 1 0
R0_rect: 1 0 0 0 1 0 0 0 1
Tr_velo_to_cam: 0 -1 0 0 0 0 -1 0 1 0 0 0
"""
# A car 10 m ahead and 2 m to the left, its bottom on the ground, heading ahead; one crossing.
CAR = "Car 0.25 0 0.1 1 2 9 5 1.5 1.8 4.0 -2.0 1.73 10.0 -1.5707963"
CYCLIST = "Cyclist 0.00 1 0.1 1 2 5 5 1.6 0.6 1.8 3.0 1.73 20.0 0.0"
IGNORED = "DontCare -1 -1 -10 0 0 3 3 -1 -1 -1 -1000 -1000 -1000 -10"


def write_frame(files: dict[str, Path], points: NDArray[np.float32]) -> None:
    """Write one frame into these files."""
    assert cv2.imwrite(str(files["image_2"]), np.zeros((6, 8, 3), np.uint8))
    files["velodyne"].write_bytes(points.tobytes())
    files["calib"].write_text(CALIBRATION, encoding="ascii")
    files["label_2"].write_text(f"{CAR}\n{CYCLIST}\n{IGNORED}\n", encoding="ascii")


@pytest.fixture(params=["flat", "folders"])
def frames(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a folder of two frames, in KITTI's folders or side by side."""
    suffixes = {"image_2": ".png", "velodyne": ".bin", "calib": ".txt", "label_2": ".txt"}
    points = np.array([[10, 2, -0.9, 1], [10, 3.5, -0.9, 1], [8.1, 2, -0.9, 0]], np.float32)
    for name in ("000007", "000134"):
        if request.param == "folders":
            files = {topic: tmp_path / topic / f"{name}{end}" for topic, end in suffixes.items()}
            for file in files.values():
                file.parent.mkdir(exist_ok=True)
        else:
            files = {topic: tmp_path / f"{name}{end}" for topic, end in suffixes.items()}
            files["label_2"] = tmp_path / f"{name}_gt.txt"
        write_frame(files, points)
    return tmp_path


def place(frames: Path, topic: str, name: str) -> Path:
    """The file of a topic in either layout."""
    suffix = {"image_2": ".png", "velodyne": ".bin"}.get(topic, ".txt")
    if (frames / topic).is_dir():
        return frames / topic / f"{name}{suffix}"
    return frames / f"{name}{'_gt' if topic == 'label_2' else ''}{suffix}"


def labels_of(frames: Path, **picked: str) -> list[FrameLabels]:
    """All labels of a stream."""
    with KittiObject(frames, stream="any", period_ns=PERIOD_NS, **picked) as drive:  # type: ignore[arg-type]
        return list(drive.labels())


def test_both_layouts_are_found(frames: Path) -> None:
    """Pictures and sweeps, numbered by their names, on the declared grid."""
    with open_drive(frames, stream="front", period_ns=PERIOD_NS) as drive:
        assert isinstance(drive, KittiObject)
        assert isinstance(drive, Labelled)
        seen = list(drive.frames())
        assert list(drive.stamps()) == [0, PERIOD_NS]
    assert [type(frame) for frame in seen] == [CameraFrame] * 2
    assert [frame.scheduled_ns for frame in seen] == [0, PERIOD_NS]
    with open_drive(frames, stream="top", period_ns=PERIOD_NS, kind="lidar") as drive:
        swept = list(drive.frames(start_ns=1))
    assert [type(frame) for frame in swept] == [LidarSweep]
    assert swept[0].index == 1


def test_plain_pictures_stay_a_folder_of_images(tmp_path: Path) -> None:
    """Without a calibration of KITTI's form beside them."""
    assert cv2.imwrite(str(tmp_path / "1.png"), np.zeros((6, 8, 3), np.uint8))
    (tmp_path / "1.txt").write_text("a note", encoding="ascii")
    assert isinstance(open_drive(tmp_path, stream="front", period_ns=1), ImagesReader)


def test_boxes_in_the_picture(frames: Path) -> None:
    """Types in lower case, areas to be ignored are class -1, boxes end at the picture's edge."""
    first, second = labels_of(frames)
    boxes = first.boxes
    assert boxes is not None
    assert [boxes.names[kind] if kind >= 0 else None for kind in boxes.classes] == [
        "car",
        "cyclist",
        None,
    ]
    assert boxes.xyxy.tolist() == [[1, 2, 8, 5], [1, 2, 5, 5], [0, 0, 3, 3]]
    assert boxes.visibility[:2].tolist() == pytest.approx([1.0, 0.5])
    assert np.isnan(boxes.visibility[2])
    assert boxes.truncation[0] == 0.25
    assert boxes.distances_m[0] == pytest.approx(math.hypot(2, 1.73 - 0.75, 10))
    assert second.boxes is not None
    assert len({*boxes.tracks.tolist(), *second.boxes.tracks.tolist()}) == 6


def test_boxes_in_space_stand_in_the_ego_frame(frames: Path) -> None:
    """X ahead, y left, z up from the ground; the middle, not the bottom; points are counted."""
    for picked in ({"topic": "image_2"}, {"topic": "velodyne"}):
        first, _ = labels_of(frames, **picked)
        boxes = first.boxes_3d
        assert boxes is not None
        assert (first.boxes is None) == (picked["topic"] == "velodyne")
        assert boxes.centres_m[0].tolist() == pytest.approx([10, 2, 0.75], abs=1e-5)
        assert boxes.sizes_m[0].tolist() == pytest.approx([4.0, 1.8, 1.5])
        assert boxes.yaws_rad.tolist() == pytest.approx([0.0, -math.pi / 2], abs=1e-6)
        assert boxes.points.tolist() == [2, 0]
        assert boxes.tracks.tolist() == [0, 1]
        assert np.isnan(boxes.velocities_mps).all()


def test_without_sweeps_points_are_not_counted(frames: Path) -> None:
    """Minus one is not zero."""
    for name in ("000007", "000134"):
        place(frames, "velodyne", name).unlink()
    if (frames / "velodyne").is_dir():
        (frames / "velodyne").rmdir()
    first, _ = labels_of(frames)
    assert first.boxes_3d is not None
    assert first.boxes_3d.points.tolist() == [-1, -1]


def test_a_set_without_labels_has_none(frames: Path) -> None:
    """KITTI's test set is read, and nothing is invented."""
    for name in ("000007", "000134"):
        place(frames, "label_2", name).unlink()
    if (frames / "label_2").is_dir():
        (frames / "label_2").rmdir()
    assert labels_of(frames) == []


def test_windows_and_names_count_for_labels_too(frames: Path) -> None:
    """As they do for frames."""
    with KittiObject(frames, stream="front", period_ns=PERIOD_NS) as drive:
        assert [one.index for one in drive.labels(start_ns=1)] == [1]
        assert not list(drive.labels(streams=()))
        with pytest.raises(StreamMissingError, match="no stream 'rear'"):
            drive.labels(streams=["rear"])


@pytest.mark.parametrize("topic", ["image_2", "velodyne", "calib", "label_2"])
def test_a_file_without_partner_is_named(frames: Path, topic: str) -> None:
    """A frame lacks what another one has."""
    place(frames, topic, "000134").unlink()
    with (
        pytest.raises(RecordingCorruptError, match=f"000134.*no partner in {topic}"),
        KittiObject(frames, stream="any", period_ns=PERIOD_NS, topic="image_2"),
    ):
        pass


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (CAR + " 0.9", "it has 16 columns, labels of KITTI have 15"),
        ("Car 0 0", "it has 3 columns"),
        (CAR.replace("Car", "Bus"), "'Bus' is no type of KITTI; known: car, van"),
        (CAR.replace("10.0", "nan"), "not finite"),
        (CAR.replace("10.0", "ten"), "could not convert"),
        (CAR.replace("1 2 9 5", "9 2 1 5"), "is empty"),
        (CAR.replace("4.0", "-4.0"), "cannot be"),
        (CAR.replace("0.25", "1.25"), "truncation 1.25 cannot be"),
    ],
)
def test_a_wrong_label_is_named(frames: Path, line: str, why: str) -> None:
    """With file and line; labels of frames before it come through."""
    place(frames, "label_2", "000134").write_text(f"{CYCLIST}\n{line}\n", encoding="ascii")
    with KittiObject(frames, stream="any", period_ns=PERIOD_NS) as drive:
        labels = iter(drive.labels())
        next(labels)
        with pytest.raises(RecordingCorruptError, match=rf"000134.*\.txt: line 2: .*{why}"):
            next(labels)


@pytest.mark.parametrize("name", ["R0_rect", "Tr_velo_to_cam"])
def test_a_missing_calibration_line_is_named(frames: Path, name: str) -> None:
    """Labels in space cannot be placed without it."""
    text = "\n".join(line for line in CALIBRATION.splitlines() if not line.startswith(name))
    place(frames, "calib", "000007").write_text(text, encoding="ascii")
    with pytest.raises(RecordingCorruptError, match=f"there is no line {name}"):
        labels_of(frames)


def test_choices_that_cannot_be_are_told(frames: Path) -> None:
    """Topics are listed, and a period is asked for."""
    for picked, why in (
        ({"topic": "image_3"}, "no topic 'image_3'; its topics: image_2, velodyne"),
        ({"kind": "pose"}, "0 pose streams"),
        ({"topic": "velodyne", "kind": "camera"}, "velodyne is of kind lidar"),
    ):
        with pytest.raises(TopicError, match=why):
            labels_of(frames, **picked)
    with pytest.raises(PeriodUnknownError), KittiObject(frames, stream="any"):
        pass


@needs_data
def test_the_real_frame() -> None:
    """Frame 000134: every 3D box, projected, covers the 2D box that people drew."""
    path = Path(str(DATA)) / "kitti_object"
    with open_drive(path, stream="front", period_ns=PERIOD_NS) as drive:
        assert isinstance(drive, KittiObject)
        (labels,) = drive.labels()
        (found,) = drive.calibrations()
    boxes, solid = labels.boxes, labels.boxes_3d
    assert boxes is not None
    assert solid is not None
    assert found.intrinsics is not None
    assert (len(boxes), len(solid), int((boxes.classes < 0).sum())) == (17, 15, 2)
    assert solid.points.min() >= 3
    assert solid.points[0] > 500
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / 2
    for row in range(len(solid)):
        corners = signs * solid.sizes_m[row]
        cos, sin = np.cos(solid.yaws_rad[row]), np.sin(solid.yaws_rad[row])
        turned = np.column_stack(
            [
                corners[:, 0] * cos - corners[:, 1] * sin,
                corners[:, 0] * sin + corners[:, 1] * cos,
                corners[:, 2],
            ]
        )
        ego = turned + solid.centres_m[row]
        pixels = found.intrinsics.project(found.mounting.to_camera(ego.astype(np.float64)))
        drawn = boxes.xyxy[row]
        assert abs(pixels[:, 1].min() - drawn[1]) < 2  # top and bottom meet the drawn box's
        assert abs(pixels[:, 1].max() - drawn[3]) < 2
        assert pixels[:, 0].min() < drawn[0] + 2
        assert pixels[:, 0].max() > drawn[2] - 2
