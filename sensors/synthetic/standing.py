"""Everything that stands up or moves, painted far to near."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sensors.synthetic.bodies import Body
from sensors.synthetic.canvas import SOLID_ID
from sensors.synthetic.distant import draw_distant, is_distant, make_distant
from sensors.synthetic.drawing import Placed, draw
from sensors.synthetic.hiding import unhidden
from sensors.synthetic.houses import lamp_head, solid_model
from sensors.synthetic.moment import Mover
from sensors.synthetic.people import draw_cyclist, draw_person
from sensors.synthetic.plants import draw_sprites, put
from sensors.synthetic.roofs import covered, paint_roof, roofs_of
from sensors.synthetic.shadows import before
from sensors.synthetic.vehicles import vehicle_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.synthetic.canvas import Canvas
    from sensors.synthetic.daylight import Air, Daylight
    from sensors.synthetic.distant import Distant
    from sensors.synthetic.drawing import Seen
    from sensors.synthetic.moment import Moment, Solid
    from sensors.synthetic.roofs import Airs
    from sensors.synthetic.shadows import Middle
    from sensors.synthetic.view import Lens
    from sensors.synthetic.world import World

_TAIL_GLOW, _BRAKE_GLOW = (40.0, 40.0, 210.0), (50.0, 50.0, 255.0)
_HEAD_GLOW, _LAMP_GLOW = (225.0, 240.0, 255.0), (120.0, 190.0, 250.0)
_LIT_M = 130.0  # lights further away are too small to glow


class Sighting(NamedTuple):
    """A mover that a camera has painted.

    Attributes:
        mover: Who.
        owner: Number of its pixels among the owners.
        seen: Bounds of its outline.
        pixels: How many pixels of the picture it covered when nothing was before it.
        distance_m: From the camera to its middle.
    """

    mover: Mover
    owner: int
    seen: Seen
    pixels: int
    distance_m: float


class Standing:
    """Paints movers and solids; owns their models."""

    def __init__(self, world: World, daylight: Daylight) -> None:
        """Draw the plants; everything else is built when it is first seen."""
        self._world, self._daylight = world, daylight
        self._dusk = world.parameters.light == "dusk"
        self._sprites = draw_sprites(seed=world.seed, leaf=daylight.grass)
        self._vehicle = lru_cache(maxsize=512)(vehicle_model)
        self._solid = lru_cache(maxsize=1024)(solid_model)

    def paint(
        self, canvas: Canvas, moment: Moment, airs: Airs, place_m: float
    ) -> tuple[Sighting, ...]:
        """Paint what stands up, far to near."""
        lens = canvas.lens
        things: list[Mover | Solid] = [*moment.movers, *moment.solids]
        drawn = unhidden(lens, before(lens, things, margin_m=0.0))
        roofs = roofs_of(self._world, lens, place_m)
        inside = covered(self._world, [thing for thing, _ in drawn])
        far = self._far(canvas, drawn, airs, inside)
        order = [
            (_depth_key(thing, seen, lens), number) for number, (thing, seen) in enumerate(drawn)
        ]
        order += [(roof.depth_m, len(drawn) + number) for number, roof in enumerate(roofs)]
        order.sort(reverse=True)
        sightings: list[Sighting] = []
        for _, number in order:
            if number >= len(drawn):
                paint_roof(canvas, roofs[number - len(drawn)], airs.inside)
                continue
            thing, _ = drawn[number]
            air = airs.inside if inside[number] else airs.outside
            distant = far.get(number)
            if not isinstance(thing, Mover):
                if distant is None:
                    self._paint_solid(canvas, thing, air)
                else:
                    draw_distant(canvas, distant, owner=SOLID_ID)
                continue
            owner = len(sightings) + 1
            lamps = self._daylight.lamps or bool(inside[number])
            if distant is None:
                bounds = self._paint_mover(canvas, thing, owner, air, lamps=lamps)
            else:
                draw_distant(canvas, distant, owner=owner)
                bounds = distant.seen
                if canvas.image is not None and thing.kind in ("car", "van", "truck"):
                    parked = thing.speed_mps == 0.0 and not thing.braking
                    self._glow(canvas, thing, owner, lamps=lamps and not parked)
            if bounds is not None:
                pixels = _count(canvas, bounds, owner)
                middle = (thing.x_m, thing.y_m, thing.z_m + thing.height_m / 2)
                distance_m = math.dist(middle, lens.eye.tolist())
                sightings.append(Sighting(thing, owner, bounds, pixels, distance_m))
        return tuple(sightings)

    def _far(
        self,
        canvas: Canvas,
        drawn: list[tuple[Mover | Solid, Middle]],
        airs: Airs,
        inside: NDArray[np.bool_],
    ) -> dict[int, Distant]:
        """Return the far ones among things, by their number."""
        focal_px = canvas.lens.camera.focal_x_px
        numbers = [
            n for n, (thing, seen) in enumerate(drawn) if is_distant(thing, seen[2], focal_px)
        ]
        found = make_distant(
            canvas,
            [drawn[number][0] for number in numbers],
            [airs.inside if inside[number] else airs.outside for number in numbers],
            [self._daylight.lamps or bool(inside[number]) for number in numbers],
            self._daylight,
        )
        return dict(zip(numbers, found, strict=True))

    def _paint_mover(
        self, canvas: Canvas, mover: Mover, owner: int, air: Air, *, lamps: bool
    ) -> Seen | None:
        if mover.kind == "pedestrian":
            return draw_person(canvas, mover, owner=owner, air=air)
        if mover.kind == "cyclist":
            return draw_cyclist(canvas, mover, owner=owner, air=air)
        parked = mover.speed_mps == 0.0 and not mover.braking
        body = Body(mover.kind, mover.length_m, mover.width_m, mover.height_m)
        model = self._vehicle(body, mover.look)
        placed = Placed(
            x_m=mover.x_m,
            y_m=mover.y_m,
            z_m=mover.z_m,
            yaw_rad=mover.yaw_rad,
            owner=owner,
            air=air,
            braking=mover.braking,
            lamps=lamps and not parked,
        )
        bounds = draw(canvas, model, placed, self._daylight)
        if bounds is not None and canvas.image is not None:
            self._glow(canvas, mover, owner, lamps=lamps and not parked)
        return bounds

    def _glow(self, canvas: Canvas, mover: Mover, owner: int, *, lamps: bool) -> None:
        """Remember the lights of a vehicle that shine towards the camera."""
        if not (lamps or mover.braking):
            return
        eye = canvas.lens.eye
        cos, sin = math.cos(mover.yaw_rad), math.sin(mover.yaw_rad)
        towards = (eye[0] - mover.x_m) * cos + (eye[1] - mover.y_m) * sin
        if abs(towards) < 3.0 or abs(towards) > _LIT_M:  # noqa: PLR2004 - metres, seen from aside
            return
        ahead = towards > 0
        if ahead and not lamps:
            return
        end = (0.5 if ahead else -0.5) * mover.length_m
        up = 0.75 if mover.kind == "truck" else 0.42 * min(mover.height_m, 1.8)
        paint = _HEAD_GLOW if ahead else (_BRAKE_GLOW if mover.braking else _TAIL_GLOW)
        for side in (-1.0, 1.0):
            aside = side * (mover.width_m / 2 - 0.25)
            point = np.array(
                [
                    mover.x_m + end * cos - aside * sin,
                    mover.y_m + end * sin + aside * cos,
                    mover.z_m + up,
                ]
            )
            canvas.glow(point, paint, radius_m=0.09, owner=owner)

    def _paint_solid(self, canvas: Canvas, solid: Solid, air: Air) -> None:
        if solid.kind in ("tree", "bush"):
            looks = self._sprites[solid.kind]
            sprite = looks[int(solid.look[0] * len(looks))]
            foot = np.array([solid.x_m, solid.y_m, solid.z_m - 0.08])
            put(canvas, sprite, foot, solid.height_m, light=0.85 + 0.3 * solid.look[1], air=air)
            return
        placed = Placed(
            x_m=solid.x_m,
            y_m=solid.y_m,
            z_m=solid.z_m,
            yaw_rad=solid.yaw_rad,
            owner=SOLID_ID,
            air=air,
            lamps=self._dusk,
        )
        draw(canvas, self._solid(solid), placed, self._daylight)
        if solid.kind == "lamp" and self._dusk and canvas.image is not None:
            canvas.glow(np.array(lamp_head(solid)), _LAMP_GLOW, radius_m=0.16, owner=SOLID_ID)


def _depth_key(thing: Mover | Solid, seen: tuple[float, float, float], lens: Lens) -> float:
    """Return by what things are ordered: walls count by their far end, others by their middle."""
    if isinstance(thing, Mover) or thing.kind not in ("wall", "building"):
        return seen[2]
    ahead = abs(
        float(lens.turn[2, 0]) * math.cos(thing.yaw_rad)
        + float(lens.turn[2, 1]) * math.sin(thing.yaw_rad)
    )
    return seen[2] + 0.5 * thing.length_m * ahead


def _count(canvas: Canvas, seen: Seen, owner: int) -> int:
    if canvas.owners is None:
        return 0
    height, width = canvas.owners.shape
    left, right = max(0, math.floor(seen.left) - 1), min(width, math.ceil(seen.right) + 2)
    top, bottom = max(0, math.floor(seen.top) - 1), min(height, math.ceil(seen.bottom) + 2)
    if left >= right or top >= bottom:
        return 0
    return int(np.count_nonzero(canvas.owners[top:bottom, left:right] == owner))
