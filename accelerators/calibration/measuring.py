"""Times of whole networks on a real backend, and of their layers where it is ONNX Runtime's own.

Whole runs are timed through the backend as a live run uses it. Layers are timed by ONNX Runtime's
profile of the CPU, which inflates a run; so a layer's time is its share of the profiled kernels,
scaled to the whole run less what the kernels leave of it.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, cast

import numpy as np

from accelerators.backends.ort import open_model
from accelerators.calibration.published import Figure
from accelerators.errors import BackendRunError
from accelerators.models.facts import Role, facts
from accelerators.work import SegmentWork

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from accelerators.device import Backend, TensorSpec
    from accelerators.work import Precision

    Array = NDArray[np.generic[object]]

LEAST_RUNS, MOST_RUNS = 5, 200
_WARM_UP = 2
_BUDGET_NS = 2_000_000_000  # of runs of one network, once there are LEAST_RUNS
_RUN_TIMEOUT_NS = 600_000_000_000
_NS_PER_US = 1000
_KERNEL = "_kernel_time"
# A layer below has more of the clock's and the profile's own cost in it than of its work.
_LEAST_LAYER_NS, _LEAST_SHARE = 20_000, 0.005
_SEED = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Times of one network.

    Attributes:
        model: Its name.
        total_ns: Median of whole runs.
        runs_ns: Every whole run after the warm-up, in order.
        layers_ns: Time of each operator by name, as part of `total_ns`; empty without a profile.
    """

    model: str
    total_ns: int
    runs_ns: tuple[int, ...]
    layers_ns: Mapping[str, int]


def measure(model: str, path: Path, backend: Backend, *, profile: bool) -> Measured:
    """Time a network; the backend must not have loaded anything yet, and is closed afterwards.

    Args:
        model: Name for the result.
        path: The network as it is to run, optimised before.
        backend: Runs it.
        profile: Whether to time its operators on ONNX Runtime's CPU provider as well.

    Raises:
        ModelLoadError: It does not load.
        BackendRunError: A run failed.
    """
    try:
        backend.load(path)
        inputs = random_inputs(backend.describe().inputs)
        runs_ns = _whole(backend, inputs)
    finally:
        backend.close()
    total_ns = round(median(runs_ns))
    layers_ns: dict[str, int] = {}
    if profile:
        kernels = _kernels(path, inputs, min(len(runs_ns), 20))
        scale = min(1.0, total_ns / max(1.0, sum(kernels.values())))
        layers_ns = {name: round(time_ns * scale) for name, time_ns in kernels.items()}
    return Measured(model=model, total_ns=total_ns, runs_ns=runs_ns, layers_ns=layers_ns)


def layer_figures(
    measured: Measured, work: SegmentWork, precision: Precision
) -> tuple[tuple[Figure, ...], dict[str, SegmentWork]]:
    """Figures of a network's layers, each with what is fused into it; and the work of each.

    Operators that the model prices as free take time on a CPU: that belongs to the layer before.
    Layers below 20 µs or half a per cent of the run are left out.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    last: str | None = None
    found = facts(work.ops)
    for index, (op, fact) in enumerate(zip(work.ops, found, strict=True)):
        if fact.role is Role.FREE:
            root = last
        elif fact.fused_into is not None:
            root = fact.fused_into
        else:
            root = last = op.name
        if root is not None:
            groups[root].append(index)
    figures, works = [], {}
    for root, indices in groups.items():
        ops = tuple(work.ops[index] for index in indices)
        time_ns = sum(measured.layers_ns.get(op.name, 0) for op in ops)
        if time_ns < max(_LEAST_LAYER_NS, _LEAST_SHARE * measured.total_ns):
            continue
        name = f"{measured.model}#{root}"
        works[name] = SegmentWork(name=name, ops=ops, input_elements=0, output_elements=0)
        figures.append(Figure(graph=name, precision=precision, time_ns=time_ns, part=True))
    return tuple(figures), works


def random_inputs(specs: tuple[TensorSpec, ...]) -> dict[str, Array]:
    """Inputs to time with: floats between 0 and 1, whole numbers 0; free sides 1.

    Zeros throughout would time a network of denormal numbers, which a CPU is slow at.
    """
    rng = np.random.default_rng(_SEED)
    made: dict[str, Array] = {}
    for spec in specs:
        shape = tuple(max(1, side) for side in spec.shape)
        if np.dtype(spec.dtype).kind == "f":
            made[spec.name] = rng.uniform(0, 1, shape).astype(spec.dtype)
        else:
            made[spec.name] = np.zeros(shape, spec.dtype)
    return made


def jitter_sigma_ppm(measured: Mapping[str, Measured]) -> int:
    """Spread of a run about its network's median: half of the middle 68 % in log, ppm."""
    logs = [
        np.log(np.array(each.runs_ns, np.float64) / max(1, each.total_ns))
        for each in measured.values()
    ]
    low, high = np.quantile(np.concatenate(logs), [0.16, 0.84])
    return min(1_000_000, round(float(high - low) / 2 * 1_000_000))


def _whole(backend: Backend, inputs: Mapping[str, Array]) -> tuple[int, ...]:
    runs_ns: list[int] = []
    for number in range(_WARM_UP + MOST_RUNS):
        completion = backend.wait(backend.submit(inputs), timeout_ns=_RUN_TIMEOUT_NS)
        if completion is None or completion.outputs is None:
            reason = "no answer in time" if completion is None else completion.failure
            raise BackendRunError("measuring", str(reason))
        if number >= _WARM_UP:
            runs_ns.append(max(1, completion.ended_ns - completion.began_ns))
        if len(runs_ns) >= LEAST_RUNS and sum(runs_ns) >= _BUDGET_NS:
            break
    return tuple(runs_ns)


def _kernels(path: Path, inputs: Mapping[str, Array], runs: int) -> dict[str, float]:
    """Median time (ns) of every kernel over some runs, by the name of its node."""
    with tempfile.TemporaryDirectory(prefix="splitway-") as folder:
        engine = open_model(path, level="none", profile=Path(folder) / "profile")
        for _ in range(runs):
            engine.begin().run(inputs)
        events = cast("list[dict[str, object]]", json.loads(engine.profiled().read_text("utf-8")))
    times: dict[str, list[int]] = defaultdict(list)
    for event in events:
        name, took = str(event.get("name", "")), event.get("dur")
        if event.get("cat") == "Node" and name.endswith(_KERNEL) and isinstance(took, int):
            times[name.removesuffix(_KERNEL)].append(took * _NS_PER_US)
    return {name: float(median(each)) for name, each in times.items()}
