"""Running an assembled scenario to its verdict."""

from __future__ import annotations

import contextlib
import io
import json
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from pipeline.api.calls import RUNS, Result
from pipeline.api.rerunning import CORE, seal_outcome
from pipeline.ledger import SPANS
from pipeline.ledger.sealing import Closing, Ledger
from pipeline.plan.document import plan_document
from pipeline.plan.steps import Run
from pipeline.runtime.drive import pictures
from pipeline.runtime.journal import Journal
from pipeline.runtime.outcome import Outcome
from pipeline.runtime.priming import Primed, prime
from pipeline.runtime.sizes import Sizes
from pipeline.runtime.timing import Bias, Timing
from pipeline.runtime.virtual import VirtualSetup, run_virtual
from pipeline.values import to_plain
from pipeline.verdict.document import DeviceFacts, RunFacts, build_document
from pipeline.verdict.judging import Conditions, PathRule, exit_code
from replay.clock import WallClock
from replay.evidence import (
    RunDirectory,
    environment,
    write_json,
    write_manifest,
    write_text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline.api.calls import Observer
    from pipeline.assembly import Assembled
    from pipeline.ledger.rows import Row
    from pipeline.ledger.sealing import Driver
    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.config import PathConfig
    from pipeline.runtime.core.events import Event
    from pipeline.verdict.judging import Verdict

RESULTS = "results.jsonl"
_INTERRUPTED = 130
_INFRASTRUCTURE = 4


class _Stopped(Exception):  # noqa: N818 - a wish, not an error
    """The user wants the run to end."""


def replay_scenario(
    assembled: Assembled,
    *,
    virtual: bool,
    out: Path | None,
    annotate: bool,
    observer: Observer,
) -> Result:
    """Prime, replay, seal, judge, and leave the evidence behind.

    Raises:
        ReplayError: The evidence directory cannot be made.
        PipelineError: Priming failed, or a node did not start.
    """
    directory = _directory(assembled, out)
    driver: Driver = "virtual" if virtual else "live"
    _write_inputs(directory, assembled)
    primed = _empty_primed(assembled)
    try:
        if virtual or any(not device.real for device in assembled.spec.devices.values()):
            observer.stage("prime")
            primed = _prime(assembled, observer)
        observer.stage("replay")
        if virtual:
            outcome = _virtual(assembled, primed, directory, observer)
        else:
            outcome = _live(assembled, primed, directory, observer)
    except (_Stopped, KeyboardInterrupt):
        outcome = _interrupted()
    evidence_complete = not any(name.endswith("evidence-lost") for name in outcome.notes)
    observer.stage("judge")
    ledger = _sealed(assembled, outcome, driver)
    at_bias, lost = None, ""
    if virtual and not outcome.partial:
        at_bias = _at_bias(assembled, primed, ledger)
    try:
        if not directory.has_space():
            evidence_complete = False
        write_text(directory.ledger, ledger.to_csv())
        _write_core(directory, assembled, outcome, driver)
        if virtual:
            _write_results(directory, assembled, primed, ledger)
        kept = _pictures(directory, assembled, annotate=annotate)
    except OSError as err:
        evidence_complete = False
        kept = "none"
        lost = f"evidence is incomplete: {directory.path}: {err.strerror}"
    facts = _facts(assembled, outcome, at_bias, evidence_complete=evidence_complete, images=kept)
    document = build_document(ledger, _rules(assembled), facts)
    with contextlib.suppress(OSError):  # a full disk; the document still goes to standard output
        write_json(directory.result, document)
        write_manifest(directory.path)
    code = exit_code(document["verdict"])
    if outcome.failure is not None:
        code = _INFRASTRUCTURE
    elif outcome.partial:
        code = _INTERRUPTED
    return Result(
        document=document,
        directory=directory.path,
        ledger=ledger,
        failure=outcome.failure,
        exit_code=code,
        notes=(
            *([lost] if lost else []),
            *_notes(assembled, outcome, primed, virtual=virtual),
        ),
    )


def _directory(assembled: Assembled, out: Path | None) -> RunDirectory:
    if out is not None:
        return RunDirectory.at(out)
    name = assembled.loaded.scenario.name
    return RunDirectory.create(RUNS, scenario=name, seed=assembled.spec.seed)


def _write_inputs(directory: RunDirectory, assembled: Assembled) -> None:
    from ruamel.yaml import YAML

    resolved = assembled.loaded.scenario.model_dump(mode="json", by_alias=True, exclude_none=True)
    resolved["run"]["seed"] = assembled.spec.seed
    text = io.StringIO()
    YAML(typ="safe", pure=True).dump(resolved, text)
    write_text(directory.scenario, text.getvalue())
    write_json(directory.plan, plan_document(assembled.plan, SPANS, as_file=True))
    write_json(directory.environment, environment())


# -- priming ---------------------------------------------------------------------------------------


def _empty_primed(assembled: Assembled) -> Primed:
    frames = assembled.facts.frames
    sizes = Sizes(
        frames=dict.fromkeys(assembled.spec.core.streams, frames), warmup=assembled.spec.warmup
    )
    return Primed(sizes=sizes, results={}, hits=0, misses=0)


def _prime(assembled: Assembled, observer: Observer) -> Primed:
    def progress(done: int, of: int) -> None:
        observer.primed(done, of)
        if observer.stop_asked():
            raise _Stopped

    return prime(
        assembled.spec,
        pictures(assembled.spec.drive),
        frames=assembled.facts.frames,
        now_ns=WallClock().now_ns,
        on_progress=progress,
    )


# -- driving ---------------------------------------------------------------------------------------


def virtual_setup(assembled: Assembled, primed: Primed, *, bias: Bias = "zero") -> VirtualSetup:
    """What the virtual driver needs of an assembled run."""
    spec = assembled.spec
    return VirtualSetup(
        core=spec.core,
        schedule=assembled.schedule,
        frame_bytes=dict.fromkeys(spec.core.streams, assembled.facts.frame_bytes),
        sizes=primed.sizes,
        timing=Timing(seed=spec.seed, quantiles=spec.quantiles, hops=spec.hops, bias=bias),
        links=spec.links,
    )


def _virtual(
    assembled: Assembled, primed: Primed, directory: RunDirectory, observer: Observer
) -> Outcome:
    sites = assembled.spec.core.sites
    now_ns = WallClock().now_ns
    journals = {
        node: Journal(directory.events(node), now_ns)
        for node in (sites.vehicle, sites.cloud, "consumer")
    }

    def log(node: str, at_ns: int, event: Event | None, commands: Sequence[Command]) -> None:
        journal = journals[node]
        journal.record(at_ns, event, commands)
        journal.flush(1)

    def settled(row: Row) -> None:
        observer.settled(row)
        observer.at(row.scheduled_ns)
        if observer.stop_asked():
            raise _Stopped

    with contextlib.ExitStack() as closing:
        for journal in journals.values():
            closing.callback(journal.close)
        return run_virtual(
            virtual_setup(assembled, primed),
            on_event=log,
            on_row=settled,
        )


def _live(
    assembled: Assembled, primed: Primed, directory: RunDirectory, observer: Observer
) -> Outcome:
    from pipeline.runtime.live.supervisor import LiveFolders, run_live

    schedule = assembled.schedule
    return run_live(
        assembled.spec,
        LiveFolders(
            events=directory.event_logs, logs=directory.logs, results=directory.path / RESULTS
        ),
        ready=primed.keys,
        first_scheduled_ns=schedule[0].scheduled_ns,
        last_scheduled_ns=schedule[-1].scheduled_ns,
        on_row=observer.settled,
        on_time=observer.at,
        stop_asked=observer.stop_asked,
    )


def _interrupted() -> Outcome:
    return Outcome(closing=Closing(fate="interrupted", cause=""), partial=True, notes=Counter())


# -- sealing and judging ---------------------------------------------------------------------------


def _sealed(assembled: Assembled, outcome: Outcome, driver: Driver) -> Ledger:
    return seal_outcome(
        assembled.schedule,
        assembled.spec.core.paths,
        outcome,
        predicted_ns=_predicted(assembled),
        driver=driver,
    )


def _predicted(assembled: Assembled) -> dict[str, dict[str, int]]:
    spans = {task.task: task.candidates[task.run].spans for task in assembled.plan.tasks}
    return {path.name: dict(spans[path.task]) for path in assembled.spec.core.paths}


def _rules(assembled: Assembled) -> list[PathRule]:
    scenario = assembled.loaded.scenario
    return [
        PathRule(
            name=name,
            deadline_ns=path.e2e,
            max_miss=path.max_miss,
            confidence=path.confidence,
            min_samples=scenario.run.min_samples,
        )
        for name, path in scenario.paths.items()
    ]


def _at_bias(assembled: Assembled, primed: Primed, zero: Ledger) -> dict[str, dict[Bias, Verdict]]:
    """The verdict with every device's bias at its 10 % and its 90 % quantile, beside the middle."""
    found: dict[str, dict[Bias, Verdict]] = {p.name: {} for p in assembled.spec.core.paths}
    biases: tuple[Bias, ...] = ("low", "zero", "high")
    outcome = Outcome(closing=Closing(fate="failed", cause="unsettled"))
    for bias in biases:
        ledger = zero
        if bias != "zero":
            outcome = run_virtual(virtual_setup(assembled, primed, bias=bias))
            ledger = _sealed(assembled, outcome, "virtual")
        facts = _facts(assembled, outcome, None, evidence_complete=True, images="none")
        document = build_document(ledger, _rules(assembled), facts)
        for path in document["paths"]:
            found[path["name"]][bias] = path["verdict"]
    return found


def _facts(
    assembled: Assembled,
    outcome: Outcome,
    at_bias: Mapping[str, Mapping[Bias, Verdict]] | None,
    *,
    evidence_complete: bool,
    images: str,
) -> RunFacts:
    spec, scenario = assembled.spec, assembled.loaded.scenario
    labels = {
        path.name: (task := assembled.plan.task(path.task)).candidates[task.run].label
        for path in spec.core.paths
    }
    hosts = {
        site: "host-reference" if model is None else model.host
        for site, model in scenario.sites.items()
    }
    return RunFacts(
        scenario=scenario.name,
        seed=spec.seed,
        devices=[
            DeviceFacts(name=d.name, id=d.id, label=d.label, compute=d.compute or None)
            for d in spec.devices.values()
        ],
        hosts=hosts,
        labels=labels,
        measured=_measured(assembled),
        not_selected=_not_selected(spec.core.paths, outcome.played),
        conditions=Conditions(
            partial=outcome.partial,
            evidence_complete=evidence_complete,
            lags_ns=outcome.lags_ns,
            hold_late_ns=outcome.hold_late_ns,
        ),
        verdict_at_bias=at_bias,
        images=images,
    )


def _measured(assembled: Assembled) -> frozenset[str]:
    """Paths whose route neither crosses the link nor runs on an emulated device."""
    spec = assembled.spec
    return frozenset(
        path.name
        for path in spec.core.paths
        if not assembled.plan.task(path.task).candidates[assembled.plan.task(path.task).run].cut
        and all(
            spec.devices[step.step.device].real
            for step in spec.core.tasks[path.task].route.steps
            if isinstance(step.step, Run)
        )
    )


def _not_selected(paths: Sequence[PathConfig], played: Mapping[str, int]) -> dict[str, int]:
    return {
        path.name: sum(not path.selects(number) for number in range(played.get(path.stream, 0)))
        for path in paths
    }


def _notes(assembled: Assembled, outcome: Outcome, primed: Primed, *, virtual: bool) -> list[str]:
    spec = assembled.spec
    notes = list(assembled.warnings)
    emulated = [f"{d.id} {d.label}" for d in spec.devices.values() if not d.real]
    if virtual:
        notes.append(f"latencies are modelled: devices ({', '.join(emulated)}), hosts, hops, link")
    elif emulated:
        notes.append(
            f"latencies are emulated: holds ({', '.join(emulated)}) and the shaped link are "
            "modelled; sockets, codecs and host stages are real"
        )
    else:
        notes.append("devices are real and measured; the shaped link alone is modelled")
    notes.extend(
        f"the network of {task} is untrained: the run shows timing, not accuracy"
        for task in assembled.untrained
    )
    if outcome.lags_ns and not virtual:
        worst_ms = max(outcome.lags_ns) / 1e6
        notes.append(f"the player's worst lag was {worst_ms:.2f} ms")
    if outcome.hold_late_ns:
        late = np.percentile(outcome.hold_late_ns, 99, method="inverted_cdf") / 1e6
        notes.append(f"holds let go at most {late:.2f} ms late at p99")
    if primed.hits + primed.misses:
        notes.append(f"primed {primed.hits + primed.misses} pictures, {primed.hits} from the cache")
    counted = {n: c for n, c in outcome.notes.items() if n not in ("drained", "stopped")}
    notes.extend(f"{name}: {count}" for name, count in sorted(counted.items()))
    return notes


# -- evidence --------------------------------------------------------------------------------------


def _write_core(
    directory: RunDirectory, assembled: Assembled, outcome: Outcome, driver: Driver
) -> None:
    """What a rerun needs beside the event logs."""
    times = assembled.facts.times
    write_json(
        directory.path / CORE,
        {
            "core": to_plain(assembled.spec.core),
            "driver": driver,
            "closing": to_plain(outcome.closing),
            "failure": outcome.failure,
            "played": outcome.played,
            "predicted_ns": _predicted(assembled),
            "schedule": {
                "stream": times.stream,
                "offsets_ns": list(times.offsets_ns),
                "period_ns": times.period_ns,
                "loop": assembled.spec.loop,
                "rate": assembled.spec.rate,
                "warmup": assembled.spec.warmup,
            },
        },
    )


def _write_results(
    directory: RunDirectory, assembled: Assembled, primed: Primed, ledger: Ledger
) -> None:
    """Results as delivered: in virtual time their content is that of the priming pass."""
    from pipeline.runtime.live.reports import result_line
    from pipeline.runtime.stages import Stages

    stages = Stages.of(assembled.spec)
    task_of = {path.name: path.task for path in assembled.spec.core.paths}
    lines: list[str] = []
    done: dict[tuple[str, int], dict[str, object]] = {}
    for row in ledger.rows():
        task = task_of[row.path]
        buffer = primed.results.get((task, row.content))
        if not row.route_delivered or "deliver" not in row.stamps or buffer is None:
            continue
        made = done.get((task, row.content))
        if made is None:
            result = stages.decoder(task).decode_result(buffer)
            made = done[task, row.content] = dict(result_line(row.path, row.frame, result))
        lines.append(
            json.dumps({**made, "path": row.path, "frame": row.frame}, separators=(",", ":"))
        )
    write_text(directory.path / RESULTS, "".join(f"{line}\n" for line in lines))


def _pictures(directory: RunDirectory, assembled: Assembled, *, annotate: bool) -> str:
    """Keep annotated pictures as far as the scenario allows; returns what was kept."""
    from pipeline.api.annotating import keep_pictures

    return keep_pictures(
        directory.path,
        assembled,
        results=directory.path / RESULTS,
        annotate=annotate,
    )
