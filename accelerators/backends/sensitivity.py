"""Which operators of a network lose most by int8, from its activations before and after."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from accelerators.backends.ort import quantisation, quantisation_errors
from accelerators.backends.quantising import OPERATORS
from accelerators.errors import ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import ModuleType

    import numpy as np
    import onnx
    from numpy.typing import NDArray

    Array = NDArray[np.generic[object]]


_LEAST_POWER = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLoss:
    """What an operator loses by int8.

    Attributes:
        node: Its name.
        op_type: Its type.
        noise: What rounding its output to int8 adds: noise over signal (power), mean over
            channels, 0 to 1.
    """

    node: str
    op_type: str
    noise: float


def node_losses(
    model: Path, quantised: Path, samples: Sequence[Mapping[str, Array]]
) -> tuple[NodeLoss, ...]:
    """What each operator computed in int8 loses, the worst first.

    All intermediate tensors of all samples are held in memory: a few samples are enough.

    Args:
        model: The network in float32.
        quantised: The same as `quantise` made it.
        samples: Inputs by name.

    Raises:
        ModelLoadError: One of the files does not run, or they do not belong together.
    """
    debug = quantisation_errors()
    try:
        with tempfile.TemporaryDirectory(prefix="splitway-") as folder, _quiet():
            seen = _activations(debug, quantised, Path(folder) / "int8.onnx", samples)
        matched: Mapping[str, Mapping[str, Sequence[Array]]] = debug.create_activation_matching(
            seen
        )
    except Exception as err:
        raise ModelLoadError(str(quantised), " ".join(str(err).split())[:200]) from err
    channels = _channels(model)
    noise = {
        tensor: _noise(pair["pre_qdq"], pair["post_qdq"], channels.get(tensor, 1))
        for tensor, pair in matched.items()
    }
    if not noise:
        raise ModelLoadError(str(quantised), f"shares no quantised tensor with {model.name}")
    return _ranked(model, noise)


def _channels(model: Path) -> dict[str, int]:
    """Length of the second axis of each tensor that has one: the library flattens them."""
    import onnx  # noqa: PLC0415 - lazy on purpose

    graph = onnx.shape_inference.infer_shapes(onnx.load(str(model))).graph
    return {
        value.name: value.type.tensor_type.shape.dim[1].dim_value
        for value in (*graph.value_info, *graph.input, *graph.output)
        if len(value.type.tensor_type.shape.dim) > 1
    }


def _noise(exact: Sequence[Array], found: Sequence[Array], channels: int) -> float:
    """Noise over signal (power), mean over channels; 0 to 1.

    Channel by channel, since one scale for large and small channels loses the small ones, and the
    power of the whole does not show it; beyond its own signal a channel has nothing to lose.

    Args:
        exact: A tensor before rounding, of each sample; flat, batch 1.
        found: The same after rounding.
        channels: How many it has; 1 where that is not known.
    """
    import numpy as np  # noqa: PLC0415 - beside the library, which has it

    ratios = []
    for true, near in zip(exact, found, strict=True):
        parts = channels if channels > 0 and true.size % channels == 0 else 1
        signal = true.astype(np.float64).reshape(parts, -1)
        noise = near.astype(np.float64).reshape(parts, -1) - signal
        power = np.maximum((signal**2).mean(axis=-1), _LEAST_POWER)
        ratios.append(np.minimum((noise**2).mean(axis=-1) / power, 1.0).mean())
    return float(np.mean(ratios))


def _activations(
    debug: ModuleType, model: Path, to: Path, samples: Sequence[Mapping[str, Array]]
) -> dict[str, list[Array]]:
    waiting = [dict(sample) for sample in reversed(samples)]

    class Reader(quantisation().CalibrationDataReader):  # type: ignore[misc]  # is untyped
        """Hands out each sample once."""

        def get_next(self) -> dict[str, Array] | None:
            return waiting.pop() if waiting else None

    debug.modify_model_output_intermediate_tensors(str(model), str(to))
    found: dict[str, list[Array]] = debug.collect_activations(str(to), Reader())
    return found


def _ranked(model: Path, noise: Mapping[str, float]) -> tuple[NodeLoss, ...]:
    import onnx  # noqa: PLC0415 - lazy on purpose

    graph = onnx.load(str(model)).graph
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    losses = []
    for node in graph.node:
        if node.op_type not in OPERATORS or not node.name:
            continue
        seen = _seen(node, readers, noise)
        if seen is None:
            continue
        losses.append(NodeLoss(node=node.name, op_type=node.op_type, noise=seen))
    return tuple(sorted(losses, key=lambda loss: (-loss.noise, loss.node)))


def _seen(
    node: onnx.NodeProto,
    readers: Mapping[str, Sequence[onnx.NodeProto]],
    noise: Mapping[str, float],
) -> float | None:
    """Noise at an operator's output, or behind the activations that are fused into it."""
    for _ in range(4):
        output = node.output[0]
        if output in noise:
            return noise[output]
        following = readers.get(output, ())
        if len(following) != 1 or following[0].op_type in OPERATORS:
            return None
        node = following[0]
    return None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The library prints its progress, and advises in the root logger."""
    root = logging.getLogger()
    root.addFilter(_silence)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        root.removeFilter(_silence)


def _silence(_: logging.LogRecord) -> bool:
    return False
