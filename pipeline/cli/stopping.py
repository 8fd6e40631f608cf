"""Ctrl-C and SIGTERM: the first asks the run to end, the second ends the command."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from replay.clock import WallClock

if TYPE_CHECKING:
    from types import FrameType

_NS_PER_S = 1_000_000_000
_SIGNALLED = 128  # exit codes of a command that a signal ended begin here


class Stopper:
    """Hears signals and a timeout; a run asks it now and then whether to stop.

    Outside of a part that asks, a signal ends the command at once, as Python does.
    """

    def __init__(self, timeout_s: float | None) -> None:
        self._clock = WallClock()
        self._ends_ns = (
            None if timeout_s is None else self._clock.now_ns() + int(timeout_s * _NS_PER_S)
        )
        self._reason = ""
        self.signal: int | None = None
        self.asks = False

    def install(self) -> None:
        """Take over SIGINT and SIGTERM."""
        signal.signal(signal.SIGINT, self._heard)
        signal.signal(signal.SIGTERM, self._heard)

    def reason(self) -> str:
        """Why to stop; empty while there is no reason."""
        due = self._ends_ns is not None and self._clock.now_ns() >= self._ends_ns
        if due and not self._reason:
            self._reason = "timeout"
        return self._reason

    @property
    def timed_out(self) -> bool:
        """Whether the timeout, and no signal, ended the run."""
        return self._reason == "timeout"

    def _heard(self, number: int, frame: FrameType | None) -> None:
        del frame
        again = self.signal is not None
        self.signal = number
        self._reason = signal.Signals(number).name
        if again or not self.asks:
            raise SystemExit(_SIGNALLED + number)
