"""Tasks planned together, as the plain document that stands in a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from pipeline.plan.together import ResourcePrice, TaskTogether, Together

_NS_PER_MS = 1_000_000
_PPM = 1_000_000


class TaskTogetherDocument(TypedDict):
    """A task among the others; `alone` and `run` are indices into its candidates.

    `share` is the part of the uplink that it may use while others want it, null where it has none.
    """

    name: str
    importance: float
    alone: int
    in_time: float
    wait_ms: float
    latency_ms: float
    share: float | None
    needs_mbps: float | None


class PriceDocument(TypedDict):
    """What a step more or less of a resource would add to the worth of all tasks."""

    resource: str
    step: str
    more: float
    less: float | None


class TogetherDocument(TypedDict):
    """What the tasks do to each other; `basis` is what shares and latencies are: predicted."""

    basis: str
    worth: float
    exact: bool
    note: str | None
    tasks: list[TaskTogetherDocument]
    busy: dict[str, float]
    limit: dict[str, float]
    binding: list[str]
    prices: list[PriceDocument]
    memory_bytes: dict[str, int]
    load_ms: float | None


def together_document(together: Together | None) -> TogetherDocument | None:
    """Tasks planned together as plain data; None for one task."""
    if together is None:
        return None
    return {
        "basis": "predicted",
        "worth": together.worth,
        "exact": together.exact,
        "note": together.note or None,
        "tasks": [_task(task) for task in together.tasks],
        "busy": dict(together.busy),
        "limit": dict(together.limit),
        "binding": list(together.binding),
        "prices": [_price(price) for price in together.prices],
        "memory_bytes": dict(together.memory),
        "load_ms": None if together.load_ns is None else together.load_ns / _NS_PER_MS,
    }


def _task(task: TaskTogether) -> TaskTogetherDocument:
    return {
        "name": task.task,
        "importance": task.importance,
        "alone": task.alone,
        "in_time": task.in_time,
        "wait_ms": task.wait_ns / _NS_PER_MS,
        "latency_ms": task.latency_ns / _NS_PER_MS,
        "share": task.share_ppm / _PPM if task.share_ppm else None,
        "needs_mbps": task.needs_bits_per_s / 1e6 if task.needs_bits_per_s else None,
    }


def _price(price: ResourcePrice) -> PriceDocument:
    return {
        "resource": price.resource,
        "step": price.step,
        "more": price.more,
        "less": price.less,
    }
