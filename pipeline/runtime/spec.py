"""Everything a run is made of, as one frozen value that a process can be handed as JSON."""

from __future__ import annotations

from pipeline.link.model import LinkConfig
from pipeline.plan.steps import Run
from pipeline.runtime.core.config import CoreConfig
from pipeline.runtime.timing import Hops
from pipeline.tasks.prepare import Geometry, InputSpec, place
from pipeline.values import Value


class SegmentSpec(Value, frozen=True, kw_only=True):
    """A segment as a file that runs.

    Attributes:
        name: Name of the segment in the plan.
        artefact: Path of the ONNX file.
        sha256: Hash of that file.
        inputs: Names of the tensors it reads.
        outputs: Names of the tensors it makes, in the file's order.
        passes: Names of tensors it does not make but hands on: an input that the tail reads too,
            or a network output that the head has made.
    """

    name: str
    artefact: str
    sha256: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    passes: tuple[str, ...] = ()


class TaskSpec(Value, frozen=True, kw_only=True):
    """How a task's pictures become tensors, and its outputs a result.

    Attributes:
        name: Name of the task.
        input: What the network takes.
        input_name: Name of the network's input.
        source_width: Width of the recording's pictures.
        source_height: Height of the recording's pictures.
        decoder: Name of the output decoder.
        parameters: Its parameters.
    """

    name: str
    input: InputSpec
    input_name: str
    source_width: int
    source_height: int
    decoder: str
    parameters: dict[str, str | int | float | bool]

    @property
    def geometry(self) -> Geometry:
        """Where a picture lies in the network's input."""
        return place(self.source_width, self.source_height, self.input)


class DeviceSpec(Value, frozen=True, kw_only=True):
    """A device of the scenario.

    Attributes:
        name: Name in the scenario.
        id: Id of its spec or backend.
        site: Site it stands at.
        real: Whether a backend runs it; otherwise it is emulated.
        label: How far its prices can be believed.
        compute: When an emulated device's outputs are computed; empty for a real one.
    """

    name: str
    id: str
    site: str
    real: bool
    label: str
    compute: str


class DriveSpec(Value, frozen=True, kw_only=True):
    """Where the frames come from.

    Attributes:
        stream: Name of the stream.
        path: Path of the recording; None for the synthetic drive.
        period_ns: Declared period; None where the recording tells.
        scene: Scene of the synthetic drive.
        scene_seed: Its seed.
        length_ns: Its length.
        width: Its pictures' width.
        height: Its pictures' height.
    """

    stream: str
    path: str | None
    period_ns: int | None
    scene: str = ""
    scene_seed: int = 0
    length_ns: int = 0
    width: int = 0
    height: int = 0


class RunSpec(Value, frozen=True, kw_only=True):
    """A run, ready for either driver.

    Attributes:
        run: Short id of the run, on every message.
        core: Configuration of the machines.
        tasks: Tasks by name.
        segments: Segments by name.
        devices: Devices by name, hosts left out.
        links: Links by name.
        quantiles: Quantile tables of the draws.
        hops: What a message between two processes costs.
        seed: Seed of the draws.
        drive: The drive.
        loop: Passes of the drive.
        rate: Speed, 1 is as recorded.
        warmup: Warm-up frames per stream.
        cache: Directory of the result cache.
        images: What the evidence keeps of pictures.
    """

    run: str
    core: CoreConfig
    tasks: dict[str, TaskSpec]
    segments: dict[str, SegmentSpec]
    devices: dict[str, DeviceSpec]
    links: dict[str, LinkConfig]
    quantiles: dict[str, tuple[int, ...]]
    hops: Hops
    seed: int
    drive: DriveSpec
    loop: int
    rate: float
    warmup: int
    cache: str
    images: str

    def segments_on(self, device: str) -> tuple[SegmentSpec, ...]:
        """Segments that some route runs on a device, in the tasks' order."""
        return tuple(
            self.segments[step.step.segment]
            for task in self.core.tasks.values()
            for step in task.route.steps
            if isinstance(step.step, Run) and step.step.device == device
        )
