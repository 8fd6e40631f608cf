"""Figures of a path, taken from the ledger's columns at once and not row by row."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.ledger import FATES, SPANS
from pipeline.ledger.columns import ABSENT, STAMPS
from pipeline.ledger.spans import ADMITTED
from pipeline.verdict.freshness import Freshness, observe
from pipeline.verdict.rules import PathCounts
from pipeline.verdict.windows import longest_streak, worst_window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.ledger import Ledger
    from pipeline.verdict.rules import PathRule

_SOURCE = STAMPS.index("source")
_PREPARE = STAMPS.index("prepare")
_DELIVER = STAMPS.index("deliver")
_ADMITTED = STAMPS.index(ADMITTED)
# Where the wait for admission goes, the first of these that a frame passed, else `prepare`.
_WAITS = tuple(STAMPS.index(span) for span in ("edge_wait", "uplink_wait", "cloud_wait"))

_LATE, _DROPPED, _FAILED = (FATES.index(fate) for fate in ("late", "dropped", "failed"))
_INTERRUPTED, _EDGE = FATES.index("interrupted"), FATES.index("edge")


class PathFigures:
    """One path's rows as arrays, in the ledger's order.

    Attributes:
        data: Its rows, shape (n,), dtype of the ledger's columns.
        stamps_ns: End of each span, `admitted` and `improved`, int64, shape (n, 18), ns of run
            time.
    """

    def __init__(self, ledger: Ledger, path: str) -> None:
        columns = ledger.columns
        data = columns.data
        self._names = columns.names
        mine = data["path"] == columns.names.find(path)
        self.data: NDArray[np.void] = data[mine]
        self.stamps_ns = columns.stamps_ns(mine)

    def __len__(self) -> int:
        return len(self.data)

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which frames the consumer got an answer to, in time or late; shape (n,)."""
        found: NDArray[np.bool_] = self.stamps_ns[:, _DELIVER] != ABSENT
        return found

    def took(self, route: str) -> NDArray[np.bool_]:
        """Which frames were delivered by a route, by its id; shape (n,)."""
        found: NDArray[np.bool_] = self.data["route_delivered"] == self._names.find(route)
        return found

    @property
    def improved(self) -> int:
        """How many answers a better one followed."""
        return int((self.data["route_improved"] != self._names.find("")).sum())

    def fell_back(self) -> NDArray[np.bool_]:
        """Which frames the car answered by itself, or in part; shape (n,)."""
        found: NDArray[np.bool_] = self.data["fate"] == _EDGE
        return found

    def latencies_ns(self) -> NDArray[np.float64]:
        """Latency of each frame from its scheduled time; +inf without an answer; shape (n,)."""
        latencies = np.full(len(self), np.inf)
        answered = self.answered
        delivered_ns = self.stamps_ns[answered, _DELIVER]
        latencies[answered] = delivered_ns - self.data["scheduled_ns"][answered]
        return latencies

    def deadlines_ns(self) -> NDArray[np.int64]:
        """The deadline of each frame from its scheduled time; shape (n,)."""
        found: NDArray[np.int64] = self.data["deadline_at_ns"] - self.data["scheduled_ns"]
        return found

    def judged(self) -> NDArray[np.bool_]:
        """Which frames say whether the deadline held: all that no stop interrupted; shape (n,)."""
        found: NDArray[np.bool_] = self.data["fate"] != _INTERRUPTED
        return found

    def missed(self) -> NDArray[np.bool_]:
        """Which frames are late, dropped or failed; shape (n,)."""
        fate = self.data["fate"]
        found: NDArray[np.bool_] = (fate == _LATE) | (fate == _DROPPED) | (fate == _FAILED)
        return found

    def freshness(self) -> Freshness | None:
        """Ages and reactions at the consumer; None where there is no frame."""
        return observe(
            self.data["scheduled_ns"],
            self.stamps_ns[:, _DELIVER],
            self.answered,
            self.data["frame"],
        )

    def durations_ns(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Duration of every span of every frame, what `pipeline.ledger.durations_ns` says of one.

        Returns:
            Durations in ns, 0 where the frame did not pass the span, and which spans it passed;
            both of shape (n, 16), spans in the order of `SPANS`.
        """
        return durations_ns(self.data["scheduled_ns"], self.stamps_ns)

    def causes(self) -> dict[str, int]:
        """How often each fate had each cause, as `late(uplink)`; fates in order, then causes."""
        pairs = zip(self.data["fate"].tolist(), self.data["cause"].tolist(), strict=True)
        found = sorted(
            (fate, self._names[cause], count) for (fate, cause), count in Counter(pairs).items()
        )
        return {f"{FATES[fate]}({cause})": count for fate, cause, count in found if cause}


def durations_ns(
    scheduled_ns: NDArray[np.int64], stamps_ns: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Durations of all spans; see `PathFigures.durations_ns`.

    Args:
        scheduled_ns: Where each frame's clock starts, shape (n,).
        stamps_ns: End of each span, `admitted` and `improved`, shape (n, 18), absent ones marked.
    """
    found = np.zeros((len(stamps_ns), len(SPANS)), np.int64)
    passed: NDArray[np.bool_] = stamps_ns[:, : len(SPANS)] != ABSENT
    waited_ns = np.zeros(len(stamps_ns), np.int64)
    last_ns = scheduled_ns.copy()
    for index in range(len(SPANS)):
        there = passed[:, index]
        at_ns = stamps_ns[there, index]
        found[there, index] = at_ns - last_ns[there]
        last_ns[there] = at_ns
        if index == _SOURCE:
            held = there & (stamps_ns[:, _ADMITTED] != ABSENT)
            waited_ns[held] = stamps_ns[held, _ADMITTED] - last_ns[held]
            last_ns[held] = stamps_ns[held, _ADMITTED]
    left = waited_ns != 0
    for index in _WAITS:
        mine = left & passed[:, index]
        found[mine, index] += waited_ns[mine]
        left &= ~mine
    found[left, _PREPARE] += waited_ns[left]
    passed[left, _PREPARE] = True
    return found, passed


def count_paths(
    ledger: Ledger, paths: Mapping[str, PathFigures], rules: Sequence[PathRule] = ()
) -> dict[str, PathCounts]:
    """What each path's rows add up to, for judging.

    How long an overrun lasted is not known, so `would_change` is on the safe side: it counts the
    misses that overran themselves or were open while some frame of the run that overran was, and
    takes a frame to be open from its scheduled time to its last stamp, at least to its deadline.
    Failures other than a missing answer are left out: no overrun makes them. Frames that suffer
    from a jam an overrun left behind, and not from the overrun itself, are not recognised.

    Args:
        ledger: The ledger.
        paths: Its paths by name.
        rules: Rules by which windows are counted; ages and windows of other paths are left out.
    """
    data = ledger.columns.data
    marked = data["overrun"]
    overran = _Intervals(data[marked], ledger.columns.stamps_ns(marked))
    no_answer = ledger.columns.names.find("no-answer")
    counts: dict[str, PathCounts] = {}
    for name, path in paths.items():
        missed = path.missed()
        failed = path.data["fate"] == _FAILED
        timely = missed & ~(failed & (path.data["cause"] != no_answer))
        counts[name] = PathCounts(
            offered=len(path),
            interrupted=int((~path.judged()).sum()),
            misses=int(missed.sum()),
            overruns=int(path.data["overrun"].sum()),
            would_change=int(overran.touch(path.data[timely], path.stamps_ns[timely]).sum()),
        )
    for rule in rules:
        path = paths[rule.name]
        judged = path.judged()
        missed, frames = path.missed()[judged], path.data["frame"][judged]
        window = None
        if rule.weakly_hard is not None:
            window = worst_window(missed, frames, rule.weakly_hard.window)
        counts[rule.name] = replace(
            counts[rule.name],
            tightest_ns=int(path.deadlines_ns().min()) if len(path) else None,
            window=window,
            streak=longest_streak(missed, frames),
            freshness=path.freshness(),
        )
    return counts


class _Intervals:
    """When frames were open, for the question whether others were at the same time."""

    def __init__(self, rows: NDArray[np.void], stamps_ns: NDArray[np.int64]) -> None:
        begin_ns, end_ns = _open_ns(rows, stamps_ns)
        order = np.argsort(begin_ns, kind="stable")
        self._begin_ns = begin_ns[order]
        self._latest_end_ns = np.maximum.accumulate(end_ns[order])

    def touch(self, rows: NDArray[np.void], stamps_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of these frames were open together with one of mine; shape (n,)."""
        begin_ns, end_ns = _open_ns(rows, stamps_ns)
        before = np.searchsorted(self._begin_ns, end_ns, side="right")
        found = before > 0
        found[found] = self._latest_end_ns[before[found] - 1] >= begin_ns[found]
        return found


def _open_ns(
    rows: NDArray[np.void], stamps_ns: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    end_ns = np.maximum(stamps_ns.max(axis=1, initial=ABSENT), rows["deadline_at_ns"])
    return rows["scheduled_ns"], end_ns
