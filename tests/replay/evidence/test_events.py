"""Event logs: whole lines, in time, and a clear word about the one that is not whole."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.clock import VirtualClock
from replay.errors import ReplayError
from replay.evidence import EventLog, EventLogError, read_events

DEV_FULL = Path("/dev/full")  # every write fails as on a full disk

numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
values = st.none() | st.booleans() | numbers | st.text()
events = st.dictionaries(st.text(), values | st.lists(values) | st.dictionaries(st.text(), values))


@given(kept=st.lists(events, max_size=20))
def test_events_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, kept: list[dict[str, object]]
) -> None:
    """With their line numbers from 1; line breaks in texts are no line breaks."""
    path = tmp_path_factory.mktemp("log") / "vehicle.jsonl"
    with EventLog(path, now_ns=VirtualClock().now_ns, flush_lines=7) as log:
        for event in kept:
            log.write(event)
    assert list(read_events(path)) == list(enumerate(kept, start=1))


def test_lines_are_flushed_by_their_number(tmp_path: Path) -> None:
    """What is on the disk are whole lines."""
    path = tmp_path / "a.jsonl"
    log = EventLog(path, now_ns=VirtualClock().now_ns, flush_lines=2)
    log.write({"n": 1})
    assert path.read_bytes() == b""
    log.write({"n": 2})
    log.write({"n": 3})
    assert path.read_bytes() == b'{"n":1}\n{"n":2}\n'
    log.flush()
    assert len(list(read_events(path))) == 3
    log.close()


def test_lines_are_flushed_by_their_age(tmp_path: Path) -> None:
    """Half a second after the first one that is kept, at the next line."""
    path = tmp_path / "a.jsonl"
    clock = VirtualClock(start_ns=5)
    with EventLog(path, now_ns=clock.now_ns) as log:
        log.write({"n": 1})
        clock.jump_to_ns(500_000_004)
        log.write({"n": 2})
        assert path.read_bytes() == b""
        clock.jump_to_ns(500_000_005)
        log.write({"n": 3})
        assert len(list(read_events(path))) == 3
        clock.jump_to_ns(1_200_000_000)
        log.write({"n": 4})
        assert len(list(read_events(path))) == 3


def test_a_closed_log_takes_nothing_and_closes_again(tmp_path: Path) -> None:
    """Writing is a bug, closing twice is none."""
    log = EventLog(tmp_path / "a.jsonl", now_ns=VirtualClock().now_ns)
    log.close()
    log.close()
    with pytest.raises(ValueError, match="closed"):
        log.write({})


def test_a_number_that_json_cannot_say_is_refused(tmp_path: Path) -> None:
    """And the log goes on without it."""
    path = tmp_path / "a.jsonl"
    with EventLog(path, now_ns=VirtualClock().now_ns) as log:
        with pytest.raises(ValueError, match="rate is no finite number"):
            log.write({"rate": math.nan})
        log.write({"rate": 1.5})
    assert list(read_events(path)) == [(1, {"rate": 1.5})]


@pytest.mark.skipif(not DEV_FULL.exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_loud_and_the_file_is_closed_all_the_same() -> None:
    """At the write that flushes, and at the close if that is what flushes."""
    log = EventLog(DEV_FULL, now_ns=VirtualClock().now_ns, flush_lines=1)
    with pytest.raises(OSError, match="No space left"):
        log.write({"n": 1})
    log.close()
    log = EventLog(DEV_FULL, now_ns=VirtualClock().now_ns)
    log.write({"n": 1})
    with pytest.raises(OSError, match="No space left"):
        log.close()
    log.close()


@pytest.mark.parametrize(
    ("tail", "reason"),
    [
        (b'{"n":3', "the line is cut off"),
        (b'{"n":3}', "the line is cut off"),
        (b'{"n":\n', "the line is no JSON: Expecting value"),
        (b"\n", "the line is no JSON"),
        (b'{"n":NaN}\n', "NaN is no number of JSON"),
        (b'{"n":"\xff"}\n', "the line is no JSON"),
        (b"[" * 100_000 + b"\n", "the line is no JSON"),
        (b"[1]\n", "the line is no JSON object"),
    ],
)
def test_a_line_that_is_not_whole_is_named(tmp_path: Path, tail: bytes, reason: str) -> None:
    """By file and line, after everything before it was read."""
    path = tmp_path / "cloud.jsonl"
    path.write_bytes(b'{"n":1}\n{"n":2}\n' + tail)
    read: list[int] = []
    with pytest.raises(EventLogError, match=reason) as caught:
        read.extend(number for number, _ in read_events(path))
    assert isinstance(caught.value, ReplayError)
    assert f"{caught.value}".startswith(f"{path}:3: ")
    assert (caught.value.line, read) == (3, [1, 2])
