"""Split inference: head and tail, one after the other, against one run of the whole network.

Two ways to cut, both on one thread of ONNX Runtime:

* *optimised first*: the whole is optimised once at level `all`, the saved graph is cut, head and
  tail run as they are; the rival is the same saved graph, uncut. The bits have to be the same.
* *as a real backend runs it*: segments come from the graph at level `basic`, as a plan has them,
  and each is optimised by itself at load; the rival is the model's own file, optimised at load.

The optimised graph names its tensors anew, so a plan's cut is looked for again: as many
convolutions before it, and the fewest values that cross.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import onnxruntime

from accelerators.backends.ort import optimise
from bench.figure import Figure
from bench.fitting import median, percentile
from pipeline import api
from pipeline.api import CUT
from pipeline.assembly.places import data_root
from pipeline.graph import cut_model, cut_tensors, load_graph, prefix_heads
from pipeline.plan.steps import Run
from pipeline.tasks.builtin import build_demo_network
from replay.clock import WallClock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from bench.subject import Subject
    from pipeline.graph import Graph
    from pipeline.runtime.spec import SegmentSpec
    from pipeline.values import Plain

    Array = NDArray[np.generic[object]]

AIM = 1.05
_TASK = "objects"
_WARMING = 5
_MS = 1e6


class Session(Protocol):
    """What is used of an ONNX Runtime session."""

    def run(self, names: Sequence[str], feed: Mapping[str, Array]) -> Sequence[Array]:
        """Run synchronously."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file that runs, as a session.

    Attributes:
        session: The session.
        inputs: Names that it reads.
        outputs: Names that it makes.
    """

    session: Session
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def run(self, known: dict[str, Array]) -> None:
        """Add what it makes to what is known."""
        feed = {name: known[name] for name in self.inputs}
        known.update(zip(self.outputs, self.session.run(self.outputs, feed), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A split beside the whole.

    Attributes:
        name: Network and way of cutting.
        ratio: Median over pairs of neighbouring runs, split over whole.
        values: What was measured.
        line: The same for people.
    """

    name: str
    ratio: float
    values: dict[str, Plain]
    line: str


def measure(subject: Subject, *, runs: int) -> Figure:
    """Compare split and whole for each network that is there.

    Args:
        subject: Where the highway's data is there, its network is measured beside the built-in.
        runs: Pairs of a run of each, in alternating order.
    """
    compared: list[Compared] = []
    with tempfile.TemporaryDirectory(prefix="splitway-bench-") as name:
        folder = Path(name)
        if subject.real is not None:
            model = data_root() / "models" / "yolox_nano.onnx"
            compared += _both_ways("YOLOX-nano", model, subject.real, folder, runs)
        built_in = build_demo_network(folder / "builtin.onnx")
        compared += _both_ways("built-in", built_in, CUT, folder, runs)
    worst = max(compared, key=lambda pair: pair.ratio)
    return Figure(
        name="split",
        what=f"head + tail, median of {runs} alternating pairs, one thread; the worst of "
        f"{len(compared)}: {worst.name}",
        rival="one ONNX Runtime run of the whole network at the same level",
        ratio=worst.ratio,
        aim=AIM,
        values={pair.name: pair.values for pair in compared},
        lines=tuple(f"{pair.name}: {pair.line}" for pair in compared),
    )


def _both_ways(
    network: str, model: Path, scenario: Path, folder: Path, runs: int
) -> list[Compared]:
    assembled = api.check(scenario, api.Options())
    route = assembled.spec.core.tasks[_TASK].route
    segments = [
        assembled.spec.segments[planned.step.segment]
        for planned in route.steps
        if isinstance(planned.step, Run)
    ]
    return [
        _optimised_first(network, model, segments, folder, runs),
        _as_a_backend_runs_it(network, model, segments, runs),
    ]


def _optimised_first(
    network: str, model: Path, segments: Sequence[SegmentSpec], folder: Path, runs: int
) -> Compared:
    saved = folder / f"{network}-all.onnx"
    optimise(model, saved, level="all")
    graph = load_graph(saved)
    before = convolutions(load_graph(Path(segments[0].artefact)))
    cut = cut_model(graph, comparable_head(graph, before), folder)
    whole = Part(session=session(saved, "none"), inputs=graph.inputs, outputs=graph.outputs)
    parts = [
        Part(session=session(cut.head, "none"), inputs=cut.head_inputs, outputs=cut.head_outputs),
        Part(session=session(cut.tail, "none"), inputs=cut.tail_inputs, outputs=cut.tail_outputs),
    ]
    crossing = sum(tensor.elements for tensor in cut.tensors)
    where = f"{before} convolutions before the cut, {crossing:,} values cross"
    return _compare(f"{network}, optimised first", graph, whole, parts, where, runs)


def _as_a_backend_runs_it(
    network: str, model: Path, segments: Sequence[SegmentSpec], runs: int
) -> Compared:
    graph = load_graph(model)
    whole = Part(session=session(model, "all"), inputs=graph.inputs, outputs=graph.outputs)
    parts = [
        Part(session=session(Path(s.artefact), "all"), inputs=s.inputs, outputs=s.outputs)
        for s in segments
    ]
    where = f"segments as planned: {', '.join(s.name.partition('#')[0] for s in segments)}"
    return _compare(f"{network}, as a real backend", graph, whole, parts, where, runs)


def _compare(
    name: str, graph: Graph, whole: Part, parts: Sequence[Part], where: str, runs: int
) -> Compared:
    (network_input,) = graph.inputs
    shape = graph.tensors[network_input].shape
    picture = np.random.default_rng(7).uniform(0, 255, shape).astype(np.float32)
    now_ns = WallClock().now_ns
    whole_ns: list[int] = []
    split_ns: list[int] = []
    first: dict[str, Array] = {}
    second: dict[str, Array] = {}
    for count in range(-_WARMING, runs):
        ways = [(whole_ns, [whole], first), (split_ns, list(parts), second)]
        for took_ns, run, known in ways if count % 2 else reversed(ways):
            known.clear()
            known[network_input] = picture
            began_ns = now_ns()
            for part in run:
                part.run(known)
            if count >= 0:
                took_ns.append(now_ns() - began_ns)
    equal = all(np.array_equal(first[output], second[output]) for output in graph.outputs)
    ratio = median([ours / theirs for ours, theirs in zip(split_ns, whole_ns, strict=True)])
    return Compared(
        name=name,
        ratio=ratio,
        values={
            "ratio": ratio,
            "whole_p50_ms": median(whole_ns) / _MS,
            "split_p50_ms": median(split_ns) / _MS,
            "whole_p90_ms": percentile(whole_ns, 90) / _MS,
            "split_p90_ms": percentile(split_ns, 90) / _MS,
            "bit_equal": equal,
            "where": where,
        },
        line=f"{ratio:.3f}x, whole {median(whole_ns) / _MS:.2f} ms, split "
        f"{median(split_ns) / _MS:.2f} ms, {'same bits' if equal else 'other bits'}; {where}",
    )


def convolutions(graph: Graph, head: frozenset[int] | None = None) -> int:
    """How many convolutions a graph holds, or a set of its operators."""
    return sum(
        operator.op_type == "Conv"
        for operator in graph.operators
        if head is None or operator.index in head
    )


def comparable_head(graph: Graph, before: int) -> frozenset[int]:
    """The head with so many convolutions, or the nearest number, and the fewest values crossing.

    Raises:
        ValueError: The graph cannot be cut.
    """

    def cost(head: frozenset[int]) -> tuple[int, int]:
        crossing = sum(graph.tensors[name].elements for name in cut_tensors(graph, head))
        return abs(convolutions(graph, head) - before), crossing

    return min(prefix_heads(graph), key=cost)


def session(path: Path, level: Literal["none", "all"]) -> Session:
    """An ONNX Runtime session of a file as the backend makes it: one thread, no spinning."""
    levels = onnxruntime.GraphOptimizationLevel
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = (
        levels.ORT_ENABLE_ALL if level == "all" else levels.ORT_DISABLE_ALL
    )
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    made: Session = onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )
    return made
