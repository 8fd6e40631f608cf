"""Candidates with a hedge, rows of their own beside those without: their cost and their worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from pipeline.plan.plan import Cover
from pipeline.plan.steps import Run
from pipeline.planner.hedges import longest_ns, tail_hedge, timing_of, variant_hedge
from pipeline.planner.limits import held_bytes, load_ns
from pipeline.planner.percentiles import latency_at
from pipeline.planner.sampling import idle_ns
from pipeline.planner.valuing import too_full, too_late, too_slow, too_unlike

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pipeline.plan.plan import Broken, Candidate
    from pipeline.planner.candidates import Draft
    from pipeline.planner.hedges import HedgeDraft, HedgeRule
    from pipeline.planner.planning import Wishes
    from pipeline.planner.pricing import World
    from pipeline.planner.subjects import Subject

TAIL, VARIANT = "tail", "variant:"
_MEDIAN = 50.0
_SURE, _HIGH = 99.9, 1  # percentile of a hedge's own time, and the 90 % quantile of the bias
_RULED_OUT = frozenset({"memory", "pixels"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedger:
    """A form of hedge that a scenario allows.

    Attributes:
        form: `tail`, or `variant:NAME`.
        subject: The variant of the second; None for `tail`, which is of the covered route's own.
        agreement: Agreement of the variant's result, whole in the car; None likewise, or where it
            was not measured.
    """

    form: str
    subject: Subject | None
    agreement: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverer:
    """Covers the candidates of one task.

    Attributes:
        world: What they are priced against.
        wishes: What the scenario asks.
        rule: When hedges start.
        quantiles: Quantile tables by name.
        hedgers: The forms that are allowed.
        whole: Per variant the agreement of its network whole in the car.
        measured: Agreement of what a draft of a variant makes.
    """

    world: World
    wishes: Wishes
    rule: HedgeRule
    quantiles: Mapping[str, tuple[int, ...]]
    hedgers: Sequence[Hedger]
    whole: Mapping[str, float | None]
    measured: Callable[[Subject, Draft], float | None]

    def forms(self, subject: Subject, draft: Draft, candidate: Candidate) -> Iterator[Candidate]:
        """A candidate with each of the hedges; none where it stays in the car, or cannot run.

        Args:
            subject: The variant that it is of.
            draft: What it is made from.
            candidate: It, without a hedge.
        """
        kinds = {broken.constraint for broken in candidate.broken}
        if not candidate.allowed or kinds & _RULED_OUT:
            return
        for hedger in self.hedgers:
            if hedger.subject is None:
                hedge = tail_hedge(subject, self.world, draft)
                agreement = self._of_tail(subject, hedge)
            else:
                hedge = variant_hedge(hedger.subject, self.world) if draft.cut else None
                agreement = hedger.agreement
            if hedge is not None and hedger.form != f"{VARIANT}{subject.variant}":
                yield self._covered(hedger, subject, hedge, candidate, agreement)

    def _of_tail(self, subject: Subject, hedge: HedgeDraft | None) -> float | None:
        """Agreement of a tail's result; it is the whole network's where all the car is float32."""
        near = self.world.at(self.world.sites.vehicle)
        if hedge is None or not hedge.shared or not any(d.name in subject.tags for d in near):
            return self.whole.get(subject.variant)
        return self.measured(subject, hedge.chain)

    def _covered(
        self,
        hedger: Hedger,
        subject: Subject,
        hedge: HedgeDraft,
        candidate: Candidate,
        agreement: float | None,
    ) -> Candidate:
        world, wishes, quantiles = self.world, self.wishes, self.quantiles
        route = candidate.route
        source_ns = world.vehicle_host.hop_ns(message_bytes=wishes.frame_bytes, kind="frame")
        deliver_ns = world.vehicle_host.hop_ns(message_bytes=candidate.bytes_down, kind="result")
        steps = (*route.steps, *hedge.own)
        timing = timing_of(
            hedge,
            route,
            self.rule,
            world,
            quantiles,
            deadline_ns=wishes.deadline_ns,
            source_ns=source_ns,
            result_bytes=candidate.bytes_down,
            blocking_ns=longest_ns(steps, world.edge.name, quantiles),
        )
        shared = hedge.route.steps[: hedge.shared]
        ready_ns = latency_at(shared, quantiles, percentile=_SURE, extra_ns=source_ns, bias=_HIGH)
        rest_ns = timing.blocking_ns + timing.length_ns
        ends_ns = max(timing.start_ns, ready_ns) + rest_ns
        sample = idle_ns(world, route.steps, quantiles, extra_ns=source_ns + deliver_ns)
        runs = float(np.mean(sample > timing.start_ns))
        answers_ns = ends_ns
        if timing.kept_ns:  # the cloud's answer is waited for until then
            answers_ns = max(wishes.deadline_ns - timing.kept_ns + deliver_ns, timing.start_ns)
        late = float(np.mean(sample > answers_ns))
        if candidate.verified is not None:
            late = 1 - candidate.in_time
        seen, before, goes_ns = candidate.verified, 0.0, answers_ns
        left = wishes.aging.of(sample[sample <= answers_ns])
        if seen is not None:
            left = seen.left_in_time
        if not timing.kept_ns:  # whoever is first
            begins_ns = source_ns if timing.start == "at-once" else timing.start_ns
            there_ns = latency_at(shared, quantiles, percentile=_MEDIAN, extra_ns=source_ns)
            own_ns = latency_at(hedge.own, quantiles, percentile=_MEDIAN, extra_ns=deliver_ns)
            goes_ns = max(begins_ns, there_ns) + own_ns
            before = float(np.mean(sample > goes_ns))
        own = [step for step in hedge.own if isinstance(step.step, Run)]
        energies = [step.energy_pj for step in own]
        cover = Cover(
            form=hedger.form,
            start_ns=timing.start_ns,
            ends_ns=ends_ns,
            least_ns=ready_ns + rest_ns,
            runs=max(runs, late),
            answers=max(late, before),
            agreement=agreement,
            edge_ns=sum(step.latency_ns for step in own),
            energy_pj=None if None in energies else sum(e for e in energies if e is not None),
            alone_ns=candidate.latency_ns,
            keeps=ends_ns <= wishes.deadline_ns,
            alone_keeps=candidate.keeps_alone,
            waits=bool(timing.kept_ns),
            left=wishes.aging.of(np.array([goes_ns])),
        )
        aged = replace(candidate, left=left)
        return self._with(cover, hedger.subject or subject, hedge, aged)

    def _with(
        self, cover: Cover, subject: Subject, hedge: HedgeDraft, candidate: Candidate
    ) -> Candidate:
        held = dict(candidate.memory)
        for device, size in held_bytes(subject.graph, hedge.parts, self.world).items():
            held[device] = held.get(device, 0) + size
        loading_ns = load_ns(subject.graph, hedge.parts, self.world)
        energy_pj = None
        if candidate.energy_pj is not None and cover.energy_pj is not None:
            energy_pj = candidate.energy_pj + round(cover.runs * cover.energy_pj)
        low_ns, high_ns = candidate.interval_ns
        found = replace(
            candidate,
            hedge=cover,
            latency_ns=min(candidate.latency_ns, cover.ends_ns),
            interval_ns=(min(low_ns, cover.ends_ns), min(high_ns, cover.ends_ns)),
            median_ns=min(candidate.median_ns, cover.ends_ns),
            energy_pj=energy_pj,
            edge_ns=candidate.edge_ns + round(cover.runs * cover.edge_ns),
            load_ns=None
            if candidate.load_ns is None or loading_ns is None
            else candidate.load_ns + loading_ns,
            memory=held,
        )
        broken = (*self._broken(found, candidate),)
        return replace(
            found,
            broken=broken,
            feasible=not broken,
            robust=not broken and (cover.keeps or candidate.robust),
            why="; ".join(one.text for one in broken if one.constraint != "deadline"),
        )

    def _broken(self, found: Candidate, candidate: Candidate) -> Iterator[Broken]:
        """Constraints that a covered candidate does not satisfy; the link's are the route's own."""
        world, wishes, cover = self.world, self.wishes, found.hedge
        assert cover is not None, "covered"  # noqa: S101 - our invariant
        if not cover.keeps:
            late = tuple(too_late(found.latency_ns, wishes))
            yield from late or (b for b in candidate.broken if b.constraint == "deadline")
        more_ns = {world.edge.name: round(cover.runs * cover.edge_ns)}
        yield from too_slow(found.route.steps, world, wishes, more_ns)
        unlike = tuple(too_unlike(candidate.agreement, wishes))
        agreed = None
        if candidate.agreement is not None and cover.agreement is not None:
            agreed = (1 - cover.answers) * candidate.agreement + cover.answers * cover.agreement
        yield from unlike or too_unlike(agreed, wishes)
        yield from too_full(found.memory, world)
