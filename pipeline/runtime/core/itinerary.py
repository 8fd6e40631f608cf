"""Which steps of a frame's route are ready at one site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pipeline.plan.steps import Host, Move, Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.plan.routes import Route, RouteStep, Sites


class Chart:
    """A route as one site sees it: what is the same for every frame, looked up once; never changed.

    Steps are counted among all steps of the route's task, so that routes can share some. Sets of
    steps are whole numbers, a bit for each step.

    Attributes:
        route: The route.
        steps: All steps of the task.
        places: Which of them are the route's, in its order.
        devices: Per step the device, or the bus, that does it here; "" for a move over a link and
            for what is done elsewhere.
        channels: Per step the channel that a move over a link takes; "" for anything else.
        spans: Per step the span that its end closes.
        waits: Per step the span of waiting that its start closes; "" where none is told apart.
        runs: Per step whether it is no host's: a device's, a bus's or a link's.
        follows: Per step the route's steps that come directly after it.
        needs: Per step the set of those it comes directly after.
        before: Per step the set of itself and all that it depends on.
        first: Steps that come after none.
        last: The step at the consumer.
        entries: Moves over a link that bring a frame here from another site.
        spans_elsewhere: Spans that another site may stamp, those of waiting included; not the
            consumer's.
        crosses: Whether the route leaves a site.
        predicted_ns: Sum of the predicted latencies.
        alone_ns: Per step its predicted time, for a device that runs it alone.
        lengths_ns: Per step the same, then of batches of two, three and so on.
        rest_ns: Per step the predicted time from its start to the end of the route.
        unhurried_ns: Per step 0, in place of `rest_ns` where no frame can be in time.
    """

    __slots__ = (
        "alone_ns",
        "before",
        "channels",
        "crosses",
        "devices",
        "entries",
        "first",
        "follows",
        "last",
        "lengths_ns",
        "needs",
        "places",
        "predicted_ns",
        "rest_ns",
        "route",
        "runs",
        "spans",
        "spans_elsewhere",
        "steps",
        "unhurried_ns",
        "waits",
    )

    def __init__(
        self,
        route: Route,
        sites: Sites,
        site: str,
        *,
        steps: Sequence[RouteStep] = (),
        places: Sequence[int] = (),
    ) -> None:
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
        at = [sites.site_of(planned.step) for planned in steps]
        self.route, self.steps, self.places = route, steps, places
        self.devices = tuple(
            sites.device_of(p.step) if where == site else ""
            for p, where in zip(steps, at, strict=True)
        )
        self.channels = tuple(
            p.step.channel if isinstance(p.step, Move) and where is None else ""
            for p, where in zip(steps, at, strict=True)
        )
        self.spans = tuple(p.span for p in steps)
        self.waits = tuple(f"{p.span}_wait" if isinstance(p.step, Run) else "" for p in steps)
        self.runs = tuple(not isinstance(p.step, Host) for p in steps)
        self.follows = tuple(
            tuple(i for i in places if index in steps[i].after) if index in places else ()
            for index in range(len(steps))
        )
        self.needs = tuple(_bits(p.after) for p in steps)
        self.before = tuple(_before(steps, index) for index in range(len(steps)))
        self.first = tuple(index for index in places if not steps[index].after)
        self.last = places[-1]
        self.entries = frozenset(
            index
            for index in places
            if isinstance(steps[index].step, Move)
            and at[index] is None
            and site not in ({at[i] for i in steps[index].after} or {sites.vehicle})
        )
        self.spans_elsewhere = frozenset(
            name
            for index in places[:-1]
            if at[index] != site
            for name in (steps[index].span, f"{steps[index].span}_wait")
        )
        self.crosses = any(at[index] is None for index in places)
        self.predicted_ns = sum([steps[index].latency_ns for index in places])
        self.alone_ns = tuple((p.latency_ns,) for p in steps)
        self.lengths_ns = tuple(p.lengths_ns for p in steps)
        rest_ns = [0] * len(steps)
        for index in reversed(places):
            after_ns = max([rest_ns[i] for i in self.follows[index]], default=0)
            rest_ns[index] = steps[index].latency_ns + after_ns
        self.rest_ns = tuple(rest_ns)
        self.unhurried_ns = (0,) * len(steps)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """The chart itself: nobody changes it."""
        return self


class Itinerary:
    """A frame's way through its route, as one site sees it.

    A step is ready once all the steps it comes after are over; each is handed out once. Sets of
    steps are whole numbers, a bit for each step.
    """

    __slots__ = ("_chart", "_handed_out", "_over")

    def __init__(self, chart: Chart) -> None:
        self._chart = chart
        self._over = 0
        self._handed_out = 0

    def arrive(self, step: int) -> list[int]:
        """The frame comes back from elsewhere with a step over, and all that it depends on.

        Returns the steps that this makes ready.
        """
        before = self._chart.before[step]
        self._over |= before
        self._handed_out |= before
        return self._hand_out(self._chart.places)

    def ready(self) -> list[int]:
        """Steps that are ready before anything is over and were not handed out, in order."""
        return self._hand_out(self._chart.first)

    def finish(self, step: int) -> list[int]:
        """A step is over; returns the steps that this makes ready, in order."""
        self._over |= 1 << step
        return self._hand_out(self._chart.follows[step])

    def take_over(self, over: Iterable[int], under_way: Iterable[int]) -> list[int]:
        """Begin where another way of the same frame has got to.

        Args:
            over: Steps that are over already.
            under_way: Steps that were handed out and will be over without this way's doing.

        Returns:
            The steps that are ready now.
        """
        done = _bits(over)
        self._over |= done
        self._handed_out |= done | _bits(under_way)
        return self._hand_out(self._chart.places)

    def _hand_out(self, indices: tuple[int, ...]) -> list[int]:
        needs, over, handed_out = self._chart.needs, self._over, self._handed_out
        found = []
        for index in indices:
            bit, needed = 1 << index, needs[index]
            if not handed_out & bit and needed & over == needed:
                handed_out |= bit
                found.append(index)
        self._handed_out = handed_out
        return found


def _bits(steps: Iterable[int]) -> int:
    """A set of steps as a number."""
    bits = 0
    for step in steps:
        bits |= 1 << step
    return bits


def _before(steps: Sequence[RouteStep], step: int) -> int:
    """A step and all that it depends on, a bit each."""
    bits, back = 0, [step]
    while back:
        index = back.pop()
        if not bits >> index & 1:
            bits |= 1 << index
            back.extend(steps[index].after)
    return bits
