"""What carries out a `Start` in a live node: host worker, emulated device or bus, real backend."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from accelerators.backends.making import make_backend
from accelerators.errors import AcceleratorError
from pipeline.errors import PipelineError
from pipeline.runtime.priming import Computer
from pipeline.runtime.results import ResultCache

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from accelerators.device import Backend, Completion
    from pipeline.runtime.core.events import Job
    from pipeline.runtime.live.holds import HoldTimer
    from pipeline.runtime.spec import RunSpec
    from pipeline.runtime.stages import Stages, Value
    from pipeline.runtime.timing import Timing

    Array = NDArray[np.generic[object]]
    _Item = tuple[tuple[Job, ...], Sequence[Sequence[Value]]]


_HELD_BYTES = 2 << 30  # of results that a device keeps in memory; beyond, they come from disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How jobs ended that ran together.

    Attributes:
        jobs: Which, run together.
        device: Device that ran them.
        values: What each of them made; None when they failed.
        began_ns: Run time at which it began.
        ended_ns: Run time at which it ended.
        modelled_ns: How much of that was modelled.
        late_ns: How late a hold let go.
        overrun: Whether its outputs were not ready and had to be computed.
        failure: Why it failed, or None.
    """

    jobs: tuple[Job, ...]
    device: str
    values: tuple[Value, ...] | None
    began_ns: int
    ended_ns: int
    modelled_ns: int = 0
    late_ns: int = 0
    overrun: bool = False
    failure: str | None = None

    @property
    def warmup(self) -> bool:
        """Whether only frames of the warm-up, numbered below 0, were run: nodes are still cold."""
        return all(job.frame < 0 for job in self.jobs)


class Executor(Protocol):
    """Runs jobs of one device; never blocks the caller."""

    def start(self, jobs: tuple[Job, ...], inputs: Sequence[Sequence[Value]]) -> None:
        """Begin jobs together, each with its inputs; their end is posted to the node."""

    def close(self) -> None:
        """Release threads and backends."""


class HostWorker:
    """A site's host: runs host stages one at a time on a thread of its own."""

    def __init__(
        self,
        device: str,
        stages: Stages,
        post: Callable[[Finished], None],
        now_ns: Callable[[], int],
    ) -> None:
        self._device, self._stages, self._post, self._now_ns = device, stages, post, now_ns
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=device, daemon=True)
        self._thread.start()

    def start(self, jobs: tuple[Job, ...], inputs: Sequence[Sequence[Value]]) -> None:
        """Queue stages."""
        self._queue.put((jobs, inputs))

    def close(self) -> None:
        """Let the stage under way end, and no other begin."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            jobs, inputs = item
            began_ns = self._now_ns()
            values, failure = None, None
            try:
                values = tuple(
                    [
                        self._stages.run(job.task, job.step, read)
                        for job, read in zip(jobs, inputs, strict=True)
                    ]
                )
            except PipelineError as err:
                failure = str(err)
            self._post(
                Finished(
                    jobs=jobs,
                    device=self._device,
                    values=values,
                    began_ns=began_ns,
                    ended_ns=self._now_ns(),
                    failure=failure,
                )
            )


class EmulatedDevice:
    """An emulated accelerator (`compute: ahead`): looks its outputs up and waits for its time.

    The outputs were computed before the run; while the device holds a job, a thread fetches them
    by content: from memory, as far as they fit there, else from the cache. A miss is computed there
    and then and marks the job as overrun.
    """

    def __init__(
        self,
        device: str,
        spec: RunSpec,
        stages: Stages,
        timing: Timing,
        hold: HoldTimer,
        post: Callable[[Finished], None],
        now_ns: Callable[[], int],
        ready: Mapping[str, Sequence[str]],
    ) -> None:
        self._device, self._spec, self._stages = device, spec, stages
        self._timing, self._hold, self._post, self._now_ns = timing, hold, post, now_ns
        self._cache = ResultCache(Path(spec.cache))
        self._computer = Computer(spec.segments, self._cache, now_ns)
        self._held = self._load(ready)
        self._queue: queue.SimpleQueue[tuple[_Item, int, int] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=device, daemon=True)
        self._thread.start()

    def start(self, jobs: tuple[Job, ...], inputs: Sequence[Sequence[Value]]) -> None:
        """Begin jobs now; they end when their modelled time is over."""
        job = jobs[0]
        step = self._stages.step(job.task, job.step)
        began_ns = self._now_ns()
        price_ns = self._timing.job_ns(
            step,
            task=job.task,
            index=job.step,
            frame=job.frame,
            batch=len(jobs),
            at_ns=began_ns,
        )
        self._queue.put(((jobs, inputs), began_ns, price_ns))

    def close(self) -> None:
        """End the thread."""
        self._queue.put(None)
        self._thread.join()
        self._computer.close()

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            (jobs, inputs), began_ns, price_ns = item
            values, overrun, failure = None, False, None
            try:
                found = [self._fetch(*each) for each in zip(jobs, inputs, strict=True)]
                values = tuple([value for value, _ in found])
                overrun = any(missed for _, missed in found)
            except (PipelineError, AcceleratorError, OSError) as err:
                failure = str(err)
            release = partial(
                self._release, jobs, values, began_ns, price_ns, overrun=overrun, failure=failure
            )
            self._hold.at(began_ns + price_ns, release)

    def _fetch(self, job: Job, inputs: Sequence[Value]) -> tuple[Value, bool]:
        segment = self._stages.segment_of(job.task, job.step)
        tensors = self._stages.segment_inputs(segment, inputs)
        key = self._computer.key(segment, tensors)
        outputs = self._held.get(key) or self._cache.get(key)
        missed = outputs is None
        if outputs is None:
            outputs = self._computer.compute(segment, tensors)
        return self._stages.segment_value(segment, inputs, outputs), missed

    def _load(self, ready: Mapping[str, Sequence[str]]) -> dict[str, Mapping[str, Array]]:
        """Results that this device's segments will be asked for, up to a limit of memory."""
        held: dict[str, Mapping[str, Array]] = {}
        left_bytes = _HELD_BYTES
        for segment in self._spec.segments_on(self._device):
            for key in ready.get(segment.name, ()):
                outputs = self._cache.get(key)
                if outputs is None or left_bytes <= 0:
                    continue
                held[key] = outputs
                left_bytes -= sum(array.nbytes for array in outputs.values())
        return held

    def _release(
        self,
        jobs: tuple[Job, ...],
        values: tuple[Value, ...] | None,
        began_ns: int,
        price_ns: int,
        *,
        overrun: bool,
        failure: str | None,
    ) -> None:
        ended_ns = self._now_ns()
        self._post(
            Finished(
                jobs=jobs,
                device=self._device,
                values=values,
                began_ns=began_ns,
                ended_ns=ended_ns,
                modelled_ns=price_ns,
                late_ns=ended_ns - began_ns - price_ns,
                overrun=overrun,
                failure=failure,
            )
        )


class EmulatedBus:
    """The bus between two emulated devices of a site: hands tensors on when their time is over."""

    def __init__(
        self,
        channel: str,
        stages: Stages,
        timing: Timing,
        hold: HoldTimer,
        post: Callable[[Finished], None],
        now_ns: Callable[[], int],
    ) -> None:
        self._channel, self._stages, self._timing = channel, stages, timing
        self._hold, self._post, self._now_ns = hold, post, now_ns

    def start(self, jobs: tuple[Job, ...], inputs: Sequence[Sequence[Value]]) -> None:
        """Begin one move; a bus takes them one by one."""
        (job,), (read,) = jobs, inputs
        began_ns = self._now_ns()
        step = self._stages.step(job.task, job.step)
        price_ns = self._timing.job_ns(
            step, task=job.task, index=job.step, frame=job.frame, at_ns=began_ns
        )
        self._hold.at(began_ns + price_ns, partial(self._release, jobs, read, began_ns, price_ns))

    def close(self) -> None:
        """Nothing is held but what the timer has."""

    def _release(
        self, jobs: tuple[Job, ...], read: Sequence[Value], began_ns: int, price_ns: int
    ) -> None:
        ended_ns = self._now_ns()
        self._post(
            Finished(
                jobs=jobs,
                device=self._channel,
                values=(read[0],),
                began_ns=began_ns,
                ended_ns=ended_ns,
                modelled_ns=price_ns,
                late_ns=ended_ns - began_ns - price_ns,
            )
        )


class RealDevice:
    """A real accelerator: a backend per segment, measured and never held.

    Each runs in a process of its own, so that what goes wrong there is a failed job and the frame
    takes another way; the time of a job includes the way to that process and back.
    """

    def __init__(
        self,
        device: str,
        spec: RunSpec,
        stages: Stages,
        post: Callable[[Finished], None],
        now_ns: Callable[[], int],
    ) -> None:
        self._device, self._spec, self._stages = device, spec, stages
        self._post, self._now_ns = post, now_ns
        self._backends: dict[str, Backend] = {}
        wanted = spec.devices[device]
        for segment in spec.segments_on(device):
            backend = make_backend(wanted.id, now_ns, options=wanted.options, isolated=True)
            self._backends[segment.name] = backend
            backend.load(Path(segment.artefact))

    def start(self, jobs: tuple[Job, ...], inputs: Sequence[Sequence[Value]]) -> None:
        """Submit a segment; a real device runs no batches."""
        (job,), (read,) = jobs, inputs
        segment = self._stages.segment_of(job.task, job.step)

        def done(completion: Completion) -> None:
            values: tuple[Value, ...] | None = None
            if completion.outputs is not None:
                names = self._spec.segments[segment].outputs
                outputs: Mapping[str, Array] = dict(zip(names, completion.outputs, strict=True))
                values = (self._stages.segment_value(segment, read, outputs),)
            self._post(
                Finished(
                    jobs=jobs,
                    device=self._device,
                    values=values,
                    began_ns=completion.began_ns,
                    ended_ns=completion.ended_ns,
                    failure=completion.failure,
                )
            )

        try:
            tensors = self._stages.segment_inputs(segment, read)
            self._backends[segment].submit(tensors, on_done=done)
        except (AcceleratorError, KeyError) as err:
            now_ns = self._now_ns()
            self._post(
                Finished(
                    jobs=jobs,
                    device=self._device,
                    values=None,
                    began_ns=now_ns,
                    ended_ns=now_ns,
                    failure=str(err),
                )
            )

    def close(self) -> None:
        """Close every backend."""
        for backend in self._backends.values():
            backend.close()
