"""ROS 2 messages in CDR as frames, through the extra `ros`; no ROS is needed."""

from __future__ import annotations

import importlib.util
import struct
from typing import TYPE_CHECKING

from mcap.exceptions import McapError

from sensors.readers._contents import PackedCloud, PackedField, RawPicture
from sensors.readers._decoders import (
    Decoder,
    Decoding,
    Place,
    Size,
    camera_frame,
    ego_pose,
    imu_sample,
    lidar_sweep,
    turned,
)
from sensors.readers._pictures import decode, header_size
from sensors.readers.errors import ReaderExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import SimpleNamespace

    from sensors.frames import Frame, StreamKind
    from sensors.recording.container import Topic

    _Parse = Callable[[bytes], SimpleNamespace]
    _MakeFrame = Callable[[SimpleNamespace, Place, Size], Frame]
    _MakeSize = Callable[[SimpleNamespace], Size]

_PACKAGE = "mcap_ros2"
_CDR, _ROS2_MESSAGE = "cdr", "ros2msg"
_BROKEN = (struct.error, IndexError, KeyError, AttributeError, TypeError, OverflowError, McapError)
"""What CDR bytes and schemas raise that are not what their names say."""


def decoding_of(topic: Topic) -> Decoding | None:
    """How a channel is decoded; None where it holds none of these messages."""
    if topic.encoding != _CDR or topic.schema not in _KINDS:
        return None
    kind, frame, size = _KINDS[topic.schema]
    return Decoding(kind=kind, make=lambda: _decoder(topic, frame, size))


def _decoder(topic: Topic, frame: _MakeFrame, size: _MakeSize | None) -> Decoder:
    parse = _parser(topic)

    def framed(data: bytes, place: Place, wanted: Size) -> Frame:
        try:
            return frame(parse(data), place, wanted)
        except _BROKEN as error:
            raise _unfit(topic, error) from error

    def sized(data: bytes) -> Size:
        assert size is not None, "only cameras are asked"  # noqa: S101 - our invariant
        try:
            return size(parse(data))
        except _BROKEN as error:
            raise _unfit(topic, error) from error

    return Decoder(frame=framed, size=None if size is None else sized)


def _unfit(topic: Topic, error: Exception) -> ValueError:
    return ValueError(f"no {topic.schema}: {error or type(error).__name__}")


def _parser(topic: Topic) -> _Parse:
    """Parses the messages of a channel by the schema that the file brings.

    Raises:
        ReaderExtraError: The package that does it is not installed.
        ValueError: The schema cannot be understood.
    """
    if importlib.util.find_spec(_PACKAGE) is None:
        raise ReaderExtraError("ROS 2 messages", "mcap-ros2-support", "ros")
    from mcap.records import Schema  # noqa: PLC0415 - with the extra
    from mcap_ros2.decoder import DecoderFactory  # noqa: PLC0415 - an extra

    if topic.schema_encoding != _ROS2_MESSAGE:
        msg = (
            f"its schema is written as {topic.schema_encoding!r}; only {_ROS2_MESSAGE!r} is known,"
            " which `ros2 bag convert` gives"
        )
        raise ValueError(msg)
    schema = Schema(id=1, name=topic.schema, encoding=topic.schema_encoding, data=topic.schema_data)
    try:
        found = DecoderFactory().decoder_for(topic.encoding, schema)
    except Exception as error:  # whatever a grammar makes of foreign text
        msg = f"its schema {topic.schema} cannot be understood: {error}"
        raise ValueError(msg) from error
    assert found is not None, "both encodings are what it decodes"  # noqa: S101 - our invariant

    return found


def _compressed_size(said: SimpleNamespace) -> Size:
    return header_size(bytes(said.data))


def _compressed(said: SimpleNamespace, place: Place, size: Size) -> Frame:
    image = decode(bytes(said.data), width=size[0], height=size[1])
    return camera_frame(place, image, size)


def _raw_size(said: SimpleNamespace) -> Size:
    return _raw_picture(said).size()


def _raw(said: SimpleNamespace, place: Place, size: Size) -> Frame:
    return camera_frame(place, _raw_picture(said).decoded(), size)


def _raw_picture(said: SimpleNamespace) -> RawPicture:
    return RawPicture(
        width=int(said.width),
        height=int(said.height),
        encoding=str(said.encoding),
        step=int(said.step),
        big_endian=bool(said.is_bigendian),
        data=bytes(said.data),
    )


def _cloud(said: SimpleNamespace, place: Place, size: Size) -> Frame:
    del size
    # sensor_msgs/PointField numbers its types from 1 for int8; ours begin with uint8.
    swapped = {1: 2, 2: 1, 3: 4, 4: 3, 5: 6, 6: 5}
    step, width = int(said.point_step), int(said.width)
    data = bytes(said.data)
    if int(said.row_step) != step * width:
        row = int(said.row_step)
        data = b"".join(data[at : at + step * width] for at in range(0, len(data), max(1, row)))
    if len(data) != step * width * int(said.height):
        msg = f"a cloud of {width}x{int(said.height)} points of {step} has {len(data)} bytes"
        raise ValueError(msg)
    packed = PackedCloud(
        fields=[
            PackedField(
                name=str(field.name),
                offset=int(field.offset),
                number=swapped.get(int(field.datatype), int(field.datatype)),
            )
            for field in said.fields
        ],
        stride=step,
        big_endian=bool(said.is_bigendian),
        data=data,
    )
    return lidar_sweep(place, packed)


def _odometry(said: SimpleNamespace, place: Place, size: Size) -> Frame:
    del size
    where, towards = said.pose.pose.position, said.pose.pose.orientation
    quaternion = (float(towards.x), float(towards.y), float(towards.z), float(towards.w))
    moving = said.twist.twist.linear
    # nav_msgs/Odometry gives the twist in the child's, that is the body's axes.
    velocity = turned(quaternion, (float(moving.x), float(moving.y), float(moving.z)))
    return ego_pose(place, (float(where.x), float(where.y), float(where.z)), quaternion, velocity)


def _imu(said: SimpleNamespace, place: Place, size: Size) -> Frame:
    del size
    force, turning = said.linear_acceleration, said.angular_velocity
    return imu_sample(
        place,
        (float(force.x), float(force.y), float(force.z)),
        (float(turning.x), float(turning.y), float(turning.z)),
    )


_KINDS: Mapping[str, tuple[StreamKind, _MakeFrame, _MakeSize | None]] = {
    "sensor_msgs/msg/CompressedImage": ("camera", _compressed, _compressed_size),
    "sensor_msgs/msg/Image": ("camera", _raw, _raw_size),
    "sensor_msgs/msg/PointCloud2": ("lidar", _cloud, None),
    "nav_msgs/msg/Odometry": ("pose", _odometry, None),
    "sensor_msgs/msg/Imu": ("imu", _imu, None),
}
