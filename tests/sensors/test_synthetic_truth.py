"""Labels of the synthetic cameras against geometry that the tests do themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from sensors.calibration import Mounting
from sensors.labels import LABEL_CLASSES
from sensors.synthetic import SCENES, VIEWS, SyntheticDrive, make_world
from sensors.synthetic.moment import MATERIALS
from sensors.synthetic.picture import Artist
from sensors.synthetic.truth import LEAST_VISIBLE
from sensors.synthetic.view import camera_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sensors.calibration import Calibration
    from sensors.labels import FrameLabels, Labels2D, Labels3D
    from sensors.synthetic import World
    from sensors.synthetic.moment import EgoState

S = 10**9
SIZE = (320, 192)


def drive_of(scene: str, camera: str = "front", *, seed: int = 3) -> SyntheticDrive:
    """Return a drive of half a minute, five frames a second."""
    return SyntheticDrive(
        scene,
        seed=seed,
        length_ns=30 * S,
        period_ns=S // 5,
        width=SIZE[0],
        height=SIZE[1],
        stream=camera,
        camera=camera,
    )


def labels_of(drive: SyntheticDrive, *, every: int = 25) -> Iterator[FrameLabels]:
    """Yield the labels of some frames."""
    with drive:
        for at_ns in drive.stamps()[::every]:
            yield next(drive.labels(start_ns=at_ns))


def corners_of(boxes: Labels3D, number: int) -> NDArray[np.float64]:
    """Return the corners of a box in space, ego frame, shape (8, 3)."""
    cos, sin = np.cos(boxes.yaws_rad[number]), np.sin(boxes.yaws_rad[number])
    unit = np.array([(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    local = unit * boxes.sizes_m[number]
    turned = np.stack(
        [local[:, 0] * cos - local[:, 1] * sin, local[:, 0] * sin + local[:, 1] * cos, local[:, 2]],
        axis=1,
    )
    return np.asarray(turned + boxes.centres_m[number], np.float64)


def both(labels: FrameLabels) -> tuple[Labels2D, Labels3D]:
    """Return the boxes, which have one row for each object."""
    assert labels.boxes is not None
    assert labels.boxes_3d is not None
    assert np.array_equal(labels.boxes.tracks, labels.boxes_3d.tracks)
    return labels.boxes, labels.boxes_3d


@pytest.mark.parametrize(
    ("scene", "camera"),
    [*(("intersection", camera) for camera in sorted(VIEWS)), ("highway", "front")],
)
def test_boxes_are_where_the_boxes_in_space_project(scene: str, camera: str) -> None:
    """A box in the picture fills most of its projected box in space and stays inside it."""
    compared = 0
    drive = drive_of(scene, camera)
    calibration = drive.calibration()
    assert calibration.intrinsics is not None
    for labels in labels_of(drive, every=25 if camera in ("front", "rear") else 4):
        boxes, space = both(labels)
        for number in range(len(boxes)):
            seen = calibration.mounting.to_camera(corners_of(space, number))
            height = boxes.xyxy[number, 3] - boxes.xyxy[number, 1]
            if seen[:, 2].min() < 1.0 or height < 12 or boxes.truncation[number] > 0:
                continue
            pixels = calibration.intrinsics.project(seen)
            low, high = pixels.min(axis=0), pixels.max(axis=0)
            left, top, right, bottom = boxes.xyxy[number]
            # Mirrors, swinging arms and turned wheels reach a little further.
            margin = 2.5 + 0.12 * max(right - left, bottom - top)
            assert left > low[0] - margin
            assert top > low[1] - margin
            assert right < high[0] + margin
            assert bottom < high[1] + margin
            assert (bottom - top) > 0.75 * (high[1] - low[1])
            compared += 1
    assert compared >= (5 if camera in ("front", "rear") else 1)


@pytest.mark.parametrize("scene", sorted(SCENES))
def test_labels_keep_their_promises(scene: str) -> None:
    """Ranges, the picture's edge, one track each, and -1 for what hardly shows."""
    classes: set[int] = set()
    for camera in ("front", "rear"):
        for labels in labels_of(drive_of(scene, camera)):
            boxes, space = both(labels)
            assert boxes.names == LABEL_CLASSES
            assert len(set(boxes.tracks.tolist())) == len(boxes)
            assert (boxes.xyxy[:, :2] >= 0).all()
            assert (boxes.xyxy[:, 2] <= SIZE[0] - 1).all()
            assert (boxes.xyxy[:, 3] <= SIZE[1] - 1).all()
            assert (boxes.xyxy[:, 2:] >= boxes.xyxy[:, :2]).all()
            assert ((boxes.visibility > 0) & (boxes.visibility <= 1)).all()
            assert ((boxes.truncation >= 0) & (boxes.truncation <= 1)).all()
            assert (boxes.classes[boxes.visibility < LEAST_VISIBLE] == -1).all()
            heights = boxes.xyxy[:, 3] - boxes.xyxy[:, 1]
            assert (boxes.classes[heights < 6] == -1).all()
            assert np.array_equal(boxes.classes, space.classes)
            assert (space.points == -1).all()
            kept = boxes.classes >= 0
            mounting = VIEWS[camera]
            away = space.centres_m[kept] - (mounting.x_m, mounting.y_m, mounting.z_m)
            assert np.allclose(np.linalg.norm(away, axis=1), boxes.distances_m[kept], atol=0.2)
            classes |= set(boxes.classes.tolist())
    if scene in ("urban", "intersection"):
        assert {0, 3, 4} <= classes
    assert 0 in classes


def test_what_a_truck_hides_is_hidden() -> None:
    """The pixels that the owners count are those of the nearest; hidden ones lose visibility."""
    world = make_world("highway", seed=3, traffic_per_km=40.0)
    artist = Artist(world, camera_of("front", stream="f", width=320, height=192), camera="front")
    hidden = 0
    for second in range(0, 40, 4):
        sight = artist.see(world.at(second * S), picture=False, truth=True)
        assert sight.image is None
        assert sight.owners is not None
        for one in sight.sightings:
            shown = int((sight.owners == one.owner).sum())
            assert shown <= one.pixels
            if one.pixels > 60 and shown < 0.5 * one.pixels:
                hidden += 1
                nearer = [o for o in sight.sightings if o.distance_m < one.distance_m]
                assert any(
                    o.seen.left < one.seen.right and o.seen.right > one.seen.left for o in nearer
                ) or _solid_before(sight.owners, one.seen.left, one.seen.right)
    assert hidden > 3


def _solid_before(owners: NDArray[np.uint16], left: float, right: float) -> bool:
    return bool((owners[:, max(0, int(left)) : int(right) + 1] == np.uint16(65535)).any())


def ground_under(
    world: World, ego: EgoState, calibration: Calibration, pixels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return x, y and whether a pixel's ray meets the ground within 60 m; by walking along it."""
    camera, mounting = calibration.intrinsics, calibration.mounting
    assert camera is not None
    stands = Mounting(
        x_m=ego.x_m, y_m=ego.y_m, z_m=ego.z_m, yaw_rad=ego.yaw_rad, pitch_rad=ego.pitch_rad
    )
    rays = np.stack(
        [
            np.ones(len(pixels)),
            -(pixels[:, 0] - camera.centre_x_px) / camera.focal_x_px,
            -(pixels[:, 1] - camera.centre_y_px) / camera.focal_y_px,
        ],
        axis=1,
    )
    start = stands.to_ego(np.array([[mounting.x_m, mounting.y_m, mounting.z_m]]))[0]
    rays = rays @ (stands.rotation() @ mounting.rotation()).T
    low, high = np.full(len(rays), 0.5), np.full(len(rays), 60.0)

    def above(reach: NDArray[np.float64]) -> NDArray[np.bool_]:
        at = start + rays * reach[:, None]
        return np.asarray(at[:, 2] > world.ground.heights_m(at[:, 0], at[:, 1]))

    meets = ~above(high)
    for _ in range(40):
        middle = 0.5 * (low + high)
        over = above(middle)
        low, high = np.where(over, middle, low), np.where(over, high, middle)
    at = start + rays * low[:, None]
    return at[:, 0], at[:, 1], meets


@pytest.mark.parametrize("camera", ["front", "left", "rear"])
@pytest.mark.parametrize("scene", sorted(SCENES))
def test_masks_are_what_the_ground_is_made_of(scene: str, camera: str) -> None:
    """Uncovered ground is drivable where it is asphalt or paint; lanes are paint."""
    world = make_world(scene, seed=3)
    calibration = camera_of(camera, stream="c", width=SIZE[0], height=SIZE[1])
    drive = drive_of(scene, camera)
    for at_ns in (2 * S, 16 * S):
        moment = world.at(at_ns)
        with drive:
            labels = next(drive.labels(start_ns=at_ns))
        sight = Artist(world, calibration, camera=camera).see(moment, picture=False, truth=True)
        assert sight.owners is not None
        assert labels.masks is not None
        drivable, lane = labels.masks.masks
        rows, columns = np.mgrid[4 : SIZE[1] : 5, 2 : SIZE[0] : 5]
        pixels = np.stack([columns.ravel(), rows.ravel()], axis=1)
        x_m, y_m, meets = ground_under(world, moment.ego, calibration, pixels)
        free = (sight.owners[pixels[:, 1], pixels[:, 0]] == 0) & meets
        assert free.sum() > 20
        kinds = world.ground.materials(x_m, y_m)
        road = np.isin(kinds, [MATERIALS.index("asphalt"), MATERIALS.index("marking")])
        said = drivable[pixels[:, 1], pixels[:, 0]]
        assert (said[free] == road[free]).mean() > 0.985
        assert not said[~free & meets].any()
        painted = lane[pixels[:, 1], pixels[:, 0]] & free
        # A marked pixel sees paint, if not in its middle then within a pixel's width of it.
        near = np.zeros(len(pixels), np.bool_)
        for step in (-0.15, 0.0, 0.15):
            s_m, d_m = world.course.places(x_m, y_m)
            near |= world.ground.materials_at(s_m, d_m + step) == MATERIALS.index("marking")
        if painted.any():
            assert near[painted].mean() > 0.85


def test_covered_ground_is_in_no_mask() -> None:
    """Masks end where something stands before the road."""
    world = make_world("urban", seed=3)
    artist = Artist(world, camera_of("front", stream="f", width=320, height=192), camera="front")
    sight = artist.see(world.at(5 * S), picture=False, truth=True)
    with drive_of("urban") as drive:
        labels = next(drive.labels(start_ns=5 * S))
    assert labels.masks is not None
    assert sight.owners is not None
    assert not (labels.masks.masks & (sight.owners != 0)).any()
    assert labels.masks.masks[0].mean() > 0.15
    assert labels.masks.masks[1].sum() > 50


def test_futures_are_where_the_world_goes() -> None:
    """Three seconds in steps of half a second, in the frame of the labelled instant."""
    world = make_world("intersection", seed=3)
    labels = next(labels_of(drive_of("intersection"), every=30))
    boxes, space = both(labels)
    futures = labels.futures
    assert futures is not None
    assert np.array_equal(futures.tracks, boxes.tracks)
    assert futures.step_ns == S // 2
    assert futures.positions_m.shape == (len(boxes), 6, 2)
    ego = world.ego(labels.stamp_ns)
    stands = Mounting(
        x_m=ego.x_m, y_m=ego.y_m, z_m=ego.z_m, yaw_rad=ego.yaw_rad, pitch_rad=ego.pitch_rad
    )
    checked = 0
    for step in range(6):
        then = world.movers(labels.stamp_ns + (step + 1) * S // 2, tuple(boxes.tracks.tolist()))
        for number, track in enumerate(boxes.tracks.tolist()):
            assert futures.valid[number, step] == (track in then)
            if track in then:
                mover = then[track]
                at = stands.to_sensor(np.array([[mover.x_m, mover.y_m, mover.z_m]]))[0]
                assert np.allclose(futures.positions_m[number, step], at[:2], atol=0.01)
                checked += 1
    assert checked > 20
    assert np.isfinite(space.velocities_mps).all()


def test_calibrations_name_the_camera() -> None:
    """Each camera looks where its name says, at any size."""
    for camera, yaw in (("front", 0.0), ("left", 90.0), ("right", -90.0), ("rear", 180.0)):
        calibration = drive_of("highway", camera).calibration()
        assert calibration.stream == camera
        assert abs(np.degrees(calibration.mounting.yaw_rad) - yaw) < 1e-9
        assert calibration.intrinsics is not None
        assert (calibration.intrinsics.width, calibration.intrinsics.height) == SIZE
