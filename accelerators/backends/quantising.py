"""Networks in int8: static quantisation by ONNX Runtime, in its form of QDQ nodes."""

from __future__ import annotations

import contextlib
import io
import logging
from typing import TYPE_CHECKING, Literal

from accelerators.backends.ort import quantisation
from accelerators.errors import ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic[object]]

Scheme = Literal["symmetric", "asymmetric"]

OPERATORS = ("Conv", "MatMul", "Gemm", "Add", "Concat", "MaxPool", "Resize")
"""What is computed in int8: what multiplies, and what joins its results."""

_PER_CHANNEL_OPSET = 13  # first whose DequantizeLinear has an axis
_KEPT_PERCENT = 99.99  # of an activation's values; the rest is cut off


def quantise(
    model: Path,
    to: Path,
    samples: Sequence[Mapping[str, Array]],
    *,
    kept: Collection[str] = (),
    scheme: Scheme = "symmetric",
) -> None:
    """Write a network with int8 weights and activations; `to` appears whole or not.

    Static, with quantise and dequantise nodes around each of `OPERATORS`: weights symmetric with a
    scale per channel, activations with one per tensor, found by running the samples. Other
    operators, inputs and outputs stay float32.

    Args:
        model: An ONNX file of float32, its normalisations folded in, with a name for every node.
        to: The file to write or replace; its folder must exist.
        samples: Inputs by name, such as the network will see.
        kept: Names of nodes that stay float32.
        scheme: Ranges of activations: `symmetric` about zero, which every NPU takes, the last
            ten-thousandth cut off; or `asymmetric`, from least to largest, unsigned, which keeps
            more of activations that are mostly positive.

    Raises:
        ModelLoadError: There is no sample, or the file cannot be quantised.
        FileNotFoundError: There is no such file or folder.
    """
    if not model.is_file():
        raise FileNotFoundError(model)
    if not to.parent.is_dir():
        raise FileNotFoundError(to.parent)
    if not samples:
        raise ModelLoadError(str(model), "int8 needs samples of its input")
    library = quantisation()
    waiting = [dict(sample) for sample in samples]
    waiting.reverse()

    class Reader(library.CalibrationDataReader):  # type: ignore[name-defined,misc]  # is untyped
        """Hands out each sample once."""

        def get_next(self) -> dict[str, Array] | None:
            return waiting.pop() if waiting else None

    part = to.with_name(f".{to.name}.part")
    newer = to.with_name(f".{to.name}.newer")
    # It prints its progress, and advises in the root logger to fold what has been folded.
    logging.getLogger().addFilter(_silence)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            _quantise(library, _per_channel(model, newer), part, Reader(), kept, scheme)
        part.replace(to)
    except Exception as err:
        raise ModelLoadError(str(model), " ".join(str(err).split())[:200]) from err
    finally:
        logging.getLogger().removeFilter(_silence)
        part.unlink(missing_ok=True)
        newer.unlink(missing_ok=True)


def _per_channel(model: Path, newer: Path) -> Path:
    """The network in an operator set that knows a scale per channel: itself, or written anew."""
    import onnx  # noqa: PLC0415 - lazy on purpose
    from onnx import version_converter  # noqa: PLC0415 - lazy on purpose

    loaded = onnx.load(str(model))
    held = [opset.version for opset in loaded.opset_import if opset.domain in {"", "ai.onnx"}]
    if not held or held[0] >= _PER_CHANNEL_OPSET:
        return model
    onnx.save(version_converter.convert_version(loaded, _PER_CHANNEL_OPSET), str(newer))
    return newer


def _quantise(
    library: ModuleType,
    model: Path,
    to: Path,
    reader: object,
    kept: Collection[str],
    scheme: Scheme,
) -> None:
    symmetric = scheme == "symmetric"
    methods = library.CalibrationMethod
    library.quantize_static(
        str(model),
        str(to),
        reader,
        quant_format=library.QuantFormat.QDQ,
        op_types_to_quantize=list(OPERATORS),
        per_channel=True,
        activation_type=library.QuantType.QInt8 if symmetric else library.QuantType.QUInt8,
        weight_type=library.QuantType.QInt8,
        nodes_to_exclude=list(kept),
        calibrate_method=methods.Percentile if symmetric else methods.MinMax,
        extra_options={
            "ActivationSymmetric": symmetric,
            "WeightSymmetric": True,
            "CalibPercentile": _KEPT_PERCENT,
        },
    )


def _silence(_: logging.LogRecord) -> bool:
    return False
