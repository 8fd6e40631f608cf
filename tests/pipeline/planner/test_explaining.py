"""Why a candidate won, and the uplink rate at which that turns round."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from pipeline.link.model import LinkConfig, message_bytes
from pipeline.link.pricing import LinkQuote
from pipeline.plan.plan import Candidate, Cover, Verified
from pipeline.plan.routes import Route
from pipeline.planner.explaining import explain, why
from pipeline.planner.planning import Wishes
from pipeline.planner.titles import title, titles

_MS = 1_000_000
LINK = LinkQuote(
    LinkConfig(name="cell", up_bits_per_s=20_000_000, down_bits_per_s=50_000_000, rtt_ns=0)
)
WISHES = Wishes(
    allowed=("auto",),
    deadline_ns=100 * _MS,
    period_ns=100 * _MS,
    frame_bytes=1_000,
    percentile=99.0,
)


def _candidate(
    name: str, *, fixed_ms: float, bytes_up: int = 0, codec: str = "", agreement: float = 1.0
) -> Candidate:
    """A candidate whose latency is a constant and what the uplink takes for its bytes."""
    link_ns = 8 * message_bytes(bytes_up) * 10**9 // LINK.up_bits_per_s if bytes_up else 0
    latency_ns = int(fixed_ms * _MS) + link_ns
    return Candidate(
        name="edge" if name == "edge" else "split",
        pin=None,
        route=Route(id=name, task="t", variant="v", model="m", steps=()),
        cut=("x",) if bytes_up else (),
        codecs=(codec,) if bytes_up else (),
        latency_ns=latency_ns,
        interval_ns=(latency_ns, latency_ns),
        spans={},
        bytes_up=bytes_up,
        bytes_down=0,
        energy_pj=None,
        agreement=agreement,
        label="assumed",
        feasible=latency_ns <= WISHES.deadline_ns,
        robust=True,
        allowed=True,
        why="",
    )


EDGE = _candidate("edge", fixed_ms=60)
INT8 = _candidate("int8", fixed_ms=10, bytes_up=50_000, codec="int8")


def test_the_flip_is_where_both_take_the_same_time() -> None:
    """Edge takes 60 ms; the split 10 ms and its bits: equal at bits / 50 ms."""
    rate = 8 * message_bytes(50_000) / 0.050
    assert INT8.latency_ns < EDGE.latency_ns
    text = explain([EDGE, INT8], 1, 1, LINK, WISHES)
    assert "split int8 beats the runner-up edge" in text
    assert f"below {rate / 1e6:.3g} Mbit/s up edge is faster" in text


def test_the_runner_up_is_what_the_rule_would_take_next() -> None:
    """Worth first, to two points, and then speed: not whatever is quick."""
    good = replace(EDGE, agreement=0.95)
    quick = _candidate("quick", fixed_ms=5, bytes_up=9_000, codec="int8", agreement=0.6)
    near = _candidate("near", fixed_ms=70, bytes_up=9_000, codec="float16", agreement=0.94)
    text = explain([good, quick, near], 0, 0, LINK, WISHES)
    assert "edge beats the runner-up split float16: 13.8 ms faster" in text
    text = explain([good, quick], 0, 0, LINK, WISHES)
    assert (
        "edge beats the runner-up split int8: its answers are worth 0.950, that one's 0.600" in text
    )
    assert "51.2 ms slower where nothing covers them" in text


def test_what_put_a_quicker_candidate_second_is_said() -> None:
    """Frames that virtual time had in time, whether it was tried at all, or the devices' bias."""
    tried = Verified(frames=200, hits=198, least=0.97, hits_high=196, latency_ns=60 * _MS)
    worse = replace(tried, hits_high=150)
    for first, second, said in (
        (tried, worse, "in time in 98.0 % of the frames tried, that one in 75.0 %"),
        (tried, None, "tried in virtual time, which that one was not"),
        (None, None, "in time at the slow end of the devices' bias, where that one is not"),
    ):
        edge = replace(EDGE, verified=first)
        quick = replace(INT8, verified=second, robust=False)
        text = explain([edge, quick], 0, 0, LINK, WISHES)
        assert (
            f"edge beats the runner-up split int8: worth as much, to two points, and {said};"
            in text
        )


def test_a_candidate_that_sends_nothing_can_be_overtaken_upward_only() -> None:
    """Seen from the edge, more bandwidth lets the split win."""
    slow = replace(INT8, latency_ns=INT8.latency_ns + 55 * _MS)
    text = explain([EDGE, slow], 0, 0, LINK, WISHES)
    assert "Mbit/s up" not in text.partition("above")[0]
    faster = replace(slow, latency_ns=INT8.latency_ns + 45 * _MS)
    assert "above" in explain([EDGE, faster], 0, 0, LINK, WISHES)


def test_what_the_route_bars_is_named_when_it_would_have_been_faster() -> None:
    """A forced split says what it cost."""
    edge = replace(EDGE, latency_ns=5 * _MS, allowed=False)
    text = explain([edge, INT8], 1, 1, LINK, WISHES)
    assert text.startswith("split int8 is the only route that is allowed")
    assert "not allowed by `route`: edge" in text


def test_no_feasible_candidate_is_said_with_the_fastest() -> None:
    """The deadline, the percentile and what runs all the same."""
    late = replace(EDGE, latency_ns=150 * _MS, feasible=False)
    text = explain([late], None, 0, LINK, WISHES)
    assert "no allowed route meets 100 ms at p99" in text
    assert "edge at 150.0 ms" in text


@pytest.mark.parametrize(
    ("agreement", "said"),
    [(0.9, "10.0 points worse"), (1.0, "")],
)
def test_why_compares_with_the_chosen(agreement: float, said: str) -> None:
    """Time to spare, time against the chosen, and agreement where it differs."""
    other = _candidate("f16", fixed_ms=20, bytes_up=60_000, codec="float16", agreement=agreement)
    text = why(other, INT8, WISHES.deadline_ns)
    assert "ms to spare" in text
    assert "slower than the chosen" in text
    assert said in text
    assert title(other) == "split float16"


def _named(codec: str, at: str, *, name: str = "split", variant: str = "v") -> Candidate:
    """A candidate cut at one tensor."""
    found = _candidate(f"{codec}{at}{variant}", fixed_ms=10, bytes_up=1_000, codec=codec)
    return replace(
        found,
        name="encoded" if name == "encoded" else "split",
        route=replace(found.route, variant=variant),
        cut=(at,),
    )


def test_no_two_candidates_of_a_task_have_one_title() -> None:
    """What tells them apart is said: quality, size, cut, and last of all a number."""
    cover = Cover(
        form="tail",
        start_ns=0,
        ends_ns=1,
        least_ns=1,
        runs=0.0,
        answers=0.0,
        agreement=1.0,
        edge_ns=0,
        energy_pj=None,
        alone_ns=0,
        keeps=True,
        alone_keeps=True,
    )
    early, late = _named("int8", "early"), _named("int8", "late")
    third = replace(late, route=replace(late.route, id="another"))
    found = [
        EDGE,
        *(_named(c, "image", name="encoded") for c in ("jpeg:80", "jpeg:80/2", "webp:80")),
        early,
        replace(early, hedge=cover),
        late,
        replace(third, pin="split@Relu_9"),
        replace(third, route=replace(third.route, id="fourth"), pin="split@Relu_9"),
        _named("float16", "late"),
    ]
    assert titles(found) == [
        "edge",
        "encoded q80",
        "encoded q80 half size",
        "encoded webp q80",
        "split int8 at early",
        "split int8 at early + tail",
        "split int8 at late",
        "split int8 at Relu_9 no. 1",
        "split int8 at Relu_9 no. 2",
        "split float16",
    ]


def test_titles_of_a_ladder_name_the_variant() -> None:
    """Also where nothing else is alike."""
    found = [_named("int8", "x"), _named("float16", "x", variant="small")]
    assert titles(found) == ["split int8 of v", "split float16 of small"]
