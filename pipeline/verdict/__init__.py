"""Deadlines judged: percentiles a sample supports, gates with bounds, the result document."""

from pipeline.verdict.document import DeviceFacts, RunFacts, build_document
from pipeline.verdict.judging import (
    Conditions,
    Gate,
    Inconclusive,
    Judgement,
    PathCounts,
    PathJudgement,
    PathRule,
    Verdict,
    exit_code,
    judge,
    judge_gate,
    worst,
)
from pipeline.verdict.shapes import PathDocument, ResultDocument
from pipeline.verdict.statistics import Percentile, frames_needed, miss_rate_upper, percentile
from pipeline.verdict.summary import Table, ledger_line, notes, path_tables, span_line

__all__ = [
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
    "ResultDocument",
    "RunFacts",
    "Table",
    "Verdict",
    "build_document",
    "exit_code",
    "frames_needed",
    "judge",
    "judge_gate",
    "ledger_line",
    "miss_rate_upper",
    "notes",
    "path_tables",
    "percentile",
    "span_line",
    "worst",
]
