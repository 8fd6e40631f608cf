"""Which topic of an MCAP file is read, and what other people's messages come to."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np
import pytest
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.Odometry_pb2 import Odometry
from foxglove_schemas_protobuf.PackedElementField_pb2 import PackedElementField
from foxglove_schemas_protobuf.PointCloud_pb2 import PointCloud
from foxglove_schemas_protobuf.Pose_pb2 import Pose
from foxglove_schemas_protobuf.PoseInFrame_pb2 import PoseInFrame
from foxglove_schemas_protobuf.Quaternion_pb2 import Quaternion
from foxglove_schemas_protobuf.RawImage_pb2 import RawImage
from foxglove_schemas_protobuf.Vector3_pb2 import Vector3
from mcap.writer import Writer
from mcap_protobuf.schema import build_file_descriptor_set

from sensors.errors import RecordingCorruptError
from sensors.frames import CameraFrame, EgoPose, LidarSweep
from sensors.readers.errors import TopicError
from sensors.readers.mcap import McapDrive, open_mcap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from google.protobuf.message import Message
    from numpy.typing import NDArray

    from sensors.frames import Frame, StreamKind

    class MakeForeign(Protocol):
        """Writes a file of somebody else's: topics with their messages, 10 ns apart."""

        def __call__(self, topics: Mapping[str, Sequence[Message]]) -> Path:
            """Return its path."""


@pytest.fixture
def make_foreign(tmp_path: Path) -> MakeForeign:
    """Return a function that writes a file of somebody else's."""

    def make(topics: Mapping[str, Sequence[Message]]) -> Path:
        path = tmp_path / "foreign.mcap"
        with path.open("wb") as output:
            writer = Writer(output)
            writer.start()
            for topic, messages in topics.items():
                described = build_file_descriptor_set(type(messages[0]))
                schema = writer.register_schema(
                    messages[0].DESCRIPTOR.full_name, "protobuf", described.SerializeToString()
                )
                channel = writer.register_channel(topic, "protobuf", schema)
                for number, message in enumerate(messages):
                    content = message.SerializeToString()
                    writer.add_message(channel, 10 * number, content, 7)
            writer.finish()
        return path

    return make


def read_one(path: Path, kind: StreamKind = "camera", topic: str | None = None) -> Frame:
    """The first frame of a stream called "any"."""
    with open_mcap(path, stream="any", kind=kind, topic=topic) as drive:
        return next(iter(drive.frames()))


def still(shade: int, suffix: str = ".png", width: int = 8) -> CompressedImage:
    """A picture of one shade."""
    done, data = cv2.imencode(suffix, np.full((6, width, 3), shade, np.uint8))
    assert done
    return CompressedImage(data=data.tobytes(), format=suffix[1:])


def test_the_only_camera_needs_no_topic(make_foreign: MakeForeign) -> None:
    """Foreign frames have no schedule but their stamps."""
    path = make_foreign({"/cam": [still(1), still(2)], "/pose": [PoseInFrame()]})
    with open_mcap(path, stream="front") as drive:
        (stream,) = drive.streams()
        frames = list(drive.frames())
    assert (stream.name, stream.kind, stream.period_ns) == ("front", "camera", None)
    assert (stream.width, stream.height, stream.frames) == (8, 6, 2)
    assert [(one.index, one.stamp_ns, one.scheduled_ns) for one in frames] == [
        (0, 0, 0),
        (1, 10, 10),
    ]


def test_several_cameras_need_a_topic(make_foreign: MakeForeign) -> None:
    """The error lists them with schema and count; a topic decides."""
    path = make_foreign({"/left": [still(10)], "/right": [still(200)]})
    told = (
        r"2 camera streams: name the topic of 'any'; its topics: /left \(foxglove.CompressedImage"
    )
    with pytest.raises(TopicError, match=told):
        read_one(path)
    frame = read_one(path, topic="/right")
    assert isinstance(frame, CameraFrame)
    assert frame.image.mean() == 200
    with McapDrive(path) as drive:
        assert [stream.name for stream in drive.streams()] == ["/left", "/right"]
        assert [one.stream for one in drive.frames()] == ["/left", "/right"]


@pytest.mark.parametrize(
    ("topic", "kind", "why"),
    [
        ("/none", "camera", "there is no topic '/none'; its topics: /cam"),
        ("/cam", "lidar", "topic /cam is of kind camera, not lidar"),
        (None, "lidar", "there is no lidar stream in it; its topics: /cam"),
    ],
)
def test_a_wrong_topic_is_told(
    make_foreign: MakeForeign, topic: str | None, kind: StreamKind, why: str
) -> None:
    """With what the file has instead."""
    with pytest.raises(TopicError, match=why):
        read_one(make_foreign({"/cam": [still(1)]}), kind=kind, topic=topic)


def test_pictures_of_one_stream_are_of_one_size(make_foreign: MakeForeign) -> None:
    """Another size, or bytes that are no picture, are named with topic and message."""
    path = make_foreign({"/cam": [still(1), still(1, width=9)]})
    with (
        open_mcap(path, stream="any") as drive,
        pytest.raises(RecordingCorruptError, match="topic /cam, message 1: it has 9x6 pixels"),
    ):
        list(drive.frames())
    for data, why in ((b"", "the file is empty"), (b"RIFF0000WEBP", "neither PNG nor JPEG")):
        path = make_foreign({"/cam": [CompressedImage(data=data, format="webp")]})
        with pytest.raises(RecordingCorruptError, match=why):
            read_one(path)


def raw(encoding: str, data: bytes, step: int, width: int = 2, height: int = 2) -> RawImage:
    """A plain picture."""
    return RawImage(encoding=encoding, data=data, step=step, width=width, height=height)


@pytest.mark.parametrize(
    ("message", "first"),
    [
        (raw("bgr8", bytes(range(12)), 6), [0, 1, 2]),
        (raw("rgb8", bytes(range(12)), 6), [2, 1, 0]),
        (raw("rgb8", bytes([1, 2, 3, 0, 0, 0, 99, 99] * 2), 8), [3, 2, 1]),
        (raw("rgba8", bytes(range(16)), 8), [2, 1, 0]),
        (raw("mono8", bytes([7] * 4), 2), [7, 7, 7]),
        (raw("mono16", bytes([0xFF, 0x07] * 4), 4), [7, 7, 7]),
        (raw("nv12", bytes([128] * 6), 2), [130, 130, 130]),
        (raw("yuyv", bytes([128] * 8), 4), [130, 130, 130]),
    ],
)
def test_plain_pictures_are_turned_to_blue_green_red(
    make_foreign: MakeForeign, message: RawImage, first: list[int]
) -> None:
    """Rows may be padded; 16 bits become 8."""
    frame = read_one(make_foreign({"/cam": [message]}))
    assert isinstance(frame, CameraFrame)
    assert frame.image.shape == (2, 2, 3)
    assert frame.image[0, 0].tolist() == first


def test_a_bayer_pattern_is_named_by_its_first_pixels(make_foreign: MakeForeign) -> None:
    """A red scene through an RGGB pattern comes out red."""
    mosaic = np.zeros((8, 8), np.uint8)
    mosaic[0::2, 0::2] = 200
    message = raw("bayer_rggb8", mosaic.tobytes(), 8, 8, 8)
    frame = read_one(make_foreign({"/cam": [message]}))
    assert isinstance(frame, CameraFrame)
    blue, green, red = frame.image[2:6, 2:6].reshape(-1, 3).mean(axis=0).tolist()
    assert red > 190
    assert max(blue, green) < 5


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (raw("bgr8", bytes(11), 6), "has 11 bytes in rows of 6"),
        (raw("bgr8", bytes(12), 5), "in rows of 5"),
        (raw("32FC1", bytes(16), 8), "encoding '32FC1'; known: bgr8"),
        (raw("bgr8", b"", 6, 0, 2), "claims 0x2 pixels"),
        (raw("bgr8", b"", 6, 1 << 20, 1 << 20), "above the limit"),
    ],
)
def test_plain_pictures_that_cannot_be_are_refused(
    make_foreign: MakeForeign, message: RawImage, why: str
) -> None:
    """Before memory is taken."""
    with pytest.raises(RecordingCorruptError, match=f"topic /cam.*{why}"):
        read_one(make_foreign({"/cam": [message]}))


def cloud(rows: NDArray[np.void], pose: Pose | None = None) -> PointCloud:
    """A packed cloud of a structured array."""
    numbers = {"u1": 1, "u2": 3, "u4": 5, "i4": 6, "f4": 7, "f8": 8}
    fields = []
    for name in rows.dtype.names or ():
        dtype, offset = rows.dtype.fields[name][:2]  # type: ignore[index]
        number = PackedElementField.NumericType.ValueType(numbers[dtype.str[1:]])
        fields.append(PackedElementField(name=name, offset=offset, type=number))
    return PointCloud(
        fields=fields, point_stride=rows.dtype.itemsize, data=rows.tobytes(), pose=pose
    )


def test_clouds_of_any_packing_are_read(make_foreign: MakeForeign) -> None:
    """Doubles, whole-number intensities by their type's range; points without a place go."""
    rows = np.zeros(
        3, [("z", "f8"), ("x", "f8"), ("y", "f8"), ("pad", "u1"), ("i", "u2"), ("ring", "u2")]
    )
    rows["x"], rows["y"], rows["z"] = (1, 2, math.nan), (3, 4, 5), (6, 7, 8)
    rows["i"], rows["ring"] = (65535, 0, 9), (31, 0, 1)
    frame = read_one(make_foreign({"/top": [cloud(rows)]}), "lidar")
    assert isinstance(frame, LidarSweep)
    assert frame.points.tolist() == [[1, 3, 6, 1], [2, 4, 7, 0]]
    assert frame.rings is not None
    assert frame.rings.tolist() == [31, 0]
    assert frame.offsets_ns is None


def test_a_cloud_in_another_frame_is_moved(make_foreign: MakeForeign) -> None:
    """The message's pose takes its points into the frame that it names."""
    rows = np.zeros(1, [("x", "f4"), ("y", "f4"), ("z", "f4")])
    rows["x"] = 2
    half = math.sqrt(0.5)
    pose = Pose(position=Vector3(x=10), orientation=Quaternion(z=half, w=half))
    frame = read_one(make_foreign({"/top": [cloud(rows, pose)]}), "lidar")
    assert isinstance(frame, LidarSweep)
    assert frame.points[0].tolist() == pytest.approx([10, 2, 0, 0], abs=1e-6)


def test_clouds_that_cannot_be_are_refused(make_foreign: MakeForeign) -> None:
    """Missing axes, odd lengths and fields beyond the stride."""
    flat = np.zeros(2, [("x", "f4"), ("y", "f4")])
    odd = cloud(np.zeros(2, [("x", "f4"), ("y", "f4"), ("z", "f4")]))
    odd.data = odd.data[:-1]
    beyond = cloud(np.zeros(2, [("x", "f4"), ("y", "f4"), ("z", "f4")]))
    beyond.fields[2].offset = 10
    for message, why in ((cloud(flat), "no field 'z'"), (odd, "no points of 12"), (beyond, "")):
        with pytest.raises(RecordingCorruptError, match=f"topic /top, message 0: .*{why}"):
            read_one(make_foreign({"/top": [message]}), "lidar")


def test_poses_turn_velocities_into_the_world(make_foreign: MakeForeign) -> None:
    """Odometry gives them in body axes; a pose alone does not know them."""
    half = math.sqrt(0.5)
    pose = Pose(position=Vector3(x=1), orientation=Quaternion(z=half, w=half))
    moving = Odometry(pose=pose, linear_velocity=Vector3(x=3))
    frame = read_one(make_foreign({"/odom": [moving]}), "pose")
    assert isinstance(frame, EgoPose)
    assert frame.velocity_mps == pytest.approx((0, 3, 0))
    frame = read_one(make_foreign({"/pose": [PoseInFrame(pose=pose)]}), "pose")
    assert isinstance(frame, EgoPose)
    assert frame.position_m == pytest.approx((1, 0, 0))
    assert all(map(math.isnan, frame.velocity_mps))
    skewed = PoseInFrame(pose=Pose(orientation=Quaternion(w=0.5)))
    with pytest.raises(RecordingCorruptError, match=r"quaternion of length 0\.5"):
        read_one(make_foreign({"/pose": [skewed]}), "pose")


def test_labels_that_do_not_go_with_the_frames_are_refused(tmp_path: Path) -> None:
    """Labels at a stamp without a frame, and labels that say another stamp than their own."""
    for at_ns, said_ns, why in ((5, 5, "belong to no frame"), (0, 9, "say 9 ns")):
        path = tmp_path / f"labels-{at_ns}.mcap"
        with path.open("wb") as output:
            writer = Writer(output)
            writer.start()
            schema = writer.register_schema("foxglove.CompressedImage", "protobuf", b"")
            mine = {"splitway.stream": "front"}
            frames = writer.register_channel(
                "/front/image", "protobuf", schema, mine | {"splitway.role": "frames"}
            )
            labels = writer.register_channel(
                "/front/labels", "json", 0, mine | {"splitway.role": "labels"}
            )
            writer.add_message(frames, 0, still(1).SerializeToString(), 0)
            parts = dict.fromkeys(("boxes", "boxes_3d", "futures", "masks"))
            said = {"stream": "front", "index": 0, "stamp_ns": said_ns, **parts}
            writer.add_message(labels, at_ns, json.dumps(said).encode(), 0)
            writer.finish()
        with McapDrive(path) as drive, pytest.raises(RecordingCorruptError, match=why):
            list(drive.labels())
