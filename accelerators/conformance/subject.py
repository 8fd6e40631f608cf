"""A backend under examination: made afresh for each check, every wait bounded."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np

from accelerators.backends.ort import OrtBackend
from accelerators.conformance.findings import BrokenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from accelerators.device import Backend, Completion, Ticket

    Array = NDArray[np.generic[object]]

_NS_PER_S = 1_000_000_000
_PPM = 1_000_000


class Subject:
    """What checks are run on.

    Args:
        make: Makes a backend without an artefact.
        networks: Networks by name, as `write_networks` gives.
        now_ns: The clock that the backends were given, ns.
        wait_ns: Longest wait for one completion.
    """

    def __init__(
        self,
        make: Callable[[], Backend],
        networks: Mapping[str, Path],
        now_ns: Callable[[], int],
        *,
        wait_ns: int = 30 * _NS_PER_S,
    ) -> None:
        self.make, self.networks, self.now_ns, self.wait_ns = make, networks, now_ns, wait_ns
        self.tolerance_ppm = make().capabilities.tolerance_ppm

    @contextlib.contextmanager
    def loaded(self, network: str) -> Iterator[Backend]:
        """A backend with a network, closed afterwards."""
        backend = self.make()
        backend.load(self.networks[network])
        try:
            yield backend
        finally:
            backend.close()

    def ended(self, backend: Backend, ticket: Ticket) -> Completion:
        """A ticket's completion.

        Raises:
            BrokenError: None came in time.
        """
        completion = backend.wait(ticket, timeout_ns=self.wait_ns)
        if completion is None:
            raise BrokenError(f"no completion within {self.wait_ns / _NS_PER_S:g} s")
        return completion

    def outputs(self, completion: Completion) -> tuple[Array, ...]:
        """A completion's arrays.

        Raises:
            BrokenError: It is a failure.
        """
        if completion.outputs is None:
            raise BrokenError(f"a run that should work failed: {completion.failure}")
        return completion.outputs

    def answer(self, backend: Backend, inputs: Mapping[str, Array]) -> tuple[Array, ...]:
        """Run once and wait.

        Raises:
            BrokenError: It failed, or did not end in time.
        """
        return self.outputs(self.ended(backend, backend.submit(inputs)))

    def off_ppm(self, found: Sequence[Array], expected: Sequence[Array]) -> float:
        """Largest difference over the largest absolute value, of the worst output, in ppm.

        Raises:
            BrokenError: A number or a shape differs, so that nothing can be compared.
        """
        if len(found) != len(expected):
            raise BrokenError(f"{len(found)} outputs, the reference gives {len(expected)}")
        worst = 0.0
        for array, true in zip(found, expected, strict=True):
            if array.shape != true.shape:
                raise BrokenError(f"shape {array.shape}, the reference gives {true.shape}")
            ours, theirs = array.astype(np.float64), true.astype(np.float64)
            largest = float(np.abs(theirs).max(initial=0.0)) or 1.0
            off = float(np.abs(ours - theirs).max(initial=0.0)) / largest
            worst = max(worst, off if np.isfinite(off) else np.inf)
        return worst * _PPM

    def same(self, found: Sequence[Array], expected: Sequence[Array], whose: str) -> float:
        """How far an answer is off (ppm), within the tolerance.

        Raises:
            BrokenError: It is further off.
        """
        off = self.off_ppm(found, expected)
        if off > self.tolerance_ppm:
            raise BrokenError(
                f"{whose} is off by {off:.3g} ppm of the largest value; {self.tolerance_ppm} are "
                "allowed"
            )
        return off


class Reference:
    """What ONNX Runtime on the CPU, nothing optimised, makes of an artefact."""

    def __init__(self, artefact: Path) -> None:
        self._backend = OrtBackend(lambda: 0, optimise=False)
        self._backend.load(artefact)
        self.description = self._backend.describe()

    def __call__(self, inputs: Mapping[str, Array]) -> tuple[Array, ...]:
        """Its outputs.

        Raises:
            BrokenError: The reference itself fails, such as on a network that gives NaN.
        """
        completion = self._backend.wait(self._backend.submit(inputs))
        if completion is None or completion.outputs is None:
            reason = "no answer" if completion is None else completion.failure
            raise BrokenError(f"the reference fails on this network: {reason}")
        return completion.outputs

    def close(self) -> None:
        """Release it."""
        self._backend.close()
