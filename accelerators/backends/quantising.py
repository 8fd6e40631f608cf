"""Networks in int8: static quantisation by ONNX Runtime, in its form of QDQ nodes."""

from __future__ import annotations

import contextlib
import io
import logging
from typing import TYPE_CHECKING

from accelerators.backends.ort import quantisation
from accelerators.errors import ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic[object]]

OPERATORS = ("Conv", "MatMul", "Gemm", "Add", "Concat", "MaxPool", "Resize")
"""What is computed in int8: what multiplies, and what joins its results."""

_KEPT_PERCENT = 99.99  # of an activation's values; the rest is cut off


def quantise(
    model: Path,
    to: Path,
    samples: Sequence[Mapping[str, Array]],
    *,
    kept: Collection[str] = (),
) -> None:
    """Write a network with int8 weights and activations; `to` appears whole or not.

    Static and symmetric, with quantise and dequantise nodes around each of `OPERATORS`: weights
    with a scale per channel, activations with one per tensor, found by running the samples. Other
    operators, inputs and outputs stay float32.

    Args:
        model: An ONNX file of float32, its normalisations folded in, with a name for every node.
        to: The file to write or replace; its folder must exist.
        samples: Inputs by name, such as the network will see.
        kept: Names of nodes that stay float32.

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
    # It prints its progress, and advises in the root logger to fold what has been folded.
    logging.getLogger().addFilter(_silence)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            _quantise(library, model, part, Reader(), kept)
        part.replace(to)
    except Exception as err:
        raise ModelLoadError(str(model), " ".join(str(err).split())[:200]) from err
    finally:
        logging.getLogger().removeFilter(_silence)
        part.unlink(missing_ok=True)


def _quantise(
    library: ModuleType, model: Path, to: Path, reader: object, kept: Collection[str]
) -> None:
    library.quantize_static(
        str(model),
        str(to),
        reader,
        quant_format=library.QuantFormat.QDQ,
        op_types_to_quantize=list(OPERATORS),
        per_channel=True,
        activation_type=library.QuantType.QInt8,
        weight_type=library.QuantType.QInt8,
        nodes_to_exclude=list(kept),
        calibrate_method=library.CalibrationMethod.Percentile,
        extra_options={
            "ActivationSymmetric": True,
            "WeightSymmetric": True,
            "CalibPercentile": _KEPT_PERCENT,
        },
    )


def _silence(_: logging.LogRecord) -> bool:
    return False
