"""Entry of a node's process: `python -m pipeline.runtime.live CONFIG`."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from accelerators.errors import AcceleratorError
from pipeline.errors import InfrastructureError, PipelineError
from pipeline.plan.routes import BUS
from pipeline.runtime.core.cloud import CloudCore
from pipeline.runtime.core.config import CONSUMER, PLAYER
from pipeline.runtime.core.consumer import ConsumerCore
from pipeline.runtime.core.vehicle import VehicleCore
from pipeline.runtime.live.config import RELAY, SUPERVISOR, read_config
from pipeline.runtime.live.devices import EmulatedBus, EmulatedDevice, HostWorker, RealDevice
from pipeline.runtime.live.holds import HoldTimer
from pipeline.runtime.live.node import Node
from pipeline.runtime.live.player import Player
from pipeline.runtime.live.prefetching import Prefetcher
from pipeline.runtime.live.relay import Relay
from pipeline.runtime.stages import Stages
from pipeline.runtime.timing import Timing
from pipeline.transport.channels import Poller, Sockets, Wakeup
from pipeline.transport.header import Header
from pipeline.transport.wire import decode, encode
from replay.clock import RunClock, WallClock, fine_timers

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.runtime.live.config import NodeConfig
    from pipeline.runtime.live.devices import Executor, Finished
    from pipeline.transport.channels import Channel
    from replay.clock import Clock

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_START_TIMEOUT_NS = 120_000_000_000
_BEAT_NS = 200_000_000
_GC_OBJECTS = 50_000  # between collections; a node makes no cycles to speak of
_SWITCH_S = 0.0002  # a thread that ends a hold or a stage must not wait 5 ms for the interpreter


def main(path: str) -> int:
    """Run one node; returns the process's exit code."""
    config = read_config(Path(path))
    _die_with_parent(config.parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor says when it is over
    fine_timers()
    sys.setswitchinterval(_SWITCH_S)
    gc.freeze()  # what was imported is never garbage
    gc.set_threshold(_GC_OBJECTS)
    wakeup = Wakeup()
    with Sockets() as sockets:
        try:
            _serve(config, sockets, wakeup)
        except (PipelineError, AcceleratorError) as err:
            sys.stderr.write(f"{err}\n")
            return 4
        finally:
            wakeup.close()
    return 0


def _serve(config: NodeConfig, sockets: Sockets, wakeup: Wakeup) -> None:
    clock = WallClock()
    supervisor = sockets.channel(config.role, connect=config.endpoints[SUPERVISOR])
    if config.role == PLAYER:
        _play(config, sockets, supervisor, wakeup, clock)
    elif config.role == RELAY:
        _relay(config, sockets, supervisor, wakeup, clock)
    else:
        _core(config, sockets, supervisor, wakeup, clock)


def _play(
    config: NodeConfig, sockets: Sockets, supervisor: Channel, wakeup: Wakeup, clock: Clock
) -> None:
    vehicle = sockets.channel(PLAYER, connect=config.endpoints["player-vehicle"])
    schedule = config.spec.timetable.frames()
    prefetcher = Prefetcher(config.spec.drive, schedule)
    while not prefetcher.filled():
        clock.sleep_until_ns(clock.now_ns() + 5_000_000)
    run_clock = _await_start(config, supervisor, wakeup, clock)
    channels = {SUPERVISOR: supervisor, config.spec.core.sites.vehicle: vehicle}
    Player(
        config,
        channels=channels,
        clock=run_clock,
        wakeup=wakeup,
        prefetcher=prefetcher,
        schedule=schedule,
    ).run()


def _relay(
    config: NodeConfig, sockets: Sockets, supervisor: Channel, wakeup: Wakeup, clock: Clock
) -> None:
    sites = config.spec.core.sites
    channels = {
        SUPERVISOR: supervisor,
        sites.vehicle: sockets.channel(RELAY, bind=config.endpoints["vehicle-relay"]),
        sites.cloud: sockets.channel(RELAY, bind=config.endpoints["relay-cloud"]),
    }
    link = next(iter(config.spec.links.values()))
    run_clock = _await_start(config, supervisor, wakeup, clock)
    Relay(config, link, channels=channels, clock=run_clock, wakeup=wakeup).run()


def _core(
    config: NodeConfig, sockets: Sockets, supervisor: Channel, wakeup: Wakeup, clock: Clock
) -> None:
    import cv2  # noqa: PLC0415 - 0.1 s that player and relay need not spend

    cv2.setNumThreads(1)
    spec, sites = config.spec, config.spec.core.sites
    link = next(iter(spec.links))
    finished: deque[Finished] = deque()

    def post(item: Finished) -> None:
        finished.append(item)
        wakeup.post()

    late_clock = _LateClock(clock)
    stages = Stages.of(spec)
    channels: dict[str, Channel] = {SUPERVISOR: supervisor}
    peers = {SUPERVISOR: SUPERVISOR}
    core: VehicleCore | CloudCore | ConsumerCore
    if config.role == sites.vehicle:
        core = VehicleCore(spec.core)
        channels[PLAYER] = sockets.channel(config.role, bind=config.endpoints["player-vehicle"])
        channels[f"{link}.up"] = sockets.channel(
            config.role, connect=config.endpoints["vehicle-relay"]
        )
        channels[CONSUMER] = sockets.channel(
            config.role, connect=config.endpoints["vehicle-consumer"]
        )
        peers |= {PLAYER: PLAYER, f"{link}.up": sites.cloud, CONSUMER: CONSUMER}
    elif config.role == sites.cloud:
        core = CloudCore(spec.core)
        channels[f"{link}.down"] = sockets.channel(
            config.role, connect=config.endpoints["relay-cloud"]
        )
        peers |= {f"{link}.down": sites.vehicle}
    else:
        core = ConsumerCore(spec.core)
        channels[sites.vehicle] = sockets.channel(
            config.role, bind=config.endpoints["vehicle-consumer"]
        )
        peers |= {sites.vehicle: sites.vehicle}
    hold = HoldTimer(late_clock.now_ns)
    executors = _executors(config, stages, hold, post, late_clock.now_ns)
    try:
        run_clock = _await_start(config, supervisor, wakeup, clock)
        late_clock.set(run_clock)
        Node(
            config,
            core,
            channels=channels,
            peers=peers,
            executors=executors,
            clock=run_clock,
            wakeup=wakeup,
            finished=finished,
        ).run()
    finally:
        for executor in executors.values():
            executor.close()
        hold.close()


def _executors(
    config: NodeConfig,
    stages: Stages,
    hold: HoldTimer,
    post: Callable[[Finished], None],
    now_ns: Callable[[], int],
) -> dict[str, Executor]:
    spec = config.spec
    timing = Timing(seed=spec.seed, quantiles=spec.quantiles, hops=spec.hops, slowed=spec.slowed)
    host = spec.core.sites.host[config.role]
    executors: dict[str, Executor] = {host: HostWorker(host, stages, post, now_ns)}
    for name, device in spec.devices.items():
        if device.site != config.role:
            continue
        if device.real:
            executors[name] = RealDevice(name, spec, stages, post, now_ns)
        else:
            executors[name] = EmulatedDevice(
                name, spec, stages, timing, hold, post, now_ns, config.ready
            )
    for name, site in spec.core.sites.device_site.items():
        if name.endswith(BUS) and site == config.role:
            executors[name] = EmulatedBus(name, stages, timing, hold, post, now_ns)
    return executors


class _LateClock:
    """A clock that executors get before t0 is known, and that becomes the run's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def set(self, clock: Clock) -> None:
        """Take over the run's clock."""
        self._clock = clock

    def now_ns(self) -> int:
        """The present on the clock that it has now."""
        return self._clock.now_ns()


def _await_start(config: NodeConfig, supervisor: Channel, wakeup: Wakeup, clock: Clock) -> RunClock:
    """Say ready until the supervisor says when t0 is."""
    poller = Poller((supervisor,), wakeup, clock.now_ns)
    ready = encode(Header(kind="ready", run=config.spec.run, sender=config.role))
    ends_ns = clock.now_ns() + _START_TIMEOUT_NS
    said = False
    while clock.now_ns() < ends_ns:
        said = said or supervisor.send(ready)
        for channel in poller.wait(_BEAT_NS if said else 2_000_000).channels:
            while (pieces := channel.receive()) is not None:
                header = decode(pieces).header
                if header.kind == "start":
                    return RunClock(clock, t0_ns=header.scheduled_ns)
                if header.kind == "stop":
                    raise SystemExit(0)
        if said:
            supervisor.send(encode(Header(kind="heartbeat", run=config.spec.run)))
    raise InfrastructureError(f"{config.role}: the supervisor never said start")


def _die_with_parent(parent: int) -> None:
    """End when the supervisor does, however it ends."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent and os.getppid() != parent:
        raise SystemExit(4)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
