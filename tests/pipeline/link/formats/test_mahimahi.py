"""Mahimahi's traces: opportunities to capacity, and files that are none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import TraceError
from pipeline.link import Capacity
from pipeline.link.formats.mahimahi import MAHIMAHI, PACKET_BYTES, _capacity

MS = 1_000_000
PACKET_BITS = 8 * PACKET_BYTES


def sent_bits(capacity: Capacity, from_ms: int, to_ms: int) -> int:
    """Whole bits that can be sent between two times."""
    sent = capacity.sent_by(to_ms * MS) - capacity.sent_by(from_ms * MS)
    assert sent % Capacity.units(1) == 0
    return sent // Capacity.units(1)


def test_opportunities_are_capacity_in_their_millisecond(tmp_path: Path) -> None:
    """Bursts add up, silence is a rate of zero, and the last stamp is the next turn's zero."""
    path = tmp_path / "x.up"
    path.write_text("0\n0\n5\n5\n5\n7\n10\n", "utf-8")
    capacity = Capacity(_capacity(path))
    per_ms = [sent_bits(capacity, ms, ms + 1) // PACKET_BITS for ms in range(20)]
    assert per_ms == [3, 0, 0, 0, 0, 3, 0, 1, 0, 0] * 2


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60).map(sorted), st.integers(1, 40))
def test_each_turn_delivers_every_opportunity(
    tmp_path_factory: pytest.TempPathFactory, stamps: list[int], more: int
) -> None:
    """Whatever the burst, and wherever the turn begins."""
    stamps = [*stamps, stamps[-1] + more]
    path = tmp_path_factory.mktemp("trace") / "x"
    path.write_text("".join(f"{stamp}\n" for stamp in stamps), "utf-8")
    capacity = Capacity(_capacity(path))
    for begin_ms in (-stamps[-1], 0, 3):
        turn = sent_bits(capacity, begin_ms, begin_ms + stamps[-1])
        assert turn == len(stamps) * PACKET_BITS


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no delivery opportunity"),
        ("# nothing\n\n", "has no delivery opportunity"),
        ("0\n0\n", "covers no time"),
        ("0\n8\n7\n", ":3: time goes back from 8 to 7 ms"),
        ("0\n1.5\n", ":2: must be a whole number of milliseconds, got '1.5'"),
        ("0\n-4\n", ":2: must be a whole number"),
        ("0\nnan\n", ":2: must be a whole number"),
        ("0\n9999999999999\n", ":2: must be a whole number"),
        ("0\n604800001\n", "more than a week"),
        ("0\n" + "1" * 2_000, ":2: is longer than 1000 characters"),
    ],
)
def test_a_file_that_is_none_is_refused_with_its_line(
    tmp_path: Path, text: str, reason: str
) -> None:
    """Whichever of the two it is."""
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text("0\n10\n", "utf-8")
    bad.write_text(text, "utf-8")
    for pair in ((good, bad), (bad, good)):
        with pytest.raises(TraceError) as caught:
            MAHIMAHI.read(pair, rtt_ns=1)
        assert str(caught.value).startswith(str(bad))
        assert reason in str(caught.value)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    """A picture, say."""
    bad = tmp_path / "bad"
    bad.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TraceError, match="is not text"):
        MAHIMAHI.read((bad, bad), rtt_ns=1)


@pytest.mark.skipif("SPLITWAY_DATA" not in os.environ, reason="needs the recorded traces")
def test_recorded_traces_are_read_whole() -> None:
    """Each direction repeats after its own last stamp and delivers a packet a line."""
    folder = Path(os.environ["SPLITWAY_DATA"]) / "network"
    up, down = (folder / f"mahimahi_TMobile-LTE-short.{way}" for way in ("up", "down"))
    trace = MAHIMAHI.read((up, down), rtt_ns=40 * MS)
    for path, steps in ((up, trace.up), (down, trace.down)):
        lines = path.read_text("utf-8").split()
        assert steps.period_ns == int(lines[-1]) * MS
        turn = sent_bits(Capacity(steps), 0, int(lines[-1]))
        assert turn == len(lines) * PACKET_BITS
    assert trace.rtt_ns.at(0) == 40 * MS
