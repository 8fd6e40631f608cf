"""What networks compute on devices that know int8 alone: a shipped form, or one made of the drive.

A network of float32 is put into int8 (QDQ, asymmetric ranges) with frames of the scenario's own
drive, once for the whole network: ranges of tensors behind a cut are those that the part before it
makes in float32. Parts are cut out of the result (`pipeline.graph.counterparts`). It is kept beside
the cut models under a hash of network, frames, task and tool, and made again when that changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from accelerators.backends.ort import run_once
from accelerators.backends.quantising import quantise
from accelerators.errors import AcceleratorError, ModelLoadError
from pipeline.assembly.feeding import network_input
from pipeline.assembly.models import int8_beside, load_model
from pipeline.errors import InputError, ModelError, OutputContractError
from pipeline.graph import differs, is_quantised, load_graph
from pipeline.planner.subjects import Int8
from pipeline.runtime.results import content_key
from pipeline.tasks.outputs.registry import output_decoder
from pipeline.values import to_plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from accelerators.backends.quantising import Scheme
    from pipeline.assembly.drives import BuiltDrive
    from pipeline.assembly.equipment import Equipment
    from pipeline.assembly.models import LoadedModel
    from pipeline.graph.model import Graph
    from pipeline.runtime.spec import TaskSpec
    from pipeline.scenario.loading import LoadedScenario

    Array = NDArray[np.generic[object]]
    Feed = Mapping[str, Array]

SCHEME: Scheme = "asymmetric"
"""Ranges from least to largest value: quick to find, and fit for what is mostly positive."""

_FORMAT = 1  # part of every file name: raise it when the same network would be quantised otherwise
_DECODED_FRAMES = 4  # results of as many frames are decoded, so that a run will not refuse them
_UNFINISHED = ".int8-"
_SWEEP_AFTER_NS = 3_600_000_000_000  # no quantising takes an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is said of a variant on devices that know int8 alone.

    Attributes:
        task: Name of the task.
        variant: Name of the variant.
        computes: How each device computes it, by name, for people.
    """

    task: str
    variant: str
    computes: Mapping[str, str]

    def __str__(self) -> str:
        """One sentence a way of computing."""
        ways: dict[str, list[str]] = {}
        for device, words in sorted(self.computes.items()):
            ways.setdefault(words, []).append(device)
        return "; ".join(
            f"{self.variant} on {', '.join(devices)} computes {words}"
            for words, devices in ways.items()
        )


class Numerics:
    """Settles for each variant of the tasks what it computes on devices that know int8 alone.

    Attributes:
        told: What was settled, in order.
        warnings: Where a device knows int8 alone and float32 is computed all the same, and why.
    """

    def __init__(
        self,
        loaded: LoadedScenario,
        drive: BuiltDrive,
        equipment: Equipment,
        *,
        directory: Path,
        allow_outside: bool,
    ) -> None:
        self._loaded, self._drive, self._wanted = loaded, drive, equipment.numerics
        self._directory, self._allow_outside = directory, allow_outside
        self._frames: dict[str, list[Array]] = {}
        self.told: list[Told] = []
        self.warnings: list[str] = []

    def of(self, task: str, variant: str, spec: TaskSpec, model: LoadedModel) -> Int8 | None:
        """What a variant computes on such devices; None where that is what its file has.

        Args:
            task: Name of the task.
            variant: Name of the variant.
            spec: How its frames become its input, and its outputs a result.
            model: Its network.

        Raises:
            InputError: The drive is corrupt where a frame was drawn.
        """
        allowed = self._loaded.scenario.tasks[task].devices
        found = {
            name: wanted
            for name, wanted in self._wanted.items()
            if allowed is None or name in allowed
        }
        if not found or model.timing_only or is_quantised(model.graph):
            return None
        words = dict.fromkeys(found, "float32, as `numerics` has it, and is priced in int8")
        takers = sorted(name for name, wanted in found.items() if wanted == "int8")
        graph, identity = None, ""
        if takers:
            graph, identity, how = self._form(task, variant, spec, model, takers)
            words |= dict.fromkeys(takers, how)
        self.told.append(Told(task=task, variant=variant, computes=words))
        return Int8(
            graph=graph,
            id=identity,
            devices=frozenset(takers if graph is not None else ()),
            words=words,
        )

    def _form(
        self, task: str, variant: str, spec: TaskSpec, model: LoadedModel, takers: Sequence[str]
    ) -> tuple[Graph | None, str, str]:
        """The network in int8, what it is from and how it came to be; or nothing and why."""
        asked = [n for n in takers if self._loaded.scenario.devices[n].numerics == "int8"]
        if model.untrained and not asked:
            return None, "", "float32, since it was never trained, and is priced in int8"
        shipped = self._shipped(task, variant, model)
        if shipped is not None:
            return shipped.graph, shipped.sha256, f"int8, as {shipped.name} is shipped"
        reason = ""
        try:
            if model.stateful:
                reason = "its answers hang on what it saw before, which single frames do not show"
            else:
                feeds = [network_input(spec, data) for data in self._calibration(task)]
                made = quantised(model.graph, spec, feeds, self._directory)
                if isinstance(made, str):
                    reason = made
                else:
                    how = f"int8, quantised from {len(feeds)} frames of the drive"
                    return made, made_from(model.graph, spec, feeds), how
        except OSError as err:
            reason = f"{self._directory} cannot be written: {err.strerror}"
        at = ("tasks", task, "variants", variant, "model")
        why = "is to compute int8" if asked else "takes int8 alone"
        text = (
            f"{', '.join(takers)} {why}, and this network computes float32 there: "
            f"{reason}; its times are int8's, its results float32's"
        )
        self.warnings.append(str(self._loaded.problem(at, text)))
        return None, "", f"float32, and is priced in int8: {reason}"

    def _shipped(self, task: str, variant: str, model: LoadedModel) -> LoadedModel | None:
        """The int8 form that is shipped beside a built-in model, where it fits all its parts."""
        wanted = self._loaded.scenario.tasks[task]
        beside = int8_beside(wanted.variants[variant])
        if beside is None:
            return None
        try:
            found = load_model(
                wanted,
                beside,
                beside=self._loaded.path,
                directory=self._directory,
                allow_outside=self._allow_outside,
            )
        except InputError:  # does not read what the task says; then it is quantised like others
            return None
        return None if differs(model.graph, found.graph) else found

    def _calibration(self, task: str) -> list[Array]:
        wanted = self._loaded.scenario.tasks[task]
        stream, count = wanted.input.stream, wanted.calibration_frames
        key = f"{stream}/{count}"
        if key not in self._frames:
            self._frames[key] = self._drive.drawn(stream, count)
        return self._frames[key]


def quantised(graph: Graph, spec: TaskSpec, feeds: Sequence[Feed], directory: Path) -> Graph | str:
    """A network in int8, with ranges from these inputs; made where it is not there yet.

    The file appears whole or not at all; why there is none is kept like a file.

    Args:
        graph: The network, of float32, as it runs.
        spec: How its outputs are decoded.
        feeds: Inputs by name.
        directory: Where it is kept; made if missing.

    Returns:
        The network in int8, all tensors of the other named alike; or why there is none.

    Raises:
        OSError: It cannot be written.
    """
    if not feeds:
        return "the drive has no frame to find ranges on"
    stem = f"{graph.path.stem[:24]}-{made_from(graph, spec, feeds)}"
    path, refused = directory / f"{stem}-int8.onnx", directory / f"{stem}-int8.why"
    with contextlib.suppress(ModelError):  # none yet, or one that a disk has damaged
        return load_graph(path)
    if refused.is_file():
        return refused.read_text(encoding="utf-8")
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=directory) as folder:
        _sweep(directory, now_ns=Path(folder).stat().st_mtime_ns)
        part, note = Path(folder) / path.name, Path(folder) / refused.name
        reason = _made(graph, spec, feeds, part)
        if reason:
            note.write_text(reason, encoding="utf-8")
            note.replace(refused)
            return reason
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    return load_graph(path)


def _made(graph: Graph, spec: TaskSpec, feeds: Sequence[Feed], to: Path) -> str:
    """Quantise and try it; why it is of no use, or nothing."""
    try:
        quantise(graph.path, to, feeds, scheme=SCHEME)
        found = load_graph(to)
        reason = differs(graph, found)
        if reason:
            return f"in int8, {reason}"
        decoder = output_decoder(spec.decoder, spec.parameters)
        for feed in feeds[:: max(1, len(feeds) // _DECODED_FRAMES)]:
            outputs = run_once(to, feed, optimise=False)
            if not all(np.isfinite(np.asarray(o, np.float64)).all() for o in outputs.values()):
                return "in int8, its outputs are no numbers"
            decoder.decode(outputs, spec.placement)
    except (ModelLoadError, ModelError) as err:
        return f"it cannot be quantised: {err.reason}"
    except (AcceleratorError, OutputContractError) as err:
        return f"in int8, its outputs cannot be decoded: {err}"
    return ""


def made_from(graph: Graph, spec: TaskSpec, feeds: Sequence[Feed]) -> str:
    """Hash of all that could change what quantising makes, or says of it: 32 digits.

    Two machines may round a range otherwise in its last bit; of what they make this is the same.
    """
    what = {
        "format": _FORMAT,
        "scheme": SCHEME,
        "model": graph.sha256,
        "task": to_plain(spec),
        "tools": [version("onnxruntime"), version("onnx")],
    }
    maker = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
    inputs = {f"{number:04}/{n}": a for number, f in enumerate(feeds) for n, a in f.items()}
    return content_key(maker, inputs)


def _sweep(directory: Path, *, now_ns: int) -> None:
    """Remove what killed writers have left, once it is an hour old by the disk's clock."""
    for left in directory.glob(f"{_UNFINISHED}*"):
        with contextlib.suppress(OSError):  # another one removes it too
            if now_ns - left.stat().st_mtime_ns > _SWEEP_AFTER_NS:
                shutil.rmtree(left)
