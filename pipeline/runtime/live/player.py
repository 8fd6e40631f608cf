"""The player node: sends each frame at its time, or at full speed, one credit each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import WireError
from pipeline.runtime.live.config import SUPERVISOR
from pipeline.runtime.live.letters import payloads_of, report
from pipeline.runtime.outcome import fault_mark
from pipeline.runtime.samples import sample_of
from pipeline.transport.channels import Poller
from pipeline.transport.header import Header
from pipeline.transport.wire import decode, encode, encode_fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pipeline.runtime.live.config import NodeConfig
    from pipeline.runtime.live.prefetching import Prefetcher
    from pipeline.transport.channels import Channel, Wakeup
    from replay.clock import Clock
    from replay.schedule import ScheduledFrame

    Array = NDArray[np.generic[object]]

_IDLE_NS = 200_000_000


class Player:
    """Sends every frame that a path takes, at its time, never without a credit; drops none.

    What a sensor lost is passed over at its time. At full speed a frame is due as soon as there is
    a credit for it, and its scheduled time is when it is sent.

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
        self._full_speed = config.spec.full_speed
        self._sent_ns: dict[str, list[tuple[int, int]]] = {s: [] for s in self._played}
        self._stopped = False

    def run(self) -> None:
        """Play to the end, or until the supervisor says stop."""
        beat_ns = 0
        for frame in self._schedule:
            data = None if frame.lost else self._prefetcher.next()
            parts = None if data is None else self._encoded(frame, data, frame.scheduled_ns)
            while not self._stopped:
                now_ns = self._clock.now_ns()
                if now_ns >= beat_ns:
                    beat_ns = now_ns + _IDLE_NS
                    self._say_alive()
                due_ns = 0 if self._full_speed else frame.sends_ns - now_ns
                if due_ns <= 0 and parts is None:
                    self._pass_over(frame, now_ns)
                    break
                if due_ns <= 0 and parts is not None and self._credits > 0:
                    if self._full_speed and data is not None:
                        parts = self._encoded(frame, data, now_ns)
                    if self._send(frame, parts, now_ns):
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
                {"played": self._played, "lags_ns": self._lags_ns, "sent_ns": self._sent_ns},
                run=self._config.spec.run,
                sender=self._config.role,
            )
        )
        while not self._stopped:
            self._say_alive()
            self._listen(_IDLE_NS)
        self._prefetcher.close()

    def _encoded(
        self, frame: ScheduledFrame, data: Array, scheduled_ns: int
    ) -> list[bytes | memoryview]:
        """A frame's message, made before it is due, so that the due time is left for sending."""
        fields: dict[str, object] = {
            "kind": "frame",
            "run": self._config.spec.run,
            "sender": self._config.role,
            "stream": frame.stream,
            "frame": frame.number,
            "content": frame.content,
            "scheduled_ns": scheduled_ns,
            "stamp_ns": frame.stamp_ns,
            "speed_mm_s": frame.speed_mm_s,
            "warmup": frame.warmup,
        }
        return encode_fields(fields, payloads_of(sample_of(data)))

    def _send(
        self, frame: ScheduledFrame, parts: Sequence[bytes | memoryview], now_ns: int
    ) -> bool:
        if frame.fault and not self._vehicle.send(self._mark(frame)):
            return False
        if not self._vehicle.send(parts):
            return False
        self._credits -= 1
        if not self._full_speed:
            self._lags_ns.append(now_ns - frame.sends_ns)
        self._count(frame, now_ns)
        return True

    def _pass_over(self, frame: ScheduledFrame, now_ns: int) -> None:
        """A lost frame: only the vehicle's log hears of it, and that at best."""
        self._vehicle.send(self._mark(frame))
        self._count(frame, now_ns)

    def _count(self, frame: ScheduledFrame, now_ns: int) -> None:
        if frame.warmup:
            return
        self._played[frame.stream] = max(self._played[frame.stream], frame.number + 1)
        if self._full_speed and not frame.repeat:
            self._sent_ns[frame.stream].append((frame.number, now_ns))

    def _mark(self, frame: ScheduledFrame) -> list[bytes | memoryview]:
        run, role = self._config.spec.run, self._config.role
        return encode(Header(kind="note", run=run, sender=role, reason=fault_mark(frame)))

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
