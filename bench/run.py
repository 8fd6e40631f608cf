"""Benchmarks: each prints a ratio against a rival that was measured in the same run.

`bench/run.py` produces all figures, `bench/run.py overhead split` these. Nothing is gated: the
exit code is 0 whether an aim was reached or not.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from bench import (
    agreement,
    choices,
    core,
    holds,
    memory,
    overhead,
    planner,
    pricing,
    replanning,
    scoring,
    split,
    tracing,
    virtual,
)
from bench.subject import demo, subject
from replay.evidence import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.figure import Figure
    from bench.subject import Subject

NAMES = (
    "overhead",
    "virtual",
    "split",
    "agreement",
    "choices",
    "core",
    "holds",
    "pricing",
    "replanning",
    "planner",
    "tracing",
    "scoring",
    "memory",
)
_S = 1_000_000_000
_DRIVE_NS = 600 * _S  # that virtual time is measured on
_GIB = 1 << 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Produce the figures asked for and print them."""
    asked = _parser().parse_args(arguments)
    names: list[str] = asked.figures or list(NAMES)
    as_json: bool = asked.json
    machine = machine_class()
    benched = demo() if asked.demo else subject()
    command = " ".join(["bench/run.py", *(sys.argv[1:] if arguments is None else arguments)])
    if not as_json:
        print(f"$ {command}\non {machine}")
        if benched.note:
            print(benched.note)
    found: list[Figure] = []
    for name in names:
        figure = _figure(name, benched, asked)
        found.append(figure)
        if not as_json:
            print(f"\n{figure.text()}", flush=True)
    if as_json:
        document = {
            "schema": "splitway.bench/1",
            "command": command,
            "machine": machine,
            "subject": benched.name,
            "note": benched.note,
            "figures": [figure.document() for figure in found],
        }
        print(json.dumps(document, indent=2))
    return 0


def _figure(name: str, benched: Subject, asked: argparse.Namespace) -> Figure:
    makers: dict[str, Callable[[], Figure]] = _computing(quick=asked.quick)
    makers |= _running(benched, asked)
    return makers[name]()


def _computing(*, quick: bool) -> dict[str, Callable[[], Figure]]:
    """Figures of what is computed here and runs nowhere."""
    return {
        "core": lambda: core.measure(
            rows=3_000 if quick else 30_000,
            repeats=1 if quick else 3,
            few_rows=1_000,
            many_rows=6_000 if quick else 1_000_000,
        ),
        "holds": lambda: holds.measure(holds=200 if quick else 2_000),
        "pricing": lambda: pricing.measure(repeats=5 if quick else 30),
        "replanning": lambda: replanning.measure(repeats=10 if quick else 60),
        "planner": lambda: planner.measure(repeats=8 if quick else 40),
        "scoring": lambda: scoring.measure(frames=2_000 if quick else 100_000),
    }


def _running(benched: Subject, asked: argparse.Namespace) -> dict[str, Callable[[], Figure]]:
    """Figures of runs."""
    quick: bool = asked.quick
    seconds: float = asked.seconds or (8 if quick else 60)
    repeats: int = asked.repeats or (1 if quick else 2)
    minutes: float = asked.minutes or (0.17 if quick else 10)
    return {
        "overhead": lambda: overhead.measure(benched, length_ns=int(seconds * _S), repeats=repeats),
        "virtual": lambda: virtual.measure(benched, length_ns=_DRIVE_NS, repeats=1 if quick else 3),
        "split": lambda: split.measure(benched, runs=40 if quick else 300),
        "agreement": lambda: agreement.measure(loops=1 if quick else 4, repeats=1 if quick else 2),
        "choices": lambda: choices.measure(
            seconds=8 if quick else 16, most_cases=1 if quick else None
        ),
        "tracing": lambda: tracing.measure(benched, length_ns=(8 if quick else 60) * _S),
        "memory": lambda: memory.measure(benched, length_ns=int(minutes * 60 * _S)),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench/run.py", description=__doc__)
    parser.add_argument(
        "figures", nargs="*", choices=[*NAMES, []], metavar="FIGURE", help=", ".join(NAMES)
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run, under 90 s in all")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--demo", action="store_true", help="the built-in drive and network")
    parser.add_argument("--seconds", type=float, help="length of each live run of overhead")
    parser.add_argument("--repeats", type=int, help="how often overhead runs ours and the rival")
    parser.add_argument("--minutes", type=float, help="length of the live run of memory")
    return parser


def machine_class() -> str:
    """Processor, cores, memory and versions, in a line."""
    facts = environment()
    cpu, memory_bytes, versions = facts["cpu"], facts["memory_bytes"], facts["versions"]
    assert isinstance(cpu, dict)
    assert isinstance(versions, dict)
    size = f"{memory_bytes / _GIB:.0f} GiB" if isinstance(memory_bytes, int) else "memory unknown"
    return (
        f"{cpu['usable_cores']} cores of {cpu['model'] or 'an unknown processor'}, {size}, "
        f"{facts['system']}, Python {facts['python']}, onnxruntime {versions['onnxruntime']}, "
        f"pyzmq {versions['pyzmq']}"
    )


if __name__ == "__main__":
    sys.exit(main())
