"""Pose and inertial unit of a synthetic drive against motions that are known."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin, tau
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from sensors.calibration import Calibrated, Mounting
from sensors.readers.protocol import Stamped
from sensors.synthetic.moment import EgoState, Ground, Moment, Mover
from sensors.synthetic.motion import (
    GRAVITY_MPS2,
    MotionNoise,
    SyntheticImu,
    SyntheticPose,
    quaternion_of,
)
from sensors.synthetic.world import make_world
from sensors.synthetic.world_stream import ego_at

if TYPE_CHECKING:
    from sensors.frames import EgoPose, ImuSample
    from sensors.synthetic.moment import Scenery

EXACT = MotionNoise(**dict.fromkeys(MotionNoise.__slots__, 0.0))
LENGTH_NS = 2_000_000_000


@dataclass(frozen=True)
class Circle:
    """A vehicle on a circle, in a world that has nothing else."""

    radius_m: float = 50.0
    speed_mps: float = 10.0
    braking_mps2: float = 0.0
    pitch_rad: float = 0.0
    roll_rad: float = 0.0
    rolling_radps: float = 0.0
    rising_mps2: float = 0.0

    @property
    def ground(self) -> Ground:
        """None."""
        raise NotImplementedError

    def movers(self, at_ns: int, tracks: tuple[int, ...]) -> dict[int, Mover]:
        """None."""
        raise NotImplementedError

    def at(self, at_ns: int) -> Moment:
        """The own vehicle."""
        after_s = at_ns * 1e-9
        way_m = self.speed_mps * after_s
        yaw_rad = way_m / self.radius_m
        ego = EgoState(
            x_m=self.radius_m * sin(yaw_rad),
            y_m=self.radius_m * (1.0 - cos(yaw_rad)),
            z_m=0.5 * self.rising_mps2 * after_s**2,
            yaw_rad=yaw_rad,
            pitch_rad=self.pitch_rad,
            roll_rad=self.roll_rad + self.rolling_radps * after_s,
            speed_mps=self.speed_mps,
            acceleration_mps2=-self.braking_mps2,
            yaw_rate_radps=self.speed_mps / self.radius_m,
        )
        return Moment(at_ns=at_ns, ego=ego, movers=(), solids=(), covered=False)


def poses(scenery: Scenery, noise: MotionNoise = EXACT, seed: int = 1) -> list[EgoPose]:
    """All poses of two seconds."""
    with SyntheticPose(
        seed=seed,
        length_ns=LENGTH_NS,
        period_ns=10_000_000,
        stream="pose",
        noise=noise,
        world=scenery,
    ) as reader:
        return [frame for frame in reader.frames() if frame.stream == "pose"]  # type: ignore[misc]


def samples(scenery: Scenery, noise: MotionNoise = EXACT, seed: int = 1) -> list[ImuSample]:
    """All samples of two seconds."""
    with SyntheticImu(
        seed=seed,
        length_ns=LENGTH_NS,
        period_ns=10_000_000,
        stream="imu",
        noise=noise,
        world=scenery,
    ) as reader:
        return [frame for frame in reader.frames() if frame.stream == "imu"]  # type: ignore[misc]


@given(yaw=st.floats(-10, 10), pitch=st.floats(-1.5, 1.5), roll=st.floats(-3, 3))
def test_a_quaternion_turns_as_a_mounting_does(yaw: float, pitch: float, roll: float) -> None:
    """The same matrix, and of length 1."""
    quaternion = quaternion_of(yaw, pitch, roll)
    turn = Mounting(x_m=0, y_m=0, z_m=0, yaw_rad=yaw, pitch_rad=pitch, roll_rad=roll).rotation()
    np.testing.assert_allclose(Rotation.from_quat(quaternion).as_matrix(), turn, atol=1e-9)
    assert np.linalg.norm(quaternion) == pytest.approx(1.0)


def test_an_exact_pose_is_that_of_the_world_and_its_velocity_the_way_of_the_places() -> None:
    """Places differ by velocity times time."""
    found = poses(Circle(rising_mps2=0.4))
    assert len(found) == 200
    places = np.array([pose.position_m for pose in found])
    velocities = np.array([pose.velocity_mps for pose in found])
    np.testing.assert_allclose(places[:, 0], 50.0 * np.sin(np.arange(200) * 0.002), atol=1e-9)
    gone = (places[2:] - places[:-2]) / 0.02
    np.testing.assert_allclose(velocities[11:-1], gone[10:], atol=1e-3)


def test_pose_noise_is_of_the_declared_size_and_the_bias_slow() -> None:
    """White errors have their spread, biases hardly change within a second."""
    exact = poses(Circle())
    white = poses(
        Circle(), MotionNoise(**dict.fromkeys(MotionNoise.__slots__, 0.0) | {"position_m": 0.2})
    )
    errors = np.array([a.position_m for a in white]) - np.array([a.position_m for a in exact])
    assert errors.std() == pytest.approx(0.2, rel=0.1)
    slow = poses(
        Circle(),
        MotionNoise(**dict.fromkeys(MotionNoise.__slots__, 0.0) | {"position_bias_m": 1.0}),
    )
    drift = np.array([a.position_m for a in slow]) - np.array([a.position_m for a in exact])
    assert np.abs(drift).max() > 0.1
    assert np.abs(np.diff(drift, axis=0)).max() < 0.01


@pytest.mark.parametrize("pitch", [0.0, 0.1])
@pytest.mark.parametrize("roll", [0.0, -0.05])
def test_an_inertial_unit_at_rest_feels_gravity_only(pitch: float, roll: float) -> None:
    """Upwards 9.81 on level ground; with its nose down it is pushed back."""
    sample = samples(Circle(speed_mps=0.0, pitch_rad=pitch, roll_rad=roll))[50]
    turn = Mounting(x_m=0, y_m=0, z_m=0, pitch_rad=pitch, roll_rad=roll).rotation()
    np.testing.assert_allclose(turn @ sample.acceleration_mps2, [0, 0, GRAVITY_MPS2], atol=1e-9)
    assert np.linalg.norm(sample.angular_velocity_radps) == pytest.approx(0.0)
    if pitch:
        assert sample.acceleration_mps2[0] < -0.5


def test_an_inertial_unit_feels_curves_brakes_and_crests() -> None:
    """Left in a left-hand curve by v²/r, back when braking, up when the road rises faster."""
    circle = Circle(braking_mps2=3.0, rising_mps2=0.5)
    for sample in samples(circle)[::40]:
        np.testing.assert_allclose(
            sample.acceleration_mps2, [-3.0, 2.0, GRAVITY_MPS2 + 0.5], atol=1e-6
        )
        np.testing.assert_allclose(sample.angular_velocity_radps, [0, 0, 0.2], atol=1e-9)


def test_turn_rates_integrate_to_the_attitude() -> None:
    """Rates about the ego axes, applied one after the other, give the pose's turn."""
    circle = Circle(radius_m=20.0, pitch_rad=0.2, rolling_radps=0.3)
    rates = [sample.angular_velocity_radps for sample in samples(circle)]
    truth = [Rotation.from_quat(pose.quaternion) for pose in poses(circle)]
    turned = truth[0]
    for rate in rates[:-1]:
        turned = turned * Rotation.from_rotvec(np.array(rate) * 0.01)
    assert (turned.inv() * truth[-1]).magnitude() < 0.01


def test_samples_depend_on_seed_and_number_only() -> None:
    """Any window gives the same samples, another seed other ones, pose and unit differ."""
    noise = MotionNoise()
    whole = samples(Circle(), noise)
    with SyntheticImu(
        seed=1,
        length_ns=LENGTH_NS,
        period_ns=10_000_000,
        stream="imu",
        noise=noise,
        world=Circle(),
    ) as reader:
        late = list(reader.frames(start_ns=1_500_000_000, stop_ns=1_520_000_000))
        assert isinstance(reader, Stamped)
        assert isinstance(reader, Calibrated)
        assert reader.streams()[0].kind == "imu"
    assert late == whole[150:152]
    assert samples(Circle(), noise, seed=2)[10] != whole[10]


def test_a_real_world_gives_a_plausible_ride() -> None:
    """In a scene, exact velocity agrees with exact places, and gravity is always felt."""
    facts = {"seed": 3, "length_ns": LENGTH_NS, "period_ns": 50_000_000, "noise": EXACT}
    with SyntheticPose("urban", stream="pose", **facts) as reader:  # type: ignore[arg-type]
        found = [(p.position_m, p.velocity_mps) for p in reader.frames()]  # type: ignore[union-attr]
        assert reader.speed_mm_s(0) > 0
    places, velocities = (np.array(part) for part in zip(*found, strict=True))
    gone = np.diff(places, axis=0) / 0.05
    np.testing.assert_allclose(gone, (velocities[1:] + velocities[:-1]) / 2, atol=0.3)
    with SyntheticImu("urban", stream="imu", **facts) as reader:  # type: ignore[arg-type]
        ups = [sample.acceleration_mps2[2] for sample in reader.frames()]  # type: ignore[union-attr]
    assert np.abs(np.array(ups) - GRAVITY_MPS2).max() < 2.0


def test_a_world_tells_the_own_vehicle_alone_as_it_tells_it_among_all() -> None:
    """The quick way and the whole moment agree at every instant."""
    world = make_world("intersection", seed=8)
    for at_ns in range(0, 5_000_000_000, 370_000_000):
        assert ego_at(world, at_ns) == world.at(at_ns).ego


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_noise_that_cannot_be_is_refused(value: float) -> None:
    """By name."""
    with pytest.raises(ValueError, match="rate_radps"):
        MotionNoise(rate_radps=value)


def test_yaw_may_be_any_number_of_turns() -> None:
    """A quaternion does not know how often the vehicle went round."""
    assert quaternion_of(tau + 1.0, 0.0, 0.0) == pytest.approx(quaternion_of(1.0, 0.0, 0.0))
    assert quaternion_of(pi - 1e-9, 0, 0)[2] == pytest.approx(1.0)
