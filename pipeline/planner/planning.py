"""Choosing: candidates are measured on calibration pictures, priced, ranked and explained."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from pipeline.errors import PlanError
from pipeline.graph import segment_work
from pipeline.plan.plan import TaskPlan
from pipeline.planner.aging import FRESH, Aging, aging_of
from pipeline.planner.candidates import drafts, whole_draft, with_bytes
from pipeline.planner.conditions import AGREEMENT_SLACK, asked
from pipeline.planner.explaining import explain, why
from pipeline.planner.hedged import TAIL, VARIANT, Coverer, Hedger
from pipeline.planner.layers import layers_of
from pipeline.planner.limits import staying
from pipeline.planner.measuring import Measure
from pipeline.planner.mixing import mixed
from pipeline.planner.relaxing import relaxations
from pipeline.planner.robustness import robustness_of
from pipeline.planner.segments import segments_of
from pipeline.planner.titles import title, titles
from pipeline.planner.valuing import mark_best, value
from pipeline.planner.verifying import CANDIDATES, held_against, order

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from accelerators.work import SegmentWork
    from pipeline.plan.plan import Candidate
    from pipeline.planner.candidates import Draft
    from pipeline.planner.hedges import HedgeRule
    from pipeline.planner.pricing import World
    from pipeline.planner.subjects import Subject
    from pipeline.planner.verifying import Verifier
    from pipeline.runtime.results import ResultCache
    from pipeline.runtime.spec import SegmentSpec
    from pipeline.tasks.outputs.protocol import Result

    Array = NDArray[np.generic[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedging:
    """The hedges that a scenario allows.

    Attributes:
        rule: When they start.
        tail: Whether a frame's own network may be finished in the car.
        variants: Models of the ladder that may cover, whole in the car.
    """

    rule: HedgeRule
    tail: bool
    variants: tuple[Subject, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the scenario asks of a task's plan.

    Attributes:
        allowed: Names of allowed routes; `auto` allows every one, `split@NODE` that cut.
        deadline_ns: Shortest deadline of the task's paths.
        period_ns: Time between two frames that the task takes.
        frame_bytes: Size of a picture, for its hop to the vehicle.
        percentile: Percentile that latencies are predicted at.
        min_agreement: Least agreement with the uncut, uncoded network; None for any.
        pixels_stay: Whether the picture, and what still shows it, stays in the car.
        memory: Bytes of each device's memory, by name, as far as they are known.
        hedging: What may cover a route that crosses; None for nothing.
        aging: What a result is worth by its age.
    """

    allowed: tuple[str, ...]
    deadline_ns: int
    period_ns: int
    frame_bytes: int
    percentile: float
    min_agreement: float | None = None
    pixels_stay: bool = False
    memory: Mapping[str, int] = field(default_factory=dict)
    hedging: Hedging | None = None
    aging: Aging = FRESH


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A task's plan and the files of the route that runs.

    Attributes:
        plan: The plan.
        segments: Segments of the route that runs.
        ladder: The task's variants as they were planned, the first one first, results measured.
        drafts: What each candidate was made from, in their order.
        world: What it was priced against.
        wishes: What the scenario asks.
        source_ns: Predicted time until a frame is at the vehicle.
    """

    plan: TaskPlan
    segments: tuple[SegmentSpec, ...]
    ladder: tuple[Subject, ...]
    drafts: tuple[Draft, ...]
    world: World
    wishes: Wishes
    source_ns: int

    @property
    def deadline_ns(self) -> int:
        """The task's shortest deadline."""
        return self.wishes.deadline_ns

    @property
    def subject(self) -> Subject:
        """The first variant, which is the reference."""
        return self.ladder[0]

    def subject_of(self, draft: Draft) -> Subject:
        """The variant that a draft is of."""
        return next(s for s in self.ladder if s.variant == draft.route.variant)

    def works(self, segment: str) -> SegmentWork:
        """Work of a segment of a candidate, by its name.

        Raises:
            KeyError: No candidate has it.
        """
        for draft in self.drafts:
            for part in draft.parts:
                if part.segment == segment:
                    graph = self.subject_of(draft).graph
                    return segment_work(graph, part.operators, segment)
        raise KeyError(segment)


def plan_task(
    ladder: Sequence[Subject],
    world: World,
    wishes: Wishes,
    *,
    pictures: Sequence[Array],
    quantiles: Mapping[str, tuple[int, ...]],
    cache: ResultCache,
    directory: Path,
    now_ns: Callable[[], int],
    verifier: Verifier | None = None,
    later: Sequence[Sequence[Array]] = (),
) -> Planned:
    """Price every candidate of a task and choose one.

    Args:
        ladder: The task's variants that compete, each with its `result_bytes` still to be measured;
            the first one's uncut, uncoded network as its file has it is what results are compared
            with.
        world: What to price against.
        wishes: What the scenario asks.
        pictures: Data of a few frames: pixels or points, as `runtime.samples` has them.
        quantiles: Quantile tables by name.
        cache: Where results of segments are kept.
        directory: Where cut models are written.
        now_ns: A monotonic clock for the backend.
        verifier: Runs the candidates in front in virtual time; None to believe the prediction.
        later: For each of `pictures` data of the frames behind it, nearest first, by which results
            are found to age; empty for results that do not.

    Raises:
        PlanError: No candidate is allowed, or privacy leaves none of those.
        PipelineError: A candidate's calibration failed.
    """
    pins = tuple(r.partition("@")[2] for r in wishes.allowed if r.startswith("split@"))
    found: dict[str, tuple[Draft, Candidate]] = {}
    reference: list[Result] = []
    measured_ladder = []
    for number, plain in enumerate(ladder):
        exact, measure = (
            Measure(one, pictures, cache=cache, directory=directory, now_ns=now_ns)
            for one in (replace(plain, int8=None), plain)
        )
        try:
            own, size = exact.reference(whole_draft(replace(plain, int8=None), world))
            reference = reference if number else own
            if later and not number and reference:
                wishes = replace(wishes, aging=_aging(plain, world, wishes, own, later, exact))
            subject = replace(
                plain,
                pins=pins if not number else (),
                result_bytes=size,
                stay=staying(plain.graph) if wishes.pixels_stay else frozenset(),
            )
            measured_ladder.append(subject)
            is_first = not number

            def price(
                draft: Draft,
                *,
                subject: Subject = subject,
                measure: Measure = measure,
                reference: Sequence[Result] = reference,
                is_first: bool = is_first,
                asked: Wishes = wishes,
            ) -> tuple[Draft, Candidate]:
                measured = measure.of(draft, reference)
                sized = with_bytes(draft, world, measured.up_bytes, measured.down_bytes)
                named = sized if is_first else _named(sized, subject.variant)
                return named, value(subject, named, world, asked, quantiles, measured)

            mine: list[tuple[Draft, Candidate]] = []
            for draft in drafts(subject, world):
                if draft.route.id in found and draft.pin is None:
                    continue
                found[draft.route.id] = price(draft)
                mine.append(found[draft.route.id])
            further = mixed(subject, world, mine, price, slack=AGREEMENT_SLACK)
            if further is not None:
                found[further[0].route.id] = further
        finally:
            exact.close()
            measure.close()
    candidates = [candidate for _, candidate in found.values()]
    made = [draft for draft, _ in found.values()]
    name = ladder[0].task.name
    if verifier is not None and verifier.varies:
        verifier = replace(verifier, aging=wishes.aging)
        candidates = _verified(candidates, name, wishes, verifier)
    first = {subject.variant: subject for subject in measured_ladder}
    if wishes.hedging is not None:

        def agreement(subject: Subject, draft: Draft) -> float | None:
            measure = Measure(subject, pictures, cache=cache, directory=directory, now_ns=now_ns)
            try:
                return measure.of(draft, reference).agreement
            finally:
                measure.close()

        coverer = _coverer(wishes.hedging, world, wishes, quantiles, candidates, agreement)
        made, candidates = _covered(made, candidates, first, coverer)
    return _chosen(candidates, made, measured_ladder, world, wishes, directory)


def _chosen(
    candidates: Sequence[Candidate],
    made: Sequence[Draft],
    ladder: Sequence[Subject],
    world: World,
    wishes: Wishes,
    directory: Path,
) -> Planned:
    """The plan: what runs of the candidates, why, and its files."""
    name = ladder[0].task.name
    candidates = [
        msgspec.structs.replace(candidate, title=words)
        for candidate, words in zip(candidates, titles(candidates), strict=True)
    ]
    chosen, run = _choose(candidates, name, wishes)
    reference_index = run if chosen is None else chosen
    candidates = [
        msgspec.structs.replace(
            c, best=best, why=why(c, candidates[reference_index], wishes.deadline_ns)
        )
        for c, best in zip(candidates, mark_best(candidates), strict=True)
    ]
    runs = next(s for s in ladder if s.variant == made[run].route.variant)
    relaxed = () if chosen is not None else relaxations(candidates, world.link_late, wishes)
    plan = TaskPlan(
        task=name,
        candidates=tuple(candidates),
        chosen=chosen,
        run=run,
        explanation=explain(candidates, chosen, run, world.link_late, wishes)
        + _other_in_median(candidates, chosen, wishes),
        layers=layers_of(runs.graph, made[run], world),
        relaxations=relaxed,
        robustness=robustness_of(candidates, run, wishes.deadline_ns),
    )
    return Planned(
        plan=plan,
        segments=tuple(segments_of(runs, made[run], directory)),
        ladder=tuple(ladder),
        drafts=tuple(made),
        world=world,
        wishes=wishes,
        source_ns=world.vehicle_host.hop_ns(message_bytes=wishes.frame_bytes, kind="frame"),
    )


def _aging(
    subject: Subject,
    world: World,
    wishes: Wishes,
    results: Sequence[Result],
    later: Sequence[Sequence[Array]],
    measure: Measure,
) -> Aging:
    """What is left of the reference's results when the frames behind them have come."""
    draft = whole_draft(replace(subject, int8=None), world)
    behind = [measure.reference(draft, pictures)[0] if pictures else [] for pictures in later]
    return aging_of(measure.decoder(draft), results, behind, period_ns=wishes.period_ns)


def _coverer(
    hedging: Hedging,
    world: World,
    wishes: Wishes,
    quantiles: Mapping[str, tuple[int, ...]],
    candidates: Sequence[Candidate],
    agreement: Callable[[Subject, Draft], float | None],
) -> Coverer:
    """What covers the candidates, each hedge with what its own answer agrees."""
    whole: dict[str, float | None] = {}
    for candidate in candidates:
        if not candidate.cut:  # the first of a variant is what a hedge runs whole
            whole.setdefault(candidate.route.variant, candidate.agreement)
    hedgers = [Hedger(form=TAIL, subject=None, agreement=None)] if hedging.tail else []
    hedgers += [
        Hedger(
            form=f"{VARIANT}{subject.variant}",
            subject=subject,
            agreement=whole[subject.variant]
            if subject.variant in whole
            else agreement(subject, whole_draft(subject, world)),
        )
        for subject in hedging.variants
    ]
    return Coverer(
        world=world,
        wishes=wishes,
        rule=hedging.rule,
        quantiles=quantiles,
        hedgers=hedgers,
        whole=whole,
        measured=agreement,
    )


def _covered(
    made: Sequence[Draft],
    candidates: Sequence[Candidate],
    ladder: Mapping[str, Subject],
    coverer: Coverer,
) -> tuple[list[Draft], list[Candidate]]:
    """The table with every hedged form behind its route, and what each row is made from."""
    drafted: list[Draft] = []
    rows: list[Candidate] = []
    for draft, candidate in zip(made, candidates, strict=True):
        forms = [
            candidate,
            *coverer.forms(ladder[draft.route.variant], draft, candidate),
        ]
        drafted += [draft] * len(forms)
        rows += forms
    return drafted, rows


def _other_in_median(candidates: Sequence[Candidate], chosen: int | None, wishes: Wishes) -> str:
    """Says where the percentile, or the trace, made another choice than the median would."""
    calm = chosen_in_median(candidates, wishes)
    if calm is None or (
        chosen is not None and candidates[calm].route.id == candidates[chosen].route.id
    ):
        return ""
    other = candidates[calm]
    then_ms, now_ms = other.median_ns / 1e6, other.alone_ns / 1e6
    seen = other.verified
    text = f"; by the median {title(other)} would be chosen ({then_ms:.1f} ms)"
    text += f", which takes {now_ms:.1f} ms at p{wishes.percentile:g}"
    if seen is not None:
        text += f" and is in time in {100 * seen.hits / seen.frames:.1f} % of the trace's frames"
    return text


def _named(draft: Draft, variant: str) -> Draft:
    """A draft of a further variant, whose steps say so."""
    steps = tuple(msgspec.structs.replace(step, variant=variant) for step in draft.route.steps)
    return msgspec.structs.replace(draft, route=msgspec.structs.replace(draft.route, steps=steps))


def _choose(candidates: Sequence[Candidate], task: str, wishes: Wishes) -> tuple[int | None, int]:
    """The chosen candidate, and the one that runs; the same unless no allowed one is feasible."""
    allowed = [i for i, candidate in enumerate(candidates) if candidate.allowed]
    if not allowed:
        raise PlanError(
            f"tasks.{task}.route: no candidate is {' or '.join(wishes.allowed)}; there are "
            f"{', '.join(sorted({c.name for c in candidates}))}"
        )
    shown = [i for i in allowed if any(b.constraint == "pixels" for b in candidates[i].broken)]
    if len(shown) == len(allowed):
        raise PlanError(
            f"tasks.{task}.route: `raw_pixels_stay` leaves nothing of "
            f"{' or '.join(wishes.allowed)}: {candidates[shown[0]].broken[-1].text}; "
            "allow `edge`, or a later cut"
        )
    wanted = {*asked(candidates)}
    allowed = [i for i in allowed if i not in shown]
    allowed = [i for i in allowed if i in wanted] or allowed
    ruled_out = {"memory", "agreement"}
    usable = [
        i for i in allowed if not any(b.constraint in ruled_out for b in candidates[i].broken)
    ]
    fastest = min(usable or allowed, key=lambda i: order(candidates[i]))
    feasible = [i for i in allowed if candidates[i].feasible]
    if not feasible:
        return None, fastest
    worth = {i: candidates[i].worth for i in feasible}
    best = max(worth.values())
    good = [i for i, mine in worth.items() if mine >= best - AGREEMENT_SLACK]
    chosen = min(good, key=lambda i: (*order(candidates[i]), candidates[i].bytes_up))
    return chosen, chosen


def _verified(
    candidates: list[Candidate], task: str, wishes: Wishes, verifier: Verifier
) -> list[Candidate]:
    """The candidates, those that the prediction puts in front with what virtual time says."""
    front: list[int] = []
    left = [*candidates]
    while len(front) < CANDIDATES and any(c.allowed for c in left):
        try:
            _, index = _choose(left, task, wishes)
        except PlanError:
            break
        front.append(index)
        left[index] = msgspec.structs.replace(left[index], allowed=False)
    found = verifier.verify([candidates[index] for index in front])
    seen = dict(zip(front, found, strict=True))
    return [
        held_against(c, seen[i], wishes.percentile) if i in seen else c
        for i, c in enumerate(candidates)
    ]


def chosen_in_median(candidates: Sequence[Candidate], wishes: Wishes) -> int | None:
    """What the same rule would choose if every frame were the median one."""

    def calm(candidate: Candidate) -> Candidate:
        if candidate.hedge is not None:
            return msgspec.structs.replace(candidate, allowed=False)
        broken = tuple(b for b in candidate.broken if b.constraint != "deadline")
        return msgspec.structs.replace(
            candidate,
            latency_ns=candidate.median_ns,
            broken=broken,
            feasible=not broken and candidate.median_ns <= wishes.deadline_ns,
            verified=None,
        )

    return _choose([calm(c) for c in candidates], "", wishes)[0]
