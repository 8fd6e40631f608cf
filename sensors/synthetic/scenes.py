"""The scenes that can be driven through, as data: cross-section, traffic and roadside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sensors.errors import SensorError

ThingKind = Literal["tree", "bush", "post", "lamp", "building", "sign"]
PaintKind = Literal["asphalt", "gravel", "kerb", "pavement", "verge", "seam"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A strip along the road, painted in the order of the scene.

    Attributes:
        left_m: Left edge, metres left of the middle of the own lane.
        right_m: Right edge, likewise; below `left_m`.
        paint: What it is made of.
    """

    left_m: float
    right_m: float
    paint: PaintKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A lane marking along the road.

    Attributes:
        at_m: Its middle, metres left of the middle of the own lane.
        width_m: Width.
        dash_m: Length of a dash; 0 for a solid line.
        cycle_m: From the start of one dash to the next.
        yellow: Whether it is yellow, else white.
    """

    at_m: float
    width_m: float = 0.14
    dash_m: float = 0.0
    cycle_m: float = 12.0
    yellow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The traffic of one lane: slots at a distance that move together.

    Attributes:
        at_m: Middle of the lane, metres left of the middle of the own lane.
        relative_mps: Speed along x, less the own speed; below 0 comes nearer from ahead.
        slots: Number of vehicles that share the lane's loop.
        gap_m: Length of a slot.
        behind_m: How far behind the camera a vehicle leaves the loop; below 0 is ahead.
        oncoming: Whether the vehicles face us.
        trucks: Share of trucks and vans, from 0 to 1.
        sway_m: How far they drift back and forth along the road.
    """

    at_m: float
    relative_mps: float
    slots: int
    gap_m: float
    behind_m: float = 20.0
    oncoming: bool = False
    trucks: float = 0.15
    sway_m: float = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Things along the road, one place every `spacing_m`.

    Attributes:
        kind: What stands there.
        near_m: Least distance from the middle of the own lane, metres to the left.
        far_m: Greatest distance, likewise; equal to `near_m` for things in line.
        spacing_m: Length of a place.
        chance: Share of the places that are taken, from 0 to 1.
        jitter: How far a thing strays along its place, from 0 to 1.
    """

    kind: ThingKind
    near_m: float
    far_m: float
    spacing_m: float
    chance: float = 1.0
    jitter: float = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A road and what is along it.

    Attributes:
        speed_mps: Own speed.
        bend_m: Amplitude of the road's sideways waves.
        rise_m: Amplitude of its hills.
        bands: Strips, painted in order.
        lines: Lane markings.
        rail_m: Place of a guard rail, metres to the left; None without one.
        lanes: Traffic.
        rows: Roadside.
    """

    speed_mps: float
    bend_m: float
    rise_m: float
    bands: tuple[Band, ...]
    lines: tuple[Line, ...]
    rail_m: float | None
    lanes: tuple[Lane, ...]
    rows: tuple[Row, ...]


class SceneUnknownError(SensorError):
    """There is no synthetic scene of this name; take one of those listed."""

    def __init__(self, scene: str) -> None:
        self.scene, self.known = scene, tuple(SCENES)
        super().__init__(f"no synthetic scene {scene!r}; there are {', '.join(self.known)}")


_HIGHWAY = Scene(
    speed_mps=29.0,
    bend_m=8.0,
    rise_m=0.8,
    bands=(
        Band(left_m=23.5, right_m=10.4, paint="asphalt"),
        Band(left_m=10.4, right_m=6.6, paint="verge"),
        Band(left_m=6.6, right_m=-8.4, paint="asphalt"),
        Band(left_m=-8.4, right_m=-9.8, paint="gravel"),
        Band(left_m=1.9, right_m=1.8, paint="seam"),
    ),
    lines=(
        Line(at_m=22.0),
        Line(at_m=18.3, dash_m=4.0),
        Line(at_m=14.7, dash_m=4.0),
        Line(at_m=11.0),
        Line(at_m=5.5, yellow=True),
        Line(at_m=1.85, dash_m=4.0),
        Line(at_m=-1.85, dash_m=4.0),
        Line(at_m=-5.5, width_m=0.2),
    ),
    rail_m=8.4,
    lanes=(
        Lane(at_m=3.65, relative_mps=5.5, slots=4, gap_m=65.0),
        Lane(at_m=0.0, relative_mps=0.0, slots=3, gap_m=60.0, behind_m=-24.0, sway_m=6.0),
        Lane(at_m=-3.65, relative_mps=-4.5, slots=5, gap_m=52.0, trucks=0.5),
        Lane(at_m=12.8, relative_mps=-60.0, slots=4, gap_m=95.0, oncoming=True),
        Lane(at_m=16.5, relative_mps=-55.0, slots=5, gap_m=75.0, oncoming=True, trucks=0.4),
    ),
    rows=(
        Row(kind="tree", near_m=-46.0, far_m=-14.0, spacing_m=9.0, chance=0.8),
        Row(kind="tree", near_m=28.0, far_m=60.0, spacing_m=9.0, chance=0.8),
        Row(kind="bush", near_m=-15.0, far_m=-11.5, spacing_m=14.0, chance=0.6),
        Row(kind="bush", near_m=25.0, far_m=28.0, spacing_m=16.0, chance=0.6),
        Row(kind="post", near_m=-9.0, far_m=-9.0, spacing_m=25.0, jitter=0.0),
        Row(kind="building", near_m=-75.0, far_m=-50.0, spacing_m=85.0, chance=0.45),
        Row(kind="building", near_m=62.0, far_m=90.0, spacing_m=85.0, chance=0.45),
        Row(kind="sign", near_m=-10.6, far_m=-10.6, spacing_m=260.0, jitter=0.5),
    ),
)

_STREET = Scene(
    speed_mps=11.0,
    bend_m=3.0,
    rise_m=0.3,
    bands=(
        Band(left_m=9.2, right_m=6.3, paint="pavement"),
        Band(left_m=6.3, right_m=6.1, paint="kerb"),
        Band(left_m=6.1, right_m=-4.2, paint="asphalt"),
        Band(left_m=-4.2, right_m=-4.4, paint="kerb"),
        Band(left_m=-4.4, right_m=-7.4, paint="pavement"),
        Band(left_m=0.5, right_m=0.43, paint="seam"),
    ),
    lines=(
        Line(at_m=1.75, dash_m=3.0, cycle_m=9.0),
        Line(at_m=-1.95, width_m=0.1, dash_m=1.0, cycle_m=2.0),
    ),
    rail_m=None,
    lanes=(
        Lane(at_m=0.0, relative_mps=0.0, slots=3, gap_m=38.0, behind_m=-16.0, sway_m=4.0),
        Lane(at_m=3.6, relative_mps=-22.0, slots=6, gap_m=42.0, oncoming=True),
        Lane(at_m=-3.1, relative_mps=-11.0, slots=24, gap_m=9.5, sway_m=0.0, trucks=0.08),
    ),
    rows=(
        Row(kind="tree", near_m=-5.3, far_m=-5.3, spacing_m=17.0, chance=0.8, jitter=0.2),
        Row(kind="tree", near_m=7.4, far_m=7.4, spacing_m=15.0, chance=0.8, jitter=0.2),
        Row(kind="lamp", near_m=-4.9, far_m=-4.9, spacing_m=32.0, jitter=0.0),
        Row(kind="building", near_m=-17.0, far_m=-15.5, spacing_m=17.0, chance=0.93, jitter=0.1),
        Row(kind="building", near_m=17.5, far_m=19.0, spacing_m=17.0, chance=0.93, jitter=0.1),
        Row(kind="sign", near_m=-5.0, far_m=-5.0, spacing_m=90.0, jitter=0.5),
        Row(kind="bush", near_m=10.2, far_m=10.6, spacing_m=7.0, chance=0.5),
        Row(kind="bush", near_m=-8.6, far_m=-8.2, spacing_m=7.0, chance=0.5),
    ),
)

SCENES = {"highway": _HIGHWAY, "street": _STREET}
"""Every scene by name."""


def scene_named(name: str) -> Scene:
    """Return a scene.

    Raises:
        SceneUnknownError: There is none of this name; the error lists them.
    """
    try:
        return SCENES[name]
    except KeyError:
        raise SceneUnknownError(name) from None
