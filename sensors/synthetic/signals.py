"""Who may cross where: traffic lights, zebra crossings, and what is free at a tick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensors.synthetic.agents import TICK_S
from sensors.synthetic.draws import uniforms
from sensors.synthetic.layout import SIDE_HALF_M

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sensors.synthetic.agents import Agent
    from sensors.synthetic.layout import Crossing

_GREEN_S, _YELLOW_S, _CLEAR_S, _SIDE_GREEN_S = 16.0, 3.0, 2.5, 16.0
CYCLE_S = _GREEN_S + 2 * _YELLOW_S + 2 * _CLEAR_S + _SIDE_GREEN_S
_COMFORT_MPS2, _FIRM_MPS2 = 2.6, 3.5
_WALK_MPS = 1.3


@dataclass(slots=True)
class Zone:
    """A crossing at one tick.

    Attributes:
        crossing: Where it is.
        green_s: How long traffic along the road still has green; 0 for none.
        yellow: Whether it has yellow.
        side_green_s: How long those who cross still have green; 0 for none.
        along: Whether somebody along the road is on it.
        across: Whether a vehicle of the side road is on it.
        on_foot: For each direction along the road, whether somebody on foot is in the way.
        waiting: Whether somebody has waited to cross for a second.
        stoppable: Whether all who come along the road can still stop.
        edge_m: Half of the road that those who cross must find free.
    """

    crossing: Crossing
    green_s: float
    yellow: bool
    side_green_s: float
    along: bool
    across: bool
    on_foot: dict[int, bool]
    waiting: bool
    stoppable: bool
    edge_m: float


def lights(crossing: Crossing, *, seed: int, tick: int) -> tuple[float, bool, float]:
    """Return green left along the road, whether it is yellow there, and green left across; s."""
    (phase,) = uniforms(seed, "lights", crossing.number, count=1)
    at_s = (tick * TICK_S + phase * CYCLE_S) % CYCLE_S
    green_s = max(0.0, _GREEN_S - at_s)
    side_s = at_s - (_GREEN_S + _YELLOW_S + _CLEAR_S)
    side_green_s = _SIDE_GREEN_S - side_s if side_s >= 0 else 0.0
    return green_s, _GREEN_S <= at_s < _GREEN_S + _YELLOW_S, max(0.0, side_green_s)


def zone_of(
    crossing: Crossing, agents: Iterable[Agent], *, edge_m: float, seed: int, tick: int
) -> Zone:
    """Return what is on a crossing and what comes to it.

    Args:
        crossing: The crossing.
        agents: All who may be near.
        edge_m: Distance from the centre line within which side traffic is in the way.
        seed: Seed of the drive.
        tick: The tick.
    """
    green_s, yellow, side_s = (
        lights(crossing, seed=seed, tick=tick) if crossing.junction else (1e9, False, 1e9)
    )
    zone = Zone(
        crossing=crossing,
        green_s=green_s,
        yellow=yellow,
        side_green_s=side_s,
        along=False,
        across=False,
        on_foot={1: False, -1: False},
        waiting=False,
        stoppable=True,
        edge_m=edge_m,
    )
    for agent in agents:
        _note(zone, agent)
    return zone


def _note(zone: Zone, agent: Agent) -> None:
    crossing, who, half_m = zone.crossing, agent.who, agent.who.body.length_m / 2
    way = who.way
    if way.kind == "along":
        if who.body.kind == "pedestrian":
            near_m = SIDE_HALF_M + 0.5 + half_m
            zone.along |= (
                crossing.junction and abs(way.direction * agent.q_m - crossing.s_m) < near_m
            )
            return
        first_m, last_m = span_along(crossing, way.direction)
        to_m = first_m - agent.q_m - half_m
        if to_m < 0.0:
            zone.along |= agent.q_m - half_m < last_m
        elif to_m < 90.0:  # noqa: PLR2004 - metres; further ones can always stop
            need_m = agent.v_mps * agent.v_mps / (2.0 * _COMFORT_MPS2) + 2.0
            zone.stoppable &= to_m > need_m or agent.v_mps < 0.3  # noqa: PLR2004 - standing
    elif way.kind == "side":
        if abs(way.at_s_m - crossing.s_m) < SIDE_HALF_M and abs(agent.q_m) - half_m < zone.edge_m:
            zone.across = True
    elif way.at_s_m == crossing.zebra_s_m:
        over_m = 2.0 * way.kerb_m
        if 0.4 < agent.q_m < over_m - 0.4:  # noqa: PLR2004 - metres, on the road
            zone.on_foot[1] = True
            if agent.q_m < way.kerb_m + 1.8:
                zone.on_foot[-1] = True
        elif agent.waited * TICK_S > 1.0:
            zone.waiting = True


def span_along(crossing: Crossing, direction: int) -> tuple[float, float]:
    """Return progress along the road at which a crossing begins and ends."""
    if direction > 0:
        return crossing.first_m, crossing.last_m
    return -crossing.last_m, -crossing.first_m


def may_pass(zone: Zone, agent: Agent, to_m: float) -> bool:
    """Return whether a vehicle or cyclist along the road may go on, `to_m` before its stop line."""
    need_mps2 = agent.v_mps * agent.v_mps / (2.0 * max(to_m, 0.1))
    if zone.across or zone.on_foot[agent.who.way.direction]:
        return False
    if need_mps2 > _FIRM_MPS2 and to_m < 40.0:  # noqa: PLR2004 - too near to stop
        return True
    if zone.waiting and not zone.crossing.junction:
        return need_mps2 > _COMFORT_MPS2
    return zone.green_s > 0.0


def may_walk_on(zone: Zone, agent: Agent) -> bool:
    """Return whether somebody on the pavement may cross the side road."""
    need_s = 2.0 * (SIDE_HALF_M + 1.0) / max(agent.wish_mps, 0.5)
    return zone.green_s > need_s and not zone.across


def may_cross(zone: Zone, agent: Agent, to_m: float) -> bool:
    """Return whether somebody who crosses the road may enter it, `to_m` before it."""
    if zone.along:
        return False
    if agent.who.way.kind == "over":
        return zone.stoppable and zone.side_green_s > zone.edge_m / _WALK_MPS
    need_mps2 = agent.v_mps * agent.v_mps / (2.0 * max(to_m, 0.1))
    return zone.side_green_s > (0.0 if need_mps2 > _FIRM_MPS2 else 1.5)
