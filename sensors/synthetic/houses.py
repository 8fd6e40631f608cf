"""What stands still, as models: buildings, walls, hoardings, rails, lamps, posts and signs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sensors.synthetic.meshes import Builder, part
from sensors.synthetic.vehicles import BODY_PAINTS

if TYPE_CHECKING:
    from sensors.synthetic.canvas import Paint
    from sensors.synthetic.meshes import Corners, Model
    from sensors.synthetic.moment import Solid

Place = tuple[tuple[float, float], tuple[float, float]]
_WALLS: tuple[Paint, ...] = (
    (150, 170, 190),
    (120, 145, 180),
    (165, 170, 172),
    (110, 120, 150),
    (185, 200, 210),
    (95, 110, 150),
    (140, 160, 168),
    (84, 92, 120),
)
_ROOFS: tuple[Paint, ...] = ((62, 72, 118), (70, 70, 76), (58, 64, 92))
_PANE: Paint = (98, 84, 70)
_CONCRETE: Paint = (150, 154, 156)
_STEEL: Paint = (172, 172, 170)
_WINDOW_M = 2.2  # what a building's details are about as large as


def solid_model(solid: Solid) -> Model:
    """Return the model of a solid that is no plant; origin on the ground under its middle."""
    if solid.kind == "building":
        return _building(solid)
    if solid.kind == "wall":
        return _wall(solid)
    if solid.kind == "rail":
        return _rail(solid)
    if solid.kind == "lamp":
        return _lamp(solid)
    if solid.kind == "sign":
        return _sign(solid)
    build = Builder()
    build.block((-0.06, 0.06), 0.06, (0.0, solid.height_m), (228, 230, 230))
    build.block((-0.065, 0.065), 0.065, (0.72, 0.88), (40, 40, 40), level=1)
    return build.model()


def _building(solid: Solid) -> Model:
    look, high = solid.look, solid.height_m
    half_x, half_y = solid.length_m / 2, solid.width_m / 2
    paint = _WALLS[int(look[0] * len(_WALLS))]
    build = Builder()
    sides = build.block((-half_x, half_x), half_y, (-0.6, high), paint)
    floors = max(2, round(high / 3.0))
    shop = look[5] < 0.55 and high > 6.5  # noqa: PLR2004 - shares and metres
    for number, (name, corners) in enumerate(sides.items()):
        if name == "top":
            continue
        wide = solid.length_m if name in ("left", "right") else solid.width_m
        columns = max(2, round(wide / 2.5))
        if name in ("left", "right") and shop:
            _shop(build, corners, columns, floors, look)
        _windows(build, corners, columns, floors, look, first=1 if shop else 0, salt=number)
        if not shop and name in ("left", "right"):
            door = BODY_PAINTS[int(look[6] * len(BODY_PAINTS))]
            build.patch(corners, (0.44, 0.44 + 1.1 / wide), (0.05, 2.6 / high), door)
    if look[3] < 0.6:  # noqa: PLR2004 - share of pitched roofs
        roof = _ROOFS[int(look[4] * len(_ROOFS))]
        build.block(
            (-half_x - 0.3, half_x + 0.3),
            half_y + 0.3,
            (high, high + 2.8),
            roof,
            taper=(1.5, 1.5, half_y),
        )
    return build.model(detail_m=_WINDOW_M)


def _windows(
    build: Builder,
    corners: Corners,
    columns: int,
    floors: int,
    look: tuple[float, ...],
    *,
    first: int,
    salt: int,
) -> None:
    trim: Paint = (205, 210, 212)
    dark: list[Place] = []
    lit: list[Place] = []
    sills: list[Place] = []
    blinds: list[Place] = []
    for floor in range(first, floors):
        for column in range(columns):
            across = ((column + 0.26) / columns, (column + 0.72) / columns)
            up = ((floor + 0.3) / floors, (floor + 0.76) / floors)
            # Which windows are lit: any rule will do that looks like none.
            shines = (column * 7 + floor * 13 + salt * 5 + int(look[2] * 97)) % 11 < 4  # noqa: PLR2004
            (lit if shines else dark).append((across, up))
            sill = ((column + 0.22) / columns, (column + 0.76) / columns)
            sills.append((sill, ((floor + 0.25) / floors, up[0])))
            blinds.append((((column + 0.16) / columns, across[0]), up))
    build.patches(corners, dark, _PANE)
    build.patches(corners, lit, _PANE, lamp="window")
    build.patches(corners, sills, trim, level=2)
    if look[7] < 0.3:  # noqa: PLR2004 - share with shutters
        build.patches(corners, blinds, BODY_PAINTS[int(look[1] * len(BODY_PAINTS))], level=2)


def _shop(
    build: Builder, corners: Corners, columns: int, floors: int, look: tuple[float, ...]
) -> None:
    """Paint a shop front with a sign and posters in the colours that cars have."""
    up = (0.06 / floors, 0.78 / floors)
    panes = [
        (number / columns + 0.02, min(1.0, (number + 1.7) / columns))
        for number in range(0, columns, 2)
    ]
    build.patches(corners, [(pane, up) for pane in panes], (80, 70, 60), lamp="window")
    for number, (left, _) in enumerate(panes):
        poster = BODY_PAINTS[int((look[6] * 5 + number * 0.37) % 1.0 * len(BODY_PAINTS))]
        build.patch(
            corners, (left + 0.02, left + 0.06), (0.2 / floors, 0.5 / floors), poster, level=2
        )
    board = BODY_PAINTS[int(look[6] * len(BODY_PAINTS))]
    build.patch(corners, (0.02, 0.98), (0.8 / floors, 0.98 / floors), board, level=1)
    build.patch(corners, (0.3, 0.6), (0.84 / floors, 0.94 / floors), (232, 234, 234), level=2)


def _wall(solid: Solid) -> Model:
    """Return a tunnel's lining, or a trailer, container, hoarding or bin by its size."""
    look, half = solid.look, solid.width_m / 2
    along, high = (-solid.length_m / 2, solid.length_m / 2), solid.height_m
    build = Builder()
    if not any(look):
        sides = build.block(along, half, (-0.5, high), _CONCRETE)
        for name in ("left", "right"):
            build.patch(sides[name], (0.0, 1.0), (0.08, 0.5), (206, 210, 210), level=0)
            build.patch(sides[name], (0.0, 1.0), (0.5, 0.53), (60, 120, 190), level=0)
        return build.model(detail_m=3.0)
    paint = BODY_PAINTS[int(look[0] * len(BODY_PAINTS))]
    if solid.length_m < 2.0:  # noqa: PLR2004 - metres: a bin or a poster column
        sides = build.block(along, half, (0.0, high), paint)
        build.patch(sides["top"], (0.0, 1.0), (0.0, 1.0), (50, 50, 50), level=0)
        for name in ("left", "right", "front", "rear"):
            build.patch(sides[name], (0.12, 0.88), (0.3, 0.92), BODY_PAINTS[int(look[1] * 17)])
            build.patch(sides[name], (0.2, 0.7), (0.45, 0.6), (230, 232, 232), level=2)
        return build.model()
    lifted = 0.5 if look[2] < 0.5 else 0.0  # noqa: PLR2004 - every other one is on wheels
    sides = build.block(along, half, (lifted, high), paint)
    ribs = round(solid.length_m / 0.7)
    for name in ("left", "right"):
        for rib in range(ribs):
            at = (rib + 0.5) / ribs
            dark = (paint[0] * 0.8, paint[1] * 0.8, paint[2] * 0.8)
            build.patch(sides[name], (at, at + 0.3 / ribs), (0.05, 0.95), dark, level=2)
        build.patch(sides[name], (0.2, 0.6), (0.45, 0.75), BODY_PAINTS[int(look[1] * 17)])
        if lifted:
            side = 1.0 if name == "left" else -1.0
            for place in (-0.1, 0.1):
                hub = (place * solid.length_m, side * (half + 0.01), 0.32)
                build.disc(hub, 0.32, (30, 30, 30), side=side, level=0, solid=True)
    return build.model()


def _rail(solid: Solid) -> Model:
    along, half = (-solid.length_m / 2, solid.length_m / 2), solid.width_m / 2
    build = Builder()
    for place in (-0.3, 0.2):
        at = place * solid.length_m
        build.block((at - 0.05, at + 0.05), 0.05, (0.0, 0.5), (118, 118, 116), level=1)
    sides = build.block(along, half, (0.42, solid.height_m), _STEEL)
    for name in ("left", "right"):
        build.patch(sides[name], (0.0, 1.0), (0.4, 0.62), (128, 128, 126), level=0)
    return build.model()


def _lamp(solid: Solid) -> Model:
    build, high, steel = Builder(), solid.height_m, (120, 120, 118)
    build.block((-0.08, 0.08), 0.08, (0.0, high), steel)
    inward = -1.0 if solid.look[0] else 1.0
    build.block((-0.05, 0.05), 0.75, (high - 0.1, high), steel, middle=inward * 0.75)
    build.block((-0.12, 0.12), 0.3, (high - 0.14, high - 0.04), steel, middle=inward * 1.4)
    return build.model()


def lamp_head(solid: Solid) -> tuple[float, float, float]:
    """Return where a street lamp shines, world, metres."""
    inward = (-1.4 if solid.look[0] else 1.4) * 1.0
    return (
        solid.x_m - inward * math.sin(solid.yaw_rad),
        solid.y_m + inward * math.cos(solid.yaw_rad),
        solid.z_m + solid.height_m - 0.15,
    )


def _sign(solid: Solid) -> Model:
    look, low, high = solid.look, solid.bottom_m, solid.height_m
    half = solid.length_m / 2
    build = Builder()
    for place in (0.0,) if half < 1.0 else (-0.7 * half, 0.7 * half):
        build.block((place - 0.05, place + 0.05), 0.05, (0.0, low + 0.1), (130, 130, 128))
    # The plate faces along -y on one side; the other side is bare metal.
    plate = build.block((-half, half), solid.width_m / 2, (low, high), (150, 150, 148))
    for name in ("left", "right"):
        _plate(build, plate[name], look, big=half > 1.0)
    return build.model()


def _plate(build: Builder, side: Corners, look: tuple[float, ...], *, big: bool) -> None:
    white: Paint = (235, 236, 236)
    if big:
        build.patch(side, (0.0, 1.0), (0.0, 1.0), white, level=0)
        build.patch(side, (0.02, 0.98), (0.04, 0.96), (140, 84, 20), level=0)
        for row in (0.25, 0.55):
            build.patch(side, (0.12, 0.4 + 0.5 * look[1]), (row, row + 0.12), white)
        return
    if look[0] < 0.4:  # noqa: PLR2004 - share of round ones
        for radius, paint in ((0.5, (40, 40, 190)), (0.36, white)):
            build.face(_round(side, radius), paint, level=0)
        build.patch(side, (0.4, 0.6), (0.35, 0.65), (40, 40, 40), level=2)
    elif look[0] < 0.7:  # noqa: PLR2004 - share of triangles
        for margin, paint in ((0.0, (40, 40, 190)), (0.16, white)):
            corners = part(side, (margin, 1 - margin), (0.6 * margin, 1 - margin))
            build.face((corners[0], corners[1], part(side, (0.5, 0.5), (1 - margin, 1))[0]), paint)
    else:
        build.patch(side, (0.0, 1.0), (0.0, 1.0), BODY_PAINTS[int(look[2] * 17)], level=0)
        build.patch(side, (0.2, 0.8), (0.3, 0.7), white)


def _round(side: Corners, radius: float) -> Corners:
    ring = []
    for corner in range(16):
        turn = math.tau * corner / 16
        across, up = 0.5 + radius * math.cos(turn), 0.5 + radius * math.sin(turn)
        ring.append(part(side, (across, across), (up, up))[0])
    return tuple(ring)
