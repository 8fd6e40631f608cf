"""How large movers are, and what becomes of their look: facts that all sensors share."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sensors.labels import LabelClass

CAR_SHAPES = ("hatchback", "saloon", "estate", "suv", "coupe", "pickup")
"""Shapes of cars; `look[0]` chooses."""

TRUCK_SHAPES = ("box", "semitrailer", "tipper", "tanker")
"""Shapes of trucks; `look[0]` chooses."""

# Least length, width and height in metres, and how much more there may be; usual sizes in Europe.
_Sizes = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
_CARS: dict[str, _Sizes] = {
    "hatchback": ((3.7, 0.6), (1.68, 0.12), (1.46, 0.1)),
    "saloon": ((4.5, 0.45), (1.78, 0.1), (1.42, 0.06)),
    "estate": ((4.5, 0.45), (1.78, 0.1), (1.46, 0.08)),
    "suv": ((4.4, 0.5), (1.84, 0.12), (1.65, 0.15)),
    "coupe": ((4.2, 0.4), (1.8, 0.1), (1.28, 0.08)),
    "pickup": ((5.1, 0.3), (1.86, 0.1), (1.76, 0.1)),
}
_TRUCKS: dict[str, _Sizes] = {
    "box": ((7.2, 2.2), (2.4, 0.1), (3.2, 0.5)),
    "semitrailer": ((14.0, 2.4), (2.5, 0.05), (3.8, 0.2)),
    "tipper": ((7.6, 1.2), (2.45, 0.1), (3.0, 0.3)),
    "tanker": ((11.5, 2.5), (2.5, 0.05), (3.4, 0.2)),
}
_OTHERS: dict[str, _Sizes] = {
    "van": ((5.0, 1.0), (1.95, 0.1), (2.15, 0.45)),
    "pedestrian": ((0.5, 0.2), (0.5, 0.12), (1.5, 0.4)),
    "cyclist": ((1.7, 0.15), (0.55, 0.1), (1.6, 0.25)),
}


class Body(NamedTuple):
    """Class and size of a mover, metres."""

    kind: LabelClass
    length_m: float
    width_m: float
    height_m: float


def shape_of(kind: LabelClass, look: tuple[float, ...]) -> str:
    """Return the shape of a mover: of a car or truck one of those above, else its class."""
    if kind == "car":
        return CAR_SHAPES[int(look[0] * len(CAR_SHAPES))]
    if kind == "truck":
        return TRUCK_SHAPES[int(look[0] * len(TRUCK_SHAPES))]
    return kind


def body_of(kind: LabelClass, look: tuple[float, ...]) -> Body:
    """Return the size of a mover from eight numbers in [0, 1); numbers 5 to 7 say it."""
    shape = shape_of(kind, look)
    sizes = _CARS.get(shape) or _TRUCKS.get(shape) or _OTHERS[shape]
    (length, longer), (width, wider), (height, higher) = sizes
    return Body(kind, length + longer * look[5], width + wider * look[6], height + higher * look[7])
