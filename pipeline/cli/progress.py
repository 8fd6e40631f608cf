"""Progress on standard error: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from replay.clock import WallClock

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from pipeline.assembly import Assembled
    from pipeline.cli.options import Common
    from pipeline.cli.stopping import Stopper
    from pipeline.ledger.rows import Row

_LINE_EVERY_NS = 10_000_000_000
_NS_PER_S = 1_000_000_000
_NS_PER_MS = 1_000_000
_DRAW_EVERY_NS = 100_000_000


class Watcher:
    """An `Observer` that shows what it is told."""

    def __init__(self, common: Common, stopper: Stopper, *, driver: str, seed: int | None) -> None:
        self._common, self._stopper = common, stopper
        self._driver, self._seed = driver, seed
        self._clock = WallClock()
        self._terminal = sys.stderr.isatty() and not common.quiet
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._next_line_ns = self._clock.now_ns() + _LINE_EVERY_NS
        self._next_draw_ns = 0
        self._fates: Counter[str] = Counter()
        self._length_ns = 0
        self._began_ns = self._clock.now_ns()
        self._link = ""
        self._primed = 0

    def stage(self, name: str) -> None:
        """Say that a part of the work begins."""
        self._close()
        beside = name.startswith("beside: ")
        self._stopper.asks = name in ("prime", "replay") or beside
        self._began_ns = self._clock.now_ns()
        if name in ("prime", "replay"):
            self._open(name)
        elif beside:
            self._say(f" {name}")
        elif name == "plan":
            self._say(" plan    pricing routes, measuring agreement on a few pictures")

    def assembled(self, run: Assembled) -> None:
        """Say what will run."""
        scenario, spec = run.loaded.scenario, run.spec
        self._length_ns = run.schedule[-1].scheduled_ns
        link = next(iter(spec.links.values()))
        self._link = f"link {link.describe()}"
        from pipeline.planner.titles import title

        self._say(
            f"splitway · {scenario.name} · {len(run.schedule)} frames, "
            f"{self._length_ns / _NS_PER_S:.1f} s · {self._driver} · seed {spec.seed}"
        )
        for task in run.plan.tasks:
            chosen = task.candidates[task.run]
            where = f" at {', '.join(chosen.cut)}" if chosen.name == "split" else ""
            self._say(
                f" plan    {task.task}: {title(chosen)}{where}, predicted "
                f"{chosen.latency_ns / _NS_PER_MS:.1f} ms at p{run.plan.percentile:g}"
            )
        for warning in run.warnings:
            self._say(f" warning {warning}")

    def primed(self, done: int, of: int) -> None:
        """Show how far priming is."""
        self._primed = done
        self._show(done, of, "pictures")

    def settled(self, row: Row) -> None:
        """Count a fate."""
        self._fates[row.fate] += 1

    def at(self, now_ns: int) -> None:
        """Show how far the replay is."""
        if now_ns < 0:
            self._began_ns = self._clock.now_ns()  # nodes start, or warm up
            return
        done = min(now_ns, self._length_ns)
        took_ns = max(1, self._clock.now_ns() - self._began_ns)
        total = max(1, self._fates.total())
        misses = sum(self._fates[fate] for fate in ("late", "dropped", "failed"))
        text = (
            f"{now_ns / took_ns:.2f}×  cloud {100 * self._fates['cloud'] // total} %  "
            f"edge {100 * self._fates['edge'] // total} %  miss {misses}  {self._link}"
        )
        self._show(done / _NS_PER_S, self._length_ns / _NS_PER_S, text)

    def stop_asked(self) -> str:
        """Whether somebody wants it to end."""
        return self._stopper.reason()

    def close(self) -> None:
        """Take the bar away."""
        self._close()

    def _open(self, name: str) -> None:
        if not self._terminal:
            self._say(f" {name}")
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        console = Console(stderr=True, no_color=not self._common.color)
        self._bar = Progress(
            TextColumn(f" {name:7}"),
            BarColumn(bar_width=28),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[text]}"),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task(name, total=1, text="")
        self._bar.start()

    def _show(self, done: float, of: float, text: str) -> None:
        now_ns = self._clock.now_ns()
        if self._bar is not None and self._task is not None:
            if now_ns >= self._next_draw_ns or done >= of:
                self._next_draw_ns = now_ns + _DRAW_EVERY_NS
                self._bar.update(self._task, completed=done, total=max(of, 1e-9), text=text)
        elif now_ns >= self._next_line_ns:
            self._next_line_ns = now_ns + _LINE_EVERY_NS
            far = f"{done}/{of}" if isinstance(done, int) else f"{done:.1f}/{of:.1f} s"
            self._say(f"         {far}  {text}")

    def _say(self, line: str) -> None:
        if not self._common.quiet:
            print(line, file=sys.stderr, flush=True)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
