"""How late emulated devices let go: the hold timer against a thread per hold that sleeps."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bench.figure import Figure
from pipeline.runtime.live.holds import HoldTimer
from replay.clock import WallClock, spare_core

if TYPE_CHECKING:
    from collections.abc import Callable

AIM = 1.0  # no later than the rival
_EXPECTED_MS = 0.2  # p99 on an idle machine; printed, and nowhere promised
_LONGEST_NS = 8_000_000
_GAP_NS = 3_000_000
_SEED = 4


def measure(*, holds: int) -> Figure:
    """Hold as many answers as asked, each way, and compare how late they are let go."""
    ours, spun = _timer(holds, spare_core)
    asleep, _ = _timer(holds, lambda: False)
    rival = _threads(holds)
    found = {name: _ms(late) for name, late in (("ours", ours), ("asleep", asleep))}
    found["rival"] = _ms(rival)
    return Figure(
        name="holds",
        what=f"p99 of how late {holds} holds of up to {_LONGEST_NS / 1e6:g} ms are let go",
        rival="a thread per hold that sleeps, with the kernel's own timer slack",
        ratio=found["ours"][1] / max(found["rival"][1], 1e-6),
        aim=AIM,
        values={
            "holds": holds,
            "spun": spun,
            **{f"{name}_p50_ms": p50 for name, (p50, _) in found.items()},
            **{f"{name}_p99_ms": p99 for name, (_, p99) in found.items()},
            "expected_p99_ms": _EXPECTED_MS,
        },
        lines=(
            *(
                f"{name}: p50 {p50:.3f} ms, p99 {p99:.3f} ms"
                for name, (p50, p99) in (
                    ("hold timer", found["ours"]),
                    ("hold timer, never spinning", found["asleep"]),
                    ("a thread per hold", found["rival"]),
                )
            ),
            f"{spun} of {holds} holds were spun for at the end, the others found no core free",
            f"expected at p99 on an idle machine: {_EXPECTED_MS} ms",
        ),
    )


def _timer(holds: int, may_spin: Callable[[], bool]) -> tuple[list[int], int]:
    clock = WallClock()
    timer = HoldTimer(clock.now_ns, may_spin=may_spin)
    late_ns: list[int] = []
    over = threading.Event()

    def release(due_ns: int) -> None:
        late_ns.append(clock.now_ns() - due_ns)
        if len(late_ns) == holds:
            over.set()

    for begin_ns, wait_ns in _plan(clock.now_ns(), holds):
        clock.sleep_until_ns(begin_ns)
        due_ns = begin_ns + wait_ns
        timer.at(due_ns, partial(release, due_ns))
    over.wait(60)
    timer.close()
    return late_ns, timer.spun


def _threads(holds: int) -> list[int]:
    clock = WallClock()
    late_ns: list[int] = []

    def hold(due_ns: int) -> None:
        clock.sleep_until_ns(due_ns)
        late_ns.append(clock.now_ns() - due_ns)

    threads = []
    for begin_ns, wait_ns in _plan(clock.now_ns(), holds):
        clock.sleep_until_ns(begin_ns)
        thread = threading.Thread(target=hold, args=(begin_ns + wait_ns,))
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()
    return late_ns


def _plan(start_ns: int, holds: int) -> list[tuple[int, int]]:
    """When each hold begins, and how long it takes; the same every time."""
    waits = np.random.default_rng(_SEED).integers(500_000, _LONGEST_NS, holds)
    return [(start_ns + at * _GAP_NS, int(wait)) for at, wait in enumerate(waits)]


def _ms(late_ns: list[int]) -> tuple[float, float]:
    """Median and p99 in ms."""
    ordered = np.array(late_ns, np.float64) / 1e6
    return (
        float(np.percentile(ordered, 50, method="inverted_cdf")),
        float(np.percentile(ordered, 99, method="inverted_cdf")),
    )
