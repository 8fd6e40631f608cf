"""The content of host stages: what prepare, pack, unpack, post and deliver really do.

Both the priming pass and the live nodes call these functions, so that what is computed ahead and
what is computed in the run are the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.codecs.packing import PackedTensor, pack, unpack
from pipeline.codecs.protocol import Encoded
from pipeline.errors import PipelineError
from pipeline.plan.routes import RESULT
from pipeline.plan.steps import Host, Move, Run
from pipeline.tasks.fusion import FusedDecoder, FusedResult, join_results
from pipeline.tasks.outputs.registry import output_decoder
from pipeline.tasks.prepare import prepare_image, to_tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.plan.routes import RouteStep
    from pipeline.runtime.spec import RunSpec, SegmentSpec, TaskSpec
    from pipeline.tasks.outputs.protocol import OutputDecoder, Result

    Array = NDArray[np.generic[object]]

FRAME_CODECS = ("raw", "jpeg", "webp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture of the drive; shape (height, width, 3), uint8, blue, green, red."""

    pixels: NDArray[np.uint8]


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


Value = Picture | Tensors | Packed | Decoded


class Stages:
    """Runs the host stages of tasks on their routes; stateless but for what it looked up."""

    def __init__(
        self,
        *,
        tasks: Mapping[str, TaskSpec],
        steps: Mapping[str, Sequence[RouteStep]],
        segments: Mapping[str, SegmentSpec],
        fused: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._tasks, self._steps, self._segments = tasks, steps, segments
        self._decoders = {
            name: output_decoder(task.decoder, task.parameters) for name, task in tasks.items()
        }
        self._fused = {
            name: FusedDecoder({part: self._decoders[part] for part in parts})
            for name, parts in (fused or {}).items()
        }

    @classmethod
    def of(cls, spec: RunSpec) -> Stages:
        """The stages of a run."""
        steps = {name: task.steps for name, task in spec.core.tasks.items()}
        return cls(tasks=spec.tasks, steps=steps, segments=spec.segments, fused=spec.fused)

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
            case "prepare", [Picture(pixels=pixels)]:
                return self._prepare(spec, steps, index, pixels)
            case "pack", [Tensors(), *_]:
                return self._pack(steps, index, inputs)
            case "unpack", [Packed(parts=parts)]:
                return self._unpack(spec, parts)
            case "post", [Tensors(by_name=outputs)]:
                decoder = self._decoders[task]
                result = decoder.decode(outputs, spec.geometry)
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
        return (
            self._decoders[task].decode_result(buffer)
            if fused is None
            else fused.decode_result(buffer)
        )

    def _fuse(self, task: str, stage: str, inputs: Sequence[Value]) -> Value:
        """Stages of a path from several sensors: its inputs are their coded results."""
        found = [part for value in inputs if isinstance(value, Packed) for part in value.parts]
        bodies = [np.asarray(part.encoded.buffers[0], np.uint8) for part in found]
        match stage, bodies:
            case "fuse", [_, *_]:
                named = [part.name.removeprefix(f"{RESULT}:") for part in found]
                return packed_result(join_results(list(zip(named, bodies, strict=True))), task)
            case "deliver", [body]:
                return Decoded(result=self._fused[task].decode_result(body))
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

    def _prepare(
        self, spec: TaskSpec, steps: Sequence[RouteStep], index: int, pixels: NDArray[np.uint8]
    ) -> Tensors:
        prepared = prepare_image(pixels, spec.input).pixels
        follows = [step.step for step in steps if index in step.after]
        if any(isinstance(step, Run) for step in follows):
            return Tensors(by_name={spec.input_name: to_tensor(prepared, spec.input)})
        return Tensors(by_name={spec.input_name: prepared})

    def _pack(self, steps: Sequence[RouteStep], index: int, inputs: Sequence[Value]) -> Packed:
        move = next(s.step for s in steps if index in s.after and isinstance(s.step, Move))
        merged = _merged(inputs)
        codecs = dict(zip(move.tensors, move.codecs, strict=True))
        return Packed(parts=pack({name: merged[name] for name in move.tensors}, codecs))

    def _unpack(self, spec: TaskSpec, parts: tuple[PackedTensor, ...]) -> Tensors:
        tensors = unpack(parts)
        for part in parts:
            if part.encoded.codec.partition(":")[0] in FRAME_CODECS:
                pixels = np.asarray(tensors[part.name], np.uint8)
                tensors[part.name] = to_tensor(pixels, spec.input)
        return Tensors(by_name=tensors)


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
