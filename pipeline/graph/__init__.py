"""ONNX file to typed graph; a graph cut into segments that run."""

from pipeline.graph.counterparts import differs, is_quantised, write_counterpart
from pipeline.graph.cutting import CutModel, cut_model
from pipeline.graph.heads import (
    cut_candidates,
    cut_tensors,
    head_from_node,
    is_head,
    prefix_heads,
    segment_work,
    shape_tensors,
)
from pipeline.graph.model import Graph, Operator, Tensor
from pipeline.graph.parting import Parting, partings, write_parts
from pipeline.graph.reading import load_graph

__all__ = [
    "CutModel",
    "Graph",
    "Operator",
    "Parting",
    "Tensor",
    "cut_candidates",
    "cut_model",
    "cut_tensors",
    "differs",
    "head_from_node",
    "is_head",
    "is_quantised",
    "load_graph",
    "partings",
    "prefix_heads",
    "segment_work",
    "shape_tensors",
    "write_counterpart",
    "write_parts",
]
