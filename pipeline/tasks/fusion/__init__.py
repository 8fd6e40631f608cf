"""Combining results of several sensors; waiting for them is the core's."""

from pipeline.tasks.fusion.late import FusedDecoder, FusedResult, join_results, split_results

__all__ = ["FusedDecoder", "FusedResult", "join_results", "split_results"]
