"""When entries of an event log are written, and what is on the disk then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.runtime.core.commands import Grant, Note
from pipeline.runtime.core.events import StreamEnded, TimerFired
from pipeline.runtime.journal import Journal, read_journal
from pipeline.values import to_plain
from replay.clock import VirtualClock

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.runtime.journal import Entry

MS = 1_000_000


def on_disk(path: Path) -> list[Entry]:
    """Entries that a process which is killed now leaves behind."""
    return [entry for _, entry in read_journal(path)]


def test_what_was_flushed_is_on_the_disk_before_the_log_is_closed(tmp_path: Path) -> None:
    """In the order in which it came, nothing twice, and as it was."""
    log = tmp_path / "vehicle.jsonl"
    journal = Journal(log, VirtualClock(0).now_ns)
    grant = Grant(peer="player", amount=2)
    journal.record(0, None, (grant,))
    for at_ns in range(1, 200):
        journal.record(at_ns, TimerFired(timer=f"t/{at_ns}"), [])
    assert on_disk(log) == []
    journal.flush(150)
    found = on_disk(log)
    assert [entry.at_ns for entry in found] == list(range(150))
    assert found[0].event is None
    assert found[0].commands == [to_plain(grant)]
    assert found[7].event == TimerFired(timer="t/7")
    assert journal.waiting == 50
    journal.close()
    assert [entry.at_ns for entry in on_disk(log)] == list(range(200))


def test_few_entries_wait_for_company_and_none_for_more_than_half_a_second(
    tmp_path: Path,
) -> None:
    """A batch is due at once, less than one after a quarter of a second, all after half of one."""
    journal = Journal(tmp_path / "vehicle.jsonl", VirtualClock(0).now_ns)
    assert journal.due_ns() is None
    assert not journal.overdue(10_000 * MS)
    journal.record(40 * MS, StreamEnded(stream="front"), [Note(reason="drained")])
    journal.record(50 * MS, StreamEnded(stream="left"), [])
    assert journal.due_ns() == 290 * MS
    assert not journal.overdue(539 * MS)
    assert journal.overdue(540 * MS)
    journal.flush(1)
    assert journal.due_ns() == 300 * MS
    for _ in range(63):
        journal.record(60 * MS, StreamEnded(stream="left"), [])
    assert journal.due_ns() == 50 * MS
    journal.flush()
    assert journal.due_ns() is None
    journal.close()


def test_a_closed_log_takes_nothing_more(tmp_path: Path) -> None:
    """What would be lost is said."""
    journal = Journal(tmp_path / "vehicle.jsonl", VirtualClock(0).now_ns)
    journal.close()
    journal.record(0, StreamEnded(stream="front"), [])
    with pytest.raises(ValueError, match="is closed"):
        journal.flush()
