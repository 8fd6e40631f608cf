"""Those who take part in traffic: how they follow, where their way leads, what is kept of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sensors.labels import LabelClass
    from sensors.synthetic.bodies import Body

TICK_NS = 100_000_000
TICK_S = 0.1
EGO = -1
"""Track of the own vehicle."""


class Manner(NamedTuple):
    """How somebody follows: Treiber, Hennecke and Helbing's intelligent driver model (2000).

    Attributes:
        accel: Largest acceleration, m/s².
        brake: Comfortable braking, m/s².
        hardest: Hardest braking, m/s².
        headway_s: Time kept to whoever is ahead.
        space_m: Distance kept when standing.
        swing: 2 * sqrt(accel * brake), m/s².
    """

    accel: float
    brake: float
    hardest: float
    headway_s: float
    space_m: float
    swing: float


def _manner(accel: float, brake: float, hardest: float, headway_s: float, space_m: float) -> Manner:
    return Manner(accel, brake, hardest, headway_s, space_m, 2.0 * math.sqrt(accel * brake))


# Accelerations of cars and trucks as the model's authors use them; of people and cyclists assumed.
MANNERS: dict[LabelClass, Manner] = {
    "car": _manner(1.5, 2.0, 8.0, 1.2, 2.5),
    "van": _manner(1.3, 2.0, 8.0, 1.3, 2.5),
    "truck": _manner(0.8, 2.0, 7.0, 1.6, 3.0),
    "pedestrian": _manner(0.8, 1.5, 4.0, 0.5, 0.5),
    "cyclist": _manner(0.9, 1.8, 5.0, 0.9, 1.0),
}


@dataclass(frozen=True, slots=True)
class Who:
    """What does not change about somebody.

    Attributes:
        track: Number.
        body: Class and size.
        look: See `Mover.look`.
        way: Where they go.
    """

    track: int
    body: Body
    look: tuple[float, ...]
    way: Way


@dataclass(frozen=True, slots=True)
class Way:
    """The line somebody follows; progress `q` counts metres along it.

    Attributes:
        kind: "along" the road (q is direction times s), over a junction on a "side" road (q is
            direction times d), or on foot to a zebra crossing and "over" it (q is 0 at the kerb).
        direction: 1 or -1, see above; on foot the side along s from which they come, negated.
        at_s_m: Where along the road a crossing way crosses.
        kerb_m: Distance of the kerb from the centre line, of a way on foot.
    """

    kind: str
    direction: int
    at_s_m: float = 0.0
    kerb_m: float = 0.0


@dataclass(slots=True)
class Agent:
    """Somebody at the present tick.

    Attributes:
        who: What does not change.
        lane: Key of the lane they are in, or change to.
        old_lane: Key of the lane they leave; equal to `lane` if they do not change.
        q_m: Progress of their middle along their way.
        v_mps: Speed along it.
        a_mps2: Acceleration until the next tick.
        wish_mps: Speed they would like to have.
        mood: Factor on the wish for now.
        from_m: Lateral place before the last change of lane.
        to_m: Lateral place after it.
        began: Tick at which it began.
        ticks: How long it takes.
        waited: Ticks spent waiting to cross.
        dive: Acceleration as the suspension feels it, m/s².
    """

    who: Who
    lane: int
    old_lane: int
    q_m: float
    v_mps: float
    a_mps2: float
    wish_mps: float
    mood: float
    from_m: float
    to_m: float
    began: int
    ticks: int
    waited: int
    dive: float

    def clone(self) -> Agent:
        """Return a copy that can change on its own."""
        return Agent(
            self.who,
            self.lane,
            self.old_lane,
            self.q_m,
            self.v_mps,
            self.a_mps2,
            self.wish_mps,
            self.mood,
            self.from_m,
            self.to_m,
            self.began,
            self.ticks,
            self.waited,
            self.dive,
        )


class Record(NamedTuple):
    """What is kept of an agent at a tick; enough to place it until the next."""

    who: Who
    q_m: float
    v_mps: float
    a_mps2: float
    from_m: float
    to_m: float
    began: int
    ticks: int
    dive: float


class Pose(NamedTuple):
    """Where on the road somebody is between two ticks.

    Attributes:
        s_m: Along the road.
        d_m: To its left.
        turn_rad: Heading against the road.
        v_mps: Speed along their way.
        aside_mps: Speed across it, to the road's left.
    """

    s_m: float
    d_m: float
    turn_rad: float
    v_mps: float
    aside_mps: float


def acceleration(
    manner: Manner, v_mps: float, wish_mps: float, gap_m: float, ahead_mps: float
) -> float:
    """Return the acceleration behind somebody, from sums, products and quotients alone.

    Args:
        manner: How they follow.
        v_mps: Own speed.
        wish_mps: Speed they would like to have.
        gap_m: Free way to whoever is ahead; infinity for nobody.
        ahead_mps: Speed of that one.
    """
    share = v_mps / wish_mps
    square = share * share
    free = 1.0 - square * square
    free = max(free, -1.2)
    if gap_m >= 400.0:  # noqa: PLR2004 - metres; too far to matter
        return manner.accel * free
    if gap_m <= 0.1:  # noqa: PLR2004 - metres
        return -manner.hardest
    closing = v_mps * (v_mps - ahead_mps) / manner.swing
    wanted_m = manner.space_m + max(0.0, v_mps * manner.headway_s + closing)
    part = wanted_m / gap_m
    return max(manner.accel * (free - part * part), -manner.hardest)


def pose_of(record: Record, *, tick: int, ahead_s: float) -> Pose:
    """Return where somebody is `ahead_s` after a tick, 0 to `TICK_S`."""
    q_m = record.q_m + ahead_s * (record.v_mps + 0.5 * ahead_s * record.a_mps2)
    v_mps = record.v_mps + ahead_s * record.a_mps2
    way = record.who.way
    if way.kind == "side":
        turn_rad = 0.5 * math.pi * way.direction
        return Pose(way.at_s_m, way.direction * q_m, turn_rad, v_mps, 0.0)
    if way.kind == "over":
        return _walked(way, q_m, v_mps)
    share = ((tick - record.began) + ahead_s / TICK_S) / record.ticks
    d_m, aside_mps = record.to_m, 0.0
    if share < 1.0:
        span_m = record.to_m - record.from_m
        # The smoothest way over: no jump of speed or acceleration at either end.
        d_m = record.from_m + span_m * share**3 * (10.0 + share * (6.0 * share - 15.0))
        slope = 30.0 * share * share * (1.0 - share) * (1.0 - share)
        aside_mps = span_m * slope / (record.ticks * TICK_S)
    turn_rad = way.direction * aside_mps / max(v_mps, 2.0)
    # Nobody turns more than this while changing lanes.
    turn_rad = min(max(turn_rad, -0.35), 0.35)
    heading = turn_rad if way.direction > 0 else math.pi + turn_rad
    return Pose(way.direction * q_m, d_m, heading, v_mps, aside_mps)


def _walked(way: Way, q_m: float, v_mps: float) -> Pose:
    """Return the place on a way on foot: along the left kerb, over the road, back on the right."""
    over_m = 2.0 * way.kerb_m
    if q_m < 0.0:
        s_m, d_m = way.at_s_m + way.direction * q_m, way.kerb_m
    elif q_m < over_m:
        s_m, d_m = way.at_s_m, way.kerb_m - q_m
    else:
        s_m, d_m = way.at_s_m - way.direction * (q_m - over_m), -way.kerb_m
    # They turn to the road within a step, and away from it.
    first = min(max(q_m + 0.5, 0.0), 1.0)
    second = min(max(q_m - over_m + 0.5, 0.0), 1.0)
    quarter = -0.5 * math.pi * way.direction
    base = 0.0 if way.direction > 0 else math.pi
    return Pose(s_m, d_m, base + quarter * (first + second), v_mps, 0.0)
