"""Where each part of a network should run."""

from pipeline.planner._order import Order, order_of
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
    "Order",
    "best_cut",
    "best_split",
    "fused_groups",
    "order_of",
    "prefix_costs",
    "problem_of",
]
