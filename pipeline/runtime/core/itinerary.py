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
        handed_on: Per step the set of those, where each of them comes after this step alone; 0
            where one waits for others as well, or there is none.
        local: The route's steps that a device does here, in its order: step, span that its end
            closes, and whether it is no host's.
        arrivals: Per step what its arrival from elsewhere makes ready, in order and as a set, of a
            frame that is nowhere else.
        mine: The set of the route's steps.
        needs: Per step the set of those it comes directly after.
        before: Per step the set of itself and all that it depends on.
        first: Steps that come after none.
        first_bits: The set of those.
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
        "arrivals",
        "before",
        "channels",
        "crosses",
        "devices",
        "entries",
        "first",
        "first_bits",
        "follows",
        "handed_on",
        "last",
        "lengths_ns",
        "local",
        "mine",
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
        self.handed_on = tuple(
            0 if any(steps[i].after != (index,) for i in after) else _bits(after)
            for index, after in enumerate(self.follows)
        )
        self.local = tuple(
            (index, self.spans[index], self.runs[index]) for index in places if self.devices[index]
        )
        self.arrivals = tuple(self._arrival(index) for index in range(len(steps)))
        self.mine = _bits(places)
        self.first = tuple(index for index in places if not steps[index].after)
        self.first_bits = _bits(self.first)
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

    def stamped(self, stamps: Iterable[tuple[str, int]]) -> dict[str, int]:
        """Stamps of another site, run time in ns, those left out that it has no right to make."""
        there = self.spans_elsewhere
        return {span: at_ns for span, at_ns in stamps if span in there}

    def _arrival(self, step: int) -> tuple[tuple[int, ...], int]:
        """Steps that are ready where that one is over with all before it, in order and as a set."""
        before = self.before[step]
        steps = tuple(
            i
            for i in self.places
            if not before >> i & 1 and self.needs[i] & before == self.needs[i]
        )
        return steps, _bits(steps)

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

    def arrive(self, step: int) -> Sequence[int]:
        """The frame comes back from elsewhere with a step over, and all that it depends on.

        Returns the steps that this makes ready.
        """
        chart = self._chart
        before = chart.before[step]
        self._over |= before
        self._handed_out |= before
        if self._over == self._handed_out == before:  # it is nowhere else: nearly always
            steps, bits = chart.arrivals[step]
            self._handed_out |= bits
            return steps
        return self._hand_out(chart.places)

    def ready(self) -> Sequence[int]:
        """Steps that are ready before anything is over and were not handed out, in order."""
        chart = self._chart
        if not self._handed_out:  # nearly always
            self._handed_out = chart.first_bits
            return chart.first
        return self._hand_out(chart.first)

    def finish(self, step: int) -> Sequence[int]:
        """A step is over; returns the steps that this makes ready, in order."""
        chart = self._chart
        self._over |= 1 << step
        handed_on = chart.handed_on[step]
        if handed_on and not self._handed_out & handed_on:  # nearly always
            self._handed_out |= handed_on
            return chart.follows[step]
        return self._hand_out(chart.follows[step])

    def take_over(self, over: int, under_way: int) -> Sequence[int]:
        """Begin where another way of the same frame has got to.

        Args:
            over: Set of the steps that are over already.
            under_way: Set of those that were handed out and will be over without this way's doing.

        Returns:
            The steps that are ready now.
        """
        self._over |= over
        self._handed_out |= over | under_way
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
