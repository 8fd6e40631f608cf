"""Writes a memory-bound network for trying PIM devices: timing only, its weights are random.

It has the shape of a decoder that foretells a whole scene step by step: a LiDAR's grid becomes 120
tokens, and one token for the scene runs through wide attention and feed-forward layers for each
half second of three seconds to come, attending to the grid and to the steps before; the last step
gives boxes. Every step reads nearly all weights for one row of work, so the time goes into memory
and not into arithmetic: what PIM is for.

Weights are int8, drawn from a seed, behind DequantizeLinear. The default, one layer 4096 wide with
an 8192 wide feed-forward part, is a file of about 210 MB; to *run* it, ONNX Runtime unpacks the
weights to float32 and takes about 4 GB of memory. Pricing takes half a gigabyte.

    python examples/pim/make_model.py
    splitway price examples/pim/interaction.onnx --device furiosa-warboy
    splitway check examples/pim/scenario.yaml
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CHANNELS, ROWS, COLUMNS = 10, 192, 160
"""The input `pillars`, 1 x 10 x 192 x 160: the default grid, as of `builtin:pillars`."""

STRIDE = 16
"""Cells of the grid a token, and a cell of the outputs."""

CLASSES, FIGURES = 5, 10
"""The outputs `heatmap` and `boxes` are those of the decoder `pillars`, at `STRIDE`."""

FUTURES = 6
TOKENS = (ROWS // STRIDE) * (COLUMNS // STRIDE)

_OPSET, _IR_VERSION = 17, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Size of the decoder.

    Attributes:
        width: Of a token; a multiple of `heads`.
        feed: Of the feed-forward part.
        layers: Decoder layers.
        heads: Of each attention.
    """

    width: int = 4096
    feed: int = 8192
    layers: int = 1
    heads: int = 32


class Decoder:
    """A graph that grows node by node; each weight is drawn from the seed and its own name."""

    def __init__(self, shape: Shape, seed: int) -> None:
        """Begin empty."""
        self._shape, self._seed, self._count = shape, seed, 0
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._weights: dict[str, str] = {}

    def build(self) -> onnx.ModelProto:
        """Make the whole network."""
        pooled = self._add(
            "AveragePool", ["pillars"], kernel_shape=[STRIDE] * 2, strides=[STRIDE] * 2
        )
        flat = self._shaped(pooled, (1, CHANNELS, TOKENS))
        rows = self._add("Transpose", [flat], perm=[0, 2, 1])
        grid = self._product(rows, "embed", CHANNELS, self._shape.width)
        keys = [
            (self._square(grid, f"cross_key{k}"), self._square(grid, f"cross_value{k}"))
            for k in range(self._shape.layers)
        ]
        start = self._constant("start", self._draws("start", (1, 1, self._shape.width), 1.0))
        scene = self._add("ReduceMean", [grid], axes=[1], keepdims=1)
        token = self._add("Add", [scene, start])
        past: list[tuple[str, str]] = [("", "")] * self._shape.layers
        for _ in range(FUTURES):
            for layer in range(self._shape.layers):
                token, past[layer] = self._layer(token, layer, past[layer], keys[layer])
        for name, figures in (("heatmap", CLASSES), ("boxes", FIGURES)):
            head = self._product(token, f"head_{name}", self._shape.width, figures * TOKENS)
            self._shaped(head, (1, figures, ROWS // STRIDE, COLUMNS // STRIDE), name)
        graph = helper.make_graph(
            self._nodes,
            "interaction_decoder",
            [_tensor("pillars", (1, CHANNELS, ROWS, COLUMNS))],
            [
                _tensor(name, (1, figures, ROWS // STRIDE, COLUMNS // STRIDE))
                for name, figures in (("heatmap", CLASSES), ("boxes", FIGURES))
            ],
            self._constants,
            doc_string="Random weights. For timing only.",
        )
        model = helper.make_model(
            graph,
            producer_name="splitway",
            ir_version=_IR_VERSION,
            opset_imports=[helper.make_opsetid("", _OPSET)],
        )
        return onnx.shape_inference.infer_shapes(model, strict_mode=True)

    def _layer(
        self, token: str, layer: int, past: tuple[str, str], tracks: tuple[str, str]
    ) -> tuple[str, tuple[str, str]]:
        """One layer for one step; returns the token and the keys and values so far."""
        normal = self._normalised(token)
        key, value = (self._square(normal, f"self_{kind}{layer}") for kind in ("key", "value"))
        if past[0]:
            key = self._add("Concat", [past[0], key], axis=1)
            value = self._add("Concat", [past[1], value], axis=1)
        query = self._square(normal, f"self_query{layer}")
        seen = self._square(self._attended(query, key, value), f"self_out{layer}")
        token = self._add("Add", [token, seen])
        query = self._square(self._normalised(token), f"cross_query{layer}")
        seen = self._square(self._attended(query, *tracks), f"cross_out{layer}")
        token = self._add("Add", [token, seen])
        width, feed = self._shape.width, self._shape.feed
        wide = self._product(self._normalised(token), f"feed_in{layer}", width, feed)
        narrow = self._product(self._add("Relu", [wide]), f"feed_out{layer}", feed, width)
        return self._add("Add", [token, narrow]), (key, value)

    def _attended(self, query: str, key: str, value: str) -> str:
        """Attention over heads: Vaswani et al., 2017 (arXiv 1706.03762), section 3.2."""
        heads, part = self._shape.heads, self._shape.width // self._shape.heads
        split = [
            self._add("Transpose", [self._shaped(x, (1, -1, heads, part))], perm=order)
            for x, order in ((query, [0, 2, 1, 3]), (key, [0, 2, 3, 1]), (value, [0, 2, 1, 3]))
        ]
        scale = self._constant("scale", np.float32(1 / math.sqrt(part)))
        scores = self._add("Mul", [self._add("MatMul", split[:2]), scale])
        shares = self._add("Softmax", [scores], axis=-1)
        seen = self._add("Transpose", [self._add("MatMul", [shares, split[2]])], perm=[0, 2, 1, 3])
        return self._shaped(seen, (1, -1, self._shape.width))

    def _normalised(self, x: str) -> str:
        ones = self._constant("ones", np.ones(self._shape.width, np.float32))
        return self._add("LayerNormalization", [x, ones], axis=-1)

    def _square(self, x: str, name: str) -> str:
        return self._product(x, name, self._shape.width, self._shape.width)

    def _product(self, x: str, name: str, taken: int, given: int) -> str:
        """Multiply by a weight, which all calls of the same name share."""
        if name not in self._weights:
            codes = self._constant(f"{name}.codes", self._codes(name, (taken, given)))
            spread = 73.6  # standard deviation of whole numbers spread evenly from -127 to 127
            scale = np.float32(1 / (spread * math.sqrt(taken)))
            inputs = [codes, self._constant(f"{name}.scale", scale)]
            self._weights[name] = self._add("DequantizeLinear", inputs, f"{name}.weight")
        return self._add("MatMul", [x, self._weights[name]])

    def _shaped(self, x: str, shape: tuple[int, ...], out: str = "") -> str:
        name = "shape_" + "_".join(map(str, shape)).replace("-1", "rest")
        return self._add("Reshape", [x, self._constant(name, np.array(shape, np.int64))], out)

    def _codes(self, name: str, shape: tuple[int, int]) -> np.ndarray:
        return self._generator(name).integers(-127, 128, size=shape, dtype=np.int8)

    def _draws(self, name: str, shape: tuple[int, ...], spread: float) -> np.ndarray:
        steps = self._generator(name).integers(-127, 128, size=shape, dtype=np.int8)
        return steps.astype(np.float32) * np.float32(spread / 73.6)

    def _generator(self, name: str) -> np.random.Generator:
        digest = hashlib.sha256(name.encode()).digest()
        return np.random.Generator(
            np.random.Philox(key=[self._seed, int.from_bytes(digest[:8], "little")])
        )

    def _constant(self, name: str, values: np.ndarray | np.generic) -> str:
        if name not in {known.name for known in self._constants}:
            self._constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def _add(self, kind: str, inputs: list[str], out: str = "", **attributes: object) -> str:
        self._count += 1
        out = out or f"{kind.lower()}{self._count}"
        self._nodes.append(helper.make_node(kind, inputs, [out], name=f"{kind}_{out}"))
        self._nodes[-1].attribute.extend(
            helper.make_attribute(key, value) for key, value in sorted(attributes.items())
        )
        return out


def _tensor(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def write(path: Path, shape: Shape, *, seed: int) -> int:
    """Write the network and its card; returns its bytes. The same arguments give the same bytes."""
    data = Decoder(shape, seed).build().SerializeToString(deterministic=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    card = {
        "card": 1,
        "name": path.stem,
        "summary": "Foretells a scene from a LiDAR's sweep, random weights: timing only",
        "licence": "Apache-2.0",
        "seeds": {"weights": seed},
        "input": {"pillars": {"rows": ROWS, "columns": COLUMNS}},
        "output": {"decoder": "pillars"},
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "untrained": True,
        "notes": ["random weights: its results mean nothing"],
    }
    path.with_name(f"{path.stem}.card.json").write_text(json.dumps(card, indent=2) + "\n")
    return len(data)


def main() -> None:
    """Write it beside this file, or where told."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Shape()
    parser.add_argument("--width", type=int, default=default.width)
    parser.add_argument("--feed", type=int, default=default.feed)
    parser.add_argument("--layers", type=int, default=default.layers)
    parser.add_argument("--heads", type=int, default=default.heads)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "-o", "--to", type=Path, default=Path(__file__).with_name("interaction.onnx")
    )
    given = parser.parse_args()
    if given.width < 1 or given.heads < 1 or given.width % given.heads:
        parser.error(f"--width {given.width} is no multiple of --heads {given.heads}")
    shape = Shape(width=given.width, feed=given.feed, layers=given.layers, heads=given.heads)
    size = write(given.to, shape, seed=given.seed)
    print(f"{given.to}: {size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
