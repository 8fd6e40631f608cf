"""Everything a run is made of, as one frozen value that a process can be handed as JSON."""

from __future__ import annotations

import msgspec

from pipeline.link.model import LinkConfig
from pipeline.plan.steps import Run
from pipeline.runtime.core.config import CoreConfig
from pipeline.runtime.timetable import Timetable
from pipeline.runtime.timing import Hops, Slowed
from pipeline.tasks.pillars import PillarSpec
from pipeline.tasks.prepare import Geometry, Ground, InputSpec, place
from pipeline.tasks.tracking.histories import HistorySpec
from pipeline.values import Value
from sensors.calibration import Calibration
from sensors.frames import StreamKind

Setting = str | int | float | bool | list[str | int | float | bool]
"""A decoder's parameter."""


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
        computes: How an emulated device that knows int8 alone computes it, for people; empty where
            it computes as its file has it.
    """

    name: str
    artefact: str
    sha256: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    passes: tuple[str, ...] = ()
    computes: str = ""


class PictureInput(Value, frozen=True, kw_only=True):
    """A network that reads pictures.

    Attributes:
        spec: How a picture is made to fit.
    """

    spec: InputSpec

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the tensor."""
        return (1, 3, self.spec.height, self.spec.width)


class PillarInput(Value, frozen=True, kw_only=True):
    """A network that reads the pillars of a LiDAR's sweep.

    Attributes:
        spec: Its grid, and where the sensor sits.
    """

    spec: PillarSpec

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the tensor."""
        return self.spec.shape


class TensorInput(Value, frozen=True, kw_only=True):
    """A network that reads something else, and is there for its timing alone.

    Attributes:
        shape: Shape of its first input.
    """

    shape: tuple[int, ...]


class TrackInput(Value, frozen=True, kw_only=True):
    """A network that reads where tracks have been.

    Attributes:
        spec: How far it looks back and ahead.
    """

    spec: HistorySpec

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the tensor."""
        return self.spec.shape


class ForecasterSpec(Value, frozen=True, kw_only=True):
    """A network behind `track`; it runs on the vehicle's host.

    Attributes:
        task: Name of its task.
        artefact: Path of the ONNX file.
        input_name: Name of its input.
        outputs: Names of its outputs, in the file's order.
        history: What it reads.
        decoder: Name of its output decoder.
        parameters: The decoder's parameters.
    """

    task: str
    artefact: str
    input_name: str
    outputs: tuple[str, ...]
    history: HistorySpec
    decoder: str
    parameters: dict[str, Setting]


class TaskSpec(Value, frozen=True, kw_only=True):
    """How a task's frames become tensors, and its outputs a result.

    Attributes:
        name: Name of the task.
        input: What the network takes of a picture, or of a LiDAR's sweep.
        input_name: Name of the network's input.
        source_width: Width of the recording's pictures; of a LiDAR 0.
        source_height: Height of the recording's pictures; of a LiDAR 0.
        decoder: Name of the output decoder.
        parameters: Its parameters.
    """

    name: str
    input: PictureInput | PillarInput | TensorInput
    input_name: str
    source_width: int
    source_height: int
    decoder: str
    parameters: dict[str, Setting]

    @property
    def placement(self) -> Geometry | Ground:
        """Where a picture lies in the network's input, or the input on the ground.

        Raises:
            TypeError: It reads neither pictures nor sweeps, and is never run.
        """
        match self.input:
            case PictureInput(spec=picture):
                return place(self.source_width, self.source_height, picture)
            case PillarInput(spec=grid):
                return Ground(
                    x_m=grid.x_m,
                    y_m=grid.y_m,
                    cell_m=grid.cell_m,
                    rows=grid.rows,
                    columns=grid.columns,
                )
            case TensorInput():
                raise TypeError(f"{self.name} is there for its timing alone")


class DeviceSpec(Value, frozen=True, kw_only=True):
    """A device of the scenario.

    Attributes:
        name: Name in the scenario.
        id: Id of its spec or backend.
        site: Site it stands at.
        real: Whether a backend runs it; otherwise it is emulated.
        label: How far its prices can be believed.
        compute: When an emulated device's outputs are computed; empty for a real one.
        slowed: When an emulated device is slower.
        options: Options of a real one's backend.
    """

    name: str
    id: str
    site: str
    real: bool
    label: str
    compute: str
    slowed: tuple[Slowed, ...] = ()
    options: dict[str, str] = msgspec.field(default_factory=dict)


class StreamSpec(Value, frozen=True, kw_only=True):
    """Where the frames of one stream come from.

    Attributes:
        name: Name of the stream.
        path: Its recording; None for the synthetic drive.
        kind: What the sensor is; None for whatever a recording of one stream holds, else a camera.
        camera: Camera of the synthetic drive that sees it; empty for a recording and a LiDAR.
        topic: Its name in a recording of several streams; None leaves the choice to the reader.
        period_ns: Declared period; None where the recording tells.
        phase_ns: How much later than recorded its frames lie; of a synthetic stream the stamp of
            its first frame.
        first: Index in the recording of the first frame that is replayed.
        frames: How many are replayed; None for all from there on.
        from_stamp_ns: Recorded stamp of that first frame, where the whole recording is not wanted.
    """

    name: str
    path: str | None
    kind: StreamKind | None = None
    camera: str = ""
    topic: str | None = None
    period_ns: int | None = None
    phase_ns: int = 0
    first: int = 0
    frames: int | None = None
    from_stamp_ns: int | None = None


class SpeedPoint(Value, frozen=True, kw_only=True):
    """The vehicle's speed from a moment of the drive on.

    Attributes:
        at_ns: That moment, ns since the drive's start.
        speed_mm_s: Speed in mm/s.
    """

    at_ns: int
    speed_mm_s: int


class DriveSpec(Value, frozen=True, kw_only=True):
    """Where the frames come from.

    Attributes:
        streams: The streams, in the scenario's order.
        scene: Scene of the synthetic drive; empty for a recording.
        scene_seed: Its seed.
        scene_parameters: Changes of its parameters, by name.
        length_ns: Its length.
        width: Its pictures' width.
        height: Its pictures' height.
        start_ns: Where the replayed window begins, ns since the drive's start.
        window_ns: Its length; None to the drive's end.
        speeds: Speed of the vehicle over the drive, where the scenario says it.
    """

    streams: tuple[StreamSpec, ...]
    scene: str = ""
    scene_seed: int = 0
    scene_parameters: dict[str, str | int | float] = msgspec.field(default_factory=dict)
    length_ns: int = 0
    width: int = 0
    height: int = 0
    start_ns: int = 0
    window_ns: int | None = None
    speeds: tuple[SpeedPoint, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the streams."""
        return tuple(stream.name for stream in self.streams)

    def stream(self, name: str) -> StreamSpec:
        """A stream by its name, which must be one."""
        return next(stream for stream in self.streams if stream.name == name)


class RunSpec(Value, frozen=True, kw_only=True):
    """A run, ready for either driver.

    Attributes:
        run: Short id of the run, on every message.
        core: Configuration of the machines.
        tasks: Tasks by name; a variant that hedges one stands under TASK/VARIANT.
        fused: Per fusing task the tasks whose results it joins, the anchor's first.
        calibrations: Where sensors sit, by task, as far as the drive tells.
        forecasters: Per fusing task the network that says where its tracks will be.
        segments: Segments by name.
        devices: Devices by name, hosts left out.
        links: Links by name.
        quantiles: Quantile tables of the draws.
        hops: What a message between two processes costs.
        seed: Seed of the draws.
        drive: The drive.
        timetable: What its schedule is made of.
        cache: Directory of the result cache.
        images: What the evidence keeps of pictures.
        full_speed: Whether a live player sends the next frame as soon as the one before is settled,
            whatever the schedule says.
    """

    run: str
    core: CoreConfig
    tasks: dict[str, TaskSpec]
    fused: dict[str, tuple[str, ...]]
    calibrations: dict[str, Calibration] = msgspec.field(default_factory=dict)
    forecasters: dict[str, ForecasterSpec] = msgspec.field(default_factory=dict)
    segments: dict[str, SegmentSpec]
    devices: dict[str, DeviceSpec]
    links: dict[str, LinkConfig]
    quantiles: dict[str, tuple[int, ...]]
    hops: Hops
    seed: int
    drive: DriveSpec
    timetable: Timetable
    cache: str
    images: str
    full_speed: bool = False

    @property
    def loop(self) -> int:
        """Passes of the drive."""
        return self.timetable.loop

    @property
    def rate(self) -> float:
        """Speed of the schedule, 1 is as recorded."""
        return self.timetable.rate

    @property
    def warmup(self) -> int:
        """Warm-up frames per stream."""
        return self.timetable.warmup

    @property
    def slowed(self) -> tuple[Slowed, ...]:
        """Every device's slow times."""
        return tuple(slow for device in self.devices.values() for slow in device.slowed)

    def segments_on(self, device: str) -> tuple[SegmentSpec, ...]:
        """Segments that some route runs on a device, in the tasks' order."""
        return tuple(
            self.segments[step.step.segment]
            for task in self.core.tasks.values()
            for step in task.steps
            if isinstance(step.step, Run) and step.step.device == device
        )
