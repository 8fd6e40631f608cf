"""What is the same for every frame of a virtual run, looked up once: steps and crossings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.link.model import Passage
    from pipeline.plan.routes import RouteStep
    from pipeline.runtime.core.config import TaskConfig
    from pipeline.runtime.sizes import Sizes
    from pipeline.runtime.timing import HopKind, Timing


class Relay(Protocol):
    """One direction of a link, as `LinkChannel` is one."""

    def cross(
        self,
        payload_bytes: int,
        at_ns: int,
        *,
        subject: str = "",
        frame: int | None = None,
        attempt: int = 0,
    ) -> Passage:
        """How a message passes that is handed over now."""


class StepFacts:
    """A task's step.

    Attributes:
        length_ns: How long it takes, frame by frame.
        made: Bytes that it makes of each picture; None where nothing crosses after it.
        stream: Stream whose pictures these are.
        head: The begin of the name of what it makes; the frame's number follows.
        tail: The end of that name.
    """

    __slots__ = ("head", "length_ns", "made", "stream", "tail")

    def __init__(
        self,
        task: TaskConfig,
        index: int,
        step: RouteStep,
        timing: Timing,
        made: Sequence[int] | None,
    ) -> None:
        self.length_ns = timing.of_step(step, task=task.name, index=index)
        self.stream, self.made = task.stream, made
        self.head, self.tail = f"{task.name}/", f"/{index}"


def steps_of(task: TaskConfig, timing: Timing, sizes: Sizes) -> tuple[StepFacts, ...]:
    """The steps of a task, in its order."""
    return tuple(
        [
            StepFacts(task, index, step, timing, sizes.bytes.get((task.name, index)))
            for index, step in enumerate(task.steps)
        ]
    )


class CrossingFacts:
    """Messages of a task on a channel.

    Attributes:
        relay: The link's direction; None for a channel that is no link's: to the consumer.
        hop_ns: How long the hop of such a channel takes.
        hop_in_ns: How long the hop into the link takes.
        hop_out_ns: How long the hop out of it takes.
        handed: By what messages that are handed to the link keep their order.
    """

    __slots__ = ("handed", "hop_in_ns", "hop_ns", "hop_out_ns", "relay")

    def __init__(
        self, task: str, channel: str, relay: Relay | None, timing: Timing, *, carries: HopKind
    ) -> None:
        subject = f"{task}/{channel}"
        self.hop_ns = timing.of_hop(subject, "result")
        self.hop_in_ns, self.hop_out_ns = (
            timing.of_hop(f"{subject}/in", carries),
            timing.of_hop(f"{subject}/out", carries),
        )
        self.handed = f"{channel}/in"
        self.relay = relay
