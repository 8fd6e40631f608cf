"""What a spinning LiDAR is like: its lasers, its turn, how far it sees and how well."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from math import isfinite, pi
from typing import TYPE_CHECKING

import numpy as np

from sensors.calibration import Mounting

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RINGS = 32
_LEAST_RINGS = 2
_MOST_RINGS = 256  # a sweep's ring number is one byte
_LEAST_COLUMNS = 16
_MOST_RAYS = 1 << 21
_STEEPEST_RAD = 1.0
_MOST_RANGE_M = 200.0  # the world is filled as far as `moment.VIEW_M`
_MOST_RAIN_MM_H = 200.0
_ROOF = Mounting(x_m=0.0, y_m=0.0, z_m=1.9)


def elevations_rad(rings: int) -> tuple[float, ...]:
    """Elevations of so many lasers, from the lowest: close together just below the horizon.

    From -25 to +12 degrees, more than twice as dense at the horizon as at an even spacing: the
    manner of automotive sensors with 32 lasers, not the table of any of them.

    Args:
        rings: Number of lasers, at least 2.
    """
    at = np.linspace(-1.0, 1.0, rings)
    degrees = -2.0 + 8.0 * at + np.where(at < 0.0, 15.0, 6.0) * at**3
    return tuple(float(value) for value in np.radians(degrees))


@dataclass(frozen=True, slots=True, kw_only=True)
class LidarSpec:
    """A spinning LiDAR.

    It turns clockwise seen from above, begins and ends a turn behind, and measures one column of
    all lasers at a time.

    Attributes:
        columns: Columns of a turn.
        turn_ns: Time of a turn, ns.
        elevations_rad: Angle of each laser above the sensor's horizon, rising.
        range_m: Nothing farther is measured, metres.
        least_range_m: Nothing nearer is measured, metres.
        half_range_m: Where a surface that reflects a tenth and is met head-on in clear air is
            measured by half of the rays.
        noise_m: Standard deviation of a range, metres.
        dropout: Share of the rays that are lost whatever they meet, 0 to 1.
        rain_mm_h: Rain, mm an hour.
        mounting: Where the sensor sits.
    """

    columns: int = 1024
    turn_ns: int = 100_000_000
    elevations_rad: tuple[float, ...] = field(default_factory=lambda: elevations_rad(_RINGS))
    range_m: float = 120.0
    least_range_m: float = 1.0
    half_range_m: float = 90.0
    noise_m: float = 0.02
    dropout: float = 0.01
    rain_mm_h: float = 0.0
    mounting: Mounting = _ROOF

    def __post_init__(self) -> None:
        rising = all(
            a < b for a, b in zip(self.elevations_rad, self.elevations_rad[1:], strict=False)
        )
        steepest = max((abs(value) for value in self.elevations_rad), default=2 * _STEEPEST_RAD)
        checks = (
            (
                _LEAST_RINGS <= self.rings <= _MOST_RINGS and rising,
                "elevations_rad are 2 to 256 and rise",
            ),
            (steepest <= _STEEPEST_RAD, f"elevations_rad lie within ±{_STEEPEST_RAD}"),
            (
                _LEAST_COLUMNS <= self.columns <= _MOST_RAYS // max(1, self.rings),
                f"columns are at least {_LEAST_COLUMNS}, columns times rings at most {_MOST_RAYS}",
            ),
            (0 < self.turn_ns < 1 << 31, "turn_ns is above 0 and below 2^31"),
            (
                0.0 < self.least_range_m < self.range_m <= _MOST_RANGE_M,
                f"0 < least_range_m < range_m <= {_MOST_RANGE_M}",
            ),
            (self.half_range_m > 0.0 and isfinite(self.half_range_m), "half_range_m is above 0"),
            (0.0 <= self.noise_m <= 1.0, "noise_m is 0 to 1"),
            (0.0 <= self.dropout <= 1.0, "dropout is 0 to 1"),
            (0.0 <= self.rain_mm_h <= _MOST_RAIN_MM_H, f"rain_mm_h is 0 to {_MOST_RAIN_MM_H}"),
        )
        for holds, rule in checks:
            if not holds:
                raise ValueError(f"LidarSpec: {rule}")

    @property
    def rings(self) -> int:
        """Number of lasers."""
        return len(self.elevations_rad)

    def digest(self) -> str:
        """Short text that is the same for equal sensors only, for evidence."""
        return sha256(repr(self).encode()).hexdigest()[:12]

    def azimuths_rad(self) -> NDArray[np.float64]:
        """Direction of each column against the sensor's x, counter-clockwise; shape (columns,)."""
        return pi - 2.0 * pi * self.shares()

    def shares(self) -> NDArray[np.float64]:
        """When each column is measured, as a share of the turn; shape (columns,), rising."""
        return (np.arange(self.columns) + 0.5) / self.columns

    def offsets_ns(self) -> NDArray[np.int32]:
        """When each column is measured, less the turn's end; shape (columns,), below 0."""
        ends = 2 * np.arange(self.columns, dtype=np.int64) + 1
        return (ends * self.turn_ns // (2 * self.columns) - self.turn_ns).astype(np.int32)


@lru_cache(maxsize=4)
def directions(spec: LidarSpec) -> NDArray[np.float64]:
    """Where every ray points in the sensor frame: shape (columns, rings, 3), of length 1."""
    azimuths = spec.azimuths_rad()[:, None]
    elevations = np.array(spec.elevations_rad)[None, :]
    flat = np.cos(elevations)
    found = np.stack(
        [
            flat * np.cos(azimuths),
            flat * np.sin(azimuths),
            np.broadcast_to(np.sin(elevations), (spec.columns, spec.rings)),
        ],
        axis=2,
    )
    found.setflags(write=False)
    return found
