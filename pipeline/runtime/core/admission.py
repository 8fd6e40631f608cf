"""Which frames the vehicle takes on, and by which of their task's routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.runtime.core.breaker import Breaker
from pipeline.runtime.core.commands import Note
from pipeline.runtime.core.estimation import LinkEstimator
from pipeline.runtime.core.frames import Course, TaskState
from pipeline.runtime.core.itinerary import Chart
from pipeline.runtime.core.sharing import UplinkShares
from pipeline.runtime.core.switching import MapSwitch

if TYPE_CHECKING:
    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.config import CoreConfig, Hedge, TaskConfig
    from pipeline.runtime.core.frames import Attempt


class Admitted:
    """How a frame is taken on.

    Attributes:
        chart: The route that it begins with.
        planned: The route that the plan wanted.
        hedge: Its second route; None for none.
        hedge_chart: That route as the vehicle sees it.
        note: Why the route is not the plan's; "" where it is.
    """

    __slots__ = ("chart", "hedge", "hedge_chart", "note", "planned")

    def __init__(
        self,
        chart: Chart,
        planned: Chart,
        hedge: Hedge | None = None,
        hedge_chart: Chart | None = None,
        note: str = "",
    ) -> None:
        self.chart, self.planned, self.note = chart, planned, note
        self.hedge, self.hedge_chart = hedge, hedge_chart


class Admission:
    """Places in flight, credits of the cloud, the breaker and the regions of the plan map.

    Attributes:
        tasks: State of each task.
        breaker: Whether the cloud is asked.
        cloud_credits: Requests that may still be sent to the cloud.
        switches: Whether some task has several regions.
    """

    def __init__(self, config: CoreConfig) -> None:
        self._config = config
        self.breaker = Breaker(config.breaker)
        self.cloud_credits = 0
        self._estimator = LinkEstimator(config.switch)
        self._shares = UplinkShares(config.shares)
        self.tasks = {name: self._state(task) for name, task in config.tasks.items()}
        self.switches = any(len(task.courses) > 1 for task in self.tasks.values())

    def _state(self, task: TaskConfig) -> TaskState:
        config, site = self._config, self._config.sites.vehicle
        courses = []
        for way in task.ways:
            hedge = way.hedge
            courses.append(
                Course(
                    way=way,
                    chart=Chart(way.route, config.sites, site, steps=task.steps, places=way.places),
                    hedge=hedge,
                    hedge_chart=None
                    if hedge is None
                    else Chart(
                        hedge.route, config.sites, site, steps=task.steps, places=hedge.places
                    ),
                )
            )
        paths = tuple(p for p in (*config.paths, *config.parts) if p.task == task.name)
        switch = MapSwitch(task.regions, config.switch)
        if config.switch.nominal_bits_per_s:
            switch.observe(self._estimator)
        return TaskState(task, tuple(courses), paths, switch)

    def admit(self, task: TaskState, at_ns: int) -> Admitted | str:
        """Take a frame of a task on, if that is allowed now; its place and credit are taken.

        Returns:
            How it is taken on; "" when it has to wait; else the reason for which it is dropped.
        """
        if task.active >= task.config.in_flight:
            return ""
        course = task.courses[task.switch.current]
        if not course.chart.crosses and task.switch.several:
            course = self._probing(task, at_ns) or course
        chart, hedge = course.chart, course.hedge
        if not chart.crosses:
            return self._taken(task, Admitted(chart, chart, hedge, course.hedge_chart))
        return self._over_link(task, course, at_ns)

    @staticmethod
    def _probing(task: TaskState, at_ns: int) -> Course | None:
        """A better cell's way over the link, where one is due to be tried."""
        for way in task.switch.better():
            if task.courses[way].chart.crosses:
                return task.courses[way] if task.switch.probe_due(at_ns) else None
        return None

    def _over_link(self, task: TaskState, course: Course, at_ns: int) -> Admitted | str:
        """Take a frame on whose route crosses: by that route, else by one that stays in the car."""
        chart = course.chart
        if not self.breaker.allows(at_ns):
            fallback = self._fallback(task, course)
            if fallback is None:
                return "breaker"
            return self._taken(task, Admitted(fallback, chart, note="breaker-fallback"))
        if self._gives_way(task, at_ns):
            fallback = self._fallback(task, course)
            if fallback is None:
                return ""  # until a frame of the other task is over
            return self._taken(task, Admitted(fallback, chart, note="share-fallback"))
        if self.cloud_credits > 0:
            self.cloud_credits -= 1
            return self._taken(task, Admitted(chart, chart, course.hedge, course.hedge_chart))
        if course.hedge_chart is None:
            return ""
        return self._taken(task, Admitted(course.hedge_chart, chart, note="no-credit-fallback"))

    def sent(self, task: TaskState, sent_bytes: int, at_ns: int) -> None:
        """A frame of a task is handed to the uplink."""
        self._shares.sent(task.config.name, sent_bytes, at_ns, self._estimator.bits_per_s)

    def _gives_way(self, task: TaskState, at_ns: int) -> bool:
        """Whether a task is over its share of the uplink while another one with a share is busy."""
        if not self._shares.over(task.config.name, at_ns, self._estimator.bits_per_s):
            return False
        return any(
            other.active and other is not task and other.config.name in self._shares
            for other in self.tasks.values()
        )

    def give_back(self, task: TaskState, admitted: Admitted) -> None:
        """A frame that was taken on is not, after all."""
        self.release(task, unused=admitted.chart.crosses)

    def release(self, task: TaskState, *, unused: bool) -> None:
        """A place in flight is free; a credit that was not used comes back."""
        task.active -= 1
        if unused:
            self.cloud_credits += 1

    def learn(self, task: TaskState, attempt: Attempt, out: list[Command]) -> None:
        """An answer says how it crossed, how long it waited there, and how it came back."""
        if not self.switches and not self._shares:
            return
        began_ns = attempt.elsewhere.get("uplink_wait")
        arrived_ns = attempt.elsewhere.get("uplink")
        if began_ns is None or arrived_ns is None:
            return
        estimator, seen = self._estimator, attempt.elsewhere
        known = estimator.crossed(attempt.bytes_up, began_ns, arrived_ns)
        if "downlink_wait" in seen and "downlink" in seen:
            estimator.returned(attempt.bytes_down, seen["downlink_wait"], seen["downlink"])
        if "unpack" in seen and "cloud_wait" in seen and "cloud" in seen:
            waited_ns = seen["cloud_wait"] - seen["unpack"]
            estimator.served(waited_ns, seen["cloud"] - seen["cloud_wait"])
        if known and self.switches:
            self._observe(task, out)

    def missed(self, task: TaskState, attempt: Attempt, at_ns: int, out: list[Command]) -> None:
        """A request was not answered by its frame's deadline."""
        if self.breaker.failed(at_ns):
            out.append(Note(reason="breaker-open"))
        if self.switches:
            self._estimator.silent(attempt.bytes_up, attempt.sent_ns, at_ns)
            self._observe(task, out)

    def _observe(self, task: TaskState, out: list[Command]) -> None:
        del task  # all tasks share the link
        for state in self.tasks.values():
            if state.switch.observe(self._estimator):
                name = f"{state.config.name}: way {state.switch.current}"
                out.append(Note(reason="region", detail=name))

    def _fallback(self, task: TaskState, course: Course) -> Chart | None:
        """A route that stays in the vehicle, if the task has one."""
        if course.hedge_chart is not None:
            return course.hedge_chart
        return next((c.chart for c in task.courses if not c.chart.crosses), None)

    @staticmethod
    def _taken(task: TaskState, admitted: Admitted) -> Admitted:
        task.active += 1
        return admitted
