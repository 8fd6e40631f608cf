"""A plan: per task the candidates with their predictions, and the one that was chosen."""

from __future__ import annotations

from msgspec import field

from pipeline.plan.routes import Route, RouteName
from pipeline.plan.steps import Run
from pipeline.values import Value


class Candidate(Value, frozen=True, kw_only=True):
    """A route with its predicted figures.

    Attributes:
        name: Derived name of the route.
        pin: What a scenario writes to force it; None where no single node names the cut.
        route: The steps.
        cut: Names of the tensors that cross upward; empty for a route that stays in the car.
        codecs: Codec of each of them.
        latency_ns: Predicted end-to-end latency at the plan's percentile, queueing left out.
        interval_ns: The same at the 10 % and the 90 % quantile of the devices' bias.
        spans: Predicted latency per span in ns, for the spans that the route passes.
        bytes_up: Bytes that cross upward per frame, headers left out.
        bytes_down: Bytes that come back per frame, headers left out.
        energy_pj: Sum over the devices; None where one has no power figure.
        agreement: Agreement of its result with the uncut, uncoded network's, 0 to 1, measured on
            calibration frames; None where it was not measured.
        label: Weakest label of its parts.
        feasible: Whether it meets every deadline of its task.
        robust: Whether it does so at the 90 % quantile of the bias.
        allowed: Whether the scenario's `route` admits it.
        why: One sentence.
    """

    name: RouteName
    pin: str | None
    route: Route
    cut: tuple[str, ...]
    codecs: tuple[str, ...]
    latency_ns: int
    interval_ns: tuple[int, int]
    spans: dict[str, int]
    bytes_up: int
    bytes_down: int
    energy_pj: int | None
    agreement: float | None
    label: str
    feasible: bool
    robust: bool
    allowed: bool
    why: str

    @property
    def devices(self) -> tuple[str, ...]:
        """Devices that run its segments, each once, in the order of their first."""
        runs = (step.step for step in self.route.steps)
        return tuple(dict.fromkeys(run.device for run in runs if isinstance(run, Run)))


class LayerPlace(Value, frozen=True, kw_only=True):
    """An operator that could run elsewhere at its site, transfers left out.

    Attributes:
        name: Its name.
        op: ONNX operator type.
        on: Device that runs it; of a package the part of it.
        latency_ns: Its share of its segment's price.
        other: The other device that would run it soonest; "" for the other part of a package.
        otherwise_ns: What it would take there.
    """

    name: str
    op: str
    on: str
    latency_ns: int
    other: str
    otherwise_ns: int


class TaskPlan(Value, frozen=True, kw_only=True):
    """The candidates of one task.

    Attributes:
        task: Name of the task.
        candidates: Everything that was priced, in the order of the table.
        chosen: Index of the chosen candidate; None when no allowed one is feasible.
        run: Index of the one that runs: the chosen one, else the fastest allowed.
        explanation: Why it beat the runner-up, and at what bandwidth that flips.
        hedge: What covers the one that runs, `tail` or `variant:NAME`; "" for nothing.
        layers: Operators of the one that runs that could run elsewhere at their site.
    """

    task: str
    candidates: tuple[Candidate, ...]
    chosen: int | None
    run: int
    explanation: str
    hedge: str = ""
    layers: tuple[LayerPlace, ...] = ()

    @property
    def route(self) -> Route:
        """The route that runs."""
        return self.candidates[self.run].route


class Plan(Value, frozen=True, kw_only=True):
    """Plans of all tasks, with what they were made from.

    Attributes:
        percentile: Percentile that the predicted latencies stand for.
        tasks: One plan per task, in the scenario's order.
        quantiles: Quantile tables by name: run time over its median in parts per million, evenly
            spaced in probability; integers, so that draws are equal on every machine.
        hashes: What the plan was made from: models, device specs, link, scenario.
    """

    percentile: float
    tasks: tuple[TaskPlan, ...]
    quantiles: dict[str, tuple[int, ...]] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)

    def task(self, name: str) -> TaskPlan:
        """The plan of one task."""
        return next(plan for plan in self.tasks if plan.task == name)
