"""Where objects are expected: a Kalman filter of constant velocity, one coordinate at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def _none(axes: int) -> Floats:
    return np.zeros((0,) * axes)


@dataclass(slots=True, kw_only=True)
class Filters:
    """States of tracks, a row each; coordinates do not influence each other.

    The model is the textbook one (Bar-Shalom et al., Estimation with Applications to Tracking and
    Navigation, 2001, section 6.2): velocity is constant but for white acceleration noise of
    standard deviation `a`, so that over `t` seconds variances grow by a² t⁴/4 (place), a² t³/2
    (both) and a² t² (velocity). Units are the caller's; time is seconds.

    Attributes:
        place: Expected coordinates; shape (tracks, coordinates).
        speed: Expected rates, per second; the same shape.
        var_place: Variance of `place`; the same shape.
        cov: Covariance of place and rate; the same shape.
        var_speed: Variance of `speed`; the same shape.
    """

    place: Floats = field(default_factory=lambda: _none(2))
    speed: Floats = field(default_factory=lambda: _none(2))
    var_place: Floats = field(default_factory=lambda: _none(2))
    cov: Floats = field(default_factory=lambda: _none(2))
    var_speed: Floats = field(default_factory=lambda: _none(2))

    def __len__(self) -> int:
        return len(self.place)

    def predict(self, seconds: float, noise: Floats) -> None:
        """Let time pass.

        Args:
            seconds: How much.
            noise: Standard deviation of the acceleration; shape (tracks, coordinates).
        """
        t, power = seconds, noise**2
        self.place = self.place + self.speed * t
        self.var_place = (
            self.var_place + 2 * t * self.cov + t * t * self.var_speed + power * t**4 / 4
        )
        self.cov = self.cov + t * self.var_speed + power * t**3 / 2
        self.var_speed = self.var_speed + power * t * t

    def correct(self, rows: NDArray[np.int64], seen: Floats, noise: Floats) -> None:
        """Take measurements of some tracks in.

        Args:
            rows: Which tracks.
            seen: Their measured coordinates; shape (rows, coordinates).
            noise: Standard deviation of the measurement; the same shape.
        """
        innovation = seen - self.place[rows]
        spread = self.var_place[rows] + noise**2
        gain_place, gain_speed = self.var_place[rows] / spread, self.cov[rows] / spread
        self.place[rows] += gain_place * innovation
        self.speed[rows] += gain_speed * innovation
        self.var_speed[rows] -= gain_speed * self.cov[rows]
        self.cov[rows] *= 1 - gain_place
        self.var_place[rows] *= 1 - gain_place

    def add(self, seen: Floats, noise: Floats, speed: Floats, speed_noise: Floats) -> None:
        """Begin tracks.

        Args:
            seen: Measured coordinates; shape (new, coordinates).
            noise: Standard deviation of the measurement; the same shape.
            speed: Rates to begin with; the same shape.
            speed_noise: Standard deviation of these; the same shape.
        """
        new = (seen, speed, noise**2, np.zeros_like(seen), speed_noise**2)
        if not len(self):
            self.place, self.speed, self.var_place, self.cov, self.var_speed = new
            return
        self.place = np.concatenate([self.place, new[0]])
        self.speed = np.concatenate([self.speed, new[1]])
        self.var_place = np.concatenate([self.var_place, new[2]])
        self.cov = np.concatenate([self.cov, new[3]])
        self.var_speed = np.concatenate([self.var_speed, new[4]])

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Forget the tracks that are not named."""
        self.place, self.speed = self.place[rows], self.speed[rows]
        self.var_place, self.cov = self.var_place[rows], self.cov[rows]
        self.var_speed = self.var_speed[rows]
