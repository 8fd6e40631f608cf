"""The content of host stages: what prepare, pack, unpack, post and deliver really do.

Both the priming pass and the live nodes call these functions, so that what is computed ahead and
what is computed in the run are the same bytes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.codecs.packing import PackedTensor, pack, unpack
from pipeline.codecs.protocol import Encoded
from pipeline.errors import PipelineError
from pipeline.plan.routes import RESULT
from pipeline.plan.steps import Host, Move, Run
from pipeline.runtime.forecasting import Forecaster
from pipeline.runtime.samples import Picture, Sweep
from pipeline.runtime.spec import PictureInput, PillarInput
from pipeline.tasks.fusion import FusedDecoder, FusedResult
from pipeline.tasks.outputs.protocol import Boxes, Boxes3D
from pipeline.tasks.outputs.registry import output_decoder
from pipeline.tasks.pillars import pillarise
from pipeline.tasks.prepare import prepare_image, to_tensor
from pipeline.tasks.tracking import Tracked, Tracker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.plan.routes import RouteStep
    from pipeline.runtime.samples import Sample
    from pipeline.runtime.spec import ForecasterSpec, RunSpec, SegmentSpec, TaskSpec
    from pipeline.tasks.outputs.protocol import OutputDecoder, Result
    from sensors.calibration import Calibration

    Array = NDArray[np.generic[object]]

_FOLLOWED_NS = 100_000_000  # between two results of a tracker whose work alone counts
FRAME_CODECS = ("raw", "jpeg", "webp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensors:
    """Tensors by name; also prepared pixels, under the network's input name."""

    by_name: Mapping[str, Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """Tensors ready to cross, or a coded result."""

    parts: tuple[PackedTensor, ...]

    @property
    def bytes(self) -> int:
        """Payload bytes."""
        return sum(part.encoded.bytes for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A result at the consumer."""

    result: Result | FusedResult


Value = Picture | Sweep | Tensors | Packed | Decoded


class Stages:
    """Runs the host stages of tasks on their routes; stateless but for what it looked up.

    The exceptions are `track` and `forecast`: tracker and network take in what comes, so that a
    live run spends their time, and the result goes on as it was. Tracks and forecasts themselves
    are worked out when the run is over, in the order of delivery (`pipeline.api.following`).
    """

    def __init__(
        self,
        *,
        tasks: Mapping[str, TaskSpec],
        steps: Mapping[str, Sequence[RouteStep]],
        segments: Mapping[str, SegmentSpec],
        fused: Mapping[str, Sequence[str]] | None = None,
        calibrations: Mapping[str, Calibration] | None = None,
        forecasters: Mapping[str, ForecasterSpec] | None = None,
    ) -> None:
        self._tasks, self._steps, self._segments = tasks, steps, segments
        self._decoders = {
            name: output_decoder(task.decoder, task.parameters) for name, task in tasks.items()
        }
        self._fused = {
            name: FusedDecoder({part: self._decoders[part] for part in parts}, calibrations)
            for name, parts in (fused or {}).items()
        }
        if any(
            isinstance(s.step, Host) and s.step.stage == "track" for t in steps.values() for s in t
        ):
            import scipy.optimize  # noqa: F401, PLC0415 - 0.3 s, which no frame may wait for
        self._trackers: dict[str, Tracker] = {}
        self._followed: Counter[str] = Counter()
        self._newest: dict[str, Tracked] = {}
        self._forecasters: dict[str, Forecaster] = {
            name: Forecaster(forecaster) for name, forecaster in (forecasters or {}).items()
        }

    @classmethod
    def of(cls, spec: RunSpec) -> Stages:
        """The stages of a run."""
        steps = {name: task.steps for name, task in spec.core.tasks.items()}
        return cls(
            tasks=spec.tasks,
            steps=steps,
            segments=spec.segments,
            fused=spec.fused,
            calibrations=spec.calibrations,
            forecasters=spec.forecasters,
        )

    def steps(self, task: str) -> Sequence[RouteStep]:
        """Steps of all routes of a task."""
        return self._steps[task]

    def step(self, task: str, index: int) -> RouteStep:
        """A step of a task."""
        return self._steps[task][index]

    def _named(self, task: str, index: int) -> str:
        """Name of a step's task, or of the variant of it that the step belongs to."""
        variant = self._steps[task][index].variant
        return f"{task}/{variant}" if variant else task

    def segment_of(self, task: str, index: int) -> str:
        """Name of the segment that a step runs.

        Raises:
            PipelineError: The step runs none.
        """
        step = self.step(task, index).step
        if not isinstance(step, Run):
            raise PipelineError(f"step {index} of {task} is no segment")
        return step.segment

    def decoder(self, task: str) -> OutputDecoder:
        """Decoder of a task."""
        return self._decoders[task]

    def run(self, task: str, index: int, inputs: Sequence[Value]) -> Value:
        """Run a host stage.

        Args:
            task: Name of the task.
            index: Place among the task's steps; a host stage.
            inputs: Values of the steps it comes after, in that order.

        Raises:
            PipelineError: The inputs do not fit the stage.
        """
        steps = self._steps[task]
        step = steps[index].step
        if not isinstance(step, Host):
            raise PipelineError(f"step {index} of {task} is no host stage")
        if task in self._fused:
            return self._fuse(task, step.stage, inputs)
        spec = self._tasks[self._named(task, index)]
        match step.stage, inputs:
            case "prepare", [Picture() | Sweep() as sample]:
                return _prepared(spec, steps, index, sample)
            case "pack", [Tensors(), *_]:
                return self._pack(steps, index, inputs)
            case "unpack", [Packed(parts=parts)]:
                return self._unpack(spec, parts)
            case "post", [Tensors(by_name=outputs)]:
                decoder = self._decoders[task]
                result = decoder.decode(outputs, spec.placement)
                return packed_result(decoder.encode(result), task)
            case "deliver", [Packed(parts=(part,))]:
                buffer = np.asarray(part.encoded.buffers[0], np.uint8)
                return Decoded(result=self._decoders[task].decode_result(buffer))
            case _:
                kinds = ", ".join(type(value).__name__ for value in inputs)
                raise PipelineError(f"stage {step.stage} of {task} cannot take {kinds}")

    def decode_result(self, task: str, buffer: NDArray[np.uint8]) -> Result | FusedResult:
        """A result of a task, or of a path that fuses several, from its bytes."""
        fused = self._fused.get(task)
        if fused is None:
            return self._decoders[task].decode_result(buffer)
        if len(fused.tasks) == 1:
            return self._decoders[fused.tasks[0]].decode_result(buffer)
        return fused.decode_result(buffer)

    def join(self, task: str, parts: Sequence[tuple[str, NDArray[np.uint8]]]) -> NDArray[np.uint8]:
        """Coded results as the end of a path of several stages makes one of them.

        Of a path from one sensor, whose objects are only followed, that sensor's own.

        Raises:
            OutputContractError: A part's decoder refuses it.
        """
        if len(self._fused[task].tasks) == 1:
            ((_, body),) = parts
            return body
        return self._fused[task].join(parts)

    def _track(self, task: str, body: NDArray[np.uint8]) -> None:
        """Take a result in, for the time that this takes; what comes of it is not kept."""
        self._followed[task] += 1
        tracker = self._trackers.setdefault(task, Tracker())
        result = self.decode_result(task, body)
        if isinstance(result, FusedResult):
            found = result.objects or next(iter(result.parts.values()))
        else:
            found = result
        if isinstance(found, Boxes | Boxes3D):
            at_ns = self._followed[task] * _FOLLOWED_NS
            self._newest[task] = tracker.update(found, at_ns)

    def _forecast(self, task: str) -> None:
        """Say where the newest objects will be, for the time that this takes."""
        newest = self._newest.get(task)
        if newest is not None and isinstance(newest.result, Boxes3D):
            at_ns = self._followed[task] * _FOLLOWED_NS
            self._forecasters[task].forecast(newest.result, newest.tracks, at_ns, None)

    def _fuse(self, task: str, stage: str, inputs: Sequence[Value]) -> Value:
        """Stages of a path from several sensors: its inputs are their coded results."""
        found = [part for value in inputs if isinstance(value, Packed) for part in value.parts]
        bodies = [np.asarray(part.encoded.buffers[0], np.uint8) for part in found]
        match stage, bodies:
            case "fuse", [_, *_]:
                named = [part.name.removeprefix(f"{RESULT}:") for part in found]
                joined = self.join(task, list(zip(named, bodies, strict=True)))
                return packed_result(joined, task)
            case "track", [body]:
                self._track(task, body)
                return packed_result(body, task)
            case "forecast", [body]:
                self._forecast(task)
                return packed_result(body, task)
            case "deliver", [body]:
                return Decoded(result=self.decode_result(task, body))
            case _:
                raise PipelineError(f"stage {stage} of {task} cannot take {len(bodies)} results")

    def segment_inputs(self, name: str, inputs: Sequence[Value]) -> dict[str, Array]:
        """Tensors that a segment reads, out of the values of the steps it comes after."""
        merged = _merged(inputs)
        return {tensor: merged[tensor] for tensor in self._segments[name].inputs}

    def segment_value(
        self, name: str, inputs: Sequence[Value], outputs: Mapping[str, Array]
    ) -> Tensors:
        """What a segment hands on: what it made, and what it passes."""
        merged = _merged(inputs)
        passed = {tensor: merged[tensor] for tensor in self._segments[name].passes}
        return Tensors(by_name={**passed, **outputs})

    def _pack(self, steps: Sequence[RouteStep], index: int, inputs: Sequence[Value]) -> Packed:
        move = next(s.step for s in steps if index in s.after and isinstance(s.step, Move))
        merged = _merged(inputs)
        codecs = dict(zip(move.tensors, move.codecs, strict=True))
        return Packed(parts=pack({name: merged[name] for name in move.tensors}, codecs))

    def _unpack(self, spec: TaskSpec, parts: tuple[PackedTensor, ...]) -> Tensors:
        tensors = unpack(parts)
        for part in parts:
            frame = part.encoded.codec.partition(":")[0] in FRAME_CODECS
            if frame and isinstance(spec.input, PictureInput):
                pixels = np.asarray(tensors[part.name], np.uint8)
                tensors[part.name] = to_tensor(pixels, spec.input.spec)
        return Tensors(by_name=tensors)


def _prepared(spec: TaskSpec, steps: Sequence[RouteStep], index: int, sample: Sample) -> Tensors:
    """The network's input; prepared pixels where the picture crosses as one."""
    name = spec.input_name
    match spec.input, sample:
        case PillarInput(spec=grid), Sweep(points=points):
            return Tensors(by_name={name: pillarise(points, grid)})
        case PictureInput(spec=picture), Picture(pixels=pixels):
            prepared = prepare_image(pixels, picture).pixels
            follows = [step.step for step in steps if index in step.after]
            if any(isinstance(step, Run) for step in follows):
                return Tensors(by_name={name: to_tensor(prepared, picture)})
            return Tensors(by_name={name: prepared})
        case _:
            kind = type(sample).__name__.lower()
            raise PipelineError(f"{spec.name}: its network does not read a {kind}")


def packed_result(buffer: NDArray[np.uint8], task: str) -> Packed:
    """A coded result as it crosses: one part of bytes, which names its task."""
    encoded = Encoded(codec=RESULT, shape=buffer.shape, dtype="uint8", buffers=(buffer,))
    return Packed(parts=(PackedTensor(name=f"{RESULT}:{task}", encoded=encoded),))


def _merged(inputs: Sequence[Value]) -> dict[str, Array]:
    merged: dict[str, Array] = {}
    for value in inputs:
        if isinstance(value, Tensors):
            merged.update(value.by_name)
    return merged
