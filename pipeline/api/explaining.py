"""The document of `splitway explain`, schema `splitway.explain/1`: every key is always there."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypedDict

from pipeline.verdict.attribution import ranked

if TYPE_CHECKING:
    from pipeline.api.attributing import Explanation, Miss
    from pipeline.verdict.attribution import Behind, Norm

SCHEMA = "splitway.explain/1"
_NS_PER_MS = 1_000_000
_MOST_WAITED = 8  # holders listed per frame, the longest first


class BehindDocument(TypedDict):
    """Path whose frame was in the way, and the span that it was in."""

    path: str
    span: str


class CauseDocument(TypedDict):
    """A reason for misses; `behind` is null where no other frame was mostly in the way."""

    path: str
    span: str
    behind: BehindDocument | None
    misses: int
    share: float


class RemedyDocument(TypedDict):
    """Spans that at their medians would have met so many misses' deadlines."""

    spans: list[str]
    misses: int
    share: float


class NormDocument(TypedDict):
    """What is usual on a path; `met` is 0 where medians are the plan's predictions."""

    name: str
    met: int
    misses: int
    medians_ms: dict[str, float]


class WaitedDocument(TypedDict):
    """A part of a span in which something else was served; null: nothing is known to be."""

    span: str
    behind: BehindDocument | None
    task: str | None
    frame: int | None
    ms: float


class CounterfactualDocument(TypedDict):
    """What would have met the deadline; `answer` says found, or why not."""

    answer: str
    spans: list[str]
    latency_ms: float | None
    replays: int


class MissDocument(TypedDict):
    """One missed frame."""

    path: str
    frame: int
    fate: str
    cause: str
    deadline_ms: float
    latency_ms: float | None
    spans_ms: dict[str, float]
    entered: str | None
    blame: str
    excess_ms: float | None
    behind: BehindDocument | None
    waited: list[WaitedDocument]
    counterfactual: CounterfactualDocument


class ExplainDocument(TypedDict):
    """The misses of a run."""

    schema: str
    run: str
    driver: str
    stamps: str
    counterfactuals: str
    rows: int
    misses: int
    replayed: int
    paths: list[NormDocument]
    causes: list[CauseDocument]
    remedies: list[RemedyDocument]
    frames: list[MissDocument]


def explain_document(found: Explanation) -> ExplainDocument:
    """The explanation as plain data."""
    misses = found.misses
    replayed = [m for m in misses if m.counterfactual.answer != "not-replayed"]
    live = found.driver == "live"
    remedies = Counter(
        m.counterfactual.spans for m in replayed if m.counterfactual.answer == "found"
    )
    return {
        "schema": SCHEMA,
        "run": str(found.directory),
        "driver": found.driver,
        "stamps": "emulated" if live else "modelled",
        "counterfactuals": "modelled" if live else "exact",
        "rows": found.rows,
        "misses": len(misses),
        "replayed": len(replayed),
        "paths": [
            _norm(name, norm, sum(m.row.path == name for m in misses))
            for name, norm in found.norms.items()
        ],
        "causes": [
            {
                "path": cause.path,
                "span": cause.span,
                "behind": _behind(cause.behind),
                "misses": cause.misses,
                "share": cause.share,
            }
            for cause in ranked((m.row.path, m.blame.span, m.behind) for m in misses)
        ],
        "remedies": [
            {"spans": list(spans), "misses": count, "share": count / len(replayed)}
            for spans, count in sorted(remedies.items(), key=lambda item: (-item[1], item[0]))
        ],
        "frames": [_miss(miss) for miss in misses],
    }


def _norm(name: str, norm: Norm, misses: int) -> NormDocument:
    medians_ms = {span: ns / _NS_PER_MS for span, ns in norm.medians_ns.items()}
    return {"name": name, "met": norm.met, "misses": misses, "medians_ms": medians_ms}


def _miss(miss: Miss) -> MissDocument:
    row, counterfactual = miss.row, miss.counterfactual
    delivered_ns = row.stamps.get("deliver") if row.route_delivered else None
    excess_ns, latency_ns = miss.blame.excess_ns, counterfactual.latency_ns
    return {
        "path": row.path,
        "frame": row.frame,
        "fate": row.fate,
        "cause": row.cause,
        "deadline_ms": (row.deadline_at_ns - row.scheduled_ns) / _NS_PER_MS,
        "latency_ms": None
        if delivered_ns is None
        else (delivered_ns - row.scheduled_ns) / _NS_PER_MS,
        "spans_ms": {span: ns / _NS_PER_MS for span, ns in miss.way.spans_ns.items()},
        "entered": miss.way.entered or None,
        "blame": miss.blame.span,
        "excess_ms": None if excess_ns is None else excess_ns / _NS_PER_MS,
        "behind": _behind(miss.behind),
        "waited": [
            {
                "span": wait.span,
                "behind": _behind(wait.behind),
                "task": wait.task or None,
                "frame": wait.frame,
                "ms": wait.ns / _NS_PER_MS,
            }
            for wait in miss.waited[:_MOST_WAITED]
        ],
        "counterfactual": {
            "answer": counterfactual.answer,
            "spans": list(counterfactual.spans),
            "latency_ms": None if latency_ns is None else latency_ns / _NS_PER_MS,
            "replays": counterfactual.trials,
        },
    }


def _behind(behind: Behind | None) -> BehindDocument | None:
    return None if behind is None else {"path": behind.path, "span": behind.span}
