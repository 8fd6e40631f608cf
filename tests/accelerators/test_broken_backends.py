"""The conformance suite over backends that are broken in one way each: it finds every way."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from accelerators.backends.ort import OrtBackend
from accelerators.conformance.findings import broken
from accelerators.conformance.suite import examine_backend
from accelerators.errors import BackendRunError, ModelLoadError
from replay.clock import WallClock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from accelerators.device import (
        ArtefactDescription,
        Backend,
        Capabilities,
        Completion,
        Ticket,
    )

    Array = NDArray[np.generic[object]]
    OnDone = Callable[[Completion], None]

now_ns = WallClock().now_ns
SOON_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """A run as `submit` was asked for it."""

    inputs: Mapping[str, Array]
    deadline_at_ns: int | None
    on_done: OnDone | None


class Wrapped:
    """A backend around ONNX Runtime's that passes everything on; each way to break it derives."""

    def __init__(self) -> None:
        self.inner: Backend = OrtBackend(now_ns)

    @property
    def fingerprint(self) -> str:
        """As the inner one."""
        return self.inner.fingerprint

    @property
    def capabilities(self) -> Capabilities:
        """As the inner one."""
        return self.inner.capabilities

    def load(self, artefact: Path) -> None:
        """As the inner one."""
        self.inner.load(artefact)

    def describe(self) -> ArtefactDescription:
        """As the inner one."""
        return self.inner.describe()

    def submit(
        self,
        inputs: Mapping[str, Array],
        *,
        deadline_at_ns: int | None = None,
        on_done: OnDone | None = None,
    ) -> Ticket:
        """As the inner one, but for what `asked` and `answered` change."""
        run = self.asked(Asked(inputs, deadline_at_ns, on_done))
        wanted = run.on_done
        return self.inner.submit(
            run.inputs,
            deadline_at_ns=run.deadline_at_ns,
            on_done=None if wanted is None else lambda done: wanted(self.answered(done)),
        )

    def wait(self, ticket: Ticket, *, timeout_ns: int | None = None) -> Completion | None:
        """As the inner one, but for what `answered` changes."""
        found = self.inner.wait(ticket, timeout_ns=timeout_ns)
        return None if found is None else self.answered(found)

    def asked(self, run: Asked) -> Asked:
        """What is passed on of a run."""
        return run

    def answered(self, completion: Completion) -> Completion:
        """What is handed out of a completion, in `wait` and in callbacks."""
        return completion

    def cancel(self, ticket: Ticket) -> None:
        """As the inner one."""
        self.inner.cancel(ticket)

    def close(self) -> None:
        """As the inner one."""
        self.inner.close()


class WrongNames(Wrapped):
    """Describes the inputs in another order."""

    def describe(self) -> ArtefactDescription:
        """Turned around."""
        found = super().describe()
        return replace(found, inputs=tuple(reversed(found.inputs)))


class WrongDtype(Wrapped):
    """Gives doubles."""

    def answered(self, completion: Completion) -> Completion:
        """Another dtype."""
        if completion.outputs is None:
            return completion
        return replace(
            completion, outputs=tuple(array.astype(np.float64) for array in completion.outputs)
        )


class Transposed(Wrapped):
    """Gives the axes in another order, square, so that the shape alone does not tell."""

    def answered(self, completion: Completion) -> Completion:
        """Rows and columns exchanged."""
        if completion.outputs is None:
            return completion
        return replace(
            completion,
            outputs=tuple(np.swapaxes(array, -1, -2).copy() for array in completion.outputs),
        )


class Imprecise(Wrapped):
    """Is off by a thousandth."""

    def answered(self, completion: Completion) -> Completion:
        """A little larger."""
        if completion.outputs is None:
            return completion
        scaled = [(array.astype(np.float32) * np.float32(1.001)) for array in completion.outputs]
        return replace(completion, outputs=tuple(scaled))


class OutputsSwapped(Wrapped):
    """Gives the outputs in another order."""

    def answered(self, completion: Completion) -> Completion:
        """Turned around."""
        outputs = completion.outputs
        return completion if outputs is None else replace(completion, outputs=outputs[::-1])


class ByPosition(Wrapped):
    """Takes inputs by position, whatever their names."""

    def asked(self, run: Asked) -> Asked:
        """The first given is the first."""
        names = [spec.name for spec in self.inner.describe().inputs]
        return replace(run, inputs=dict(zip(names, run.inputs.values(), strict=False)))


class NanThrough(Wrapped):
    """Hands on what is no number."""

    def answered(self, completion: Completion) -> Completion:
        """A failure for NaN becomes NaN."""
        if completion.failure is None or "NaN" not in completion.failure:
            return completion
        return replace(
            completion, outputs=(np.full((1, 3, 16, 16), np.nan, np.float32),), failure=None
        )


class LastFirst(Wrapped):
    """Runs what came last first: ends every burst in turned order."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[tuple[Mapping[str, Array], OnDone | None, _Promise]] = []
        self._lock = threading.Lock()

    def submit(
        self,
        inputs: Mapping[str, Array],
        *,
        deadline_at_ns: int | None = None,
        on_done: OnDone | None = None,
    ) -> Ticket:
        """Wait for somebody to ask."""
        del deadline_at_ns
        promise = _Promise()
        with self._lock:
            self._waiting.append((inputs, on_done, promise))
        return promise

    def wait(self, ticket: Ticket, *, timeout_ns: int | None = None) -> Completion | None:
        """Run all, the last first."""
        with self._lock:
            while self._waiting:
                inputs, on_done, promise = self._waiting.pop()
                inner = self.inner.submit(inputs, on_done=on_done)
                promise.completion = self.inner.wait(inner, timeout_ns=timeout_ns)
        return cast("_Promise", ticket).completion


class _Promise:
    completion: Completion | None = None

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self.completion is not None


class MixedUp(Wrapped):
    """Answers with the run before."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: list[Completion] = []  # each run once, whether called back or waited for first

    def answered(self, completion: Completion) -> Completion:
        """The outputs of the run before."""
        if completion.outputs is None:
            return completion
        began = [one.began_ns for one in self._seen]
        if completion.began_ns not in began:
            began.append(completion.began_ns)
            self._seen.append(completion)
        place = began.index(completion.began_ns)
        return replace(completion, outputs=self._seen[max(0, place - 1)].outputs)


class CallsTwice(Wrapped):
    """Calls back twice."""

    def asked(self, run: Asked) -> Asked:
        """Once too often."""

        def twice(completion: Completion) -> None:
            if run.on_done is not None:
                run.on_done(completion)
                run.on_done(completion)

        return replace(run, on_done=twice)


class NeverCalls(Wrapped):
    """Does not call back."""

    def asked(self, run: Asked) -> Asked:
        """Forgets whom to call."""
        return replace(run, on_done=None)


class OwnClock(Wrapped):
    """Stamps with another clock than it was given."""

    def answered(self, completion: Completion) -> Completion:
        """Hours off."""
        return replace(
            completion, began_ns=completion.began_ns + 10**13, ended_ns=completion.ended_ns + 10**13
        )


class Blocking(Wrapped):
    """Runs in `submit`."""

    def submit(
        self,
        inputs: Mapping[str, Array],
        *,
        deadline_at_ns: int | None = None,
        on_done: OnDone | None = None,
    ) -> Ticket:
        """Wait, then call back on the caller's thread."""
        ticket = self.inner.submit(inputs, deadline_at_ns=deadline_at_ns)
        completion = self.inner.wait(ticket)
        if on_done is not None and completion is not None:
            on_done(completion)
        return ticket


class Boundless(Wrapped):
    """Takes more than it says."""

    @property
    def capabilities(self) -> Capabilities:
        """Says less than there is."""
        return replace(self.inner.capabilities, most_in_flight=4)


class DeafToCancel(Wrapped):
    """Does not cancel."""

    def cancel(self, ticket: Ticket) -> None:
        """Nothing."""


class DeafToDeadlines(Wrapped):
    """Does not look at deadlines."""

    def asked(self, run: Asked) -> Asked:
        """Without one."""
        return replace(run, deadline_at_ns=None)


class Racing(Wrapped):
    """Mixes answers up when two callers come at once."""

    def __init__(self) -> None:
        super().__init__()
        self._last: Completion | None = None
        self._inside = itertools.count()

    def wait(self, ticket: Ticket, *, timeout_ns: int | None = None) -> Completion | None:
        """Now and then the answer of whoever came last."""
        found = self.inner.wait(ticket, timeout_ns=timeout_ns)
        last, self._last = self._last, found
        on_main = threading.current_thread().name.startswith("check")
        return found if on_main or last is None or next(self._inside) % 5 else last


class TakesAnything(Wrapped):
    """Makes anything fit."""

    def asked(self, run: Asked) -> Asked:
        """Casts and crops."""
        fitted = {
            spec.name: np.resize(
                np.asarray(run.inputs.get(spec.name, np.zeros(1))).astype(spec.dtype), spec.shape
            )
            for spec in self.inner.describe().inputs
        }
        return replace(run, inputs=fitted)


class LoadsAnything(Wrapped):
    """Says nothing of a file that does not load."""

    def load(self, artefact: Path) -> None:
        """Swallows the reason."""
        try:
            self.inner.load(artefact)
        except ModelLoadError:
            return


class NoFingerprint(Wrapped):
    """The same for everything."""

    @property
    def fingerprint(self) -> str:
        """A word."""
        return "mine"


class NeverTheSameFingerprint(Wrapped):
    """Another one for every load."""

    def __init__(self) -> None:
        super().__init__()
        self._made = str(id(self))

    @property
    def fingerprint(self) -> str:
        """With what no result depends on."""
        return f"{self.inner.fingerprint} {now_ns()}"


class ServesAfterClose(Wrapped):
    """Goes on after it was closed."""

    def close(self) -> None:
        """Nothing."""


class LosesTickets(Wrapped):
    """Open runs never end once it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self._shut = False

    def close(self) -> None:
        """Forget what is open."""
        self._shut = True
        self.inner.close()

    def wait(self, ticket: Ticket, *, timeout_ns: int | None = None) -> Completion | None:
        """Nobody answers any more."""
        return None if self._shut else self.inner.wait(ticket, timeout_ns=timeout_ns)


class CloseTwiceHangs(Wrapped):
    """A second close waits for ever."""

    def __init__(self) -> None:
        super().__init__()
        self._shut = False

    def close(self) -> None:
        """Once only."""
        if self._shut:
            threading.Event().wait()
        self._shut = True
        self.inner.close()


class GuessesBeforeLoad(Wrapped):
    """Takes runs before anything is loaded."""

    def submit(
        self,
        inputs: Mapping[str, Array],
        *,
        deadline_at_ns: int | None = None,
        on_done: OnDone | None = None,
    ) -> Ticket:
        """A promise that nobody keeps."""
        try:
            return super().submit(inputs, deadline_at_ns=deadline_at_ns, on_done=on_done)
        except BackendRunError as err:
            if "nothing is loaded" in str(err):
                return _Promise()
            raise


BROKEN: tuple[tuple[type[Wrapped], str], ...] = (
    (WrongNames, "description"),
    (WrongDtype, "outputs"),
    (Transposed, "numerics"),
    (Imprecise, "numerics"),
    (OutputsSwapped, "names"),
    (ByPosition, "names"),
    (NanThrough, "no-nonsense"),
    (LastFirst, "order"),
    (MixedUp, "order"),
    (CallsTwice, "callback"),
    (NeverCalls, "callback"),
    (OwnClock, "callback"),
    (Blocking, "not-waiting"),
    (Boundless, "full"),
    (DeafToCancel, "cancel"),
    (DeafToDeadlines, "deadline"),
    (Racing, "concurrency"),
    (TakesAnything, "bad-input"),
    (LoadsAnything, "bad-artefact"),
    (NoFingerprint, "fingerprint"),
    (NeverTheSameFingerprint, "fingerprint"),
    (ServesAfterClose, "close"),
    (LosesTickets, "close"),
    (CloseTwiceHangs, "close"),
    (GuessesBeforeLoad, "use-without-load"),
)


@pytest.mark.parametrize(
    ("kind", "check"), BROKEN, ids=[f"{kind.__name__}-{check}" for kind, check in BROKEN]
)
def test_a_backend_broken_in_one_way_is_found_out(
    kind: type[Wrapped], check: str, tmp_path: Path
) -> None:
    """The check for that way fails, whatever the others say; and the suite comes to an end."""
    found = examine_backend(kind, tmp_path, now_ns, limit_s=30, wait_ns=SOON_NS)
    assert check in {finding.check for finding in broken(found.findings)}


def test_what_breaks_nothing_is_held_in_full(tmp_path: Path) -> None:
    """The wrapper itself conforms, so that what is found above is the flaw."""
    found = examine_backend(Wrapped, tmp_path, now_ns)
    assert [finding for finding in found.findings if finding.outcome != "held"] == []


def test_every_check_is_broken_by_some_backend_above(tmp_path: Path) -> None:
    """No check is there that cannot fail."""
    found = examine_backend(Wrapped, tmp_path, now_ns)
    assert {finding.check for finding in found.findings} == {check for _, check in BROKEN}
