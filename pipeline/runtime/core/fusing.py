"""Paths from several sensors: which frames belong together, and when a set is complete."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.ledger.fates import Fate
    from pipeline.runtime.core.config import CoreConfig, FuseConfig, Partner

_REMEMBERED = 32  # frames of a partner that are kept; no anchor waits for older ones


class Part:
    """What became of one sensor's frame; `ref` is empty where nothing came of it.

    Attributes:
        ref: Where its result is kept.
        fate: Its fate.
        cause: Reason in a word or two.
        at_ns: When it was over, run time.
        cloud: Whether the answer came from a cloud.
        fallback: Whether it took another route than the plan's.
        stamps: Ends of the spans that it passed.
        modelled_ns: Part of its time that was modelled.
        bytes_up: Payload bytes that crossed upward.
        bytes_down: Payload bytes that came back.
        overrun: Whether something had to be computed meanwhile.
    """

    __slots__ = (
        "at_ns",
        "bytes_down",
        "bytes_up",
        "cause",
        "cloud",
        "fallback",
        "fate",
        "modelled_ns",
        "overrun",
        "ref",
        "stamps",
    )

    def __init__(self, ref: str, fate: Fate, cause: str, at_ns: int) -> None:
        self.ref, self.cause, self.at_ns = ref, cause, at_ns
        self.fate: Fate = fate
        self.cloud = self.fallback = self.overrun = False
        self.stamps: dict[str, int] = {}
        self.modelled_ns = self.bytes_up = self.bytes_down = 0


class Waiting:
    """A set is not complete; it is looked at again at that run time, or when a part is over."""

    __slots__ = ("until_ns",)

    def __init__(self, until_ns: int) -> None:
        self.until_ns = until_ns


class Lost:
    """Nothing will come of a set."""

    __slots__ = ("cause", "fate")

    def __init__(self, fate: Fate, cause: str) -> None:
        self.fate: Fate = fate
        self.cause = cause


class Complete:
    """What is fused: the anchor first, then partners in the path's order.

    Attributes:
        parts: The parts that are there.
        partial: Whether a partner is missing.
    """

    __slots__ = ("partial", "parts")

    def __init__(self, parts: tuple[Part, ...], *, partial: bool) -> None:
        self.parts, self.partial = parts, partial


class _Offered:
    """The last frames of a part that were offered, found by their recorded stamps."""

    __slots__ = ("_by_stamp", "_order")

    def __init__(self) -> None:
        self._order: deque[tuple[int, int]] = deque()
        self._by_stamp: list[tuple[int, int]] = []  # stamp and frame, ascending

    def add(self, stamp_ns: int, frame: int) -> None:
        """A frame was offered; the one that came longest ago may be forgotten."""
        if len(self._order) == _REMEMBERED:
            self._by_stamp.remove(self._order.popleft())
        self._order.append((stamp_ns, frame))
        insort(self._by_stamp, (stamp_ns, frame))

    def nearest(self, wanted_ns: int, within_ns: int) -> int | None:
        """The frame whose stamp lies nearest, no farther than that; of several the lowest one."""
        known = self._by_stamp
        place = bisect_left(known, (wanted_ns,))
        near = []
        if place < len(known):
            stamp_ns, frame = known[place]
            near.append((stamp_ns - wanted_ns, frame))
        if place:
            stamp_ns = known[place - 1][0]
            frame = known[bisect_left(known, (stamp_ns,), hi=place)][1]
            near.append((wanted_ns - stamp_ns, frame))
        away_ns, frame = min(near, default=(within_ns + 1, 0))
        return frame if away_ns <= within_ns else None


class Fusing:
    """Keeps parts until their sets are complete.

    An anchor's partner is the frame of the partner's stream whose recorded stamp lies nearest to
    the anchor's plus the partner's offset, and no farther from it than `within_ns`.
    """

    def __init__(self, config: CoreConfig) -> None:
        self._paths = {path.name: path.fuse for path in config.paths if path.fuse is not None}
        self._over: dict[str, dict[int, Part]] = {part.name: {} for part in config.parts}
        self._offered = {part.name: _Offered() for part in config.parts}
        self._held: Counter[str] = Counter()

    @property
    def kept(self) -> Iterator[str]:
        """Refs of results that are kept, each once."""
        return iter(self._held)

    def offered(self, part: str, frame: int, stamp_ns: int) -> None:
        """A frame of a part was offered."""
        self._offered[part].add(stamp_ns, frame)

    def over(self, part: str, frame: int, result: Part) -> list[str]:
        """A part is over; returns refs that are needed no more."""
        known = self._over[part]
        known[frame] = result
        if result.ref:
            self._held[result.ref] += 1
        return self._drop(known, frame) if len(known) > _REMEMBERED else []

    def forget_anchor(self, path: str, frame: int) -> list[str]:
        """A set is over; returns refs that are needed no more."""
        return self._drop(self._over[self._config(path).anchor], frame, only=True)

    def look(self, path: str, frame: int, stamp_ns: int, at_ns: int) -> Waiting | Lost | Complete:
        """How the set of an anchor's frame stands.

        Args:
            path: Name of the fused path.
            frame: The anchor's frame.
            stamp_ns: Its recorded stamp.
            at_ns: Now, run time.
        """
        config = self._config(path)
        anchor = self._over[config.anchor].get(frame)
        if anchor is None:
            return Waiting(-1)
        if not anchor.ref:
            return Lost(anchor.fate, anchor.cause)
        parts, until_ns, missing = [anchor], -1, False
        for partner in config.partners:
            found = self._partner(partner, stamp_ns)
            if found is not None and found.ref:
                parts.append(found)
                continue
            ends_ns = anchor.at_ns + partner.wait_ns
            if found is None and at_ns < ends_ns:
                until_ns = max(until_ns, ends_ns)
            elif not partner.partial:
                return Lost("dropped", "partner")
            else:
                missing = True
        if until_ns >= 0:
            return Waiting(until_ns)
        return Complete(tuple(parts), partial=missing)

    def _config(self, path: str) -> FuseConfig:
        return self._paths[path]

    def _partner(self, partner: Partner, stamp_ns: int) -> Part | None:
        """The partner's part, if its frame is known and over."""
        offered = self._offered[partner.part]
        number = offered.nearest(stamp_ns + partner.offset_ns, partner.within_ns)
        return None if number is None else self._over[partner.part].get(number)

    def _drop(self, known: dict[int, Part], frame: int, *, only: bool = False) -> list[str]:
        """Forget a frame's part, or the oldest; returns refs that nobody holds any more."""
        oldest = frame if only else min(known)
        part = known.pop(oldest, None)
        if part is None or not part.ref:
            return []
        self._held[part.ref] -= 1
        if self._held[part.ref] > 0:
            return []
        del self._held[part.ref]
        return [part.ref]
