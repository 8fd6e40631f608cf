"""A scenario in virtual time and live, side by side: do the two agree?"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.api.calls import RUNS, Options, Silent, check
from pipeline.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.api.calls import Observer, Result
    from pipeline.assembly import Assembled
    from pipeline.verdict.agreement import PathAgreement, Tolerances
    from pipeline.verdict.agreement_costs import Cost, Costs
    from pipeline.verdict.agreement_document import AgreementDocument
    from pipeline.verdict.agreement_noise import Lateness, Noise

AGREEMENT = "agreement.json"
VIRTUAL = "virtual"
_INFRASTRUCTURE, _INTERRUPTED = 4, 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What a virtual and a live run of a scenario came to, compared.

    Attributes:
        document: All figures, as `agreement.json` holds them.
        directory: Where the evidence lies: `agreement.json` and a directory for each run.
        results: The runs, by the name of their directory; the virtual one is `virtual`.
        failure: Why a run broke down; None when none did.
        exit_code: 0 agreed, 1 outside a tolerance, 3 not to be said, 4 a run broke down, 130
            stopped.
    """

    document: AgreementDocument
    directory: Path
    results: Mapping[str, Result]
    failure: str | None
    exit_code: int


def agree(
    scenario: Path,
    options: Options | None = None,
    *,
    repeats: int = 2,
    tolerances: Tolerances | None = None,
    out: Path | None = None,
    observer: Observer | None = None,
) -> Agreement:
    """Run a scenario in virtual time and live, with one plan and the same draws, and compare.

    Args:
        scenario: The scenario file.
        options: Settings over the file's.
        repeats: Live runs, at least one; two or more tell what the host adds from run to run.
        tolerances: How far live figures may lie from modelled ones.
        out: Directory of the evidence; a new one under `runs/` where left out.
        observer: Told how it gets on; each run begins as a stage of its name.

    Raises:
        InputError: The scenario is not valid, or there are fewer than one repeats.
        ReplayError: The directory cannot be made.
        InfrastructureError: A node did not start.
    """
    from pipeline.api.replaying import replay_scenario
    from pipeline.verdict import agreement
    from replay.evidence import write_json, write_manifest

    if repeats < 1:
        raise InputError(f"--repeats: at least one live run is compared, got {repeats}")
    watcher = observer or Silent()
    allowed = tolerances or agreement.Tolerances()
    watcher.stage("plan")
    assembled = check(scenario, options or Options())
    watcher.assembled(assembled)
    directory = _directory(assembled, out)
    names = [VIRTUAL, *(f"live-{number}" for number in range(1, repeats + 1))]
    results: dict[str, Result] = {}
    for name in names:
        watcher.stage(name)
        result = replay_scenario(
            assembled,
            virtual=name == VIRTUAL,
            out=directory / name,
            annotate=False,
            observer=watcher,
        )
        results[name] = result
        if result.failure is not None or result.document["partial"]:
            break
    watcher.stage("judge")
    failure = next((r.failure for r in results.values() if r.failure is not None), None)
    partial = any(result.document["partial"] for result in results.values())
    document = _document(assembled, results, allowed, directory, partial=partial)
    write_json(directory / AGREEMENT, document)
    write_manifest(directory)
    code = {"pass": 0, "fail": 1, "inconclusive": 3}[document["verdict"]]
    if failure is not None:
        code = _INFRASTRUCTURE
    elif partial:
        code = _INTERRUPTED
    return Agreement(
        document=document,
        directory=directory,
        results=results,
        failure=failure,
        exit_code=code,
    )


def _directory(assembled: Assembled, out: Path | None) -> Path:
    """A new or empty directory.

    Raises:
        RunDirectoryError: It cannot be made, or holds something already.
    """
    from replay.evidence import RunDirectoryError

    otherwise = "name another directory with --out, or mend this one"
    name = f"{assembled.loaded.scenario.name}-agree-{assembled.spec.seed}"
    for number in itertools.count(1):
        path = out or RUNS / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir(parents=True, exist_ok=out is not None)
        except FileExistsError as err:
            if out is None:
                continue
            raise RunDirectoryError(path, "it is no directory", otherwise) from err
        except OSError as err:
            raise RunDirectoryError(path, err.strerror or str(err), otherwise) from err
        if any(path.iterdir()):
            raise RunDirectoryError(path, "it is not empty", otherwise)
        return path
    raise AssertionError("counting does not end")


def _document(
    assembled: Assembled,
    results: Mapping[str, Result],
    tolerances: Tolerances,
    directory: Path,
    *,
    partial: bool,
) -> AgreementDocument:
    from pipeline.verdict.agreement import compare_path
    from pipeline.verdict.agreement_document import agreement_document
    from pipeline.verdict.statistics import CONFIDENCE

    spec = assembled.spec
    live = {name: result for name, result in results.items() if name != VIRTUAL}
    paths: list[PathAgreement] = []
    noise: list[Noise] = []
    costs: list[Cost] = []
    if not partial:
        paths = [
            compare_path(
                results[VIRTUAL].ledger,
                [result.ledger for result in live.values()],
                path.name,
                tolerances,
                seed=spec.seed,
            )
            for path in spec.core.paths
        ]
        limit_ns = _limit_ns(paths, tolerances)
        noise, costs = _conditions(assembled, live, directory, limit_ns)
    kinds = (
        {path["name"]: path["kind"] for path in next(iter(live.values())).document["paths"]}
        if (live)
        else {}
    )
    notes = dict.fromkeys(
        f"{name}: {note}" for name, result in results.items() for note in result.notes
    )
    return agreement_document(
        scenario=assembled.loaded.scenario.name,
        seed=spec.seed,
        partial=partial,
        runs={name: result.ledger.driver for name, result in results.items()},
        tolerances=tolerances,
        confidence=CONFIDENCE,
        noise=noise,
        paths=paths,
        live_kinds=kinds,
        costs=costs,
        notes=list(notes),
    )


def _limit_ns(paths: list[PathAgreement], tolerances: Tolerances) -> float:
    """How late the host may be at p99: the p99 tolerance, of the quickest path's median."""
    medians = [path.percentiles[0].virtual_ns for path in paths]
    return tolerances.p99 * min((m for m in medians if m is not None), default=0.0)


def _read(directory: Path, name: str, lateness: Lateness, costs: Costs | None) -> None:
    """Read the event logs of a run, once, for all that is wanted of them."""
    from pipeline.runtime.journal import read_journal
    from replay.evidence import RunDirectory

    for log in sorted(RunDirectory.open(directory / name).event_logs.glob("*.jsonl")):
        if costs is not None:
            costs.begin()
        for _, entry in read_journal(log):
            lateness.see(entry)
            if costs is not None:
                costs.see(entry)


def _conditions(
    assembled: Assembled, live: Mapping[str, Result], directory: Path, limit_ns: float
) -> tuple[list[Noise], list[Cost]]:
    """How quiet the host was in each live run, and what its stages and hops cost in all."""
    from pipeline.verdict.agreement_costs import Costs
    from pipeline.verdict.agreement_noise import Lateness, noise_of

    virtual = Lateness()
    _read(directory, VIRTUAL, virtual, None)
    costs = Costs(assembled.spec.core, assembled.spec.hops)
    noise: list[Noise] = []
    for name, result in live.items():
        lateness = Lateness()
        _read(directory, name, lateness, costs)
        tails_ns = lateness.tails_ns(virtual)
        noise += noise_of(name, tails_ns, result.document, limit_ns=limit_ns)
    return noise, costs.found()
