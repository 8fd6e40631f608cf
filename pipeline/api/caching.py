"""Looking at the cache and emptying it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.api.calls import CacheReport
from pipeline.runtime import keeping
from pipeline.runtime.results import default_cache

if TYPE_CHECKING:
    from pathlib import Path


def cache_report(*, clear: bool) -> CacheReport:
    """What lies in the cache, after emptying it where asked.

    Models that were cut go too, unless a run is going on, which may be about to load one.

    Raises:
        InputError: The limit is no size.
        OSError: The cache cannot be read, or not be emptied.
    """
    root = default_cache()
    results, limit_bytes = root / "results", keeping.cache_limit()
    removed = removed_bytes = 0
    if clear:
        gone = keeping.clear(results)
        removed, removed_bytes = gone.entries, gone.bytes
        if not keeping.usage(results).runs:
            for file in _models(root):
                removed, removed_bytes = removed + 1, removed_bytes + file.stat().st_size
                file.unlink(missing_ok=True)
    found, models = keeping.usage(results), _models(root)
    return CacheReport(
        directory=root,
        limit_bytes=limit_bytes,
        results=found.entries,
        bytes=found.bytes,
        unfinished=found.unfinished,
        models=len(models),
        model_bytes=sum(file.stat().st_size for file in models),
        runs=found.runs,
        removed=removed,
        removed_bytes=removed_bytes,
    )


def _models(root: Path) -> list[Path]:
    return [file for file in (root / "models").rglob("*") if file.is_file()]
