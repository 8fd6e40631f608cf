"""The contract of a backend as checks: answers, and bad input."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from accelerators.backends.ort import OrtBackend
from accelerators.conformance.findings import BrokenError, Check, UndecidedError
from accelerators.conformance.networks import feed
from accelerators.conformance.subject import Reference, Subject
from accelerators.conformance.waiting import waiting_checks
from accelerators.errors import AcceleratorError, BackendRunError, ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from accelerators.device import Backend

    Array = NDArray[np.generic[object]]

_RUNS, _OWN_RUNS = 4, 2


def backend_checks(subject: Subject) -> tuple[Check, ...]:
    """Every check of a backend, in the order in which they make sense."""

    def check(name: str, promise: str, run: Callable[[Subject], str]) -> Check:
        return Check(name=name, promise=promise, run=lambda: run(subject))

    return (
        check("description", "names, shapes and dtypes are those of the network", _description),
        check("outputs", "outputs have the number, shapes and dtypes described", _outputs),
        check("numerics", "answers agree with ONNX Runtime on the CPU", _numerics),
        check("names", "inputs go by name, outputs come in the order described", _names),
        check("no-nonsense", "no answer holds NaN or an infinity", _no_nonsense),
        *waiting_checks(subject),
        check("bad-input", "what does not fit is refused, and the next run works", _bad_input),
        check("bad-artefact", "what does not load is refused with the file's name", _bad_artefact),
        check("fingerprint", "it differs between networks, and not between loads", _fingerprint),
    )


def network_checks(subject: Subject, paths: Mapping[str, Path]) -> tuple[Check, ...]:
    """How far the answers are off on networks of the user's own, by name."""
    return tuple(
        Check(
            name=f"network {name}",
            promise="it loads, and its answers agree with ONNX Runtime on the CPU",
            run=partial(_drift, subject, path),
        )
        for name, path in paths.items()
    )


def _description(subject: Subject) -> str:
    with _reference(subject, "difference") as expect, subject.loaded("difference") as backend:
        found = backend.describe()
        if found != expect.description:
            raise BrokenError(f"describes {found}, the network has {expect.description}")
    return f"{len(found.inputs)} inputs, {len(found.outputs)} outputs"


def _outputs(subject: Subject) -> str:
    with subject.loaded("difference") as backend:
        specs = backend.describe().outputs
        found = subject.answer(backend, feed("difference", 0))
    told = [(array.shape, str(array.dtype)) for array in found]
    wanted = [(spec.shape, spec.dtype) for spec in specs]
    if told != wanted:
        raise BrokenError(f"gave {told}, describes {wanted}")
    return f"{len(found)} outputs as described"


def _numerics(subject: Subject) -> str:
    worst, repeats = 0.0, True
    with _reference(subject, "convolutions") as expect, subject.loaded("convolutions") as backend:
        for seed in range(_RUNS):
            inputs = feed("convolutions", seed)
            found = subject.answer(backend, inputs)
            worst = max(worst, subject.same(found, expect(inputs), "an answer"))
            again = subject.answer(backend, inputs)
            pairs = zip(found, again, strict=True)
            repeats &= all(one.tobytes() == two.tobytes() for one, two in pairs)
    told = "repeats bit for bit" if repeats else "does not repeat bit for bit"
    return f"off by {worst:.3g} ppm of the largest value, {subject.tolerance_ppm} allowed; {told}"


def _names(subject: Subject) -> str:
    with _reference(subject, "difference") as expect, subject.loaded("difference") as backend:
        inputs = feed("difference", 3)
        turned = dict(reversed(inputs.items()))
        off = max(
            subject.same(subject.answer(backend, each), expect(inputs), "an answer by name")
            for each in (inputs, turned)
        )
    return f"either order of inputs, off by {off:.3g} ppm"


def _no_nonsense(subject: Subject) -> str:
    inputs: dict[str, Array] = {
        name: -np.abs(array.astype(np.float32)) for name, array in feed("roots", 0).items()
    }
    try:
        with subject.loaded("roots") as backend:
            completion = subject.ended(backend, backend.submit(inputs))
    except ModelLoadError as err:
        raise UndecidedError(f"the network of square roots does not load: {err.reason}") from err
    if completion.outputs is None:
        return f"the root of a negative number is a failure: {completion.failure}"
    if not all(np.isfinite(array.astype(np.float64)).all() for array in completion.outputs):
        raise BrokenError("the root of a negative number came back as an answer")
    return "the root of a negative number came back finite"


def _bad_input(subject: Subject) -> str:
    good = feed("difference", 0)
    one = good["minuend"]
    bad: dict[str, dict[str, Array]] = {
        "an input missing": {"minuend": one},
        "an input unknown": {**good, "third": one},
        "another dtype": {**good, "minuend": one.astype(np.float64)},
        "another shape": {**good, "minuend": one.astype(np.float32)[..., :8]},
        "an axis less": {**good, "minuend": one[0]},
    }
    with _reference(subject, "difference") as expect, subject.loaded("difference") as backend:
        for what, inputs in bad.items():
            try:
                backend.submit(inputs)
            except BackendRunError:
                pass
            except Exception as err:
                raise BrokenError(f"{what} raises {type(err).__name__}: {err}") from err
            else:
                raise BrokenError(f"{what} is taken")
            subject.same(subject.answer(backend, good), expect(good), f"the run after {what}")
    return f"{len(bad)} kinds refused"


def _bad_artefact(subject: Subject) -> str:
    network = subject.networks["convolutions"]
    garbage = network.with_name("garbage.onnx")
    garbage.write_bytes(b"this is no network " * 20)
    try:
        with _closing(subject.make()) as backend:
            _refused(backend, garbage, ModelLoadError, "a file that is no network")
        with _closing(subject.make()) as backend:
            _refused(backend, network.with_name("none.onnx"), FileNotFoundError, "a missing file")
    finally:
        garbage.unlink()
    with subject.loaded("convolutions") as backend:
        _refused(backend, network, ModelLoadError, "a second network")
        subject.answer(backend, feed("convolutions", 0))
    return "no network, no file, a second one"


def _fingerprint(subject: Subject) -> str:
    prints = []
    for network in ("convolutions", "difference", "convolutions"):
        with subject.loaded(network) as backend:
            prints.append(backend.fingerprint)
    first, other, again = prints
    if not first or first == other:
        raise BrokenError(f"two networks have the fingerprint {first!r}")
    if first != again:
        raise BrokenError(f"one network has the fingerprints {first!r} and {again!r}")
    return first


def _refused(backend: Backend, artefact: Path, kind: type[Exception], what: str) -> None:
    try:
        backend.load(artefact)
    except kind as err:
        if kind is ModelLoadError and artefact.name not in str(err):
            raise BrokenError(f"{what} is refused without the file's name: {err}") from err
    except Exception as err:
        raise BrokenError(
            f"{what} raises {type(err).__name__} instead of {kind.__name__}: {err}"
        ) from err
    else:
        raise BrokenError(f"{what} is loaded")


def _drift(subject: Subject, path: Path) -> str:
    reference = OrtBackend(lambda: 0, optimise=False)
    backend = subject.make()
    worst, differing, count = 0.0, 0, 0
    try:
        reference.load(path)
        specs = reference.describe().inputs
        backend.load(path)
        for seed in range(_OWN_RUNS):
            inputs = {spec.name: _random(spec.shape, spec.dtype, seed) for spec in specs}
            expected = subject.answer(reference, inputs)
            found = subject.answer(backend, inputs)
            worst = max(worst, subject.off_ppm(found, expected))
            for array, true in zip(found, expected, strict=True):
                differing += int((array != true).sum())
                count += array.size
    except AcceleratorError as err:
        raise BrokenError(str(err)) from err
    finally:
        backend.close()
        reference.close()
    told = (
        f"off by {worst / 1e4:.3g} % of the largest value, {subject.tolerance_ppm / 1e4:g} % "
        f"allowed; {100 * differing / max(1, count):.1f} % of the values differ"
    )
    if worst > subject.tolerance_ppm:
        raise BrokenError(told)
    return told


def _random(shape: tuple[int, ...], dtype: str, seed: int) -> Array:
    if any(side < 0 for side in shape):
        raise BrokenError("the network has free dimensions; name one with static shapes")
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.uniform(0, 1, shape).astype(dtype)
    return rng.integers(0, 2, shape).astype(dtype)


@contextlib.contextmanager
def _reference(subject: Subject, network: str) -> Iterator[Reference]:
    reference = Reference(subject.networks[network])
    try:
        yield reference
    finally:
        reference.close()


@contextlib.contextmanager
def _closing(backend: Backend) -> Iterator[Backend]:
    try:
        yield backend
    finally:
        backend.close()
