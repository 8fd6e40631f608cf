"""Rays against bodies: nothing that a ray meets is left out, nothing is met that is not there."""

from __future__ import annotations

from math import pi
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.calibration import Mounting
from sensors.synthetic.lidar_bodies import BOX, CYLINDER, ELLIPSOID, SURFACES, Bodies
from sensors.synthetic.lidar_casting import cast, rays_of
from sensors.synthetic.lidar_spec import LidarSpec, elevations_rad
from sensors.synthetic.moment import EgoState

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.synthetic.lidar_casting import Hits, Rays

    Array = NDArray[np.float64]

SPEC = LidarSpec(columns=96, elevations_rad=elevations_rad(12))


def ego(**facts: float) -> EgoState:
    """The own vehicle, at rest at the origin unless told otherwise."""
    names = EgoState.__slots__
    return EgoState(**dict.fromkeys(names, 0.0) | facts)


def bodies(*rows: dict[str, object]) -> Bodies:
    """Bodies from rows of facts: shape, start, end, halves, and the surface where not matt."""
    return Bodies(
        shapes=np.array([row["shape"] for row in rows], np.uint8),
        starts=np.array([row["start"] for row in rows], np.float64).reshape(-1, 4),
        ends=np.array([row["end"] for row in rows], np.float64).reshape(-1, 4),
        halves=np.array([row["halves"] for row in rows], np.float64).reshape(-1, 3),
        surfaces=np.array([SURFACES.index("matt")] * len(rows), np.uint8),
        reflects=np.full(len(rows), 0.5),
        owners=np.arange(len(rows), dtype=np.int32),
    )


def thrown(spec: LidarSpec, rays: Rays, found: Bodies) -> Hits:
    """Cast rays that get nowhere into leaves."""
    return cast(spec, rays, found, np.zeros(spec.columns * spec.rings))


def tried(spec: LidarSpec, rays: Rays, found: Bodies) -> Array:
    """Nearest range by trying every ray with every body, one formula a shape."""
    best = np.full(spec.columns * spec.rings, np.inf)
    for row in range(len(found)):
        shares = rays.shares[:, None]
        pose = found.starts[row] + (found.ends[row] - found.starts[row]) * shares
        turn = np.zeros((spec.columns, 3, 3))
        turn[:, 0, 0] = turn[:, 1, 1] = np.cos(pose[:, 3])
        turn[:, 0, 1] = np.sin(pose[:, 3])
        turn[:, 1, 0] = -turn[:, 0, 1]
        turn[:, 2, 2] = 1.0
        origin = np.einsum("cij,cj->ci", turn, rays.origins - pose[:, :3])
        way = np.einsum("cij,crj->cri", turn, rays.directions)
        half = found.halves[row]
        start = np.repeat(origin, spec.rings, axis=0)
        ranges = met(int(found.shapes[row]), start, way.reshape(-1, 3), half)
        ranges[(ranges < spec.least_range_m) | (ranges > spec.range_m)] = np.inf
        best = np.minimum(best, ranges)
    return best


def met(shape: int, start: Array, way: Array, half: Array) -> Array:
    """Range at which rays enter one body, infinity where they do not."""
    with np.errstate(divide="ignore", invalid="ignore"):
        slabs = np.sort(np.stack([(side * half - start) / way for side in (-1.0, 1.0)]), axis=0)
        if shape == BOX:
            enter, leave = slabs[0].max(axis=1), slabs[1].min(axis=1)
        else:
            axes = 2 if shape == CYLINDER else 3
            origin, step = start[:, :axes] / half[:axes], way[:, :axes] / half[:axes]
            square, cross = (step**2).sum(1), (origin * step).sum(1)
            root = np.sqrt(cross**2 - square * ((origin**2).sum(1) - 1.0))
            enter, leave = (-cross - root) / square, (-cross + root) / square
            if shape == CYLINDER:
                enter, leave = np.maximum(enter, slabs[0, :, 2]), np.minimum(leave, slabs[1, :, 2])
        return np.where((enter <= leave) & (enter > 0.0), enter, np.inf)


number = st.floats(-1.0, 1.0)
body_facts = st.tuples(
    st.sampled_from([BOX, CYLINDER, ELLIPSOID]),
    st.fixed_dictionaries(
        {
            "at": st.tuples(number, number, number),
            "moved": st.tuples(number, number, number, number),
            "halves": st.tuples(*[st.floats(0.02, 1.0)] * 3),
        }
    ),
    st.floats(-pi, pi),
)


@given(
    facts=st.lists(body_facts, min_size=0, max_size=4),
    motion=st.tuples(number, number, number, number),
    tilt=st.tuples(number, number),
    mounted=st.tuples(number, number, number),
)
@settings(deadline=None, max_examples=100)
def test_narrowing_leaves_out_nothing_that_a_ray_meets(
    facts: list[tuple[int, dict[str, tuple[float, ...]], float]],
    motion: tuple[float, ...],
    tilt: tuple[float, ...],
    mounted: tuple[float, ...],
) -> None:
    """Any bodies, motions and tilts: the same hits as trying every ray with every body."""
    rows: list[dict[str, object]] = []
    for shape, fact, yaw in facts:
        x, y, z = fact["at"]
        start = np.array([60.0 * x, 60.0 * y, 5.0 * z, yaw])
        moved = np.array(fact["moved"]) * (4.0, 4.0, 0.3, 0.2)
        long, wide, high = fact["halves"]
        # A cylinder's footprint is a circle, as everything that makes them says.
        halves = (12.0 * long, (12.0 * long if shape == CYLINDER else 4.0 * wide), 6 * high)
        rows.append({"shape": shape, "start": start, "end": start + moved, "halves": halves})
    begin = ego(
        x_m=-4.0 * motion[0], y_m=motion[1], pitch_rad=0.1 * tilt[0], roll_rad=0.06 * tilt[1]
    )
    end = ego(
        yaw_rad=0.08 * motion[2],
        pitch_rad=0.1 * tilt[0] + 0.02 * motion[3],
        roll_rad=0.06 * tilt[1],
    )
    spec = LidarSpec(
        columns=SPEC.columns,
        elevations_rad=SPEC.elevations_rad,
        mounting=Mounting(
            x_m=2.0 * mounted[0],
            y_m=0.0,
            z_m=1.9,
            yaw_rad=3.0 * mounted[1],
            pitch_rad=0.3 * mounted[2],
        ),
    )
    rays = rays_of(spec, begin, end)
    found = bodies(*rows)
    hits = thrown(spec, rays, found)
    ranges = tried(spec, rays, found)
    known = np.isfinite(ranges)
    # A ray along an edge may be judged either way by rounding.
    edges = known != np.isfinite(hits.ranges_m)
    assert edges.mean() < 0.002
    same = known & ~edges
    np.testing.assert_allclose(hits.ranges_m[same], ranges[same], atol=1e-3)


@pytest.mark.parametrize("shape", [BOX, CYLINDER, ELLIPSOID])
def test_a_body_ahead_is_met_head_on(shape: int) -> None:
    """The level ray straight ahead meets it at distance less half length, at a right angle."""
    spec = LidarSpec(
        columns=101, elevations_rad=(-0.1, 0.0, 0.1), mounting=Mounting(x_m=0, y_m=0, z_m=0)
    )
    place = np.array([10.0, 0.0, 0.0, 0.0])
    row = {"shape": shape, "start": place, "end": place, "halves": (2.0, 2.0, 2.0)}
    hits = thrown(spec, rays_of(spec, ego(), ego()), bodies(row))
    straight = 50 * spec.rings + 1
    assert hits.ranges_m[straight] == pytest.approx(8.0, abs=1e-9)
    assert hits.normals[straight] == pytest.approx(1.0, abs=1e-9)
    assert hits.sides[straight] == (0 if shape == BOX else -1)
    assert hits.bodies[straight] == 0
    assert np.isinf(hits.ranges_m[:3]).all(), "nothing is behind"


def test_a_sphere_is_met_on_its_surface_at_the_angle_of_its_normal() -> None:
    """Range and cosine of every hit are those of the sphere."""
    spec = LidarSpec(columns=720, mounting=Mounting(x_m=0, y_m=0, z_m=0))
    middle = np.array([6.0, -5.0, 0.5])
    place = np.append(middle, 0.3)
    row = {"shape": ELLIPSOID, "start": place, "end": place, "halves": (1.5, 1.5, 1.5)}
    rays = rays_of(spec, ego(), ego())
    hits = thrown(spec, rays, bodies(row))
    hit = np.flatnonzero(hits.bodies == 0)
    assert len(hit) > 100
    ways = rays.directions.reshape(-1, 3)[hit]
    points = ways * hits.ranges_m[hit, None]
    np.testing.assert_allclose(np.linalg.norm(points - middle, axis=1), 1.5, atol=1e-9)
    normals = (points - middle) / 1.5
    np.testing.assert_allclose(-(ways * normals).sum(axis=1), hits.normals[hit], atol=1e-6)


def test_a_body_around_the_sensor_hides_nothing() -> None:
    """A ray that begins inside a body has no surface of it to meet."""
    spec = LidarSpec(columns=64)
    here, there = np.array([0.0, 0.0, 1.9, 0.0]), np.array([20.0, 0.0, 1.9, 0.0])
    around = {"shape": BOX, "start": here, "end": here, "halves": (3.0, 3.0, 3.0)}
    wall = {"shape": BOX, "start": there, "end": there, "halves": (1.0, 9.0, 3.0)}
    hits = thrown(spec, rays_of(spec, ego(), ego()), bodies(around, wall))
    assert (hits.bodies == 1).sum() > 20
    assert (hits.bodies == 0).sum() == 0
