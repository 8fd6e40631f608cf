"""Heads for a percentile: the hull's corners, and the moments that they are made of."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from accelerators.backends.ort import optimise
from accelerators.models.jitter import lognormal_ppm
from pipeline.graph import cut_tensors, load_graph
from pipeline.link.model import LinkConfig
from pipeline.link.pricing import LinkQuote
from pipeline.link.steps import Steps
from pipeline.link.trace import Trace
from pipeline.planner.spreads import LinkMoments, hull_heads, jittered
from pipeline.tasks.builtin import build_demo_network

if TYPE_CHECKING:
    from pipeline.graph.model import Graph

_MS = 1_000_000


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    """The built-in detector."""
    folder = tmp_path_factory.mktemp("model")
    optimise(build_demo_network(folder / "p.onnx"), folder / "m.onnx", level="basic")
    return load_graph(folder / "m.onnx")


def varying() -> LinkQuote:
    """A link that is quick for 0.9 s and slow for 0.1 s, again and again."""
    up = Steps(starts_ns=(0, 900 * _MS), values=(40_000_000, 4_000_000), period_ns=1000 * _MS)
    trace = Trace(
        source="two rates",
        up=up,
        down=Steps.constant(40_000_000),
        rtt_ns=Steps.constant(20 * _MS),
        loss_ppm=Steps.constant(0),
    )
    return LinkQuote(LinkConfig(name="cell", trace=trace))


def test_moments_of_a_jitter_are_those_of_its_table() -> None:
    """Mean in ns, variance in us²; a steady device has none."""
    assert jittered(5_000, ()) == (5_000, 0)
    table = lognormal_ppm(200_000)
    mean, variance = jittered(10 * _MS, table)
    factors = np.asarray(table) / 1e6
    assert mean == pytest.approx(10 * _MS * factors.mean(), rel=1e-6)
    assert math.sqrt(variance) * 1e3 == pytest.approx(10 * _MS * factors.std(), rel=1e-3)


def test_moments_of_a_crossing_grow_with_its_bytes() -> None:
    """And lie near those that the link itself gives for such a message."""
    link = varying()
    moments = LinkMoments(link, 100_000)
    found = [moments.of(size) for size in (100, 1_000, 10_000, 100_000)]
    assert [mean for mean, _ in found] == sorted(mean for mean, _ in found)
    mean, deviation = link.serial_moments_ns(100_000, "up")
    assert found[-1][0] == pytest.approx(mean, rel=0.01)
    assert math.sqrt(found[-1][1]) * 1e3 == pytest.approx(deviation, rel=0.01)
    assert deviation > 0


@pytest.mark.parametrize("seed", range(6))
def test_no_head_is_better_at_any_number_of_deviations(graph: Graph, seed: int) -> None:
    """Against every head of the first operators, at six numbers of standard deviations."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    count = len(graph.operators)
    near = [(dice.randint(20_000, 90_000), dice.randint(0, 40)) for _ in range(count)]
    far = [(dice.randint(2_000, 9_000), dice.randint(0, 4)) for _ in range(count)]
    up = {
        name: (tensor.elements * 8, round((tensor.elements * dice.uniform(0.1, 9) / 1e3) ** 2))
        for name, tensor in graph.tensors.items()
    }
    post = ((300_000, 9), (400_000, 900))
    heavy = [op.index for op in graph.operators if op.work.macs > 0]
    found = hull_heads(graph, edge=near, cloud=far, up=up, post=post, together=(), heavy=heavy)
    assert found

    def moments(head: frozenset[int]) -> tuple[int, int]:
        crossing = cut_tensors(graph, head)
        mean, variance = post[1]
        for index in range(count):
            more = near[index] if index in head else far[index]
            mean, variance = mean + more[0], variance + more[1]
        for name in crossing:
            mean, variance = mean + up[name][0], variance + up[name][1]
        return mean, variance

    prefixes = [frozenset(range(n)) for n in range(heavy[0] + 1, heavy[-1] + 1)]
    for deviations in (0.0, 0.5, 1.0, 2.33, 3.1, 9.95):

        def cost(head: frozenset[int], deviations: float = deviations) -> float:
            mean, variance = moments(head)
            return mean + deviations * math.sqrt(variance) * 1e3

        assert min(map(cost, found)) <= min(map(cost, prefixes)) * (1 + 1e-4)
