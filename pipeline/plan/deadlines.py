"""Deadlines: one figure, or one that follows the vehicle's speed."""

from __future__ import annotations

from pipeline.values import Value

_MM_PER_M = 1_000


class Deadline(Value, frozen=True, kw_only=True):
    """How long a path may take, from the scheduled time to the decoded result at the consumer.

    At or below a speed it is `base_ns`; each metre per second more takes a fixed time off, down to
    a floor. The form is that of Pylot's example (planning.md 4.7): 400 ms at 10 m/s, 10 ms less for
    every further m/s.

    Attributes:
        base_ns: Deadline in ns, above 0, at or below the speed it falls from.
        from_mm_s: Speed in mm/s above which it falls.
        less_ns_per_m_s: What each m/s above that speed takes off, in ns; 0 for a constant deadline.
        floor_ns: What it never falls below, in ns, at most `base_ns`; unused where it is constant.
    """

    base_ns: int
    from_mm_s: int = 0
    less_ns_per_m_s: int = 0
    floor_ns: int = 0

    def at(self, speed_mm_s: int) -> int:
        """The deadline in ns at a speed in mm/s; parts of a ns that are to come off stay on."""
        if not self.less_ns_per_m_s:
            return self.base_ns
        above_mm_s = max(0, speed_mm_s - self.from_mm_s)
        less_ns = self.less_ns_per_m_s * above_mm_s // _MM_PER_M
        return max(self.floor_ns, self.base_ns - less_ns)

    @property
    def tightest_ns(self) -> int:
        """The shortest that it can be, at whatever speed."""
        return min(self.base_ns, self.floor_ns) if self.less_ns_per_m_s else self.base_ns
