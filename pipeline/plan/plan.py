"""A plan: per task the candidates with their predictions, and the one that was chosen."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from pipeline.plan.maps import PlanMap, Validity
from pipeline.plan.predictions import Prediction
from pipeline.plan.reasons import Reasons
from pipeline.plan.robustness import Robustness
from pipeline.plan.routes import Route, RouteName
from pipeline.plan.steps import Run
from pipeline.plan.together import Together
from pipeline.values import Value

Constraint = Literal["deadline", "uplink", "downlink", "device", "agreement", "memory", "pixels"]
"""What a candidate may not satisfy: an uplink, downlink or device that does not keep pace, …"""


class Broken(Value, frozen=True, kw_only=True):
    """A constraint that a candidate does not satisfy.

    Attributes:
        constraint: Which.
        subject: Device, where it belongs to one.
        needed: Least figure of the constraint that this candidate would satisfy: ns of a deadline,
            bits per second of a link, ns between two frames of a device, an agreement in parts per
            million, bytes of memory; 0 where no figure helps.
        text: In words.
    """

    constraint: Constraint
    subject: str
    needed: int
    text: str


class Relaxation(Value, frozen=True, kw_only=True):
    """The least change of one constraint that makes some candidate feasible.

    Attributes:
        constraint: Which.
        subject: Device or route that it belongs to; "" for none.
        now: What it is now, in the unit of `needed`; 0 where it has no figure.
        needed: What would do.
        candidate: Index of the candidate that would then be feasible.
        text: In words, with the key of the scenario.
    """

    constraint: Constraint | Literal["route"]
    subject: str
    now: int
    needed: int
    candidate: int
    text: str


class Verified(Value, frozen=True, kw_only=True):
    """How often a candidate was in time in a virtual run of its task alone, on the scenario's link.

    Attributes:
        frames: Frames that were offered.
        hits: Of these in time, at no bias.
        least: One-sided 95 % lower bound of the share in time, for independent frames.
        hits_high: In time at the 90 % quantile of the devices' bias.
        latency_ns: Latency at the plan's percentile, at no bias, frames without an answer counted
            as endless; None where it falls on one of those.
        left: Share of the worth of its answers that is left when they are there.
        left_in_time: The same of the answers in time.
        times_ns: Evenly spaced quantiles of the latencies, ascending.
    """

    frames: int
    hits: int
    least: float
    hits_high: int
    latency_ns: int | None
    left: float = 1.0
    left_in_time: float = 1.0
    times_ns: tuple[int, ...] = ()


class Cover(Value, frozen=True, kw_only=True):
    """The hedge of a candidate: what it costs when it runs, and how often that is.

    Moments count from the frame's scheduled time, at the task's shortest deadline; other tasks'
    jobs on the device are left out.

    Attributes:
        form: `tail`, or `variant:NAME`.
        start_ns: When it starts, where no answer has come.
        ends_ns: When its answer is there: the 99.9 % quantile of its jitter, at the 90 % quantile
            of the devices' bias, behind the longest job of the same frame's.
        least_ns: Shortest deadline that it keeps if it starts at once.
        runs: Share of the frames that start it, from 0 to 1, on an idle system.
        answers: Share of the frames that it answers.
        agreement: Agreement of its own answer; None where that was not measured.
        edge_ns: What a run of it takes of the car's device.
        energy_pj: What a run of it takes; None where the device has no power figure.
        alone_ns: Latency at the percentile of the route without it.
        keeps: Whether its answer is there by the deadline.
        left: Share of the worth of its answer that is left when that is there.
        alone_keeps: Whether the route keeps the deadline without it, as predicted or verified.
        waits: Whether its answer waits for the cloud's as long as it can; else the first one goes.
    """

    form: str
    start_ns: int
    ends_ns: int
    least_ns: int
    runs: float
    answers: float
    agreement: float | None
    edge_ns: int
    energy_pj: int | None
    alone_ns: int
    keeps: bool
    alone_keeps: bool
    waits: bool = True
    left: float = 1.0


class Candidate(Value, frozen=True, kw_only=True):
    """A route with its predicted figures; one with a hedge stands beside the one without.

    Latency, energy and time of a hedged one are those with the hedge: the latency is at most that
    of the hedge's answer, energy and time in the car have its runs in their share of the frames.
    Spans, bytes, agreement and what virtual time says are the route's own.

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
        edge_ns: Time that a frame holds devices of the car.
        cloud_ns: Time that a frame holds devices of the cloud.
        load_ns: Time to bring the segments' weights to their devices before t0, one device after
            the other; None where a device's figure is not known.
        memory: Bytes of weights and of the largest operator's tensors on each device.
        fallbacks: Operators that a device hands to its host, two copies each.
        fallback_ns: What these take.
        sizes: Whether bytes were measured on calibration frames or follow from shapes.
        broken: Constraints that it does not satisfy.
        best: Whether no other candidate is as good in all of latency, bytes, energy, time in the
            cloud and agreement, and better in one.
        gap: How far the choice of devices inside a site may lie above the best, as a share.
        verified: What came of it in virtual time; None where it was not run.
        median_ns: Predicted latency of the median frame.
        mean_ns: Predicted mean latency of its frames, without bias and hedge.
        in_time: Share of the frames that the route answers by the deadline without a hedge, from 0
            to 1: as verified where it was run, else predicted.
        left: Share of the worth of its answers that is left when they are there, over that of
            answers before the next frame, 0 to 1: verified or predicted likewise.
        times_ns: Evenly spaced quantiles of the latencies that `left` is of, ascending.
        hedge: What covers it; None for nothing.
        title: What people call it, unlike every other one of its task; "" outside a plan.
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
    edge_ns: int = 0
    cloud_ns: int = 0
    load_ns: int | None = None
    memory: dict[str, int] = field(default_factory=dict)
    fallbacks: int = 0
    fallback_ns: int = 0
    sizes: Literal["measured", "modelled"] = "measured"
    broken: tuple[Broken, ...] = ()
    best: bool = False
    gap: float = 0.0
    verified: Verified | None = None
    median_ns: int = 0
    mean_ns: int = 0
    in_time: float = 1.0
    left: float = 1.0
    times_ns: tuple[int, ...] = ()
    hedge: Cover | None = None
    title: str = ""

    @property
    def alone_ns(self) -> int:
        """Latency at the percentile of the route without its hedge."""
        return self.latency_ns if self.hedge is None else self.hedge.alone_ns

    @property
    def keeps_alone(self) -> bool:
        """Whether the route keeps every deadline without a hedge, as predicted or verified."""
        if self.hedge is None:
            return all(one.constraint != "deadline" for one in self.broken)
        return self.hedge.alone_keeps

    @property
    def worth(self) -> float:
        """Agreement that plans rank it by; 0 where it was not measured.

        What is expected of it and its hedge where it is in time only by that.
        """
        return self.alone_worth if self.keeps_alone else self.expected or 0.0

    @property
    def alone_worth(self) -> float:
        """The same where it is in time by itself: its own, unless its hedge may answer first."""
        if self.hedge is not None and not self.hedge.waits:
            return self.expected or 0.0
        return (self.agreement or 0.0) * self.left

    @property
    def expected(self) -> float | None:
        """Expected agreement, less by age: a late frame counts nothing, or what its hedge agrees.

        None where agreement was not measured.
        """
        if self.agreement is None:
            return None
        cover = self.hedge
        if cover is None or not cover.keeps or cover.agreement is None:
            return self.in_time * self.agreement * self.left
        own = (1 - cover.answers) * self.agreement * self.left
        return own + cover.answers * cover.agreement * cover.left

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
        layers: Operators of the one that runs that could run elsewhere at their site.
        relaxations: Where none is feasible, what would make one so, least change first; where what
            runs beside other tasks is not, what would make that one so.
        robustness: What runs against what is best in the mean; None where nothing is in time then.
        beside: Whether it runs for the sake of the other tasks what it would not by itself.
        numerics: What its variants compute on devices that know int8 alone, for people.
    """

    task: str
    candidates: tuple[Candidate, ...]
    chosen: int | None
    run: int
    explanation: str
    layers: tuple[LayerPlace, ...] = ()
    relaxations: tuple[Relaxation, ...] = ()
    robustness: Robustness | None = None
    beside: bool = False
    numerics: tuple[str, ...] = ()

    @property
    def hedge(self) -> str:
        """What covers the one that runs, `tail` or `variant:NAME`; "" for nothing."""
        found = self.candidates[self.run].hedge
        return "" if found is None else found.form

    @property
    def basis(self) -> Literal["verified", "predicted"]:
        """What the choice goes by: runs in virtual time of those in front, or the prediction."""
        verified = any(c.verified is not None for c in self.candidates)
        return "verified" if verified and not self.beside else "predicted"

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
        together: What the tasks do to each other; None for one task alone.
        validity: How far conditions may move before a task's choice changes, by task.
        map: The plan over a grid of conditions; None where none was asked for.
        predicted: What is predicted of the route that each task runs, by task.
        reasons: Why each task runs what it runs, by task.
    """

    percentile: float
    tasks: tuple[TaskPlan, ...]
    quantiles: dict[str, tuple[int, ...]] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    together: Together | None = None
    validity: dict[str, Validity] = field(default_factory=dict)
    map: PlanMap | None = None
    predicted: dict[str, Prediction] = field(default_factory=dict)
    reasons: dict[str, Reasons] = field(default_factory=dict)

    def task(self, name: str) -> TaskPlan:
        """The plan of one task."""
        return next(plan for plan in self.tasks if plan.task == name)
