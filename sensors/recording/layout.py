"""How a drive lies in an MCAP file: topics, schemas, and what a channel says of itself.

Every stream has one channel that holds its frames; what else belongs to it lies on channels beside
it. Pictures, clouds and poses are Foxglove messages in protobuf, so that Foxglove shows them;
inertial samples and labels have no Foxglove schema that holds all of them and are JSON with a
schema in the file. A message's log time is the frame's `stamp_ns`, its publish time the frame's
`scheduled_ns`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, get_args

from sensors.calibration import Calibration, Intrinsics, Mounting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sensors.frames import Stream, StreamKind

PROFILE = "splitway-drive/1"
"""Profile of the file's header: files whose channels say what they are, as below."""
LIBRARY = "splitway"
"""Who wrote the file; without a version, which would change the bytes."""

STREAM_KEY = "splitway.stream"
"""Metadata of a channel: name of the stream that it belongs to."""
ROLE_KEY = "splitway.role"
"""What the channel holds of it, a `Role`."""
KIND_KEY = "splitway.kind"
"""Kind of the stream, on its frames' channel as all that follows."""
PERIOD_KEY = "splitway.period_ns"
"""Nominal period; missing where the stream has none."""
SIZE_KEY = "splitway.size"
"""Width and height of the stream, as in 640x384."""
CALIBRATION_KEY = "splitway.calibration"
"""Place and projection of the sensor as JSON; missing where unknown."""
MASK_KEY = "splitway.mask"
"""Name of the mask, on a mask's channel."""

Role = Literal["frames", "labels", "mask", "view"]
"""Frames; the labels themselves; pictures of one mask; or something only made to be looked at."""

JSON = "json"
JSON_SCHEMA = "jsonschema"
PROTOBUF = "protobuf"
IMU_SCHEMA = "splitway.ImuSample"
LABELS_SCHEMA = "splitway.FrameLabels"

WORLD, EGO, TRANSFORMS_TOPIC = "world", "ego", "/tf"

_FRAMES_TOPIC: Mapping[StreamKind, str] = {
    "camera": "image",
    "lidar": "points",
    "pose": "odometry",
    "imu": "imu",
}


def frames_topic(stream: Stream) -> str:
    """Topic of a stream's frames, such as /front/image."""
    return f"/{stream.name}/{_FRAMES_TOPIC[stream.kind]}"


def side_topic(stream: str, what: str) -> str:
    """Topic of something beside a stream's frames, such as /front/labels or /front/mask/lane."""
    return f"/{stream}/{what}"


def role_of(metadata: Mapping[str, str]) -> Role | None:
    """What a channel holds, by its metadata; None where we did not write it."""
    for role in get_args(Role):
        if metadata.get(ROLE_KEY) == role:
            found: Role = role
            return found
    return None


def stream_metadata(stream: Stream, calibration: Calibration | None) -> dict[str, str]:
    """What the channel of a stream's frames says of it."""
    said = {
        STREAM_KEY: stream.name,
        ROLE_KEY: "frames",
        KIND_KEY: stream.kind,
        SIZE_KEY: f"{stream.width}x{stream.height}",
    }
    if stream.period_ns is not None:
        said[PERIOD_KEY] = str(stream.period_ns)
    if calibration is not None:
        said[CALIBRATION_KEY] = _calibration_text(calibration)
    return said


def size_of(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """Width and height that a channel tells; None where it tells none.

    Raises:
        ValueError: What it says is no size.
    """
    text = metadata.get(SIZE_KEY)
    if text is None:
        return None
    width, mark, height = text.partition("x")
    if not (mark and width.isdecimal() and height.isdecimal()):
        msg = f"{SIZE_KEY} is {text!r}, which is no size"
        raise ValueError(msg)
    return int(width), int(height)


def period_of(metadata: Mapping[str, str]) -> int | None:
    """Nominal period that a channel tells, in ns; None where it tells none.

    Raises:
        ValueError: What it says is no period.
    """
    text = metadata.get(PERIOD_KEY)
    if text is None:
        return None
    if not text.isdecimal() or int(text) == 0:
        msg = f"{PERIOD_KEY} is {text!r}, which is no period"
        raise ValueError(msg)
    return int(text)


def calibration_of(metadata: Mapping[str, str]) -> Calibration | None:
    """Calibration that a channel tells, to the bit; None where it tells none.

    Raises:
        ValueError: What it says is no calibration.
    """
    text = metadata.get(CALIBRATION_KEY)
    if text is None:
        return None
    try:
        said = json.loads(text)
        seen = said["intrinsics"]
        return Calibration(
            stream=metadata[STREAM_KEY],
            mounting=Mounting(**{key: float(value) for key, value in said["mounting"].items()}),
            intrinsics=None
            if seen is None
            else Intrinsics(
                width=int(seen.pop("width")),
                height=int(seen.pop("height")),
                **{key: float(value) for key, value in seen.items()},
            ),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{CALIBRATION_KEY} cannot be read: {error}"
        raise ValueError(msg) from error


def _calibration_text(calibration: Calibration) -> str:
    mounting, seen = calibration.mounting, calibration.intrinsics
    said: dict[str, dict[str, float] | None] = {
        "mounting": {
            "x_m": mounting.x_m,
            "y_m": mounting.y_m,
            "z_m": mounting.z_m,
            "yaw_rad": mounting.yaw_rad,
            "pitch_rad": mounting.pitch_rad,
            "roll_rad": mounting.roll_rad,
        },
        "intrinsics": None
        if seen is None
        else {
            "width": seen.width,
            "height": seen.height,
            "focal_x_px": seen.focal_x_px,
            "focal_y_px": seen.focal_y_px,
            "centre_x_px": seen.centre_x_px,
            "centre_y_px": seen.centre_y_px,
        },
    }
    return json.dumps(said, allow_nan=False)
