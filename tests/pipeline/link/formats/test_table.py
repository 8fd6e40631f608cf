"""CSV traces: what a row means, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.errors import TraceError
from pipeline.link import Steps
from pipeline.link.formats.table import TABLE

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.link import Trace

S = 1_000_000_000
HEAD = "t_s, up_mbps, down_mbps, rtt_ms, loss\n"


def read(folder: Path, text: str) -> Trace:
    """A table as a trace."""
    path = folder / "x.csv"
    path.write_text(text, "utf-8")
    return TABLE.read((path,), rtt_ns=0)


def test_a_row_holds_to_the_next_one_and_the_last_as_long_as_the_one_before(
    tmp_path: Path,
) -> None:
    """Time counts from the first row; figures become whole numbers exactly."""
    text = (
        "# made up\n"
        + HEAD
        + "10,12.5,40,38.25,0\n\n10.5,0,40,38.25,0.001\n12,0.000001,41,1e2,0.5\n"
    )
    trace = read(tmp_path, text)
    period_ns = 7 * S // 2
    assert trace.up == Steps(
        starts_ns=(0, S // 2, 2 * S), values=(12_500_000, 0, 1), period_ns=period_ns
    )
    assert trace.down == Steps(
        starts_ns=(0, 2 * S), values=(40_000_000, 41_000_000), period_ns=period_ns
    )
    assert trace.rtt_ns == Steps(
        starts_ns=(0, 2 * S), values=(38_250_000, 100_000_000), period_ns=period_ns
    )
    assert trace.loss_ppm.values == (0, 1_000, 500_000)


def test_columns_may_stand_in_any_order(tmp_path: Path) -> None:
    """Their names say what they are; the hash is that of the figures."""
    one = read(tmp_path, HEAD + "0,1,2,3,0.1\n1,2,3,4,0.2\n")
    other = read(tmp_path, "loss,rtt_ms,t_s,down_mbps,up_mbps\n0.1,3,0,2,1\n0.2,4,1,3,2\n")
    assert one == other
    assert one.content_hash() == other.content_hash()
    changed = read(tmp_path, HEAD + "0,1,2,3,0.1\n1,2,3,4,0.3\n")
    assert changed.content_hash() != one.content_hash()


def test_one_row_holds_for_ever(tmp_path: Path) -> None:
    """It is a constant link."""
    trace = read(tmp_path, HEAD + "3,1,2,3,0\n")
    assert trace.up == Steps.constant(1_000_000)


def test_a_unix_time_will_do(tmp_path: Path) -> None:
    """Loggers write it, to the nanosecond."""
    trace = read(tmp_path, HEAD + "1700000000.123456789,1,2,3,0\n1700000001.123456790,2,2,3,0\n")
    assert trace.up.starts_ns == (0, S + 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        (HEAD, "has no samples"),
        ("t_s,up_mbps,down_mbps,rtt_ms\n0,1,1,1\n", ":1: the columns must be"),
        ("t,up_mbps,down_mbps,rtt_ms,loss\n0,1,1,1,0\n", ":1: the columns must be"),
        ("0,1,1,1,0\n", ":1: the columns must be"),
        (HEAD + "0,1,1,1\n", ":2: has 4 cells, the head has 5"),
        (HEAD + "0,1,1,1,0,9\n", ":2: has 6 cells"),
        (HEAD + "0,1,1,1,0\n2,1,1,1,0\n1,1,1,1,0\n", ":4: time goes back: 2 s, then 1 s"),
        (HEAD + "0,1,1,1,0\n0,1,1,1,0\n", ":3: time stands still"),
        (HEAD + "0,-1,1,1,0\n", ":2: up_mbps must not be negative, got '-1'"),
        (HEAD + "0,1,nan,1,0\n", ":2: down_mbps must be finite, got 'nan'"),
        (HEAD + "0,inf,1,1,0\n", ":2: up_mbps must be finite"),
        (HEAD + "inf,1,1,1,0\n", ":2: t_s must be finite"),
        (HEAD + "0,1,1,-inf,0\n", ":2: rtt_ms must be finite"),
        (HEAD + "0,1,1,x,0\n", ":2: rtt_ms must be a number, got 'x'"),
        (HEAD + "0,1,,1,0\n", ":2: down_mbps is missing"),
        (HEAD + "0,1,1,1,1\n", ":2: loss must be at most 0.999999"),
        (HEAD + "0,1e999999,1,1,0\n", ":2: up_mbps must be at most 1e+06"),
        (HEAD + "0,1,1,60001,0\n", ":2: rtt_ms must be at most 60000"),
        (HEAD + "0,1,1,1,0\n1,1,1,1,0\n2,1,1,1,0\n13,1,1,1,0\n", ":5: a gap of 11 s"),
        (HEAD + "0,0,1,1,0\n1,0,1,1,0\n", "up_mbps is 0 in every row"),
        (HEAD + "0,1,0,1,0\n1,1,0,1,0\n", "down_mbps is 0 in every row"),
    ],
)  # fmt: skip
def test_a_table_that_is_none_is_refused_with_its_line(
    tmp_path: Path, text: str, reason: str
) -> None:
    """So that it can be mended."""
    with pytest.raises(TraceError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "x.csv"))
    assert reason in str(caught.value)


def test_ten_usual_steps_are_no_gap(tmp_path: Path) -> None:
    """A link that is written down when it changes."""
    trace = read(tmp_path, HEAD + "0,1,1,1,0\n1,2,1,1,0\n2,1,1,1,0\n12,2,1,1,0\n")
    assert trace.up.starts_ns == (0, S, 2 * S, 12 * S)
