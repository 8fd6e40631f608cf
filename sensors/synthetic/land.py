"""Sky and bare ground of one camera's pictures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sensors.synthetic.asphalt import road_texture
from sensors.synthetic.sky import Sky
from sensors.synthetic.surface import Surface, ground_on

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.calibration import Calibration
    from sensors.synthetic.canvas import Canvas
    from sensors.synthetic.daylight import Daylight
    from sensors.synthetic.roofs import Airs
    from sensors.synthetic.surface import Footing, Grounding
    from sensors.synthetic.view import Lens
    from sensors.synthetic.world import World


class Land:
    """What is painted first; owns the panorama and the road's texture."""

    def __init__(self, world: World, calibration: Calibration, daylight: Daylight) -> None:
        """Draw both for a camera with intrinsics."""
        camera, mounting = calibration.intrinsics, calibration.mounting
        assert camera is not None, "a camera has intrinsics"  # noqa: S101 - our invariant
        self._daylight, self._tunnels = daylight, world.tunnels
        self._height_m, self._focal_px = mounting.z_m, camera.focal_x_px
        self._aside = abs(math.sin(mounting.yaw_rad)) > 0.5  # noqa: PLR2004 - looks across the road
        self._headlit = world.parameters.light == "dusk" and math.cos(mounting.yaw_rad) > 0.5  # noqa: PLR2004
        self._sky = Sky(camera=camera, daylight=daylight, seed=world.seed)
        self._surface = Surface(camera=camera, course=world.course)
        self._road = road_texture(world.layout, daylight, world.seed)

    def footing(self, lens: Lens, *, place_m: float) -> Footing:
        """Return which place of the ground each pixel sees, from a place of the road."""
        return self._surface.footing(lens, place_m=place_m)

    def grounding(self, footing: Footing, *, speed_mps: float) -> Grounding:
        """Return where on the road's texture that is, as sharp as the own speed leaves it."""
        return ground_on(
            footing,
            focal_px=self._focal_px,
            aside=self._aside,
            blur_m=self._daylight.exposure_s * speed_mps,
            height_m=self._height_m,
        )

    def marked(self, footing: Footing, ground: Grounding) -> NDArray[np.uint8]:
        """Return how much of what each pixel sees is marking, 0 to 255."""
        return ground.look_up(self._road.marks, footing.s_m.shape)

    def paint(self, canvas: Canvas, footing: Footing, ground: Grounding, airs: Airs) -> None:
        """Paint sky and ground."""
        image, lens = canvas.image, canvas.lens
        assert image is not None, "painted only where there is a picture"  # noqa: S101
        top, light, air = footing.top, self._daylight, airs.outside
        rows, width = footing.s_m.shape
        missed = ~footing.hit.all(axis=1)
        mixed = int(np.flatnonzero(missed).max(initial=-1)) + 1
        self._sky.paint(image, lens, rows=top + mixed)
        if airs.gain != 1.0:
            sky = image[: top + mixed]
            cv2.convertScaleAbs(sky, dst=sky, alpha=airs.gain)
        clear = np.exp(-footing.depths_m / air.sight_m)
        gain = air.light * clear
        fog = np.array(air.paint) * (1.0 - clear)[:, None]
        if light.rain:
            # A wet road is darker, and mirrors the sky the more, the flatter one looks at it.
            glance = np.exp(-12.0 * self._height_m / footing.depths_m)
            fog += np.array(air.paint) * (0.5 * glance * clear)[:, None]
            gain *= 0.72 * (1.0 - 0.45 * glance)
        share: NDArray[np.float32] = gain.astype(np.float32)[:, None]
        if self._headlit:
            share = share + self._headlights(footing, lens)
        if self._tunnels.length_m:
            share = self._roofed(footing, np.broadcast_to(share, (rows, width)), airs)
        # Eight bits are enough: the noise is coarser.
        scale = max(float(share.max()), 1e-3)
        weights = np.rint(share * np.float32(255.0 / scale)).astype(np.uint8)
        weights = np.broadcast_to(weights[..., None], (rows, width, 3))
        haze = np.broadcast_to(np.minimum(fog, 255.0).astype(np.uint8)[:, None], weights.shape)
        land = ground.look_up(self._road.colours, (rows, width, 3))
        cv2.multiply(land, np.ascontiguousarray(weights), dst=land, scale=scale / 255.0)
        cv2.add(land, np.ascontiguousarray(haze), dst=land)
        if mixed:
            seam = footing.hit[:mixed, :, None]
            land[:mixed] = np.where(seam, land[:mixed], image[top : top + mixed])
        image[top : top + rows] = land

    def _headlights(self, footing: Footing, lens: Lens) -> NDArray[np.float32]:
        """Return how much light the own headlights throw on the ground, shape of the ground."""
        camera = lens.camera
        across = (np.arange(camera.width) - camera.centre_x_px) / camera.focal_x_px
        cone = np.exp(-((across / 0.3) ** 2))
        reach = 1.1 * np.exp(-footing.depths_m / 22.0) * np.clip(footing.depths_m / 9.0, 0.3, 1.0)
        return np.asarray(np.outer(reach, cone), np.float32)

    def _roofed(
        self, footing: Footing, share: NDArray[np.float32], airs: Airs
    ) -> NDArray[np.float32]:
        """Return the ground's light with that in tunnels."""
        found = np.array(share, np.float32)
        low, high = footing.base_m, footing.base_m + float(footing.s_m.max())
        factor = np.float32(airs.inside.light / max(airs.outside.light, 1e-3))
        for first, last in self._tunnels.between(low, high):
            under = (footing.s_m >= first - footing.base_m) & (footing.s_m < last - footing.base_m)
            found[under] *= factor
        return found
