"""Which steps of a frame's route are ready at one site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.plan.steps import Move, Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.plan.routes import Route, RouteStep, Sites


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A route as one site sees it: what is the same for every frame, looked up once.

    Steps are counted among all steps of the route's task, so that routes can share some.

    Attributes:
        route: The route.
        steps: All steps of the task.
        places: Which of them are the route's, in its order.
        devices: Per step the device, or the bus, that does it here; "" for a move over a link and
            for what is done elsewhere.
        waits: Per step the span of waiting that its start closes; "" where none is told apart.
        follows: Per step the route's steps that come directly after it.
        first: Steps that come after none.
        last: The step at the consumer.
        entries: Moves over a link that bring a frame here from another site.
        spans_elsewhere: Spans that another site may stamp, those of waiting included; not the
            consumer's.
        crosses: Whether the route leaves a site.
        predicted_ns: Sum of the predicted latencies.
        rest_ns: Per step the predicted time from its start to the end of the route.
    """

    route: Route
    steps: tuple[RouteStep, ...]
    places: tuple[int, ...]
    devices: tuple[str, ...]
    waits: tuple[str, ...]
    follows: tuple[tuple[int, ...], ...]
    first: tuple[int, ...]
    last: int
    entries: frozenset[int]
    spans_elsewhere: frozenset[str]
    crosses: bool
    predicted_ns: int
    rest_ns: tuple[int, ...]

    @classmethod
    def of(
        cls,
        route: Route,
        sites: Sites,
        site: str,
        *,
        steps: Sequence[RouteStep] = (),
        places: Sequence[int] = (),
    ) -> Chart:
        """The chart of a route at a site.

        Args:
            route: The route.
            sites: Where devices stand.
            site: Name of the site.
            steps: All steps of the task; those of the route where left out.
            places: Which of them are the route's.
        """
        steps = tuple(steps) or route.steps
        places = tuple(places) or tuple(range(len(route.steps)))
        mine = frozenset(places)
        at = [sites.site_of(planned.step) for planned in steps]
        follows = tuple(
            tuple(i for i in places if index in steps[i].after) if index in mine else ()
            for index in range(len(steps))
        )
        rest_ns = [0] * len(steps)
        for index in reversed(places):
            after_ns = max([rest_ns[i] for i in follows[index]], default=0)
            rest_ns[index] = steps[index].latency_ns + after_ns
        return cls(
            route=route,
            steps=steps,
            places=places,
            devices=tuple(
                sites.device_of(p.step) if where == site else ""
                for p, where in zip(steps, at, strict=True)
            ),
            waits=tuple(f"{p.span}_wait" if isinstance(p.step, Run) else "" for p in steps),
            follows=follows,
            first=tuple(index for index in places if not steps[index].after),
            last=places[-1],
            entries=frozenset(
                index
                for index in places
                if isinstance(steps[index].step, Move)
                and at[index] is None
                and site not in ({at[i] for i in steps[index].after} or {sites.vehicle})
            ),
            spans_elsewhere=frozenset(
                name
                for index in places[:-1]
                if at[index] != site
                for name in (steps[index].span, f"{steps[index].span}_wait")
            ),
            crosses=any(at[index] is None for index in places),
            predicted_ns=sum(steps[index].latency_ns for index in places),
            rest_ns=tuple(rest_ns),
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
        self._mark(step)
        return self._hand_out(self._chart.places)

    def ready(self) -> list[int]:
        """Steps that are ready before anything is over and were not handed out, in order."""
        return self._hand_out(self._chart.first)

    def finish(self, step: int) -> list[int]:
        """A step is over; returns the steps that this makes ready, in order."""
        self._over.add(step)
        return self._hand_out(self._chart.follows[step])

    def take_over(self, over: Iterable[int], under_way: Iterable[int]) -> list[int]:
        """Begin where another way of the same frame has got to.

        Args:
            over: Steps that are over already.
            under_way: Steps that were handed out and will be over without this way's doing.

        Returns:
            The steps that are ready now.
        """
        self._over.update(over)
        self._handed_out.update(over, under_way)
        return self._hand_out(self._chart.places)

    def _mark(self, step: int) -> None:
        steps, back = self._chart.steps, [step]
        while back:
            index = back.pop()
            if index not in self._over:
                self._over.add(index)
                self._handed_out.add(index)
                back.extend(steps[index].after)

    def _hand_out(self, indices: Iterable[int]) -> list[int]:
        steps, over, handed_out = self._chart.steps, self._over, self._handed_out
        found = [i for i in indices if i not in handed_out and over.issuperset(steps[i].after)]
        handed_out.update(found)
        return found
