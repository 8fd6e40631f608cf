"""What a path has to keep, and what its rows came to: all that a judgement is made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pipeline.verdict.statistics import CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.verdict.freshness import Freshness
    from pipeline.verdict.windows import Spell

Verdict = Literal["pass", "fail", "inconclusive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeaklyHard:
    """A weakly hard rule: at most `misses` in any `window` frames in a row.

    Attributes:
        misses: From 0, below `window`.
        window: Frames in a row, from 1.
    """

    misses: int
    window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRule:
    """What a path has to keep.

    Attributes:
        name: Name of the path.
        deadline_ns: From the scheduled time to the decoded result at the consumer; the longest
            where it follows the vehicle's speed. What a frame had stands in its row.
        max_miss: Largest allowed miss rate, 0 to 1; None for a path without a gate on it.
        confidence: Confidence of that gate, above 0 and below 1.
        min_samples: Frames below which the path is not judged.
        max_age_ns: Largest allowed age of the newest result at the consumer; None without a gate.
        weakly_hard: Most misses in frames in a row; None without a gate.
        consecutive: Most misses one after the other; None without a gate.
        budgets_ns: Budget of each span that has one: advice, and never a gate.
    """

    name: str
    deadline_ns: int
    max_miss: float | None = None
    confidence: float = CONFIDENCE
    min_samples: int = 0
    max_age_ns: int | None = None
    weakly_hard: WeaklyHard | None = None
    consecutive: int | None = None
    budgets_ns: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyRule:
    """How accurate a task's results have to be.

    Attributes:
        task: Name of the task.
        figure: Name of the figure, a key of `accuracy.<task>`.
        minimum: The least, 0 to 1.
    """

    task: str
    figure: str
    minimum: float

    @property
    def name(self) -> str:
        """As a gate names it."""
        return f"{self.task}.{self.figure}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathCounts:
    """What a path's rows add up to.

    Attributes:
        offered: All rows.
        interrupted: Rows that a stop ended; neither held nor missed.
        misses: Rows that are late, dropped or failed.
        overruns: Rows during which something ran that should have been computed ahead.
        would_change: Misses that might be none without the overruns.
        tightest_ns: Shortest deadline that a row had; None where there is no row.
        window: The window of the weakly hard rule with the most misses; None without a rule or a
            judged row. Shorter than the rule's window where fewer rows were judged.
        streak: Longest run of misses one after the other; None without a miss.
        freshness: Ages and reactions at the consumer; None where there is no row.
    """

    offered: int
    interrupted: int = 0
    misses: int = 0
    overruns: int = 0
    would_change: int = 0
    tightest_ns: int | None = None
    window: Spell | None = None
    streak: Spell | None = None
    freshness: Freshness | None = None

    @property
    def judged(self) -> int:
        """Rows that say whether the deadline held."""
        return self.offered - self.interrupted


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How the run went, apart from its frames.

    Attributes:
        partial: Whether it was ended before its time.
        evidence_complete: Whether everything that should have been written down was.
        full_speed: Whether frames were sent as fast as they were taken, so that no deadline counts.
        lags_ns: How late the player sent each frame; empty in virtual time.
        hold_late_ns: How late emulated devices let go; empty in virtual time.
    """

    partial: bool = False
    evidence_complete: bool = True
    full_speed: bool = False
    lags_ns: Sequence[int] = ()
    hold_late_ns: Sequence[int] = ()
