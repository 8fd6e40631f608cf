"""Words for a choice: why it beat the runner-up, and at what bandwidth that flips."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from pipeline.link.model import message_bytes
from pipeline.planner.conditions import AGREEMENT_SLACK, asked
from pipeline.planner.titles import title
from pipeline.planner.verifying import order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.link.pricing import LinkQuote
    from pipeline.plan.plan import Candidate
    from pipeline.planner.planning import Wishes

_NS_PER_MS = 1_000_000


def why(candidate: Candidate, chosen: Candidate, deadline_ns: int) -> str:
    """One sentence on a candidate: does it meet the deadline, and how it stands to the chosen."""
    spare_ms = (deadline_ns - candidate.latency_ns) / _NS_PER_MS
    deadline = f"{deadline_ns / _NS_PER_MS:g} ms"
    broken = "; ".join(one.text for one in candidate.broken if one.constraint != "deadline")
    late = next((one for one in candidate.broken if one.constraint == "deadline"), None)
    if broken:
        verdict = broken
    elif late is not None and candidate.verified is not None:
        verdict = late.text
    elif candidate.verified is not None and spare_ms < 0:
        found = candidate.verified
        verdict = f"in time in {100 * found.hits / found.frames:.1f} % of the trace's frames"
        verdict += f", though predicted {-spare_ms:.1f} ms late"
    elif spare_ms >= 0:
        verdict = f"meets {deadline} with {spare_ms:.1f} ms to spare"
    else:
        verdict = f"misses {deadline} by {-spare_ms:.1f} ms"
    if candidate.route.id == chosen.route.id:
        return verdict
    slower_ms = (candidate.alone_ns - chosen.alone_ns) / _NS_PER_MS
    pace = f"{abs(slower_ms):.1f} ms {'slower' if slower_ms >= 0 else 'faster'} than the chosen"
    points = 100 * ((candidate.agreement or 0.0) - (chosen.agreement or 0.0))
    worse = f", {abs(points):.1f} points {'worse' if points < 0 else 'better'}"
    return f"{verdict}; {pace}{worse if abs(points) >= 0.05 else ''}"  # noqa: PLR2004 - shown digits


def explain(
    candidates: Sequence[Candidate],
    chosen: int | None,
    run: int,
    link: LinkQuote,
    wishes: Wishes,
) -> str:
    """Why the chosen candidate won, over whom, and which bandwidth would turn that round."""
    first = candidates[run]
    deadline = f"{wishes.deadline_ns / _NS_PER_MS:g} ms"
    if chosen is None:
        text = (
            f"no allowed route meets {deadline} at p{wishes.percentile:g}; the fastest, "
            f"{title(first)} at {first.latency_ns / _NS_PER_MS:.1f} ms, runs all the same"
        )
        return f"{text} ({first.why})" if first.why else text
    kept = asked(candidates)
    rivals = [candidates[i] for i in kept if candidates[i].route.id != first.route.id]
    barred = _barred(first, candidates)
    if not rivals:
        return f"{title(first)} is the only route that is allowed{barred}"
    runner = _runner_up(rivals)
    text = f"{title(first)} beats the runner-up {title(runner)}: "
    if not runner.feasible:
        text += f"that one does not meet {deadline}" + (f" ({runner.why})" if runner.why else "")
    else:
        text += _ahead(first, runner)
    flips = _flips(first, rivals, link)
    return f"{text}; {flips}{_needs(first, link, wishes)}{barred}{_hedge(first)}"


def _runner_up(rivals: Sequence[Candidate]) -> Candidate:
    """What the plan's rule would take of the others: worth as much as any, and then the first."""
    feasible = [rival for rival in rivals if rival.feasible]
    best = max((rival.worth for rival in feasible), default=0.0)
    good = [rival for rival in feasible if rival.worth >= best - AGREEMENT_SLACK]
    return min(good or rivals, key=order)


def _ahead(first: Candidate, runner: Candidate) -> str:
    """By what a candidate is ahead of another one that keeps the deadline as well."""
    faster_ms = (runner.alone_ns - first.alone_ns) / _NS_PER_MS
    points = 100 * (first.worth - runner.worth)
    if points > 100 * AGREEMENT_SLACK:
        pace = f"{abs(faster_ms):.1f} ms {'faster' if faster_ms >= 0 else 'slower'}"
        more = f"its answers are worth {first.worth:.3f}, that one's {runner.worth:.3f}"
        return f"{more}; {pace} where nothing covers them"
    if faster_ms >= 0:
        return f"{faster_ms:.1f} ms faster"
    # A quicker one that is worth as much stands behind by what virtual time said, or by the bias.
    as_good, mine, theirs = "worth as much, to two points", first.verified, runner.verified
    if mine is not None and theirs is None:
        return f"{as_good}, and tried in virtual time, which that one was not"
    if mine is not None and theirs is not None and order(first)[0] < order(runner)[0]:
        tried = [f"{100 * min(v.hits, v.hits_high) / v.frames:.1f} %" for v in (mine, theirs)]
        return f"{as_good}, and in time in {tried[0]} of the frames tried, that one in {tried[1]}"
    if first.robust and not runner.robust:
        return f"{as_good}, and in time at the slow end of the devices' bias, where that one is not"
    return as_good


def _hedge(first: Candidate) -> str:
    """What covers the chosen candidate, and how much of its work that does."""
    cover = first.hedge
    if cover is None:
        return ""
    end_ms, start_ms = cover.ends_ns / _NS_PER_MS, cover.start_ns / _NS_PER_MS
    text = f"; its hedge ({cover.form}) starts at {start_ms:.1f} ms in {100 * cover.runs:.2g} % of "
    text += f"the frames and answers {100 * cover.answers:.2g} %, by {end_ms:.1f} ms"
    return text if cover.keeps else f"{text}, which is too late"


def _barred(first: Candidate, candidates: Sequence[Candidate]) -> str:
    """The best candidate that `route` keeps out, if it would have been faster and as good."""
    better = [
        c
        for c in candidates
        if not c.allowed
        and c.feasible
        and c.latency_ns < first.latency_ns
        and (c.agreement or 0) >= (first.agreement or 0)
    ]
    if not better:
        return ""
    best = min(better, key=lambda c: c.latency_ns)
    faster_ms = (first.latency_ns - best.latency_ns) / _NS_PER_MS
    return f"; not allowed by `route`: {title(best)}, {faster_ms:.1f} ms faster"


def _needs(first: Candidate, link: LinkQuote, wishes: Wishes) -> str:
    """The uplink rate below which the chosen candidate no longer does, and why."""
    if not first.cut:
        return ""
    bits = 8 * message_bytes(first.bytes_up) * 10**9
    rest_ns = first.alone_ns - link.serial_ns(first.bytes_up, "up")
    pace = Fraction(bits, wishes.period_ns)
    late = Fraction(bits) / (wishes.deadline_ns - rest_ns) if rest_ns < wishes.deadline_ns else pace
    limit = float(max(pace, late)) / 1e6
    reason = "keep pace" if pace >= late else f"meet {wishes.deadline_ns / _NS_PER_MS:g} ms"
    return f"; below {limit:.3g} Mbit/s up it does not {reason}"


def _flips(first: Candidate, rivals: Sequence[Candidate], link: LinkQuote) -> str:
    """The nearest uplink rates, below and above the present one, at which a rival gets ahead.

    A candidate's latency is a + b / rate, with b the bits that it sends up, so two candidates cross
    at one rate at most. The cuts are those of the table; other cuts may take over in between. A
    rival that is faster as it is lost on agreement, which no rate changes.
    """
    now = link.up_bits_per_s
    below: tuple[Fraction, Candidate] | None = None
    above: tuple[Fraction, Candidate] | None = None
    slower = [rival for rival in rivals if rival.alone_ns >= first.alone_ns]
    for rival in slower:
        rate = _crossing_rate(first, rival, link)
        if rate is None:
            continue
        if rate < now and (below is None or rate > below[0]):
            below = (rate, rival)
        if rate > now and (above is None or rate < above[0]):
            above = (rate, rival)
    parts = []
    if below is not None:
        parts.append(f"below {float(below[0]) / 1e6:.3g} Mbit/s up {title(below[1])} is faster")
    if above is not None:
        parts.append(f"above {float(above[0]) / 1e6:.3g} Mbit/s up {title(above[1])} is faster")
    if parts:
        return " and ".join(parts)
    if len(slower) < len(rivals):
        return "what is faster agrees less, at any uplink rate"
    return "no uplink rate makes another candidate faster"


def _crossing_rate(first: Candidate, rival: Candidate, link: LinkQuote) -> Fraction | None:
    bits = [8 * message_bytes(c.bytes_up) * 10**9 if c.cut else 0 for c in (first, rival)]
    pairs = zip((first, rival), bits, strict=True)
    rest = [
        candidate.alone_ns - (link.serial_ns(candidate.bytes_up, "up") if b else 0)
        for candidate, b in pairs
    ]
    if rest[0] == rest[1] or bits[0] == bits[1]:
        return None
    rate = Fraction(bits[0] - bits[1]) / (rest[1] - rest[0])
    return rate if rate > 0 else None
