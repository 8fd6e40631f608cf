"""The priming pass: each picture goes its route once before t0, so that devices need only wait."""

from __future__ import annotations

import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from accelerators.backends.ort import OrtBackend
from pipeline.errors import PipelineError
from pipeline.plan.routes import RESULT
from pipeline.plan.steps import Host, Move, Run
from pipeline.runtime.results import ResultCache, content_key
from pipeline.runtime.sizes import Sizes
from pipeline.runtime.stages import Packed, Picture, Stages, Value
from pipeline.values import to_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from pipeline.runtime.spec import RunSpec, SegmentSpec

    Array = NDArray[np.generic[object]]

WORKERS = 2  # threads; each keeps sessions of its own, one inference thread each
_KEY = 32  # digits of a key
_CODE_VERSION = "2"  # of what the host stages do; a change makes kept chains worthless


@dataclass(frozen=True, slots=True, kw_only=True)
class Primed:
    """What the priming pass found.

    Attributes:
        sizes: Bytes that cross, per step and picture.
        results: The coded result of each task and picture.
        hits: Chains found in the cache.
        misses: Chains that were computed.
        keys: Keys of the results of each segment, in the cache.
    """

    sizes: Sizes
    results: Mapping[tuple[str, int], NDArray[np.uint8]]
    hits: int
    misses: int
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Chain:
    """What one picture's way through a task makes.

    Attributes:
        sizes: Bytes that cross after a step, by step.
        keys: Keys of the segments' results in the cache, by step.
        result: The coded result.
    """

    sizes: dict[int, int] = field(default_factory=dict)
    keys: dict[int, str] = field(default_factory=dict)
    result: NDArray[np.uint8] | None = None


class Computer:
    """Runs segments on the reference backend, through the cache; one per thread."""

    def __init__(
        self,
        segments: Mapping[str, SegmentSpec],
        cache: ResultCache,
        now_ns: Callable[[], int],
    ) -> None:
        self._segments = segments
        self._cache = cache
        self._now_ns = now_ns
        self._backends: dict[str, OrtBackend] = {}

    def key(self, segment: str, inputs: Mapping[str, Array]) -> str:
        """Key of what a segment makes of these inputs."""
        return content_key(segment_maker(self._segments[segment]), inputs)

    def compute(self, segment: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """What a segment makes of these inputs, computed now.

        Raises:
            PipelineError: The backend failed.
        """
        backend = self._backends.get(segment)
        if backend is None:
            backend = OrtBackend(self._now_ns, optimise=False)
            backend.load(Path(self._segments[segment].artefact))
            self._backends[segment] = backend
        completion = backend.wait(backend.submit(inputs))
        if completion is None or completion.outputs is None:
            reason = "no answer" if completion is None else completion.failure
            raise PipelineError(f"segment {segment}: {reason}")
        return dict(zip(self._segments[segment].outputs, completion.outputs, strict=True))

    def cached(self, segment: str, inputs: Mapping[str, Array]) -> tuple[dict[str, Array], str]:
        """What a segment makes, out of the cache or computed and kept, with its key."""
        key = self.key(segment, inputs)
        outputs = self._cache.get(key)
        if outputs is None:
            outputs = self.compute(segment, inputs)
            self._cache.put(key, outputs)
        return outputs, key

    def close(self) -> None:
        """Close every backend."""
        for backend in self._backends.values():
            backend.close()


def prime(
    spec: RunSpec,
    pictures: Iterator[tuple[int, NDArray[np.uint8]]],
    *,
    frames: int,
    now_ns: Callable[[], int],
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Primed:
    """Send every picture that a path takes through its task's route, and keep what comes of it.

    Args:
        spec: The run.
        pictures: Index and pixels of each picture of the recording, in order.
        frames: Number of pictures.
        now_ns: A monotonic clock for the backends.
        on_progress: Told how many pictures are done, and how many there are.

    Raises:
        PipelineError: A segment or a stage failed.
    """
    cache = ResultCache(Path(spec.cache))
    stages = Stages.of(spec)
    local = threading.local()
    computers: list[Computer] = []
    needed = {task: _needed(spec, task, frames) for task in spec.tasks}
    fingerprints = {task: _fingerprint(spec, task) for task in spec.tasks}
    chains: dict[tuple[str, int], Chain] = {}
    hits = 0

    def one(task: str, content: int, pixels: NDArray[np.uint8]) -> tuple[str, int, Chain, bool]:
        if not hasattr(local, "computer"):
            local.computer = Computer(spec.segments, cache, now_ns)
            computers.append(local.computer)
        computer: Computer = local.computer
        key = content_key(fingerprints[task], {"picture": pixels})
        held = cache.get(key)
        chain = None if held is None else _restored(held)
        if chain is not None and all(k in cache for k in chain.keys.values()):
            return task, content, chain, True
        chain = walk(stages, computer, task, pixels)
        cache.put(key, _kept(chain))
        return task, content, chain, False

    try:
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="prime") as pool:
            waiting = []
            for done, (content, pixels) in enumerate(pictures):
                waiting += [
                    pool.submit(one, task, content, pixels)
                    for task in spec.tasks
                    if content in needed[task]
                ]
                while len(waiting) > 4 * WORKERS:
                    task, number, chain, hit = waiting.pop(0).result()
                    chains[task, number] = chain
                    hits += hit
                on_progress(done + 1, frames)
            for future in waiting:
                task, number, chain, hit = future.result()
                chains[task, number] = chain
                hits += hit
    finally:
        for computer in computers:
            computer.close()
    return _collected(spec, chains, frames, hits)


def _collected(
    spec: RunSpec, chains: Mapping[tuple[str, int], Chain], frames: int, hits: int
) -> Primed:
    sizes: dict[tuple[str, int], list[int]] = {}
    results: dict[tuple[str, int], NDArray[np.uint8]] = {}
    keys: dict[str, list[str]] = {}
    for (task, content), chain in sorted(chains.items()):
        for index, key in chain.keys.items():
            step = spec.core.tasks[task].route.steps[index].step
            if isinstance(step, Run):
                keys.setdefault(step.segment, []).append(key)
        for index, size in chain.sizes.items():
            sizes.setdefault((task, index), [0] * frames)[content] = size
        if chain.result is not None:
            results[task, content] = chain.result
    return Primed(
        sizes=Sizes(
            frames=dict.fromkeys(spec.core.streams, frames), warmup=spec.warmup, bytes=sizes
        ),
        results=results,
        hits=hits,
        misses=len(chains) - hits,
        keys={name: tuple(dict.fromkeys(found)) for name, found in keys.items()},
    )


def _needed(spec: RunSpec, task: str, frames: int) -> frozenset[int]:
    """Pictures that some path sends through a task, warm-up included."""
    core = spec.core
    total = frames * spec.loop
    needed = {
        number % frames
        for path in core.paths
        if path.task == task
        for number in range(0, min(total, frames * path.every), path.every)
    }
    for number in range(-spec.warmup, 0):
        if core.paths_of(task, number):
            needed.add(number + spec.warmup)
    return frozenset(needed)


@cache
def segment_maker(segment: SegmentSpec) -> str:
    """What a segment's results depend on beside its inputs: its file and the reference backend."""
    return f"{segment.sha256}/onnxruntime-{version('onnxruntime')}/as-is/1-thread"


def walk(stages: Stages, computer: Computer, task: str, pixels: NDArray[np.uint8]) -> Chain:
    """Send one picture through a task's route up to its coded result.

    Raises:
        PipelineError: A segment or a stage failed.
    """
    chain = Chain()
    values: dict[int, Value] = {}
    route = stages.route(task)
    for index, route_step in enumerate(route.steps):
        before = route_step.after
        inputs = [values[i] for i in before] if before else [Picture(pixels=pixels)]
        match route_step.step:
            case Host(stage="deliver"):
                continue
            case Host():
                value = stages.run(task, index, inputs)
                values[index] = value
                if isinstance(value, Packed):
                    chain.sizes[index] = value.bytes
                    if value.parts and value.parts[0].name == RESULT:
                        chain.result = np.asarray(value.parts[0].encoded.buffers[0], np.uint8)
            case Run(segment=segment):
                tensors = stages.segment_inputs(segment, inputs)
                outputs, key = computer.cached(segment, tensors)
                chain.keys[index] = key
                values[index] = stages.segment_value(segment, inputs, outputs)
            case Move():
                values[index] = inputs[0]
    return chain


def _fingerprint(spec: RunSpec, task: str) -> str:
    """Changes with anything that could change what a picture's chain makes."""
    route = spec.core.tasks[task].route
    what = {
        "version": _CODE_VERSION,
        "task": to_plain(spec.tasks[task]),
        "steps": [to_plain(step.step) for step in route.steps],
        "segments": {
            step.step.segment: spec.segments[step.step.segment].sha256
            for step in route.steps
            if isinstance(step.step, Run)
        },
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _kept(chain: Chain) -> dict[str, Array]:
    steps = sorted(chain.sizes)
    held: dict[str, Array] = {
        "steps": np.array(steps, np.int64),
        "bytes": np.array([chain.sizes[step] for step in steps], np.int64),
        "runs": np.array(sorted(chain.keys), np.int64),
        "keys": np.frombuffer("".join(k for _, k in sorted(chain.keys.items())).encode(), np.uint8),
    }
    if chain.result is not None:
        held["result"] = chain.result
    return held


def _restored(held: Mapping[str, Array]) -> Chain | None:
    try:
        steps = [int(step) for step in held["steps"].tolist()]
        sizes = [int(size) for size in held["bytes"].tolist()]
        runs = [int(step) for step in held["runs"].tolist()]
        text = held["keys"].tobytes().decode()
    except (KeyError, UnicodeDecodeError):
        return None
    result = held.get("result")
    return Chain(
        sizes=dict(zip(steps, sizes, strict=True)),
        keys={step: text[_KEY * i : _KEY * (i + 1)] for i, step in enumerate(runs)},
        result=None if result is None else np.asarray(result, np.uint8),
    )
