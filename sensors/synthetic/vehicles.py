"""Cars, vans and trucks as models: several shapes of each, with windows, wheels, lights, plates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensors.synthetic.bodies import shape_of
from sensors.synthetic.meshes import Builder, part

if TYPE_CHECKING:
    from sensors.synthetic.bodies import Body
    from sensors.synthetic.canvas import Paint
    from sensors.synthetic.meshes import Corners, Model

_GLASS: Paint = (62, 54, 46)
_SKY_GLASS: Paint = (128, 116, 102)
_TYRE: Paint = (28, 28, 28)
_DARK: Paint = (34, 33, 33)
_PLATE: Paint = (215, 222, 224)
_TAIL: Paint = (40, 34, 150)
_HEAD: Paint = (222, 226, 226)

BODY_PAINTS: tuple[Paint, ...] = (
    (225, 225, 228),
    (205, 208, 210),
    (150, 152, 155),
    (112, 110, 108),
    (66, 64, 62),
    (42, 40, 40),
    (48, 40, 170),
    (60, 48, 120),
    (150, 78, 30),
    (110, 60, 22),
    (190, 150, 70),
    (52, 92, 40),
    (76, 110, 84),
    (60, 130, 190),
    (40, 170, 215),
    (30, 80, 150),
    (120, 150, 170),
)
_SIDES: tuple[tuple[str, float], ...] = (("left", 1.0), ("right", -1.0))


def vehicle_model(body: Body, look: tuple[float, ...]) -> Model:
    """Return the model of a car, van or truck; origin on the ground under its middle."""
    if body.kind == "truck":
        return _truck(body, look)
    return _van(body, look) if body.kind == "van" else _car(body, look)


def body_paint(look: tuple[float, ...]) -> Paint:
    """Return the colour of a vehicle's body: more whites, greys and blacks than others."""
    number = int(look[1] ** 1.35 * len(BODY_PAINTS))
    tint = 0.9 + 0.2 * look[2]
    blue, green, red = BODY_PAINTS[number]
    return (min(255.0, blue * tint), min(255.0, green * tint), min(255.0, red * tint))


def _car(size: Body, look: tuple[float, ...]) -> Model:
    shape = shape_of("car", look)
    end, half, high = size.length_m / 2, size.width_m / 2, size.height_m
    paint = body_paint(look)
    waist = high * {"suv": 0.6, "pickup": 0.56, "coupe": 0.6}.get(shape, 0.575)
    clear = 0.3 if shape in ("suv", "pickup") else 0.22
    build = Builder()
    _underside(build, end, half)
    # Where the cabin begins and ends, at the waist and at the roof, as shares of half the length.
    rear, front, rear_in, front_in = {
        "hatchback": (-0.97, 0.5, 0.28, 0.75),
        "saloon": (-0.72, 0.47, 0.62, 0.8),
        "estate": (-0.98, 0.5, 0.22, 0.72),
        "suv": (-0.97, 0.52, 0.24, 0.6),
        "coupe": (-0.8, 0.36, 0.85, 0.85),
        "pickup": (-0.12, 0.56, 0.12, 0.6),
    }[shape]
    # Drawn before the body: they show where they stick out of its outline.
    for side in (1.0, -1.0):
        build.block(
            (front * end - 0.45, front * end - 0.28),
            0.09,
            (waist, waist + 0.15),
            paint if look[6] < 0.6 else _DARK,  # noqa: PLR2004 - a share
            middle=side * (half + 0.06),
            level=2,
        )
    body = build.block(
        (-end, end), half, (clear, waist), paint, taper=(0.05, 0.1 + 0.1 * look[3], 0.04)
    )
    if shape == "pickup":
        build.patch(body["top"], (0.07, 0.93), (0.03, 0.42), (58, 56, 55))
    cabin = build.block(
        (rear * end, front * end),
        half - 0.05,
        (waist - 0.01, high),
        paint,
        taper=(rear_in, front_in, 0.16),
    )
    for name in ("rear", "front"):
        build.patch(cabin[name], (0.05, 0.95), (0.08, 0.9), _GLASS, level=0)
        build.patch(cabin[name], (0.1, 0.55), (0.5, 0.86), _SKY_GLASS, level=2)
    for name, _ in _SIDES:
        doors = ((0.06, 0.47), (0.51, 0.93)) if shape not in ("coupe", "pickup") else ((0.1, 0.9),)
        for first, last in doors:
            build.patch(cabin[name], (first, last), (0.1, 0.86), _GLASS, level=0)
            build.patch(cabin[name], (first + 0.02, last - 0.04), (0.5, 0.82), _SKY_GLASS, level=2)
        build.patch(body[name], (0.0, 1.0), (0.0, 0.16), _DARK)
        for seam in (0.28, 0.5, 0.7):
            build.patch(
                body[name], (seam, seam + 0.006), (0.16, 0.97), _tinted(paint, 0.7), level=2
            )
        build.patch(body[name], (0.0, 1.0), (0.66, 0.69), _tinted(paint, 0.8), level=2)
    if shape in ("estate", "suv") and look[4] < 0.6:  # noqa: PLR2004 - share with a roof rack
        for side in (0.12, 0.84):
            build.patch(cabin["top"], (side, side + 0.05), (0.05, 0.95), _DARK, level=2)
    _bumpers(build, body, look)
    _wheels(build, (-0.3 * size.length_m, 0.31 * size.length_m), 0.31 + 0.05 * look[5], half)
    _tail_lamps(build, body["rear"], look)
    _head_lamps(build, body["front"], look)
    build.patch(cabin["rear"], (0.4, 0.6), (0.9, 0.97), _TAIL, level=1, lamp="brake")
    return build.model()


def _van(size: Body, look: tuple[float, ...]) -> Model:
    end, half, high = size.length_m / 2, size.width_m / 2, size.height_m
    paint = BODY_PAINTS[0] if look[1] < 0.45 else body_paint(look)  # noqa: PLR2004 - many are white
    build = Builder()
    _underside(build, end, half)
    waist = 0.5 * high
    body = build.block((-end, end), half, (0.28, waist), paint, taper=(0.02, 0.22, 0.02))
    cabin = build.block(
        (-end + 0.02, end - 0.3), half - 0.02, (waist, high), paint, taper=(0.06, 0.75, 0.1)
    )
    build.patch(cabin["front"], (0.05, 0.95), (0.06, 0.8), _GLASS, level=0)
    build.patch(cabin["front"], (0.1, 0.5), (0.4, 0.75), _SKY_GLASS, level=2)
    glazed = look[3] < 0.4  # noqa: PLR2004 - share of minibuses
    for name, _ in _SIDES:
        # Seen from the left the front is at the left end, seen from the right at the right end.
        ahead = (0.07, 0.27) if name == "left" else (0.73, 0.93)
        build.patch(cabin[name], ahead, (0.08, 0.74), _GLASS, level=0)
        if glazed:
            rest = ((0.32, 0.6), (0.64, 0.95)) if name == "left" else ((0.05, 0.36), (0.4, 0.68))
            for window in rest:
                build.patch(cabin[name], window, (0.1, 0.72), _GLASS, level=0)
        else:
            build.patch(cabin[name], (0.46, 0.465), (0.0, 0.95), _tinted(paint, 0.7), level=2)
            if look[4] < 0.5:  # noqa: PLR2004 - share with a company's stripe
                stripe = BODY_PAINTS[int(look[2] * len(BODY_PAINTS))]
                build.patch(body[name], (0.0, 1.0), (0.55, 0.8), stripe)
        build.patch(body[name], (0.0, 1.0), (0.0, 0.14), _DARK)
    for first, last in ((0.06, 0.47), (0.53, 0.94)):
        build.patch(cabin["rear"], (first, last), (0.15, 0.8), _GLASS, level=0)
    build.patch(cabin["rear"], (0.495, 0.505), (0.0, 1.0), _tinted(paint, 0.5))
    build.patch(body["rear"], (0.495, 0.505), (0.2, 1.0), _tinted(paint, 0.5))
    _bumpers(build, body, look)
    _wheels(build, (-0.3 * size.length_m, 0.33 * size.length_m), 0.34, half)
    for across in ((0.02, 0.1), (0.9, 0.98)):
        build.patch(body["rear"], across, (0.45, 1.0), _TAIL, level=0, lamp="tail")
    _head_lamps(build, body["front"], look)
    return build.model()


def _truck(size: Body, look: tuple[float, ...]) -> Model:
    shape = shape_of("truck", look)
    end, half, high = size.length_m / 2, size.width_m / 2, size.height_m
    paint = body_paint(look)
    load = load_paint(look)
    build = Builder()
    cab_rear = end - 2.3
    build.block((-end + 0.3, end - 0.4), half - 0.25, (0.45, 0.95), (40, 40, 42))
    for along in (-end + 2.0, end - 1.2):
        build.block((along - 0.6, along + 0.6), half - 0.1, (0.0, 0.8), _TYRE)
    axles = {
        "semitrailer": (-end + 1.4, -end + 2.7, -end + 4.0, end - 4.2, end - 1.2),
        "tanker": (-end + 1.4, -end + 2.7, end - 4.2, end - 1.2),
    }.get(shape, (-end + 1.6, -end + 2.9, end - 1.2))
    _wheels(build, axles, 0.5, half)
    if shape == "tanker":
        side_in = 0.28 * half
        low, middle = 1.0, 0.62 * high
        lower = build.block((-end, cab_rear - 0.5), half - side_in, (low, low + 0.35), load, end=-1)
        build.block((-end, cab_rear - 0.5), half, (low + 0.3, middle), load, end=-1)
        upper = build.block(
            (-end, cab_rear - 0.5),
            half,
            (middle, high),
            load,
            taper=(0.2, 0.2, 0.5 * half),
            end=-1,
        )
        build.patch(upper["rear"], (0.3, 0.7), (0.1, 0.6), (40, 150, 230), end=-1)
        rear = lower["rear"]
    elif shape == "tipper":
        box = build.block(
            (-end, cab_rear - 0.3),
            half,
            (1.05, 0.72 * high),
            load,
            taper=(-0.25, 0.0, -0.05),
            end=-1,
        )
        for name, _ in _SIDES:
            for rib in range(6):
                at = (rib + 0.5) / 6
                build.patch(box[name], (at - 0.02, at + 0.02), (0, 1), _tinted(load, 0.7), end=-1)
        build.patch(box["top"], (0.05, 0.95), (0.05, 0.95), (60, 84, 110), end=-1)
        rear = box["rear"]
    else:
        box = build.block((-end, cab_rear - 0.25), half, (0.98, high), load, end=-1)
        for name, _ in _SIDES:
            if look[4] < 0.6:  # noqa: PLR2004 - share with a company's stripe
                build.patch(box[name], (0.0, 1.0), (0.36, 0.62), paint, level=0, end=-1)
                build.patch(box[name], (0.25, 0.6), (0.42, 0.56), _tinted(load, 1.0), end=-1)
            for seam in range(1, 6):
                build.patch(
                    box[name],
                    (seam / 6, seam / 6 + 0.003),
                    (0, 1),
                    _tinted(load, 0.75),
                    level=2,
                    end=-1,
                )
        build.patch(box["rear"], (0.495, 0.505), (0.02, 0.97), (70, 70, 70), end=-1)
        for hinge in (0.2, 0.4, 0.8):
            build.patch(
                box["rear"], (hinge, hinge + 0.012), (0.02, 0.97), (150, 150, 150), level=2, end=-1
            )
        build.patch(box["rear"], (0.0, 1.0), (0.0, 0.05), (40, 40, 160), end=-1)
        rear = box["rear"]
    bar = build.block((-end, -end + 0.15), half, (0.5, 0.8), (40, 40, 44), end=-1)
    for across in ((0.02, 0.16), (0.84, 0.98)):
        build.patch(bar["rear"], across, (0.2, 0.9), _TAIL, level=0, lamp="tail", end=-1)
    build.patch(bar["rear"], (0.4, 0.6), (0.1, 0.9), _PLATE, end=-1)
    build.patch(rear, (0.0, 0.03), (0.0, 0.9), (60, 60, 190), level=2, end=-1)
    _cab(build, (cab_rear, end), half, high, paint)
    return build.model()


def _cab(
    build: Builder, along: tuple[float, float], half: float, high: float, paint: Paint
) -> None:
    cab = build.block(
        along, half - 0.03, (0.45, 0.86 * high), paint, taper=(0.0, 0.22, 0.05), end=1
    )
    build.patch(cab["front"], (0.05, 0.95), (0.5, 0.86), _GLASS, level=0, end=1)
    build.patch(cab["front"], (0.1, 0.5), (0.62, 0.82), _SKY_GLASS, level=2, end=1)
    build.patch(cab["front"], (0.1, 0.9), (0.1, 0.36), (48, 47, 46), end=1)
    for across in ((0.03, 0.17), (0.83, 0.97)):
        build.patch(cab["front"], across, (0.08, 0.16), _HEAD, level=0, lamp="head", end=1)
    build.patch(cab["front"], (0.4, 0.6), (0.02, 0.07), _PLATE, end=1)
    for name, _ in _SIDES:
        ahead = (0.1, 0.6) if name == "left" else (0.4, 0.9)
        build.patch(cab[name], ahead, (0.52, 0.84), _GLASS, level=0, end=1)
        build.patch(cab[name], (0.0, 1.0), (0.0, 0.12), _DARK, end=1)


def _underside(build: Builder, end: float, half: float) -> None:
    build.block((-0.92 * end, 0.92 * end), half - 0.18, (0.14, 0.45), (22, 22, 22))
    for along in (-0.62 * end, 0.62 * end):
        build.block((along - 0.26, along + 0.26), half - 0.04, (0.0, 0.4), _TYRE)


def _wheels(build: Builder, axles: tuple[float, ...], radius: float, half: float) -> None:
    for along in axles:
        for _, side in _SIDES:
            hub = (along, side * (half + 0.01), radius)
            build.disc(hub, radius * 1.12, _DARK, side=side, level=1)
            build.disc(hub, radius, _TYRE, side=side, solid=True)
            build.disc(hub, radius * 0.62, (164, 163, 161), side=side, corners=10)
            build.disc(hub, radius * 0.2, _TYRE, side=side, corners=6, level=2)


def _bumpers(build: Builder, body: dict[str, Corners], look: tuple[float, ...]) -> None:
    for name in ("rear", "front"):
        build.patch(body[name], (0.02, 0.98), (0.0, 0.24 + 0.1 * look[7]), (46, 46, 47))
        build.patch(body[name], (0.36, 0.64), (0.34, 0.52), _PLATE)
    build.patch(body["front"], (0.22, 0.78), (0.56, 0.78), (40, 40, 41))


def _tail_lamps(build: Builder, rear: Corners, look: tuple[float, ...]) -> None:
    tall = look[4] < 0.4  # noqa: PLR2004 - a share
    wide, low = (0.11, 0.42) if tall else (0.22, 0.64)
    for across in ((0.02, 0.02 + wide), (0.98 - wide, 0.98)):
        build.patch(rear, across, (low, 0.95), _TAIL, level=0, lamp="tail")
    if look[5] < 0.25:  # noqa: PLR2004 - share with a bar of light
        build.face(part(rear, (0.2, 0.8), (0.86, 0.92)), _TAIL, level=1, lamp="tail")


def _head_lamps(build: Builder, front: Corners, look: tuple[float, ...]) -> None:
    wide = 0.14 + 0.1 * look[5]
    for across in ((0.02, 0.02 + wide), (0.98 - wide, 0.98)):
        build.patch(front, across, (0.58, 0.86), _HEAD, level=0, lamp="head")


def load_paint(look: tuple[float, ...]) -> Paint:
    """Return the colour of a truck's load: mostly light, some in strong colours."""
    if look[3] < 0.62:  # noqa: PLR2004 - share of light ones
        grey = 185.0 + 55.0 * look[2]
        return (grey, grey, grey * 0.99)
    return BODY_PAINTS[6 + int(look[2] * (len(BODY_PAINTS) - 6))]


def _tinted(paint: Paint, factor: float) -> Paint:
    return (paint[0] * factor, paint[1] * factor, paint[2] * factor)
