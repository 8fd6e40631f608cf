"""Agreement: a live run against its virtual twin, where edge slot and uplink are both busy.

The scenario is `busy.yaml`: two tasks, hedging on, 1,600 path-frames. A live run of it first says
what stages and hops cost on this machine; the runs that are compared come after it. The figure is
the difference that is largest in proportion to its aim: 5 % of p50, 10 % of p99, 20 % of the median
of a span or half a millisecond. How busy slot and uplink really were is measured, in every run.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.figure import Figure
from pipeline import api
from pipeline.ledger.spans import durations_ns
from pipeline.plan.steps import Run
from pipeline.runtime.core.events import JobDone
from pipeline.runtime.journal import read_journal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.api import Agreement, Result
    from pipeline.assembly import Assembled
    from pipeline.ledger.rows import Row
    from pipeline.values import Plain
    from pipeline.verdict.agreement_document import AgreedPathDocument, ComparedDocument

SCENARIO = Path(__file__).resolve().parent / "busy.yaml"
AIM = 1.0
LEAST_BUSY = 0.7
_NS_PER_S = 1_000_000_000
_BITS = 8


def measure(*, loops: int, repeats: int) -> Figure:
    """Write a host file for this machine, then run both ways and compare.

    Args:
        loops: Passes of the 20 s drive; eight make 3,200 path-frames.
        repeats: Live runs.
    """
    passes = (f"run.loop={loops}",)
    with tempfile.TemporaryDirectory(prefix="splitway-bench-") as folder:
        host = Path(folder) / "measured.toml"
        calibration = api.calibrate_host(
            host,
            scenario=SCENARIO,
            options=api.Options(overrides=passes),
            out=Path(folder) / "calibration",
        )
        if calibration.exit_code:
            raise RuntimeError(f"the calibrating run ended with {calibration.exit_code}")
        hosts = (f"sites.{site}.host={host}" for site in ("vehicle", "cloud"))
        options = api.Options(overrides=(*passes, *hosts), allow_outside=True)
        assembled = api.check(SCENARIO, options)
        found = api.agree(SCENARIO, options, repeats=repeats, out=Path(folder) / "both")
        if found.failure is not None:
            raise RuntimeError(f"a live run broke down: {found.failure}")
        busy = {name: _busy(assembled, result) for name, result in found.results.items()}
    return _figure(found, busy)


def _figure(found: Agreement, busy: Mapping[str, Mapping[str, float]]) -> Figure:
    document = found.document
    worst, named = 0.0, "nothing"
    for path in document["paths"]:
        for figure in _aimed(path):
            used = used_of(figure)
            if used > worst:
                worst, named = used, f"{path['name']} {figure['name']}"
    rows = sum(path["frames"] for path in document["paths"])
    noisy = sorted({sign["sign"] for sign in document["noise"] if sign["noisy"]})
    lines = [
        (
            f"verdict {document['verdict']}; largest in {named}; {rows} path-frames, "
            f"{len(document['runs']) - 1} live runs"
        ),
        *(
            f"{name} busy: " + ", ".join(f"{what} {share:.0%}" for what, share in shares.items())
            for name, shares in busy.items()
        ),
        *(line for path in document["paths"] for line in _lines(path)),
        "host: " + (f"too noisy ({', '.join(noisy)})" if noisy else "quiet enough"),
    ]
    values: dict[str, Plain] = {
        "verdict": document["verdict"],
        "largest": named,
        "path_frames": rows,
        "busy": {name: {**shares} for name, shares in busy.items()},
        "noisy": [*noisy],
        "used_of_aim": {
            path["name"]: {figure["name"]: used_of(figure) for figure in _aimed(path)}
            for path in document["paths"]
        },
    }
    return Figure(
        name="agreement",
        what="live against virtual: the largest difference over what is aimed at, with edge slot "
        f"and uplink at least {LEAST_BUSY:.0%} busy",
        rival="its plan and draws in virtual time, the host file from a live run before",
        ratio=worst,
        aim=AIM,
        values=values,
        lines=tuple(lines),
    )


def _aimed(path: AgreedPathDocument) -> list[ComparedDocument]:
    """Figures with an aim: p50, p99 and the spans."""
    aimed = [figure for figure in path["percentiles"] if figure["name"] != "p90"]
    return [*aimed, *path["spans"]]


def used_of(figure: ComparedDocument) -> float:
    """A difference over its tolerance; 0 where there is no figure."""
    difference_ms, tolerance_ms = figure["difference_ms"], figure["tolerance_ms"]
    if difference_ms is None or not tolerance_ms:
        return 0.0
    return abs(difference_ms) / tolerance_ms


def _lines(path: AgreedPathDocument) -> list[str]:
    fates = path["fates"]["same"]
    told = [
        f"{figure['name']} {figure['modelled_ms']:.2f} → {figure['live_ms']:.2f} "
        f"({figure['difference_ms']:+.2f}{'' if used_of(figure) <= 1 else ' !'})"
        for figure in (*path["percentiles"], *path["spans"])
        if figure["modelled_ms"] is not None and figure["difference_ms"] is not None
    ]
    head = f"{path['name']}: modelled → {path['live_kind']}, ms (! beyond its aim)"
    same = [] if fates is None else [f"  the same fate for {fates:.1%} of frames"]
    return [head, *(f"  {line}" for line in told), *same]


# -- how busy --------------------------------------------------------------------------------------


def _busy(assembled: Assembled, result: Result) -> dict[str, float]:
    spec = assembled.spec
    rows = list(result.ledger.rows())
    (link,) = spec.links.values()
    sites = spec.core.sites
    edges = {
        step.step.device
        for task in spec.core.tasks.values()
        for step in task.steps
        if isinstance(step.step, Run) and sites.device_site[step.step.device] == sites.vehicle
    }
    log = result.directory / "events" / f"{sites.vehicle}.jsonl"
    events = [entry.event for _, entry in read_journal(log)]
    length_ns = span_of_run_ns(rows)
    return {
        "edge slot": job_ns((e for e in events if isinstance(e, JobDone)), edges) / length_ns,
        "edge slot by answers alone": sum(map(edge_ns, rows)) / length_ns,
        "uplink": sum(row.bytes_up for row in rows)
        * _BITS
        / (link.up_bits_per_s * length_ns / _NS_PER_S),
    }


def span_of_run_ns(rows: Iterable[Row]) -> int:
    """From the first frame's due time to the last one's, and as long as one frame has on average.

    Raises:
        ValueError: There are fewer than two different times.
    """
    due_ns = sorted({row.scheduled_ns for row in rows})
    if len(due_ns) < 2:  # noqa: PLR2004 - a first and a last
        raise ValueError("a run of one frame has no length")
    return (due_ns[-1] - due_ns[0]) * len(due_ns) // (len(due_ns) - 1)


def edge_ns(row: Row) -> int:
    """Time on the edge device that a cloud answer's ledger row shows; hedges that lost are not."""
    if row.fate != "cloud":
        return 0
    return durations_ns(row.scheduled_ns, row.stamps).get("edge", 0)


def job_ns(done: Iterable[JobDone], devices: set[str]) -> int:
    """Time for which some devices were busy, every job counted, warm-up left out."""
    return sum(
        event.ended_ns - event.began_ns
        for event in done
        if event.device in devices and event.jobs[0].frame >= 0
    )
