"""What is where at a given time, in metres around the own vehicle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sensors.synthetic.draws import uniforms

if TYPE_CHECKING:
    from sensors.synthetic.scenes import Lane, Row, Scene, ThingKind

VIEW_M = 260.0
"""How far ahead the world is filled, metres."""

VehicleKind = Literal["car", "van", "truck"]
Paint = tuple[float, float, float]
"""Blue, green, red, each from 0 to 255."""

_NS_PER_S = 1_000_000_000
_SURGE_M, _SURGE_RAD_PER_S = 1.5, 0.4  # the own vehicle's speed swings about the scene's
_LONGEST_M = 12.0  # above half of a truck: it is behind the camera for good
_BODY_PAINTS: tuple[Paint, ...] = (
    (225, 225, 228),
    (205, 208, 210),
    (150, 152, 155),
    (62, 60, 60),
    (42, 40, 40),
    (48, 40, 170),
    (150, 78, 30),
    (110, 60, 22),
    (52, 92, 40),
    (60, 130, 190),
    (30, 80, 150),
)
_WALL_PAINTS: tuple[Paint, ...] = (
    (150, 170, 190),
    (120, 145, 180),
    (165, 170, 172),
    (110, 120, 150),
    (185, 200, 210),
    (95, 110, 150),
)
# Length, width, height in metres: least, and how much more there may be.
_SIZES: dict[VehicleKind, tuple[tuple[float, float], ...]] = {
    "car": ((4.1, 0.7), (1.76, 0.12), (1.42, 0.16)),
    "van": ((5.2, 0.8), (1.98, 0.1), (2.1, 0.4)),
    "truck": ((10.5, 4.5), (2.5, 0.05), (3.5, 0.4)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vehicle:
    """One vehicle on the road.

    The frame is the own vehicle's: origin on the ground under the camera, x forward, y left, z up,
    metres.

    Attributes:
        kind: What it is.
        x_m: Middle of its footprint, forward.
        y_m: The same, left.
        z_m: Height of the ground under it.
        yaw_rad: Heading against x, counter-clockwise; about pi for oncoming vehicles.
        length_m: Length.
        width_m: Width.
        height_m: Height.
        paint: Colour of the body.
        braking: Whether the brake lights are on.
    """

    kind: VehicleKind
    x_m: float
    y_m: float
    z_m: float
    yaw_rad: float
    length_m: float
    width_m: float
    height_m: float
    paint: Paint
    braking: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """Something that stands beside the road, in the frame of `Vehicle`.

    Attributes:
        kind: What it is.
        x_m: Its foot, forward.
        y_m: The same, left.
        z_m: Height of the ground under it.
        yaw_rad: Direction of the road there.
        look: Four numbers in [0, 1) that say what it looks like.
        height_m: Height.
        on_left: Whether it stands to the left of the own vehicle.
    """

    kind: ThingKind
    x_m: float
    y_m: float
    z_m: float
    yaw_rad: float
    look: tuple[float, ...]
    height_m: float
    on_left: bool

    @property
    def paint(self) -> Paint:
        """Wall colour of a building."""
        return _WALL_PAINTS[int(self.look[0] * len(_WALL_PAINTS))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """One sine over the distance along the road, and its tangent at one place on it.

    Attributes:
        amplitude_m: Height of the wave.
        turn_per_m: Phase per metre, rad.
        phase_rad: Phase at that place.
        sine: Sine of the phase there.
        cosine: Cosine of the phase there.
    """

    amplitude_m: float
    turn_per_m: float
    phase_rad: float
    sine: float
    cosine: float

    @classmethod
    def at(cls, along_m: float, *, amplitude_m: float, length_m: float, phase_rad: float) -> Wave:
        """Return the wave of a length (m) and a phase at 0 (rad), touched at `along_m`."""
        turn = math.tau / length_m
        phase = phase_rad + turn * along_m
        return cls(
            amplitude_m=amplitude_m,
            turn_per_m=turn,
            phase_rad=phase,
            sine=math.sin(phase),
            cosine=math.cos(phase),
        )

    def beyond_m(self, x_m: float) -> float:
        """Return how far the wave lies off its tangent, `x_m` ahead of the place."""
        turn = self.turn_per_m * x_m
        return self.amplitude_m * (math.sin(self.phase_rad + turn) - self.sine - turn * self.cosine)

    def slope(self, x_m: float) -> float:
        """Return its slope `x_m` ahead of the place, metres per metre."""
        ahead = math.cos(self.phase_rad + self.turn_per_m * x_m)
        return self.amplitude_m * self.turn_per_m * ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """Course of the road as the own vehicle sees it, tangent to it at x = 0.

    Attributes:
        along_m: Distance driven.
        aside_m: How far left of the middle of its lane the own vehicle is.
        bend: Sideways course.
        ripple: A shorter wave on top of it.
        hill: Height.
    """

    along_m: float
    aside_m: float
    bend: Wave
    ripple: Wave
    hill: Wave

    def middle_m(self, x_m: float) -> float:
        """Y of the middle of the own lane at a distance ahead, metres."""
        return self.bend.beyond_m(x_m) + self.ripple.beyond_m(x_m) - self.aside_m

    def ground_m(self, x_m: float) -> float:
        """Z of the road at a distance ahead, metres."""
        return self.hill.beyond_m(x_m)

    def yaw_rad(self, x_m: float) -> float:
        """Direction of the road at a distance ahead, against the own one."""
        return self._course_rad(x_m) - self.heading_rad()

    def heading_rad(self) -> float:
        """Own heading over ground, against the mean course of the road."""
        return self._course_rad(0.0)

    def _course_rad(self, x_m: float) -> float:
        return math.atan(self.bend.slope(x_m) + self.ripple.slope(x_m))


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The world at one instant.

    Attributes:
        road: Course of the road.
        vehicles: Other vehicles, no order.
        things: What stands beside the road, no order.
    """

    road: Road
    vehicles: tuple[Vehicle, ...]
    things: tuple[Thing, ...]


class World:
    """A scene filled from a seed; a pure function of time."""

    def __init__(self, scene: Scene, *, seed: int) -> None:
        """Choose the phases of the road."""
        self._scene, self._seed = scene, seed
        self._phase = [math.tau * draw for draw in uniforms(seed, "road", count=5)]

    @property
    def scene(self) -> Scene:
        """What the world was filled from."""
        return self._scene

    def speed_mm_s(self, at_ns: int) -> int:
        """Return the own speed at an instant in mm/s: the slope of the distance driven.

        The same number on every machine: no function of the system's mathematics library is in it.
        """
        swing = plain_cosine(_SURGE_RAD_PER_S * (at_ns / _NS_PER_S) + self._phase[3])
        return round(1000.0 * (self._scene.speed_mps + _SURGE_M * _SURGE_RAD_PER_S * swing))

    def at(self, at_ns: int, *, behind: bool = False) -> Moment:
        """Return the world at an instant.

        Args:
            at_ns: Ns since the start of the drive.
            behind: Whether it is filled behind the own vehicle too, as far as ahead; what is ahead
                is the same either way.
        """
        seconds = at_ns / _NS_PER_S
        surge_m = _SURGE_M * math.sin(_SURGE_RAD_PER_S * seconds + self._phase[3])
        along_m = self._scene.speed_mps * seconds + surge_m
        bend_m, rise_m, phase = self._scene.bend_m, self._scene.rise_m, self._phase
        road = Road(
            along_m=along_m,
            aside_m=0.16 * math.sin(0.55 * seconds + phase[4]),
            bend=Wave.at(along_m, amplitude_m=bend_m, length_m=760.0, phase_rad=phase[0]),
            ripple=Wave.at(along_m, amplitude_m=bend_m / 4, length_m=410.0, phase_rad=phase[1]),
            hill=Wave.at(along_m, amplitude_m=rise_m, length_m=640.0, phase_rad=phase[2]),
        )
        vehicles = [
            vehicle
            for number, lane in enumerate(self._scene.lanes)
            for vehicle in self._traffic(road, number, lane, seconds, behind=behind)
        ]
        things = [
            thing
            for number, row in enumerate(self._scene.rows)
            for thing in self._roadside(road, number, row, behind=behind)
        ]
        return Moment(road=road, vehicles=tuple(vehicles), things=tuple(things))

    def _traffic(
        self, road: Road, number: int, lane: Lane, seconds: float, *, behind: bool
    ) -> list[Vehicle]:
        found: list[Vehicle] = []
        loop_m = lane.slots * lane.gap_m
        for slot in range(lane.slots):
            jitter, rhythm = uniforms(self._seed, "slot", number, slot, count=2)
            place_m = (slot + 0.3 * jitter) * lane.gap_m + lane.relative_mps * seconds
            turn = math.floor(place_m / loop_m)
            beat = 0.35 * seconds + math.tau * rhythm
            sway_m = lane.sway_m * math.sin(beat)
            x_m = place_m - turn * loop_m - lane.behind_m + sway_m
            braking = lane.sway_m > 0 and math.cos(beat) < -0.8  # noqa: PLR2004 - while dropping back
            for back in range(1 + math.ceil(VIEW_M / loop_m) if behind else 1):
                # A loop further back drives what comes into this one next, or has just left it.
                # A lane that begins ahead of us keeps that distance behind us too.
                shift_m = back * loop_m + (max(0.0, -lane.behind_m) if back else 0.0)
                least_m = -VIEW_M if behind else -_LONGEST_M
                if not least_m < x_m - shift_m < VIEW_M:
                    continue
                look = uniforms(self._seed, "vehicle", number, slot, turn + back, count=8)
                found.append(_vehicle(road, lane, x_m - shift_m, look, braking=braking))
        return found

    def _roadside(self, road: Road, number: int, row: Row, *, behind: bool) -> list[Thing]:
        found = []
        first = math.floor((road.along_m - (VIEW_M if behind else 10.0)) / row.spacing_m)
        last = math.floor((road.along_m + VIEW_M) / row.spacing_m)
        for place in range(first, last + 1):
            draws = uniforms(self._seed, row.kind, number, place, count=8)
            if draws[0] >= row.chance:
                continue
            x_m = (place + 0.5 + row.jitter * (draws[1] - 0.5)) * row.spacing_m - road.along_m
            y_m = row.near_m + (row.far_m - row.near_m) * draws[2] + road.middle_m(x_m)
            found.append(
                Thing(
                    kind=row.kind,
                    x_m=x_m,
                    y_m=y_m,
                    z_m=road.ground_m(x_m),
                    yaw_rad=road.yaw_rad(x_m),
                    look=draws[4:],
                    height_m=_HEIGHTS_M[row.kind] * (0.75 + 0.5 * draws[3]),
                    on_left=y_m >= 0,
                )
            )
        return found


def plain_cosine(angle_rad: float) -> float:
    """Return the cosine from sums and products alone, which every machine rounds alike.

    Within 1e-9 of the true value up to a million rad.
    """
    turns = angle_rad / math.tau
    part = (turns - math.floor(turns)) * math.tau - math.pi
    square, term, total = part * part, 1.0, 1.0
    for order in range(1, 15):
        term = -term * square / ((2 * order - 1) * (2 * order))
        total += term
    return -total


_HEIGHTS_M: dict[ThingKind, float] = {
    "tree": 8.0,
    "bush": 1.6,
    "post": 1.0,
    "lamp": 8.0,
    "building": 11.0,
    "sign": 3.2,
}


def _vehicle(
    road: Road, lane: Lane, x_m: float, look: tuple[float, ...], *, braking: bool
) -> Vehicle:
    kind: VehicleKind = "car"
    if look[0] < lane.trucks:
        kind = "truck" if look[1] < 0.6 and lane.sway_m > 0 else "van"  # noqa: PLR2004 - a share
    (length, more_length), (width, more_width), (height, more_height) = _SIZES[kind]
    return Vehicle(
        kind=kind,
        x_m=x_m,
        y_m=lane.at_m + 0.3 * (look[2] - 0.5) + road.middle_m(x_m),
        z_m=road.ground_m(x_m),
        yaw_rad=road.yaw_rad(x_m) + (math.pi if lane.oncoming else 0.0),
        length_m=length + more_length * look[3],
        width_m=width + more_width * look[4],
        height_m=height + more_height * look[5],
        paint=_BODY_PAINTS[int(look[6] * len(_BODY_PAINTS))],
        braking=braking,
    )
