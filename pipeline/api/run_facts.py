"""What of a run its verdict is made from, beside the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelerators.work import weakest
from pipeline.plan.steps import Move, Run
from pipeline.planner.pricing import label_of
from pipeline.verdict import Conditions, DeviceFacts, RunFacts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.assembly import Assembled
    from pipeline.runtime.core.config import PathConfig
    from pipeline.runtime.outcome import Outcome
    from pipeline.runtime.timing import Bias
    from pipeline.verdict import Verdict


def tasks_of(assembled: Assembled, path: PathConfig) -> tuple[str, ...]:
    """Tasks whose networks a path goes through, the anchor's first."""
    return assembled.spec.fused.get(path.task, (path.task,))


def run_facts(
    assembled: Assembled,
    outcome: Outcome,
    at_bias: Mapping[str, Mapping[Bias, Verdict]] | None,
    *,
    evidence_complete: bool,
    images: str,
) -> RunFacts:
    """Devices, hosts, labels, conditions and predictions of a run.

    Args:
        assembled: What ran.
        outcome: How it went.
        at_bias: Verdict of each path at each end of the devices' bias; None in a live run.
        evidence_complete: Whether all evidence was written.
        images: What pictures were kept.
    """
    spec, scenario = assembled.spec, assembled.loaded.scenario
    labels = {
        path.name: weakest(
            *(
                label_of((task := assembled.plan.task(name)).candidates[task.run].label)
                for name in tasks_of(assembled, path)
            )
        )
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
            DeviceFacts(
                name=d.name,
                id=d.id,
                label=d.label,
                compute=d.compute or None,
                computes={s.name: s.computes for s in spec.segments_on(d.name) if s.computes},
            )
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
            full_speed=spec.full_speed,
        ),
        verdict_at_bias=at_bias,
        images=images,
        predicted={
            path.name: assembled.plan.predicted[path.task]
            for path in spec.core.paths
            if path.task in assembled.plan.predicted
        },
        percentile=assembled.plan.percentile,
    )


def _measured(assembled: Assembled) -> frozenset[str]:
    """Paths whose route neither crosses the link nor runs on an emulated device."""
    spec = assembled.spec
    return frozenset(
        path.name
        for path in spec.core.paths
        if all(
            not isinstance(step.step, Move)
            and (not isinstance(step.step, Run) or spec.devices[step.step.device].real)
            for task in tasks_of(assembled, path)
            for step in spec.core.tasks[task].steps
        )
    )


def _not_selected(paths: Sequence[PathConfig], played: Mapping[str, int]) -> dict[str, int]:
    return {
        path.name: sum(not path.selects(number) for number in range(played.get(path.stream, 0)))
        for path in paths
    }
