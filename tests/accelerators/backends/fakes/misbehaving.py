"""A backend that doubles its input, and goes wrong in a named way when the input is negative."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import threading
from typing import TYPE_CHECKING

import numpy as np

from accelerators.backends.queueing import QueuedBackend
from accelerators.device import ArtefactDescription, Capabilities, TensorSpec
from accelerators.errors import ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.generic[object]]

TENSOR = TensorSpec(name="x", shape=(4,), dtype="float32")


class Engine:
    """Doubles."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.description = ArtefactDescription(
            inputs=(TENSOR,), outputs=(TensorSpec(name="y", shape=(4,), dtype="float32"),)
        )
        self.fingerprint = "misbehaving 1"

    def begin(self) -> Run:
        """One run."""
        return Run(self.mode)

    def close(self) -> None:
        """Nothing to release."""
        if self.mode == "stays":
            threading.Event().wait()


class Run:
    """A run that goes wrong on negative input."""

    def __init__(self, mode: str) -> None:
        self.mode = mode

    def run(self, inputs: Mapping[str, Array]) -> Sequence[Array]:
        """Double, or go wrong."""
        doubled = inputs["x"].astype(np.float32) * np.float32(2)
        if float(doubled[0]) >= 0:
            return (doubled,)
        if self.mode in {"crash", "exit", "hang", "raise", "nonsense"}:
            _go_wrong(self.mode)
        wrong: dict[str, Sequence[Array]] = {
            "nan": (np.full(4, np.nan, np.float32),),
            "infinity": (np.full(4, np.inf, np.float32),),
            "shape": (doubled.reshape(2, 2),),
            "dtype": (doubled.astype(np.float64),),
            "count": (doubled, doubled),
            "object": ([1.0, 2.0, 3.0, 4.0],),  # type: ignore[dict-item]  # on purpose
        }
        return wrong.get(self.mode, (doubled,))

    def stop(self) -> None:
        """It cannot be stopped."""


def _go_wrong(mode: str) -> None:
    match mode:
        case "crash":
            ctypes.string_at(0)
        case "exit":
            print("the card fell off the bus", flush=True)  # noqa: T201 - as vendors do
            os._exit(7)
        case "raise":
            raise OSError("device busy")
        case "nonsense":
            for descriptor in range(3, 20):
                with contextlib.suppress(OSError):
                    os.write(descriptor, b"no header")
        case _:
            pass
    threading.Event().wait()


class Backend(QueuedBackend):
    """See the module."""

    def __init__(self, now_ns: Callable[[], int], mode: str = "") -> None:
        super().__init__("misbehaving", now_ns)
        self._mode = mode

    @staticmethod
    def configured(argument: str | None, _: Mapping[str, str]) -> Callable[..., Backend]:
        """The way it goes wrong is its argument."""
        return lambda now_ns: Backend(now_ns, argument or "")

    @property
    def capabilities(self) -> Capabilities:
        """As any."""
        return Capabilities(most_in_flight=8, static_shapes=True, artefact_suffix=".any")

    def _open_engine(self, artefact: Path) -> Engine:
        match self._mode:
            case "no-load":
                raise ModelLoadError(str(artefact), "made for another chip")
            case "load-raises":
                raise RuntimeError("driver 1.2 is too old")
            case "load-crash":
                os.kill(os.getpid(), signal.SIGKILL)
            case "load-hang":
                threading.Event().wait()
            case _:
                pass
        print("banner of a vendor", flush=True)  # noqa: T201 - as vendors do
        return Engine(self._mode)
