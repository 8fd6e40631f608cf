"""Foxglove's messages in protobuf, and our JSON beside them, as frames."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, TypeVar

from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.Odometry_pb2 import Odometry
from foxglove_schemas_protobuf.PointCloud_pb2 import PointCloud
from foxglove_schemas_protobuf.PoseInFrame_pb2 import PoseInFrame
from foxglove_schemas_protobuf.RawImage_pb2 import RawImage
from google.protobuf.message import DecodeError, Message

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
    rotation,
    three,
    turned,
)
from sensors.readers._pictures import decode, header_size
from sensors.recording import layout
from sensors.recording.encoding import WORLD_VELOCITY_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foxglove_schemas_protobuf.Pose_pb2 import Pose

    from sensors.frames import Frame, StreamKind
    from sensors.readers._decoders import Three
    from sensors.recording.container import Topic

_UNKNOWN = (math.nan, math.nan, math.nan)
_M = TypeVar("_M", bound=Message)


def decoding_of(topic: Topic) -> Decoding | None:
    """How a channel is decoded; None where it holds none of these messages."""
    pair = (topic.encoding, topic.schema_encoding)
    if pair == (layout.JSON, layout.JSON_SCHEMA) and topic.schema == layout.IMU_SCHEMA:
        return Decoding(kind="imu", make=lambda: Decoder(frame=_imu))
    if pair != (layout.PROTOBUF, layout.PROTOBUF) or topic.schema not in _KINDS:
        return None
    kind, decoder = _KINDS[topic.schema]
    return Decoding(kind=kind, make=lambda: decoder)


def _compressed_size(data: bytes) -> Size:
    return header_size(_parsed(CompressedImage(), data).data)


def _compressed(data: bytes, place: Place, size: Size) -> Frame:
    pixels = _parsed(CompressedImage(), data).data
    return camera_frame(place, decode(pixels, width=size[0], height=size[1]), size)


def _raw_size(data: bytes) -> Size:
    return _raw_picture(data).size()


def _raw(data: bytes, place: Place, size: Size) -> Frame:
    return camera_frame(place, _raw_picture(data).decoded(), size)


def _raw_picture(data: bytes) -> RawPicture:
    said = _parsed(RawImage(), data)
    return RawPicture(
        width=said.width,
        height=said.height,
        encoding=said.encoding,
        step=said.step,
        big_endian=False,
        data=said.data,
    )


def _cloud(data: bytes, place: Place, size: Size) -> Frame:
    del size
    said = _parsed(PointCloud(), data)
    packed = PackedCloud(
        fields=[
            PackedField(name=field.name, offset=field.offset, number=field.type)
            for field in said.fields
        ],
        stride=said.point_stride,
        big_endian=False,
        data=said.data,
    )
    where, towards = _position(said.pose), _quaternion(said.pose)
    if where == (0.0, 0.0, 0.0) and towards == (0.0, 0.0, 0.0, 1.0):
        return lidar_sweep(place, packed)
    return lidar_sweep(place, packed, turn=rotation(towards), shift_m=where)


def _odometry(data: bytes, place: Place, size: Size) -> Frame:
    del size
    said = _parsed(Odometry(), data)
    where, towards = _position(said.pose), _quaternion(said.pose)
    exact = {pair.key: pair.value for pair in said.metadata}.get(WORLD_VELOCITY_KEY)
    if exact is not None:
        return ego_pose(place, where, towards, three(json.loads(exact)))
    moving = said.linear_velocity
    velocity = turned(towards, (moving.x, moving.y, moving.z))
    return ego_pose(place, where, towards, velocity)


def _pose(data: bytes, place: Place, size: Size) -> Frame:
    del size
    said = _parsed(PoseInFrame(), data)
    return ego_pose(place, _position(said.pose), _quaternion(said.pose), _UNKNOWN)


def _imu(data: bytes, place: Place, size: Size) -> Frame:
    del size
    try:
        said = json.loads(data)
        acceleration = three(said["acceleration_mps2"])
        return imu_sample(place, acceleration, three(said["angular_velocity_radps"]))
    except (KeyError, TypeError, RecursionError) as error:
        msg = f"no inertial sample: {error}"
        raise ValueError(msg) from error


_KINDS: Mapping[str, tuple[StreamKind, Decoder]] = {
    CompressedImage.DESCRIPTOR.full_name: (
        "camera",
        Decoder(size=_compressed_size, frame=_compressed),
    ),
    RawImage.DESCRIPTOR.full_name: ("camera", Decoder(size=_raw_size, frame=_raw)),
    PointCloud.DESCRIPTOR.full_name: ("lidar", Decoder(frame=_cloud)),
    Odometry.DESCRIPTOR.full_name: ("pose", Decoder(frame=_odometry)),
    PoseInFrame.DESCRIPTOR.full_name: ("pose", Decoder(frame=_pose)),
}


def mask_pixels(data: bytes) -> bytes:
    """The PNG in a mask's message.

    Raises:
        ValueError: It is no such message.
    """
    return _parsed(CompressedImage(), data).data


def _parsed(message: _M, data: bytes) -> _M:
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        msg = f"no {message.DESCRIPTOR.full_name}: {error}"
        raise ValueError(msg) from error
    return message


def _position(pose: Pose) -> Three:
    return pose.position.x, pose.position.y, pose.position.z


def _quaternion(pose: Pose) -> tuple[float, float, float, float]:
    """The turn; one that is left out, which protobuf gives as zeros, is none."""
    if not pose.HasField("orientation"):
        return 0.0, 0.0, 0.0, 1.0
    found = pose.orientation
    return found.x, found.y, found.z, found.w
