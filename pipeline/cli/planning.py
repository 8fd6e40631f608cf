"""A plan for people: what runs beside the candidates that matter, and why it won."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.cli.layering import on, print_layers
from pipeline.cli.reasoning import print_together, reasons_of
from pipeline.cli.tables import print_table, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.cli.options import Common
    from pipeline.plan.document import CandidateDocument, PlanDocument, TaskDocument

_HANG, _WORD = 2, 11  # of a clause that goes on, and of the word before it
_FEW = 12  # candidates that are all shown
_YIELDING = ("down B", "mJ", "bias", "hedge runs", "agree", "on", "up B", "expected", "median")


def print_plan(
    common: Common, document: PlanDocument, *, pareto: bool = False, whole: bool = False
) -> None:
    """What every task runs and why, beside the candidates that matter.

    Args:
        common: How to print; with -v spans have columns, and what is shown says why not it.
        document: The plan.
        pareto: Whether only candidates are shown that no other one beats, and the one that runs.
        whole: Whether all are shown.
    """
    spans = _passed_spans(document) if common.verbose else []
    for task in document["tasks"]:
        shown = _shown(document, task, pareto=pareto, whole=whole)
        _print_candidates(common, document, task, shown, spans)
        left_out = len(task["candidates"]) - len(shown)
        if left_out:
            say(common, f"  {left_out} candidates more, {_left_out(pareto=pareto)}")
        _print_reasons(common, document, task, shown)
        print()
    if document["together"] is not None:
        print_together(common, document)


def _left_out(*, pareto: bool) -> str:
    if pareto:
        return "each beaten by one that is shown"
    return "each beaten by one that is shown, or by one of its kind; all with --all"


def _shown(document: PlanDocument, task: TaskDocument, *, pareto: bool, whole: bool) -> list[int]:
    """Candidates to show: what runs, what no other one beats, and the best of each kind of route.

    A kind is a shape and a variant. The best of it is feasible if one is, then the quickest.
    """
    candidates = task["candidates"]
    every = list(range(len(candidates)))
    if whole or len(every) <= _FEW:
        return every
    shown = {task["run"], *(index for index in every if candidates[index]["pareto"])}
    if not pareto:
        for reason in document["reasons"]:
            if reason["name"] == task["name"] and reason["runner_up"] is not None:
                shown.add(reason["runner_up"])
        if task["chosen"] is not None:
            shown.add(task["chosen"])
        best: dict[tuple[str, str], int] = {}
        for index in sorted(every, key=lambda i: _order(candidates[i])):
            best.setdefault((candidates[index]["route"], candidates[index]["variant"]), index)
        shown |= set(best.values())
    return sorted(shown)


def _order(candidate: CandidateDocument) -> tuple[bool, bool, float]:
    return not candidate["feasible"], not candidate["allowed"], candidate["latency_ms"]


def _print_candidates(
    common: Common,
    document: PlanDocument,
    task: TaskDocument,
    shown: Sequence[int],
    spans: Sequence[str],
) -> None:
    chosen = task["candidates"][task["run"]]
    percentile = f"p{document['percentile']:g}"
    say(common, f"{task['name']}: {chosen['title']}  ({percentile} {chosen['latency_ms']:.1f} ms)")
    extra = _Columns([task["candidates"][index] for index in shown])
    rows = [
        _candidate_row(task, index, spans, extra, below=above)
        for above, index in zip([None, *shown], shown, strict=False)
    ]
    words = ("", "route", *extra.variant_name, "on", "codec", *extra.hedge_name)
    tail = ("up B", "down B", *extra.names, "agree", *extra.expected_name, "")
    header = (*words, "median", percentile, "bias", *spans, *tail)
    yielding = (*_YIELDING, *spans)
    print_table(common, header, rows, left=len(words), yielding=yielding)
    passed = ((span, value) for span, value in chosen["spans"].items() if value is not None)
    told = " · ".join(f"{span} {value:.1f}" for span, value in passed)
    say(common, f"  {'spans':<{_WORD}}{told} (medians)", hang=_WORD + _HANG)


class _Columns:
    """Columns that are shown where some candidate has something to say there."""

    def __init__(self, candidates: Sequence[CandidateDocument]) -> None:
        self.variants = len({c["variant"] for c in candidates}) > 1
        self.hedged = any(c["hedge"] is not None for c in candidates)
        self.energy = any(c["energy_mj"] is not None for c in candidates)
        self.verified = any(c["verified"] is not None for c in candidates)

    @property
    def variant_name(self) -> tuple[str, ...]:
        """Header of the variants' column, where there is one."""
        return ("variant",) if self.variants else ()

    @property
    def hedge_name(self) -> tuple[str, ...]:
        """Header of the hedges' column, where there is one."""
        return ("hedge",) if self.hedged else ()

    @property
    def expected_name(self) -> tuple[str, ...]:
        """Header of the expected agreement's column: hedges are judged by it."""
        return ("expected",) if self.hedged else ()

    @property
    def names(self) -> tuple[str, ...]:
        """Headers."""
        return (
            *(("hedge runs",) if self.hedged else ()),
            *(("mJ",) if self.energy else ()),
            *(("in time",) if self.verified else ()),
        )

    def of(self, candidate: CandidateDocument, *, same: bool) -> tuple[str, ...]:
        """Figures of a candidate; `same` where the row above is of the same route."""
        energy, verified = candidate["energy_mj"], candidate["verified"]
        hedging = candidate["hedging"]
        found: list[str] = []
        if self.hedged:
            found.append("" if hedging is None else f"{100 * hedging['runs']:.1f} %")
        if self.energy:
            found.append("" if energy is None else f"{energy:.1f}")
        if self.verified:
            found.append(
                ""
                if verified is None or same
                else f"{100 * verified['rate']:.1f} % ≥ {100 * verified['rate_least']:.1f}"
            )
        return tuple(found)


def _print_reasons(
    common: Common, document: PlanDocument, task: TaskDocument, shown: Sequence[int]
) -> None:
    chosen = task["candidates"][task["run"]]
    if chosen["cut"] and chosen["route"] == "split":
        pin = f"  ({chosen['pin']})" if chosen["pin"] else ""
        say(common, f"  {'cut':<{_WORD}}{', '.join(chosen['cut'])}{pin}", hang=_WORD + _HANG)
    for reason in reasons_of(document, task):
        for number, clause in enumerate(reason.clauses):
            word = "" if number else reason.word
            hang = _HANG if number else _WORD + _HANG
            say(common, f"  {word:<{_WORD}}{clause}", hang=hang)
    if chosen["load_ms"] is not None and common.verbose:
        print(f"  weights are on their devices {chosen['load_ms']:.1f} ms after they are sent")
    print_layers(common, task)
    if common.verbose:
        for index in shown:
            candidate = task["candidates"][index]
            say(common, f"    {candidate['title']}: {candidate['why']}")


def _passed_spans(document: PlanDocument) -> list[str]:
    order = list(document["tasks"][0]["candidates"][0]["spans"])
    passed = {
        span
        for task in document["tasks"]
        for candidate in task["candidates"]
        for span, value in candidate["spans"].items()
        if value is not None
    }
    return [span for span in order if span in passed]


def _candidate_row(
    task: TaskDocument, index: int, spans: Sequence[str], extra: _Columns, *, below: int | None
) -> tuple[str, ...]:
    """A candidate; of a hedged one below its own route only what differs is said again."""
    candidate = task["candidates"][index]
    same = below is not None and task["candidates"][below]["id"] == candidate["id"]
    mark = "▶" if index == task["chosen"] else ("▷" if index == task["run"] else "")
    low, high = candidate["interval_ms"]
    values = (None if same else candidate["spans"][span] for span in spans)
    agreement, expected = candidate["agreement"], candidate["expected"]
    state = "" if candidate["allowed"] else "not allowed"
    if not candidate["feasible"]:
        state = "infeasible"
    return (
        mark,
        "" if same else candidate["route"],
        *(("" if same else candidate["variant"],) if extra.variants else ()),
        "" if same else on(candidate),
        "" if same else "+".join(dict.fromkeys(candidate["codecs"].values())),
        *((candidate["hedge"] or "",) if extra.hedged else ()),
        "" if same else f"{candidate['median_ms']:.1f}",
        f"{candidate['latency_ms']:.1f}",
        f"{low:.1f}–{high:.1f}",
        *("" if value is None else f"{value:.2f}" for value in values),
        "" if same else f"{candidate['bytes_up']:,}".replace(",", " "),
        "" if same else f"{candidate['bytes_down']:,}".replace(",", " "),
        *extra.of(candidate, same=same),
        "" if agreement is None or same else f"{agreement:.3f}",
        *(("" if expected is None else f"{expected:.3f}",) if extra.hedged else ()),
        state,
    )
