"""What `splitway cache` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.api import CacheReport

_MB = 1_000_000


def cache_document(report: CacheReport) -> dict[str, object]:
    """The report as `--json` prints it, schema `splitway.cache/1`."""
    return {
        "schema": "splitway.cache/1",
        "directory": str(report.directory),
        "limit_bytes": report.limit_bytes,
        "results": report.results,
        "bytes": report.bytes,
        "unfinished": report.unfinished,
        "models": report.models,
        "model_bytes": report.model_bytes,
        "runs": report.runs,
        "removed": report.removed,
        "removed_bytes": report.removed_bytes,
    }


def print_cache(report: CacheReport) -> None:
    """The report for people."""
    print(report.directory)
    share = 100 * report.bytes / report.limit_bytes if report.limit_bytes else 100.0
    if report.removed:
        print(f" removed  {report.removed} files, {_mb(report.removed_bytes)}")
    print(
        f" results  {report.results} files, {_mb(report.bytes)} of {_mb(report.limit_bytes)} "
        f"({share:.0f} %)"
    )
    print(f" models   {report.models} files, {_mb(report.model_bytes)}")
    if report.unfinished:
        print(f" unfinished files: {report.unfinished}")
    if report.runs:
        print(f" in use by {report.runs} run{'s' if report.runs != 1 else ''}")


def _mb(size: int) -> str:
    return f"{size / _MB:,.1f} MB".replace(",", " ")
