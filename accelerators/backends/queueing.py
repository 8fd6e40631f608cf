"""The contract's queue: tickets, deadlines, cancelling and closing around what runs an artefact.

A vendor's adapter derives from `QueuedBackend` and brings an `Engine`: how an artefact is opened,
and how one run is made. Everything that the contract says of order, callbacks, deadlines, checks
and closing is here, once.
"""

from __future__ import annotations

import queue
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from accelerators.backends.contract import check_inputs, check_outputs
from accelerators.device import Capabilities, Completion
from accelerators.errors import AcceleratorError, BackendRunError, ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from accelerators.device import ArtefactDescription, Ticket

    Array = NDArray[np.generic[object]]

# A frame waits in the core, not here; more than this in a backend's queue is a caller's mistake.
MOST_IN_FLIGHT = 64
CANCELLED, CLOSED, EXPIRED = "cancelled", "closed", "expired"

_NS_PER_S = 1_000_000_000
_LONGEST_REASON = 200


class Running(Protocol):
    """One run of an artefact."""

    def run(self, inputs: Mapping[str, Array]) -> Sequence[Array]:
        """Run, on the backend's thread; outputs in the order of the description.

        Raises:
            Exception: Of any kind; its text becomes the completion's failure.
        """

    def stop(self) -> None:
        """Ask the run to end, before or while it runs; from any thread, best effort."""


class Engine(Protocol):
    """An artefact that has been opened."""

    @property
    def description(self) -> ArtefactDescription:
        """What it takes and gives."""

    @property
    def fingerprint(self) -> str:
        """Text that changes whenever results could."""

    def begin(self) -> Running:
        """Make one run; called when a ticket is submitted, from any thread."""

    def close(self) -> None:
        """Release everything; on the backend's thread, after the last run."""


class QueuedBackend(ABC):
    """A `Backend` with one thread that opens an artefact and runs tickets, first in, first out.

    A ticket whose deadline has passed when its turn comes ends with failure `expired` and does not
    run; one that has begun is not stopped by its deadline. `cancel` stops a run under way as far as
    the engine can, and keeps a waiting one from running; its completion, failure `cancelled`, then
    comes when its turn does. Callbacks run in the backend's thread, one at a time, in the order of
    submission; what a callback raises goes to `threading.excepthook` and stops nothing. Outputs are
    held against the description before anybody sees them. Inputs must not change until the
    completion.
    """

    def __init__(self, name: str, now_ns: Callable[[], int]) -> None:
        """Make a backend without an artefact.

        Args:
            name: Id of the backend, as errors show it.
            now_ns: Clock of deadlines and completions, ns.
        """
        self._name, self._now_ns = name, now_ns
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[_QueuedTicket | None] = queue.SimpleQueue()
        self._open: set[_QueuedTicket] = set()
        self._engine: Engine | None = None
        self._worker: threading.Thread | None = None
        self._loaded = self._closed = False

    @abstractmethod
    def _open_engine(self, artefact: Path) -> Engine:
        """Open an artefact, on the backend's thread; blocking.

        Raises:
            AcceleratorError: It does not load, or something is missing here.
            FileNotFoundError: There is no such file.
        """

    @property
    def fingerprint(self) -> str:
        """What the engine says of itself, in one line.

        Raises:
            BackendRunError: Nothing is loaded.
        """
        return self._artefact().fingerprint

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What it can do; the same before and after `load`."""

    def load(self, artefact: Path) -> None:
        """Load an artefact; blocking.

        Raises:
            ModelLoadError: The file does not load, or something is loaded already.
            FileNotFoundError: There is no such file.
        """
        with self._lock:
            if self._loaded or self._closed:
                reason = "the backend is closed" if self._closed else "a backend holds one artefact"
                raise ModelLoadError(str(artefact), reason)
            self._loaded = True
        opening = _Opening()
        worker = threading.Thread(
            target=self._work,
            args=(artefact, opening),
            name=f"{self._name} {artefact.name}",
            daemon=True,
        )
        worker.start()
        opening.over.wait()
        if opening.error is not None:
            worker.join()
            self._loaded = False
            raise opening.error
        self._worker = worker

    def describe(self) -> ArtefactDescription:
        """Names, shapes and dtypes in order; a free dimension is -1.

        Raises:
            BackendRunError: Nothing is loaded.
        """
        return self._artefact().description

    def submit(
        self,
        inputs: Mapping[str, Array],
        *,
        deadline_at_ns: int | None = None,
        on_done: Callable[[Completion], None] | None = None,
    ) -> Ticket:
        """Queue one run; returns at once.

        Args:
            inputs: An array per input of `describe`; exact dtype and shape.
            deadline_at_ns: Do not begin at or after this stamp.
            on_done: Called once, from the backend's thread.

        Raises:
            BackendRunError: Nothing is loaded, it is closed, too many tickets are open, or an
                input is missing, unknown or of the wrong dtype or shape.
        """
        engine = self._artefact()
        check_inputs(self._name, inputs, engine.description.inputs)
        ticket = _QueuedTicket(
            inputs=dict(inputs),
            deadline_at_ns=deadline_at_ns,
            on_done=on_done,
            running=engine.begin(),
        )
        most = self.capabilities.most_in_flight
        with self._lock:
            if self._closed:
                raise BackendRunError(self._name, "it is closed")
            if len(self._open) >= most:
                raise BackendRunError(self._name, f"{most} tickets are open already")
            self._open.add(ticket)
            self._queue.put(ticket)
        return ticket

    def wait(self, ticket: Ticket, *, timeout_ns: int | None = None) -> Completion | None:
        """Wait for a ticket; None when the timeout ran out first. Not for use in a callback.

        Raises:
            BackendRunError: The ticket is not from a backend of this kind.
        """
        own = self._own(ticket)
        own.ended.wait(None if timeout_ns is None else timeout_ns / _NS_PER_S)
        return own.completion

    def cancel(self, ticket: Ticket) -> None:
        """Stop a run that has not ended; without effect on one that has.

        Raises:
            BackendRunError: The ticket is not from a backend of this kind.
        """
        own = self._own(ticket)
        with self._lock:
            own.stop(CANCELLED)

    def close(self) -> None:
        """Stop what runs, end what is open with failure `closed`, release the artefact.

        Waits for the backend's thread, unless called from a callback. Safe to call twice.
        """
        with self._lock:
            first = not self._closed
            self._closed = True
            for ticket in self._open:
                ticket.stop(CLOSED)
            if first:
                self._queue.put(None)
            worker, self._engine = self._worker, None
        if worker is not None and worker is not threading.current_thread():
            worker.join()

    def _artefact(self) -> Engine:
        engine = self._engine
        if engine is None:
            raise BackendRunError(
                self._name, "it is closed" if self._closed else "nothing is loaded"
            )
        return engine

    def _own(self, ticket: Ticket) -> _QueuedTicket:
        if not isinstance(ticket, _QueuedTicket):
            raise BackendRunError(self._name, "the ticket belongs to another backend")
        return ticket

    def _work(self, artefact: Path, opening: _Opening) -> None:
        """Body of the thread: open, then tickets in order until the end marker of `close`."""
        try:
            engine = self._open_engine(artefact)
        except (AcceleratorError, OSError) as err:
            opening.error = err
            return
        except Exception as err:  # noqa: BLE001 - a vendor's library may raise anything
            opening.error = ModelLoadError(str(artefact), one_line(err))
            return
        finally:
            if opening.error is not None:
                opening.over.set()
        with self._lock:
            self._engine = None if self._closed else engine
        opening.over.set()
        while (ticket := self._queue.get()) is not None:
            completion = self._run(engine, ticket)
            with self._lock:
                if ticket.stopped is not None and completion.failure is None:
                    completion = _failed(ticket.stopped, completion.began_ns, completion.ended_ns)
                self._open.discard(ticket)
                ticket.completion = completion
                ticket.inputs = {}
            ticket.ended.set()
            if ticket.on_done is not None:
                _call(ticket.on_done, completion)
        engine.close()

    def _run(self, engine: Engine, ticket: _QueuedTicket) -> Completion:
        began_ns = self._now_ns()
        if ticket.stopped is not None:
            return _failed(ticket.stopped, began_ns, began_ns)
        if ticket.deadline_at_ns is not None and began_ns >= ticket.deadline_at_ns:
            return _failed(EXPIRED, began_ns, began_ns)
        try:
            outputs = tuple(ticket.running.run(ticket.inputs))
            ended_ns = self._now_ns()
            check_outputs(self._name, outputs, engine.description.outputs)
        except Exception as err:  # noqa: BLE001 - becomes the completion's failure
            return _failed(ticket.stopped or one_line(err), began_ns, self._now_ns())
        return Completion(outputs=outputs, began_ns=began_ns, ended_ns=ended_ns)


@dataclass(slots=True)
class _Opening:
    """How opening an artefact went, told from the backend's thread to who waits for it."""

    over: threading.Event = field(default_factory=threading.Event)
    error: AcceleratorError | OSError | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class _QueuedTicket:
    """A run; `stopped` and `completion` change under the backend's lock only."""

    inputs: dict[str, Array]
    deadline_at_ns: int | None
    on_done: Callable[[Completion], None] | None
    running: Running
    ended: threading.Event = field(default_factory=threading.Event)
    stopped: str | None = None
    completion: Completion | None = None

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self.completion is not None

    def stop(self, why: str) -> None:
        """Ask it to end with this failure; the first reason holds."""
        if self.completion is None:
            self.stopped = self.stopped or why
            self.running.stop()


def one_line(err: BaseException) -> str:
    """An exception's text without line breaks, cut to a line; its kind where it has no text."""
    return shortened(" ".join(str(err).split()) or type(err).__name__)


def shortened(text: str) -> str:
    """A text cut to the length of a line."""
    return text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 1]}…"


def _failed(failure: str, began_ns: int, ended_ns: int) -> Completion:
    return Completion(outputs=None, began_ns=began_ns, ended_ns=ended_ns, failure=failure)


def _call(on_done: Callable[[Completion], None], completion: Completion) -> None:
    """Call back; an exception is reported and must not end the thread."""
    try:
        on_done(completion)
    except Exception as err:  # noqa: BLE001 - reported as any thread's is, below
        facts = (type(err), err, err.__traceback__, threading.current_thread())
        threading.excepthook(threading.ExceptHookArgs(facts))
