"""Which steps of a frame's route are ready at one site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.plan.steps import Move, Run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.plan.routes import Route, Sites


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A route as one site sees it: what is the same for every frame, looked up once.

    Attributes:
        route: The route.
        devices: Per step the device that runs it here; "" for a move and for what runs elsewhere.
        waits: Per step the span of waiting that its start closes; "" where none is told apart.
        follows: Per step the steps that come directly after it.
        entries: Moves that bring a frame here from another site.
        spans_elsewhere: Spans that another site may stamp, those of waiting included; not the
            consumer's.
        crosses: Whether the route leaves a site.
        predicted_ns: Sum of the predicted latencies.
    """

    route: Route
    devices: tuple[str, ...]
    waits: tuple[str, ...]
    follows: tuple[tuple[int, ...], ...]
    entries: frozenset[int]
    spans_elsewhere: frozenset[str]
    crosses: bool
    predicted_ns: int

    @classmethod
    def of(cls, route: Route, sites: Sites, site: str) -> Chart:
        """The chart of a route at a site."""
        steps = [planned.step for planned in route.steps]
        at = [sites.site_of(step) for step in steps]
        return cls(
            route=route,
            devices=tuple(
                "" if isinstance(step, Move) or where != site else sites.device_of(step)
                for step, where in zip(steps, at, strict=True)
            ),
            waits=tuple(
                f"{planned.span}_wait" if isinstance(planned.step, Run) else ""
                for planned in route.steps
            ),
            follows=tuple(
                tuple(i for i, planned in enumerate(route.steps) if index in planned.after)
                for index in range(len(steps))
            ),
            entries=frozenset(
                index
                for index, planned in enumerate(route.steps)
                if isinstance(planned.step, Move)
                and site not in ({at[i] for i in planned.after} or {sites.vehicle})
            ),
            spans_elsewhere=frozenset(
                name
                for planned, where in zip(route.steps[:-1], at, strict=False)
                if where != site
                for name in (planned.span, f"{planned.span}_wait")
            ),
            crosses=any(isinstance(step, Move) for step in steps),
            predicted_ns=sum(planned.latency_ns for planned in route.steps),
        )


class Itinerary:
    """A frame's way through its route, as one site sees it.

    A step is ready once all the steps it comes after are over; each is handed out once.
    """

    __slots__ = ("_chart", "_handed_out", "_over")

    def __init__(self, chart: Chart) -> None:
        self._chart = chart
        self._over: set[int] = set()
        self._handed_out: set[int] = set()

    def arrive(self, step: int) -> list[int]:
        """The frame comes back from elsewhere with a step over, and all that it depends on.

        Returns the steps that this makes ready.
        """
        steps = self._chart.route.steps
        back = [step]
        while back:
            index = back.pop()
            if index not in self._over:
                self._over.add(index)
                self._handed_out.add(index)
                back.extend(steps[index].after)
        return self.ready()

    def ready(self) -> list[int]:
        """Steps that have become ready since the last call, in order."""
        return self._hand_out(range(len(self._chart.route.steps)))

    def finish(self, step: int) -> list[int]:
        """A step is over; returns the steps that this makes ready, in order."""
        self._over.add(step)
        return self._hand_out(self._chart.follows[step])

    def _hand_out(self, steps: Iterable[int]) -> list[int]:
        planned, over, handed_out = self._chart.route.steps, self._over, self._handed_out
        found = [i for i in steps if i not in handed_out and over.issuperset(planned[i].after)]
        handed_out.update(found)
        return found
