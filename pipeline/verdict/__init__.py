"""Deadlines judged: percentiles a sample supports, gates with bounds, the result document."""

from pipeline.verdict.advice import gate_warnings
from pipeline.verdict.document import build_document, path_verdicts
from pipeline.verdict.facts import DeviceFacts, RunFacts
from pipeline.verdict.gates import Gate, judge_gate
from pipeline.verdict.judging import (
    Inconclusive,
    Judgement,
    PathJudgement,
    exit_code,
    judge,
    worst,
)
from pipeline.verdict.prediction import (
    PredictionCheckDocument,
    check_prediction,
    off_notes,
    prediction_line,
)
from pipeline.verdict.rules import (
    AccuracyRule,
    Conditions,
    PathCounts,
    PathRule,
    Verdict,
    WeaklyHard,
)
from pipeline.verdict.shapes import PathDocument, ResultDocument
from pipeline.verdict.statistics import Percentile, frames_needed, miss_rate_upper, percentile
from pipeline.verdict.summary import (
    Table,
    accuracy_lines,
    budget_lines,
    freshness_line,
    gate_lines,
    interval_line,
    ledger_line,
    notes,
    path_tables,
    span_line,
)

__all__ = [
    "AccuracyRule",
    "Conditions",
    "DeviceFacts",
    "Gate",
    "Inconclusive",
    "Judgement",
    "PathCounts",
    "PathDocument",
    "PathJudgement",
    "PathRule",
    "Percentile",
    "PredictionCheckDocument",
    "ResultDocument",
    "RunFacts",
    "Table",
    "Verdict",
    "WeaklyHard",
    "accuracy_lines",
    "budget_lines",
    "build_document",
    "check_prediction",
    "exit_code",
    "frames_needed",
    "freshness_line",
    "gate_lines",
    "gate_warnings",
    "interval_line",
    "judge",
    "judge_gate",
    "ledger_line",
    "miss_rate_upper",
    "notes",
    "off_notes",
    "path_tables",
    "path_verdicts",
    "percentile",
    "prediction_line",
    "span_line",
    "worst",
]
