"""Frames and streams: the frozen values that every reader yields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

StreamKind = Literal["camera"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One sensor's sequence in a drive.

    Attributes:
        name: Name of the stream, unique in its drive.
        kind: What the sensor is.
        period_ns: Nominal period in ns, the grid that deadlines count from; None where unknown.
        frames: Number of frames, where the recording tells; None where only reading tells.
        width: Pixels across.
        height: Pixels down.
    """

    name: str
    kind: StreamKind
    period_ns: int | None
    frames: int | None
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraFrame:
    """One picture of one camera.

    Attributes:
        stream: Name of the stream.
        index: Number in the stream, from 0, without gaps.
        stamp_ns: When it was recorded, in ns on the recording's own clock.
        scheduled_ns: Its place on the stream's nominal grid where the stream has a period, else
            `stamp_ns`; same clock.
        image: Picture, shape (height, width, 3), uint8, channels blue, green, red.
    """

    stream: str
    index: int
    stamp_ns: int
    scheduled_ns: int
    image: NDArray[np.uint8]


Frame = CameraFrame
