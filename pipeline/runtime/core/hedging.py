"""When a hedge has to start so that it still meets its deadline, whatever else the device holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pipeline.runtime.core.config import Hedge

Key = tuple[str, int]
"""Task and frame."""


class _Reserved(NamedTuple):
    """Device time that a hedge may need: so much of it, over by then."""

    ends_ns: int
    order: int
    length_ns: int


class Reservations:
    """Device time set aside for hedges that may still be needed, per device.

    A hedge alone may start at `D - L - B - margin`. Several on one device must not count on the
    same time, so each is planned to end before the next one has to start, from the latest deadline
    backwards; a new one can only make those before it start earlier.
    """

    def __init__(self) -> None:
        self._reserved: dict[str, dict[Key, _Reserved]] = {}
        self._order = 0

    def add(self, key: Key, hedge: Hedge, deadline_at_ns: int) -> dict[Key, int]:
        """Set time aside.

        Args:
            key: Name of the hedge.
            hedge: What it is.
            deadline_at_ns: Run time by which its result has to be delivered.

        Returns:
            Latest start of every hedge on that device, run time in ns.
        """
        self._order += 1
        after_ns = hedge.length_ns - hedge.device_ns  # host stages and the hop behind the device
        ends_ns = deadline_at_ns - after_ns - hedge.margin_ns
        on_device = self._reserved.setdefault(hedge.device, {})
        on_device[key] = _Reserved(ends_ns, self._order, hedge.device_ns)
        return self._starts_ns(hedge.device, hedge.blocking_ns)

    def remove(self, key: Key, hedge: Hedge) -> None:
        """Give the time back; starts that were planned stay, they are merely early."""
        self._reserved.get(hedge.device, {}).pop(key, None)

    def _starts_ns(self, device: str, blocking_ns: int) -> dict[Key, int]:
        starts: dict[Key, int] = {}
        next_ns: int | None = None
        ordered = sorted(self._reserved[device].items(), key=lambda item: item[1], reverse=True)
        for key, reserved in ordered:
            ends_ns = reserved.ends_ns if next_ns is None else min(reserved.ends_ns, next_ns)
            next_ns = ends_ns - reserved.length_ns
            starts[key] = next_ns - blocking_ns
        return starts
