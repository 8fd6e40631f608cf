"""Where a camera of the own vehicle looks: turning the world before it is painted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import pi
from typing import TYPE_CHECKING

from sensors.errors import SensorError

if TYPE_CHECKING:
    from sensors.synthetic.camera import Point
    from sensors.synthetic.world import Thing, Vehicle


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A direction of looking, from the place of the front camera.

    Attributes:
        number: Keys what is drawn for this camera alone, such as its sky; 0 for the front.
        yaw_rad: Direction against x, counter-clockwise.
        cosine: Of `yaw_rad`, exactly.
        sine: Of `yaw_rad`, exactly.
    """

    number: int
    yaw_rad: float
    cosine: float
    sine: float

    @property
    def ahead(self) -> bool:
        """Whether it looks along x, so that nothing has to be turned."""
        return self.number == 0

    def point(self, point: Point) -> Point:
        """Return a point of the own vehicle's frame in the camera's: x forward, y left, z up."""
        x, y, z = point
        return (self.cosine * x + self.sine * y, self.cosine * y - self.sine * x, z)

    def vehicle(self, vehicle: Vehicle) -> Vehicle:
        """Return a vehicle in the camera's frame."""
        x_m, y_m, _ = self.point((vehicle.x_m, vehicle.y_m, vehicle.z_m))
        return replace(vehicle, x_m=x_m, y_m=y_m, yaw_rad=vehicle.yaw_rad - self.yaw_rad)

    def thing(self, thing: Thing) -> Thing:
        """Return a thing in the camera's frame."""
        x_m, y_m, _ = self.point((thing.x_m, thing.y_m, thing.z_m))
        return replace(thing, x_m=x_m, y_m=y_m, yaw_rad=thing.yaw_rad - self.yaw_rad)


VIEWS = {
    "front": View(number=0, yaw_rad=0.0, cosine=1.0, sine=0.0),
    "left": View(number=1, yaw_rad=pi / 2, cosine=0.0, sine=1.0),
    "right": View(number=2, yaw_rad=-pi / 2, cosine=0.0, sine=-1.0),
    "rear": View(number=3, yaw_rad=pi, cosine=-1.0, sine=0.0),
}
"""Every camera of the own vehicle by name."""


class CameraUnknownError(SensorError):
    """The synthetic vehicle has no such camera."""

    def __init__(self, camera: str) -> None:
        super().__init__(f"no synthetic camera {camera!r}; there are {', '.join(VIEWS)}")
        self.camera = camera


def view_named(camera: str) -> View:
    """Return where a camera looks.

    Raises:
        CameraUnknownError: There is none of this name; the error lists them.
    """
    try:
        return VIEWS[camera]
    except KeyError:
        raise CameraUnknownError(camera) from None
