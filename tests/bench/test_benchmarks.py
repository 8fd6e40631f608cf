"""The benchmarks' own arithmetic: overhead out of events, slopes, roles, comparable cuts."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import networkx as nx
import pytest

from bench import chain_driver, cut_graphs, memory, overhead, planner, run, scoring, split
from bench.figure import Figure
from bench.fitting import median, percentile, slope
from bench.subject import demo
from pipeline.graph import load_graph
from pipeline.ledger.rows import Row
from pipeline.planner import CutProblem, best_cut, prefix_costs
from pipeline.runtime.core.events import Job, JobDone, MessageArrived, Output
from pipeline.runtime.core.messages import Crossing, Message, MessageKind
from pipeline.tasks.builtin import build_demo_network

if TYPE_CHECKING:
    from bench.bare_chain import Chain
    from pipeline.runtime.core.events import Event

SPANS = ("prepare", "edge", "pack", "uplink", "post", "downlink", "deliver")


def done(step: int, began_ns: int, ended_ns: int, *, modelled_ns: int = 0) -> JobDone:
    """A job of frame 4 of task `objects` that is over."""
    return JobDone(
        jobs=(Job(4, "objects", step),),
        device="any",
        began_ns=began_ns,
        ended_ns=ended_ns,
        outputs=(Output(ref="1"),),
        modelled_ns=modelled_ns,
    )


def arrived(kind: MessageKind, *, modelled_ns: int, task: str = "objects") -> MessageArrived:
    """A message of frame 4 that has crossed."""
    message = Message(
        kind=kind,
        epoch=1,
        nonce=1,
        task=task,
        stream="front",
        frame=4,
        content=4,
        route="r",
        model="m",
        step=3,
        scheduled_ns=0,
        deadline_at_ns=100,
    )
    crossing = Crossing(began_ns=0, arrived_ns=0, modelled_ns=modelled_ns)
    return MessageArrived(message=message, ref="1", bytes=1, sent_ns=0, crossing=crossing)


def test_a_frames_overhead_is_what_jobs_holds_and_link_leave() -> None:
    """A job counts as long as it ran, a hold and a crossing as long as they were modelled."""
    events: list[Event] = [
        done(0, 110, 130),
        done(1, 140, 195, modelled_ns=50),  # let go 5 late: overhead
        arrived("work", modelled_ns=300),
        arrived("work", modelled_ns=999, task="lanes"),
        arrived("answer", modelled_ns=100),
        arrived("result", modelled_ns=0),
        done(6, 680, 700),
    ]
    accounted = overhead.accounted_ns(events, "objects", SPANS)
    assert accounted == {
        4: {"prepare": 20, "edge": 50, "uplink": 300, "downlink": 100, "deliver": 20}
    }
    stamps = {
        "source": 105,
        "prepare": 130,
        "edge_wait": 140,
        "edge": 195,
        "uplink_wait": 200,
        "uplink": 520,
        "downlink": 640,
        "deliver": 700,
    }
    kept = Row(
        path="p",
        frame=4,
        content=4,
        scheduled_ns=100,
        deadline_at_ns=900,
        fate="cloud",
        stamps=stamps,
    )
    lost = Row(path="p", frame=5, content=5, scheduled_ns=200, deadline_at_ns=900, fate="dropped")
    found = overhead.overheads_ns([kept, lost], accounted)
    assert found == {
        4: {"source": 5, "prepare": 5, "edge": 15, "uplink": 25, "downlink": 20, "deliver": 40}
    }
    assert sum(found[4].values()) == 700 - 100 - 20 - 50 - 300 - 100 - 20


def test_modelled_times_are_told_by_span() -> None:
    """Real jobs have none; a plain hop has none."""
    events: list[Event] = [
        done(0, 0, 20),
        done(1, 0, 55, modelled_ns=50),
        arrived("work", modelled_ns=300),
        arrived("result", modelled_ns=0),
    ]
    assert overhead.modelled_ns(events, "objects", SPANS) == {"edge": [50], "uplink": [300]}


def test_the_slope_is_that_of_the_least_squares_line() -> None:
    """A straight line gives its own slope; noise that is symmetric changes nothing."""
    assert slope([0.0, 1.0, 2.0], [5.0, 7.0, 9.0]) == pytest.approx(2.0)
    assert slope([0.0, 1.0, 2.0, 3.0], [1.0, -1.0, -1.0, 1.0]) == pytest.approx(0.0)
    assert slope([3.0], [8.0]) == 0.0
    with pytest.raises(ValueError, match="at least one"):
        slope([], [])


def test_percentiles_are_values_that_were_measured() -> None:
    """Nothing is interpolated."""
    assert median([4.0, 1.0, 3.0, 2.0]) == 2.0
    assert percentile([4.0, 1.0, 3.0, 2.0], 90) == 4.0
    with pytest.raises(ValueError, match="no values"):
        median([])


def test_a_course_goes_from_the_first_samples_to_the_last() -> None:
    """MiB, and MiB a minute."""
    samples = memory.Samples(
        at_ns=[second * 10**9 for second in range(0, 120, 10)],
        rss_bytes=[(100 + second // 10) * 2**20 for second in range(0, 120, 10)],
    )
    course = memory.course(samples)
    assert (course.first, course.last, course.peak) == (102.0, 109.0, 111.0)
    assert course.per_min == pytest.approx(6.0)


def test_a_nodes_role_is_read_from_its_command_line() -> None:
    """Another child of the process is no node."""
    assert memory.role_of(["python", "-m", "pipeline.runtime.live", "/x/relay.json"]) == "relay"
    assert memory.role_of(["python", "-m", "http.server", "/x/relay.json"]) == ""
    assert memory.role_of([]) == ""


def test_a_comparable_cut_has_as_many_convolutions_before_it(tmp_path: Path) -> None:
    """And of those with as many the one with the fewest values across."""
    graph = load_graph(build_demo_network(tmp_path / "network.onnx"))
    head = split.comparable_head(graph, 5)
    assert split.convolutions(graph, head) == 5
    assert split.convolutions(graph) > 5


def test_a_figure_says_whether_its_aim_was_reached() -> None:
    """Less is better unless said otherwise."""
    less = Figure(name="a", what="b", rival="c", ratio=1.2, aim=1.5)
    more = Figure(name="a", what="b", rival="c", ratio=99.0, aim=100.0, more=True)
    assert less.reached
    assert not more.reached
    assert less.document()["better"] == "less"
    assert "1.2x, aim ≤ 1.5x, reached" in less.text()


def test_a_subject_takes_as_many_passes_as_it_needs() -> None:
    """Ten minutes at 25 frames a second of an 8 s drive are 75 passes."""
    subject = demo()
    assert subject.task == "objects"
    assert subject.loops(600 * 10**9) == 75
    assert subject.loops(1) == 1


@pytest.mark.live
def test_the_hand_written_chain_delivers_every_frame() -> None:
    """Each frame once, in order, later than it was due; no process is left behind."""
    chain: Chain = {
        "endpoints": {},
        "frames": 12,
        "warmup": 2,
        "period_ns": 10_000_000,
        "frame": [200, 100_000],
        "work": [300, 70_000, 128],
        "answer": [300, 90],
        "result": [300, 90],
        "stamp": 60,
        "player_credits": 4,
        "cloud_credits": 3,
        "consumer_credits": 4,
        "edge_ns": 100_000,
        "up_ns": 1_000_000,
        "cloud_ns": 100_000,
        "down_ns": 500_000,
        "latencies": "",
    }
    latencies_ns = chain_driver.play(chain)
    assert len(latencies_ns) == 12
    assert min(latencies_ns) > 1_700_000


def test_the_machine_is_named_by_its_class() -> None:
    """Processor and versions; no name of a host, no path."""
    named = run.machine_class()
    assert "Python" in named
    assert os.uname().nodename not in named
    assert "/" not in named


@pytest.mark.parametrize(
    "module",
    sorted(script.stem for script in Path(run.__file__).parent.glob("*.py")),
)
def test_every_module_imports(module: str) -> None:
    """None runs anything when it is imported."""
    importlib.import_module(f"bench.{module}")


def test_scoring_is_compared_on_equal_figures() -> None:
    """The rival's precision is ours, or nothing is compared."""
    figure = scoring.measure(frames=20)
    assert figure.name == "scoring"
    assert figure.values["run_frames"] == 20
    assert figure.ratio > 0


@pytest.mark.parametrize("branching", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_cuts_are_compared_on_equal_problems(seed: int, *, branching: bool) -> None:
    """The textbook's network has the cost of our cut as its minimum, and so has what is left."""
    hard = {"up_ns": (10_000, 90_000), "cloud_ns": (200, 60_000)} if seed % 2 else {}
    problem = cut_graphs.two_tiers(60, seed, branching=branching, **hard)
    cut = best_cut(problem)
    assert cut is not None
    assert nx.minimum_cut_value(*planner.textbook(problem)) == cut.objective_ns
    costs = [cost for cost in prefix_costs(problem) if cost is not None]
    for network in planner.left(problem):
        _, (_, far) = nx.minimum_cut(*planner.drawn(network))
        within = enumerate(network.node_of, start=network.after + 1)
        near = [v for v, node in within if node not in far]
        costs.append(cost_of(problem, frozenset((*range(network.after + 1), *near))))
    assert min(costs) == cut.objective_ns


def cost_of(problem: CutProblem, head: frozenset[int]) -> int:
    """Cost of a head, reckoned plainly."""
    tail = [v for v in range(len(problem.edge_ns)) if v not in head]
    total = sum(problem.edge_ns[v] for v in head) + sum(problem.cloud_ns[v] for v in tail)
    if not tail:
        return total + problem.edge_post_ns
    for tensor in problem.tensors:
        here = tensor.producer is None or tensor.producer in head
        if here and (tensor.delivered or any(v not in head for v in tensor.consumers)):
            total += tensor.up_ns or 0
    return total + problem.cloud_post_ns
