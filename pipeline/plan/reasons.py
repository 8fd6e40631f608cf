"""Why a task runs what it runs; types and document."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from pipeline.values import Value

if TYPE_CHECKING:
    from collections.abc import Mapping

_NS_PER_MS = 1_000_000


class Flip(Value, frozen=True, kw_only=True):
    """A figure at which another candidate is the one to run, everything else as it is.

    Attributes:
        what: `uplink`, `round trip`, `edge speed`, `cloud speed` or `deadline`.
        unit: Unit of the figures; a speed is in times the present one.
        now: The figure of the plan.
        at: The nearest figure that turns the choice.
        below: Whether that is below the present one.
        candidate: Index of what runs then.
    """

    what: str
    unit: str
    now: float
    at: float
    below: bool
    candidate: int


class Fallback(Value, frozen=True, kw_only=True):
    """An operator that a device leaves to its host.

    Attributes:
        operator: Name of the node.
        device: Name of the device in the scenario.
        on: What runs it.
        cost_ns: What it costs there, the copies both ways included, in ns.
    """

    operator: str
    device: str
    on: str
    cost_ns: int


class Reasons(Value, frozen=True, kw_only=True):
    """Why a task runs what it runs.

    Attributes:
        runner_up: Index of the candidate that would run without the one that does; None for none.
        margin_ns: How much longer that takes, in ns; below 0 where it is quicker, and lost on
            agreement.
        flips: What turns the choice, the nearest on each side.
        binding: What keeps a quicker or better candidate out: `deadline`, `pace`, `agreement`,
            `route`, or a shared resource.
        fallbacks: Operators that fell back to a host.
    """

    runner_up: int | None
    margin_ns: int | None
    flips: tuple[Flip, ...]
    binding: tuple[str, ...]
    fallbacks: tuple[Fallback, ...]


class FlipDocument(TypedDict):
    """A figure that turns the choice."""

    what: str
    unit: str
    now: float
    at: float
    side: str
    candidate: int


class FallbackDocument(TypedDict):
    """An operator that fell back."""

    operator: str
    device: str
    on: str
    cost_ms: float


class ReasonsDocument(TypedDict):
    """Why a task runs what it runs; indices are into its candidates.

    `basis` is what runner-up and flips go by: predicted latencies, whatever the choice went by.
    """

    name: str
    basis: str
    runner_up: int | None
    margin_ms: float | None
    flips: list[FlipDocument]
    binding: list[str]
    fallbacks: list[FallbackDocument]


def reasons_documents(found: Mapping[str, Reasons]) -> list[ReasonsDocument]:
    """The reasons of all tasks as plain data."""
    return [
        {
            "name": name,
            "basis": "predicted",
            "runner_up": one.runner_up,
            "margin_ms": None if one.margin_ns is None else one.margin_ns / _NS_PER_MS,
            "flips": [
                {
                    "what": flip.what,
                    "unit": flip.unit,
                    "now": flip.now,
                    "at": flip.at,
                    "side": "below" if flip.below else "above",
                    "candidate": flip.candidate,
                }
                for flip in one.flips
            ],
            "binding": list(one.binding),
            "fallbacks": [
                {
                    "operator": fallback.operator,
                    "device": fallback.device,
                    "on": fallback.on,
                    "cost_ms": fallback.cost_ns / _NS_PER_MS,
                }
                for fallback in one.fallbacks
            ],
        }
        for name, one in found.items()
    ]
