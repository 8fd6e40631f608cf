"""The traces of the link emulator mahimahi: one delivery opportunity a line.

A line holds a whole number of milliseconds since the file's start, at which one packet of 1,504
bytes can be delivered; a number that stands several times is a burst. The file repeats after its
last stamp. Here an opportunity is 1,504 bytes of capacity spread over its millisecond, and those
at the last stamp, which is also the next turn's time 0, belong to the first millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.link.formats.protocol import MOST_SPAN_NS, line_error, lines_of
from pipeline.link.steps import Steps
from pipeline.link.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PACKET_BYTES = 1_504  # an MTU of 1,500 and the four bytes of the tunnel device; mahimahi's figure
_NS_PER_MS = 1_000_000
_MS_PER_S = 1_000
_MOST_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Mahimahi:
    """Reader of a pair of mahimahi traces."""

    name: str = "mahimahi"
    suffixes: tuple[str, ...] = ()
    files: int = 2
    has_rtt: bool = False

    def read(self, paths: Sequence[Path], *, rtt_ns: int) -> Trace:
        """Read the uplink's file and the downlink's.

        Raises:
            TraceError: A file is wrong, with the line.
        """
        up, down = paths
        return Trace(
            source=f"mahimahi {up.name}, {down.name}",
            up=_capacity(up),
            down=_capacity(down),
            rtt_ns=Steps.constant(rtt_ns),
            loss_ppm=Steps.constant(0),
        )


MAHIMAHI = Mahimahi()


def _capacity(path: Path) -> Steps:
    """Bits per second over time."""
    counts: dict[int, int] = {}
    last_ms = -1
    for number, text in lines_of(path):
        if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS:
            raise line_error(
                path, number, f"must be a whole number of milliseconds, got {text[:40]!r}"
            )
        stamp_ms = int(text)
        if stamp_ms < last_ms:
            raise line_error(path, number, f"time goes back from {last_ms} to {stamp_ms} ms")
        counts[stamp_ms] = counts.get(stamp_ms, 0) + 1
        last_ms = stamp_ms
    if last_ms < 0:
        raise line_error(path, None, "has no delivery opportunity, so nothing would ever arrive")
    if last_ms == 0:
        raise line_error(path, None, "covers no time: its last stamp has to be above 0 ms")
    if last_ms * _NS_PER_MS > MOST_SPAN_NS:
        raise line_error(path, None, f"covers {last_ms} ms, more than a week")
    counts[0] = counts.get(0, 0) + counts.pop(last_ms)
    return Steps.of(_pieces(counts, last_ms), period_ns=last_ms * _NS_PER_MS)


def _pieces(counts: dict[int, int], last_ms: int) -> Iterator[tuple[int, int]]:
    """(start in ns, bits per second), with the idle time between opportunities."""
    idle_from_ms = 0
    for stamp_ms in sorted(counts):
        if stamp_ms > idle_from_ms:
            yield idle_from_ms * _NS_PER_MS, 0
        yield stamp_ms * _NS_PER_MS, counts[stamp_ms] * 8 * PACKET_BYTES * _MS_PER_S
        idle_from_ms = stamp_ms + 1
    if idle_from_ms < last_ms:
        yield idle_from_ms * _NS_PER_MS, 0
