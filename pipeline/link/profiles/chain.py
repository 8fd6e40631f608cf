"""A profile and a seed become a trace, in whole numbers and by keyed draws alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.draws import Draws
from pipeline.link.steps import Steps
from pipeline.link.trace import Trace

if TYPE_CHECKING:
    from pipeline.link.profiles.schema import Profile, Range, State

_NS_PER_MS = 1_000_000
_NS_PER_US = 1_000
_PURPOSE = "link-profile"
_MOVE, _UP, _DOWN, _RTT = range(4)  # the four draws of a step


def expand(profile: Profile, *, seed: int) -> Trace:
    """The trace of a profile under a seed; the same on every machine.

    Raises:
        ValueError: Under this seed a direction stands still for ever.
    """
    draws = Draws(seed)
    step_ns, name = profile.step_ms * _NS_PER_MS, profile.start
    up, down, rtt, loss = [], [], [], []
    for index in range(profile.length_ms // profile.step_ms):
        state = profile.states[name]
        at_ns = index * step_ns
        words = [draws.word(_PURPOSE, profile.name, index, which) for which in range(4)]
        up.append((at_ns, _within(state.up_bits_per_s, words[_UP])))
        down.append((at_ns, _within(state.down_bits_per_s, words[_DOWN])))
        rtt.append((at_ns, _within(state.rtt_us, words[_RTT]) * _NS_PER_US))
        loss.append((at_ns, state.loss_ppm.value))
        name = _after(name, state, profile.step_ms, words[_MOVE])
    period_ns = profile.length_ms * _NS_PER_MS
    trace = Trace(
        source=f"profile {profile.name}, synthetic, seed {seed}",
        up=Steps.of(up, period_ns=period_ns),
        down=Steps.of(down, period_ns=period_ns),
        rtt_ns=Steps.of(rtt, period_ns=period_ns),
        loss_ppm=Steps.of(loss, period_ns=period_ns),
    )
    if not any(trace.up.values) or not any(trace.down.values):
        raise ValueError(f"profile {profile.name}: seed {seed} makes a rate of 0 for ever")
    return trace


def _within(bounds: Range, word: int) -> int:
    """A whole number between two bounds, both included, evenly."""
    return bounds.low + (word * (bounds.high - bounds.low + 1) >> 64)


def _after(name: str, state: State, step_ms: int, word: int) -> str:
    """The state of the next step: the upper half says whether, the lower half where to."""
    if (word >> 32) * state.dwell_ms.value >= step_ms << 32:
        return name
    weights = state.next.weights
    place = (word & 0xFFFF_FFFF) * sum(weights.values()) >> 32
    for other, weight in weights.items():
        place -= weight
        if place < 0:
            return other
    raise AssertionError("the place lies below the sum of the weights")
