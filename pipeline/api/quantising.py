"""A task's network in int8: calibrated on its drive, what loses most kept in float32, compared."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from accelerators.backends.quantising import Scheme
    from pipeline.api.calls import Options
    from pipeline.runtime.spec import TaskSpec
    from pipeline.tasks.outputs.protocol import OutputDecoder, Result

    Array = NDArray[np.generic[object]]
    Feed = Mapping[str, Array]

SCHEMA = "splitway.quantize/1"
_MOST_FRAMES = 512
_DEBUG_FRAMES = 4  # all tensors of as many frames are held at once
_SCHEMES: tuple[Scheme, ...] = ("symmetric", "asymmetric")
_ROUNDS = (1, 2, 4, 8, 16, 32)
"""How many of the operators that lose most stay float32, tried in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One try.

    Attributes:
        scheme: Ranges of activations, symmetric about zero or not.
        kept: Operators that stayed float32.
        agreement: Mean agreement of the decoded results with float32's, 0 to 1.
        worst: Least agreement of a frame.
        off: Largest difference of an output over its largest value, mean over frames.
        bytes: Size of the file.
    """

    scheme: Scheme
    kept: tuple[str, ...]
    agreement: float
    worst: float
    off: float
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantised:
    """What quantising came to.

    Attributes:
        task: Name of the task.
        model: Its network, as the scenario names it.
        file: The file written.
        sha256: Its hash.
        chosen: The try that was written.
        rounds: All tries in order.
        aim: Agreement that was asked for.
        calibrated: Frames that ranges were found on.
        compared: Frames that results were compared on; none of the former.
        float_bytes: Size of the network in float32.
    """

    task: str
    model: str
    file: Path
    sha256: str
    chosen: Round
    rounds: tuple[Round, ...]
    aim: float
    calibrated: int
    compared: int
    float_bytes: int

    @property
    def reached(self) -> bool:
        """Whether the aim was reached."""
        return self.chosen.agreement >= self.aim


def quantize(
    scenario: Path,
    out: Path,
    *,
    task: str | None = None,
    options: Options | None = None,
    frames: int = 32,
    aim: float = 0.95,
    keep: Sequence[str] = (),
    force: bool = False,
    tell: Callable[[str], None] | None = None,
) -> Quantised:
    """Write a task's network in int8 (QDQ), and say how far its results are off float32's.

    Every second of the chosen frames finds the ranges, the others compare. Ranges symmetric about
    zero come first. While the results agree less than `aim`, asymmetric ones are tried, and then,
    with the better of the two, more and more of the operators that lose most stay float32; the
    first try that reaches the aim is written, else the best.

    Args:
        scenario: Names the drive, the network, and how frames become its input.
        out: File to write, NAME.onnx.
        task: Which task; may be left out where there is one.
        options: Settings over the scenario's.
        frames: How many frames of the drive to take, evenly spread.
        aim: Mean agreement with float32 to reach, 0 to 1.
        keep: Names of operators that stay float32 in any case.
        force: Whether a file that is there may be replaced.
        tell: Told what is being done, for people.

    Raises:
        InputError: The scenario is not valid, has no such task, or the file is there already.
        AcceleratorError: The network cannot be quantised.
    """
    from accelerators.backends.quantising import quantise
    from accelerators.backends.sensitivity import node_losses
    from pipeline.api.calls import Options as Chosen
    from pipeline.assembly.feeding import network_input
    from pipeline.tasks.outputs.registry import output_decoder

    say = tell or (lambda _: None)
    _check(out, frames=frames, aim=aim, force=force)
    chosen = options or Chosen()
    say("reading the drive")
    spec, model, name, arrays = _subject(scenario, chosen, task, frames)
    decoder = output_decoder(spec.decoder, spec.parameters)
    feeds = [network_input(spec, array) for array in arrays]
    ranges, rest = feeds[0::2], feeds[1::2]
    _check_kept(model, keep)
    say("float32")
    exact = [_run(model, feed) for feed in rest]
    results = [decoder.decode(outputs, spec.placement) for outputs in exact]
    rounds: list[Round] = []
    best: tuple[Round, bytes] | None = None
    with tempfile.TemporaryDirectory(prefix="splitway-") as folder:
        part = Path(folder) / "int8.onnx"

        def attempt(scheme: Scheme, kept: Sequence[str]) -> Round:
            nonlocal best
            say(f"int8, {scheme}, {len(kept)} operators in float32")
            quantise(model, part, ranges, kept=kept, scheme=scheme)
            found = _compared(part, scheme, kept, rest, exact, results, decoder, spec)
            rounds.append(found)
            if best is None or found.agreement > best[0].agreement:
                best = (found, part.read_bytes())
            return found

        for scheme in _SCHEMES:
            if attempt(scheme, keep).agreement >= aim:
                break
        assert best is not None  # noqa: S101 - there is a first round
        if best[0].agreement < aim:
            part.write_bytes(best[1])
            scheme = best[0].scheme
            losses = node_losses(model, part, ranges[:_DEBUG_FRAMES])
            losing = [loss.node for loss in losses if loss.node not in keep]
            for count in _ROUNDS:
                if count > len(losing) // 2:  # beyond, it is a float32 network in the main
                    break
                if attempt(scheme, [*keep, *losing[:count]]).agreement >= aim:
                    break
    out.write_bytes(best[1])
    return Quantised(
        task=spec.name,
        model=name,
        file=out,
        sha256=hashlib.sha256(best[1]).hexdigest(),
        chosen=best[0],
        rounds=tuple(rounds),
        aim=aim,
        calibrated=len(ranges),
        compared=len(rest),
        float_bytes=model.stat().st_size,
    )


def quantized_document(found: Quantised) -> dict[str, object]:
    """What quantising came to as a plain document, schema `splitway.quantize/1`."""
    return {
        "schema": SCHEMA,
        "task": found.task,
        "model": found.model,
        "file": str(found.file),
        "sha256": found.sha256,
        "aim": found.aim,
        "reached": found.reached,
        "calibrated_frames": found.calibrated,
        "compared_frames": found.compared,
        "float32_bytes": found.float_bytes,
        **_plain(found.chosen),
        "rounds": [_plain(each) for each in found.rounds],
    }


def _plain(found: Round) -> dict[str, object]:
    return {
        "activations": found.scheme,
        "kept": list(found.kept),
        "agreement": found.agreement,
        "worst_agreement": found.worst,
        "off": found.off,
        "bytes": found.bytes,
    }


def _check(out: Path, *, frames: int, aim: float, force: bool) -> None:
    if out.suffix != ".onnx":
        raise InputError(f"{out}: name the file NAME.onnx")
    if out.is_dir() or (out.exists() and not force):
        raise InputError(f"{out}: is there already; name another file, or add --force")
    if not out.parent.is_dir():
        raise InputError(f"{out}: there is no folder {out.parent}")
    if not 2 <= frames <= _MOST_FRAMES:  # noqa: PLR2004 - one for the ranges, one to compare
        raise InputError(f"--frames must lie between 2 and {_MOST_FRAMES}, got {frames}")
    if not 0 < aim <= 1:
        raise InputError(f"--aim must lie above 0 and be at most 1, got {aim:g}")


def _subject(
    scenario: Path, options: Options, task: str | None, frames: int
) -> tuple[TaskSpec, Path, str, list[Array]]:
    """The task, its network as it is optimised for runs, its name, and frames of its stream."""
    from pipeline.assembly.drives import build_drive
    from pipeline.assembly.models import load_model
    from pipeline.assembly.tasks import task_spec
    from pipeline.graph import is_quantised
    from pipeline.runtime.results import default_cache
    from pipeline.scenario import load_scenario

    loaded = load_scenario(scenario, overrides=options.overrides)
    tasks = {
        name: wanted
        for name, wanted in loaded.scenario.tasks.items()
        if name not in loaded.scenario.forecasters
    }
    if task is None and len(tasks) == 1:
        task = next(iter(tasks))
    if task is None or task not in tasks:
        known = ", ".join(tasks)
        raise InputError(
            f"{scenario}: name one of its tasks with --task: {known}"
            if task is None
            else f"{scenario}: has no task {task!r} to quantise; it has {known}"
        )
    wanted = tasks[task]
    drive = build_drive(
        loaded,
        seed=loaded.scenario.run.seed if options.seed is None else options.seed,
        allow_outside=options.allow_outside,
    )
    model = load_model(
        wanted,
        next(iter(wanted.variants.values())),
        beside=loaded.path,
        directory=default_cache() / "models",
        allow_outside=options.allow_outside,
    )
    if is_quantised(model.graph):
        raise InputError(f"{model.name}: is quantised already")
    spec = task_spec(task, model, drive.facts.streams[wanted.input.stream])
    return spec, model.graph.path, model.name, drive.calibration(wanted.input.stream, frames)


def _check_kept(model: Path, keep: Sequence[str]) -> None:
    from pipeline.graph import load_graph

    names = {op.name for op in load_graph(model).operators}
    missing = [name for name in keep if name not in names]
    if missing:
        raise InputError(f"--keep: the network has no operator {missing[0]!r}")


def _run(model: Path, feed: Feed) -> dict[str, Array]:
    from accelerators.backends.ort import run_once

    return run_once(model, feed, optimise=False)


def _compared(
    model: Path,
    scheme: Scheme,
    kept: Sequence[str],
    feeds: Sequence[Feed],
    exact: Sequence[Mapping[str, Array]],
    results: Sequence[Result],
    decoder: OutputDecoder,
    spec: TaskSpec,
) -> Round:
    import numpy as np

    from pipeline.errors import OutputContractError

    scores, offs = [], []
    for feed, true, reference in zip(feeds, exact, results, strict=True):
        found = _run(model, feed)
        try:
            result = decoder.decode(found, spec.placement)
        except OutputContractError:  # as a run would refuse it, such as a score above 1
            scores.append(0.0)
        else:
            scores.append(decoder.agreement(result, reference))
        offs.append(max(_off(found[name], true[name]) for name in true))
    return Round(
        scheme=scheme,
        kept=tuple(kept),
        agreement=float(np.mean(scores)),
        worst=float(np.min(scores)),
        off=float(np.mean(offs)),
        bytes=model.stat().st_size,
    )


def _off(found: Array, true: Array) -> float:
    import numpy as np

    exact = true.astype(np.float64)
    largest = float(np.abs(exact).max(initial=0.0)) or 1.0
    return float(np.abs(found.astype(np.float64) - exact).max(initial=0.0)) / largest
