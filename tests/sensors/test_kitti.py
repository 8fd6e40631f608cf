"""KITTI raw drives: streams, stamps, calibration, and folders that are almost right."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sensors.calibration import Calibrated
from sensors.errors import RecordingCorruptError, RecordingNotFoundError, SensorError
from sensors.frames import CameraFrame, EgoPose, ImuSample, LidarSweep
from sensors.readers.errors import PeriodUnknownError, TopicError
from sensors.readers.images import ImagesReader
from sensors.readers.kitti import KittiRaw
from sensors.readers.registry import open_drive

PERIOD_NS = 100_000_000
FRAMES = 4
STAMPS = "".join(f"2011-09-26 13:02:25.{100 * n + 5:03d}000000\n" for n in range(FRAMES))
DATA = os.environ.get("SPLITWAY_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="SPLITWAY_DATA names no recordings")


def numbers(values: object) -> str:
    """A line of numbers as KITTI writes them."""
    return " ".join(f"{value:.12e}" for value in np.asarray(values, float).ravel())


def packet(*, east_m: float = 0.0, yaw_rad: float = 0.0) -> str:
    """A packet on the equator."""
    values = np.zeros(30)
    values[1] = math.degrees(east_m / 6_378_137.0)
    values[5] = yaw_rad
    values[6:11] = (4.0, 3.0, 0.0, 0.0, 0.5)
    values[11:14], values[17:20] = (0.1, 0.2, 9.8), (0.01, 0.02, 0.03)
    return numbers(values)


@pytest.fixture
def day(tmp_path: Path) -> Path:
    """Return a day's folder with one small drive, all streams, calibrated, without stamps."""
    drive = tmp_path / "2011_09_26" / "2011_09_26_drive_0001_sync"
    for topic in ("image_02", "image_03", "velodyne_points", "oxts"):
        (drive / topic / "data").mkdir(parents=True)
    for number in range(FRAMES):
        name = f"{number:010d}"
        shade = np.full((6, 8, 3), 10 * number, np.uint8)
        for camera in ("image_02", "image_03"):
            assert cv2.imwrite(str(drive / camera / "data" / f"{name}.png"), shade)
        points = np.full((number + 1, 4), number, np.float32)
        (drive / "velodyne_points" / "data" / f"{name}.bin").write_bytes(points.tobytes())
        oxts = packet(east_m=10.0 * number, yaw_rad=math.pi / 2)
        (drive / "oxts" / "data" / f"{name}.txt").write_text(oxts, encoding="ascii")
    turn = Rotation.from_euler("ZYX", [0.01, 0.02, -0.03]).as_matrix()
    to_camera = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]]) @ turn
    projection = np.array([[10.0, 0, 4, 0], [0, 10, 3, 0], [0, 0, 1, 0]])
    right = projection.copy()
    right[0, 3] = -5.0  # half a metre to the right
    files = {
        "calib_cam_to_cam.txt": f"calib_time: 09-Jan-2012 13:57:47\nS_rect_02: {numbers([8, 6])}\n"
        f"S_rect_03: {numbers([8, 6])}\nR_rect_00: {numbers(np.eye(3))}\n"
        f"P_rect_02: {numbers(projection)}\nP_rect_03: {numbers(right)}\n",
        "calib_velo_to_cam.txt": f"R: {numbers(to_camera)}\nT: {numbers([0.1, -0.2, -0.3])}\n",
        "calib_imu_to_velo.txt": f"R: {numbers(np.eye(3))}\nT: {numbers([-0.8, 0.3, -0.8])}\n",
    }
    for name, text in files.items():
        (drive.parent / name).write_text(text, encoding="ascii")
    return drive.parent


def drive_of(day: Path) -> Path:
    """The folder of the drive."""
    return day / "2011_09_26_drive_0001_sync"


def test_every_stream_is_found(day: Path) -> None:
    """From the day's folder or the drive's; a camera by its topic, others by their kind."""
    for path in (day, drive_of(day)):
        for topic, kind, cls in (
            ("image_02", None, CameraFrame),
            (None, "lidar", LidarSweep),
            (None, "pose", EgoPose),
            (None, "imu", ImuSample),
        ):
            reader = open_drive(path, stream="any", period_ns=PERIOD_NS, topic=topic, kind=kind)  # type: ignore[arg-type]
            assert isinstance(reader, KittiRaw)
            with reader:
                frames = list(reader.frames())
                assert reader.stamps() == range(0, FRAMES * PERIOD_NS, PERIOD_NS)
            assert [type(frame) for frame in frames] == [cls] * FRAMES
            assert [frame.index for frame in frames] == list(range(FRAMES))


def test_a_stream_named_as_a_topic_needs_no_other_word(day: Path) -> None:
    """The scenario's `velodyne_points: {period: 100ms}` is enough."""
    with open_drive(day, stream="velodyne_points", period_ns=PERIOD_NS) as reader:
        frames = list(reader.frames(start_ns=PERIOD_NS, stop_ns=3 * PERIOD_NS))
    assert [len(f.points) for f in frames if isinstance(f, LidarSweep)] == [2, 3]


def test_a_folder_of_images_is_still_one(day: Path) -> None:
    """The folder of one camera is read as before."""
    path = drive_of(day) / "image_02" / "data"
    assert isinstance(open_drive(path, stream="front"), ImagesReader)


@pytest.mark.parametrize(
    ("topic", "kind", "why"),
    [
        (None, None, "2 camera streams: name the topic of 'any'; its topics: image_02, image_03"),
        ("image_01", None, "there is no topic 'image_01'"),
        ("image_02", "lidar", "image_02 is of kind camera, not lidar"),
    ],
)
def test_what_is_not_plain_is_told(
    day: Path, topic: str | None, kind: str | None, why: str
) -> None:
    """With the topics that there are."""
    with (
        pytest.raises(TopicError, match=why),
        open_drive(day, stream="any", period_ns=1, topic=topic, kind=kind),  # type: ignore[arg-type]
    ):
        pass


def test_stamps_come_from_the_files_beside_the_data(day: Path) -> None:
    """A sweep has its stamp at the turn's end, where the recording tells."""
    drive = drive_of(day)
    (drive / "image_02" / "timestamps.txt").write_text(STAMPS, encoding="ascii")
    (drive / "velodyne_points" / "timestamps.txt").write_text(STAMPS, encoding="ascii")
    ends = STAMPS.replace("05000000", "55000000")
    (drive / "velodyne_points" / "timestamps_end.txt").write_text(ends, encoding="ascii")
    with KittiRaw(day, stream="f", topic="image_02") as reader:
        seen = list(reader.stamps())
    with KittiRaw(day, stream="l", topic="velodyne_points") as reader:
        swept = list(reader.stamps())
    assert [b - a for a, b in zip(seen, swept, strict=True)] == [50_000_000] * FRAMES
    assert seen[1] - seen[0] == PERIOD_NS


def test_without_stamps_a_period_is_needed(day: Path) -> None:
    """The error asks for it."""
    with pytest.raises(PeriodUnknownError, match="period"), KittiRaw(day, stream="image_02"):
        pass


def test_calibrations_project_the_velodyne_into_the_picture(day: Path) -> None:
    """The mounting and KITTI's own chain of matrices agree for points ahead."""
    points = np.random.default_rng(1).uniform((4, -3, -1.7), (40, 3, 2), (50, 3))
    to_camera = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
    to_camera = to_camera @ Rotation.from_euler("ZYX", [0.01, 0.02, -0.03]).as_matrix()
    for number, beside in (("02", 0.0), ("03", -5.0)):
        projection = np.array([[10.0, 0, 4, beside], [0, 10, 3, 0], [0, 0, 1, 0]])
        camera = points @ to_camera.T + np.array([0.1, -0.2, -0.3])
        flat = np.column_stack([camera, np.ones(50)]) @ projection.T
        wanted = flat[:, :2] / flat[:, 2:]
        with KittiRaw(day, stream="f", topic=f"image_{number}", period_ns=1) as reader:
            assert isinstance(reader, Calibrated)
            (found,) = reader.calibrations()
        assert found.intrinsics is not None
        ego = points + np.array([0.0, 0.0, 1.73])
        seen = found.intrinsics.project(found.mounting.to_camera(ego))
        assert np.abs(seen - wanted).max() < 1e-6


def test_poses_are_those_of_the_point_under_the_velodyne(day: Path) -> None:
    """Heading north, the velodyne lies 0.8 m north of the unit and 0.3 m to its right, east."""
    with KittiRaw(day, stream="oxts", period_ns=PERIOD_NS) as reader:
        first, _, _, last = reader.frames()
    assert isinstance(first, EgoPose)
    assert isinstance(last, EgoPose)
    moved = np.subtract(last.position_m, first.position_m)
    assert moved.tolist() == pytest.approx([30, 0, 0], abs=1e-6)
    # Velodyne in the unit's frame: 0.8 ahead, -0.3 left, 0.8 up; the origin is 1.73 below it.
    assert first.position_m == pytest.approx((0.3, 0.8, 0.8 - 1.73))
    ahead = Rotation.from_quat(first.quaternion).apply([1, 0, 0])
    assert ahead.tolist() == pytest.approx([0, 1, 0])
    assert first.velocity_mps == (3.0, 4.0, 0.5)
    with KittiRaw(day, stream="unit", kind="imu", period_ns=PERIOD_NS) as reader:
        sample = next(iter(reader.frames()))
    assert isinstance(sample, ImuSample)
    assert sample.acceleration_mps2 == pytest.approx((0.1, 0.2, 9.8))
    assert sample.angular_velocity_radps == pytest.approx((0.01, 0.02, 0.03))


def remove(day: Path, path: str) -> None:
    """Remove a file of the drive, or of the day."""
    inside = drive_of(day) / path
    (inside if inside.exists() else day / path).unlink()


def without_line(day: Path, file: str, name: str) -> None:
    """Remove a line of a calibration file."""
    lines = (day / file).read_text(encoding="ascii").splitlines()
    kept = [line for line in lines if not line.startswith(f"{name}:")]
    assert len(kept) < len(lines)
    (day / file).write_text("\n".join(kept), encoding="ascii")


@pytest.mark.parametrize(
    ("topic", "broken", "why"),
    [
        ("image_02", "image_02/data/0000000002.png", r"0000000002\.png is missing"),
        ("image_02", "image_02/data/0000000003.png", "it has 3 files, image_03 has 4"),
        ("velodyne_points", "velodyne_points/data/0000000001.bin", r"0000000001\.bin is missing"),
        ("image_02", "velodyne_points/data/0000000003.bin", "velodyne_points has 3"),
        ("image_02", "calib_velo_to_cam.txt", r"calib_velo_to_cam\.txt: .* is missing"),
        ("oxts", "calib_imu_to_velo.txt", r"calib_imu_to_velo\.txt: .* is missing"),
    ],
)
def test_a_missing_file_is_named(day: Path, topic: str, broken: str, why: str) -> None:
    """Frames are never paired wrongly, and no place is guessed."""
    remove(day, broken)
    with (
        pytest.raises(RecordingCorruptError, match=why),
        KittiRaw(day, stream=topic, period_ns=PERIOD_NS) as reader,
    ):
        list(reader.frames())


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("calib_cam_to_cam.txt", "S_rect_02"),
        ("calib_cam_to_cam.txt", "R_rect_00"),
        ("calib_cam_to_cam.txt", "P_rect_02"),
        ("calib_velo_to_cam.txt", "R"),
        ("calib_velo_to_cam.txt", "T"),
    ],
)
def test_a_missing_line_is_named(day: Path, file: str, line: str) -> None:
    """With its file."""
    without_line(day, file, line)
    with (
        pytest.raises(RecordingCorruptError, match=f"{file}: there is no line {line}"),
        KittiRaw(day, stream="image_02", period_ns=PERIOD_NS),
    ):
        pass


@pytest.mark.parametrize(
    ("file", "old", "new", "why"),
    [
        ("calib_velo_to_cam.txt", "T: ", "T: 1.0 ", "line T has 4 numbers where 3"),
        ("calib_velo_to_cam.txt", "R: ", "R: nan ", "line R has 10 numbers"),
        ("calib_velo_to_cam.txt", "R: ", "R: 0 0 0 0 0 0 0 0 0\nQ: ", "line R is no rotation"),
        ("calib_velo_to_cam.txt", "R: ", "T: 1 2 3\nR: ", "line T stands twice"),
        ("calib_cam_to_cam.txt", "S_rect_02: ", "S_rect_02: 9 6\nS: ", "says 9x6 pixels.* 8x6"),
        (
            "calib_cam_to_cam.txt",
            "P_rect_02: ",
            "P_rect_02: 0 0 0 0 0 0 0 0 0 0 0 0\nP: ",
            "pinhole",
        ),
    ],
)
def test_a_wrong_line_is_named(day: Path, file: str, old: str, new: str, why: str) -> None:
    """Numbers that cannot be are not taken."""
    text = (day / file).read_text(encoding="ascii")
    (day / file).write_text(text.replace(old, new, 1), encoding="ascii")
    with (
        pytest.raises(RecordingCorruptError, match=why),
        KittiRaw(day, stream="image_02", period_ns=PERIOD_NS),
    ):
        pass


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "0 bytes"),
        (bytes(17), "17 bytes, which is no whole number of points"),
        (np.array([0, 0, np.nan, 0], np.float32).tobytes(), "point 0 .* not finite"),
    ],
)
def test_a_damaged_sweep_is_named(day: Path, content: bytes, why: str) -> None:
    """Sweeps before it come through."""
    file = drive_of(day) / "velodyne_points" / "data" / "0000000002.bin"
    file.write_bytes(content)
    with KittiRaw(day, stream="velodyne_points", period_ns=PERIOD_NS) as reader:
        frames = iter(reader.frames())
        assert len([next(frames), next(frames)]) == 2
        with pytest.raises(RecordingCorruptError, match=rf"0000000002\.bin: .*{why}"):
            next(frames)


@pytest.mark.parametrize("text", ["", "1 2 3", packet().replace("0.0", "nan", 1), packet() + " 1"])
def test_a_damaged_packet_is_named(day: Path, text: str) -> None:
    """With its file."""
    (drive_of(day) / "oxts" / "data" / "0000000001.txt").write_text(text, encoding="ascii")
    with (
        pytest.raises(RecordingCorruptError, match=r"0000000001\.txt: .*packet"),
        KittiRaw(day, stream="oxts", period_ns=PERIOD_NS) as reader,
    ):
        list(reader.frames())


def test_more_stamps_than_files_are_told(day: Path) -> None:
    """The file of stamps has the last word on how many there are."""
    (drive_of(day) / "image_02" / "timestamps.txt").write_text(
        STAMPS + "2011-09-26 13:02:26.0\n", encoding="ascii"
    )
    with (
        pytest.raises(RecordingCorruptError, match="5 stamps stand beside 4 images"),
        KittiRaw(day, stream="image_02"),
    ):
        pass


def test_uncalibrated_drives_are_read(day: Path) -> None:
    """Without any calibration file there are pictures and no calibration."""
    for file in day.glob("calib_*.txt"):
        file.unlink()
    with KittiRaw(day, stream="image_02", period_ns=PERIOD_NS) as reader:
        assert len(list(reader.frames())) == FRAMES
        assert reader.calibrations() == ()


def test_two_drives_below_a_day_are_not_chosen_from(day: Path) -> None:
    """Either is read by its own name."""
    shutil.copytree(drive_of(day), day / "2011_09_26_drive_0002_sync")
    with pytest.raises(SensorError, match="no reader knows"):
        open_drive(day, stream="image_02")
    with (
        pytest.raises(RecordingNotFoundError, match="image_02/data"),
        KittiRaw(day, stream="image_02"),
    ):
        pass
    assert isinstance(open_drive(drive_of(day), stream="image_02"), KittiRaw)


@needs_data
def test_the_real_drive() -> None:
    """Ten frames of 26 September 2011: sizes, points, and points of the road where it is seen."""
    path = Path(str(DATA)) / "kitti_2011_09_26"
    with open_drive(path, stream="front", period_ns=PERIOD_NS) as reader:
        assert isinstance(reader, KittiRaw)
        (stream,) = reader.streams()
        (found,) = reader.calibrations()
        assert len(list(reader.frames())) == 10
    assert (stream.width, stream.height) == (1242, 375)
    with open_drive(path, stream="top", period_ns=PERIOD_NS, kind="lidar") as reader:
        sweeps = [frame for frame in reader.frames() if isinstance(frame, LidarSweep)]
    assert [len(sweep.points) > 100_000 for sweep in sweeps] == [True] * 10
    assert found.intrinsics is not None
    ego = sweeps[0].points[:, :3].astype(np.float64) + np.array([0.0, 0.0, 1.73])
    near = (np.hypot(ego[:, 0], ego[:, 1]) < 15) & (np.abs(ego[:, 1]) < 3) & (ego[:, 0] > 6)
    assert abs(float(np.median(ego[near, 2]))) < 0.1  # the road ahead is at height 0
    pixels = found.intrinsics.project(found.mounting.to_camera(ego[near]))
    assert (pixels[:, 1] > found.intrinsics.centre_y_px).mean() > 0.9  # below the horizon
