"""The circuit breaker: a cloud that has stopped answering is no longer waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pipeline.runtime.core.config import BreakerConfig

State = Literal["closed", "open", "half-open"]


class Breaker:
    """Counts requests in a row that were not answered in time.

    Closed: everything may be asked. After `open_after` failures in a row it opens, and nothing is
    asked but one probe every `half_open_every_ns`. An answer in time closes it.
    """

    def __init__(self, config: BreakerConfig | None) -> None:
        self._config = config
        self._failures = 0
        self._open = False
        self._next_probe_ns = 0
        self._probing = False

    @property
    def state(self) -> State:
        """Whether the cloud is asked: always, never, or by a probe that is under way."""
        if not self._open:
            return "closed"
        return "half-open" if self._probing else "open"

    def allows(self, at_ns: int) -> bool:
        """Whether a request may be sent now; it does not count as sent."""
        return not self._open or (not self._probing and at_ns >= self._next_probe_ns)

    def asked(self, at_ns: int) -> None:
        """A request was sent; while the breaker is open it is the probe."""
        if self._open and self._config is not None:
            self._probing = True
            self._next_probe_ns = at_ns + self._config.half_open_every_ns

    def answered(self) -> bool:
        """A request was answered in time; returns whether that closed the breaker."""
        closed, self._open = self._open, False
        self._failures, self._probing = 0, False
        return closed

    def failed(self, at_ns: int) -> bool:
        """A request was not answered in time; returns whether that opened the breaker."""
        if self._config is None:
            return False
        self._failures += 1
        self._probing = False
        if self._open or self._failures < self._config.open_after:
            return False
        return self._opened(self._config, at_ns)

    def given_back(self) -> None:
        """A request was taken back before anything could be learnt from it."""
        self._probing = False

    def trip(self, at_ns: int) -> bool:
        """The peer is known to be gone; returns whether that opened the breaker."""
        if self._config is None or self._open:
            return False
        return self._opened(self._config, at_ns)

    def _opened(self, config: BreakerConfig, at_ns: int) -> bool:
        self._open = True
        self._next_probe_ns = at_ns + config.half_open_every_ns
        return True
