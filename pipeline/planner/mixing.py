"""A codec for each tensor of a cut, where several cross: one tensor after the other.

Drafts of a cut have one codec for all. Where two to four tensors cross, the codec of each is then
changed to whichever serves best with the others as they are, the largest tensor first, and measured
as all drafts are. It serves better that costs less time; agreement that is lost beyond the slack
counts as far more than any time. One pass, so what comes of it is no proven best.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.planner.candidates import Shape, placed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.plan.plan import Candidate
    from pipeline.planner.candidates import Draft
    from pipeline.planner.pricing import World
    from pipeline.planner.subjects import Subject

MOST_TENSORS = 4
"""Tensors of a cut whose codecs are chosen one by one."""

_POINT_NS = 10_000_000_000  # what agreement that is lost beyond the slack counts for, of all of it

Priced = tuple["Draft", "Candidate"]


def mixed(
    subject: Subject,
    world: World,
    found: Sequence[Priced],
    price: Callable[[Draft], Priced],
    *,
    slack: float,
) -> Priced | None:
    """The quickest cut of several tensors with a codec of its own for each; None without gain.

    Args:
        subject: The task.
        world: What to price against.
        found: Drafts with their figures, among them those of one codec for all.
        price: Measures and prices a further draft.
        slack: How much less than the best a candidate may agree.
    """
    best_agreement = max((c.agreement or 0.0 for _, c in found), default=0.0)

    def cost(candidate: Candidate) -> int:
        lost = max(0.0, best_agreement - slack - (candidate.agreement or 0.0))
        return candidate.latency_ns + round(lost * _POINT_NS)

    cuts = [
        (draft, candidate)
        for draft, candidate in found
        if candidate.allowed and draft.head and 1 < len(draft.cut) <= MOST_TENSORS
    ]
    if not cuts or len(subject.codecs) < 2:  # noqa: PLR2004 - nothing to choose from
        return None
    start = min(cuts, key=lambda pair: cost(pair[1]))
    now = start
    tensors = subject.graph.tensors
    order = sorted(range(len(start[0].cut)), key=lambda at: -tensors[start[0].cut[at]].elements)
    for at in order:
        for coded in subject.codecs:
            codecs = tuple(coded if i == at else c for i, c in enumerate(now[0].codecs))
            if codecs == now[0].codecs:
                continue
            shape = Shape(head=start[0].head, cut=start[0].cut, codecs=codecs, pin=start[0].pin)
            rival = price(_like(subject, world, shape, now[0]))
            if cost(rival[1]) < cost(now[1]):
                now = rival
    return None if now is start else now


def _like(subject: Subject, world: World, shape: Shape, draft: Draft) -> Draft:
    """The draft of a shape whose operators are shared among devices as another's are."""
    where = [part.device for part in draft.parts]
    choices = placed(subject, world, shape)
    return next((d for d in choices if [p.device for p in d.parts] == where), choices[0])
