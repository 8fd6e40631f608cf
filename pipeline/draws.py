"""Random draws that depend on what is drawn for, never on when or in which order."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_BLOCK_BITS = 10
_BLOCK = 1 << _BLOCK_BITS  # frames whose words are made at once
_ATTEMPTS = 4  # Philox gives four words per counter: one per attempt
_IN_BLOCK = _BLOCK - 1
_SHIFT = 1 << 40  # makes the counters of warm-up frames positive
_NO_BLOCK = _SHIFT  # that no frame lies in

PPM = 1_000_000


class Factors:
    """Factors in parts per million for the frames of one subject, from one quantile table."""

    __slots__ = ("_block", "_draws", "_held", "_name", "_table")

    def __init__(self, draws: Draws, name: tuple[str, str], table: Sequence[int]) -> None:
        self._draws, self._name, self._table = draws, name, table
        self._block, self._held = _NO_BLOCK, [PPM]

    def at(self, frame: int) -> int:
        """The factor of a frame, negative for warm-up."""
        block = frame >> _BLOCK_BITS
        if block != self._block:
            # The first attempts' upper halves, scaled to the table's length, for a whole block.
            words = self._draws.block(self._name, block)[::_ATTEMPTS]
            places = (words >> 32) * len(self._table) >> 32
            self._held = np.asarray(self._table, np.int64)[places].tolist()
            self._block = block
        return self._held[frame & _IN_BLOCK]

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """The same: what it holds, it would make again."""
        return self


class Words:
    """64-bit words for the frames of one subject."""

    __slots__ = ("_block", "_draws", "_held", "_name")

    def __init__(self, draws: Draws, name: tuple[str, str]) -> None:
        self._draws, self._name = draws, name
        self._block, self._held = _NO_BLOCK, [0]

    def at(self, frame: int, attempt: int = 0) -> int:
        """The word of a frame, negative for warm-up, and of an attempt from 0 to 3."""
        block = frame >> _BLOCK_BITS
        if block != self._block:
            self._held = self._draws.block(self._name, block).tolist()
            self._block = block
        return self._held[(frame & _IN_BLOCK) * _ATTEMPTS + attempt]

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """The same: what it holds, it would make again."""
        return self


class Draws:
    """Counter-based draws (Philox4x64), keyed by (seed, purpose, subject, frame, attempt).

    A draw becomes a duration through an integer quantile table, so the same seed gives the same
    nanoseconds on every machine, and another task or another retry leaves all other draws alone.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._keys: dict[tuple[str, str], np.ndarray[tuple[int], np.dtype[np.uint64]]] = {}
        self._factors: dict[tuple[str, str], tuple[Sequence[int], Factors]] = {}
        self._words: dict[tuple[str, str], Words] = {}

    def word(self, purpose: str, subject: str, frame: int, attempt: int = 0) -> int:
        """A 64-bit word.

        Args:
            purpose: What for, such as `jitter`.
            subject: A step, stream, device or link.
            frame: Frame number, negative for warm-up.
            attempt: 0 to 3.
        """
        found = self._words.get((purpose, subject))
        if found is None:
            found = self._words[purpose, subject] = self.of(purpose, subject)
        return found.at(frame, attempt)

    def of(self, purpose: str, subject: str) -> Words:
        """All that `word` draws for a subject, for callers that keep it."""
        return Words(self, (purpose, subject))

    def ppm(self, table: Sequence[int], purpose: str, subject: str, frame: int) -> int:
        """A factor in parts per million, drawn from a table of evenly spaced quantiles."""
        held = self._factors.get((purpose, subject))
        if held is None or held[0] is not table:
            held = (table, self.factors(table, purpose, subject))
            self._factors[purpose, subject] = held
        return held[1].at(frame)

    def factors(self, table: Sequence[int], purpose: str, subject: str) -> Factors:
        """All that `ppm` draws for a subject, for callers that keep it."""
        return Factors(self, (purpose, subject), table)

    def words(self, purpose: str, subject: str, count: int) -> NDArray[np.uint64]:
        """Many words at once, for what is drawn for a whole run and not for a frame of it.

        Args:
            purpose: What for, such as `bootstrap`.
            subject: A path, or whatever else has draws of its own.
            count: How many.
        """
        found = np.random.Philox(key=self._key((purpose, subject))).random_raw(count)
        return np.asarray(found, np.uint64)

    def block(
        self, name: tuple[str, str], block: int
    ) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        """Words of a block of frames for a purpose and subject, four for each frame.

        Args:
            name: Purpose and subject.
            block: Which frames: those from `block * 1024` on; negative for warm-up.
        """
        counter = np.array([block * _BLOCK + _SHIFT, 0, 0, 0], np.uint64)
        words = np.random.Philox(key=self._key(name), counter=counter)
        return words.random_raw(_BLOCK * _ATTEMPTS)

    def _key(self, name: tuple[str, str]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        key = self._keys.get(name)
        if key is None:
            text = f"{self._seed}/{name[0]}/{name[1]}".encode()
            digest = hashlib.blake2b(text, digest_size=16).digest()
            words = [int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")]
            key = self._keys[name] = np.array(words, np.uint64)
        return key
