"""One picture of the world as a camera sees it, and who covers which of its pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sensors.synthetic.canvas import Canvas
from sensors.synthetic.daylight import daylight_of
from sensors.synthetic.land import Land
from sensors.synthetic.markings import paint_crossings
from sensors.synthetic.roofs import airs_of
from sensors.synthetic.shadows import shade_cast, shade_under
from sensors.synthetic.standing import Standing
from sensors.synthetic.surface import course_place
from sensors.synthetic.view import Lens
from sensors.synthetic.weather import Sensor, bloom, spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.calibration import Calibration
    from sensors.synthetic.moment import Moment
    from sensors.synthetic.standing import Sighting
    from sensors.synthetic.surface import Footing
    from sensors.synthetic.world import World

_CASTING = ("building", "tree", "wall", "bush")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a camera sees at one instant.

    Attributes:
        image: Shape (height, width, 3), uint8, blue, green, red; None if not asked for.
        owners: Shape (height, width), uint16, see `Canvas`; None if not asked for.
        marked: Share of lane marking of each pixel of the ground, 0 to 255, shape of `footing`'s
            arrays; None if owners were not asked for.
        footing: Which place of the ground each pixel sees.
        sightings: Movers that are at least partly before the camera.
        lens: The camera.
    """

    image: NDArray[np.uint8] | None
    owners: NDArray[np.uint16] | None
    marked: NDArray[np.uint8] | None
    footing: Footing
    sightings: tuple[Sighting, ...]
    lens: Lens


class Artist:
    """Paints moments of one world for one camera; owns what can be drawn once and for all."""

    def __init__(self, world: World, calibration: Calibration, *, camera: str) -> None:
        """Draw sky, road, plants and noise for a camera.

        Args:
            world: The world.
            calibration: The camera; with intrinsics.
            camera: Its name among the cameras, which keys its noise.
        """
        intrinsics = calibration.intrinsics
        assert intrinsics is not None, "a camera has intrinsics"  # noqa: S101 - our invariant
        self._world, self._calibration = world, calibration
        self._daylight = daylight_of(world.parameters, seed=world.seed)
        self._dusk = world.parameters.light == "dusk"
        self._aside = abs(math.sin(calibration.mounting.yaw_rad)) > 0.5  # noqa: PLR2004
        self._land = Land(world, calibration, self._daylight)
        self._standing = Standing(world, self._daylight)
        self._sensor = Sensor(
            seed=world.seed,
            camera=camera,
            width=intrinsics.width,
            height=intrinsics.height,
            noise=self._daylight.noise,
            rain=self._daylight.rain,
        )

    def see(
        self, moment: Moment, *, frame: int = 0, picture: bool = True, truth: bool = False
    ) -> Sight:
        """Return what the camera sees.

        Args:
            moment: The world.
            frame: Number of the frame, which keys its noise.
            picture: Whether the picture is wanted.
            truth: Whether it is wanted who covers which pixel.
        """
        lens = Lens(self._calibration, moment.ego)
        camera = lens.camera
        shape = (camera.height, camera.width)
        place_m = course_place(self._world.course, lens)
        airs = airs_of(self._world, self._daylight.air(), place_m)
        canvas = Canvas(
            lens=lens,
            air=airs.outside,
            image=np.empty((*shape, 3), np.uint8) if picture else None,
            owners=np.zeros(shape, np.uint16),
        )
        footing = self._land.footing(lens, place_m=place_m)
        ground = self._land.grounding(footing, speed_mps=moment.ego.speed_mps)
        if picture:
            self._land.paint(canvas, footing, ground, airs)
            paint_crossings(canvas, self._world, place_m)
            self._paint_shadows(canvas, moment)
        sightings = self._standing.paint(canvas, moment, airs, place_m)
        image = canvas.image
        if image is not None:
            image = self._finish(canvas, moment, frame)
        return Sight(
            image=image,
            owners=canvas.owners if truth else None,
            marked=self._land.marked(footing, ground) if truth else None,
            footing=footing,
            sightings=sightings,
            lens=lens,
        )

    def _paint_shadows(self, canvas: Canvas, moment: Moment) -> None:
        image, light = canvas.image, self._daylight
        assert image is not None, "painted only where there is a picture"  # noqa: S101
        mask = np.zeros(image.shape[:2], np.uint8)
        cast = light.shadow > 0.15 and not moment.covered  # noqa: PLR2004 - else too faint to see
        if cast:
            solids = [s for s in moment.solids if s.kind in _CASTING]
            throw = (-light.sun[0] / light.sun[2], -light.sun[1] / light.sun[2])
            shade_cast(mask, canvas, [*solids, *moment.movers], throw, light.shadow)
        shade_under(mask, canvas, moment.movers, min(0.75, light.shadow + 0.3))
        if not mask.any():
            return
        soft = cv2.blur(mask, (5, 3))
        kept = cv2.cvtColor(255 - soft, cv2.COLOR_GRAY2BGR)
        cv2.multiply(image, kept, dst=image, scale=1 / 255)

    def _finish(self, canvas: Canvas, moment: Moment, frame: int) -> NDArray[np.uint8]:
        """Return the picture after lights, blur, rain and noise."""
        image, light = canvas.image, self._daylight
        assert image is not None, "finished only where there is a picture"  # noqa: S101
        if self._aside:
            moved_px = canvas.lens.camera.focal_x_px * moment.ego.speed_mps * light.exposure_s / 9.0
            image = spread(image, along_px=moved_px)
        image = cv2.GaussianBlur(image, (3, 3), 0.55).astype(np.uint8, copy=False)
        dark = self._dusk or moment.covered
        bloom(image, canvas.shining(), strength=0.9 if dark else 0.4, wet=light.rain)
        return self._sensor.expose(image, frame=frame, at_ns=moment.at_ns)
