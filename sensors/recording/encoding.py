"""Frames as the messages of a recording: Foxglove's in protobuf, inertial samples as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
from foxglove_schemas_protobuf.CameraCalibration_pb2 import CameraCalibration
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.FrameTransform_pb2 import FrameTransform
from foxglove_schemas_protobuf.FrameTransforms_pb2 import FrameTransforms
from foxglove_schemas_protobuf.KeyValuePair_pb2 import KeyValuePair
from foxglove_schemas_protobuf.Odometry_pb2 import Odometry
from foxglove_schemas_protobuf.PackedElementField_pb2 import PackedElementField
from foxglove_schemas_protobuf.PointCloud_pb2 import PointCloud
from foxglove_schemas_protobuf.Pose_pb2 import Pose
from foxglove_schemas_protobuf.Quaternion_pb2 import Quaternion
from foxglove_schemas_protobuf.Vector3_pb2 import Vector3
from google.protobuf.timestamp_pb2 import Timestamp

from sensors.frames import CameraFrame, EgoPose, Frame, ImuSample, LidarSweep
from sensors.recording.layout import EGO, WORLD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from google.protobuf.message import Message
    from numpy.typing import NDArray

    from sensors.calibration import Calibration, Intrinsics

WORLD_VELOCITY_KEY = "splitway.velocity_mps"
"""Metadata of an odometry message: velocity in world axes, three numbers as JSON. The message's own
field is in body axes, and turning it back would not give the same bits."""

_POINT_DTYPES: Mapping[str, tuple[str, PackedElementField.NumericType.ValueType]] = {
    "x": ("<f4", PackedElementField.FLOAT32),
    "y": ("<f4", PackedElementField.FLOAT32),
    "z": ("<f4", PackedElementField.FLOAT32),
    "intensity": ("<f4", PackedElementField.FLOAT32),
    "offset_ns": ("<i4", PackedElementField.INT32),
    "ring": ("<u1", PackedElementField.UINT8),
}
_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])  # camera to sensor axes
_QUALITIES = range(1, 101)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureCoding:
    """How pictures are kept.

    Attributes:
        form: `jpeg` alters pixels a little, `png` keeps them.
        quality: Of a JPEG, 1 to 100, as OpenCV counts; of no account for a PNG.
    """

    form: Literal["jpeg", "png"] = "jpeg"
    quality: int = 90

    def __post_init__(self) -> None:
        if self.quality not in _QUALITIES:
            msg = f"the quality of a JPEG lies from 1 to 100, not at {self.quality}"
            raise ValueError(msg)

    def encode(self, image: NDArray[np.uint8]) -> bytes:
        """Return the picture's file, shape (height, width, 3), blue, green, red, or one channel.

        Raises:
            ValueError: It cannot be encoded, such as a JPEG of more than 65,535 pixels a side.
        """
        suffix, options = f".{self.form}", [cv2.IMWRITE_JPEG_QUALITY, self.quality]
        try:
            done, data = cv2.imencode(suffix, image, options if self.form == "jpeg" else [])
        except cv2.error as error:
            msg = f"a picture of shape {image.shape} cannot be encoded as {self.form}"
            raise ValueError(msg) from error
        if not done:
            msg = f"a picture of shape {image.shape} cannot be encoded as {self.form}"
            raise ValueError(msg)
        return data.tobytes()


_LOSSLESS = PictureCoding(form="png")


def frame_message(frame: Frame, coding: PictureCoding) -> bytes:
    """The message that holds a frame's content.

    Raises:
        ValueError: The content has another shape than its class promises.
    """
    match frame:
        case CameraFrame():
            return _picture(frame.stamp_ns, frame.stream, frame.image, coding)
        case LidarSweep():
            return _bytes(_cloud(frame))
        case EgoPose():
            return _bytes(_odometry(frame))
        case ImuSample():
            said = {
                "acceleration_mps2": frame.acceleration_mps2,
                "angular_velocity_radps": frame.angular_velocity_radps,
            }
            return json.dumps(said, allow_nan=False, separators=(",", ":")).encode()


def mask_message(stamp_ns: int, stream: str, mask: NDArray[np.bool_]) -> bytes:
    """A mask, shape (height, width), as a grey picture without loss: 255 where it holds, else 0."""
    return _picture(stamp_ns, stream, mask.astype(np.uint8) * np.uint8(255), _LOSSLESS)


def transforms_message(
    stamp_ns: int, calibrations: Sequence[Calibration], pose: EgoPose | None = None
) -> bytes:
    """Where sensors sit on the own vehicle, and where that is in the world, for a 3D view."""
    found = [_mounted(stamp_ns, calibration) for calibration in calibrations]
    if pose is not None:
        moved = FrameTransform(
            timestamp=stamp(stamp_ns),
            parent_frame_id=WORLD,
            child_frame_id=EGO,
            translation=vector(pose.position_m),
            rotation=_quaternion(pose.quaternion),
        )
        found.append(moved)
    return _bytes(FrameTransforms(transforms=found))


def calibration_message(stamp_ns: int, stream: str, seen: Intrinsics) -> bytes:
    """A camera's projection, for a view that lays points over the picture."""
    matrix = [seen.focal_x_px, 0.0, seen.centre_x_px, 0.0, seen.focal_y_px, seen.centre_y_px]
    matrix += [0.0, 0.0, 1.0]
    rows = [matrix[0:3], matrix[3:6], matrix[6:9]]
    return _bytes(
        CameraCalibration(
            timestamp=stamp(stamp_ns),
            frame_id=stream,
            width=seen.width,
            height=seen.height,
            K=matrix,
            R=np.eye(3).ravel().tolist(),
            P=[value for row in rows for value in [*row, 0.0]],
        )
    )


def stamp(stamp_ns: int) -> Timestamp:
    """A stamp in ns as protobuf has it."""
    found = Timestamp()
    found.FromNanoseconds(stamp_ns)
    return found


def vector(values: Sequence[float]) -> Vector3:
    """Three numbers as Foxglove has them."""
    return Vector3(x=values[0], y=values[1], z=values[2])


def turn(yaw_rad: float) -> Quaternion:
    """A turn about z."""
    return Quaternion(z=float(np.sin(yaw_rad / 2)), w=float(np.cos(yaw_rad / 2)))


def _picture(stamp_ns: int, stream: str, image: NDArray[np.uint8], coding: PictureCoding) -> bytes:
    return _bytes(
        CompressedImage(
            timestamp=stamp(stamp_ns),
            frame_id=stream,
            data=coding.encode(image),
            format=coding.form,
        )
    )


def _cloud(sweep: LidarSweep) -> PointCloud:
    columns: dict[str, NDArray[np.float32] | NDArray[np.int32] | NDArray[np.uint8]] = {
        name: sweep.points[:, number] for number, name in enumerate(("x", "y", "z", "intensity"))
    }
    if sweep.offsets_ns is not None:
        columns["offset_ns"] = sweep.offsets_ns
    if sweep.rings is not None:
        columns["ring"] = sweep.rings
    packed = np.zeros(len(sweep.points), [(name, _POINT_DTYPES[name][0]) for name in columns])
    for name, column in columns.items():
        packed[name] = column
    offsets = np.cumsum([0, *(np.dtype(_POINT_DTYPES[name][0]).itemsize for name in columns)])
    return PointCloud(
        timestamp=stamp(sweep.stamp_ns),
        frame_id=sweep.stream,
        pose=Pose(position=Vector3(), orientation=Quaternion(w=1.0)),
        point_stride=packed.dtype.itemsize,
        fields=[
            PackedElementField(name=name, offset=int(offset), type=_POINT_DTYPES[name][1])
            for name, offset in zip(columns, offsets[:-1], strict=True)
        ],
        data=packed.tobytes(),
    )


def _odometry(pose: EgoPose) -> Odometry:
    from scipy.spatial.transform import Rotation  # noqa: PLC0415 - heavy, and only poses need it

    turned = Rotation.from_quat(pose.quaternion).inv().apply(pose.velocity_mps)
    exact = json.dumps(pose.velocity_mps)
    return Odometry(
        timestamp=stamp(pose.stamp_ns),
        frame_id=WORLD,
        body_frame_id=EGO,
        pose=Pose(position=vector(pose.position_m), orientation=_quaternion(pose.quaternion)),
        linear_velocity=vector(turned.tolist()),
        metadata=[KeyValuePair(key=WORLD_VELOCITY_KEY, value=exact)],
    )


def _mounted(stamp_ns: int, calibration: Calibration) -> FrameTransform:
    from scipy.spatial.transform import Rotation  # noqa: PLC0415 - heavy, and needed once a drive

    mounting = calibration.mounting
    rotation = mounting.rotation()
    if calibration.intrinsics is not None:
        rotation = rotation @ _OPTICAL
    return FrameTransform(
        timestamp=stamp(stamp_ns),
        parent_frame_id=EGO,
        child_frame_id=calibration.stream,
        translation=Vector3(x=mounting.x_m, y=mounting.y_m, z=mounting.z_m),
        rotation=_quaternion(Rotation.from_matrix(rotation).as_quat().tolist()),
    )


def _quaternion(xyzw: Sequence[float]) -> Quaternion:
    return Quaternion(x=xyzw[0], y=xyzw[1], z=xyzw[2], w=xyzw[3])


def _bytes(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)
