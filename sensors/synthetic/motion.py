"""Where the own vehicle of a synthetic drive says it is, and what its inertial unit feels."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin
from typing import TYPE_CHECKING

import numpy as np

from sensors.calibration import Calibration, Mounting
from sensors.frames import EgoPose, ImuSample, Stream
from sensors.synthetic.noise import generator
from sensors.synthetic.world_stream import WorldStream, ego_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from sensors.frames import StreamKind
    from sensors.synthetic.moment import EgoState, Scenery
    from sensors.synthetic.parameters import ParameterValue

GRAVITY_MPS2 = 9.80665
"""Standard gravity (3rd CGPM, 1901)."""

_KNOT_NS = 10_000_000_000  # a bias is drawn anew so often, and goes straight in between
_BESIDE_NS = 100_000_000  # rates are taken over twice this
_AT_ORIGIN = Mounting(x_m=0.0, y_m=0.0, z_m=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionNoise:
    """Errors of pose and inertial unit: standard deviations, of a white part and of a slow bias.

    In the order of a good satellite receiver with inertial unit, and of an automotive one; assumed.

    Attributes:
        position_m: White, each axis.
        position_bias_m: Slow, each axis.
        angle_rad: White, about each axis.
        velocity_mps: White, each axis.
        acceleration_mps2: White, each axis of the inertial unit.
        acceleration_bias_mps2: Slow, likewise.
        rate_radps: White, about each axis of the inertial unit.
        rate_bias_radps: Slow, likewise.
    """

    position_m: float = 0.01
    position_bias_m: float = 0.1
    angle_rad: float = 0.0005
    velocity_mps: float = 0.02
    acceleration_mps2: float = 0.03
    acceleration_bias_mps2: float = 0.05
    rate_radps: float = 0.001
    rate_bias_radps: float = 0.0005

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not 0.0 <= value < np.inf:
                raise ValueError(f"MotionNoise: {name} is at least 0, not {value}")


class _Motion(WorldStream):
    """What pose and inertial unit share."""

    _stream_kind: StreamKind

    def __init__(
        self,
        scene: str = "highway",
        *,
        seed: int,
        length_ns: int,
        period_ns: int,
        stream: str,
        phase_ns: int = 0,
        noise: MotionNoise | None = None,
        parameters: Mapping[str, ParameterValue] | None = None,
        world: Scenery | None = None,
    ) -> None:
        """Say what to drive through; arguments as of `WorldStream`.

        Args:
            scene: Name of the scene.
            seed: Any whole number.
            length_ns: Length of the drive in ns.
            period_ns: Distance of two samples in ns.
            stream: Name of the stream.
            phase_ns: Stamp of the first sample in ns.
            noise: Errors of the sensor; the default ones where None.
            parameters: Changes of the scene's parameters, by name.
            world: The world, where there is one already.
        """
        super().__init__(
            scene,
            seed=seed,
            length_ns=length_ns,
            period_ns=period_ns,
            stream=stream,
            phase_ns=phase_ns,
            parameters=parameters,
            world=world,
        )
        self._noise = noise or MotionNoise()

    def calibration(self) -> Calibration:
        """The sensor is told for the ego origin."""
        return Calibration(stream=self._name, mounting=_AT_ORIGIN)

    def calibrations(self) -> tuple[Calibration, ...]:
        """The same, as a recording of several sensors tells it."""
        return (self.calibration(),)

    def _kind_id(self) -> str:
        noise = self._noise
        told = ",".join(f"{getattr(noise, name):g}" for name in noise.__slots__)
        return f"&kind={self._stream_kind}&noise={told}"

    def _open(self) -> Stream:
        self._enter_world()
        return Stream(
            name=self._name,
            kind=self._stream_kind,
            period_ns=self._period_ns,
            frames=len(self.stamps()),
            width=0,
            height=0,
        )

    def _bias(self, at_ns: int, figures: int) -> NDArray[np.float64]:
        """A slow normal error, standard deviation about 1; shape (figures,)."""
        knot, into_ns = divmod(at_ns, _KNOT_NS)
        share = into_ns / _KNOT_NS
        purpose = f"{self._stream_kind} bias {self._name}"
        here, there = (
            generator(self._seed, purpose, number).standard_normal(figures)
            for number in (knot, knot + 1)
        )
        return (1.0 - share) * here + share * there

    def _white(self, index: int, figures: int) -> NDArray[np.float64]:
        purpose = f"{self._stream_kind} noise {self._name}"
        return generator(self._seed, purpose, index).standard_normal(figures)


class SyntheticPose(_Motion):
    """Pose of the own vehicle of a made-up scene, in the world frame."""

    _stream_kind = "pose"

    def _read(self, stream: Stream, start_ns: int | None, stop_ns: int | None) -> Iterator[EgoPose]:
        noise = self._noise
        for index in self._indices(start_ns, stop_ns):
            stamp_ns = self._phase_ns + index * self._period_ns
            ego = ego_at(self._world(), stamp_ns)
            white = self._white(index, 9)
            place = noise.position_m * white[:3] + noise.position_bias_m * self._bias(stamp_ns, 3)
            place += (ego.x_m, ego.y_m, ego.z_m)
            angles = noise.angle_rad * white[3:6] + (ego.yaw_rad, ego.pitch_rad, ego.roll_rad)
            velocity = noise.velocity_mps * white[6:9] + _velocity(self._world(), stamp_ns, ego)
            yield EgoPose(
                stream=stream.name,
                index=index,
                stamp_ns=stamp_ns,
                scheduled_ns=stamp_ns,
                position_m=_three(place),
                quaternion=quaternion_of(*_three(angles)),
                velocity_mps=_three(velocity),
            )


class SyntheticImu(_Motion):
    """Inertial unit at the ego origin of a made-up scene: specific force and turn rates."""

    _stream_kind = "imu"

    def _read(
        self, stream: Stream, start_ns: int | None, stop_ns: int | None
    ) -> Iterator[ImuSample]:
        noise = self._noise
        for index in self._indices(start_ns, stop_ns):
            stamp_ns = self._phase_ns + index * self._period_ns
            white, bias = self._white(index, 6), self._bias(stamp_ns, 6)
            force, rates = self._felt(stamp_ns)
            force = force + noise.acceleration_mps2 * white[:3]
            rates = rates + noise.rate_radps * white[3:]
            yield ImuSample(
                stream=stream.name,
                index=index,
                stamp_ns=stamp_ns,
                scheduled_ns=stamp_ns,
                acceleration_mps2=_three(force + noise.acceleration_bias_mps2 * bias[:3]),
                angular_velocity_radps=_three(rates + noise.rate_bias_radps * bias[3:]),
            )

    def _felt(self, at_ns: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Specific force (m/s²) and turn rates (rad/s) in ego axes, without errors."""
        world = self._world()
        ego = ego_at(world, at_ns)
        # The world begins at 0, so the first rates are taken a little later.
        middle_ns = max(at_ns, _BESIDE_NS)
        before, middle, after = (
            ego_at(world, middle_ns + beside) for beside in (-_BESIDE_NS, 0, _BESIDE_NS)
        )
        step_s = _BESIDE_NS * 1e-9
        lift = (after.z_m - 2.0 * middle.z_m + before.z_m) / step_s**2
        pitching = (after.pitch_rad - before.pitch_rad) / (2.0 * step_s)
        rolling = (after.roll_rad - before.roll_rad) / (2.0 * step_s)
        heading = np.array([cos(ego.yaw_rad), sin(ego.yaw_rad), 0.0])
        leftward = np.array([-heading[1], heading[0], 0.0])
        pull = ego.acceleration_mps2 * heading + ego.speed_mps * ego.yaw_rate_radps * leftward
        pull[2] = lift + GRAVITY_MPS2
        # Rates of the angles, turned into rates about the ego axes.
        sin_p, cos_p = sin(ego.pitch_rad), cos(ego.pitch_rad)
        sin_r, cos_r = sin(ego.roll_rad), cos(ego.roll_rad)
        turning = ego.yaw_rate_radps
        rates = np.array(
            [
                rolling - turning * sin_p,
                pitching * cos_r + turning * sin_r * cos_p,
                turning * cos_r * cos_p - pitching * sin_r,
            ]
        )
        stands = Mounting(
            x_m=0.0,
            y_m=0.0,
            z_m=0.0,
            yaw_rad=ego.yaw_rad,
            pitch_rad=ego.pitch_rad,
            roll_rad=ego.roll_rad,
        )
        return pull @ stands.rotation(), rates


def quaternion_of(yaw: float, pitch: float, roll: float) -> tuple[float, float, float, float]:
    """X, y, z, w of the turn about z, then y, then x, as `Mounting` turns; radians, length 1."""
    half = (0.5 * ((yaw + pi) % (2.0 * pi) - pi), 0.5 * pitch, 0.5 * roll)
    (cz, cy, cx), (sz, sy, sx) = ([f(a) for a in half] for f in (cos, sin))
    return (
        cz * cy * sx - sz * sy * cx,
        cz * sy * cx + sz * cy * sx,
        sz * cy * cx - cz * sy * sx,
        cz * cy * cx + sz * sy * sx,
    )


def _velocity(world: Scenery, at_ns: int, ego: EgoState) -> tuple[float, float, float]:
    """Velocity over ground, world axes, m/s; the climb from two places, as braking pitches too."""
    begin_ns, end_ns = max(0, at_ns - _BESIDE_NS), at_ns + _BESIDE_NS
    climbed_m = ego_at(world, end_ns).z_m - ego_at(world, begin_ns).z_m
    return (
        ego.speed_mps * cos(ego.yaw_rad),
        ego.speed_mps * sin(ego.yaw_rad),
        climbed_m / (end_ns - begin_ns) * 1e9,
    )


def _three(values: NDArray[np.float64]) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
