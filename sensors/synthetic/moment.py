"""What is where at one instant, in metres, in the world frame: what every sensor looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sensors.labels import LabelClass

VIEW_M = 220.0
"""How far from the own vehicle the world is filled, metres."""

SolidKind = Literal["building", "tree", "bush", "lamp", "post", "sign", "rail", "wall"]
Material = Literal["asphalt", "marking", "kerb", "pavement", "gravel", "grass"]
MATERIALS: tuple[Material, ...] = ("asphalt", "marking", "kerb", "pavement", "gravel", "grass")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """Something that moves or could: what is labelled.

    Attributes:
        track: Its number, the same for as long as it lives, at least 0.
        kind: What it is.
        x_m: Middle of its footprint, world.
        y_m: The same.
        z_m: Height of the ground under it.
        yaw_rad: Heading, counter-clockwise from the world's x.
        length_m: Length.
        width_m: Width.
        height_m: Height.
        speed_mps: Along its heading.
        braking: Whether its brake lights are on.
        look: Eight numbers in [0, 1) that say what it looks like.
    """

    track: int
    kind: LabelClass
    x_m: float
    y_m: float
    z_m: float
    yaw_rad: float
    length_m: float
    width_m: float
    height_m: float
    speed_mps: float
    braking: bool
    look: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Solid:
    """Something that stands still and hides what is behind it.

    A building, wall, rail or sign is a box; a lamp, post or trunk of a tree is a cylinder of
    diameter `width_m`; the crown of a tree, from `bottom_m` up, and a bush are ellipsoids.

    Attributes:
        kind: What it is.
        x_m: Middle of its footprint, world.
        y_m: The same.
        z_m: Height of the ground under it.
        yaw_rad: Direction of its length.
        length_m: Extent along `yaw_rad`.
        width_m: Extent across it.
        height_m: Height above the ground.
        bottom_m: Height above the ground at which a crown or a sign's plate begins, else 0.
        look: Eight numbers in [0, 1) that say what it looks like.
    """

    kind: SolidKind
    x_m: float
    y_m: float
    z_m: float
    yaw_rad: float
    length_m: float
    width_m: float
    height_m: float
    bottom_m: float
    look: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EgoState:
    """The own vehicle.

    Attributes:
        x_m: Ego origin, world.
        y_m: The same.
        z_m: Height of the ground under it.
        yaw_rad: Heading, counter-clockwise from the world's x.
        pitch_rad: Nose down is above 0: slope of the road and braking.
        roll_rad: Right side down is above 0.
        speed_mps: Along the heading.
        acceleration_mps2: Along the heading.
        yaw_rate_radps: Counter-clockwise.
    """

    x_m: float
    y_m: float
    z_m: float
    yaw_rad: float
    pitch_rad: float
    roll_rad: float
    speed_mps: float
    acceleration_mps2: float
    yaw_rate_radps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The world within `VIEW_M` of the own vehicle.

    Attributes:
        at_ns: Ns since the start of the drive.
        ego: The own vehicle.
        movers: What moves or could, ordered by track.
        solids: What stands still, in an order that depends on the place only.
        covered: Whether the own vehicle is inside a tunnel.
    """

    at_ns: int
    ego: EgoState
    movers: tuple[Mover, ...]
    solids: tuple[Solid, ...]
    covered: bool


class Ground(Protocol):
    """The surface everything stands on."""

    def heights_m(self, x_m: NDArray[np.float64], y_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Height at places of the world; all of one shape."""

    def materials(self, x_m: NDArray[np.float64], y_m: NDArray[np.float64]) -> NDArray[np.uint8]:
        """What the surface is made of there, as an index into `MATERIALS`."""

    def ceilings_m(self, x_m: NDArray[np.float64], y_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Height of a tunnel's roof above there in world z; infinity in the open."""


class Scenery(Protocol):
    """A seeded world; a pure function of time."""

    @property
    def ground(self) -> Ground:
        """The surface."""

    def at(self, at_ns: int) -> Moment:
        """The world `at_ns` ns after the start of the drive."""

    def movers(self, at_ns: int, tracks: tuple[int, ...]) -> dict[int, Mover]:
        """These movers at that instant, wherever they are; one not alive then is left out."""
