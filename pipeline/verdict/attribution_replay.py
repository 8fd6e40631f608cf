"""What would have met a deadline: a frame replayed in virtual time with spans at their medians.

A span is brought to its median by shortening what it is made of, all in the same proportion: what
was done for the frame itself, the jobs of other frames that it waited for, and a message's wait for
its link. All else is drawn by the same keys, so it stays as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from pipeline.ledger.spans import SPANS, durations_ns
from pipeline.runtime.core.commands import Deliver, Settle
from pipeline.runtime.virtual import Kernel
from pipeline.verdict.attribution_durations import Durations, Shorter
from pipeline.verdict.attribution_evidence import Evidence
from pipeline.verdict.attribution_stretches import Stretches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pipeline.ledger.rows import Row
    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.events import Event
    from pipeline.runtime.outcome import EventSink
    from pipeline.runtime.virtual_setup import VirtualSetup
    from pipeline.verdict.attribution_evidence import Thing
    from pipeline.verdict.attribution_stretches import Stretch

_MOST_SPANS = 3  # spans together that every combination is tried of; beyond it, one by one
_MOST_TRIALS = 120
_MOST_HORIZONS = 4
_MOST_ROUNDS = 5  # of looking for what a frame enters once it gets further

Answer = Literal["found", "none", "not-reproduced", "not-replayed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A span that can be brought to its median.

    Attributes:
        span: Its name.
        excess_ns: How far it is above its median.
        cuts_ns: By how much each thing has to be shorter for that.
        from_ns: Run time at which the first of them was decided.
    """

    span: str
    excess_ns: int
    cuts_ns: Mapping[Thing, int]
    from_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterfactual:
    """What would have met the deadline.

    Attributes:
        answer: `found`; `none`, not even all spans at their medians would have;
            `not-reproduced`, the replay meets the deadline as it is; `not-replayed`, the frame
            never got to the vehicle, or was not among those that were looked at.
        spans: The smallest set of spans, in order; empty unless found.
        latency_ns: The frame's latency with them at their medians; None unless found.
        trials: Replays that it took.
    """

    answer: Answer
    spans: tuple[str, ...] = ()
    latency_ns: int | None = None
    trials: int = 0


def cuts_of(stretches: Sequence[Stretch], medians_ns: Mapping[str, int]) -> list[Cut]:
    """Spans that lie above their median and what would bring them there, the largest first.

    A span that no met frame passed has nothing to be brought to but nothing.
    """
    found: list[Cut] = []
    for stretch in stretches:
        length_ns = stretch.length_ns
        excess_ns = length_ns - medians_ns.get(stretch.span, 0)
        if excess_ns <= 0:
            continue
        cuts_ns: dict[Thing, int] = {}
        from_ns: list[int] = []
        for piece in stretch.pieces:
            if piece.thing is not None:
                cut_ns = -(-piece.length_ns * excess_ns // length_ns)
                cuts_ns[piece.thing] = cuts_ns.get(piece.thing, 0) + cut_ns
                from_ns.append(piece.asked_ns)
        if cuts_ns:
            found.append(
                Cut(
                    span=stretch.span,
                    excess_ns=excess_ns,
                    cuts_ns=cuts_ns,
                    from_ns=min(from_ns),
                )
            )
    return sorted(found, key=lambda cut: (-cut.excess_ns, cut.span))


class _Watch:
    """Waits for one frame's delivery on one path, and keeps the evidence where asked to."""

    def __init__(self, row: Row, evidence: Evidence | None = None) -> None:
        self._path, self._frame = row.path, row.frame
        self._settled: Row | None = None
        self.evidence = evidence
        self.delivered_ns: int | None = None

    def __call__(
        self, node: str, at_ns: int, event: Event | None, commands: Sequence[Command]
    ) -> None:
        if self.evidence is not None:
            self.evidence.saw(node, at_ns, event)
        for command in commands:
            match command:
                case Deliver(path=path, frame=frame) if self._is(path, frame):
                    self.delivered_ns = self.delivered_ns or command.at_ns
                case Settle(row=row):
                    if self._is(row.path, row.frame):
                        self._settled = row
                    if self.evidence is not None:
                        self.evidence.settled(row.path, row.frame, at_ns)
                case _:
                    pass

    @property
    def row(self) -> Row | None:
        """The row as settled, with its delivery; None as long as it is open."""
        row = self._settled
        if row is None or self.delivered_ns is None or not row.route_delivered:
            return row
        return replace(row, stamps={**row.stamps, "deliver": self.delivered_ns})

    def _is(self, path: str, frame: int) -> bool:
        return path == self._path and frame == self._frame


class Replays:
    """Replays frames of one run, each from the last moment that what is shortened hangs on.

    One replay of the whole run goes along and is branched at that moment, so a frame costs the
    events from there to its deadline. Frames are therefore asked for in the order of `from_ns`.
    """

    def __init__(self, setup: VirtualSetup, recorded_ns: Mapping[Thing, int]) -> None:
        """Begin a run.

        Args:
            setup: The run; its schedule must be a sequence.
            recorded_ns: Durations of the evidence, for a live run; empty for a virtual one.
        """
        self._core, self._timing, self._recorded_ns = setup.core, setup.timing, recorded_ns
        self._kernel = self._branch(Kernel(setup, None, None), {}, _unheard)
        self._kernel.begin()

    def go_to(self, at_ns: int) -> None:
        """Go on to a run time, not before the one before; what is asked next begins there."""
        self._kernel.advance(at_ns)

    def counterfactual(
        self, row: Row, cuts: Sequence[Cut], medians_ns: Mapping[str, int], *, from_ns: int
    ) -> Counterfactual:
        """The smallest set of spans at whose medians the row would have met its deadline.

        A frame that ended early may enter further spans once those that it had entered are shorter;
        they are looked for in the replay and may be part of the set.

        Args:
            row: A missed row.
            cuts: What can be shortened, the largest first.
            medians_ns: Median of each span.
            from_ns: Run time from which things are shortened, not before that of the call before.
        """
        self.go_to(from_ns)
        trials = 0

        def met(chosen: Iterable[Cut]) -> int | None:
            nonlocal trials
            trials += 1
            at_ns = self.delivery_ns(row, chosen)
            return at_ns if at_ns is not None and at_ns <= row.deadline_at_ns else None

        if met(()) is not None:
            return Counterfactual(answer="not-reproduced", trials=trials)
        for further in range(_MOST_ROUNDS):
            if met(cuts) is not None:
                break
            more = self._further(row, cuts, medians_ns)
            if not more or further == _MOST_ROUNDS - 1:
                return Counterfactual(answer="none", trials=trials)
            cuts = _merged((*cuts, *more))
        for chosen in _sets(row, cuts):
            at_ns = met(chosen)
            if at_ns is not None:
                return _found(row, chosen, at_ns, trials)
            if trials >= _MOST_TRIALS:
                break
        kept = list(cuts)
        for cut in reversed(cuts):  # the smallest excess first: what can be spared is
            fewer = [other for other in kept if other is not cut]
            if met(fewer) is not None:
                kept = fewer
        at_ns = self.delivery_ns(row, kept)
        return _found(row, kept, row.deadline_at_ns if at_ns is None else at_ns, trials)

    def delivery_ns(self, row: Row, cuts: Iterable[Cut], until_ns: int | None = None) -> int | None:
        """When a row's frame is delivered from here on with things shortened; None if it is not.

        Args:
            row: The row.
            cuts: What is shortened.
            until_ns: Run time to look until; the deadline where left out.
        """
        watch = _Watch(row)
        twin = self._branch(self._kernel, _together(cuts), watch)
        twin.advance((row.deadline_at_ns if until_ns is None else until_ns) + 1)
        return watch.delivered_ns

    def _further(self, row: Row, cuts: Sequence[Cut], medians_ns: Mapping[str, int]) -> list[Cut]:
        """What the frame still has above its medians once these are cut."""
        watch = _Watch(row, Evidence(self._core))
        twin = self._branch(self._kernel, _together(cuts), watch)
        horizons = [path.horizon_ns for path in self._core.paths if path.name == row.path]
        # Beyond the horizon too: how long a message waited is known when it has arrived.
        twin.advance(row.scheduled_ns + _MOST_HORIZONS * max(horizons))
        if watch.row is None or watch.evidence is None:
            return []
        stretches = Stretches(watch.evidence).of(watch.row)
        return cuts_of(stretches, medians_ns)

    def _branch(self, kernel: Kernel, cuts_ns: Mapping[Thing, int], on_event: EventSink) -> Kernel:
        recorded_ns = self._recorded_ns
        return kernel.branch(
            timing=Durations(self._timing, recorded_ns=recorded_ns, cuts_ns=cuts_ns),
            relays=lambda name, relay: Shorter(name, relay, recorded_ns, cuts_ns),
            on_event=on_event,
        )


def _merged(cuts: Iterable[Cut]) -> list[Cut]:
    """One cut per span, the largest first."""
    by_span: dict[str, Cut] = {}
    for cut in cuts:
        other = by_span.get(cut.span)
        by_span[cut.span] = (
            cut
            if other is None
            else Cut(
                span=cut.span,
                excess_ns=cut.excess_ns + other.excess_ns,
                cuts_ns=_together((cut, other)),
                from_ns=min(cut.from_ns, other.from_ns),
            )
        )
    return sorted(by_span.values(), key=lambda cut: (-cut.excess_ns, cut.span))


def _together(cuts: Iterable[Cut]) -> dict[Thing, int]:
    cuts_ns: dict[Thing, int] = {}
    for cut in cuts:
        for thing, ns in cut.cuts_ns.items():
            cuts_ns[thing] = cuts_ns.get(thing, 0) + ns
    return cuts_ns


def _unheard(node: str, at_ns: int, event: Event | None, commands: Sequence[Command]) -> None:
    """Nobody listens."""
    del node, at_ns, event, commands


def recorded(evidence: Evidence) -> dict[Thing, int]:
    """Durations that a live run really had, to be replayed in place of drawn ones."""
    return dict(evidence.lengths_ns)


def _sets(row: Row, cuts: Sequence[Cut]) -> Iterator[tuple[Cut, ...]]:
    """Sets of spans by size, then by how much they save; those that cannot suffice left out.

    A set can save what its spans are above their medians, and at most all that was waited; of a
    frame without an answer it is not known how much is needed.
    """
    needed_ns = 0
    if row.route_delivered and "deliver" in row.stamps:
        needed_ns = row.stamps["deliver"] - row.deadline_at_ns
    spans_ns = durations_ns(row.scheduled_ns, row.stamps)
    waited_ns = sum(ns for span, ns in spans_ns.items() if span.endswith("_wait"))
    for size in range(1, min(_MOST_SPANS, len(cuts)) + 1):
        sets = sorted(
            combinations(cuts, size), key=lambda found: -sum(cut.excess_ns for cut in found)
        )
        for chosen in sets:
            if sum(cut.excess_ns for cut in chosen) + waited_ns >= needed_ns:
                yield chosen


def _found(row: Row, cuts: Iterable[Cut], at_ns: int, trials: int) -> Counterfactual:
    return Counterfactual(
        answer="found",
        spans=tuple(sorted((cut.span for cut in cuts), key=SPANS.index)),
        latency_ns=at_ns - row.scheduled_ns,
        trials=trials,
    )
