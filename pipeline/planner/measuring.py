"""What candidates do to a result, and what they send: measured on calibration frames, and kept.

A chain from a frame to its coded result is kept in the result cache under what it is made of, so
that planning again costs a look-up. Of a network that is there for its timing alone nothing runs:
only what crosses whole is coded and counted, the rest is what its codec says of the shape.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import OutputContractError, PlanError
from pipeline.planner.segments import segments_of
from pipeline.runtime.priming import Computer, walk
from pipeline.runtime.results import content_key
from pipeline.runtime.samples import sample_of
from pipeline.runtime.spec import TensorInput
from pipeline.runtime.stages import FRAME_CODECS, Packed, Stages
from pipeline.values import to_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.planner.candidates import Draft
    from pipeline.planner.subjects import Subject
    from pipeline.runtime.results import ResultCache
    from pipeline.runtime.spec import SegmentSpec
    from pipeline.tasks.outputs.protocol import OutputDecoder, Result

    Array = NDArray[np.generic[object]]

TIMED_RESULT_BYTES = 640
"""Assumed for a result that is never computed: some twenty boxes."""

_VERSION = "1"  # of what is kept: raise it when a chain would come out differently


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a candidate does, the mean over the calibration frames.

    Attributes:
        agreement: Agreement with the reference, 0 to 1; None where nothing ran.
        up_bytes: Bytes that cross upward.
        down_bytes: Bytes that come back.
    """

    agreement: float | None
    up_bytes: int
    down_bytes: int


class Measure:
    """Runs drafts of one model on calibration frames: agreement with the reference, and bytes."""

    def __init__(
        self,
        subject: Subject,
        pictures: Sequence[Array],
        *,
        cache: ResultCache,
        directory: Path,
        now_ns: Callable[[], int],
    ) -> None:
        self._subject, self._pictures, self._directory = subject, pictures, directory
        self._segments: dict[str, SegmentSpec] = {}
        self._cache = cache
        self._computer = Computer(self._segments, cache, now_ns)

    def decoder(self, draft: Draft) -> OutputDecoder:
        """What reads a draft's results."""
        return self._stages(draft).decoder(self._subject.task.name)

    def reference(
        self, draft: Draft, pictures: Sequence[Array] | None = None
    ) -> tuple[list[Result], int]:
        """Results of the uncut, uncoded network, and their mean coded size.

        Args:
            draft: That network.
            pictures: Other data than the calibration frames', at least one.
        """
        if self._subject.timing_only:
            return [], TIMED_RESULT_BYTES
        decoder, results, _, down_bytes = self._results(draft, pictures)
        return [decoder.decode_result(result) for result in results], down_bytes

    def of(self, draft: Draft, reference: Sequence[Result]) -> Measured:
        """Mean agreement with the reference, mean bytes up, mean bytes down.

        Where int8 makes of a part what the decoder refuses, nothing agrees, and what crosses is as
        predicted.
        """
        if self._subject.timing_only:
            return Measured(
                agreement=None, up_bytes=self._timed_bytes(draft), down_bytes=TIMED_RESULT_BYTES
            )
        try:
            decoder, results, up_bytes, down_bytes = self._results(draft)
        except OutputContractError:
            if not any(part.device in self._subject.tags for part in draft.parts):
                raise
            return Measured(
                agreement=0.0, up_bytes=self._timed_bytes(draft), down_bytes=TIMED_RESULT_BYTES
            )
        scores = [
            decoder.agreement(decoder.decode_result(mine), theirs)
            for mine, theirs in zip(results, reference, strict=True)
        ]
        return Measured(agreement=float(np.mean(scores)), up_bytes=up_bytes, down_bytes=down_bytes)

    def close(self) -> None:
        """Release the backends."""
        self._computer.close()

    def _results(
        self, draft: Draft, pictures: Sequence[Array] | None = None
    ) -> tuple[OutputDecoder, list[NDArray[np.uint8]], int, int]:
        stages = self._stages(draft)
        name = self._subject.task.name
        maker = self._maker(draft)
        results: list[NDArray[np.uint8]] = []
        up_bytes, down_bytes = [], []
        written = False
        for picture in self._pictures if pictures is None else pictures:
            key = content_key(maker, {"picture": picture})
            held = self._cache.get(key)
            if held is None or not {"up", "result"} <= held.keys():
                if not written:
                    for segment in segments_of(self._subject, draft, self._directory):
                        self._segments[segment.name] = segment
                    written = True
                held = self._walked(stages, name, picture)
                self._cache.put(key, held)
            result = np.asarray(held["result"], np.uint8)
            results.append(result)
            down_bytes.append(result.nbytes)
            up_bytes.append(int(np.asarray(held["up"], np.int64)[0]))
        return stages.decoder(name), results, _mean(up_bytes), _mean(down_bytes)

    def _walked(self, stages: Stages, name: str, picture: Array) -> dict[str, Array]:
        chain = walk(stages, self._computer, name, picture)
        if not chain.results:
            raise PlanError(f"{name}: a route without a result")
        (result,) = chain.results.values()
        up_bytes = sum(chain.sizes.values()) - result.nbytes
        return {"result": result, "up": np.array([up_bytes], np.int64)}

    def _stages(self, draft: Draft) -> Stages:
        task = self._subject.task
        return Stages(
            tasks={task.name: task}, steps={task.name: draft.route.steps}, segments=self._segments
        )

    def _maker(self, draft: Draft) -> str:
        """Changes with anything that could change what a frame's chain makes.

        Which parts are those of the int8 form the names of the segments tell, in the steps.
        """
        form = None if self._subject.int8 is None else self._subject.int8.graph
        what = {
            "version": _VERSION,
            "runtime": version("onnxruntime"),
            "task": to_plain(self._subject.task),
            "model": self._subject.graph.sha256,
            "parts": [sorted(part.operators) for part in draft.parts],
            "steps": [[to_plain(step.step), list(step.after)] for step in draft.route.steps],
        }
        if form is not None:
            what["int8"] = form.sha256
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()

    def _timed_bytes(self, draft: Draft) -> int:
        """Bytes that cross upward: of a whole frame as they are, of a cut as its codecs have it."""
        steps = draft.route.steps
        up = next((at for at, step in enumerate(steps) if step.span == "uplink"), None)
        if up is None:
            return 0
        stems = {coded.partition(":")[0] for coded in draft.codecs}
        whole = stems <= {*FRAME_CODECS, "sparse"} and not draft.head
        if not whole or isinstance(self._subject.task.input, TensorInput):
            return steps[up].bytes
        stages = self._stages(draft)
        name = self._subject.task.name
        sizes = []
        for picture in self._pictures:
            value = stages.run(name, 0, [sample_of(picture)])
            packed = stages.run(name, up - 1, [value])
            sizes.append(packed.bytes if isinstance(packed, Packed) else 0)
        return _mean(sizes)


def _mean(values: Sequence[int]) -> int:
    return round(sum(values) / len(values))
