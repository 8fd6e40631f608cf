"""The accuracy of a run that has just ended, and whether it can be asked for at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.api.scoring import ScoreOptions
from pipeline.api.scoring_evidence import FACTS, LABELS, open_run, score_evidence
from pipeline.errors import ClassesError, InputError, ScenarioError, ScoringError
from pipeline.runtime.results import ResultCache
from pipeline.scoring.classes import common_classes
from pipeline.scoring.facts import ScoringFacts, StreamSize, TaskFacts
from pipeline.scoring.gathering import fingerprint, first_label, frames_of, gather, shift_of
from pipeline.scoring.keeping import pack_truths, unpack_truths
from pipeline.scoring.truths import names_of
from pipeline.tasks.outputs.registry import output_decoder
from pipeline.values import to_plain
from replay.evidence import write_json

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pipeline.assembly import Assembled
    from pipeline.ledger.rows import Row
    from pipeline.scoring.truths import StreamTruth
    from pipeline.tasks.outputs.protocol import OutputDecoder
    from pipeline.values import Plain
    from sensors.labels import FrameLabels

_PACKED = "labels"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """What the results of a run come to.

    Attributes:
        scores: By task; empty where nothing was scored.
        notes: What a reader should know.
    """

    scores: Mapping[str, Mapping[str, Plain]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def write_facts(directory: Path, assembled: Assembled) -> None:
    """Write what scoring must know of a run.

    Raises:
        OSError: The disk is full.
    """
    write_json(directory / FACTS, to_plain(scoring_facts(assembled)))


def scoring_facts(assembled: Assembled) -> ScoringFacts:
    """What scoring must know of a run."""
    spec, scenario = assembled.spec, assembled.loaded.scenario
    tasks: dict[str, TaskFacts] = {}
    for name in scenario.tasks:
        if name in scenario.forecasters:  # its results stand in the lines of what it forecasts
            continue
        decoder = output_decoder(spec.tasks[name].decoder, spec.tasks[name].parameters)
        asked = scenario.scoring.get(name)
        tasks[name] = TaskFacts(
            stream=spec.core.tasks[name].stream,
            kind=decoder.kind,
            classes=known_names(decoder),
            same={} if asked is None else dict(asked.classes),
            forecast=any(
                name in path.through and not scenario.forecasters.isdisjoint(path.through)
                for path in scenario.paths.values()
            ),
        )
    streams = {
        name: StreamSize(
            width=facts.width if facts.kind == "camera" else 0,
            height=facts.height if facts.kind == "camera" else 0,
            shift_ns=shift_of(spec.drive, name),
        )
        for name, facts in assembled.facts.streams.items()
    }
    return ScoringFacts(tasks=tasks, streams=streams)


def known_names(decoder: OutputDecoder) -> tuple[str, ...]:
    """Names of the classes or masks that a decoder says it knows."""
    for attribute in ("classes", "names"):
        names = getattr(decoder, attribute, None)
        if isinstance(names, tuple | list):
            return tuple(str(name) for name in names)
    return ()


def score_outcome(directory: Path, assembled: Assembled, rows: Sequence[Row]) -> Accuracy:
    """Score a run whose drive is labelled, and keep the labels with it.

    What cannot be scored is told in a note: a run is not lost for it. Tasks whose network was never
    trained are left out, and the labels of their streams are not gathered.

    Raises:
        OSError: The disk is full.
    """
    facts = scoring_facts(assembled)
    truths: dict[str, StreamTruth] = {}
    notes: list[str] = []
    tasks = [name for name in facts.tasks if name not in assembled.untrained]
    for stream in dict.fromkeys(facts.tasks[name].stream for name in tasks):
        try:
            read = [facts.tasks[name] for name in tasks if facts.tasks[name].stream == stream]
            kinds = {task.kind for task in read}
            if any(task.forecast for task in read):
                kinds.add("forecasts")
            truth = _labels(assembled, stream, kinds)
        except InputError as err:
            notes.append(f"accuracy: {err}")
            continue
        if truth is not None:
            truths[stream] = truth
    if not truths:
        return Accuracy(notes=tuple(notes))
    (directory / LABELS).write_bytes(pack_truths(truths.values()))
    try:
        report = score_evidence(open_run(directory), truths, ScoreOptions(), tasks=tasks, rows=rows)
    except (ScoringError, InputError) as err:
        return Accuracy(notes=(*notes, f"accuracy: {err}"))
    notes += [f"accuracy: {task}: {why}" for task, why in report.unscored.items()]
    return Accuracy(scores=report.accuracy, notes=(*notes, *report.notes))


def _labels(assembled: Assembled, stream: str, kinds: Collection[str]) -> StreamTruth | None:
    """Labels of a stream, out of the cache where they were gathered before."""
    spec = assembled.spec
    frames = frames_of(spec.drive, stream, assembled.facts.streams[stream], kinds)
    cache = ResultCache(Path(spec.cache), optional=True)
    key = fingerprint(spec.drive, frames)
    held = cache.get(key)
    if held is not None and _PACKED in held:
        return unpack_truths(held[_PACKED].tobytes()).get(stream)
    truth = gather(spec.drive, frames)
    kept = pack_truths([] if truth is None else [truth])
    cache.put(key, {_PACKED: np.frombuffer(kept, np.uint8)})
    return truth


def require_scorable(assembled: Assembled) -> None:
    """Refuse gates on the accuracy of tasks whose stream has no labels that fit them.

    Raises:
        ScenarioError: A drive without labels, or a task that finds nothing that is labelled.
    """
    scenario, problems = assembled.loaded.scenario, []
    if not scenario.gates.accuracy:
        return
    facts = scoring_facts(assembled)
    first: dict[str, FrameLabels | None] = {}
    for name in scenario.gates.accuracy:
        task, at = facts.tasks[name], ("gates", "accuracy", name)
        if name in assembled.untrained:
            reason = "the task's network was never trained: it has no accuracy to be judged"
            problems.append(assembled.loaded.problem(at, reason))
            continue
        if task.stream not in first:
            drive, about = assembled.spec.drive, assembled.facts.streams[task.stream]
            first[task.stream] = first_label(drive, frames_of(drive, task.stream, about, ()))
        label = first[task.stream]
        if label is None:
            reason = (
                f"the drive has no labels of stream {task.stream!r} to be held against; leave the "
                "gate out, or score the run afterwards with --labels or --against"
            )
            problems.append(assembled.loaded.problem(at, reason))
            continue
        labelled = names_of(label, task.kind)
        if labelled is None:
            reason = f"the labels of stream {task.stream!r} have no {task.kind.replace('_', ' ')}"
            problems.append(assembled.loaded.problem(at, reason))
        elif task.classes and labelled:
            try:
                common_classes(name, task.classes, labelled, task.same)
            except ClassesError as err:
                problems.append(assembled.loaded.problem(at, str(err)))
    if problems:
        raise ScenarioError(problems)
