"""A result as text for people: table cells and lines, without colour or layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.ledger import FATES
from pipeline.verdict.statistics import percent_text

if TYPE_CHECKING:
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
    gates = {gate["path"]: gate for gate in document["gates"]}
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
    verdict = path["verdict"].upper()
    return (
        path["name"],
        _count(path["n"]),
        *("n/a" if value is None else f"{value:.1f}" for value in values),
        "n/a" if share is None else f"{100 * share:.0f} %",
        f"{path['deadline_ms']:g} ms",
        _misses(path),
        verdict if gate is None else f"{verdict} ≤ {percent_text(gate['limit'])}",
    )


def _misses(path: PathDocument) -> str:
    judged = path["n"] - path["fates"]["interrupted"]
    upper = path["miss_rate_upper"]
    if upper is None:
        return f"{path['misses']}"
    rate, bound = percent_text(path["misses"] / judged), percent_text(upper)
    return f"{_count(path['misses'])} ({rate}, ≤ {bound} at {100 * path['confidence']:g} %)"


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
