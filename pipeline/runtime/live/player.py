"""The player node: reads the drive ahead, sends each frame at its time, one credit each."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from typing import TYPE_CHECKING

from pipeline.errors import WireError
from pipeline.runtime.drive import facts_of, reader_of, schedule_of
from pipeline.runtime.live.config import SUPERVISOR
from pipeline.runtime.live.letters import payloads_of, report
from pipeline.runtime.stages import Picture
from pipeline.transport.channels import Poller
from pipeline.transport.header import Header
from pipeline.transport.wire import decode, encode, encode_fields
from sensors.errors import SensorError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pipeline.runtime.live.config import NodeConfig
    from pipeline.transport.channels import Channel, Wakeup
    from replay.clock import Clock
    from replay.schedule import ScheduledFrame

_AHEAD = 16  # pictures decoded before they are due
_IDLE_NS = 200_000_000
_NICE = 19  # of the decoding thread; the frames of a recording lie ahead, the vehicle waits


class Prefetcher:
    """Decodes the drive on a thread, a few pictures ahead, again for every pass."""

    def __init__(self, config: NodeConfig, schedule: Sequence[ScheduledFrame]) -> None:
        self._config = config
        self._schedule = schedule
        self._ready: queue.Queue[NDArray[np.uint8] | Exception] = queue.Queue(_AHEAD)
        self._open = True
        self._thread = threading.Thread(target=self._work, name="prefetch", daemon=True)
        self._thread.start()

    def next(self) -> NDArray[np.uint8]:
        """Picture of the next frame of the schedule; waits for it.

        Raises:
            SensorError: The recording cannot be read.
        """
        item = self._ready.get()
        if isinstance(item, Exception):
            raise item
        return item

    def filled(self, frames: int) -> bool:
        """Whether pictures are ready: a few of them, or all that come."""
        return self._ready.qsize() >= min(frames, _AHEAD)

    def close(self) -> None:
        """End the thread."""
        self._open = False
        while self._thread.is_alive():
            try:
                self._ready.get_nowait()
            except queue.Empty:
                self._thread.join(0.05)

    def _work(self) -> None:
        with contextlib.suppress(OSError):  # the next picture is never as urgent as this frame
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        try:
            last, source = -1, iter(self._pass())
            for frame in self._schedule:
                if frame.content <= last:
                    source = iter(self._pass())
                last = frame.content
                self._ready.put(next(source))
                if not self._open:
                    return
        except (SensorError, StopIteration, OSError) as err:
            self._ready.put(err)

    def _pass(self) -> Iterator[NDArray[np.uint8]]:
        spec = self._config.spec.drive
        with reader_of(spec) as reader:
            for frame in reader.frames(streams=(spec.stream,)):
                yield frame.image


class Player:
    """Sends every frame that a path takes, at its time, never without a credit; drops none.

    Args:
        config: The node's orders.
        channels: `vehicle` and `supervisor`.
        clock: The run's clock.
        wakeup: Wakes the loop; nothing here posts it.
    """

    def __init__(
        self,
        config: NodeConfig,
        *,
        channels: Mapping[str, Channel],
        clock: Clock,
        wakeup: Wakeup,
        prefetcher: Prefetcher,
        schedule: Sequence[ScheduledFrame],
    ) -> None:
        self._config, self._clock = config, clock
        self._vehicle = channels[config.spec.core.sites.vehicle]
        self._supervisor = channels[SUPERVISOR]
        self._poller = Poller((self._vehicle, self._supervisor), wakeup, clock.now_ns)
        self._prefetcher, self._schedule = prefetcher, schedule
        self._credits = 0
        self._lags_ns: list[int] = []
        self._played: dict[str, int] = dict.fromkeys(config.spec.core.streams, 0)
        self._stopped = False

    def run(self) -> None:
        """Play to the end, or until the supervisor says stop."""
        beat_ns = 0
        for frame in self._schedule:
            parts = self._encoded(frame, self._prefetcher.next())
            while not self._stopped:
                now_ns = self._clock.now_ns()
                if now_ns >= beat_ns:
                    beat_ns = now_ns + _IDLE_NS
                    self._say_alive()
                due_ns = frame.scheduled_ns - now_ns
                if due_ns <= 0 and self._credits > 0 and self._send(frame, parts, now_ns):
                    break
                self._listen(min(_IDLE_NS, due_ns) if due_ns > 0 else 1_000_000)
            if self._stopped:
                break
        if not self._stopped:
            for stream in self._played:
                ended = Header(
                    kind="ended",
                    run=self._config.spec.run,
                    sender=self._config.role,
                    stream=stream,
                )
                while not self._vehicle.send(encode(ended)) and not self._stopped:
                    self._listen(1_000_000)
        self._supervisor.send(
            report(
                "ended",
                {"played": self._played, "lags_ns": self._lags_ns},
                run=self._config.spec.run,
                sender=self._config.role,
            )
        )
        while not self._stopped:
            self._say_alive()
            self._listen(_IDLE_NS)
        self._prefetcher.close()

    def _encoded(
        self, frame: ScheduledFrame, picture: NDArray[np.uint8]
    ) -> list[bytes | memoryview]:
        """A frame's message, made before it is due, so that the due time is left for sending."""
        fields: dict[str, object] = {
            "kind": "frame",
            "run": self._config.spec.run,
            "sender": self._config.role,
            "stream": frame.stream,
            "frame": frame.number,
            "content": frame.content,
            "scheduled_ns": frame.scheduled_ns,
            "warmup": frame.warmup,
        }
        return encode_fields(fields, payloads_of(Picture(pixels=picture)))

    def _send(
        self, frame: ScheduledFrame, parts: Sequence[bytes | memoryview], now_ns: int
    ) -> bool:
        if not self._vehicle.send(parts):
            return False
        self._credits -= 1
        self._lags_ns.append(now_ns - frame.scheduled_ns)
        if not frame.warmup:
            self._played[frame.stream] = frame.number + 1
        return True

    def _listen(self, timeout_ns: int) -> None:
        for channel in self._poller.wait(timeout_ns).channels:
            while (pieces := channel.receive()) is not None:
                try:
                    header = decode(pieces).header
                except WireError:
                    continue
                if header.kind == "credit":
                    self._credits += header.amount
                elif header.kind == "stop":
                    self._stopped = True

    def _say_alive(self) -> None:
        header = Header(
            kind="heartbeat",
            run=self._config.spec.run,
            sender=self._config.role,
            figures=tuple((stream, count) for stream, count in self._played.items()),
        )
        self._supervisor.send(encode(header))


def schedule_for(config: NodeConfig) -> list[ScheduledFrame]:
    """The run's schedule, as the supervisor has it."""
    spec = config.spec
    facts = facts_of(spec.drive)
    return schedule_of(facts, loop=spec.loop, rate=spec.rate, warmup=spec.warmup)
