"""One picture of the world, as a camera of the own vehicle sees it."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sensors.synthetic.backdrop import Backdrop, daylight_of
from sensors.synthetic.camera import Painter, front_camera
from sensors.synthetic.draws import uniforms
from sensors.synthetic.shapes import paint_shadow, paint_thing, paint_vehicle
from sensors.synthetic.sprites import draw_sprites, put
from sensors.synthetic.view import VIEWS, View
from sensors.synthetic.world import VIEW_M, Vehicle

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.synthetic.camera import Point
    from sensors.synthetic.scenes import Line, PaintKind, Scene
    from sensors.synthetic.world import Moment, Paint, Road, Thing

_FAR_M = 420.0
_SAMPLES = 15
_PAINTS: dict[PaintKind, Paint] = {
    "asphalt": (112, 110, 108),
    "gravel": (118, 134, 142),
    "kerb": (172, 174, 174),
    "pavement": (146, 150, 154),
    "verge": (76, 122, 108),
    "seam": (92, 90, 89),
}
_WHITE: Paint = (232, 234, 234)
_YELLOW: Paint = (70, 190, 226)
_WIDEST_M = 16.0  # half of the widest thing, to the corner
_DASHES_TO_M = 150.0
_ACROSS_M = (400.0, 160.0, 60.0, 25.0, 10.0)  # land seen from the side, in bands of one haze each
_NOISE_MARGIN = 64  # how far the sensor's noise may be shifted, pixels each way
_NOISE_LEVELS = 2.2  # its spread, of 255


class Artist:
    """Paints moments of one scene; owns what can be drawn once and for all."""

    def __init__(
        self, scene: Scene, *, seed: int, width: int, height: int, view: View = VIEWS["front"]
    ) -> None:
        """Draw backdrop, sprites and noise for a picture size.

        Args:
            scene: The scene; its cross-section is painted.
            seed: Seed of the drive.
            width: Pixels across.
            height: Pixels down.
            view: Where the camera looks.
        """
        self._scene, self._seed, self._view = scene, seed, view
        self._camera = front_camera(width=width, height=height)
        self._daylight = daylight_of(seed)
        self._air = self._daylight.air()
        self._backdrop = Backdrop(
            camera=self._camera, daylight=self._daylight, seed=seed, view=view
        )
        self._sprites = draw_sprites(seed=seed, leaf=self._daylight.grass)
        near_m = 0.9 * self._camera.depth_of_row_m(height)
        ratio = (_FAR_M / near_m) ** (1 / (_SAMPLES - 1))
        ahead_m = tuple(near_m * ratio**step for step in range(_SAMPLES))
        behind_m = tuple(-depth_m for depth_m in reversed(ahead_m))
        self._reach_m = (near_m, _DASHES_TO_M)  # from where to where dashes are painted
        self._depths_m = ahead_m
        if not view.ahead:
            rear = view.cosine < 0
            self._depths_m = behind_m if rear else (*behind_m, *ahead_m)
            self._reach_m = (-_DASHES_TO_M, -near_m if rear else _DASHES_TO_M)
        self._lighter, self._darker = _sensor_noise(seed, width, height)

    def paint(self, moment: Moment, *, frame: int) -> NDArray[np.uint8]:
        """Return the picture of a moment.

        Args:
            moment: The world.
            frame: Number of the frame, which keys its noise.

        Returns:
            Shape (height, width, 3), uint8, channels blue, green, red; owned by the caller.
        """
        camera = self._camera
        image = np.empty((camera.height, camera.width, 3), np.uint8)
        painter = Painter(image, camera=camera, air=self._air)
        road = moment.road
        image[:] = self._air.paint
        self._backdrop.sky(image, heading_rad=road.heading_rad())
        self._verges(painter, road)
        grain = self._backdrop.grain(along_m=road.along_m, aside_m=road.aside_m)
        self._backdrop.roughen(image, grain, strength=9.0)
        self._pavement(painter, road)
        self._backdrop.roughen(image, grain, strength=3.0)
        for vehicle in moment.vehicles:
            seen = vehicle if self._view.ahead else self._view.vehicle(vehicle)
            paint_shadow(painter, seen, opacity=self._daylight.shadow)
        self._things(painter, moment)
        image = cv2.GaussianBlur(image, (3, 3), 0.6).astype(np.uint8, copy=False)
        return self._with_noise(image, frame)

    def _edge(self, road: Road, aside_m: float, up_m: float = 0.0) -> list[Point]:
        """Return a line along the road."""
        line = [(x, aside_m + y, z + up_m) for x, y, z in _course(road, self._depths_m)]
        return line if self._view.ahead else [self._view.point(point) for point in line]

    def _verges(self, painter: Painter, road: Road) -> None:
        """Paint the land beside the road, mown in stripes that run across it."""
        grass = self._daylight.grass
        if not self._view.ahead:
            across_m = (*_ACROSS_M, 0.0, *(-aside_m for aside_m in reversed(_ACROSS_M)))
            edges = [self._edge(road, aside_m) for aside_m in across_m]
            for edge, other in pairwise(edges):
                painter.ribbon(edge, other, grass)
            return
        left, right = self._edge(road, 400.0), self._edge(road, -400.0)
        painter.ribbon(left[::-1], right[::-1], grass)
        stripe_m = 18.0
        start_m = -math.fmod(road.along_m, 2 * stripe_m)
        for number in range(10):
            near, far = start_m + 2 * stripe_m * number, start_m + stripe_m * (2 * number + 1)
            if far > self._depths_m[0]:
                corners = [self._at(road, *corner) for corner in _strip(near, far, 400.0, -400.0)]
                painter.face(corners, grass, shade=1.05)

    def _pavement(self, painter: Painter, road: Road) -> None:
        for band in self._scene.bands:
            left, right = self._edge(road, band.left_m), self._edge(road, band.right_m)
            paint = self._daylight.grass if band.paint == "verge" else _PAINTS[band.paint]
            painter.ribbon(left, right, paint)
        for line in self._scene.lines:
            self._marking(painter, road, line)

    def _marking(self, painter: Painter, road: Road, line: Line) -> None:
        paint, half = (_YELLOW if line.yellow else _WHITE), line.width_m / 2
        if line.dash_m == 0.0:
            left, right = self._edge(road, line.at_m + half), self._edge(road, line.at_m - half)
            painter.ribbon(left, right, paint)
            return
        start_m = -math.fmod(road.along_m, line.cycle_m)
        least_m, most_m = self._reach_m
        first = 0 if least_m > 0 else math.floor((least_m - start_m) / line.cycle_m)
        for number in range(first, math.ceil((most_m - start_m) / line.cycle_m)):
            near = start_m + number * line.cycle_m
            far = near + line.dash_m
            if far > least_m:
                edges = _strip(near, far, line.at_m + half, line.at_m - half)
                painter.face([self._at(road, *corner) for corner in edges], paint)

    def _at(self, road: Road, x_m: float, aside_m: float) -> Point:
        point = (x_m, aside_m + road.middle_m(x_m), road.ground_m(x_m))
        return point if self._view.ahead else self._view.point(point)

    def _seen(self, item: Vehicle | Thing) -> Vehicle | Thing:
        if self._view.ahead:
            return item
        return self._view.vehicle(item) if isinstance(item, Vehicle) else self._view.thing(item)

    def _things(self, painter: Painter, moment: Moment) -> None:
        """Paint what stands up, far to near; what is beyond the rail comes before the rail."""
        rail_m, road = self._scene.rail_m, moment.road
        standing: list[Vehicle | Thing] = [*moment.vehicles, *moment.things]
        inside = [
            rail_m is None or item.y_m - road.middle_m(item.x_m) <= rail_m for item in standing
        ]
        drawn = [*zip(map(self._seen, standing), inside, strict=True)]
        drawn.sort(key=lambda pair: -pair[0].x_m)
        if rail_m is not None:
            for item, within in drawn:
                if not within:
                    self._standing(painter, item)
            self._rail(painter, road, rail_m)
        for item, within in drawn:
            if within:
                self._standing(painter, item)

    def _standing(self, painter: Painter, item: Vehicle | Thing) -> None:
        if abs(item.y_m) > 0.6 * max(item.x_m, 0.0) + _WIDEST_M:
            return
        if isinstance(item, Vehicle):
            paint_vehicle(painter, item)
        elif item.kind in ("tree", "bush"):
            looks = self._sprites[item.kind]
            sprite = looks[int(item.look[0] * len(looks))]
            foot = (item.x_m, item.y_m, item.z_m - 0.1)
            put(painter, sprite, foot, item.height_m, light=0.85 + 0.3 * item.look[1])
        else:
            paint_thing(painter, item)

    def _rail(self, painter: Painter, road: Road, rail_m: float) -> None:
        start_m = -math.fmod(road.along_m, 4.0)
        for number in reversed(range(0 if self._view.ahead else -28, 28)):
            x_m = start_m + 4.0 * number
            if x_m > self._depths_m[0] / 2:
                foot = self._at(road, x_m, rail_m)
                for low, high, paint in ((0.0, 0.55, (118, 118, 116)),):
                    corners = [
                        (foot[0], foot[1] + 0.06, foot[2] + low),
                        (foot[0], foot[1] - 0.06, foot[2] + low),
                        (foot[0], foot[1] - 0.06, foot[2] + high),
                        (foot[0], foot[1] + 0.06, foot[2] + high),
                    ]
                    painter.face(corners, paint)
        for low, high, paint in ((0.45, 0.78, (176, 174, 172)), (0.57, 0.66, (136, 134, 132))):
            painter.ribbon(self._edge(road, rail_m, low), self._edge(road, rail_m, high), paint)

    def _with_noise(self, image: NDArray[np.uint8], frame: int) -> NDArray[np.uint8]:
        subject = (frame,) if self._view.ahead else (frame, self._view.number)
        across, down = uniforms(self._seed, "noise", *subject, count=2)
        left, top = int(across * _NOISE_MARGIN), int(down * _NOISE_MARGIN)
        rows = slice(top, top + image.shape[0])
        columns = slice(left, left + image.shape[1])
        cv2.add(image, self._lighter[rows, columns], dst=image)
        cv2.subtract(image, self._darker[rows, columns], dst=image)
        return image


@lru_cache(maxsize=2)
def _course(road: Road, depths_m: tuple[float, ...]) -> tuple[Point, ...]:
    """Return the middle of the own lane at several distances; one picture asks for it often."""
    return tuple((x, road.middle_m(x), road.ground_m(x)) for x in depths_m)


def _strip(near: float, far: float, left: float, right: float) -> tuple[tuple[float, float], ...]:
    return ((near, left), (near, right), (far, right), (far, left))


def _sensor_noise(
    seed: int, width: int, height: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return what noise adds and what it takes, shapes (height + m, width + m, 3), uint8."""
    source = np.random.Generator(np.random.Philox(key=[seed & (2**64 - 1), 0x5E5]))
    shape = (height + _NOISE_MARGIN, width + _NOISE_MARGIN, 3)
    levels = np.rint(source.standard_normal(shape, dtype=np.float32) * _NOISE_LEVELS)
    return np.maximum(levels, 0).astype(np.uint8), np.maximum(-levels, 0).astype(np.uint8)


assert VIEW_M < _FAR_M  # noqa: S101 - the road reaches beyond everything on it
