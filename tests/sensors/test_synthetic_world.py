"""The synthetic world: road, traffic, and what may be changed about them."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.synthetic import SCENES, SceneParameterError, World, make_world
from sensors.synthetic.course import Course, plain_cosine
from sensors.synthetic.moment import MATERIALS, VIEW_M, Mover
from sensors.synthetic.parameters import parameters_of
from sensors.synthetic.traffic import CHUNK_TICKS
from sensors.synthetic.world import world_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.synthetic.moment import Moment
    from sensors.synthetic.parameters import ParameterValue

S = 10**9
EGO_M = (4.5, 1.8)
DENSE: dict[str, dict[str, ParameterValue]] = {
    "highway": {"traffic_per_km": 40.0, "cut_ins": 1.0, "trucks": 0.5},
    "urban": {"traffic_per_km": 40.0, "pedestrians_per_km": 150.0, "cyclists_per_km": 30.0},
    "intersection": {"traffic_per_km": 40.0, "pedestrians_per_km": 150.0, "parked": 0.9},
    "tunnel": {"traffic_per_km": 40.0, "cut_ins": 1.0, "lanes": 4},
}


def footprints(moment: Moment) -> list[tuple[int, NDArray[np.float64]]]:
    """Return corners of everybody on the ground, the own vehicle as -1."""
    ego = moment.ego
    rows = [(-1, ego.x_m, ego.y_m, ego.yaw_rad, *EGO_M)]
    rows += [(m.track, m.x_m, m.y_m, m.yaw_rad, m.length_m, m.width_m) for m in moment.movers]
    found = []
    for track, x_m, y_m, yaw, length_m, width_m in rows:
        cos, sin = math.cos(yaw), math.sin(yaw)
        corners = [
            (
                x_m + a * length_m * cos - b * width_m * sin,
                y_m + a * length_m * sin + b * width_m * cos,
            )
            for a, b in ((0.5, 0.5), (0.5, -0.5), (-0.5, -0.5), (-0.5, 0.5))
        ]
        found.append((track, np.array(corners)))
    return found


def apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Return whether two rectangles do not overlap: whether a side of one parts them."""
    for corners in (one, other):
        for side in range(2):
            edge = corners[side + 1] - corners[side]
            normal = np.array([-edge[1], edge[0]])
            a, b = one @ normal, other @ normal
            if a.max() < b.min() or b.max() < a.min():
                return True
    return False


def overlapping(moment: Moment) -> list[tuple[int, int]]:
    """Return who stands in whom."""
    found = []
    prints = sorted(footprints(moment), key=lambda one: float(one[1][:, 0].min()))
    for number, (track, corners) in enumerate(prints):
        for other, others in prints[number + 1 :]:
            if others[:, 0].min() > corners[:, 0].max():
                break
            if not apart(corners, others):
                found.append((track, other))
    return found


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("scene", sorted(SCENES))
def test_nobody_ever_stands_in_anybody(scene: str, dense: bool) -> None:  # noqa: FBT001
    """Traffic, people, parked vehicles and the own one keep apart, however dense it is."""
    for seed in (3, 4):
        world = make_world(scene, seed=seed, **(DENSE[scene] if dense else {}))
        for step in range(40):
            assert overlapping(world.at(step * 731 * 10**6)) == [], (seed, step)


@pytest.mark.parametrize("scene", sorted(SCENES))
def test_a_moment_depends_on_the_time_only(scene: str) -> None:
    """Whatever was looked at before: late before early, and early again when it was forgotten."""
    ordered = make_world(scene, seed=5)
    times = [0, 3 * S + 1, 12 * S, 55 * S, 90 * S + 50_000_000]
    expected = [ordered.at(at_ns) for at_ns in times]
    other = make_world(scene, seed=5)
    assert other.at(times[-1]) == expected[-1]
    assert [other.at(at_ns) for at_ns in times] == expected
    other.at(10 * CHUNK_TICKS * 100_000_000)
    assert [other.at(at_ns) for at_ns in reversed(times)] == expected[::-1]
    assert make_world(scene, seed=6).at(0) != expected[0]


@pytest.mark.parametrize("scene", sorted(SCENES))
def test_everybody_moves_as_fast_as_they_say(scene: str) -> None:
    """Nobody jumps: the way gone in a short time is speed times time, between ticks and over."""
    world = make_world(scene, seed=7)
    step_ns = 20_000_000
    for start in range(0, 30 * S, 2 * S + 70_000_000):
        now, then = world.at(start), {m.track: m for m in world.at(start + step_ns).movers}
        met = [(m, then[m.track]) for m in now.movers if m.track in then]
        assert len(met) >= 0.8 * len(now.movers)
        for before, after in met:
            way_m = math.hypot(after.x_m - before.x_m, after.y_m - before.y_m)
            fastest = max(before.speed_mps, after.speed_mps)
            assert way_m <= (1.02 * fastest + 1.3) * step_ns / S
            assert before.look == after.look
            assert before.length_m == after.length_m


def test_the_own_speed_is_the_slope_of_the_way() -> None:
    """Within a centimetre a second of the difference quotient, and it changes."""
    world = make_world("intersection", seed=5)
    speeds = []
    for at_ns in range(0, 40 * S, 730_000_000):
        one, other = world.ego(at_ns), world.ego(at_ns + 1_000_000)
        way_m = math.hypot(other.x_m - one.x_m, other.y_m - one.y_m)
        assert abs(way_m * 1000 - one.speed_mps) < 0.02
        assert world.speed_mm_s(at_ns) == round(1000 * one.speed_mps)
        assert world.at(at_ns).ego == one
        speeds.append(one.speed_mps)
    assert min(speeds) < 1.0
    assert max(speeds) > 9.0


def test_traffic_does_what_traffic_does() -> None:
    """Somebody brakes, somebody changes lanes, somebody crosses, on foot and in a car."""
    world = make_world("intersection", seed=3)
    braking = crossing = on_foot = 0
    for second in range(60):
        moment = world.at(second * S)
        heading = moment.ego.yaw_rad
        for mover in moment.movers:
            across = abs(math.sin(mover.yaw_rad - heading)) > 0.9 and mover.speed_mps > 1.0
            braking += mover.braking
            crossing += across and mover.kind in ("car", "van")
            on_foot += across and mover.kind == "pedestrian"
    assert min(braking, crossing, on_foot) > 20
    road = make_world("highway", seed=3, cut_ins=1.0)
    lanes: dict[int, set[int]] = {}
    for second in range(60):
        moment = road.at(second * S)
        for mover in moment.movers:
            _, d_m = road.course.places(np.array([mover.x_m]), np.array([mover.y_m]))
            middles = [abs(lane.d_m - float(d_m[0])) for lane in road.layout.lanes]
            if min(middles) < 0.5:
                lanes.setdefault(mover.track, set()).add(int(np.argmin(middles)))
    assert sum(len(kept) > 1 for kept in lanes.values()) >= 3


def test_movers_can_be_asked_for_by_track() -> None:
    """Wherever they are: as `at` has them, and left out when they are gone."""
    world = make_world("urban", seed=2)
    moment = world.at(4 * S)
    tracks = tuple(mover.track for mover in moment.movers)
    assert world.movers(4 * S, tracks) == {mover.track: mover for mover in moment.movers}
    assert list(tracks) == sorted(set(tracks))
    later = world.movers(120 * S, tracks)
    assert 0 < len(later) < len(tracks)
    ego = world.ego(120 * S)
    for mover in later.values():
        near = math.hypot(mover.x_m - ego.x_m, mover.y_m - ego.y_m) < 1.5 * VIEW_M
        assert near or mover.speed_mps == 0.0, "only parked ones stay behind"
    assert world.movers(0, (-1, 1 << 50)) == {}


@pytest.mark.parametrize("scene", sorted(SCENES))
def test_the_world_is_filled_and_its_things_stand_on_the_ground(scene: str) -> None:
    """Everything has the height of the ground below it, and nothing stands on the road."""
    world = make_world(scene, seed=3)
    for second in range(0, 100, 9):
        moment = world.at(second * S)
        things: list[Mover] = list(moment.movers)
        x_m, y_m = (np.array([getattr(t, n) for t in things]) for n in ("x_m", "y_m"))
        z_m = np.array([thing.z_m for thing in things])
        assert np.abs(world.ground.heights_m(x_m, y_m) - z_m).max() < 1e-3
        assert np.hypot(x_m - moment.ego.x_m, y_m - moment.ego.y_m).max() < 1.6 * VIEW_M
        upright = [s for s in moment.solids if s.kind in ("tree", "lamp", "post", "building")]
        assert upright
        assert len({solid.height_m for solid in upright}) > 1
        _, aside = world.course.places(
            np.array([s.x_m for s in upright]), np.array([s.y_m for s in upright])
        )
        assert np.abs(aside).min() > world.layout.road_half_m


def test_a_tunnel_has_a_roof_where_it_says() -> None:
    """And nowhere else; the own vehicle drives in and out."""
    world = make_world("tunnel", seed=3)
    inside = []
    for second in range(0, 60, 2):
        moment = world.at(second * S)
        ego = moment.ego
        above = world.ground.ceilings_m(np.array([ego.x_m]), np.array([ego.y_m]))[0]
        assert moment.covered == math.isfinite(above)
        if moment.covered:
            assert 4.5 < above - ego.z_m < 7.0
        inside.append(moment.covered)
    assert {True, False} == set(inside)


@pytest.mark.parametrize("scene", sorted(SCENES))
def test_the_ground_is_made_of_what_is_there(scene: str) -> None:
    """Lanes are asphalt or paint, beyond the edge is neither."""
    world = make_world(scene, seed=3)
    s_m = np.linspace(5.0, 300.0, 400)
    found: set[str] = set()
    for lane in world.layout.lanes:
        x_m, y_m = world.course.points(s_m, np.full_like(s_m, lane.d_m))
        kinds = {MATERIALS[kind] for kind in world.ground.materials(x_m, y_m)}
        if lane.use != "walk":
            assert kinds <= {"asphalt", "marking"}
        found |= kinds
    assert "asphalt" in found
    x_m, y_m = world.course.points(s_m, np.full_like(s_m, world.layout.edge_m + 4.0))
    far = world.ground.materials(x_m, y_m)
    assert (far == MATERIALS.index("grass")).mean() > 0.85


@settings(max_examples=40)
@given(
    seed=st.integers(0, 99),
    s_m=st.floats(-200.0, 30_000.0),
    d_m=st.floats(-55.0, 55.0),
)
def test_places_on_the_road_and_points_of_the_world_are_one(
    seed: int, s_m: float, d_m: float
) -> None:
    """The way there and back ends where it began."""
    course = Course(seed=seed, curvature_per_m=1 / 360, wave_m=620.0, hills_m=1.0)
    x_m, y_m = course.points(np.array([s_m]), np.array([d_m]))
    back_s, back_d = course.places(x_m, y_m)
    assert abs(back_s[0] - s_m) < 2e-3
    assert abs(back_d[0] - d_m) < 2e-3
    assert np.allclose(course.point(s_m, d_m), (x_m[0], y_m[0]), atol=2e-3)


@given(angle=st.floats(-1e6, 1e6))
def test_the_plain_cosine_is_a_cosine(angle: float) -> None:
    """Close enough that a speed in mm/s does not notice."""
    assert abs(plain_cosine(angle) - math.cos(angle)) < 1e-9


@pytest.mark.parametrize(
    ("scene", "changes", "reason"),
    [
        ("highway", {"wind": 1.0}, "'wind' is unknown; there are lanes, speed_mps"),
        ("highway", {"lanes": 5}, "'lanes' must be from 1 to 4, not 5"),
        ("highway", {"lanes": 1.5}, "'lanes' must be a whole number"),
        ("highway", {"speed_mps": "fast"}, "'speed_mps' must be a number, not 'fast'"),
        ("highway", {"speed_mps": math.nan}, "'speed_mps' must be from 3 to 45, not nan"),
        ("highway", {"weather": "snow"}, "'weather' must be clear or rain, not 'snow'"),
        ("highway", {"light": 1.0}, "'light' must be day or dusk, not 1.0"),
        ("highway", {"parked": 0.5}, "'parked' is for scenes with streets"),
        ("urban", {"tunnels": 0.5}, "'tunnels' is for scenes without streets"),
        ("urban", {"zebra_every_m": 20.0}, "must be from 140 to 2000, or 0, not 20"),
        ("urban", {"junction_every_m": 200.0}, "exclude each other"),
    ],
)
def test_parameters_are_refused_by_name(
    scene: str, changes: dict[str, ParameterValue], reason: str
) -> None:
    """The error says which, what is wrong, and what there is."""
    with pytest.raises(SceneParameterError, match=reason) as caught:
        make_world(scene, seed=1, **changes)
    assert repr(scene) in str(caught.value)


def test_every_parameter_changes_the_world() -> None:
    """None is accepted and forgotten."""
    changes: dict[str, ParameterValue] = {
        "lanes": 1,
        "speed_mps": 8.0,
        "traffic_per_km": 3.0,
        "trucks": 0.9,
        "pedestrians_per_km": 5.0,
        "cyclists_per_km": 1.0,
        "parked": 0.1,
        "zebra_every_m": 0.0,
        "bends": 0.1,
        "hills_m": 2.5,
    }
    plain = make_world("urban", seed=2).at(8 * S)
    for name, value in changes.items():
        assert make_world("urban", seed=2, **{name: value}).at(8 * S) != plain, name
    road = make_world("highway", seed=2).at(60 * S)
    assert make_world("highway", seed=2, cut_ins=1.0).at(60 * S) != road
    assert make_world("highway", seed=2, tunnels=0.5).at(60 * S).solids != road.solids


def test_readers_of_a_drive_share_its_world_within_a_thread() -> None:
    """Other seeds have others, and another thread has its own; the one used longest ago goes."""
    plain = parameters_of("urban", {})
    one = world_of("urban", seed=5, parameters=plain)
    other = world_of("urban", seed=6, parameters=plain)
    assert other is not one
    assert world_of("urban", seed=5, parameters=parameters_of("urban", {})) is one
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(world_of, "urban", seed=5, parameters=plain).result() is not one
    world_of("highway", seed=5, parameters=parameters_of("highway", {}))
    assert world_of("urban", seed=5, parameters=plain) is one
    assert world_of("urban", seed=6, parameters=plain) is not other


def test_a_world_begins_with_its_drive() -> None:
    """There is no time before."""
    world: World = make_world("highway", seed=1)
    with pytest.raises(ValueError, match="at_ns must be at least 0"):
        world.at(-1)
