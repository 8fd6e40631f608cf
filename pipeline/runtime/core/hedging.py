"""When a hedge has to start so that it still meets its deadline, whatever else the device holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipeline.runtime.core.commands import CancelTimer, SetTimer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.config import Hedge
    from pipeline.runtime.core.frames import Frame

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
        on_device = self._reserved[device]
        if len(on_device) == 1:  # nearly always
            ((key, alone),) = on_device.items()
            return {key: alone.ends_ns - alone.length_ns - blocking_ns}
        starts: dict[Key, int] = {}
        next_ns: int | None = None
        ordered = sorted(on_device.items(), key=lambda item: item[1], reverse=True)
        for key, reserved in ordered:
            ends_ns = reserved.ends_ns if next_ns is None else min(reserved.ends_ns, next_ns)
            next_ns = ends_ns - reserved.length_ns
            starts[key] = next_ns - blocking_ns
        return starts


class Hedges:
    """Timers of the hedges that may still start, and their places on the device."""

    def __init__(self) -> None:
        self._reservations = Reservations()

    def plan(
        self, frame: Frame, opened: Mapping[Key, Frame], at_ns: int, out: list[Command]
    ) -> None:
        """Set a frame's timer, and make those earlier that would be in its way.

        Args:
            frame: The frame, its hedge named.
            opened: Every open frame.
            at_ns: Now, run time.
            out: Where commands go.
        """
        hedge = frame.hedge
        if hedge is None or hedge.start == "at-once":
            return
        starts = self._reservations.add(frame.key, hedge, frame.deadline_at_ns)
        for key, start_ns in starts.items():
            other = opened.get(key)
            if other is None or other.hedge is None:
                continue
            fires_ns = start_ns
            if other.hedge.start == "after":
                fires_ns = min(start_ns, other.offer.scheduled_ns + other.hedge.after_ns)
            if other is frame or fires_ns < other.hedge_at_ns:
                other.hedge_at_ns = fires_ns
                out.append(SetTimer(timer=f"hedge/{other.name}", at_ns=max(at_ns, fires_ns)))

    def drop(self, frame: Frame, out: list[Command]) -> None:
        """A frame's timer and place on the device are needed no more."""
        if frame.hedge is None:
            return
        if frame.hedge.start != "at-once":
            self._reservations.remove(frame.key, frame.hedge)
            out.append(CancelTimer(timer=f"hedge/{frame.name}"))
        frame.hedge = frame.hedge_chart = None
