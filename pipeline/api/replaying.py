"""Running an assembled scenario to its verdict."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.api.accuracy import Accuracy, score_outcome, write_facts
from pipeline.api.calls import RUNS, Result
from pipeline.api.delivering import write_results
from pipeline.api.following import follow_results
from pipeline.api.modelling import MODEL, predicted_sizes, write_model
from pipeline.api.noting import run_notes
from pipeline.api.rerunning import CORE, seal_outcome
from pipeline.api.rules import accuracy_rules_of, rules_of
from pipeline.api.run_facts import run_facts, tasks_of
from pipeline.errors import InfrastructureError, ScenarioError
from pipeline.ledger import SPANS
from pipeline.ledger.sealing import Closing, Ledger
from pipeline.plan.document import plan_document
from pipeline.runtime.footage import Footage
from pipeline.runtime.journal import AT_ONCE, Journal
from pipeline.runtime.keeping import cache_limit, in_use, trim
from pipeline.runtime.outcome import Outcome
from pipeline.runtime.priming import Primed, prime
from pipeline.runtime.sizes import Sizes
from pipeline.runtime.timing import Bias, Timing
from pipeline.runtime.virtual import run_virtual
from pipeline.runtime.virtual_setup import VirtualSetup
from pipeline.values import to_plain
from pipeline.verdict import (
    Conditions,
    build_document,
    exit_code,
    off_notes,
    path_verdicts,
)
from replay.clock import WallClock
from replay.evidence import (
    RunDirectory,
    environment,
    write_json,
    write_manifest,
    write_text,
)
from replay.faults import shown_instead

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.api.calls import Observer
    from pipeline.assembly import Assembled
    from pipeline.ledger.rows import Row
    from pipeline.ledger.sealing import Driver, Sizing
    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.events import Event
    from pipeline.verdict import Verdict

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
        ScenarioError: Full speed was asked of virtual time, or a live run of a network that is
            there for its timing alone.
    """
    _check_speed(assembled, virtual=virtual)
    _check_timing(assembled, virtual=virtual)
    directory = _directory(assembled, out)
    driver: Driver = "virtual" if virtual else "live"
    _write_inputs(directory, assembled)
    primed = _empty_primed(assembled)
    try:
        with in_use(Path(assembled.spec.cache)):
            if _sizing(assembled, driver) == "modelled":
                primed = _predicted_primed(assembled)
            elif virtual or any(not device.real for device in assembled.spec.devices.values()):
                observer.stage("prime")
                primed = _prime(assembled, observer, must_keep=not virtual)
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
    at_bias = None
    if virtual and not outcome.partial:
        at_bias = _at_bias(assembled, primed, ledger)
    kept = _keep(
        directory, assembled, primed, outcome, ledger, annotate=annotate, observer=observer
    )
    facts = replace(
        run_facts(
            assembled,
            outcome,
            at_bias,
            evidence_complete=evidence_complete and kept.complete,
            images=kept.images,
        ),
        accuracy=kept.accuracy.scores,
        accuracy_rules=accuracy_rules_of(assembled.loaded.scenario),
    )
    document = build_document(ledger, rules_of(assembled.loaded.scenario), facts)
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
            *([kept.lost] if kept.lost else []),
            *run_notes(assembled, outcome, primed, virtual=virtual),
            *kept.accuracy.notes,
            *off_notes({path["name"]: path["prediction"] for path in document["paths"]}),
        ),
        tracing_ns=outcome.tracing_ns,
    )


@dataclass(slots=True, kw_only=True)
class _Kept:
    """What was left behind of a run, as far as the disk took it."""

    complete: bool = True
    images: str = "none"
    lost: str = ""
    accuracy: Accuracy = field(default_factory=Accuracy)


def _keep(
    directory: RunDirectory,
    assembled: Assembled,
    primed: Primed,
    outcome: Outcome,
    ledger: Ledger,
    *,
    annotate: bool,
    observer: Observer,
) -> _Kept:
    """Write the evidence of a run that has ended, and score its results."""
    kept, driver = _Kept(), ledger.driver
    exact = _sizing(assembled, driver) == "exact"
    try:
        kept.complete = directory.has_space()
        write_text(directory.ledger, ledger.to_csv())
        _write_core(directory, assembled, outcome, driver)
        write_model(directory.path / MODEL, assembled.spec, virtual_setup(assembled, primed))
        write_facts(directory.path, assembled)
        if driver == "virtual" and exact:
            write_results(directory.path / RESULTS, assembled, primed, ledger)
        follow_results(directory.path / RESULTS, assembled, ledger)
        kept.images = _pictures(directory, assembled, annotate=annotate)
        if exact and not outcome.partial:
            observer.stage("score")
            kept.accuracy = score_outcome(directory.path, assembled, list(ledger.rows()))
    except OSError as err:
        kept.complete, kept.images = False, "none"
        kept.lost = f"evidence is incomplete: {directory.path}: {err.strerror}"
    return kept


def _check_timing(assembled: Assembled, *, virtual: bool) -> None:
    """Refuse to run live what is never computed."""
    loaded = assembled.loaded
    problems = [
        loaded.problem(
            ("tasks", name, "variants", next(iter(loaded.scenario.tasks[name].variants))),
            "is there for its timing alone (`timing_only`) and sends no results; add --virtual",
        )
        for name in assembled.timing_only
        if not virtual
    ]
    if problems:
        raise ScenarioError(problems)


def _check_speed(assembled: Assembled, *, virtual: bool) -> None:
    if virtual and assembled.spec.full_speed:
        reason = (
            "max is for live runs: virtual time always goes as fast as the machine allows, and "
            "loses nothing; leave it out with --virtual"
        )
        raise ScenarioError([assembled.loaded.problem(("run", "rate"), reason)])


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
    sizes = Sizes(frames=assembled.facts.counts, warmup=assembled.spec.warmup)
    return Primed(sizes=sizes, results={}, hits=0, misses=0)


def _sizing(assembled: Assembled, driver: Driver) -> Sizing:
    """Where sizes are from; a live run sends the bytes themselves, whatever was asked for."""
    return assembled.loaded.scenario.run.sizes if driver == "virtual" else "exact"


def _predicted_primed(assembled: Assembled) -> Primed:
    """Sizes as planned, and no results."""
    chosen = {task.task: task.candidates[task.run] for task in assembled.plan.tasks}
    results = {name: candidate.bytes_down for name, candidate in chosen.items()}
    for name, tasks in assembled.spec.fused.items():
        results[name] = sum(results[task] for task in tasks)
    blank = _empty_primed(assembled)
    return replace(blank, sizes=predicted_sizes(assembled.spec.core, results, blank.sizes))


def modelled_setup(assembled: Assembled) -> VirtualSetup:
    """What the virtual driver needs where sizes are those of the plan and nothing is computed."""
    return virtual_setup(assembled, _predicted_primed(assembled))


def _prime(assembled: Assembled, observer: Observer, *, must_keep: bool) -> Primed:
    cache, limit_bytes = Path(assembled.spec.cache), cache_limit()

    def progress(done: int, of: int) -> None:
        observer.primed(done, of)
        if observer.stop_asked():
            raise _Stopped

    try:
        primed = prime(
            assembled.spec,
            Footage(assembled.spec.drive),
            frames=assembled.facts.counts,
            shown=shown_instead(assembled.schedule),
            now_ns=WallClock().now_ns,
            must_keep=must_keep,
            on_progress=progress,
        )
    except OSError as err:
        raise InfrastructureError(
            f"the result cache {cache} cannot be written: {err.strerror}; a live run takes its "
            "devices' results from it: make room (splitway cache --clear), or name another place "
            "in SPLITWAY_CACHE"
        ) from err
    if primed.misses:
        with contextlib.suppress(OSError):  # it could not be written either, which is said
            trim(cache, limit_bytes)
    return primed


# -- driving ---------------------------------------------------------------------------------------


def virtual_setup(assembled: Assembled, primed: Primed, *, bias: Bias = "zero") -> VirtualSetup:
    """What the virtual driver needs of an assembled run."""
    spec = assembled.spec
    return VirtualSetup(
        core=spec.core,
        schedule=assembled.schedule,
        frame_bytes=assembled.facts.frame_bytes,
        sizes=primed.sizes,
        timing=Timing(
            seed=spec.seed,
            quantiles=spec.quantiles,
            hops=spec.hops,
            bias=bias,
            slowed=spec.slowed,
        ),
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
        if journal.waiting >= AT_ONCE:
            journal.flush()

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

    schedule, spec = assembled.schedule, assembled.spec
    first_ns, last_ns = schedule[0].sends_ns, schedule[-1].sends_ns
    if spec.full_speed:  # every frame may take as long as the longest horizon
        first_ns, last_ns = 0, len(schedule) * max(path.horizon_ns for path in spec.core.paths)
    return run_live(
        spec,
        LiveFolders(
            events=directory.event_logs, logs=directory.logs, results=directory.path / RESULTS
        ),
        ready=primed.keys,
        first_scheduled_ns=min(0, first_ns),
        last_scheduled_ns=last_ns,
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
        sizes=_sizing(assembled, driver),
    )


def _predicted(assembled: Assembled) -> dict[str, dict[str, int]]:
    spans = {task.task: task.candidates[task.run].spans for task in assembled.plan.tasks}
    core = assembled.spec.core
    found = {}
    for path in core.paths:
        anchor, *_ = tasks_of(assembled, path)
        found[path.name] = dict(spans[anchor])
        if path.fuse is not None:
            own = [s.latency_ns for s in core.tasks[path.task].steps if s.span == "fuse"]
            found[path.name] |= {"fuse": sum(own)}
    return found


def _at_bias(assembled: Assembled, primed: Primed, zero: Ledger) -> dict[str, dict[Bias, Verdict]]:
    """The verdict with every device's bias at its 10 % and its 90 % quantile, beside the middle."""
    found: dict[str, dict[Bias, Verdict]] = {p.name: {} for p in assembled.spec.core.paths}
    rules = rules_of(assembled.loaded.scenario)
    conditions = Conditions(full_speed=assembled.spec.full_speed)
    biases: tuple[Bias, ...] = ("low", "zero", "high")
    for bias in biases:
        ledger = zero
        if bias != "zero":
            outcome = run_virtual(virtual_setup(assembled, primed, bias=bias))
            ledger = _sealed(assembled, outcome, "virtual")
        for name, verdict in path_verdicts(ledger, rules, conditions).items():
            found[name][bias] = verdict
    return found


# -- evidence --------------------------------------------------------------------------------------


def _write_core(
    directory: RunDirectory, assembled: Assembled, outcome: Outcome, driver: Driver
) -> None:
    """What a rerun needs beside the event logs."""
    sent_ns = None
    if outcome.sent_ns is not None:
        sent_ns = {stream: sorted(sent.items()) for stream, sent in outcome.sent_ns.items()}
    write_json(
        directory.path / CORE,
        {
            "core": to_plain(assembled.spec.core),
            "driver": driver,
            "sizes": _sizing(assembled, driver),
            "closing": to_plain(outcome.closing),
            "failure": outcome.failure,
            "played": outcome.played,
            "predicted_ns": _predicted(assembled),
            "sent_ns": sent_ns,
            "timetable": to_plain(assembled.spec.timetable),
        },
    )


def _pictures(directory: RunDirectory, assembled: Assembled, *, annotate: bool) -> str:
    """Keep annotated pictures as far as the scenario allows; returns what was kept."""
    from pipeline.api.annotating import keep_pictures

    return keep_pictures(
        directory.path,
        assembled,
        results=directory.path / RESULTS,
        annotate=annotate,
    )
