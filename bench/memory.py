"""Memory: whether the resident memory of a long live run stays where it was after warm-up.

Each process of a live run is looked at once a second. The rival is the process itself at the
beginning: the ratio is the largest growth among the nodes, last over first, after warm-up. The
supervisor is this process; it keeps the rows of the ledger until it seals them, so it grows with
the drive, and is printed apart.
"""

from __future__ import annotations

import os
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from bench.figure import Figure
from bench.fitting import median, slope
from pipeline import api
from replay.clock import WallClock

if TYPE_CHECKING:
    from bench.subject import Subject
    from pipeline.values import Plain

AIM = 1.05
SUPERVISOR = "supervisor"
_EVERY_NS = 1_000_000_000
_MODULE = "pipeline.runtime.live"
_MIB = 1 << 20
_MIN_NS = 60e9
_EDGE = 5  # samples at either end whose median is the first and the last figure


@dataclass(slots=True, kw_only=True)
class Samples:
    """Resident memory of one process.

    Attributes:
        at_ns: When it was looked at.
        rss_bytes: What was found.
    """

    at_ns: list[int] = field(default_factory=list)
    rss_bytes: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a process's memory went, in MiB.

    Attributes:
        first: Median of the first samples.
        last: Median of the last samples.
        peak: Largest sample.
        per_min: Slope of the line through all, MiB a minute.
    """

    first: float
    last: float
    peak: float
    per_min: float


class _Watcher(api.Silent):
    """Looks at every child of this process once a second, from warm-up to the end of the drive.

    The samples come from a thread that reads `/proc` and nothing else.
    """

    def __init__(self, *, length_ns: int, settle_ns: int) -> None:
        self._length_ns, self._settle_ns = length_ns, settle_ns
        self._clock = WallClock()
        self._replaying = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._run_ns: int | None = None
        self.samples: dict[str, Samples] = {}
        self._thread.start()

    def at(self, now_ns: int) -> None:
        """The run is at this time: sampling begins once it has settled, and ends with the drive."""
        if now_ns >= self._settle_ns:
            self._replaying.set()
        if now_ns >= self._length_ns:
            self._over.set()

    def close(self) -> None:
        """End the thread."""
        self._over.set()
        self._replaying.set()
        self._thread.join()

    def _work(self) -> None:
        self._replaying.wait()
        at_ns = self._clock.now_ns()
        while not self._over.is_set():
            self._look()
            at_ns += _EVERY_NS
            self._over.wait(max(0, at_ns - self._clock.now_ns()) / 1e9)

    def _look(self) -> None:
        own = psutil.Process(os.getpid())
        found = {SUPERVISOR: own}
        found |= {role: child for child in own.children() if (role := role_of(_command(child)))}
        for role, process in found.items():
            try:
                used = process.memory_info().rss
            except psutil.Error:
                continue
            samples = self.samples.setdefault(role, Samples())
            samples.at_ns.append(self._clock.now_ns())
            samples.rss_bytes.append(used)


def measure(subject: Subject, *, length_ns: int) -> Figure:
    """Run live for so long, and look at every process.

    Args:
        subject: What to run.
        length_ns: Least length of the run.
    """
    overrides = (*subject.overrides, f"run.loop={subject.loops(length_ns)}")
    settle_ns = min(10_000_000_000, length_ns // 4)
    watcher = _Watcher(length_ns=length_ns, settle_ns=settle_ns)
    try:
        with tempfile.TemporaryDirectory(prefix="splitway-bench-") as folder:
            result = api.run(
                subject.scenario,
                api.Options(overrides=overrides),
                out=Path(folder) / "run",
                observer=watcher,
            )
    finally:
        watcher.close()
    if result.failure is not None:
        raise RuntimeError(f"the live run broke down: {result.failure}")
    courses = {role: course(samples) for role, samples in sorted(watcher.samples.items())}
    nodes = {role: c for role, c in courses.items() if role != SUPERVISOR}
    worst = max(nodes, key=lambda role: nodes[role].last / nodes[role].first)
    lines = [
        f"{role:10} first {c.first:7.1f}, last {c.last:7.1f}, peak {c.peak:7.1f} MiB, "
        f"{c.per_min:+.3f} MiB/min"
        for role, c in courses.items()
    ]
    values: dict[str, Plain] = {
        role: {
            "first_mib": c.first,
            "last_mib": c.last,
            "peak_mib": c.peak,
            "slope_mib_per_min": c.per_min,
        }
        for role, c in courses.items()
    }
    seen = len(watcher.samples[worst].at_ns)
    return Figure(
        name="memory",
        what=f"resident memory of the nodes of {subject.name} over {length_ns / _MIN_NS:.3g} min "
        f"at rate 1, {seen} samples each: the most grown, {worst}, last over first",
        rival="the same process after warm-up",
        ratio=nodes[worst].last / nodes[worst].first,
        aim=AIM,
        values=values,
        lines=tuple(lines),
    )


def course(samples: Samples) -> Course:
    """First, last, peak and slope of a process's samples.

    Raises:
        ValueError: There is no sample.
    """
    used = [rss / _MIB for rss in samples.rss_bytes]
    minutes = [at / _MIN_NS for at in samples.at_ns]
    return Course(
        first=median(used[:_EDGE]),
        last=median(used[-_EDGE:]),
        peak=max(used, default=0.0),
        per_min=slope(minutes, used),
    )


def role_of(command: list[str]) -> str:
    """Role of a node by its command line; empty for a process that is no node."""
    return Path(command[-1]).stem if _MODULE in command else ""


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
