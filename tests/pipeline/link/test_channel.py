"""Channels: order, conservation of bits, faults, shares and draws."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.link import (
    Capacity,
    LinkChannel,
    LinkConfig,
    LinkFault,
    Passage,
    Steps,
    Trace,
    lead_ns,
    message_bytes,
)
from pipeline.link.model import OVERHEAD_BYTES, Direction, FaultKind
from pipeline.values import from_plain, to_plain

MS = 1_000_000
S = 1_000_000_000
PPM = 1_000_000
TASKS = ("objects", "lanes", "signs")
LINK = LinkConfig(name="cell", up_bits_per_s=8_000_000, down_bits_per_s=16_000_000, rtt_ns=1_001)


def traced(up: Steps, *, rtt: Steps | None = None, loss_ppm: int = 0) -> Trace:
    """A trace with the same rate both ways."""
    return Trace(
        source="test",
        up=up,
        down=up,
        rtt_ns=Steps.constant(20 * MS) if rtt is None else rtt,
        loss_ppm=Steps.constant(loss_ppm),
    )


@st.composite
def steps(draw: st.DrawFn, least: int, most: int) -> Steps:
    """Steps of one to six pieces, not zero throughout."""
    values = draw(st.lists(st.integers(least, most), min_size=1, max_size=6).filter(any))
    lengths = draw(st.lists(st.integers(1, 200 * MS), min_size=len(values), max_size=len(values)))
    starts = [sum(lengths[:index]) for index in range(len(lengths))]
    return Steps(starts_ns=tuple(starts), values=tuple(values), period_ns=sum(lengths))


@st.composite
def faults(draw: st.DrawFn) -> tuple[LinkFault, ...]:
    """Up to three faults, which may overlap."""
    found = []
    for _ in range(draw(st.integers(0, 3))):
        at_ns = draw(st.integers(0, S))
        kind: FaultKind = draw(st.sampled_from(["blackout", "handover", "slow"]))
        found.append(
            LinkFault(
                kind=kind,
                at_ns=at_ns,
                until_ns=at_ns + draw(st.integers(1, S)),
                rate_ppm=draw(st.integers(1, PPM - 1)) if kind == "slow" else 0,
                extra_rtt_ns=draw(st.integers(0, 50 * MS)) if kind == "handover" else 0,
            )
        )
    return tuple(found)


@st.composite
def links(draw: st.DrawFn) -> LinkConfig:
    """Any link that the scenario language can say."""
    config = LinkConfig(
        name="cell",
        up_bits_per_s=draw(st.integers(10_000, 10**9)),
        down_bits_per_s=draw(st.integers(10_000, 10**9)),
        rtt_ns=draw(st.integers(0, 100 * MS)),
        loss_ppm=draw(st.sampled_from([0, 10_000, 900_000])),
        jitter_ppm=draw(st.sampled_from([(), (500_000, PPM, 3_000_000)])),
        faults=draw(faults()),
        shares_ppm=draw(st.sampled_from([{}, {"objects": 600_000}, {"lanes": 1, "signs": 1000}])),
        seed=draw(st.integers(0, 2**63 - 1)),
    )
    if draw(st.booleans()):
        trace = traced(draw(steps(0, 10**8)), rtt=draw(steps(0, 90 * MS)), loss_ppm=config.loss_ppm)
        return replace(config, trace=trace, up_bits_per_s=0, down_bits_per_s=0, rtt_ns=0)
    return config


MESSAGES = st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(0, 100 * MS), st.sampled_from(TASKS)),
    min_size=1,
    max_size=20,
)


def pass_all(
    config: LinkConfig, messages: list[tuple[int, int, str]], begin_ns: int = -50 * MS
) -> list[tuple[int, int, str, Passage]]:
    """(size, handed over at, task, passage) of messages in their order."""
    channel, at_ns, found = LinkChannel(config, "up"), begin_ns, []
    for frame, (size, gap_ns, task) in enumerate(messages):
        at_ns += gap_ns
        found.append((size, at_ns, task, channel.cross(size, at_ns, subject=task, frame=frame)))
    return found


@pytest.mark.parametrize(("direction", "ns_per_byte"), [("up", 1_000), ("down", 500)])
def test_an_idle_link_takes_bytes_over_rate_and_half_a_round_trip(
    direction: Direction, ns_per_byte: int
) -> None:
    """Each direction has its own rate."""
    serial_ns = (2_000 + OVERHEAD_BYTES) * ns_per_byte
    passage = LinkChannel(LINK, direction).cross(2_000, -70)
    assert passage == Passage(began_ns=-70, arrives_ns=-70 + serial_ns + 500)


def test_a_message_waits_for_the_one_before_it() -> None:
    """The bottleneck sends one at a time; idle time is not saved up."""
    channel = LinkChannel(LINK, "up")
    first = channel.cross(500, 0)
    second = channel.cross(500, 10)
    assert second.began_ns == 1_000_000
    assert second.arrives_ns - first.arrives_ns == 1_000_000
    assert channel.cross(500, 5_000_000).began_ns == 5_000_000


def test_time_on_the_bottleneck_is_rounded_up() -> None:
    """A part of a nanosecond is one, so that no rate is ever exceeded."""
    link = LinkConfig(name="l", up_bits_per_s=3, down_bits_per_s=3, rtt_ns=0)
    assert LinkChannel(link, "up").cross(0, 0).arrives_ns == -(-8 * OVERHEAD_BYTES * S // 3)


def test_a_message_waits_out_a_time_without_any_rate() -> None:
    """It begins when the link goes on; what had begun before goes on with what is left."""
    rate = 8 * (500 + OVERHEAD_BYTES) * 100  # a message takes 10 ms
    config = LinkConfig(
        name="cell", trace=traced(Steps(starts_ns=(0, 15 * MS), values=(rate, 0), period_ns=S))
    )
    channel = LinkChannel(config, "up")
    first, cut, waits = (channel.cross(500, 0) for _ in range(3))
    assert (first.began_ns, first.arrives_ns) == (0, 20 * MS)
    assert (cut.began_ns, cut.arrives_ns) == (10 * MS, S + 15 * MS)
    assert (waits.began_ns, waits.arrives_ns) == (S + 5 * MS, S + 25 * MS)
    assert LinkChannel(config, "up").cross(500, 20 * MS).began_ns == S


@given(links(), MESSAGES)
def test_a_lane_keeps_order_and_nothing_arrives_before_it_was_sent(
    config: LinkConfig, messages: list[tuple[int, int, str]]
) -> None:
    """First in, first out, in the bottleneck and behind it; every message arrives."""
    lanes: dict[str, list[Passage]] = defaultdict(list)
    for _, at_ns, task, passage in pass_all(config, messages):
        assert at_ns <= passage.began_ns < passage.arrives_ns
        assert passage.lane == (task if task in config.shares_ppm else "")
        lanes[passage.lane].append(passage)
    for passages in lanes.values():
        for one, other in pairwise(passages):
            assert one.began_ns < other.began_ns
            assert one.arrives_ns <= other.arrives_ns


@given(links(), MESSAGES)
def test_no_more_bits_are_served_than_the_rate_allows(
    config: LinkConfig, messages: list[tuple[int, int, str]]
) -> None:
    """Between the first bit and the last arrival, over all lanes and whatever was drawn."""
    calm = replace(config, jitter_ppm=(), loss_ppm=0, faults=())
    if calm.trace is not None:
        still = replace(calm.trace, rtt_ns=Steps.constant(0), loss_ppm=Steps.constant(0))
        calm = replace(calm, trace=still)
    found = pass_all(replace(calm, rtt_ns=0), messages)
    capacity = Capacity(calm.rates("up"))
    bits = 8 * sum(message_bytes(size) for size, *_ in found)
    begin_ns = min(passage.began_ns for *_, passage in found)
    end_ns = max(passage.arrives_ns for *_, passage in found)
    assert capacity.sent_by(end_ns) - capacity.sent_by(begin_ns) >= Capacity.units(bits)
    for size, _, task, passage in found:  # and of its share no message takes more
        served = capacity.sent_by(passage.arrives_ns) - capacity.sent_by(passage.began_ns)
        part = calm.share_ppm(task)
        assert served * part >= Capacity.units(8 * message_bytes(size)) * PPM


@given(links(), MESSAGES)
def test_a_trace_of_one_piece_is_the_constant_link(
    config: LinkConfig, messages: list[tuple[int, int, str]]
) -> None:
    """A trace that never changes says what constants say, faults and draws included."""
    constant = replace(config, trace=None, up_bits_per_s=7_654_321, rtt_ns=33 * MS + 1)
    trace = traced(
        Steps.constant(7_654_321),
        rtt=Steps.constant(33 * MS + 1),
        loss_ppm=constant.loss_ppm,
    )
    varying = replace(constant, trace=trace, up_bits_per_s=0, rtt_ns=0, loss_ppm=0)
    assert pass_all(varying, messages) == pass_all(constant, messages)


@given(MESSAGES, st.integers(1_000, 10**9))
def test_the_short_way_for_a_constant_link_is_the_long_one(
    messages: list[tuple[int, int, str]], rate: int
) -> None:
    """Plain links skip the machinery, and get the same."""
    plain = LinkConfig(name="cell", up_bits_per_s=rate, down_bits_per_s=1, rtt_ns=7 * MS)
    shaken = replace(plain, jitter_ppm=(PPM,))
    assert not LinkChannel(plain, "up").keyed
    assert pass_all(shaken, messages) == pass_all(plain, messages)


@given(steps(1, 10**8), MESSAGES, st.integers(0, S), st.integers(1, 2 * S))
def test_a_blackout_delays_and_loses_nothing(
    rate: Steps, messages: list[tuple[int, int, str]], at_ns: int, length_ns: int
) -> None:
    """Every message arrives, none earlier than without it and none in the middle of it."""
    calm = LinkConfig(name="cell", trace=traced(rate, rtt=Steps.constant(0)))
    fault = LinkFault(kind="blackout", at_ns=at_ns, until_ns=at_ns + length_ns)
    dark = replace(calm, faults=(fault,))
    before, after = pass_all(calm, messages), pass_all(dark, messages)
    for (*_, one), (*_, other) in zip(before, after, strict=True):
        assert other.arrives_ns >= one.arrives_ns
        assert not at_ns < other.arrives_ns <= at_ns + length_ns
        if one.arrives_ns <= at_ns:
            assert other == one


def test_a_slow_link_takes_longer_only_while_it_is_slow() -> None:
    """At a quarter of the rate 40 ms bring what 10 ms did."""
    config = replace(
        LINK,
        rtt_ns=0,
        faults=(LinkFault(kind="slow", at_ns=0, until_ns=20 * MS, rate_ppm=250_000),),
    )
    channel = LinkChannel(config, "up")  # 8 Mbit/s: 1,000 bytes take 1 ms
    assert channel.cross(4_500, 0).arrives_ns == 20 * MS
    assert channel.cross(4_500, 20 * MS).arrives_ns == 25 * MS
    assert LinkChannel(config, "up").cross(9_500, 0).arrives_ns == 25 * MS


def test_a_handover_stops_the_link_and_leaves_a_longer_way() -> None:
    """The extra round trip holds until the next handover sets its own."""
    config = replace(
        LINK,
        rtt_ns=10 * MS,
        faults=(
            LinkFault(kind="handover", at_ns=S, until_ns=S + 50 * MS, extra_rtt_ns=8 * MS),
            LinkFault(kind="handover", at_ns=3 * S, until_ns=3 * S + 50 * MS),
        ),
    )
    channel = LinkChannel(config, "up")
    assert channel.cross(500, 0).arrives_ns == MS + 5 * MS
    assert channel.cross(500, S).arrives_ns == S + 50 * MS + MS + 9 * MS
    assert channel.cross(500, 2 * S).arrives_ns == 2 * S + MS + 9 * MS
    assert channel.cross(500, 4 * S).arrives_ns == 4 * S + MS + 5 * MS


def test_a_share_is_kept_free_and_is_not_exceeded() -> None:
    """A quarter is a link of a quarter of the rate, however much the others send."""
    config = replace(LINK, rtt_ns=0, shares_ppm={"objects": 250_000})
    channel = LinkChannel(config, "up")
    for _ in range(5):
        channel.cross(10**6, 0, subject="lanes", frame=0)
    mine = channel.cross(500, 0, subject="objects", frame=0)
    assert mine == Passage(began_ns=0, arrives_ns=4 * MS, lane="objects")
    alone = LinkChannel(config, "up").cross(2_500, 0, subject="lanes", frame=0)
    assert alone == Passage(began_ns=0, arrives_ns=4 * MS)


def test_the_same_key_draws_the_same_and_another_draws_anew() -> None:
    """Whatever else crosses, and in whatever order; task, frame, attempt, seed and way count."""
    config = replace(
        LINK, rtt_ns=100 * MS, jitter_ppm=tuple(range(PPM // 2, 2 * PPM, 1_000)), seed=5
    )

    def way_ns(
        task: str = "objects",
        frame: int = 3,
        attempt: int = 0,
        *,
        seed: int = 5,
        direction: Direction = "up",
        before: int = 0,
    ) -> int:
        channel = LinkChannel(replace(config, seed=seed), direction)
        for other in range(before):
            channel.cross(9_000, 0, subject="lanes", frame=other)
        passage = channel.cross(500, 10 * S, subject=task, frame=frame, attempt=attempt)
        return passage.arrives_ns - 10 * S - (1 if direction == "up" else 0) * MS

    assert way_ns() == way_ns(before=7)
    others = [
        way_ns("lanes"),
        way_ns(frame=4),
        way_ns(attempt=1),
        way_ns(seed=6),
        way_ns(direction="down"),
    ]
    assert len({way_ns(), *others}) == 6


def test_messages_without_a_frame_are_counted() -> None:
    """The n-th credit draws what frame n would, and its subject is no task's."""
    config = replace(LINK, rtt_ns=100 * MS, jitter_ppm=tuple(range(PPM // 2, 2 * PPM, 1_000)))
    counted, numbered = LinkChannel(config, "down"), LinkChannel(config, "down")
    for count in range(6):
        at_ns = count * S
        assert counted.cross(0, at_ns, subject="/credit") == numbered.cross(
            0, at_ns, subject="/credit", frame=count
        )


def test_jitter_and_loss_spread_as_their_tables_say() -> None:
    """Over many frames the middle of the table is the middle of the delays, losses cost trips."""
    config = replace(LINK, rtt_ns=100 * MS, jitter_ppm=(800_000, PPM, 1_500_000), seed=2)
    shaken, counts = LinkChannel(config, "up"), [0, 0, 0]
    for frame in range(3_000):
        passage = shaken.cross(500, frame * S, subject="objects", frame=frame)
        way_ns = passage.arrives_ns - frame * S - MS
        counts[(40 * MS, 50 * MS, 75 * MS).index(way_ns)] += 1
    assert all(900 < count < 1_100 for count in counts)
    lossy = LinkChannel(replace(LINK, rtt_ns=100 * MS, loss_ppm=100_000, seed=2), "up")
    again = [
        (lossy.cross(500, frame * 10 * S, subject="o", frame=frame).arrives_ns - frame * 10 * S)
        // (100 * MS)
        for frame in range(3_000)
    ]
    assert 240 < sum(rounds > 0 for rounds in again) < 360
    assert 10 < sum(rounds > 1 for rounds in again) < 60


@given(links(), st.integers(-S, 3 * S))
def test_a_message_sent_with_the_lead_is_there_in_time(config: LinkConfig, at_ns: int) -> None:
    """Whatever it draws."""
    begin_ns = at_ns - lead_ns(config, "down", at_ns)
    for frame in range(5):
        passage = LinkChannel(config, "down").cross(0, begin_ns, subject="/credit", frame=frame)
        assert passage.arrives_ns <= at_ns


def test_the_lead_of_a_plain_link_is_what_an_empty_message_takes() -> None:
    """No more, so that cores start as late as they can."""
    assert lead_ns(LINK, "down", 12_345) == 500 * OVERHEAD_BYTES + 500


@given(links())
def test_a_link_crosses_as_json(config: LinkConfig) -> None:
    """The relay is handed it as a file."""
    assert from_plain(LinkConfig, to_plain(config)) == config
