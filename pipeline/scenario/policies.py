"""What the cores decide by: the models of `policy`, with what contradicts itself in them."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from pipeline.scenario.base import ScenarioModel
from pipeline.scenario.units import Duration, Rate, Share, parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.scenario.models import Scenario

STARTS = ("never", "latest", "at-once", "cost-based")
TAIL, VARIANT, AUTO = "tail", "variant:", "auto"
_BEFORE = re.compile(r"^deadline\s*-\s*(?P<before>\S.*)$")


def before_deadline_ns(start: str) -> int | None:
    """How long before the deadline an explicit start lies; None for a named one.

    Raises:
        ValueError: What stands behind the minus is no duration.
    """
    found = _BEFORE.match(start)
    return None if found is None else parse_duration(found["before"])


def _start(value: str) -> str:
    if value not in STARTS and before_deadline_ns(value) is None:
        close = difflib.get_close_matches(value, STARTS, n=1)
        known = f"known: {', '.join(STARTS)}, or such as 'deadline - 35ms'"
        hint = f", did you mean {close[0]!r}?" if close else f"; {known}"
        raise ValueError(f"{value!r} is unknown{hint}")
    return value


def _covers(value: str) -> str:
    if value in (TAIL, AUTO) or (value.startswith(VARIANT) and len(value) > len(VARIANT)):
        return value
    raise ValueError("is tail, variant:NAME of a variant of the task, or auto for what serves best")


class Hedge(ScenarioModel):
    """A second route of the same frame, started by a timer in the car."""

    start: Annotated[str, AfterValidator(_start)] = "never"
    covers: Annotated[str, AfterValidator(_covers)] = Field(default=TAIL, alias="with")
    margin: Duration = 1_000_000
    edge_cost: Share = 0.05
    answer: Literal["best", "first"] | None = None

    @property
    def waits(self) -> bool:
        """Whether its answer waits for the cloud's, as long as it can; by itself all but one do."""
        if self.answer is None:
            return self.start != "at-once"
        return self.answer == "best"


class Breaker(ScenarioModel):
    """When a cloud that does not answer is no longer asked, and how often it is tried again."""

    open_after: int = Field(default=3, ge=1, le=1000)
    half_open_every: Duration = Field(default=500_000_000, gt=0)


class Switch(ScenarioModel):
    """Moving between the regions of the plan map as the estimate of the uplink moves."""

    patience: int = Field(default=3, ge=1, le=1000)
    margin: Share = 0.15
    probe_every: Duration = Field(default=1_000_000_000, gt=0)
    lowest: Rate = 250_000


class CloudPolicy(ScenarioModel):
    """What a cloud takes."""

    refuse: Literal["late", "never"] = "late"


def _none_given(hedge: object) -> object:
    """`null` takes back what a file that is extended, or the scenario itself, says of hedging."""
    return {} if hedge is None else hedge


class Policy(ScenarioModel):
    """What the cores decide by."""

    in_flight: int = Field(default=2, ge=1, le=64)
    expired: Literal["drop", "run"] = "drop"
    hedge: Annotated[Hedge, BeforeValidator(_none_given)] = Hedge()
    breaker: Breaker | None = None
    switch: Switch | None = None
    cloud: CloudPolicy = CloudPolicy()
    tasks: Literal["together", "alone"] = "together"
    shares: Literal["plan", "none"] = "plan"


Location = tuple[str | int, ...]


def policy_problems(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Policies that contradict each other or the rest of the file."""
    hedge = scenario.policy.hedge
    at: Location = ("policy", "hedge")
    written = hedge.model_fields_set
    if hedge.start == "never" and written - {"start"}:
        yield at, "says how to hedge, and `start: never` nothing; `hedge: null` takes it all back"
    if hedge.start != "cost-based" and "edge_cost" in written:
        yield (*at, "edge_cost"), "is for `start: cost-based` alone"
    if not 0 < hedge.edge_cost < 1:
        yield (*at, "edge_cost"), "must lie between 0% and 100%, both left out"
    before_ns = before_deadline_ns(hedge.start)
    # What forecasts stays where the tracks are: it is neither hedged nor moved.
    moving = {n: t for n, t in scenario.tasks.items() if n not in scenario.forecasters}
    for name, path in scenario.paths.items():
        if before_ns is not None and before_ns >= path.tightest_ns:
            yield (*at, "start"), f"lies before the frame is there: path {name} has less time"
    if hedge.start != "never" and hedge.covers.startswith(VARIANT):
        wanted = hedge.covers.removeprefix(VARIANT)
        for name, task in moving.items():
            if wanted not in task.variants:
                known = ", ".join(task.variants)
                yield (*at, "with"), f"task {name} has no variant {wanted!r}; it has {known}"
            elif wanted == next(iter(task.variants)):
                yield (*at, "with"), f"{wanted!r} is what task {name} runs anyway; name a smaller"
    if scenario.policy.switch is not None:
        pinned = [n for n, t in moving.items() if len(t.routes) == 1 and t.route != "auto"]
        if len(pinned) == len(moving):
            yield (
                ("policy", "switch"),
                f"has nothing to switch between: `route` of {', '.join(pinned)} allows one only",
            )
    if scenario.policy.cloud.refuse == "never" and scenario.policy.expired == "drop":
        written = scenario.policy.cloud.model_fields_set
        if "refuse" in written and "expired" in scenario.policy.model_fields_set:
            yield (
                ("policy", "cloud", "refuse"),
                "is never, and `expired: drop` gives up the same work in the car; choose one",
            )
