"""A plan for people: every candidate on one table, and why the chosen one won."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.cli.layering import on, print_layers
from pipeline.cli.reasoning import print_together, reason_lines
from pipeline.cli.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.cli.options import Common
    from pipeline.plan.document import CandidateDocument, PlanDocument, TaskDocument


def print_plan(common: Common, document: PlanDocument, *, pareto: bool = False) -> None:
    """Every candidate of every task on one table, and why the chosen one won.

    Args:
        common: How to print.
        document: The plan.
        pareto: Whether only candidates are shown that no other one beats, and the one that runs.
    """
    spans = _passed_spans(document)
    for task in document["tasks"]:
        print(f"{task['name']}  (ms at p{document['percentile']:g}, idle; spans are medians)")
        shown = [
            index
            for index, candidate in enumerate(task["candidates"])
            if candidate["pareto"] or index == task["run"] or not pareto
        ]
        candidates = [task["candidates"][index] for index in shown]
        extra = _Columns(candidates)
        rows = [
            _candidate_row(task, index, spans, extra, below=above)
            for above, index in zip([None, *shown], shown, strict=False)
        ]
        words = ("", "route", *extra.variant_name, "on", "codec", *extra.hedge_name)
        tail = ("up B", "down B", *extra.names, "agree", *extra.expected_name, "")
        header = (*words, "latency", "bias", *spans, *tail)
        print_table(common, header, rows, left=len(words))
        left_out = len(task["candidates"]) - len(shown)
        if left_out:
            print(f"  {left_out} candidates are left out, each beaten by one that is shown")
        _print_reasons(common, document, task)
        print()
    if document["together"] is not None:
        print_together(common, document)


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


def _print_reasons(common: Common, document: PlanDocument, task: TaskDocument) -> None:
    chosen = task["candidates"][task["run"]]
    if chosen["cut"] and chosen["route"] == "split":
        pin = f"  ({chosen['pin']})" if chosen["pin"] else ""
        print(f"  cut at {', '.join(chosen['cut'])}{pin}")
    print(f"  {task['explanation']}")
    for line in task["numerics"]:
        print(f"  {line}")
    for line in reason_lines(document, task):
        print(f"  {line}")
    for number, relaxed in enumerate(task["relaxations"]):
        print(f"  {'relax' if not number else 'or   '} {relaxed['text']}")
    if chosen["gap"] > 0:
        print(f"  who runs what may be up to {100 * chosen['gap']:.2g} % above the best")
    if chosen["load_ms"] is not None and common.verbose:
        print(f"  weights are on their devices {chosen['load_ms']:.1f} ms after they are sent")
    print_layers(common, task)
    if common.verbose:
        for candidate in task["candidates"]:
            print(f"    {candidate['title']}: {candidate['why']}")


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
