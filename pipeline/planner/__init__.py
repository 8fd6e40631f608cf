"""Where each part of a network should run."""

from pipeline.planner.cuts import (
    Cut,
    CutProblem,
    CutTensor,
    best_cut,
    best_split,
    prefix_costs,
    problem_of,
)
from pipeline.planner.fusing import fused_groups

__all__ = [
    "Cut",
    "CutProblem",
    "CutTensor",
    "best_cut",
    "best_split",
    "fused_groups",
    "prefix_costs",
    "problem_of",
]
