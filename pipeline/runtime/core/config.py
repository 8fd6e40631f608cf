"""What the machines of a run are told before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import field

from pipeline.plan.routes import Route, Sites
from pipeline.values import Value

if TYPE_CHECKING:
    from pipeline.plan.routes import RouteStep
    from pipeline.runtime.core.events import Job

CONSUMER = "consumer"
PLAYER = "player"


class PathConfig(Value, frozen=True, kw_only=True):
    """A path: a stream through a task to a delivered output.

    Attributes:
        name: Name of the path.
        stream: Stream it starts from.
        task: Task it goes through.
        every: Takes frames whose number is a multiple of this; the rest are not offered.
        deadline_ns: From the scheduled time to the decoded result at the consumer.
        horizon_ns: From the scheduled time to when an open frame settles.
    """

    name: str
    stream: str
    task: str
    every: int
    deadline_ns: int
    horizon_ns: int

    def selects(self, frame: int) -> bool:
        """Whether the path takes this frame of its stream."""
        return frame % self.every == 0


class TaskConfig(Value, frozen=True, kw_only=True):
    """A task: its stream, its route and how many of its frames may be under way.

    Attributes:
        name: Name of the task.
        stream: Stream it reads.
        route: The route that the plan chose.
        in_flight: Most frames admitted and not yet settled.
    """

    name: str
    stream: str
    route: Route
    in_flight: int


class CoreConfig(Value, frozen=True, kw_only=True):
    """Everything the three machines need to know.

    Attributes:
        tasks: Tasks by name.
        paths: Paths in the scenario's order.
        sites: Where devices stand.
        slots: Slots of each device, hosts included.
        epoch: The vehicle's registration number.
        player_credits: Frames that the player may send ahead of their being taken.
        cloud_credits: Requests that may be open at the cloud, over all tasks.
        consumer_credits: Results that may be on their way to the consumer.
        consumer_host: Name of the device that decodes results at the consumer.
        down_channel: Channel that refusals go back on.
        streams: Names of the streams that the player offers.
    """

    tasks: dict[str, TaskConfig]
    paths: tuple[PathConfig, ...]
    sites: Sites
    slots: dict[str, int]
    epoch: int = 1
    player_credits: int = 4
    cloud_credits: int = 4
    consumer_credits: int = 4
    consumer_host: str = "consumer-host"
    down_channel: str = "cell.down"
    streams: tuple[str, ...] = field(default=())

    def paths_of(self, task: str, frame: int) -> tuple[PathConfig, ...]:
        """Paths through a task that take this frame."""
        return tuple(p for p in self.paths if p.task == task and p.selects(frame))

    def step_of(self, job: Job) -> RouteStep:
        """The step of its task's route that a job carries out."""
        return self.tasks[job.task].route.steps[job.step]
