"""Which steps of a route are ready at a site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from pipeline.plan import Host, Route, RouteStep, Run, Sites
from pipeline.runtime.core.itinerary import Chart, Itinerary

if TYPE_CHECKING:
    from tests.pipeline.runtime.conftest import Build


def _graph(after: list[tuple[int, ...]]) -> Chart:
    """A route of host stages at the vehicle with these predecessors."""
    step = Host(stage="prepare", site="vehicle")
    steps = tuple(
        RouteStep(step=step, after=before, span="prepare", latency_ns=1) for before in after
    )
    route = Route(id="r", task="t", variant="v", model="m", steps=steps)
    return Chart(route, Sites(host={"vehicle": "h"}), "vehicle")


def test_a_chart_knows_what_each_site_runs(build: Build) -> None:
    """The two sites share a route's devices between them, and moves are nobody's."""
    route = build.route("split")
    here = Chart(route, build.sites, "vehicle")
    there = Chart(route, build.sites, "cloud")
    host, far = "vehicle-host", "cloud-host"
    assert here.devices == (host, "edge0", host, "", "", "", "", "", "")
    assert there.devices == ("", "", "", "", far, "cloud0", far, "", "")
    assert here.waits == ("", "edge_wait", "", "", "", "cloud_wait", "", "", "")
    assert here.entries == {7}
    assert there.entries == {3}
    assert here.crosses
    assert here.predicted_ns == 9_000_000


def test_another_site_stamps_its_own_spans_only(build: Build) -> None:
    """What the cloud may stamp is what the vehicle cannot, and never the consumer's span."""
    spans = Chart(build.route("split"), build.sites, "vehicle").spans_elsewhere
    assert {"uplink_wait", "uplink", "unpack", "cloud_wait", "cloud", "post"} <= spans
    assert not spans & {"source", "prepare", "edge_wait", "edge", "pack", "deliver", "admitted"}


def test_a_route_that_stays_in_the_car_crosses_nothing(build: Build) -> None:
    """Without a move there is no way in from elsewhere."""
    chart = Chart(build.route("edge"), build.sites, "vehicle")
    assert not chart.crosses
    assert chart.entries == frozenset()


def test_steps_are_handed_out_one_after_the_other(build: Build) -> None:
    """In a line each end makes the next step ready, once."""
    way = Itinerary(Chart(build.route("split"), build.sites, "vehicle"))
    assert list(way.ready()) == [0]
    assert list(way.ready()) == []
    assert list(way.finish(0)) == [1]
    assert list(way.finish(0)) == []
    assert list(way.finish(1)) == [2]
    assert list(way.finish(2)) == [3]


def test_arriving_counts_everything_before_it_as_over(build: Build) -> None:
    """A frame that comes in by a move goes on behind it, and nothing earlier is run again."""
    way = Itinerary(Chart(build.route("split"), build.sites, "cloud"))
    assert list(way.arrive(3)) == [4]
    assert list(way.arrive(3)) == []
    assert list(way.finish(4)) == [5]


def test_arriving_makes_ready_what_hangs_on_an_earlier_step_as_well() -> None:
    """The scan and what is looked up ahead agree, wherever a branch leaves the way in."""
    after: list[tuple[int, ...]] = [(), (0,), (0,), (1,), (), (2, 3)]
    fresh, begun = Itinerary(_graph(after)), Itinerary(_graph(after))
    assert list(fresh.arrive(1)) == [2, 3, 4]
    assert list(begun.ready()) == [0, 4]
    assert list(begun.arrive(1)) == [2, 3]
    assert list(begun.finish(3)) == []
    assert list(begun.finish(2)) == [5]


def test_what_another_way_has_done_is_not_handed_out_again() -> None:
    """A second way goes on where the first one has got to."""
    way = Itinerary(_graph([(), (0,), (1,), (2,)]))
    assert list(way.take_over(0b0001, 0b0010)) == []
    assert list(way.finish(1)) == [2]
    assert list(way.finish(2)) == [3]


def test_a_join_waits_for_both_of_its_branches() -> None:
    """A step after two others is ready when the second of them is over."""
    way = Itinerary(_graph([(), (0,), (0,), (1, 2)]))
    assert list(way.ready()) == [0]
    assert list(way.finish(0)) == [1, 2]
    assert list(way.finish(2)) == []
    assert list(way.finish(1)) == [3]


def test_a_segment_on_a_device_of_the_site_is_run_there(build: Build) -> None:
    """The device's site decides, not the segment's name."""
    step = RouteStep(step=Run(segment="s", device="cloud0"), after=(), span="cloud", latency_ns=1)
    route = Route(id="r", task="t", variant="v", model="m", steps=(step,))
    assert Chart(route, build.sites, "cloud").devices == ("cloud0",)
    assert Chart(route, build.sites, "vehicle").devices == ("",)


@st.composite
def _orders(draw: st.DrawFn) -> tuple[list[tuple[int, ...]], list[int]]:
    """A graph of steps, and choices of which ready step ends next."""
    count = draw(st.integers(1, 8))
    after: list[tuple[int, ...]] = []
    for index in range(count):
        before = draw(st.sets(st.integers(0, max(index - 1, 0)), max_size=3)) if index else set()
        after.append(tuple(sorted(before)))
    return after, draw(st.lists(st.integers(0, 7), min_size=count, max_size=count))


@given(_orders())
def test_every_step_is_handed_out_once_and_after_its_predecessors(
    case: tuple[list[tuple[int, ...]], list[int]],
) -> None:
    """Whatever the graph and the order of ends, no step is lost, doubled or early."""
    after, choices = case
    way = Itinerary(_graph(after))
    ready, over, seen = list(way.ready()), set[int](), list[int]()
    for choice in choices:
        step = ready.pop(choice % len(ready))
        assert over.issuperset(after[step])
        seen.append(step)
        over.add(step)
        ready += way.finish(step)
    assert sorted(seen) == list(range(len(after)))
    assert ready == []
