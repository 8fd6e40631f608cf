"""The closed list of spans, and a frame's durations from its boundary stamps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# In the order in which a frame passes them; a route leaves out what it does not pass.
SPANS: tuple[str, ...] = (
    "source",
    "prepare",
    "edge_wait",
    "edge",
    "pack",
    "uplink_wait",
    "uplink",
    "unpack",
    "cloud_wait",
    "cloud",
    "post",
    "downlink_wait",
    "downlink",
    "fuse_wait",
    "fuse",
    "deliver",
)

# The boundary between waiting for admission and the start of preparation. It ends no span of its
# own: the wait before it belongs to the first waiting span of the frame's way.
ADMITTED = "admitted"

# When a better answer followed the one that was delivered. It ends no span either.
IMPROVED = "improved"

# Stamps that the consumer makes: the vehicle's row has them only once it is sealed.
SEALED_IN: frozenset[str] = frozenset({"deliver", IMPROVED})


def durations_ns(scheduled_ns: int, stamps: Mapping[str, int]) -> dict[str, int]:
    """Duration of every span a frame passed, in ns; they add up to the last stamp's latency.

    Args:
        scheduled_ns: Where the frame's clock starts.
        stamps: End of each passed span, and `admitted`, as run time in ns, not decreasing in the
            order of `SPANS`.
    """
    found: dict[str, int] = {}
    last_ns = scheduled_ns
    waited_ns = 0
    for span in SPANS:
        at_ns = stamps.get(span)
        if at_ns is None:
            continue
        found[span] = at_ns - last_ns
        last_ns = at_ns
        if span == "source" and ADMITTED in stamps:
            waited_ns = stamps[ADMITTED] - at_ns
            last_ns = stamps[ADMITTED]
    if waited_ns:
        first = next(
            (s for s in ("edge_wait", "uplink_wait", "cloud_wait") if s in found), "prepare"
        )
        found[first] = found.get(first, 0) + waited_ns
    return found
