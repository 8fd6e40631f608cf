"""ROS 2 recordings in MCAP, read without ROS."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from mcap_ros2.writer import Writer

from sensors.errors import RecordingCorruptError
from sensors.frames import CameraFrame, EgoPose, ImuSample, LidarSweep
from sensors.readers.errors import ReaderExtraError, TopicError
from sensors.readers.mcap import open_mcap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sensors.frames import Frame, StreamKind

HEADER = """
================================================================================
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
"""
VECTOR = """
================================================================================
MSG: geometry_msgs/Vector3
float64 x
float64 y
float64 z
"""
TURN = """
================================================================================
MSG: geometry_msgs/Quaternion
float64 x
float64 y
float64 z
float64 w
"""
COMPRESSED = "std_msgs/Header header\nstring format\nuint8[] data" + HEADER
IMAGE = (
    "std_msgs/Header header\nuint32 height\nuint32 width\nstring encoding\n"
    "uint8 is_bigendian\nuint32 step\nuint8[] data" + HEADER
)
CLOUD = (
    "std_msgs/Header header\nuint32 height\nuint32 width\nsensor_msgs/PointField[] fields\n"
    "bool is_bigendian\nuint32 point_step\nuint32 row_step\nuint8[] data\nbool is_dense"
    + HEADER
    + """
================================================================================
MSG: sensor_msgs/PointField
string name
uint32 offset
uint8 datatype
uint32 count
"""
)
IMU = (
    "std_msgs/Header header\ngeometry_msgs/Quaternion orientation\n"
    "float64[9] orientation_covariance\ngeometry_msgs/Vector3 angular_velocity\n"
    "float64[9] angular_velocity_covariance\ngeometry_msgs/Vector3 linear_acceleration\n"
    "float64[9] linear_acceleration_covariance" + HEADER + VECTOR + TURN
)
ODOMETRY = (
    "std_msgs/Header header\nstring child_frame_id\ngeometry_msgs/PoseWithCovariance pose\n"
    "geometry_msgs/TwistWithCovariance twist"
    + HEADER
    + VECTOR
    + TURN
    + """
================================================================================
MSG: geometry_msgs/PoseWithCovariance
geometry_msgs/Pose pose
float64[36] covariance
================================================================================
MSG: geometry_msgs/Pose
geometry_msgs/Point position
geometry_msgs/Quaternion orientation
================================================================================
MSG: geometry_msgs/Point
float64 x
float64 y
float64 z
================================================================================
MSG: geometry_msgs/TwistWithCovariance
geometry_msgs/Twist twist
float64[36] covariance
================================================================================
MSG: geometry_msgs/Twist
geometry_msgs/Vector3 linear
geometry_msgs/Vector3 angular
"""
)
STAMP = {"stamp": {"sec": 1, "nanosec": 2}, "frame_id": "any"}


def written(path: Path, name: str, definition: str, message: Mapping[str, object]) -> Path:
    """Write three messages of one topic, 10 ns apart."""
    with path.open("wb") as output:
        writer = Writer(output)
        schema = writer.register_msgdef(f"sensor_msgs/msg/{name}", definition)
        for number in range(3):
            writer.write_message("/topic", schema, dict(message), 10 * number, 10 * number)
        writer.finish()
    return path


def read(path: Path, kind: StreamKind) -> list[Frame]:
    """All frames of the only stream of a kind."""
    with open_mcap(path, stream="any", kind=kind) as drive:
        (stream,) = drive.streams()
        assert (stream.kind, stream.frames) == (kind, 3)
        return list(drive.frames())


def test_compressed_images(tmp_path: Path) -> None:
    """JPEG and PNG are decoded; log times are the stamps."""
    done, data = cv2.imencode(".jpg", np.full((6, 8, 3), 90, np.uint8))
    assert done
    message = {"header": STAMP, "format": "bgr8; jpeg compressed bgr8", "data": data.tobytes()}
    frames = read(written(tmp_path / "a.mcap", "CompressedImage", COMPRESSED, message), "camera")
    assert [frame.stamp_ns for frame in frames] == [0, 10, 20]
    assert isinstance(frames[2], CameraFrame)
    assert frames[2].image.shape == (6, 8, 3)
    assert abs(frames[2].image.mean() - 90) < 2


def test_images(tmp_path: Path) -> None:
    """Plain pixels in the encodings that ROS names."""
    message = {
        "header": STAMP,
        "height": 2,
        "width": 2,
        "encoding": "rgb8",
        "is_bigendian": 0,
        "step": 6,
        "data": bytes(range(12)),
    }
    frames = read(written(tmp_path / "a.mcap", "Image", IMAGE, message), "camera")
    assert isinstance(frames[0], CameraFrame)
    assert frames[0].image[0, 0].tolist() == [2, 1, 0]


def test_clouds(tmp_path: Path) -> None:
    """ROS numbers its types apart from Foxglove, and may pad rows."""
    rows = np.zeros(4, [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("i", "u1"), ("ring", "<u2")])
    rows["x"], rows["i"], rows["ring"] = (1, 2, 3, 4), (255, 0, 0, 51), (0, 1, 2, 3)
    padded = b"".join(rows[at : at + 2].tobytes() + b"pad" for at in (0, 2))
    names = (("x", 0, 7), ("y", 4, 7), ("z", 8, 7), ("intensity", 12, 2), ("ring", 13, 4))
    message = {
        "header": STAMP,
        "height": 2,
        "width": 2,
        "fields": [
            {"name": name, "offset": offset, "datatype": number, "count": 1}
            for name, offset, number in names
        ],
        "is_bigendian": False,
        "point_step": 15,
        "row_step": 33,
        "data": padded,
        "is_dense": True,
    }
    frames = read(written(tmp_path / "a.mcap", "PointCloud2", CLOUD, message), "lidar")
    assert isinstance(frames[0], LidarSweep)
    assert frames[0].points[:, 0].tolist() == [1, 2, 3, 4]
    assert frames[0].points[:, 3].tolist() == pytest.approx([1, 0, 0, 0.2])
    assert frames[0].rings is not None
    assert frames[0].rings.tolist() == [0, 1, 2, 3]
    short = written(tmp_path / "b.mcap", "PointCloud2", CLOUD, {**message, "height": 3})
    with pytest.raises(RecordingCorruptError, match="a cloud of 2x3 points of 15 has 60 bytes"):
        read(short, "lidar")


def test_poses_and_inertial_samples(tmp_path: Path) -> None:
    """Odometry's velocity, in body axes, is turned into the world's."""
    half = float(np.sqrt(0.5))
    nine, many = [0.0] * 9, [0.0] * 36
    turn, zero = {"x": 0.0, "y": 0.0, "z": half, "w": half}, {"x": 0.0, "y": 0.0, "z": 0.0}
    imu = {
        "header": STAMP,
        "orientation": turn,
        "orientation_covariance": nine,
        "angular_velocity": {**zero, "z": 0.5},
        "angular_velocity_covariance": nine,
        "linear_acceleration": {**zero, "z": 9.81},
        "linear_acceleration_covariance": nine,
    }
    frames = read(written(tmp_path / "imu.mcap", "Imu", IMU, imu), "imu")
    assert isinstance(frames[0], ImuSample)
    assert frames[0].acceleration_mps2 == pytest.approx((0, 0, 9.81))
    path = tmp_path / "odometry.mcap"
    with path.open("wb") as output:
        writer = Writer(output)
        schema = writer.register_msgdef("nav_msgs/msg/Odometry", ODOMETRY)
        odometry = {
            "header": STAMP,
            "child_frame_id": "ego",
            "pose": {
                "pose": {"position": {**zero, "y": 2.0}, "orientation": turn},
                "covariance": many,
            },
            "twist": {"twist": {"linear": {**zero, "x": 3.0}, "angular": zero}, "covariance": many},
        }
        for number in range(3):
            writer.write_message("/odom", schema, odometry, 10 * number, 10 * number)
        writer.finish()
    frames = read(path, "pose")
    assert isinstance(frames[0], EgoPose)
    assert frames[0].position_m == pytest.approx((0, 2, 0))
    assert frames[0].velocity_mps == pytest.approx((0, 3, 0))


def test_a_message_that_does_not_fit_its_schema_is_named(tmp_path: Path) -> None:
    """CDR that ends too early is an error with topic and message."""
    message = {"header": STAMP, "format": "jpeg", "data": b""}
    path = written(tmp_path / "a.mcap", "CompressedImage", COMPRESSED, message)
    with pytest.raises(RecordingCorruptError, match="topic /topic: the file is empty"):
        read(path, "camera")
    path = written(tmp_path / "b.mcap", "Image", COMPRESSED, message)
    with pytest.raises(RecordingCorruptError, match="no sensor_msgs/msg/Image"):
        read(path, "camera")


def test_a_missing_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, the error says what to install; other files do not care."""
    message = {"header": STAMP, "format": "jpeg", "data": b""}
    path = written(tmp_path / "a.mcap", "CompressedImage", COMPRESSED, message)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "mcap_ros2" else find(name)
    )
    with pytest.raises(ReaderExtraError, match=r"pip install 'splitway\[ros\]'"):
        read(path, "camera")


@pytest.mark.skipif("SPLITWAY_DATA" not in os.environ, reason="SPLITWAY_DATA names no recordings")
def test_a_recording_without_a_camera_is_refused() -> None:
    """The error lists what is in it."""
    path = Path(os.environ["SPLITWAY_DATA"]) / "rosbag" / "ros2_talker.mcap"
    told = r"no camera stream in it; its topics: .*/topic \(std_msgs/msg/String, 10 messages\)"
    with pytest.raises(TopicError, match=told):
        read(path, "camera")
