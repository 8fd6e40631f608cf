"""What goes into a run and what comes out of it, held against the artefact's description."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from accelerators.errors import BackendRunError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from accelerators.device import TensorSpec

    Array = NDArray[np.generic[object]]

_FLOATS = frozenset({"float16", "float32", "float64"})


def check_inputs(backend: str, inputs: Mapping[str, Array], specs: Sequence[TensorSpec]) -> None:
    """Refuse inputs that do not fit.

    Args:
        backend: Id of the backend, for the message.
        inputs: An array per input.
        specs: What the artefact takes; a side of -1 may have any length.

    Raises:
        BackendRunError: An input is missing or unknown, or of another dtype or shape.
    """
    missing = [spec.name for spec in specs if spec.name not in inputs]
    unknown = sorted(set(inputs) - {spec.name for spec in specs})
    if missing or unknown:
        raise BackendRunError(backend, f"inputs missing {missing}, unknown {unknown}")
    for spec in specs:
        wrong = _misfit(inputs[spec.name], spec)
        if wrong is not None:
            raise BackendRunError(backend, f"input {spec.name} {wrong[0]}, it takes {wrong[1]}")


def check_outputs(backend: str, outputs: Sequence[object], specs: Sequence[TensorSpec]) -> None:
    """Refuse outputs that contradict the description, or hold what is no number.

    Raises:
        BackendRunError: There are more or fewer, one is of another dtype or shape, or holds NaN or
            an infinity.
    """
    if len(outputs) != len(specs):
        raise BackendRunError(backend, f"gave {len(outputs)} outputs, it describes {len(specs)}")
    for array, spec in zip(outputs, specs, strict=True):
        if not isinstance(array, np.ndarray):
            kind = type(array).__name__
            raise BackendRunError(backend, f"output {spec.name} is a {kind}, not an array")
        found: Array = array
        wrong = _misfit(found, spec)
        if wrong is not None:
            raise BackendRunError(
                backend, f"output {spec.name} {wrong[0]}, it describes {wrong[1]}"
            )
        if spec.dtype in _FLOATS and not bool(np.isfinite(found).all()):
            held = "NaN" if bool(np.isnan(found).any()) else "an infinity"
            raise BackendRunError(backend, f"output {spec.name} holds {held}")


def _misfit(array: Array, spec: TensorSpec) -> tuple[str, str] | None:
    """What an array is, and what the description says instead; None where they agree."""
    if str(array.dtype) != spec.dtype:
        return f"is {array.dtype}", spec.dtype
    fits = len(array.shape) == len(spec.shape) and all(
        side in (-1, given) for side, given in zip(spec.shape, array.shape, strict=True)
    )
    return None if fits else (f"has shape {array.shape}", str(spec.shape))
