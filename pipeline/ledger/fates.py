"""The closed list of fates that an offered frame can have."""

from __future__ import annotations

from typing import Literal

Fate = Literal["cloud", "edge", "late", "dropped", "failed", "interrupted"]
FATES: tuple[Fate, ...] = ("cloud", "edge", "late", "dropped", "failed", "interrupted")
