"""Quantities as a scenario writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from pipeline.scenario.units import (
    Duration,
    Frames,
    Rate,
    Ratio,
    Share,
    Speed,
    parse_duration,
    parse_frames,
    parse_rate,
    parse_ratio,
    parse_share,
    parse_speed,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class _All(BaseModel):
    """One of each."""

    duration: Duration
    rate: Rate
    share: Share
    ratio: Ratio
    frames: Frames
    speed: Speed


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("7ns", 7),
        ("3us", 3_000),
        ("40ms", 40_000_000),
        ("1.5ms", 1_500_000),
        ("0.1ms", 100_000),
        ("2 s", 2_000_000_000),
        (" 2s ", 2_000_000_000),
        ("1min", 60_000_000_000),
        ("0ms", 0),
        ("0.3333333ms", 333_333),
    ],
)
def test_a_duration_is_whole_nanoseconds(text: str, ns: int) -> None:
    """Exact, with no float on the way; a part of a nanosecond is dropped."""
    assert parse_duration(text) == ns


@pytest.mark.parametrize(
    ("text", "bits_per_s"),
    [("1bit/s", 1), ("5kbit/s", 5_000), ("50Mbit/s", 50_000_000), ("0.1Gbit/s", 100_000_000)],
)
def test_a_rate_is_whole_bits_per_second(text: str, bits_per_s: int) -> None:
    """Decimal prefixes, as links are sold."""
    assert parse_rate(text) == bits_per_s


@pytest.mark.parametrize(
    ("text", "mm_per_s"),
    [("10m/s", 10_000), ("13.9 m/s", 13_900), ("36km/h", 10_000), ("50km/h", 13_888), ("0m/s", 0)],
)
def test_a_speed_is_whole_millimetres_per_second(text: str, mm_per_s: int) -> None:
    """A part of a millimetre is dropped."""
    assert parse_speed(text) == mm_per_s


@pytest.mark.parametrize(
    ("text", "share"),
    [("5%", 0.05), ("0%", 0.0), ("100%", 1.0), ("0.2 %", 0.002), ("99.9%", 0.999)],
)
def test_a_share_is_from_0_to_1(text: str, share: float) -> None:
    """Written in per cent."""
    assert parse_share(text) == share


@pytest.mark.parametrize(
    ("value", "ratio"), [("1/255", 1 / 255), (1, 1.0), (0.5, 0.5), ("2", 2.0), ("0.017", 0.017)]
)
def test_a_ratio_is_a_number_or_a_fraction(value: object, ratio: float) -> None:
    """As networks state their scale."""
    assert parse_ratio(value) == ratio


@pytest.mark.parametrize(("value", "count"), [(0, 0), (50, 50), ("50 frames", 50), ("1 frame", 1)])
def test_a_count_of_frames_may_say_so(value: object, count: int) -> None:
    """With the word or without."""
    assert parse_frames(value) == count


BAD: list[tuple[Callable[[object], object], list[object]]] = [
    (
        parse_duration,
        [40, 4.0, "40", "ms", "40 m", "-1ms", "1e3ms", "1,5ms", "40MS", "", None, True, ["1ms"],
         "1.ms", ".5ms", "1ms 2us", "twelve", "9999999999999min", "9" * 5_000 + "s"],
    ),
    (parse_rate, [50, "50", "50 MBit/s", "50Mb/s", "0Mbit/s", "0.1bit/s", "-5Mbit/s", None, False]),
    (parse_speed, [10, "10", "10 mph", "-1m/s", "10 m / s", "", None, True]),
    (parse_share, [0.05, 5, "5", "101%", "-1%", "5 percent", "%", None, True]),
    (
        parse_ratio,
        [0, -1, "0", "1/0", "-1/255", "a", "", None, True, "1/2/3", "1.2.3", "1e3", [1], "9" * 400],
    ),
    (parse_frames, [-1, 1.5, "50", "frames", "-5 frames", "5.5 frames", None, True]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("parse", "value"),
    [(parse, value) for parse, values in BAD for value in values],
    ids=lambda value: getattr(value, "__name__", repr(value)[:20]),
)
def test_anything_else_is_refused(parse: Callable[[object], object], value: object) -> None:
    """As a ValueError that says what was expected, whatever came."""
    with pytest.raises(ValueError, match=r"must be|is too large|Exceeds"):
        parse(value)


def test_the_message_names_the_units_and_what_came() -> None:
    """A user can act on it."""
    with pytest.raises(ValueError, match=r"with a unit \(ns, us, ms, s, min\).*40ms, got 'twelve'"):
        parse_duration("twelve")


@given(
    duration=st.integers(0, 2**53),
    rate=st.integers(1, 2**53),
    share=st.integers(0, 1_000).map(lambda n: n / 1_000),
    frames=st.integers(0, 10**6),
    denominator=st.integers(1, 10_000),
    speed=st.integers(0, 2**53),
)
def test_what_is_written_out_is_read_back(
    duration: int, rate: int, share: float, frames: int, denominator: int, speed: int
) -> None:
    """A resolved scenario says the same as the one it came from."""
    first = _All.model_validate(
        {
            "duration": f"{duration}ns",
            "rate": f"{rate}bit/s",
            "share": f"{share * 100:.12g}%",
            "ratio": f"1/{denominator}",
            "frames": frames,
            "speed": f"{speed // 1_000}.{speed % 1_000:03d}m/s",
        }
    )
    assert first.speed == speed
    assert _All.model_validate(first.model_dump(mode="json")) == first
    assert (first.duration, first.rate, first.share) == (duration, rate, share)
