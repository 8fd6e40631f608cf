"""Results for people, on standard output: tables that survive a pipe, and one-line answers."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from pipeline.cli.tables import console, print_table, say

if TYPE_CHECKING:
    from pipeline.api import RerunResult, Result
    from pipeline.cli.options import Common

__all__ = [
    "console",
    "print_json",
    "print_rerun",
    "print_result",
    "print_table",
    "say",
]

_YIELDING = ("modelled", "p99.9", "max", "p90", "deadline", "n")
_HANG = 8  # behind the word that a line of the summary begins with


def print_json(document: object) -> None:
    """One JSON document on standard output."""
    json.dump(document, sys.stdout, ensure_ascii=False, indent=2, allow_nan=False)
    sys.stdout.write("\n")


def print_result(common: Common, result: Result) -> None:
    """Verdict, percentiles, spans and ledger of a run."""
    from pipeline.verdict import (
        accuracy_lines,
        budget_lines,
        freshness_line,
        gate_lines,
        interval_line,
        ledger_line,
        notes,
        path_tables,
        prediction_line,
        span_line,
    )

    document = result.document
    print()
    for table in path_tables(document):
        print_table(common, table.header, table.rows, yielding=_YIELDING)
    for word, line_of in (
        ("spread", interval_line),
        ("fresh", freshness_line),
        ("spans", span_line),
        ("planned", prediction_line),
    ):
        for path in document["paths"]:
            line = line_of(path)
            if line:
                say(common, f" {word:7} {path['name']}: {line}", hang=_HANG)
    for line in gate_lines(document):
        say(common, f" gate    {line}", hang=_HANG)
    for line in accuracy_lines(document["accuracy"]):
        say(common, f" quality {line}", hang=_HANG)
    for line in budget_lines(document):
        say(common, f" budget  {line}", hang=_HANG)
    for path in document["paths"]:
        if path["verdict_at_bias"] is not None:
            at = path["verdict_at_bias"]
            words = ", ".join(f"{bias} {verdict}" for bias, verdict in at.items())
            say(common, f" bias    {path['name']}: {words}", hang=_HANG)
    causes = [
        f"{path['name']}: {cause} {count}"
        for path in document["paths"]
        for cause, count in path["causes"].items()
    ]
    for cause in causes:
        say(common, f" cause   {cause}", hang=_HANG)
    balanced = f"balanced, {document['ledger']['hash'][:12]}"
    say(common, f" ledger  {ledger_line(document)}     {balanced}", hang=_HANG)
    for note in (*notes(document), *result.notes):
        say(common, f" note    {note}", hang=_HANG)
    print()
    word = document["verdict"].upper()
    gates = len(document["gates"])
    tail = " (partial)" if document["partial"] else ""
    count = f"{gates} gate{'s' if gates != 1 else ''}" if gates else "no gates"
    print(f"{word}  {count}{tail}   {result.directory}")


def print_rerun(result: RerunResult) -> None:
    """Whether the cores did the same again."""
    events = ", ".join(f"{node} {count}" for node, count in result.events.items())
    if result.same:
        print(f"same: {events} events, {result.rows} rows, ledger {result.hash[:12]}")
    elif result.divergence is not None:
        print(f"diverged: {result.divergence}")
    else:
        print(f"diverged: {result.ledger_difference}")
    for line in result.altered:
        print(f"altered since the run: {line}")
