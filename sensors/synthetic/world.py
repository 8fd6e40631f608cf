"""A seeded world: the road, what stands along it, and who moves, at any time."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

from sensors.synthetic.agents import EGO, TICK_NS, TICK_S, pose_of
from sensors.synthetic.course import Course, plain_cosine
from sensors.synthetic.ground import RoadGround
from sensors.synthetic.layout import Crossings, Tunnels, layout_of
from sensors.synthetic.moment import VIEW_M, EgoState, Moment, Mover
from sensors.synthetic.parameters import is_street, parameters_of
from sensors.synthetic.roadside import CELL_M, Roadside
from sensors.synthetic.traffic import Traffic

if TYPE_CHECKING:
    from sensors.synthetic.agents import Pose, Record
    from sensors.synthetic.layout import Layout
    from sensors.synthetic.parameters import ParameterValue, SceneParameters

_NS_PER_S = 1_000_000_000
_KEPT_WORLDS = 2  # of a thread: a drive is of one world, whatever its cameras
_SWAY_M, _SWAY_PER_M = 0.1, math.tau / 130.0  # how the own vehicle strays in its lane; assumed
_DIVE_RAD_S2_PER_M = 0.003  # pitch under acceleration; a soft family car, assumed


def make_world(scene: str, *, seed: int, **parameters: ParameterValue) -> World:
    """Return the world of a scene.

    Args:
        scene: A key of `SCENES`.
        seed: Any whole number; its lowest 64 bits count.
        parameters: Changes by the names of `SceneParameters`.

    Raises:
        SceneUnknownError: There is no such scene.
        SceneParameterError: A parameter is unknown or outside its range.
    """
    return World(scene, seed=seed, parameters=parameters_of(scene, parameters))


class _Kept(threading.local):
    """The worlds that a thread used last; what they remember is not made for several threads."""

    def __init__(self) -> None:
        self.worlds: dict[tuple[str, int, SceneParameters], World] = {}


_KEPT = _Kept()


def world_of(scene: str, *, seed: int, parameters: SceneParameters) -> World:
    """Return the world of a scene, the same one again where this thread has used it lately.

    Traffic is simulated from the start of a drive, so that a new world for each reader would do
    that again for each.
    """
    key, kept = (scene, seed, parameters), _KEPT.worlds
    found = kept.pop(key, None)
    if found is None:
        found = World(scene, seed=seed, parameters=parameters)
    kept[key] = found
    while len(kept) > _KEPT_WORLDS:
        del kept[next(iter(kept))]
    return found


class World:
    """A `Scenery`: a pure function of scene, parameters, seed and time."""

    def __init__(self, scene: str, *, seed: int, parameters: SceneParameters) -> None:
        """Lay the road; traffic is simulated as far as somebody looks."""
        street = is_street(scene)
        self.scene, self.seed, self.parameters = scene, seed, parameters
        self.layout: Layout = layout_of(scene, parameters)
        self.course = Course(
            seed=seed,
            curvature_per_m=parameters.bends / (360.0 if street else 900.0),
            wave_m=620.0 if street else 1300.0,
            hills_m=parameters.hills_m,
        )
        self.crossings = Crossings(parameters, seed=seed)
        self.tunnels = Tunnels(parameters)
        self._ground = RoadGround(
            course=self.course, layout=self.layout, crossings=self.crossings, tunnels=self.tunnels
        )
        self._roadside = Roadside(
            course=self.course,
            layout=self.layout,
            crossings=self.crossings,
            tunnels=self.tunnels,
            parameters=parameters,
            seed=seed,
        )
        self._traffic = Traffic(
            layout=self.layout, crossings=self.crossings, parameters=parameters, seed=seed
        )

    @property
    def ground(self) -> RoadGround:
        """The surface."""
        return self._ground

    def at(self, at_ns: int) -> Moment:
        """The world `at_ns` ns, at least 0, after the start of the drive."""
        tick, ahead_s = _split(at_ns)
        records = self._traffic.at(tick)
        own_record = records[EGO]
        own = pose_of(own_record, tick=tick, ahead_s=ahead_s)
        ego = self._ego(own, own_record, tick, ahead_s)
        low, high = own.s_m - VIEW_M, own.s_m + VIEW_M
        cells = range(math.floor(low / CELL_M), math.floor(high / CELL_M) + 1)
        movers = []
        for track in sorted(records):
            if track == EGO:
                continue
            pose = pose_of(records[track], tick=tick, ahead_s=ahead_s)
            if low <= pose.s_m <= high:
                movers.append(self._mover(records[track], pose))
        for cell in cells:
            movers += self._roadside.parked_of(cell)
        return Moment(
            at_ns=at_ns,
            ego=ego,
            movers=tuple(movers),
            solids=tuple(solid for cell in cells for solid in self._roadside.solids_of(cell)),
            covered=self.tunnels.inside(own.s_m),
        )

    def ego(self, at_ns: int) -> EgoState:
        """The own vehicle alone: what `at` says of it, in a fraction of the time."""
        tick, ahead_s = _split(at_ns)
        record = self._traffic.at(tick)[EGO]
        return self._ego(pose_of(record, tick=tick, ahead_s=ahead_s), record, tick, ahead_s)

    def movers(self, at_ns: int, tracks: tuple[int, ...]) -> dict[int, Mover]:
        """These movers at that instant, wherever they are; one not alive then is left out."""
        tick, ahead_s = _split(at_ns)
        records = self._traffic.at(tick)
        found = {}
        for track in tracks:
            record = records.get(track) if track != EGO else None
            mover = (
                self._roadside.parked(track)
                if record is None
                else self._mover(record, pose_of(record, tick=tick, ahead_s=ahead_s))
            )
            if mover is not None:
                found[track] = mover
        return found

    def place(self, at_ns: int) -> tuple[float, float]:
        """Return where on the road the own vehicle is: s and d, metres."""
        tick, ahead_s = _split(at_ns)
        pose = pose_of(self._traffic.at(tick)[EGO], tick=tick, ahead_s=ahead_s)
        return pose.s_m, pose.d_m + self._sway(pose)[0]

    def speed_mm_s(self, at_ns: int) -> int:
        """Return the own speed over ground at an instant in mm/s.

        The same number on every machine: no function of the system's mathematics library is in it.
        """
        tick, ahead_s = _split(at_ns)
        pose = pose_of(self._traffic.at(tick)[EGO], tick=tick, ahead_s=ahead_s)
        return round(1000.0 * self._own_speed(pose))

    def _own_speed(self, pose: Pose) -> float:
        sway_m, sway_mps = self._sway(pose)
        along = pose.v_mps * (1.0 - self.course.plain_curvature(pose.s_m) * (pose.d_m + sway_m))
        aside = pose.aside_mps + sway_mps
        return math.sqrt(along * along + aside * aside)

    def _sway(self, pose: Pose) -> tuple[float, float]:
        phase = _SWAY_PER_M * pose.s_m
        slope = -_SWAY_M * _SWAY_PER_M * plain_cosine(phase - math.pi / 2)
        return _SWAY_M * plain_cosine(phase), slope * pose.v_mps

    def _ego(self, pose: Pose, record: Record, tick: int, ahead_s: float) -> EgoState:
        sway_m, sway_mps = self._sway(pose)
        course, d_m = self.course, pose.d_m + sway_m
        x_m, y_m = course.point(pose.s_m, d_m)
        turn_rad = math.atan2(pose.aside_mps + sway_mps, max(pose.v_mps, 2.0))
        speed_mps = self._own_speed(pose)
        later = pose_of(record, tick=tick, ahead_s=ahead_s + 0.01)
        later_turn = math.atan2(later.aside_mps + self._sway(later)[1], max(later.v_mps, 2.0))
        heading = course.heading(pose.s_m)
        rate = (course.heading(later.s_m) + later_turn - heading - turn_rad) / 0.01
        dive = record.dive + ahead_s / TICK_S * 0.3 * (record.a_mps2 - record.dive)
        return EgoState(
            x_m=x_m,
            y_m=y_m,
            z_m=course.height(pose.s_m),
            yaw_rad=heading + turn_rad,
            pitch_rad=-math.atan(course.slope(pose.s_m)) - _DIVE_RAD_S2_PER_M * dive,
            roll_rad=0.0,
            speed_mps=speed_mps,
            acceleration_mps2=record.a_mps2,
            yaw_rate_radps=rate,
        )

    def _mover(self, record: Record, pose: Pose) -> Mover:
        who, course = record.who, self.course
        x_m, y_m = course.point(pose.s_m, pose.d_m)
        if who.way.kind == "along":
            speed_mps = pose.v_mps * (1.0 - course.bend(pose.s_m) * pose.d_m)
        else:
            speed_mps = pose.v_mps
        return Mover(
            track=who.track,
            kind=who.body.kind,
            x_m=x_m,
            y_m=y_m,
            z_m=course.height(pose.s_m),
            yaw_rad=course.heading(pose.s_m) + pose.turn_rad,
            length_m=who.body.length_m,
            width_m=who.body.width_m,
            height_m=who.body.height_m,
            speed_mps=speed_mps,
            braking=record.a_mps2 < -0.7 or (pose.v_mps < 0.3),  # noqa: PLR2004 - m/s², m/s
            look=who.look,
        )


def _split(at_ns: int) -> tuple[int, float]:
    """Return the tick at or before an instant, and how long after it the instant is, s."""
    if at_ns < 0:
        msg = f"at_ns must be at least 0, not {at_ns}: the world begins with the drive"
        raise ValueError(msg)
    tick, rest_ns = divmod(at_ns, TICK_NS)
    return tick, rest_ns / _NS_PER_S
