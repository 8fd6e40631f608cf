"""The course of the road: its centre line in the world, and the way there and back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from sensors.synthetic.draws import uniforms

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STEP_M = 1.0  # of the table; a chord is then 0.4 mm off the sharpest bend
_FIRST_M, _BLOCK_M = -1024, 8192
_STEPS = 4  # of Newton's method; the error shrinks by curvature times distance in each


class Course:
    """The centre line, by integrating a smooth curvature, and its height.

    Place on the road is given by `s`, metres along the centre line from where the drive starts,
    and `d`, metres to its left. The heading stays within half a right angle of the world's x.
    """

    def __init__(self, *, seed: int, curvature_per_m: float, wave_m: float, hills_m: float) -> None:
        """Choose the waves of curvature and height.

        Args:
            seed: Seed of the drive.
            curvature_per_m: The sharpest curvature.
            wave_m: Length of the longest bend and its counter-bend.
            hills_m: Amplitude of the hills.
        """
        phases = [math.tau * draw for draw in uniforms(seed, "course", count=5)]
        lengths = (wave_m, 0.61 * wave_m, 0.37 * wave_m)
        shares = (0.55, 0.28, 0.17)
        self._bends = [
            (share * curvature_per_m, math.tau / length, phase)
            for share, length, phase in zip(shares, lengths, phases[:3], strict=True)
        ]
        self._hills = [
            (0.75 * hills_m, math.tau / 760.0, phases[3]),
            (0.25 * hills_m, math.tau / 430.0, phases[4]),
        ]
        self._start_rad = float(self._turned(np.zeros(1))[0])
        self._s: NDArray[np.float64] = np.zeros(0)
        self._x: NDArray[np.float64] = self._s
        self._y: NDArray[np.float64] = self._s
        self._theta: NDArray[np.float64] = self._s
        self._reach(_BLOCK_M)

    def bend(self, s_m: float) -> float:
        """Return the curvature at one place, 1/m."""
        (a, k, p), (b, m, q), (c, n, r) = self._bends
        return a * math.cos(k * s_m + p) + b * math.cos(m * s_m + q) + c * math.cos(n * s_m + r)

    def plain_curvature(self, s_m: float) -> float:
        """Return the curvature at one place, rounded alike by every machine."""
        return sum(a * plain_cosine(k * s_m + p) for a, k, p in self._bends)

    def headings(self, s_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the direction of the road against the world's x, rad."""
        return np.asarray(self._turned(s_m) - self._start_rad)

    def heights(self, s_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the height of the ground, metres."""
        return np.asarray(sum(a * np.sin(k * s_m + p) for a, k, p in self._hills))

    def heading(self, s_m: float) -> float:
        """Return the direction of the road at one place, rad."""
        (a, k, p), (b, m, q), (c, n, r) = self._bends
        turned = a / k * math.sin(k * s_m + p) + b / m * math.sin(m * s_m + q)
        return float(turned + c / n * math.sin(n * s_m + r) - self._start_rad)

    def height(self, s_m: float) -> float:
        """Return the height of the ground at one place, metres."""
        (a, k, p), (b, m, q) = self._hills
        return a * math.sin(k * s_m + p) + b * math.sin(m * s_m + q)

    def slope(self, s_m: float) -> float:
        """Return how much the ground rises a metre along the road."""
        return sum(a * k * math.cos(k * s_m + p) for a, k, p in self._hills)

    def point(self, s_m: float, d_m: float) -> tuple[float, float]:
        """Return x and y of one place of the road, world, metres."""
        self._reach(s_m)
        place = (s_m - _FIRST_M) / _STEP_M
        low = int(place)
        share = place - low
        x_m = self._x[low] + share * (self._x[low + 1] - self._x[low])
        y_m = self._y[low] + share * (self._y[low + 1] - self._y[low])
        theta = self.heading(s_m)
        return float(x_m) - d_m * math.sin(theta), float(y_m) + d_m * math.cos(theta)

    def points(
        self, s_m: NDArray[np.float64], d_m: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return x and y of places of the road, world, metres."""
        if s_m.size:
            self._reach(float(s_m.max()))
        x_m, y_m = np.interp(s_m, self._s, self._x), np.interp(s_m, self._s, self._y)
        theta = self.headings(s_m)
        return x_m - d_m * np.sin(theta), y_m + d_m * np.cos(theta)

    def places(
        self,
        x_m: NDArray[np.float64],
        y_m: NDArray[np.float64],
        *,
        near: NDArray[np.float64] | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return s and d of points of the world, the way back from `points`.

        Exact to a millimetre within 60 m of the road, and smooth as far as it is filled.

        Args:
            x_m: World.
            y_m: World; of the same shape.
            near: A guess of s, which saves time; within a few metres.
        """
        # The heading's cosine is above 0.7, so that much road at most lies under a length of x.
        if x_m.size:
            self._reach(float(x_m.max()) * math.sqrt(2) + 100.0)
        s_m = np.interp(x_m, self._x, self._s) if near is None else near
        d_m = np.zeros_like(s_m)
        for _ in range(_STEPS if near is None else 1):
            place = np.clip((s_m - _FIRST_M) / _STEP_M, 0, len(self._s) - 2)
            low = place.astype(np.int64)
            share = place - low
            theta = self._theta[low] + share * (self._theta[low + 1] - self._theta[low])
            cos, sin = np.cos(theta), np.sin(theta)
            off_x = x_m - self._x[low] - share * (self._x[low + 1] - self._x[low])
            off_y = y_m - self._y[low] - share * (self._y[low + 1] - self._y[low])
            d_m = off_y * cos - off_x * sin
            bend = (self._theta[low + 1] - self._theta[low]) / _STEP_M
            s_m = s_m + (off_x * cos + off_y * sin) / np.maximum(1.0 - bend * d_m, 0.4)
        return s_m, d_m

    def _turned(self, s_m: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(sum(a / k * np.sin(k * s_m + p) for a, k, p in self._bends))

    def _reach(self, s_m: float) -> None:
        """Make the table reach beyond a place; what it held before stays the same."""
        if len(self._s) and s_m < self._s[-2]:
            return
        blocks = math.ceil(max(s_m + 600.0, 0.0) / _BLOCK_M) + 1
        count = round((blocks * _BLOCK_M - _FIRST_M) / _STEP_M) + 1
        self._s = np.asarray(_FIRST_M + _STEP_M * np.arange(count), np.float64)
        self._theta = self.headings(self._s)
        middle = self.headings(self._s[:-1] + _STEP_M / 2)
        origin = round(-_FIRST_M / _STEP_M)
        tables: list[NDArray[np.float64]] = []
        for turn in (np.cos, np.sin):
            ends = turn(self._theta)
            steps = _STEP_M / 6 * (ends[:-1] + 4 * turn(middle) + ends[1:])  # Simpson's rule
            table = np.concatenate([[0.0], np.cumsum(steps)])
            tables.append(table - table[origin])
        self._x, self._y = (np.asarray(table, np.float64) for table in tables)


def plain_cosine(angle_rad: float) -> float:
    """Return the cosine from sums and products alone, which every machine rounds alike.

    Within 1e-9 of the true value up to a million rad.
    """
    turns = angle_rad / math.tau
    part = (turns - math.floor(turns)) * math.tau - math.pi
    square, term, total = part * part, 1.0, 1.0
    for order in range(1, 15):
        term = -term * square / ((2 * order - 1) * (2 * order))
        total += term
    return -total
