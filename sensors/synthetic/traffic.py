"""Traffic, simulated tick by tick around the own vehicle; what comes of it depends on the seed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sensors.synthetic.agents import EGO, MANNERS, Agent, Record, acceleration
from sensors.synthetic.agents import TICK_S as DT
from sensors.synthetic.arrivals import Arrivals
from sensors.synthetic.draws import uniforms
from sensors.synthetic.layout import SIDE_HALF_M
from sensors.synthetic.signals import (
    Zone,
    may_cross,
    may_pass,
    may_walk_on,
    span_along,
    zone_of,
)

if TYPE_CHECKING:
    from sensors.synthetic.layout import Crossing, Crossings, Layout
    from sensors.synthetic.parameters import SceneParameters

CHUNK_TICKS = 100
_KEPT_CHUNKS = 6
_CHANGE_TICKS = {"car": 32, "van": 36, "truck": 48}
_THINK_TICKS, _MOOD_TICKS = 10, 40
_BEFORE_ZONE_M, _BEFORE_KERB_M = 1.4, 0.25
_COMING_M, _BESIDE_M = 135.0, 35.0  # how far a crossing concerns those along the road
_FAR = 1e9


class Traffic:
    """Everybody who moves, as a pure function of the tick.

    It is simulated from the start. What was simulated is kept for a few stretches of
    `CHUNK_TICKS` ticks; of all others only the state at their beginning, from which a stretch is
    simulated again, with the same result, when it is asked for.
    """

    def __init__(
        self, *, layout: Layout, crossings: Crossings, parameters: SceneParameters, seed: int
    ) -> None:
        """Fill the road at the start."""
        self._layout, self._crossings, self._seed = layout, crossings, seed
        self._parameters = parameters
        self._arrivals = Arrivals(
            layout=layout, crossings=crossings, parameters=parameters, seed=seed
        )
        self._begins: list[tuple[list[Agent], Arrivals]] = []
        self._chunks: dict[int, list[dict[int, Record]]] = {}
        self._neighbours = _neighbours(layout)
        agents = self._arrivals.first()
        self._begins.append((agents, self._arrivals))

    def at(self, tick: int) -> dict[int, Record]:
        """Return everybody at a tick by track, the own vehicle as `EGO`."""
        number, place = divmod(tick, CHUNK_TICKS)
        chunk = self._chunks.get(number)
        if chunk is None:
            while len(self._begins) <= number:
                chunk = self._run(len(self._begins) - 1)
            if number not in self._chunks:
                self._run(number)
            chunk = self._chunks[number]
        return chunk[place]

    def _run(self, number: int) -> list[dict[int, Record]]:
        """Simulate a stretch from its beginning, and note the beginning of the next."""
        kept, arrivals = self._begins[number]
        agents = [agent.clone() for agent in kept]
        arrivals = arrivals.clone()
        records = []
        for place in range(CHUNK_TICKS):
            tick = number * CHUNK_TICKS + place
            self._decide(agents, tick)
            records.append({agent.who.track: _record(agent) for agent in agents})
            agents = _moved(agents)
            own = next(agent for agent in agents if agent.who.track == EGO)
            agents = arrivals.update(agents, own)
        if len(self._begins) == number + 1:
            self._begins.append((agents, arrivals))
        while len(self._chunks) >= _KEPT_CHUNKS:
            del self._chunks[next(iter(self._chunks))]
        self._chunks[number] = records
        return records

    def _decide(self, agents: list[Agent], tick: int) -> None:
        """Set everybody's acceleration for the time to the next tick."""
        own = next(agent for agent in agents if agent.who.track == EGO)
        lanes = _by_lane(agents)
        crossings = self._crossings.between(own.q_m - 260.0, own.q_m + 290.0)
        near: list[list[Agent]] = [[] for _ in crossings]
        ways: list[list[int]] = []
        for agent in agents:
            ways.append(_concerned(agent, crossings))
            for number in ways[-1]:
                near[number].append(agent)
        zones = [
            zone_of(crossing, comers, edge_m=self._edge_m, seed=self._seed, tick=tick)
            for crossing, comers in zip(crossings, near, strict=True)
        ]
        for agent in agents:
            if (tick + agent.who.track) % _MOOD_TICKS == 0:
                self._feel(agent, tick)
            thinks = (tick + agent.who.track) % _THINK_TICKS == 0
            if thinks and agent.who.body.kind in _CHANGE_TICKS and agent.who.way.kind == "along":
                self._consider_change(agent, own, lanes, tick)
        for agent, numbers in zip(agents, ways, strict=True):
            self._accelerate(agent, lanes, [zones[number] for number in numbers])

    @property
    def _edge_m(self) -> float:
        return self._layout.edge_m + 0.8

    def _feel(self, agent: Agent, tick: int) -> None:
        """Now and then somebody slows down for no reason that others see."""
        braking, swing = uniforms(self._seed, "mood", agent.who.track, tick, count=2)
        agent.mood = 0.9 + 0.15 * swing
        if braking < 0.05 and agent.who.body.kind in _CHANGE_TICKS:  # noqa: PLR2004 - a share
            agent.mood = 0.45

    def _accelerate(self, agent: Agent, lanes: dict[int, list[Agent]], zones: list[Zone]) -> None:
        body = agent.who.body
        manner = MANNERS[body.kind]
        wish_mps = agent.wish_mps * agent.mood
        least = acceleration(manner, agent.v_mps, wish_mps, _FAR, 0.0)
        changing = agent.lane != agent.old_lane
        for lane in (agent.lane, agent.old_lane) if changing else (agent.lane,):
            ahead = _ahead(lanes[lane], agent)
            if ahead is not None:
                gap_m = ahead.q_m - agent.q_m - (ahead.who.body.length_m + body.length_m) / 2
                got = acceleration(manner, agent.v_mps, wish_mps, gap_m, ahead.v_mps)
                least = min(least, got)
        agent.waited = 0 if agent.v_mps > 0.2 else agent.waited  # noqa: PLR2004 - standing
        for zone in zones:
            to_m = self._stop_before(agent, zone)
            if to_m is not None:
                got = acceleration(
                    manner, agent.v_mps, wish_mps, max(0.2, to_m + manner.space_m), 0.0
                )
                least = min(least, got)
                agent.waited += 1
        if agent.v_mps + least * DT < 0.0:
            least = -agent.v_mps / DT
        agent.a_mps2 = least

    def _stop_before(self, agent: Agent, zone: Zone) -> float | None:
        """Return how far ahead somebody has to stop for a crossing, None if not at all."""
        way, half_m, crossing = agent.who.way, agent.who.body.length_m / 2, zone.crossing
        if way.kind == "along":
            if agent.who.body.kind == "pedestrian":
                return self._walker_stops(agent, zone)
            to_m = span_along(crossing, way.direction)[0] - half_m - agent.q_m
            reach_m, before_m = 110.0, _BEFORE_ZONE_M
            free = may_pass
        elif way.kind == "side":
            if abs(way.at_s_m - crossing.s_m) > SIDE_HALF_M:
                return None
            to_m = -zone.edge_m - half_m - agent.q_m
            reach_m, before_m = 60.0, _BEFORE_ZONE_M
            free = may_cross
        else:
            if way.at_s_m != crossing.zebra_s_m:
                return None
            to_m = 0.4 - agent.q_m
            reach_m, before_m = 8.0, _BEFORE_KERB_M
            free = may_cross
        if not 0.0 < to_m < reach_m or free(zone, agent, max(to_m - before_m, 0.0)):
            return None
        return to_m - before_m

    def _walker_stops(self, agent: Agent, zone: Zone) -> float | None:
        """Return the same for somebody on the pavement, who has to cross a side road."""
        if not zone.crossing.junction:
            return None
        middle_m = agent.who.way.direction * zone.crossing.s_m
        to_m = middle_m - SIDE_HALF_M - 0.8 - agent.who.body.length_m / 2 - agent.q_m
        if not -0.3 < to_m < 12.0 or may_walk_on(zone, agent):  # noqa: PLR2004 - metres
            return None
        return to_m

    def _consider_change(
        self, agent: Agent, own: Agent, lanes: dict[int, list[Agent]], tick: int
    ) -> None:
        """Begin a change of lane where it gains something, or to cut in before the own vehicle."""
        if agent.lane != agent.old_lane:
            if tick - agent.began >= agent.ticks * 0.7:
                agent.old_lane = agent.lane
            return
        if agent.v_mps < 4.0 or tick - agent.began < 60:  # noqa: PLR2004 - m/s; ticks of rest
            return
        ahead = _ahead(lanes[agent.lane], agent)
        free_m = _FAR if ahead is None else ahead.q_m - agent.q_m
        slowed = (
            ahead is not None
            and free_m < 12.0 + 2.2 * agent.v_mps
            and ahead.v_mps < 0.9 * agent.wish_mps
        )
        for lane in self._neighbours[agent.lane]:
            bold = lane == own.lane and agent is not own and self._would_cut(agent, own, tick)
            if not (slowed or bold):
                continue
            if agent is not own and lane != own.lane and self._shy(agent, tick):
                continue
            if self._fits(agent, lanes[lane], bold=bold):
                lanes[lane].append(agent)
                lanes[lane].sort(key=_progress)
                agent.old_lane, agent.lane = agent.lane, lane
                agent.from_m, agent.to_m = agent.to_m, self._layout.lanes[lane].d_m
                agent.began = tick
                agent.ticks = _CHANGE_TICKS[agent.who.body.kind]
                return

    def _would_cut(self, agent: Agent, own: Agent, tick: int) -> bool:
        ahead_m = agent.q_m - own.q_m
        if not 9.0 < ahead_m < 34.0 or agent.v_mps < own.v_mps - 2.0:  # noqa: PLR2004
            return False
        (draw,) = uniforms(self._seed, "cut", agent.who.track, tick, count=1)
        return draw < 0.35 * self._parameters.cut_ins

    def _shy(self, agent: Agent, tick: int) -> bool:
        (draw,) = uniforms(self._seed, "shy", agent.who.track, tick, count=1)
        return draw < 0.5  # noqa: PLR2004 - every other time

    def _fits(self, agent: Agent, lane: list[Agent], *, bold: bool) -> bool:
        """Return whether a gap is long enough; nobody has to brake hard for it."""
        for other in lane:
            away_m = other.q_m - agent.q_m
            gap_m = abs(away_m) - (other.who.body.length_m + agent.who.body.length_m) / 2
            behind, front = (agent, other) if away_m > 0 else (other, agent)
            closing = max(0.0, behind.v_mps - front.v_mps)
            keep_m = (2.5 + 0.22 * behind.v_mps) if bold else (4.0 + 0.5 * behind.v_mps)
            if gap_m < keep_m + closing * closing / 5.0 + 0.6 * closing:
                return False
        return True


def _neighbours(layout: Layout) -> list[tuple[int, ...]]:
    """Return for each lane the driving lanes beside it, the faster one first."""
    found = []
    for lane in layout.lanes:
        beside = [
            other
            for other, candidate in enumerate(layout.lanes)
            if candidate.use == lane.use == "drive"
            and candidate.direction == lane.direction
            and abs(candidate.rank - lane.rank) == 1
        ]
        found.append(tuple(sorted(beside, key=lambda other: layout.lanes[other].rank)))
    return found


def _concerned(agent: Agent, crossings: tuple[Crossing, ...]) -> list[int]:
    """Return the crossings that somebody is on or comes to, as numbers of the tuple."""
    way = agent.who.way
    if way.kind != "along":
        return [n for n, c in enumerate(crossings) if abs(c.s_m - way.at_s_m) < _BESIDE_M]
    on_foot = agent.who.body.kind == "pedestrian"
    found = []
    for number, crossing in enumerate(crossings):
        ahead_m = way.direction * crossing.s_m - agent.q_m
        if -_BESIDE_M < ahead_m < _COMING_M and (crossing.junction or not on_foot):
            found.append(number)
    return found


def _progress(agent: Agent) -> float:
    return agent.q_m


def _by_lane(agents: list[Agent]) -> dict[int, list[Agent]]:
    """Return everybody by lane, the last one first; who changes lanes is in both."""
    lanes: dict[int, list[Agent]] = _Lanes()
    for agent in agents:
        lanes[agent.lane].append(agent)
        if agent.old_lane != agent.lane:
            lanes[agent.old_lane].append(agent)
    for lane in lanes.values():
        lane.sort(key=_progress)
    return lanes


class _Lanes(dict[int, list[Agent]]):
    def __missing__(self, lane: int) -> list[Agent]:
        self[lane] = []
        return self[lane]


def _ahead(lane: list[Agent], agent: Agent) -> Agent | None:
    """Return who is next ahead in a lane that is sorted by progress."""
    low, high = 0, len(lane)
    while low < high:
        middle = (low + high) // 2
        if lane[middle].q_m <= agent.q_m:
            low = middle + 1
        else:
            high = middle
    return lane[low] if low < len(lane) else None


def _record(agent: Agent) -> Record:
    return Record(
        agent.who,
        agent.q_m,
        agent.v_mps,
        agent.a_mps2,
        agent.from_m,
        agent.to_m,
        agent.began,
        agent.ticks,
        agent.dive,
    )


def _moved(agents: list[Agent]) -> list[Agent]:
    """Carry everybody to the next tick."""
    for agent in agents:
        agent.q_m += DT * (agent.v_mps + 0.5 * DT * agent.a_mps2)
        agent.v_mps = max(0.0, agent.v_mps + DT * agent.a_mps2)
        if math.isclose(agent.v_mps, 0.0, abs_tol=1e-9):
            agent.v_mps = 0.0
        agent.dive += 0.3 * (agent.a_mps2 - agent.dive)
    return agents
