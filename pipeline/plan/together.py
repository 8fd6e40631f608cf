"""What the tasks of a car do to each other, as a plan says it: types only."""

from __future__ import annotations

from msgspec import field

from pipeline.values import Value


class TaskTogether(Value, frozen=True, kw_only=True):
    """One task among the others.

    Attributes:
        task: Name of the task.
        importance: Weight of its worth, as the scenario has it.
        alone: Index of the candidate that it would run if there were no other task.
        in_time: Predicted share of its frames in time, from 0 to 1, waits for the others included.
        wait_ns: Predicted mean wait for the others at all shared resources together, in ns.
        latency_ns: Its latency at the plan's percentile with that wait, in ns.
        share_ppm: Part of the uplink that it may use while others want it, in parts per million; 0
            where it sends nothing, or has a lane of its own.
        needs_bits_per_s: Uplink rate at which its frames are just in time.
    """

    task: str
    importance: float
    alone: int
    in_time: float
    wait_ns: int
    latency_ns: int
    share_ppm: int = 0
    needs_bits_per_s: int = 0


class ResourcePrice(Value, frozen=True, kw_only=True):
    """What a little more, or less, of a shared resource would change.

    The worth is the sum over the tasks of importance times expected agreement: 0.01 is a hundredth
    of a perfect answer for a task of importance 1.

    Attributes:
        resource: `uplink`, `downlink`, `edge`, `cloud`; where a site has several devices, each of
            them and its bus by name.
        step: What a little is: `1 Mbit/s`, or `10 %` of a device's speed.
        more: Worth that one step more would add.
        less: Worth that one step less would add, mostly below 0; None where nothing would be left.
    """

    resource: str
    step: str
    more: float
    less: float | None


class Together(Value, frozen=True, kw_only=True):
    """The plans of several tasks as one.

    Attributes:
        tasks: Each task, in the plan's order.
        worth: Sum of what they are worth.
        busy: Share of the time that each shared resource is busy, as a share of all its slots.
        limit: How busy each may get.
        binding: Resources that would have to grow for each task to run what it would alone.
        prices: What a little more of each is worth.
        exact: Whether every combination was looked at.
        note: What a reader should know; "" for nothing.
        memory: Bytes that all tasks need on each device together, hedges included.
        load_ns: Time to bring all weights to their devices before the first frame, one after the
            other; None where a device's figure is not known.
    """

    tasks: tuple[TaskTogether, ...]
    worth: float
    busy: dict[str, float]
    limit: dict[str, float]
    binding: tuple[str, ...]
    prices: tuple[ResourcePrice, ...]
    exact: bool
    note: str = ""
    memory: dict[str, int] = field(default_factory=dict)
    load_ns: int | None = None
