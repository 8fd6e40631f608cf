"""A result as text for people: table cells and lines, without colour or layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.ledger import FATES
from pipeline.verdict.statistics import percent_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.values import Plain
    from pipeline.verdict.shapes import GateDocument, PathDocument, ResultDocument

_TITLES = {"p50_ms": "p50", "p90_ms": "p90", "p99_ms": "p99", "p999_ms": "p99.9", "max_ms": "max"}
_LAST_TITLES = ("modelled", "deadline", "misses", "verdict")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Cells of a table.

    Attributes:
        header: Titles of the columns.
        rows: Cells, as many in each row as there are titles.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def path_tables(document: ResultDocument) -> list[Table]:
    """One row per path: count, percentiles in ms, misses with their bound, verdict.

    Modelled, emulated and measured figures never share a column, so each kind has its own table,
    whose first title names it.
    """
    gates = {gate["path"]: gate for gate in document["gates"] if gate["name"] == "max_miss"}
    return [
        Table(
            header=(f"path ({kind}, ms)", "n", *_TITLES.values(), *_LAST_TITLES),
            rows=tuple(
                _row(path, gates.get(path["name"]))
                for path in document["paths"]
                if path["kind"] == kind
            ),
        )
        for kind in sorted({path["kind"] for path in document["paths"]})
    ]


def _row(path: PathDocument, gate: GateDocument | None) -> tuple[str, ...]:
    values = (path["p50_ms"], path["p90_ms"], path["p99_ms"], path["p999_ms"], path["max_ms"])
    share = path["modelled_share"]
    return (
        path["name"],
        _count(path["n"]),
        *("n/a" if value is None else f"{value:.1f}" for value in values),
        "n/a" if share is None else f"{100 * share:.0f} %",
        _deadline(path),
        _misses(path),
        _verdict(path, gate),
    )


def _verdict(path: PathDocument, gate: GateDocument | None) -> str:
    """The path's verdict, and its limit on misses; that gate's own where another one decided."""
    word = path["verdict"].upper()
    if gate is None:
        return word
    limit = f"≤ {percent_text(gate['limit'])}"
    if gate["verdict"] == path["verdict"]:
        return f"{word} {limit}"
    return f"{word} (misses {gate['verdict'].upper()} {limit})"


def _deadline(path: PathDocument) -> str:
    """One figure, or the range of one that follows the speed."""
    low, high = path["deadline_min_ms"], path["deadline_ms"]
    return f"{high:g} ms" if low == high else f"{low:g} to {high:g} ms"


def _misses(path: PathDocument) -> str:
    judged = path["n"] - path["fates"]["interrupted"]
    upper = path["miss_rate_upper"]
    if upper is None:
        return f"{path['misses']}"
    rate, bound = percent_text(path["misses"] / judged), percent_text(upper)
    return f"{_count(path['misses'])} ({rate}, ≤ {bound} at {100 * path['confidence']:g} %)"


def gate_lines(document: ResultDocument) -> list[str]:
    """Every gate but those on the miss rate, which stand in the table: seen, limit, worst place."""
    return [_gate(gate) for gate in document["gates"] if gate["name"] != "max_miss"]


def _gate(gate: GateDocument) -> str:
    value, limit, worst = gate["value"], gate["limit"], gate["worst"]
    seen = "n/a" if value is None else f"{value:.4g}"
    match gate["name"]:
        case "accuracy":
            text = f"{seen} (gate at least {limit:g})"
        case "max_age":
            text = f"age at the consumer up to {seen} ms (gate {limit:g} ms)"
        case "weakly_hard":
            text = f"up to {seen} misses in {gate['window']} frames (gate {limit:g})"
        case _:
            text = f"up to {seen} misses in a row (gate {limit:g})"
    if worst is not None:
        first, last = worst
        text += f", frame {first}" if first == last else f", frames {first} to {last}"
    return f"{gate['path']}: {text}  {gate['verdict'].upper()}"


_SHOWN = (
    ("map", "mAP"),
    ("miou", "mIoU"),
    ("ade_m", "ADE (m)"),
    ("streaming_map", "streaming"),
    ("streaming_miou", "streaming"),
    ("streaming_forecast_map", "with forecast"),
    ("edge_map", "edge"),
    ("cloud_map", "cloud"),
    ("edge_miou", "edge"),
    ("cloud_miou", "cloud"),
    ("idf1", "IDF1"),
    ("mean_lag_frames", "lag (frames)"),
    ("coverage", "coverage"),
)


def accuracy_lines(accuracy: Mapping[str, Mapping[str, Plain]]) -> list[str]:
    """The main figures of each task that was scored, those that there are."""
    lines: list[str] = []
    for task, scores in accuracy.items():
        shown = ((title, scores.get(key)) for key, title in _SHOWN)
        parts = [f"{title} {value:.3f}" for title, value in shown if isinstance(value, float)]
        against = scores.get("against")
        lines.append(
            f"{task}: {' · '.join(parts) or 'nothing to score'} "
            f"({scores.get('labelled')} frames against {against})"
        )
    return lines


def freshness_line(path: PathDocument) -> str:
    """Ages and reactions in ms, those that there are; empty where there are none."""
    fresh = path["freshness"]
    ages = (
        ("p50", fresh["age_p50_ms"]),
        ("p99", fresh["age_p99_ms"]),
        ("max", fresh["age_max_ms"]),
    )
    reactions = (
        ("p50", fresh["reaction_p50_ms"]),
        ("p99", fresh["reaction_p99_ms"]),
        ("max", fresh["reaction_max_ms"]),
    )
    parts = [
        f"{what} " + " · ".join(f"{name} {value:.1f}" for name, value in there)
        for what, figures in (("age", ages), ("reaction", reactions))
        if (there := [(name, value) for name, value in figures if value is not None])
    ]
    return "   ".join(parts)


def interval_line(path: PathDocument) -> str:
    """Block-bootstrap intervals, those that there are; empty where there are none."""
    found = path["intervals"]
    parts = [
        f"{title} {_end(interval[0])} to {_end(interval[1])} ms"
        for title, interval in (("p50", found["p50_ms"]), ("p99", found["p99_ms"]))
        if interval is not None
    ]
    if found["miss_rate"] is not None and found["miss_rate_upper"] is not None:
        low, high = (percent_text(end) for end in found["miss_rate"])
        parts.append(f"misses {low} to {high}, ≤ {percent_text(found['miss_rate_upper'])}")
    if not parts:
        return ""
    share, block = f"{100 * path['confidence']:g} %", found["block_frames"]
    return f"{' · '.join(parts)} (at {share}, in blocks of {block} frames)"


def _end(value: float | None) -> str:
    return "∞" if value is None else f"{value:.1f}"


def budget_lines(document: ResultDocument) -> list[str]:
    """Spans that are over their budget, one line each; advice, and in no verdict."""
    lines: list[str] = []
    for path in document["paths"]:
        for span, found in path["budgets"].items():
            budget, p99 = f"{found['budget_ms']:g} ms", found["p99_ms"]
            over = f"{_count(found['frames_over'])} of {_count(found['frames'])} frames over"
            if found["over"] and p99 is not None:
                lines.append(f"{path['name']} {span}: p99 {p99:.1f} ms over {budget}, {over}")
            elif found["over"] is None and found["frames_over"]:
                lines.append(f"{path['name']} {span}: {over} {budget}, too few for a p99")
    return lines


def span_line(path: PathDocument) -> str:
    """Medians of the spans that a path passed, in ms, in order."""
    medians = ((span, figures["p50_ms"]) for span, figures in path["spans"].items())
    return " · ".join(f"{span} {value:.1f}" for span, value in medians if value is not None)


def ledger_line(document: ResultDocument) -> str:
    """The sum of all fates over all paths: `5 400 = 5 020 cloud + …`."""
    paths = document["paths"]
    sums = (f"{_count(sum(path['fates'][f] for path in paths))} {f}" for f in FATES)
    return f"{_count(document['ledger']['offered'])} = {' + '.join(sums)}"


def notes(document: ResultDocument) -> list[str]:
    """Why something could not be judged or shown, one line each."""
    lines: list[str] = []
    for reason in document["inconclusive"]:
        line = f"{reason['path'] or 'run'}: {reason['reason']}"
        value, limit, needed = reason["value"], reason["limit"], reason["frames_needed"]
        if needed is not None:
            line += f", needs {_count(needed)} more frames"
        elif value is not None:
            line += f", {value:.4g}" + ("" if limit is None else f" (limit {limit:.4g})")
        lines.append(line)
    for path in document["paths"]:
        lines.extend(
            f"{path['name']}: {_TITLES[key]} {path['reasons'][key]}"
            for key in _TITLES
            if key in path["reasons"]
        )
    return lines


def _count(number: int) -> str:
    return f"{number:,}".replace(",", " ")
