"""Random numbers keyed by what they are for, never by the order of asking."""

from __future__ import annotations

import zlib
from functools import lru_cache

import numpy as np

_MASK = (1 << 64) - 1
_UNIT = 1.0 / (1 << 53)


@lru_cache(maxsize=8192)
def uniforms(seed: int, purpose: str, *subject: int, count: int) -> tuple[float, ...]:
    """Return `count` numbers in [0, 1) that depend on nothing but the arguments.

    Philox in counter mode: the key is the seed and the purpose, the counter holds the subject.

    Args:
        seed: Seed of the drive; its lowest 64 bits count.
        purpose: What the numbers are for, such as "tree".
        subject: Up to three whole numbers that name the thing; the lowest 64 bits count.
        count: How many numbers.
    """
    words = [number & _MASK for number in subject] + [0, 0, 0]
    key = np.array([seed & _MASK, zlib.crc32(purpose.encode())], dtype=np.uint64)
    # The lowest word is what Philox itself counts up.
    counter = np.array([0, *words[:3]], dtype=np.uint64)
    bits = np.random.Philox(key=key, counter=counter)
    return tuple(bits.random_raw() // (1 << 11) * _UNIT for _ in range(count))
