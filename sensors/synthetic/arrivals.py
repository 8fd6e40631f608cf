"""Who comes into the world around the own vehicle, and who leaves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensors.synthetic.agents import EGO, Agent, Way, Who
from sensors.synthetic.bodies import body_of
from sensors.synthetic.draws import uniforms

if TYPE_CHECKING:
    from sensors.labels import LabelClass
    from sensors.synthetic.layout import Crossing, Crossings, Lane, Layout
    from sensors.synthetic.parameters import SceneParameters

AHEAD_M, BEHIND_M = 250.0, 230.0  # where they come in, from the own vehicle
_LEAVE_M = 18.0  # so much further out they leave
_SIDE_M = 105.0  # how far from the road side traffic begins and ends
_SIDE_WISH_MPS = 10.0
_SIDE_PER_KM = 26.0
_FIRST_SIDE_LANE = 1 << 20  # keys of the lanes that cross, four to a crossing
_TRUCK_MPS = 25.0  # trucks are slower, as the law has it in most of Europe
_LENGTHS = {"drive": 6.0, "cycle": 2.0, "walk": 0.6}


class Arrivals:
    """Fills and empties the lanes; a copy goes on as the original would."""

    def __init__(
        self, *, layout: Layout, crossings: Crossings, parameters: SceneParameters, seed: int
    ) -> None:
        """Say what to fill."""
        self._layout, self._crossings = layout, crossings
        self._parameters, self._seed = parameters, seed
        self._next_track = 0
        self._counts: dict[int, int] = {}
        self._gaps: dict[int, float] = {}
        self._open: set[int] = set()

    def clone(self) -> Arrivals:
        """Return a copy that can change on its own."""
        copy = Arrivals(
            layout=self._layout,
            crossings=self._crossings,
            parameters=self._parameters,
            seed=self._seed,
        )
        copy._next_track = self._next_track
        copy._counts, copy._gaps = dict(self._counts), dict(self._gaps)
        copy._open = set(self._open)
        return copy

    def first(self) -> list[Agent]:
        """Return everybody at the start, the own vehicle at s = 0."""
        speed = self._parameters.speed_mps
        own_lane = self._layout.lanes[self._layout.own_lane]
        own = Agent(
            Who(EGO, body_of("car", (0.4,) * 8), (0.4,) * 8, Way("along", 1)),
            self._layout.own_lane,
            self._layout.own_lane,
            0.0,
            0.75 * speed,
            0.0,
            speed,
            1.0,
            own_lane.d_m,
            own_lane.d_m,
            -1000,
            1,
            0,
            0.0,
        )
        agents = [own]
        for key, lane in enumerate(self._layout.lanes):
            s_m = -BEHIND_M
            while True:
                s_m += self._gap(key, lane) + _LENGTHS[lane.use]
                if s_m > AHEAD_M:
                    break
                clear_m = 24.0 if key == self._layout.own_lane else -1.0
                if abs(s_m) < clear_m or self._on_crossing(s_m):
                    continue
                agents.append(self._along(key, lane, s_m, None))
        return self._with_crossers(agents, own)

    def update(self, agents: list[Agent], own: Agent) -> list[Agent]:
        """Return who is there after some have left and others come."""
        low_m, high_m = own.q_m - BEHIND_M, own.q_m + AHEAD_M
        kept = [agent for agent in agents if agent is own or _inside(agent, low_m, high_m)]
        by_lane: dict[int, list[Agent]] = {}
        for agent in kept:
            by_lane.setdefault(agent.lane, []).append(agent)
            if agent.old_lane != agent.lane:
                by_lane.setdefault(agent.old_lane, []).append(agent)
        for key, lane in enumerate(self._layout.lanes):
            if lane.use != "drive" and not self._per_km(lane):
                continue
            places = [lane.direction * agent.q_m for agent in by_lane.get(key, ())]
            gap_m = self._gaps.get(key)
            if gap_m is None:
                gap_m = self._gaps[key] = self._gap(key, lane)
            if max(places, default=-1e9) + gap_m < high_m:
                foremost = max(
                    by_lane.get(key, ()), key=lambda a: lane.direction * a.q_m, default=None
                )
                kept.append(self._along(key, lane, high_m, foremost))
                del self._gaps[key]
            elif lane.direction > 0 and min(places, default=1e9) - gap_m > low_m:
                rearmost = min(by_lane.get(key, ()), key=lambda a: a.q_m, default=None)
                kept.append(self._along(key, lane, low_m, rearmost))
                del self._gaps[key]
        return self._with_crossers(kept, own)

    def _per_km(self, lane: Lane) -> float:
        if lane.use == "drive":
            return self._parameters.traffic_per_km
        if lane.use == "cycle":
            return self._parameters.cyclists_per_km
        return self._parameters.pedestrians_per_km / 3.0

    def _wish(self, lane: Lane) -> float:
        if lane.use == "drive":
            return self._parameters.speed_mps * (1.06 - 0.08 * lane.rank)
        return 5.2 if lane.use == "cycle" else 1.3

    def _gap(self, key: int, lane: Lane) -> float:
        """Draw the distance to the next one to come, metres; a lane without traffic has no end."""
        per_km = self._per_km(lane)
        if per_km <= 0.0:
            return 1e12
        number = self._counts.get(-1 - key, 0)
        self._counts[-1 - key] = number + 1
        (draw,) = uniforms(self._seed, "gap", key, number, count=1)
        wish_mps = self._wish(lane)
        least_m = 18.0 + 1.1 * wish_mps if lane.use == "drive" else 2.2 + 1.2 * wish_mps
        return least_m + max(0.0, 1000.0 / per_km - least_m) * 2.0 * draw

    def _along(self, key: int, lane: Lane, s_m: float, near: Agent | None) -> Agent:
        number = self._counts.get(key, 0)
        self._counts[key] = number + 1
        draws = uniforms(self._seed, "comer", key, number, count=12)
        kind = self._kind(lane, draws[0], draws[1])
        wish_mps = self._wish(lane) * (0.88 + 0.24 * draws[2])
        if kind == "truck":
            wish_mps = min(wish_mps, _TRUCK_MPS * (0.9 + 0.1 * draws[2]))
        v_mps = 0.9 * wish_mps
        if near is not None:
            v_mps = min(v_mps, near.v_mps + 2.0)
        d_m = lane.d_m + (0.3 * (draws[3] - 0.5) if lane.use == "drive" else 0.0)
        who = Who(self._track(), body_of(kind, draws[4:]), draws[4:], Way("along", lane.direction))
        q_m = lane.direction * s_m
        return Agent(who, key, key, q_m, v_mps, 0.0, wish_mps, 1.0, d_m, d_m, -1000, 1, 0, 0.0)

    def _kind(self, lane: Lane, draw: float, other: float) -> LabelClass:
        if lane.use != "drive":
            return "cyclist" if lane.use == "cycle" else "pedestrian"
        last = self._parameters.lanes - 1
        # The outermost lane has most of them, the innermost of several none.
        share = self._parameters.trucks
        if last:
            share *= 1.5 if lane.rank == last else (0.3 if lane.rank == 0 else 1.0)
        if draw >= share:
            return "car"
        return "truck" if other < 0.55 else "van"  # noqa: PLR2004 - a share

    def _track(self) -> int:
        self._next_track += 1
        return self._next_track - 1

    def _on_crossing(self, s_m: float) -> bool:
        return any(
            crossing.first_m - 10.0 < s_m < crossing.last_m + 10.0
            for crossing in self._crossings.between(s_m - 40.0, s_m + 40.0)
        )

    def _with_crossers(self, agents: list[Agent], own: Agent) -> list[Agent]:
        """Bring in who crosses the road, as soon as a crossing is within reach."""
        for crossing in self._crossings.between(own.q_m - BEHIND_M, own.q_m + AHEAD_M):
            first = crossing.number not in self._open
            if first:
                self._open.add(crossing.number)
                agents = agents + self._walkers(crossing)
            if crossing.junction:
                agents = agents + self._side_traffic(crossing, agents, first=first)
        self._open = {
            number
            for number in self._open
            if number in {c.number for c in self._crossings.between(own.q_m - 600, own.q_m + 600)}
        }
        return agents

    def _walkers(self, crossing: Crossing) -> list[Agent]:
        per_km = self._parameters.pedestrians_per_km
        draws = uniforms(self._seed, "walkers", crossing.number, count=8)
        count = int(per_km / 16.0 * (0.4 + 0.8 * draws[0]) + draws[1])
        key = self._side_lane(crossing, 3)
        way = Way(
            "over", -1 if crossing.mirrored else 1, crossing.zebra_s_m, self._layout.kerb_walk_m
        )
        q_m, found = -1.0 - 6.0 * draws[2], []
        for number in range(min(count, 12)):
            draws = uniforms(self._seed, "walker", crossing.number, number, count=12)
            who = Who(self._track(), body_of("pedestrian", draws[4:]), draws[4:], way)
            wish_mps = 1.1 + 0.5 * draws[0]
            found.append(
                Agent(who, key, key, q_m, wish_mps, 0.0, wish_mps, 1.0, 0.0, 0.0, -1000, 1, 0, 0.0)
            )
            q_m -= 1.4 + 6.0 * draws[1] * draws[2]
        return found

    def _side_traffic(self, crossing: Crossing, agents: list[Agent], *, first: bool) -> list[Agent]:
        found = []
        if not self._parameters.traffic_per_km:
            return []
        edge_m = self._layout.edge_m + 6.0
        for direction in (1, -1):
            key = self._side_lane(crossing, 1 if direction > 0 else 2)
            rear_m = min((agent.q_m for agent in agents if agent.lane == key), default=1e9)
            places = [-_SIDE_M]
            if first:
                places = [-edge_m - 20.0 * number for number in range(int((_SIDE_M - edge_m) / 20))]
            for q_m in places:
                if rear_m - q_m < 17.0:  # noqa: PLR2004 - metres
                    continue
                number = self._counts.get(key, 0)
                self._counts[key] = number + 1
                draws = uniforms(self._seed, "side", key, number, count=12)
                if not first and rear_m - q_m < 17.0 + 2.0 * draws[1] * 1000.0 / _SIDE_PER_KM:
                    self._counts[key] = number
                    continue
                if first and draws[1] < 0.45:  # noqa: PLR2004 - share of the places left empty
                    continue
                kind: LabelClass = "car" if draws[0] < 0.85 else "van"  # noqa: PLR2004
                # Right-hand traffic: who goes to the road's left keeps to the side road's far half.
                way = Way("side", direction, crossing.s_m + 1.75 * direction)
                who = Who(self._track(), body_of(kind, draws[4:]), draws[4:], way)
                wish_mps = _SIDE_WISH_MPS * (0.85 + 0.3 * draws[2])
                v_mps = 0.0 if first and q_m > -edge_m - 15.0 else 0.7 * wish_mps
                found.append(
                    Agent(who, key, key, q_m, v_mps, 0.0, wish_mps, 1.0, 0.0, 0.0, -1000, 1, 0, 0.0)
                )
        return found

    def _side_lane(self, crossing: Crossing, which: int) -> int:
        return _FIRST_SIDE_LANE + 4 * crossing.number + which


def _inside(agent: Agent, low_m: float, high_m: float) -> bool:
    way = agent.who.way
    if way.kind == "along":
        s_m = way.direction * agent.q_m
        return low_m - _LEAVE_M < s_m < high_m + _LEAVE_M
    if not low_m - _LEAVE_M < way.at_s_m < high_m + _LEAVE_M:
        return False
    return agent.q_m < (_SIDE_M if way.kind == "side" else 2.0 * way.kerb_m + 55.0)
