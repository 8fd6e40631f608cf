"""Writing a host file for this machine, from what a live run's stages and hops cost."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.api.calls import CUT, Options, Silent, check
from pipeline.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from accelerators.calibration.hosts import StageMeasured
    from accelerators.models.host import HostDevice
    from pipeline.api.calls import Observer, Result
    from pipeline.assembly import Assembled
    from pipeline.verdict.agreement_costs import Cost

_LEAST_SEEN = 20
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,62}")
_NAMED_AFTER_DECODER = ("post", "deliver")
_INTERRUPTED, _INFRASTRUCTURE = 130, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCalibration:
    """What a calibration of this machine's host came to.

    Attributes:
        file: The host file; not written where `exit_code` is not 0.
        old: Name of the host file that its curves were taken from.
        costs: What was measured.
        result: The live run that it was measured in.
        exit_code: 0, 4 where the run broke down, 130 where it was stopped.
    """

    file: Path
    old: str
    costs: Sequence[Cost]
    result: Result
    exit_code: int


def calibrate_host(
    file: Path,
    *,
    scenario: Path | None = None,
    options: Options | None = None,
    out: Path | None = None,
    force: bool = False,
    observer: Observer | None = None,
) -> HostCalibration:
    """Run a scenario live, and write a host file with what stages and hops cost in that run.

    Args:
        file: Where to write; its name without `.toml` becomes the host's id.
        scenario: What to run; a built-in one where left out. Stages that it does not use are
            raised as those that it does, and called assumed.
        options: Settings over the scenario's.
        out: Directory of the run's evidence; a new one under `runs/` where left out.
        force: Whether a file that is there may be replaced.
        observer: Told how the run gets on.

    Raises:
        InputError: The file is there, its name is no id, the scenario is not valid, or the run
            was too short: no stage, or no hop, used 20 times. What was used less is left out.
        OSError: The file cannot be written.
        ReplayError: The evidence directory cannot be made.
        InfrastructureError: A node did not start.
    """
    from accelerators.calibration.hosts import calibrated, host_toml
    from pipeline.api.replaying import replay_scenario
    from pipeline.assembly.equipment import REFERENCE, host_named
    from replay.evidence import write_bytes

    _check_file(file, force=force)
    watcher, chosen = observer or Silent(), options or Options()
    watcher.stage("plan")
    assembled = check(scenario or CUT, chosen)
    watcher.assembled(assembled)
    site = assembled.loaded.scenario.sites["vehicle"]
    name = REFERENCE if site is None else site.host
    old = host_named(name, assembled.loaded, allow_outside=chosen.allow_outside)
    result = replay_scenario(assembled, virtual=False, out=out, annotate=False, observer=watcher)
    code = _INFRASTRUCTURE if result.failure is not None else 0
    if not code and result.document["partial"]:
        code = _INTERRUPTED
    costs = _costs(assembled, result)
    if not code:
        enough = [cost for cost in costs if cost.seen >= _LEAST_SEEN]
        stages, hops = _stages(assembled, old, enough), _hops(enough)
        if not stages or not hops:
            most = max((c.seen for c in costs), default=0)
            raise InputError(
                f"the run used its stages and hops {most} times at most; at least {_LEAST_SEEN} "
                "are needed for a median: take a longer drive, as with --set run.loop=4"
            )
        spec = calibrated(
            old.spec,
            name=file.stem,
            machine=_machine(result),
            source=f"measured live in {assembled.loaded.scenario.name}, "
            f"{min(c.seen for c in enough)} to {max(c.seen for c in enough)} times each",
            stages=stages,
            hops=hops,
            spreads=[c.high_ns / c.live_ns for c in enough if c.live_ns],
        )
        write_bytes(file, host_toml(spec))
    return HostCalibration(file=file, old=name, costs=costs, result=result, exit_code=code)


def _check_file(file: Path, *, force: bool) -> None:
    if file.suffix != ".toml" or not _NAME.fullmatch(file.stem):
        raise InputError(
            f"{file}: name the file NAME.toml, NAME being of small letters, digits, dots and "
            "hyphens: it becomes the host's id"
        )
    if file.is_dir() or (file.exists() and not force):
        raise InputError(f"{file}: is there already; name another file, or add --force")
    if not file.parent.is_dir():
        raise InputError(f"{file}: there is no folder {file.parent}")


def _costs(assembled: Assembled, result: Result) -> list[Cost]:
    from pipeline.runtime.journal import read_journal
    from pipeline.verdict.agreement_costs import Costs
    from replay.evidence import RunDirectory

    costs = Costs(assembled.spec.core, assembled.spec.hops)
    for log in sorted(RunDirectory.open(result.directory).event_logs.glob("*.jsonl")):
        costs.begin()
        for _, entry in read_journal(log):
            costs.see(entry)
    return costs.found()


def _stages(
    assembled: Assembled, old: HostDevice, costs: Sequence[Cost]
) -> dict[str, list[StageMeasured]]:
    """Uses of stages by the curve that prices them."""
    from accelerators.calibration.hosts import StageMeasured

    found: dict[str, list[StageMeasured]] = {}
    for cost in costs:
        if cost.step is None:
            continue
        names = [old.curve_of(name) for name in _names(assembled, cost, cost.step)]
        more_ns = (cost.live_ns - cost.modelled_ns) // len(names)
        predicted_ns = cost.modelled_ns // len(names)
        use = StageMeasured(predicted_ns=predicted_ns, live_ns=predicted_ns + more_ns)
        for name in set(names):
            found.setdefault(name, []).append(use)
    return found


def _hops(costs: Sequence[Cost]) -> dict[str, list[tuple[int, int]]]:
    """Sizes and times of hops, by what they carry."""
    from pipeline.verdict.agreement_costs import CARRIED_BY

    found: dict[str, list[tuple[int, int]]] = {}
    for cost in costs:
        if cost.step is None:
            use = (cost.size_bytes or 0, cost.live_ns)
            found.setdefault(CARRIED_BY[cost.where], []).append(use)
    return found


def _names(assembled: Assembled, cost: Cost, step: int) -> list[str]:
    """What a stage is called in host files: with its codecs, or its task's decoder."""
    from pipeline.plan.steps import Move
    from pipeline.planner.coding import carrying_curve

    spec = assembled.spec
    steps = spec.core.tasks[cost.task].steps
    near = [s.step for s in steps if step in s.after] if cost.what == "pack" else []
    if cost.what == "unpack":
        near = [steps[i].step for i in steps[step].after]
    codecs = [codec for move in near if isinstance(move, Move) for codec in move.codecs]
    if codecs:
        return [carrying_curve(cost.what, codec) for codec in codecs]
    if cost.what in _NAMED_AFTER_DECODER:
        task = spec.tasks.get(cost.task)
        return [f"{cost.what}:{'fused' if task is None else task.decoder}"]
    return [cost.what]


def _machine(result: Result) -> str:
    env = json.loads((result.directory / "env.json").read_text("utf-8"))
    cpu = env["cpu"]
    return (
        f"{cpu['usable_cores']} cores of {cpu['model'] or 'an unknown processor'}; "
        f"{env['system']}, Python {env['python']}"
    )
