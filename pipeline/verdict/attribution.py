"""Which span is to blame for a miss, from ledger rows alone; pure.

A span's budget is its median over the frames of its path that were met, scaled so that all
together are the deadline. To blame is the span that exceeded its budget most; of a frame without an
answer, the last span that it entered. A frame that was given up because it could not be in time any
more, refused or expired, is blamed like an answered one if it had spent more than its budgets by
then.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.ledger.spans import ADMITTED, SPANS, durations_ns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline.ledger.fates import Fate
    from pipeline.ledger.rows import Row

MISSES: frozenset[Fate] = frozenset(("late", "dropped", "failed"))
_MET: frozenset[Fate] = frozenset(("cloud", "edge"))
WAITS: tuple[str, ...] = tuple(span for span in SPANS if span.endswith("_wait"))

GIVEN_UP = ("refused", "expired")
"""Causes of frames that could not be in time any more."""

# Where a frame was that ended for a reason of this name, whatever stamps it has.
_ENDED_IN = {"sensor": "source", "refused": "cloud_wait"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Norm:
    """What is usual on a path.

    Attributes:
        medians_ns: Median of each span over the met frames that passed it; predictions where none
            was met.
        met: Frames that the medians are of; 0 where they are predictions.
    """

    medians_ns: Mapping[str, int]
    met: int

    def budgets_ns(self, deadline_ns: int) -> dict[str, int]:
        """Budget of each span for a deadline; together they are the deadline, rounding apart."""
        total_ns = sum(self.medians_ns.values())
        if total_ns <= 0:
            return dict.fromkeys(self.medians_ns, 0)
        return {span: ns * deadline_ns // total_ns for span, ns in self.medians_ns.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How long a frame spent in each span, as far as it got.

    Attributes:
        spans_ns: Duration of each span that it entered, in order.
        entered: The last of them, where the frame had no answer; empty for an answered frame.
        given_up: Whether it was refused or dropped because it could not be in time any more.
    """

    spans_ns: Mapping[str, int]
    entered: str = ""
    given_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """The span to blame for a miss.

    Attributes:
        span: Its name.
        excess_ns: By how much it exceeded its budget; None for a frame without an answer.
    """

    span: str
    excess_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """What a frame waited behind.

    Attributes:
        path: Path whose frame held the resource; several sharing a task are joined by `+`.
        span: What that frame was doing.
    """

    path: str
    span: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One reason for misses, with how many it explains.

    Attributes:
        path: Path whose frames missed.
        span: The span to blame.
        behind: What they waited behind most, for a wait; None where nothing else was in the way.
        misses: Frames.
        share: Part of all misses, 0 to 1.
    """

    path: str
    span: str
    behind: Behind | None
    misses: int
    share: float = field(default=0.0)


def norms(rows: Iterable[Row], predicted_ns: Mapping[str, Mapping[str, int]]) -> dict[str, Norm]:
    """What is usual on each path.

    Args:
        rows: All rows of a ledger.
        predicted_ns: Per path the plan's prediction of each span, for a path that met nothing.
    """
    found: dict[str, dict[str, list[int]]] = {path: {} for path in predicted_ns}
    met: Counter[str] = Counter()
    for row in rows:
        spans = found.setdefault(row.path, {})
        if row.fate in _MET:
            met[row.path] += 1
            for span, ns in durations_ns(row.scheduled_ns, row.stamps).items():
                spans.setdefault(span, []).append(ns)
    return {
        path: Norm(
            medians_ns={s: median_ns(spans[s]) for s in SPANS if s in spans}
            if met[path]
            else dict(predicted_ns.get(path, {})),
            met=met[path],
        )
        for path, spans in found.items()
    }


def median_ns(values: Sequence[int]) -> int:
    """The lower median, which is one of the values."""
    return sorted(values)[(len(values) - 1) // 2]


def way_of(row: Row, norm: Norm, until_ns: int | None = None) -> Way:
    """A row's way, with the span that a frame without an answer had entered last.

    Args:
        row: The row.
        norm: What is usual on its path, which says what follows a span.
        until_ns: When the frame ended without an answer; its deadline where left out.
    """
    spans = dict(durations_ns(row.scheduled_ns, row.stamps))
    if row.route_delivered and "deliver" in row.stamps:
        return Way(spans_ns=spans)
    last_ns = max(row.stamps.values(), default=row.scheduled_ns)
    entered = _ENDED_IN.get(row.cause) or _next(row, norm)
    ended_ns = row.deadline_at_ns if until_ns is None else until_ns
    spans[entered] = spans.get(entered, 0) + max(0, ended_ns - last_ns)
    return Way(
        spans_ns={span: spans[span] for span in SPANS if span in spans},
        entered=entered,
        given_up=row.cause in GIVEN_UP,
    )


def _next(row: Row, norm: Norm) -> str:
    """The span after the last one that was passed, as frames of the path usually go."""
    usual = [span for span in SPANS if span in norm.medians_ns]
    passed = [index for index, span in enumerate(SPANS) if span in row.stamps]
    if not passed:
        return "source"
    if row.fate == "dropped" and SPANS[passed[-1]] == "source" and ADMITTED not in row.stamps:
        # It waited to be admitted; the ledger puts that into the first wait of the frame's way.
        waits = ("edge_wait", "uplink_wait", "cloud_wait")
        return next((span for span in waits if span in usual), "prepare")
    after = [span for span in usual if SPANS.index(span) > passed[-1]]
    return after[0] if after else "deliver"


def blame(way: Way, norm: Norm, deadline_ns: int) -> Blame:
    """The span to blame for a miss.

    Args:
        way: How the frame went.
        norm: What is usual on its path.
        deadline_ns: Its deadline, counted from when it was scheduled.
    """
    budgets = norm.budgets_ns(deadline_ns)
    excess = {span: ns - budgets.get(span, 0) for span, ns in way.spans_ns.items()}
    if way.entered:
        before = [ns for span, ns in excess.items() if span != way.entered]
        if not way.given_up or sum(before) <= 0:
            return Blame(span=way.entered, excess_ns=None)
    span = max(excess, key=lambda name: excess[name], default="source")
    return Blame(span=span, excess_ns=excess.get(span, 0))


def ranked(causes: Iterable[tuple[str, str, Behind | None]]) -> list[Cause]:
    """Reasons by how many misses each explains, most first; ties in alphabetical order.

    Args:
        causes: Path, span to blame and what it waited behind, of each miss.
    """
    counted = Counter(causes)
    total = counted.total()
    return [
        Cause(path=path, span=span, behind=behind, misses=count, share=count / total)
        for (path, span, behind), count in sorted(
            counted.items(), key=lambda item: (-item[1], item[0][:2], str(item[0][2]))
        )
    ]
