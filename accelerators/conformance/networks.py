"""The small networks that a backend is checked with, as ONNX files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from onnx import GraphProto

    Array = NDArray[np.generic[object]]

OPSET, IR_VERSION = 17, 8  # what vendors' compilers of the last years read
PICTURE = (1, 3, 16, 16)
_SEED = 5


def write_networks(folder: Path) -> dict[str, Path]:
    """Write the networks into a folder, replacing what is there; paths by name.

    `convolutions` has two convolutions and an activation, `difference` two inputs and two outputs
    that an exchange would change, `roots` an output that is no number for negative inputs. All are
    float32 with static shapes.
    """
    from onnx import helper  # noqa: PLC0415 - lazy on purpose: listing must not pay for it

    made: dict[str, Path] = {}
    for name, graph in (
        ("convolutions", _convolutions()),
        ("difference", _difference()),
        ("roots", _roots()),
    ):
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
        )
        path = folder / f"{name}.onnx"
        path.write_bytes(model.SerializeToString())
        made[name] = path
    return made


def feed(network: str, seed: int) -> dict[str, Array]:
    """Inputs of a network, other ones for each seed; uniform between -1 and 1."""
    rng = np.random.default_rng((_SEED, seed))
    names = ("minuend", "subtrahend") if network == "difference" else ("picture",)
    return {name: rng.uniform(-1, 1, PICTURE).astype(np.float32) for name in names}


def _convolutions() -> GraphProto:
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415 - lazy on purpose

    rng = np.random.default_rng(_SEED)
    shapes = {"first_w": (8, 3, 3, 3), "second_w": (4, 8, 3, 3)}
    return helper.make_graph(
        [
            helper.make_node(
                "Conv", ["picture", "first_w"], ["wide"], name="first", pads=[1, 1, 1, 1]
            ),
            helper.make_node("Relu", ["wide"], ["positive"], name="relu"),
            helper.make_node(
                "Conv", ["positive", "second_w"], ["features"], name="second", pads=[1, 1, 1, 1]
            ),
        ],
        "convolutions",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, PICTURE)],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, (1, 4, 16, 16))],
        [
            numpy_helper.from_array((rng.normal(size=shape) * 0.2).astype(np.float32), name)
            for name, shape in shapes.items()
        ],
    )


def _difference() -> GraphProto:
    from onnx import TensorProto, helper  # noqa: PLC0415 - lazy on purpose

    pictures = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, PICTURE)
        for name in ("minuend", "subtrahend", "difference", "positive")
    ]
    return helper.make_graph(
        [
            helper.make_node("Sub", ["minuend", "subtrahend"], ["difference"], name="sub"),
            helper.make_node("Relu", ["difference"], ["positive"], name="relu"),
        ],
        "difference",
        pictures[:2],
        pictures[2:],
    )


def _roots() -> GraphProto:
    from onnx import TensorProto, helper  # noqa: PLC0415 - lazy on purpose

    return helper.make_graph(
        [helper.make_node("Sqrt", ["picture"], ["root"], name="sqrt")],
        "roots",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, PICTURE)],
        [helper.make_tensor_value_info("root", TensorProto.FLOAT, PICTURE)],
    )
