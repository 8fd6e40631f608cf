"""The synthetic drive."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.errors import SensorError
from sensors.synthetic import (
    SCENES,
    VIEWS,
    CameraUnknownError,
    SceneUnknownError,
    SyntheticDrive,
)
from sensors.synthetic.camera import front_camera
from sensors.synthetic.draws import uniforms
from sensors.synthetic.scenes import scene_named
from sensors.synthetic.view import view_named
from sensors.synthetic.world import VIEW_M, World, plain_cosine

PERIOD_NS = 100_000_000


def drive_of(
    scene: str = "highway", *, seed: int = 1, frames: int = 6, width: int = 160, height: int = 96
) -> SyntheticDrive:
    """Return a small drive."""
    return SyntheticDrive(
        scene,
        seed=seed,
        length_ns=frames * PERIOD_NS,
        period_ns=PERIOD_NS,
        width=width,
        height=height,
        stream="front",
    )


def digest_of(drive: SyntheticDrive) -> str:
    """Return a hash over all bytes of a drive."""
    with drive:
        content = b"".join(frame.image.tobytes() for frame in drive.frames())
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("scene", sorted(SCENES))
def test_a_seed_says_all_bytes(scene: str) -> None:
    """Two drives of one seed are equal, those of two seeds are not."""
    assert digest_of(drive_of(scene)) == digest_of(drive_of(scene))
    assert digest_of(drive_of(scene)) != digest_of(drive_of(scene, seed=2))


def test_a_frame_does_not_depend_on_what_was_read_before() -> None:
    """The last frame read first equals the last frame read last; so does a longer drive's."""
    with drive_of() as drive, drive_of(frames=60) as longer:
        *_, last = drive.frames()
    with drive_of() as drive, drive_of(frames=60) as longer:
        (alone,) = drive.frames(start_ns=5 * PERIOD_NS)
        (of_longer,) = longer.frames(start_ns=5 * PERIOD_NS, stop_ns=6 * PERIOD_NS)
    assert np.array_equal(last.image, alone.image)
    assert np.array_equal(last.image, of_longer.image)


@pytest.mark.parametrize("scene", sorted(SCENES))
@pytest.mark.parametrize("size", [(640, 384), (32, 32), (90, 300), (301, 97)])
def test_any_picture_size_can_be_painted(scene: str, size: tuple[int, int]) -> None:
    """Odd and extreme sizes work, from the first frame to far along the road."""
    width, height = size
    with drive_of(scene, frames=5_000, width=width, height=height) as drive:
        for start in (0, 4_999):
            frames = drive.frames(start_ns=start * PERIOD_NS)
            assert next(frames).image.shape == (height, width, 3)


def test_the_picture_moves_and_has_a_sky_over_a_road() -> None:
    """Sky is brighter and bluer than the asphalt below; consecutive frames differ."""
    with drive_of(width=320, height=192) as drive:
        first, second, *_ = drive.frames()
    sky = first.image[:30].reshape(-1, 3).mean(axis=0)
    asphalt = first.image[150:, 130:190].reshape(-1, 3).mean(axis=0)
    assert sky.mean() > asphalt.mean() + 30
    assert sky[0] > sky[2]
    assert np.ptp(asphalt) < 12
    assert np.abs(first.image.astype(int) - second.image).mean() > 2


def test_an_unknown_scene_lists_the_scenes() -> None:
    """The error helps to choose; it is one of the room's."""
    with pytest.raises(SceneUnknownError, match="no synthetic scene 'moon'; there are highway"):
        drive_of("moon")
    assert issubclass(SceneUnknownError, SensorError)


@pytest.mark.parametrize(
    "change", [{"length_ns": 0}, {"period_ns": 0}, {"width": 31}, {"height": 8}]
)
def test_numbers_out_of_range_are_the_callers_mistake(change: dict[str, int]) -> None:
    """Nothing is drawn from nonsense."""
    numbers = {"length_ns": 9, "period_ns": 3, "width": 64, "height": 64, "seed": 1} | change
    with pytest.raises(ValueError, match=next(iter(change))):
        SyntheticDrive(
            stream="front",
            seed=numbers["seed"],
            length_ns=numbers["length_ns"],
            period_ns=numbers["period_ns"],
            width=numbers["width"],
            height=numbers["height"],
        )


@pytest.mark.parametrize(("length_ns", "frames"), [(1, 1), (100, 1), (101, 2), (200, 2)])
def test_frames_lie_below_the_length(length_ns: int, frames: int) -> None:
    """The length is half-open."""
    drive = SyntheticDrive(
        seed=1, length_ns=length_ns, period_ns=100, width=32, height=32, stream="front"
    )
    with drive:
        assert drive.streams()[0].frames == len(list(drive.frames())) == frames


@pytest.mark.parametrize("scene", sorted(SCENES))
def test_vehicles_of_a_lane_never_overlap(scene: str) -> None:
    """Whatever the time, two vehicles keep apart or are in different lanes."""
    world = World(scene_named(scene), seed=3)
    for second in range(0, 200, 7):
        moment = world.at(second * 1_000_000_000)
        placed = sorted(moment.vehicles, key=lambda vehicle: vehicle.x_m)
        assert placed
        for number, one in enumerate(placed):
            assert one.x_m < VIEW_M
            for other in placed[number + 1 :]:
                aside_m = abs(
                    (one.y_m - moment.road.middle_m(one.x_m))
                    - (other.y_m - moment.road.middle_m(other.x_m))
                )
                if aside_m < 1.2:
                    assert other.x_m - one.x_m > (one.length_m + other.length_m) / 2


def test_the_world_moves_smoothly() -> None:
    """Things beside the road come nearer by the distance driven, a millisecond at a time."""
    world = World(scene_named("highway"), seed=4)
    now, then = world.at(10_000_000_000), world.at(10_001_000_000)
    driven_m = then.road.along_m - now.road.along_m
    assert 0.02 < driven_m < 0.04
    before = {thing.look: thing.x_m for thing in now.things}
    moved = [before[thing.look] - thing.x_m for thing in then.things if thing.look in before]
    assert len(moved) > 20
    assert max(abs(step - driven_m) for step in moved) < 1e-6


def test_the_camera_is_a_pinhole() -> None:
    """Points on the axis land in the middle, left is left, the ground meets its row."""
    camera = front_camera(width=640, height=384)
    assert camera.pixel((10.0, 0.0, camera.height_m)) == (319.5, camera.horizon_v_px)
    assert camera.pixel((10.0, 1.0, 0.0))[0] < 319.5
    row = camera.pixel((10.0, 0.0, 0.0))[1]
    assert math.isclose(camera.depth_of_row_m(row), 10.0)


@given(
    seed=st.integers(-(1 << 70), 1 << 70),
    subject=st.lists(st.integers(-(1 << 40), 1 << 40), max_size=3),
    count=st.integers(1, 9),
)
def test_draws_depend_on_their_key_only(seed: int, subject: list[int], count: int) -> None:
    """Asking for more numbers does not change the first ones; all lie in [0, 1)."""
    few = uniforms(seed, "test", *subject, count=count)
    many = uniforms(seed, "test", *subject, count=count + 5)
    assert many[:count] == few
    assert all(0.0 <= draw < 1.0 for draw in many)
    assert few != uniforms(seed, "other", *subject, count=count)


def camera_drive(camera: str, *, phase_ns: int = 0, seed: int = 1) -> SyntheticDrive:
    """Return a small street drive as one camera sees it."""
    return SyntheticDrive(
        "street",
        seed=seed,
        length_ns=6 * PERIOD_NS,
        period_ns=PERIOD_NS,
        width=160,
        height=96,
        stream=camera,
        camera=camera,
        phase_ns=phase_ns,
    )


@pytest.mark.parametrize("scene", sorted(SCENES))
def test_every_camera_sees_something_of_its_own(scene: str) -> None:
    """Four pictures of one moment, all different, each with a sky, the same when read again."""
    digests = set()
    for camera in VIEWS:
        drive = SyntheticDrive(
            scene,
            seed=3,
            length_ns=PERIOD_NS,
            period_ns=PERIOD_NS,
            width=160,
            height=96,
            stream="any",
            camera=camera,
        )
        assert digest_of(drive) == digest_of(drive)
        digests.add(digest_of(drive))
    assert len(digests) == len(VIEWS)


def test_an_unknown_camera_lists_the_cameras() -> None:
    """The error helps to choose."""
    with pytest.raises(CameraUnknownError, match="there are front, left, right, rear"):
        camera_drive("roof")


def test_a_phase_moves_the_stamps_and_what_is_seen() -> None:
    """A camera half a period later sees the world then, and so a later camera's first frame."""
    with camera_drive("left", phase_ns=PERIOD_NS // 2) as drive:
        frames = list(drive.frames())
        assert drive.stamps() == range(PERIOD_NS // 2, 6 * PERIOD_NS, PERIOD_NS)
        (third,) = drive.frames(start_ns=2 * PERIOD_NS, stop_ns=3 * PERIOD_NS)
    assert [frame.stamp_ns for frame in frames] == list(drive_stamps(PERIOD_NS // 2))
    assert third.index == 2
    with camera_drive("left") as drive:
        assert not np.array_equal(next(iter(drive.frames())).image, frames[0].image)


def drive_stamps(phase_ns: int) -> range:
    """Return the stamps below the length of the small drive."""
    return range(phase_ns, 6 * PERIOD_NS, PERIOD_NS)


@pytest.mark.parametrize("scene", sorted(SCENES))
def test_what_is_ahead_is_the_same_for_all_cameras(scene: str) -> None:
    """Filling the world behind us adds vehicles and things there and changes none ahead."""
    world = World(scene_named(scene), seed=3)
    for second in range(0, 100, 13):
        ahead, around = world.at(second * 10**9), world.at(second * 10**9, behind=True)
        assert {v for v in around.vehicles if v.x_m > 0} == {v for v in ahead.vehicles if v.x_m > 0}
        assert set(ahead.things) <= set(around.things)
        assert any(vehicle.x_m < -20 for vehicle in around.vehicles)
        assert any(thing.x_m < -20 for thing in around.things)


def test_a_vehicle_that_passes_us_stays_the_same_vehicle() -> None:
    """It leaves the front camera's world at one end and goes on behind us without a jump."""
    world = World(scene_named("street"), seed=3)
    oncoming: dict[tuple[tuple[float, float, float], float], float] = {}
    for step in range(400):
        moment = world.at(step * 50_000_000, behind=True)
        now = {(v.paint, v.length_m): v.x_m for v in moment.vehicles if math.cos(v.yaw_rad) < 0}
        for look, x_m in now.items():
            before = oncoming.get(look)
            if before is not None and -200 < before < 200:
                assert abs(x_m - before) < 3
        oncoming = now


def test_views_turn_the_world() -> None:
    """What stands to the left is ahead of the left camera, and so on round."""
    assert view_named("left").point((0.0, 5.0, 1.0)) == (5.0, 0.0, 1.0)
    assert view_named("right").point((0.0, -5.0, 1.0)) == (5.0, 0.0, 1.0)
    assert view_named("rear").point((-5.0, 1.0, 1.0)) == (5.0, -1.0, 1.0)
    assert view_named("front").point((5.0, 1.0, 1.0)) == (5.0, 1.0, 1.0)


def test_the_speed_is_the_slope_of_the_distance() -> None:
    """Within a millimetre a second of the difference quotient."""
    world = World(scene_named("street"), seed=5)
    for at_ns in range(0, 20 * 10**9, 700_000_000):
        step_ns = 1_000_000
        driven_m = world.at(at_ns + step_ns).road.along_m - world.at(at_ns - step_ns).road.along_m
        assert abs(world.speed_mm_s(at_ns) - driven_m / (2 * step_ns) * 10**12) <= 1


@given(angle=st.floats(-1e6, 1e6))
def test_the_plain_cosine_is_a_cosine(angle: float) -> None:
    """Close enough that a speed in mm/s does not notice."""
    assert abs(plain_cosine(angle) - math.cos(angle)) < 1e-9
