"""When nothing is feasible: the least change of each constraint that would let something run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pipeline.link.model import message_bytes
from pipeline.plan.plan import Relaxation
from pipeline.planner.titles import title

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.link.pricing import LinkQuote
    from pipeline.plan.plan import Broken, Candidate, Constraint
    from pipeline.planner.planning import Wishes

_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000
_PPM = 1_000_000


def relaxations(
    candidates: Sequence[Candidate], link: LinkQuote, wishes: Wishes
) -> tuple[Relaxation, ...]:
    """One per constraint that alone stands between some candidate and being feasible.

    Of the candidates that a change of one constraint would help, each constraint names the one that
    needs the least. The order is by the size of the change relative to what there is, routes that
    are not allowed last.

    Args:
        candidates: Candidates of a task, none of them both allowed and feasible.
        link: The link at the plan's percentile.
        wishes: What was asked.
    """
    least: dict[tuple[str, str], tuple[float, Relaxation]] = {}
    for index, candidate in enumerate(candidates):
        if candidate.hedge is not None:
            continue  # what would help is said of the route itself
        for cost, found in _of(index, candidate, link, wishes):
            key = found.constraint, found.subject
            if key not in least or cost < least[key][0]:
                least[key] = cost, found
    return tuple(found for _, found in sorted(least.values(), key=lambda pair: pair[0]))


def _of(
    index: int, candidate: Candidate, link: LinkQuote, wishes: Wishes
) -> Iterator[tuple[float, Relaxation]]:
    kinds = {broken.constraint for broken in candidate.broken}
    name = title(candidate)
    if not candidate.allowed:
        if not kinds:
            what = candidate.pin or candidate.name
            text = f"`route` to allow {what}: {candidate.latency_ns / _NS_PER_MS:.1f} ms"
            yield float("inf"), _relaxed("route", what, 0, 0, index, text)
        return
    if kinds and kinds <= {"deadline", "uplink"}:
        rate = _needed_rate(candidate, link, wishes)
        if rate is not None:
            now = link.rate("up")
            text = f"the uplink to {_up(rate / 1e6)} Mbit/s from {now / 1e6:.3g}, for {name}"
            yield rate / now - 1, _relaxed("uplink", "", now, rate, index, text)
    if len(candidate.broken) != 1:
        return
    (broken,) = candidate.broken
    yield from _single(index, broken, name, wishes)


def _single(
    index: int, broken: Broken, name: str, wishes: Wishes
) -> Iterator[tuple[float, Relaxation]]:
    needed, subject = broken.needed, broken.subject
    match broken.constraint:
        case "deadline":
            now = wishes.deadline_ns
            text = f"the deadline to {_up(needed / _NS_PER_MS)} ms from {now / _NS_PER_MS:g}, for "
            yield needed / now - 1, _relaxed("deadline", "", now, needed, index, text + name)
        case "agreement":
            now = round((wishes.min_agreement or 0.0) * _PPM)
            text = f"`min_agreement` to {100 * needed / _PPM:.4g}% from {100 * now / _PPM:g}%, for "
            yield 1 - needed / now, _relaxed("agreement", "", now, needed, index, text + name)
        case "memory":
            now = wishes.memory.get(subject, 0)
            text = f"`devices.{subject}.memory` to {needed} B from {now} B, for {name}"
            yield needed / max(1, now) - 1, _relaxed("memory", subject, now, needed, index, text)
        case "device":
            now = wishes.period_ns
            text = f"{subject}, with more `slots` or a frame every {_up(needed / _NS_PER_MS)} ms"
            text = f"{text} instead of {now / _NS_PER_MS:g}, for {name}"
            yield needed / now - 1, _relaxed("device", subject, now, needed, index, text)
        case _:
            pass


def _needed_rate(candidate: Candidate, link: LinkQuote, wishes: Wishes) -> int | None:
    """Uplink rate at which a candidate is in time and keeps pace; None where none does."""
    if not candidate.bytes_up:
        return None
    bits = 8 * message_bytes(candidate.bytes_up)
    rest_ns = candidate.latency_ns - link.serial_ns(candidate.bytes_up, "up")
    left_ns = min(wishes.deadline_ns - rest_ns, wishes.period_ns)
    return None if left_ns <= 0 else -(-bits * _NS_PER_S // left_ns)


def _relaxed(
    constraint: Constraint | Literal["route"],
    subject: str,
    now: int,
    needed: int,
    index: int,
    text: str,
) -> Relaxation:
    return Relaxation(
        constraint=constraint,
        subject=subject,
        now=now,
        needed=needed,
        candidate=index,
        text=text,
    )


def _up(figure: float) -> str:
    """A figure with two decimals, never less than it is."""
    return f"{math.ceil(figure * 100) / 100:g}"
