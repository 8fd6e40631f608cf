"""The priming pass: each picture goes its route once before t0, so that devices need only wait."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from accelerators.backends.ort import OrtBackend
from pipeline.errors import PipelineError
from pipeline.plan.steps import Host, Move, Run
from pipeline.runtime.footage import content_of
from pipeline.runtime.results import ResultCache, content_key, named_key
from pipeline.runtime.samples import sample_of
from pipeline.runtime.sizes import Sizes
from pipeline.runtime.stages import Packed, Stages, Value
from pipeline.values import to_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.runtime.footage import Content, Footage
    from pipeline.runtime.spec import RunSpec, SegmentSpec

    Array = NDArray[np.generic[object]]

WORKERS = 2  # threads; each keeps sessions of its own, one inference thread each
_KEY = 32  # digits of a key
_RESULT = "result@"
_CODE_VERSION = "4"  # of what the host stages do; a change makes kept chains worthless


@dataclass(frozen=True, slots=True, kw_only=True)
class Primed:
    """What the priming pass found.

    Attributes:
        sizes: Bytes that cross, per step and picture.
        results: The coded result of each task, delivering step and picture.
        hits: Chains found in the cache.
        misses: Chains that were computed.
        keys: Keys of the results of each segment, in the cache.
        refused: Why results are no longer kept; empty where they are.
    """

    sizes: Sizes
    results: Mapping[tuple[str, int, int], NDArray[np.uint8]]
    hits: int
    misses: int
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    refused: str = ""


@dataclass(slots=True, kw_only=True)
class Chain:
    """What one picture's way through a task makes.

    Attributes:
        sizes: Bytes that cross after a step, by step.
        keys: Keys of the segments' results in the cache, by step.
        results: The coded result of each route, by the step that delivers it.
    """

    sizes: dict[int, int] = field(default_factory=dict)
    keys: dict[int, str] = field(default_factory=dict)
    results: dict[int, NDArray[np.uint8]] = field(default_factory=dict)


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
    footage: Footage,
    *,
    frames: Mapping[str, int],
    shown: Mapping[tuple[str, int], int] | None = None,
    now_ns: Callable[[], int],
    must_keep: bool = True,
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Primed:
    """Send every frame that a path takes through its task's route, and keep what comes of it.

    A frame whose digest is known ahead and whose results are all in the cache is not even read.

    Args:
        spec: The run.
        footage: Frames of the drive.
        frames: Number of frames per stream.
        shown: Content of frames that show another's data than their own, by stream and number.
        now_ns: A monotonic clock for the backends.
        must_keep: Whether to fail where results cannot be kept: others take them from the cache.
        on_progress: Told how many frames are done, and how many there are.

    Raises:
        PipelineError: A segment or a stage failed.
        InputError: A recording is corrupt.
        OSError: Results must be kept, and the disk is full or the cache cannot be written.
    """
    cache = ResultCache(Path(spec.cache), optional=not must_keep)
    with _Pass(spec, cache, now_ns) as work:
        tasks = {name: spec.core.tasks[name].stream for name in _computed(spec)}
        needed = {task: _needed(spec, task, frames, shown or {}) for task in tasks}
        sizes: dict[str, list[int]] = {}
        done, total = 0, sum(frames.values())
        for stream in footage.streams:
            wanted = {task: needed[task] for task, source in tasks.items() if source == stream}
            contents = footage.known(stream, frames[stream], cache)
            missing: set[int] | None = None
            if contents is not None:
                missing = set()
                for content, found in work.restore(wanted, contents):
                    if found:
                        done += 1
                        on_progress(done, total)
                    else:
                        missing.add(content)
            seen: list[Content] = []
            if missing is None or missing:
                only = None if missing is None else frozenset(missing)
                for content, data in footage.read(stream, only):
                    seen.append(content_of(data))
                    work.compute(wanted, content, data, seen[-1])
                    done += 1
                    on_progress(done, total)
            if contents is None:
                contents = seen
                footage.keep(stream, contents, cache)
            if any(content.varies for content in contents):  # pictures are all of one size
                sizes[stream] = [content.bytes for content in contents]
        work.finish()
    refused = "" if cache.refused is None else str(cache.refused.strerror)
    made = _collected(spec, work.chains, frames, work.hits)
    return replace(made, sizes=replace(made.sizes, samples=sizes), refused=refused)


class _Pass:
    """A priming pass: chains out of the cache, or computed by a few threads and kept.

    Attributes:
        chains: What was found or made, by task and content.
        hits: How many of them were found.
    """

    def __init__(self, spec: RunSpec, cache: ResultCache, now_ns: Callable[[], int]) -> None:
        self._spec, self._cache, self._now_ns = spec, cache, now_ns
        self._stages = Stages.of(spec)
        self._fingerprints = {task: _fingerprint(spec, task) for task in _computed(spec)}
        self._local = threading.local()
        self._computers: list[Computer] = []
        self._waiting: deque[Future[bool]] = deque()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="prime")
        self.chains: dict[tuple[str, int], Chain] = {}
        self.hits = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_about: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        for computer in self._computers:
            computer.close()

    def restore(
        self, wanted: Mapping[str, frozenset[int]], contents: Sequence[Content]
    ) -> Iterator[tuple[int, bool]]:
        """Take what is in the cache for a stream's frames; says of each whether all of it is there.

        Args:
            wanted: Contents that each task of the stream needs.
            contents: What is known of each frame of the stream.
        """
        asked = [
            [task for task, mine in wanted.items() if at in mine] for at in range(len(contents))
        ]
        keys = (
            named_key(self._fingerprints[task], about.digest)
            for about, tasks in zip(contents, asked, strict=True)
            for task in tasks
        )
        chains = self._pool.map(self._held, keys)
        for content, tasks in enumerate(asked):
            found = {(task, content): next(chains) for task in tasks}
            held = {key: chain for key, chain in found.items() if chain is not None}
            whole = len(held) == len(tasks)
            if whole:
                self.chains.update(held)
                self.hits += len(held)
            yield content, whole

    def compute(
        self, wanted: Mapping[str, frozenset[int]], content: int, data: Array, about: Content
    ) -> None:
        """Let a frame's data go the way of each task that needs them; waits where many do.

        Raises:
            PipelineError: A segment or a stage failed.
            OSError: What was computed cannot be kept.
        """
        self._waiting += [
            self._pool.submit(self._one, task, content, data, about)
            for task, mine in wanted.items()
            if content in mine
        ]
        while len(self._waiting) > 4 * WORKERS:
            self.hits += self._waiting.popleft().result()

    def finish(self) -> None:
        """Wait for what is still under way.

        Raises:
            PipelineError: A segment or a stage failed.
            OSError: What was computed cannot be kept.
        """
        while self._waiting:
            self.hits += self._waiting.popleft().result()

    def _one(self, task: str, content: int, data: Array, about: Content) -> bool:
        """One frame's way through a task; returns whether it was found."""
        key = named_key(self._fingerprints[task], about.digest)
        held = self._held(key)
        chain = held or walk(self._stages, self._computer(), task, data)
        if held is None:
            self._cache.put(key, _kept(chain))
        self.chains[task, content] = chain
        return held is not None

    def _held(self, key: str) -> Chain | None:
        """A chain out of the cache with all that it names there; None where some is missing."""
        held = self._cache.get(key)
        chain = None if held is None else _restored(held)
        if chain is None or not all(k in self._cache for k in chain.keys.values()):
            return None
        return chain

    def _computer(self) -> Computer:
        if not hasattr(self._local, "computer"):
            self._local.computer = Computer(self._spec.segments, self._cache, self._now_ns)
            self._computers.append(self._local.computer)
        computer: Computer = self._local.computer
        return computer


def _collected(
    spec: RunSpec, chains: Mapping[tuple[str, int], Chain], frames: Mapping[str, int], hits: int
) -> Primed:
    sizes: dict[tuple[str, int], list[int]] = {}
    results: dict[tuple[str, int, int], NDArray[np.uint8]] = {}
    keys: dict[str, list[str]] = {}
    for (task, content), chain in sorted(chains.items()):
        for index, key in chain.keys.items():
            step = spec.core.tasks[task].steps[index].step
            if isinstance(step, Run):
                keys.setdefault(step.segment, []).append(key)
        for index, size in chain.sizes.items():
            count = frames[spec.core.tasks[task].stream]
            sizes.setdefault((task, index), [0] * count)[content] = size
        for index, result in chain.results.items():
            results[task, index, content] = result
    return Primed(
        sizes=Sizes(frames=dict(frames), warmup=spec.warmup, bytes=sizes),
        results=results,
        hits=hits,
        misses=len(chains) - hits,
        keys={name: tuple(dict.fromkeys(found)) for name, found in keys.items()},
    )


def _computed(spec: RunSpec) -> list[str]:
    """Tasks that read frames; what fuses results has nothing to be computed ahead."""
    return [task for task in spec.core.tasks if task not in spec.fused]


def _needed(
    spec: RunSpec,
    task: str,
    frames: Mapping[str, int],
    shown: Mapping[tuple[str, int], int],
) -> frozenset[int]:
    """Frames that some path sends through a task, warm-up included."""
    core = spec.core
    stream = core.tasks[task].stream
    count = frames[stream]
    total = count * spec.loop
    needed = {
        number % count
        for path in (*core.paths, *core.parts)
        if path.task == task
        for number in range(0, min(total, count * path.every), path.every)
    }
    needed |= {
        content
        for (name, number), content in shown.items()
        if name == stream and core.paths_of(task, number)
    }
    for number in range(-spec.warmup, 0):
        if core.paths_of(task, number):
            needed.add(number + spec.warmup)
    return frozenset(needed)


@cache
def segment_maker(segment: SegmentSpec) -> str:
    """What a segment's results depend on beside its inputs: its file and the reference backend."""
    return f"{segment.sha256}/onnxruntime-{version('onnxruntime')}/as-is/1-thread"


def walk(stages: Stages, computer: Computer, task: str, data: Array) -> Chain:
    """Send one frame's data through all routes of a task up to their coded results.

    Raises:
        PipelineError: A segment or a stage failed.
    """
    chain = Chain()
    values: dict[int, Value] = {}
    for index, route_step in enumerate(stages.steps(task)):
        before = route_step.after
        inputs: list[Value] = [values[i] for i in before] or [sample_of(data)]
        match route_step.step:
            case Host(stage="deliver"):
                match inputs:
                    case [Packed(parts=(part,))]:
                        chain.results[index] = np.asarray(part.encoded.buffers[0], np.uint8)
                    case _:
                        pass
            case Host():
                value = stages.run(task, index, inputs)
                values[index] = value
                if isinstance(value, Packed):
                    chain.sizes[index] = value.bytes
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
    steps = spec.core.tasks[task].steps
    what = {
        "version": _CODE_VERSION,
        "task": [
            to_plain(known)
            for name, known in sorted(spec.tasks.items())
            if name == task or name.startswith(f"{task}/")
        ],
        "steps": [[to_plain(step.step), list(step.after)] for step in steps],
        "segments": {
            step.step.segment: spec.segments[step.step.segment].sha256
            for step in steps
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
    return held | {f"{_RESULT}{step}": result for step, result in chain.results.items()}


def _restored(held: Mapping[str, Array]) -> Chain | None:
    try:
        steps = [int(step) for step in held["steps"].tolist()]
        sizes = [int(size) for size in held["bytes"].tolist()]
        runs = [int(step) for step in held["runs"].tolist()]
        text = held["keys"].tobytes().decode()
    except (KeyError, UnicodeDecodeError):
        return None
    return Chain(
        sizes=dict(zip(steps, sizes, strict=True)),
        keys={step: text[_KEY * i : _KEY * (i + 1)] for i, step in enumerate(runs)},
        results={
            int(name.removeprefix(_RESULT)): np.asarray(array, np.uint8)
            for name, array in held.items()
            if name.startswith(_RESULT)
        },
    )
