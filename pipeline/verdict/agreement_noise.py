"""Whether a live run's host kept its times well enough to be compared with a model.

What is taken for noise are tails, not costs: a hop that always takes longer than modelled is a
difference, and for the comparison to report; one that does so now and then is the host's doing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipeline.runtime.core.events import FrameOffered, JobDone, MessageArrived
from pipeline.verdict.statistics import nearest_rank

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline.runtime.journal import Entry
    from pipeline.verdict.judging import Reason
    from pipeline.verdict.shapes import ResultDocument

Tail = Literal["late-holds", "late-hops", "player-lag"]

_P99 = 99.0
_DOUBTS: frozenset[Reason] = frozenset(
    ("overrun", "fate-would-change", "generator-lag", "noisy-host", "evidence-incomplete")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """One sign of a noisy host, in one live run.

    Attributes:
        run: Name of the live run.
        sign: `late-holds`: how late emulated devices let go. `late-hops`: how much longer messages
            took, beyond the shaped link, than the median of their kind. `player-lag`: how much
            later than in virtual time frames came, beyond the median. Or a reason for which the run
            itself is inconclusive.
        value: In ns at p99 for a tail, else as in the run's own document; None without a figure.
        limit: What is allowed, in the same unit; None where there is none.
        noisy: Whether it is above.
    """

    run: str
    sign: Tail | Reason
    value: float | None
    limit: float | None
    noisy: bool

    @property
    def is_tail(self) -> bool:
        """Whether it is a time in ns."""
        return self.sign in ("late-holds", "late-hops", "player-lag")


class Lateness:
    """Reads a live run's event logs, and a virtual run's for when frames should have come."""

    def __init__(self) -> None:
        self._holds_ns: list[int] = []
        self._hops_ns: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._offered_ns: dict[tuple[str, int], int] = {}

    def see(self, entry: Entry) -> None:
        """Take in a line of a node's log."""
        match entry.event:
            case JobDone(modelled_ns=modelled_ns) as done if modelled_ns:
                self._holds_ns.append(done.ended_ns - done.began_ns - modelled_ns)
            case MessageArrived(message=message, crossing=crossing) as arrived:
                took_ns = crossing.arrived_ns - arrived.sent_ns - crossing.modelled_ns
                self._hops_ns[message.kind, message.task].append(took_ns)
            case FrameOffered(warmup=False) as offered:
                self._offered_ns[offered.stream, offered.frame] = entry.at_ns
            case _:
                pass

    def tails_ns(self, virtual: Lateness) -> Mapping[Tail, float]:
        """p99 of each kind of lateness, ns; one that nothing was seen of is left out."""
        lags: dict[str, list[int]] = defaultdict(list)
        for (stream, frame), at_ns in self._offered_ns.items():
            modelled_at_ns = virtual._offered_ns.get((stream, frame))
            if modelled_at_ns is not None:
                lags[stream].append(at_ns - modelled_at_ns)
        seen: dict[Tail, Sequence[float]] = {
            "late-holds": self._holds_ns,
            "late-hops": _over_median(self._hops_ns.values()),
            "player-lag": _over_median(lags.values()),
        }
        return {
            name: max(0.0, nearest_rank(np.asarray(values, np.float64), _P99))
            for name, values in seen.items()
            if values
        }


def _over_median(kinds: Iterable[Sequence[int]]) -> list[float]:
    return [value - float(np.median(values)) for values in kinds for value in values]


def noise_of(
    run: str, tails_ns: Mapping[Tail, float], document: ResultDocument, *, limit_ns: float
) -> list[Noise]:
    """Every sign of noise in a live run, those within their limits too.

    Args:
        run: Name of the live run.
        tails_ns: What `Lateness.tails_ns` found.
        document: The run's own result: its doubts about its measurement count here as well.
        limit_ns: What a tail may be.
    """
    tails = [
        Noise(run=run, sign=sign, value=value, limit=limit_ns, noisy=value > limit_ns)
        for sign, value in tails_ns.items()
    ]
    doubts = [
        Noise(run=run, sign=doubt["reason"], value=doubt["value"], limit=doubt["limit"], noisy=True)
        for doubt in document["inconclusive"]
        if doubt["reason"] in _DOUBTS
    ]
    return [*tails, *doubts]
