"""A task as the planner sees it, and what every route of it ends with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.plan.routes import RESULT
from pipeline.plan.steps import Move
from pipeline.planner.pricing import host_step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.graph.model import Graph
    from pipeline.plan.routes import RouteStep
    from pipeline.planner.pricing import World
    from pipeline.runtime.spec import TaskSpec

TENSOR_CODECS = ("float32", "float16", "int8")
SPARSE_CODECS = ("sparse", "sparse:int8")
"""Offered besides where the input is a LiDAR's: tensors of its networks are mostly zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8:
    """What a network computes on the devices of a task that know int8 alone.

    Attributes:
        graph: The network in int8, its tensors named alike; None where it stays float32.
        id: What it was made from, hexadecimal, the same on every machine.
        devices: Names of those that compute it; the others stay with float32.
        words: How each computes, by name, for people, such as `int8, quantised from 16 frames`.
    """

    graph: Graph | None
    id: str
    devices: frozenset[str]
    words: Mapping[str, str]

    @property
    def tags(self) -> dict[str, str]:
        """What tells a segment in int8 from the same operators in float32, by device."""
        if self.graph is None:
            return {}
        return dict.fromkeys(self.devices, f"@int8-{self.id[:8]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A task as the planner sees it.

    Attributes:
        task: Name, input and decoder.
        variant: Name of the model variant.
        graph: The model's graph, optimised once.
        model: Hash of the model's file as the scenario names it.
        result_bytes: Bytes of a coded result, as measured on calibration pictures.
        codecs: Tensor codecs that may be used.
        pins: Names of nodes that `split@NODE` pins, besides the best cuts.
        stay: Names of tensors that may not leave the car.
        timing_only: Whether the network is never run, only priced.
        int8: What it computes on devices that know int8 alone; None where it runs as its file has
            it on every device.
    """

    task: TaskSpec
    variant: str
    graph: Graph
    model: str
    result_bytes: int
    codecs: tuple[str, ...] = TENSOR_CODECS
    pins: tuple[str, ...] = ()
    stay: frozenset[str] = frozenset()
    timing_only: bool = False
    int8: Int8 | None = None

    @property
    def tags(self) -> dict[str, str]:
        """What the names of its segments end with, by device; nothing where a device is missing."""
        return {} if self.int8 is None else self.int8.tags


def post_step(subject: Subject, world: World, site: str) -> RouteStep:
    """Post-processing on the host of a site, where the last segment ran."""
    graph = subject.graph
    elements = sum(graph.tensors[name].elements for name in graph.outputs)
    return host_step(world, "post", site, [(f"post:{subject.task.decoder}", elements)])


def down_move(world: World) -> Move:
    """The result on its way back."""
    return Move(tensors=(RESULT,), channel=f"{world.link.name}.down", codecs=(RESULT,))
