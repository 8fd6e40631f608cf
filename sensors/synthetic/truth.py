"""What is true of one camera picture: boxes, masks, and where things go next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sensors.labels import LABEL_CLASSES, FrameLabels, LabelMasks, Labels2D, Labels3D
from sensors.synthetic.layout import SIDE_HALF_M
from sensors.synthetic.lidar_truth import futures_of, to_ego

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.synthetic.moment import Moment
    from sensors.synthetic.picture import Sight
    from sensors.synthetic.standing import Sighting
    from sensors.synthetic.world import World

LEAST_HEIGHT_PX, LEAST_WIDTH_PX = 6.0, 4.0
LEAST_HEIGHT_SHARE = 1 / 32
"""What is smaller in the picture is labelled to be ignored: in pixels, and as a share of the
picture's height, so that the same drive at another resolution asks for the same objects. It is half
of what the hardest level of KITTI's benchmark asks for, 25 pixels of 375 (Geiger et al., 2012)."""

LEAST_VISIBLE = 0.15
"""What shows less of itself is labelled to be ignored."""

MASKS = ("drivable", "lane")
"""Names of the masks: road that vehicles may use, and markings on it."""

_LEAST_PIXELS = 2  # what shows less is not labelled at all
_LEAST_MARKED = 90  # of 255: a pixel is marking if this much of what it sees is


def labels_of(
    sight: Sight, world: World, moment: Moment, *, stream: str, index: int
) -> FrameLabels:
    """Return the labels of a picture.

    Args:
        sight: What the camera sees, with owners.
        world: The world, for what comes next.
        moment: The instant of the picture.
        stream: Name of the stream.
        index: Number of the frame.
    """
    owners = sight.owners
    assert owners is not None, "labels need to know who covers which pixel"  # noqa: S101
    shown = np.bincount(owners.ravel(), minlength=len(sight.sightings) + 1)
    found = [one for one in sight.sightings if shown[one.owner] >= _LEAST_PIXELS]
    found.sort(key=lambda one: one.mover.track)
    boxes = _boxes(found, shown, owners.shape)
    tracks = boxes.tracks
    return FrameLabels(
        stream=stream,
        index=index,
        stamp_ns=moment.at_ns,
        boxes=boxes,
        boxes_3d=_boxes_3d(found, moment, boxes.classes),
        masks=LabelMasks(names=MASKS, masks=_masks(sight, world, owners)),
        futures=futures_of(world, moment.ego, moment.at_ns, tracks),
    )


def _boxes(found: list[Sighting], shown: NDArray[np.int64], shape: tuple[int, ...]) -> Labels2D:
    count = len(found)
    whole = np.array([one.seen[:4] for one in found], np.float64).reshape(count, 4)
    height, width = shape
    limits = np.array([width - 1, height - 1, width - 1, height - 1], np.float64)
    cut = np.clip(whole, 0.0, limits)
    sizes, cut_sizes = whole[:, 2:] - whole[:, :2], cut[:, 2:] - cut[:, :2]
    area, cut_area = sizes.prod(axis=1), cut_sizes.prod(axis=1)
    visibility = np.array(
        [min(1.0, shown[one.owner] / max(one.pixels, 1)) for one in found], np.float64
    )
    kinds = np.array([LABEL_CLASSES.index(one.mover.kind) for one in found], np.int64)
    ignored = (
        (cut_sizes[:, 0] < LEAST_WIDTH_PX)
        | (cut_sizes[:, 1] < max(LEAST_HEIGHT_PX, LEAST_HEIGHT_SHARE * height))
        | (visibility < LEAST_VISIBLE)
    )
    return Labels2D(
        names=LABEL_CLASSES,
        tracks=np.array([one.mover.track for one in found], np.int64),
        classes=np.where(ignored, -1, kinds),
        xyxy=cut.astype(np.float32),
        visibility=visibility.astype(np.float32),
        truncation=np.clip(1.0 - cut_area / np.maximum(area, 1e-9), 0.0, 1.0).astype(np.float32),
        distances_m=np.array([one.distance_m for one in found], np.float32),
    )


def _boxes_3d(found: list[Sighting], moment: Moment, classes: NDArray[np.int64]) -> Labels3D:
    ego, movers = moment.ego, [one.mover for one in found]
    middles = np.array([(m.x_m, m.y_m, m.z_m + 0.5 * m.height_m) for m in movers])
    yaws = np.array([mover.yaw_rad for mover in movers]) - ego.yaw_rad
    speeds = np.array([mover.speed_mps for mover in movers])
    level = np.stack([speeds * np.cos(yaws), speeds * np.sin(yaws)], axis=1)
    sizes = np.array([(m.length_m, m.width_m, m.height_m) for m in movers], np.float32)
    return Labels3D(
        names=LABEL_CLASSES,
        tracks=np.array([mover.track for mover in movers], np.int64),
        classes=classes,
        centres_m=to_ego(ego, middles.reshape(-1, 3)).astype(np.float32),
        sizes_m=sizes.reshape(-1, 3),
        yaws_rad=((yaws + np.pi) % (2.0 * np.pi) - np.pi).astype(np.float32),
        velocities_mps=level.astype(np.float32),
        points=np.full(len(movers), -1, np.int64),
    )


def _masks(sight: Sight, world: World, owners: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Return drivable ground and lane markings that nothing covers, shape (2, height, width)."""
    footing, layout, marked = sight.footing, world.layout, sight.marked
    assert marked is not None, "labels need to know what is marked"  # noqa: S101
    masks = np.zeros((len(MASKS), *owners.shape), np.bool_)
    top = footing.top
    free = footing.hit & (owners[top:] == 0)
    half = np.float32(layout.road_half_m)
    road = np.abs(footing.d_m) < half
    inner = layout.strips[0]
    if not layout.street:
        road &= np.abs(footing.d_m) > np.float32(inner.to_m)
    lines = marked >= _LEAST_MARKED
    low, high = footing.base_m, footing.base_m + float(footing.s_m[footing.hit].max(initial=0.0))
    for crossing in world.crossings.between(low - 20.0, high + 20.0):
        at = np.float32(crossing.s_m - footing.base_m)
        if crossing.junction:
            road |= np.abs(footing.s_m - at) < np.float32(SIDE_HALF_M)
        first, last = crossing.first_m - footing.base_m, crossing.last_m - footing.base_m
        lines &= (footing.s_m < np.float32(first)) | (footing.s_m > np.float32(last))
    masks[0, top:] = road & free
    masks[1, top:] = lines & free
    return masks
