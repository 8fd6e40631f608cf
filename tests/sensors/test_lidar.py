"""The synthetic LiDAR against shapes whose ranges are known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, pi, sin, sqrt
from typing import TYPE_CHECKING

import numpy as np
import pytest

from sensors.calibration import Mounting
from sensors.labels import LABEL_CLASSES
from sensors.synthetic.lidar_casting import rays_of
from sensors.synthetic.lidar_ground import land
from sensors.synthetic.lidar_scan import ScannedTurn, scan
from sensors.synthetic.lidar_spec import LidarSpec
from sensors.synthetic.lidar_truth import boxes_of, futures_of
from sensors.synthetic.moment import MATERIALS, EgoState, Moment, Mover, Solid
from sensors.synthetic.parameters import SCENES
from sensors.synthetic.world import make_world

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

LOOK = (0.5,) * 8
CLEAR = LidarSpec(
    columns=512, noise_m=0.0, dropout=0.0, half_range_m=1e6, mounting=Mounting(x_m=0, y_m=0, z_m=2)
)
"""A sensor that errs nowhere and misses nothing."""


@dataclass(frozen=True)
class Surface:
    """Gentle hills, or none, and a roof from `roof_from_m` along x on, if at all."""

    hill_m: float = 0.0
    roof_from_m: float = np.inf
    roof_m: float = 6.0

    def heights_m(self, x_m: Array, y_m: Array) -> Array:
        """Height."""
        return self.hill_m * np.sin(x_m / 25.0) * np.cos(y_m / 40.0)

    def materials(self, x_m: Array, y_m: Array) -> NDArray[np.uint8]:
        """Marking where x lies in an even metre, else asphalt."""
        marked = np.floor(x_m + 0.0 * y_m) % 2 == 0
        names = MATERIALS.index("marking"), MATERIALS.index("asphalt")
        return np.where(marked, *names).astype(np.uint8)

    def ceilings_m(self, x_m: Array, y_m: Array) -> Array:
        """Roof."""
        return np.where(x_m + 0.0 * y_m >= self.roof_from_m, self.roof_m, np.inf)


@dataclass(frozen=True)
class Scene:
    """A scenery in which all go straight on for ever."""

    ground: Surface = Surface()
    solids: tuple[Solid, ...] = ()
    things: tuple[Mover, ...] = ()
    speed_mps: float = 0.0
    yaw_rate_radps: float = 0.0
    pitch_rad: float = 0.0
    roll_rad: float = 0.0
    pitch_rate_radps: float = 0.0

    def at(self, at_ns: int) -> Moment:
        """Everything."""
        assert at_ns >= 0, "the world begins at 0"
        after_s = at_ns * 1e-9
        x_m = self.speed_mps * after_s
        ego = EgoState(
            x_m=x_m,
            y_m=0.0,
            z_m=float(self.ground.heights_m(np.array(x_m), np.array(0.0))),
            yaw_rad=self.yaw_rate_radps * after_s,
            pitch_rad=self.pitch_rad + self.pitch_rate_radps * after_s,
            roll_rad=self.roll_rad,
            speed_mps=self.speed_mps,
            acceleration_mps2=0.0,
            yaw_rate_radps=self.yaw_rate_radps,
        )
        movers = self.movers(at_ns, tuple(thing.track for thing in self.things))
        return Moment(
            at_ns=at_ns, ego=ego, movers=tuple(movers.values()), solids=self.solids, covered=False
        )

    def movers(self, at_ns: int, tracks: tuple[int, ...]) -> dict[int, Mover]:
        """Those movers."""
        way = {thing.track: thing.speed_mps * at_ns * 1e-9 for thing in self.things}
        return {
            thing.track: replace(
                thing,
                x_m=thing.x_m + way[thing.track] * cos(thing.yaw_rad),
                y_m=thing.y_m + way[thing.track] * sin(thing.yaw_rad),
            )
            for thing in self.things
            if thing.track in tracks
        }


def wall(x_m: float, *, y_m: float = 0.0, wide_m: float = 40.0, high_m: float = 20.0) -> Solid:
    """A wall across x, 1 m thick, whose near face lies at `x_m`."""
    return solid("wall", x_m=x_m + 0.5, y_m=y_m, length_m=1.0, width_m=wide_m, height_m=high_m)


def solid(kind: str, **facts: float) -> Solid:
    """A solid that stands straight unless told otherwise."""
    given_ = {"z_m": 0.0, "yaw_rad": 0.0, "bottom_m": 0.0, **facts}
    return Solid(kind=kind, look=LOOK, **given_)  # type: ignore[arg-type]


def mover(kind: str = "car", *, track: int = 1, **facts: float) -> Mover:
    """A mover with the size of a car unless told otherwise."""
    given_ = {
        "z_m": 0.0,
        "yaw_rad": 0.0,
        "length_m": 4.5,
        "width_m": 1.8,
        "height_m": 1.5,
        "speed_mps": 0.0,
        **facts,
    }
    return Mover(kind=kind, track=track, braking=False, look=LOOK, **given_)  # type: ignore[arg-type]


def sweep(scene: Scene, spec: LidarSpec = CLEAR, *, stamp_ns: int = 1_000_000_000) -> ScannedTurn:
    """One turn, always with the same random numbers."""
    return scan(scene, spec, seed=1, stream="lidar", sweep=3, stamp_ns=stamp_ns)


def ahead(turn: ScannedTurn, *, above_m: float, spec: LidarSpec = CLEAR) -> NDArray[np.bool_]:
    """Which points lie before the sensor, within 0.2 rad, and so far above the ground at least."""
    points = turn.points
    facing = np.abs(np.arctan2(points[:, 1], points[:, 0])) < 0.2
    return facing & (points[:, 2] + spec.mounting.z_m > above_m)


def test_a_wall_is_measured_where_it_stands() -> None:
    """Every ray that meets its face has the face's x, and all rays towards it do."""
    turn = sweep(Scene(solids=(wall(20.0),)))
    met = ahead(turn, above_m=0.01)
    assert met.sum() > 500
    np.testing.assert_allclose(turn.points[met, 0], 20.0, atol=1e-4)
    missing = ~np.isin(turn.rings, turn.rings[met])
    assert (turn.points[missing, 2] < 0.0).all(), "only rays that meet the ground first"


def test_intensity_falls_with_the_angle_and_not_with_the_range() -> None:
    """Ranges are corrected for: the same wall is as bright near as far."""
    near, far = (sweep(Scene(solids=(wall(x_m),))) for x_m in (10.0, 40.0))
    means = [float(turn.points[ahead(turn, above_m=0.5), 3].mean()) for turn in (near, far)]
    assert means[0] == pytest.approx(means[1], rel=0.05)
    slanted = replace(wall(10.0), yaw_rad=1.0)
    aslant = sweep(Scene(solids=(slanted,)))
    assert aslant.points[ahead(aslant, above_m=0.5), 3].mean() < 0.8 * means[0]


def test_markings_are_brighter_than_asphalt() -> None:
    """The ground's material decides."""
    turn = sweep(Scene())
    ground = turn.points[np.abs(turn.points[:, 2] + 2.0) < 0.01]
    near = ground[np.hypot(ground[:, 0], ground[:, 1]) < 12.0]
    marked = np.floor(near[:, 0]) % 2 == 0
    assert near[marked, 3].mean() > 3.0 * near[~marked, 3].mean()


def test_a_pole_is_measured_on_its_round_face() -> None:
    """All points lie on the cylinder, the nearest at distance less radius."""
    lamp = solid("lamp", x_m=8.0, y_m=3.0, length_m=0.5, width_m=0.5, height_m=9.0)
    turn = sweep(Scene(solids=(lamp,)))
    points = turn.points[turn.points[:, 2] > -1.9]
    assert len(points) > 20
    off = np.hypot(points[:, 0] - 8.0, points[:, 1] - 3.0)
    np.testing.assert_allclose(off, 0.25, atol=1e-4)
    assert np.hypot(points[:, 0], points[:, 1]).min() == pytest.approx(sqrt(73.0) - 0.25, abs=2e-3)


def test_leaves_are_met_inside_the_crown_only() -> None:
    """A crown lets rays in, some through, and holds all points that it has."""
    tree = solid("tree", x_m=9.0, y_m=0.0, length_m=3.0, width_m=0.3, height_m=5.0, bottom_m=1.0)
    both = Scene(solids=(tree, wall(30.0)))
    turn = sweep(both)
    points = turn.points[ahead(turn, above_m=2.0)]
    inside = (
        ((points[:, 0] - 9.0) / 1.5) ** 2
        + (points[:, 1] / 1.5) ** 2
        + ((points[:, 2] + 2.0 - 3.0) / 2.0) ** 2
    )
    trunk = np.hypot(points[:, 0] - 9.0, points[:, 1]) < 0.16
    behind = np.abs(points[:, 0] - 30.0) < 1e-3
    assert ((inside < 1.0001) | trunk | behind).all()
    assert (inside < 0.5).any()
    aside, up = points[behind, 1] * 0.3, points[behind, 2] * 0.3 - 1.0
    through = (aside / 1.5) ** 2 + (up / 2.0) ** 2 < 0.9
    assert through.any(), "no ray came through the leaves"


def test_what_stands_behind_a_wall_is_not_measured_and_its_label_says_so() -> None:
    """Hidden objects have no point and are labelled to be ignored; others keep their class."""
    hidden, seen = mover(x_m=30.0, y_m=0.0), mover(track=2, x_m=12.0, y_m=-15.0)
    scene = Scene(solids=(wall(20.0, wide_m=10.0),), things=(hidden, seen))
    turn = sweep(scene)
    labels = boxes_of(turn.moment, turn.hits, within_m=100.0)
    assert labels.tracks.tolist() == [1, 2]
    assert labels.points[0] == 0
    assert labels.points[1] > 20
    assert labels.classes.tolist() == [-1, LABEL_CLASSES.index("car")]
    without = sweep(replace(scene, solids=()))
    assert without.hits[0] > 20


@pytest.mark.parametrize("speed_mps", [0.0, 10.0, -4.0])
@pytest.mark.parametrize("other_mps", [0.0, 15.0])
def test_a_column_sees_the_world_of_its_own_instant(speed_mps: float, other_mps: float) -> None:
    """Ranges to a receding truck's back are shifted by speed times time, column by column."""
    truck = mover(
        "van", x_m=20.0, y_m=0.0, length_m=8.0, width_m=6.0, height_m=3.0, speed_mps=other_mps
    )
    turn = sweep(Scene(things=(truck,), speed_mps=speed_mps))
    met = ahead(turn, above_m=0.5) & (turn.points[:, 2] < -0.6)
    assert met.sum() > 20
    at_s = 1.0 + turn.offsets_ns[met] * 1e-9
    back = 20.0 - 4.0 + (other_mps - speed_mps) * at_s
    np.testing.assert_allclose(turn.points[met, 0], back, atol=1e-3)
    assert len(np.unique(turn.offsets_ns[met])) > 10


def test_a_turning_vehicle_sees_what_stands_still_turned_back() -> None:
    """With yaw rate and tilt, points told in the world by the pose of their instant lie on it."""
    scene = Scene(
        solids=(wall(15.0, wide_m=60.0),),
        speed_mps=12.0,
        yaw_rate_radps=0.6,
        pitch_rad=0.03,
        roll_rad=-0.02,
        pitch_rate_radps=0.2,
    )
    spec = replace(CLEAR, mounting=Mounting(x_m=1.0, y_m=0.3, z_m=2.0, yaw_rad=0.4, pitch_rad=0.02))
    turn = sweep(scene, spec, stamp_ns=200_000_000)
    in_ego = spec.mounting.to_ego(turn.points[:, :3].astype(np.float64))
    world = np.empty_like(in_ego)
    for row, offset_ns in enumerate(turn.offsets_ns):
        ego = scene.at(200_000_000 + int(offset_ns)).ego
        pose = Mounting(
            x_m=ego.x_m,
            y_m=ego.y_m,
            z_m=ego.z_m,
            yaw_rad=ego.yaw_rad,
            pitch_rad=ego.pitch_rad,
            roll_rad=ego.roll_rad,
        )
        world[row] = pose.to_ego(in_ego[row : row + 1])[0]
    off_wall, off_ground = np.abs(world[:, 0] - 15.0), np.abs(world[:, 2])
    assert np.minimum(off_wall, off_ground).max() < 5e-3
    assert (off_ground > 0.1).sum() > 1000
    assert (off_wall > 0.1).sum() > 1000


def test_points_on_hills_lie_on_the_surface_and_valleys_behind_crests_have_none() -> None:
    """Height errors stay below 2 cm, and each ray stops at the first surface it meets."""
    scene = Scene(ground=Surface(hill_m=1.5))
    spec = replace(CLEAR, columns=256)
    turn = sweep(scene, spec, stamp_ns=0)
    x, y, z = turn.points[:, :3].astype(np.float64).T
    base = spec.mounting.z_m + float(scene.ground.heights_m(np.array(0.0), np.array(0.0)))
    errors = z + base - scene.ground.heights_m(x, y)
    assert np.abs(errors).max() < 0.02
    shares = np.linspace(0.02, 0.98, 400)[:, None]
    way = scene.ground.heights_m(x * shares, y * shares) - (z * shares + base)
    assert way.max() < 0.02, "a ray went through a hill"
    assert len(turn.points) > 2000


@pytest.mark.parametrize("scene", SCENES)
def test_the_ground_of_every_scene_is_met_within_two_centimetres(scene: str) -> None:
    """Where the ray ends there is the ground, and most rays below the horizon find it."""
    spec = replace(CLEAR, columns=256)
    world = make_world(scene, seed=2)
    for at_ns in (1_000_000_000, 9_000_000_000):
        begin, end = world.at(at_ns - spec.turn_ns).ego, world.at(at_ns).ego
        origin_m = (end.x_m, end.y_m, end.z_m)
        rays = rays_of(spec, begin, end)
        nothing = np.full(spec.columns * spec.rings, np.inf)
        found = land(spec, rays, world.ground, origin_m, nothing)
        ways = rays.directions.reshape(-1, 3)[found.rays]
        points = rays.origins[found.rays // spec.rings] + ways * found.ranges_m[:, None] + origin_m
        errors = points[:, 2] - world.ground.heights_m(points[:, 0], points[:, 1])
        assert np.abs(errors).max() < 0.02
        np.testing.assert_allclose(points[:, :2], found.places_m, atol=1e-6)
        down = rays.directions[:, :, 2].ravel() < -0.1
        assert np.isin(np.flatnonzero(down), found.rays).mean() > 0.99


def test_a_roof_is_met_inside_the_tunnel_and_at_its_portal() -> None:
    """Rays upwards meet the roof at its height, rays at its front the portal, none goes through."""
    turn = sweep(Scene(ground=Surface(roof_from_m=15.0, roof_m=6.0)))
    points = turn.points[turn.points[:, 2] > -1.9]
    at_roof = np.abs(points[:, 2] - 4.0) < 0.02
    at_portal = np.abs(points[:, 0] - 15.0) < 0.02
    assert (at_roof | at_portal).all()
    assert (points[at_roof, 0] > 14.9).all()
    assert at_portal.sum() > 20
    assert at_roof.sum() > 50


@pytest.mark.parametrize("kind", LABEL_CLASSES)
def test_a_label_counts_the_points_that_lie_on_its_object(kind: str) -> None:
    """Points inside the labelled box, above the ground, are as many as the label says."""
    sizes = {
        "pedestrian": (0.6, 0.6, 1.7),
        "cyclist": (1.75, 0.6, 1.7),
        "van": (5.5, 2.0, 2.4),
        "truck": (9.0, 2.5, 3.5),
    }
    length_m, width_m, height_m = sizes.get(kind, (4.5, 1.8, 1.5))
    thing = mover(
        kind,
        x_m=11.0,
        y_m=4.0,
        yaw_rad=0.7,
        length_m=length_m,
        width_m=width_m,
        height_m=height_m,
    )
    turn = sweep(Scene(things=(thing,)))
    labels = boxes_of(turn.moment, turn.hits, within_m=100.0)
    points = CLEAR.mounting.to_ego(turn.points[:, :3].astype(np.float64)) - labels.centres_m[0]
    yaw = float(labels.yaws_rad[0])
    along = cos(yaw) * points[:, 0] + sin(yaw) * points[:, 1]
    aside = cos(yaw) * points[:, 1] - sin(yaw) * points[:, 0]
    slack = 1e-3
    inside = (np.abs(along) < length_m / 2 + slack) & (np.abs(aside) < width_m / 2 + slack)
    inside &= np.abs(points[:, 2]) < height_m / 2 + slack
    above = points[:, 2] > 0.02 - height_m / 2
    assert labels.points[0] == (inside & above).sum() > 10
    assert labels.names[labels.classes[0]] == kind


def test_labels_are_told_in_the_frame_of_the_own_vehicle() -> None:
    """Place, heading and velocity are turned into ego axes, tilt included."""
    scene = Scene(
        things=(mover(x_m=0.0, y_m=20.0, yaw_rad=1.2, speed_mps=5.0),),
        yaw_rate_radps=pi / 2,
        pitch_rad=0.1,
    )
    turn = sweep(scene, stamp_ns=1_000_000_000)
    labels = boxes_of(turn.moment, turn.hits, within_m=100.0)
    moved = np.array([5.0 * cos(1.2), 20.0 + 5.0 * sin(1.2)])
    flat = np.array([moved[1], -moved[0], 0.75])  # the vehicle heads along y
    tilted = (
        flat[0] * cos(0.1) - flat[2] * sin(0.1),
        flat[1],
        flat[2] * cos(0.1) + flat[0] * sin(0.1),
    )
    np.testing.assert_allclose(labels.centres_m[0], tilted, atol=1e-5)
    assert labels.yaws_rad[0] == pytest.approx(1.2 - pi / 2, abs=1e-6)
    np.testing.assert_allclose(
        labels.velocities_mps[0], [5 * cos(1.2 - pi / 2), 5 * sin(1.2 - pi / 2)], atol=1e-5
    )
    np.testing.assert_allclose(labels.sizes_m[0], [4.5, 1.8, 1.5])


def test_futures_say_where_objects_go_in_the_frame_of_now() -> None:
    """The frame does not move along, and an object that ends is not valid."""
    scene = Scene(things=(mover(x_m=10.0, y_m=2.0, speed_mps=4.0),), speed_mps=20.0)
    ego = scene.at(1_000_000_000).ego
    futures = futures_of(scene, ego, 1_000_000_000, np.array([1, 99]))
    steps = np.arange(1, 7) * 0.5
    np.testing.assert_allclose(
        futures.positions_m[0, :, 0], 10.0 + 4.0 * (1.0 + steps) - 20.0, atol=1e-4
    )
    np.testing.assert_allclose(futures.positions_m[0, :, 1], 2.0, atol=1e-6)
    assert futures.valid.tolist() == [[True] * 6, [False] * 6]
    assert futures.step_ns == 500_000_000


def test_ranges_err_as_declared() -> None:
    """The spread of the ranges to a wall is that of the sensor."""
    spec = replace(CLEAR, noise_m=0.05)
    exact, noisy = (sweep(Scene(solids=(wall(20.0),)), s) for s in (CLEAR, spec))
    ranges = [
        np.linalg.norm(turn.points[:, :3].astype(np.float64), axis=1) for turn in (exact, noisy)
    ]
    errors = ranges[1] - ranges[0]
    assert abs(errors.mean()) < 0.002
    assert errors.std() == pytest.approx(0.05, rel=0.05)


def test_what_is_dark_far_or_aslant_is_missed_more_often() -> None:
    """The share of answered rays falls with range; a sensor that loses all answers none."""
    spec = replace(CLEAR, half_range_m=60.0)
    shares = []
    for x_m in (20.0, 60.0, 100.0):
        scene = Scene(solids=(wall(x_m, wide_m=20.0),))
        full, some = (ahead(sweep(scene, s), above_m=1.0).sum() for s in (CLEAR, spec))
        shares.append(some / full)
    assert shares[0] > 0.99
    assert shares[0] > shares[1] > shares[2]
    assert len(sweep(Scene(solids=(wall(20.0),)), replace(CLEAR, dropout=1.0)).points) == 0


def test_rain_dims_hides_and_answers_by_itself() -> None:
    """Far walls are lost in rain, and drops near the sensor are measured."""
    dry = LidarSpec(columns=512)
    scene = Scene(solids=(wall(80.0, wide_m=60.0),))
    walls, drops = [], []
    for rain in (0.0, 5.0, 40.0):
        turn = sweep(scene, replace(dry, rain_mm_h=rain))
        points = turn.points
        walls.append(int((np.abs(points[:, 0] - 80.0) < 0.5).sum()))
        ranges = np.linalg.norm(points[:, :3], axis=1)
        drops.append(int(((points[:, 2] > 0.1) & (ranges < 20.0)).sum()))
    assert walls[0] > walls[1] > walls[2]
    assert drops[0] == 0 < drops[1] < drops[2]


def test_nothing_nearer_than_the_least_and_farther_than_the_greatest_range() -> None:
    """Both ends hold; what is too near hides nothing."""
    spec = replace(CLEAR, least_range_m=3.0, range_m=30.0)
    post = solid("post", x_m=1.5, y_m=0.0, length_m=0.3, width_m=0.3, height_m=4.0)
    turn = sweep(Scene(solids=(post, wall(25.0), wall(40.0, y_m=60.0))), spec)
    ranges = np.linalg.norm(turn.points[:, :3], axis=1)
    assert ranges.min() >= 2.999
    assert ranges.max() <= 30.001


def test_rings_and_offsets_fit_the_points() -> None:
    """Each point lies at its ring's elevation and its column's azimuth."""
    turn = sweep(Scene(solids=(wall(20.0),)))
    points = turn.points.astype(np.float64)
    level = np.hypot(points[:, 0], points[:, 1])
    table = np.array(CLEAR.elevations_rad)
    np.testing.assert_allclose(np.arctan2(points[:, 2], level), table[turn.rings], atol=1e-5)
    shares = 1.0 + turn.offsets_ns / CLEAR.turn_ns
    azimuth = pi - 2.0 * pi * shares
    np.testing.assert_allclose(np.arctan2(points[:, 1], points[:, 0]), azimuth, atol=1e-5)
    assert turn.offsets_ns.max() < 0
    assert (np.diff(turn.offsets_ns) >= 0).all()
