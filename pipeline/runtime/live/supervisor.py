"""The supervisor: starts every node, watches it, collects what is settled, ends the run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from pipeline.errors import NodeDiedError, WireError
from pipeline.ledger.columns import CompactRows
from pipeline.ledger.rows import Delivery, Row
from pipeline.ledger.sealing import Closing
from pipeline.runtime.core.config import CONSUMER, PLAYER
from pipeline.runtime.live.config import RELAY, SUPERVISOR, NodeConfig, write_config
from pipeline.runtime.live.letters import reported
from pipeline.runtime.outcome import Outcome
from pipeline.transport.channels import Poller, Sockets, Wakeup
from pipeline.transport.header import Header
from pipeline.transport.wire import decode, encode
from pipeline.values import from_plain
from replay.clock import WallClock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.runtime.spec import RunSpec
    from pipeline.transport.channels import Router
    from pipeline.transport.wire import Received

_S = 1_000_000_000
_READY_NS = 90 * _S
_LEAD_NS = _S // 4  # between the order to start and the first frame
_SILENCE_NS = 10 * _S  # a node that says nothing for so long is taken for dead
_LAST_RESULTS_NS = 2 * _S  # how long the consumer's last words are waited for
_ENDING_NS = 3 * _S
_LOOK_NS = _S // 20
_SAMPLE_NS = _S
# glibc returns buffers of a picture's size to the system at once and faults them in anew for every
# frame; with these it keeps them.
_ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(16 << 20),
}
_LAST_WORDS = 2_000  # bytes of a dead node's output that are shown


@dataclass(slots=True, kw_only=True)
class _NodeState:
    """What the supervisor knows of a node."""

    process: subprocess.Popen[bytes]
    log: Path
    ready: bool = False
    ended: bool = False
    heard_ns: int = 0
    peak_bytes: int = 0
    figures: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFolders:
    """Where a live run leaves its traces.

    Attributes:
        events: Directory of event logs.
        logs: Directory of the nodes' own output.
        results: File of delivered results.
    """

    events: Path
    logs: Path
    results: Path


def run_live(
    spec: RunSpec,
    folders: LiveFolders,
    *,
    ready: Mapping[str, tuple[str, ...]],
    first_scheduled_ns: int,
    last_scheduled_ns: int,
    on_row: Callable[[Row], None] = lambda _row: None,
    on_time: Callable[[int], None] = lambda _now: None,
    stop_asked: Callable[[], str] = lambda: "",
) -> Outcome:
    """Run a scenario live, to its end or until it is stopped.

    Args:
        spec: The run.
        folders: Where nodes write.
        ready: Keys of the primed results of each segment.
        first_scheduled_ns: When the first frame is sent, warm-up included; at most 0.
        last_scheduled_ns: When the last frame is sent, at the latest.
        on_row: Told of every settled row.
        on_time: Told the run time now and then.
        stop_asked: Gives a reason once the run is to stop; empty until then.

    Raises:
        NodeDiedError: A node did not start.
    """
    supervisor = _Supervisor(
        spec, folders, ready=ready, on_row=on_row, on_time=on_time, stop_asked=stop_asked
    )
    try:
        return supervisor.run(first_scheduled_ns, last_scheduled_ns)
    finally:
        supervisor.close()


class _Supervisor:
    def __init__(
        self,
        spec: RunSpec,
        folders: LiveFolders,
        *,
        ready: Mapping[str, tuple[str, ...]],
        on_row: Callable[[Row], None],
        on_time: Callable[[int], None],
        stop_asked: Callable[[], str],
    ) -> None:
        self._spec, self._folders, self._ready = spec, folders, dict(ready)
        self._on_row, self._on_time, self._stop_asked = on_row, on_time, stop_asked
        sites = spec.core.sites
        self._roles = (sites.vehicle, sites.cloud, CONSUMER, RELAY, PLAYER)
        self._clock = WallClock()
        self._folder = Path(tempfile.mkdtemp(prefix="splitway-"))
        self._sockets = Sockets()
        self._wakeup = Wakeup()
        self._nodes: dict[str, _NodeState] = {}
        self._t0_ns = 0
        self._drained = False
        self._delivering = 0  # rows whose result is on its way to the consumer
        self._outcome = Outcome(
            rows=CompactRows(),
            closing=Closing(fate="failed", cause="unsettled"),
            notes=Counter(),
            sent_ns={} if spec.full_speed else None,
        )
        names = ("player-vehicle", "vehicle-relay", "relay-cloud", "vehicle-consumer", SUPERVISOR)
        self._endpoints = {name: f"ipc://{self._folder}/{name}" for name in names}
        self._router: Router = self._sockets.router(SUPERVISOR, bind=self._endpoints[SUPERVISOR])
        self._poller = Poller((self._router,), self._wakeup, self._clock.now_ns)

    def run(self, first_scheduled_ns: int, last_scheduled_ns: int) -> Outcome:
        for role in self._roles:
            self._start(role)
        if not self._await_ready():
            self._outcome.partial = True
            self._outcome.closing = Closing(fate="interrupted", cause="")
            return self._outcome
        self._t0_ns = self._clock.now_ns() + _LEAD_NS - first_scheduled_ns
        self._order("start", scheduled_ns=self._t0_ns)
        for node in self._nodes.values():
            node.heard_ns = self._clock.now_ns()
        horizon_ns = max(path.horizon_ns for path in self._spec.core.paths)
        ends_ns = self._t0_ns + last_scheduled_ns + horizon_ns + _SILENCE_NS
        self._watch(ends_ns)
        self._end()
        self._outcome.peaks = {role: node.peak_bytes for role, node in self._nodes.items()}
        return self._outcome

    def close(self) -> None:
        """Leave nothing behind: no process, no socket, no folder."""
        for node in self._nodes.values():
            if node.process.poll() is None:
                node.process.kill()
            node.process.wait()
        self._sockets.close()
        self._wakeup.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    # -- starting --------------------------------------------------------------------------------

    def _start(self, role: str) -> None:
        config = NodeConfig(
            role=role,
            spec=self._spec,
            endpoints=self._endpoints,
            events="" if role in (RELAY, PLAYER) else str(self._folders.events / f"{role}.jsonl"),
            results=str(self._folders.results) if role == CONSUMER else "",
            parent=os.getpid(),
            ready={} if role in (RELAY, PLAYER, CONSUMER) else self._ready,
        )
        path = self._folder / f"{role}.json"
        write_config(path, config)
        log = self._folders.logs / f"{role}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own module, our own file
                [sys.executable, "-m", "pipeline.runtime.live", str(path)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **_ALLOCATOR},
                start_new_session=True,  # Ctrl-C reaches the supervisor alone
            )
        self._nodes[role] = _NodeState(process=process, log=log, heard_ns=self._clock.now_ns())

    def _await_ready(self) -> bool:
        """Wait for every node; False when the run is stopped meanwhile.

        Raises:
            NodeDiedError: A node ended, or was not ready in time.
        """
        ends_ns = self._clock.now_ns() + _READY_NS
        while not all(node.ready for node in self._nodes.values()):
            self._listen(_LOOK_NS)
            if self._stop_asked():
                return False
            for role, node in self._nodes.items():
                code = node.process.poll()
                if code is not None:
                    raise NodeDiedError(role, code, self._last_words(node))
            if self._clock.now_ns() > ends_ns:
                late = next(role for role, node in self._nodes.items() if not node.ready)
                raise NodeDiedError(late, None, self._last_words(self._nodes[late]))
        return True

    # -- watching --------------------------------------------------------------------------------

    def _watch(self, ends_ns: int) -> None:
        sample_ns = 0
        drained_ns: int | None = None
        while True:
            self._listen(_LOOK_NS)
            now_ns = self._clock.now_ns()
            self._on_time(now_ns - self._t0_ns)
            if now_ns >= sample_ns:
                sample_ns = now_ns + _SAMPLE_NS
                self._sample()
            reason = self._stop_asked()
            if reason:
                self._outcome.partial = True
                self._outcome.closing = Closing(fate="interrupted", cause="")
                return
            dead = self._dead(now_ns)
            if dead is not None:
                self._bury(dead)
                return
            if self._drained and drained_ns is None:
                drained_ns = now_ns
            if drained_ns is not None and (
                self._delivering <= 0 or now_ns - drained_ns > _LAST_RESULTS_NS
            ):
                return
            if now_ns > ends_ns:
                self._outcome.failure = "the run did not drain in time"
                self._outcome.partial = True
                return

    def _dead(self, now_ns: int) -> str | None:
        for role, node in self._nodes.items():
            if node.process.poll() is not None and not node.ended:
                return role
            if now_ns - node.heard_ns > _SILENCE_NS:
                return role
        return None

    def _bury(self, role: str) -> None:
        """A node died: say so, tell the vehicle, and let the rest end."""
        node = self._nodes[role]
        self._listen(_LOOK_NS)
        error = NodeDiedError(role, node.process.poll(), self._last_words(node))
        self._outcome.failure = str(error)
        self._outcome.partial = True
        self._outcome.closing = Closing(fate="failed", cause=f"{role}-died")
        vehicle = self._spec.core.sites.vehicle
        if role != vehicle:
            gone = Header(kind="stop", run=self._spec.run, reason=f"gone:{role}")
            self._router.send_to(vehicle, encode(gone))
            self._listen(_LOOK_NS)

    def _sample(self) -> None:
        for node in self._nodes.values():
            try:
                used = psutil.Process(node.process.pid).memory_info().rss
            except psutil.Error:
                continue
            node.peak_bytes = max(node.peak_bytes, used)

    # -- ending ----------------------------------------------------------------------------------

    def _end(self) -> None:
        """The player first, so that what it sent is known; then the vehicle, then the others."""
        sites = self._spec.core.sites
        reason = self._stop_asked()
        for role in (PLAYER, sites.vehicle, CONSUMER, sites.cloud, RELAY):
            self._order("stop", to=role, reason=reason)
            ends_ns = self._clock.now_ns() + _ENDING_NS // 3
            node = self._nodes[role]
            while not node.ended and node.process.poll() is None and self._clock.now_ns() < ends_ns:
                self._listen(_LOOK_NS)
            self._order("stop", to=role)
        ends_ns = self._clock.now_ns() + _ENDING_NS
        while self._clock.now_ns() < ends_ns and any(
            node.process.poll() is None for node in self._nodes.values()
        ):
            self._listen(_LOOK_NS)
        for node in self._nodes.values():
            if node.process.poll() is None:
                node.process.send_signal(signal.SIGKILL)

    def _order(self, kind: str, *, to: str = "", reason: str = "", scheduled_ns: int = 0) -> None:
        header = Header(
            kind="start" if kind == "start" else "stop",
            run=self._spec.run,
            sender=SUPERVISOR,
            reason=reason,
            scheduled_ns=scheduled_ns,
        )
        for role in (to,) if to else self._roles:
            self._router.send_to(role, encode(header))

    # -- hearing ---------------------------------------------------------------------------------

    def _listen(self, timeout_ns: int) -> None:
        self._poller.wait(timeout_ns)
        while (item := self._router.receive_from()) is not None:
            role, pieces = item
            node = self._nodes.get(role)
            if node is None:
                continue
            node.heard_ns = self._clock.now_ns()
            try:
                self._hear(role, node, decode(pieces))
            except (WireError, ValueError):
                self._outcome.notes["supervisor:refused"] += 1

    def _hear(self, role: str, node: _NodeState, received: Received) -> None:
        header = received.header
        match header.kind:
            case "ready":
                node.ready = True
            case "settle":
                row = from_plain(Row, reported(received))
                self._outcome.rows.append(row)
                self._delivering += bool(row.route_delivered)
                self._on_row(row)
            case "delivered":
                self._outcome.deliveries.append(from_plain(Delivery, reported(received)))
                self._delivering -= 1
            case "note":
                self._outcome.notes[header.reason] += 1
                self._drained |= header.reason == "drained"
            case "heartbeat":
                if role == PLAYER:
                    self._outcome.played = dict(header.figures)
            case "ended":
                node.ended = True
                self._hear_end(role, node, received)
            case _:
                pass

    def _hear_end(self, role: str, node: _NodeState, received: Received) -> None:
        node.figures = dict(received.header.figures)
        if not received.payloads:
            return
        figures = reported(received)
        if not isinstance(figures, dict):
            return
        if role == PLAYER:
            self._outcome.played = {str(k): int(v) for k, v in figures["played"].items()}
            self._outcome.lags_ns = [int(lag) for lag in figures["lags_ns"]]
            if self._spec.full_speed:
                self._outcome.sent_ns = {
                    str(stream): {int(number): int(sent) for number, sent in pairs}
                    for stream, pairs in figures["sent_ns"].items()
                }
        else:
            self._outcome.hold_late_ns += [int(late) for late in figures["holds_late_ns"]]
            self._outcome.tracing_ns += int(figures["tracing_ns"])
            for name, count in figures["counts"].items():
                if not name.startswith("note:"):
                    self._outcome.notes[f"{role}:{name}"] += int(count)

    def _last_words(self, node: _NodeState) -> str:
        try:
            return node.log.read_bytes()[-_LAST_WORDS:].decode(errors="replace").strip()
        except OSError:
            return ""
