"""A trained network as an ONNX file, compared with what it was."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch
from onnx import shape_inference
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from accelerators.backends.ort import run_once

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

OPSET = 17
_IR_VERSION = 8  # of opset 17
_TOLERANCE = 2e-3  # largest difference, relative to the largest value of the output


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Names of a network's inputs and outputs, and of a tensor inside it.

    Attributes:
        inputs: Names of the inputs.
        outputs: Names of the outputs.
        narrow: Part of the name of the node whose output gets the name `narrow`; empty for none.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    narrow: str = ""


def export(model: nn.Module, example: Tensor, ports: Ports, path: Path) -> None:
    """Write a model with its normalisations folded in, and check that it still says the same.

    Raises:
        ValueError: ONNX Runtime and torch differ by more than rounding.
    """
    model = fused(model).eval()
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of tracing: shapes are constants on purpose
        torch.onnx.export(
            model, (example,), buffer, opset_version=OPSET, dynamo=False,
            input_names=list(ports.inputs), output_names=list(ports.outputs),
        )  # fmt: skip
        wanted = model(example)
    tidied = _tidied(onnx.load_from_string(buffer.getvalue()), path.stem, ports)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tidied.SerializeToString(deterministic=True))
    feed = {ports.inputs[0]: example.numpy()}
    found = run_once(path, feed, optimise=True)
    tensors: Sequence[Tensor] = (wanted,) if isinstance(wanted, torch.Tensor) else wanted
    for name, tensor in zip(ports.outputs, tensors, strict=True):
        gap = float(np.abs(np.asarray(found[name], np.float64) - tensor.numpy()).max())
        if gap > _TOLERANCE * max(1.0, float(tensor.abs().max())):
            msg = f"{path}: output {name} differs from torch's by {gap:.2g}"
            raise ValueError(msg)


def fused(model: nn.Module) -> nn.Module:
    """Fold each normalisation into the convolution before it; the model is changed and returned."""
    model.eval()
    for name, child in model.named_children():
        if isinstance(child, nn.Sequential) and len(child) > 1 and _folds(child):
            merged = fuse_conv_bn_eval(child[0], child[1])
            setattr(model, name, nn.Sequential(merged, *list(child)[2:]))
        else:
            fused(child)
    return model


def _folds(layers: nn.Sequential) -> bool:
    return isinstance(layers[0], nn.Conv2d) and isinstance(layers[1], nn.BatchNorm2d)


def _tidied(model: onnx.ModelProto, name: str, ports: Ports) -> onnx.ModelProto:
    """Name the graph and its narrow tensor, infer every shape, check."""
    model.graph.name, model.producer_name, model.producer_version = name, "splitway", ""
    model.ir_version = _IR_VERSION
    if ports.narrow:
        (node,) = [n for n in model.graph.node if ports.narrow in n.name]
        old = node.output[0]
        node.output[0] = "narrow"
        for other in model.graph.node:
            other.input[:] = ["narrow" if read == old else read for read in other.input]
    inferred = shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    onnx.checker.check_model(inferred, full_check=True)
    return inferred
