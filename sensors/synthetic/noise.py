"""Sources of many random numbers, keyed by what they are for, never by the order of asking."""

from __future__ import annotations

import zlib

import numpy as np

_MASK = (1 << 64) - 1


def generator(seed: int, purpose: str, *subject: int) -> np.random.Generator:
    """Return a source of numbers that depend on nothing but the arguments.

    Philox in counter mode, keyed as in `draws.uniforms`: for arrays of numbers instead of a few.

    Args:
        seed: Seed of the drive; its lowest 64 bits count.
        purpose: What the numbers are for.
        subject: Up to three whole numbers that name the thing; the lowest 64 bits count.
    """
    words = [number & _MASK for number in subject] + [0, 0, 0]
    key = np.array([seed & _MASK, zlib.crc32(purpose.encode())], dtype=np.uint64)
    # The lowest word is what Philox itself counts up.
    counter = np.array([0, *words[:3]], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))
