"""The contract of a backend as checks: order, callbacks, cancelling, deadlines, closing."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from accelerators.conformance.findings import BrokenError, Check, UndecidedError
from accelerators.conformance.networks import feed
from accelerators.conformance.subject import Reference
from accelerators.errors import BackendRunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from accelerators.conformance.subject import Subject
    from accelerators.device import Backend, Completion, Ticket

_NETWORK = "convolutions"
_BURST = 6
_CALLERS, _EACH = 4, 6
_AGES_NS = 3_600_000_000_000


def waiting_checks(subject: Subject) -> tuple[Check, ...]:
    """Checks of everything that has to do with when."""

    def check(name: str, promise: str, run: Callable[[Subject], str]) -> Check:
        return Check(name=name, promise=promise, run=lambda: run(subject))

    return (
        check("order", "runs end in the order of submission, each with its own answer", _order),
        check("callback", "each run calls back once, from another thread, with its stamps", _call),
        check("not-waiting", "submit returns at once, whatever is under way", _not_waiting),
        check("full", "more tickets than it says are refused, and the others end", _full),
        check("cancel", "a cancelled run that has not ended fails; others go on", _cancel),
        check("deadline", "a run whose deadline has passed fails and does not run", _deadline),
        check("concurrency", "callers on several threads get their own answers", _concurrency),
        check("close", "open runs end, nothing is taken afterwards, twice is no harm", _close),
        check("use-without-load", "nothing works before load, and nothing hangs", _unloaded),
    )


def _order(subject: Subject) -> str:
    ended: list[int] = []
    lock = threading.Lock()

    def note(number: int) -> Callable[[Completion], None]:
        def done(_: Completion) -> None:
            with lock:
                ended.append(number)

        return done

    reference = Reference(subject.networks[_NETWORK])
    try:
        with subject.loaded(_NETWORK) as backend:
            count = min(_BURST, backend.capabilities.most_in_flight)
            tickets = [
                backend.submit(feed(_NETWORK, number), on_done=note(number))
                for number in range(count)
            ]
            for number, ticket in enumerate(tickets):
                found = subject.outputs(subject.ended(backend, ticket))
                subject.same(found, reference(feed(_NETWORK, number)), f"answer {number}")
    finally:
        reference.close()
    if ended != list(range(count)):
        raise BrokenError(f"{count} runs ended in the order {ended}")
    return f"{count} runs in order"


def _call(subject: Subject) -> str:
    calls: list[tuple[int, Completion]] = []
    called = threading.Event()

    def done(completion: Completion) -> None:
        calls.append((threading.get_ident(), completion))
        called.set()

    with subject.loaded(_NETWORK) as backend:
        before_ns = subject.now_ns()
        ticket = backend.submit(feed(_NETWORK, 0), on_done=done)
        completion = subject.ended(backend, ticket)
        if not called.wait(subject.wait_ns / 1e9):
            raise BrokenError("it does not call back")
        after_ns = subject.now_ns()
        if not ticket.done:
            raise BrokenError("the ticket is not done after its completion")
        subject.outputs(completion)
    if len(calls) != 1:
        raise BrokenError(f"it calls back {len(calls)} times")
    thread, told = calls[0]
    if thread == threading.get_ident():
        raise BrokenError("it calls back on the thread that submits")
    stamps = (told.began_ns, told.ended_ns) == (completion.began_ns, completion.ended_ns)
    if not stamps or told.failure != completion.failure or told.outputs is None:
        raise BrokenError("the callback and wait give different completions")
    if not before_ns <= completion.began_ns <= completion.ended_ns <= after_ns:
        raise BrokenError(
            f"stamps {completion.began_ns} and {completion.ended_ns} ns do not lie between "
            f"{before_ns} and {after_ns} ns of the clock it was given"
        )
    return f"once, {(completion.ended_ns - completion.began_ns) / 1e6:.3f} ms"


def _not_waiting(subject: Subject) -> str:
    with subject.loaded(_NETWORK) as backend, _held(subject, backend) as let_go:
        tickets: list[Ticket] = []
        other = threading.Thread(
            target=lambda: tickets.append(backend.submit(feed(_NETWORK, 1))), daemon=True
        )
        other.start()
        other.join(subject.wait_ns / 1e9)
        if other.is_alive():
            raise BrokenError("submit waits while another run's callback is busy")
        let_go()
        subject.outputs(subject.ended(backend, tickets[0]))
    return "submit returned while a callback was busy"


def _full(subject: Subject) -> str:
    with subject.loaded(_NETWORK) as backend, _held(subject, backend) as let_go:
        most = backend.capabilities.most_in_flight
        taken: list[Ticket] = []
        refused = False
        for number in range(most + 2):
            try:
                taken.append(backend.submit(feed(_NETWORK, number)))
            except BackendRunError:
                refused = True
                break
        ended = sum(ticket.done for ticket in taken)
        let_go()
        for ticket in taken:
            subject.outputs(subject.ended(backend, ticket))
    if not refused:
        if ended:
            raise UndecidedError(f"{ended} of {len(taken)} runs ended while they were submitted")
        raise BrokenError(f"takes {len(taken)} runs at once and says {most} are the most")
    return f"{len(taken)} taken, the next refused"


def _cancel(subject: Subject) -> str:
    reference = Reference(subject.networks[_NETWORK])
    try:
        with subject.loaded(_NETWORK) as backend:
            with _held(subject, backend) as let_go:
                kept = backend.submit(feed(_NETWORK, 1))
                wanted = backend.submit(feed(_NETWORK, 2))
                late = wanted.done
                backend.cancel(wanted)
                let_go()
                cancelled = subject.ended(backend, wanted)
                found = subject.outputs(subject.ended(backend, kept))
                subject.same(found, reference(feed(_NETWORK, 1)), "the run beside it")
            backend.cancel(kept)
            subject.answer(backend, feed(_NETWORK, 3))
    finally:
        reference.close()
    if late:
        raise UndecidedError("the run ended before it could be cancelled")
    if cancelled.outputs is not None or not cancelled.failure:
        raise BrokenError("a run that was cancelled while it waited gives an answer")
    return f"failure {cancelled.failure!r}"


def _deadline(subject: Subject) -> str:
    with subject.loaded(_NETWORK) as backend:
        now_ns = subject.now_ns()
        passed = subject.ended(
            backend, backend.submit(feed(_NETWORK, 0), deadline_at_ns=now_ns - 1)
        )
        if passed.outputs is not None or not passed.failure:
            raise BrokenError("a run whose deadline has passed gives an answer")
        far = backend.submit(feed(_NETWORK, 0), deadline_at_ns=now_ns + _AGES_NS)
        subject.outputs(subject.ended(backend, far))
    return f"failure {passed.failure!r}"


def _concurrency(subject: Subject) -> str:
    reference = Reference(subject.networks[_NETWORK])
    try:
        expected = [reference(feed(_NETWORK, seed)) for seed in range(_CALLERS * _EACH)]
        with subject.loaded(_NETWORK) as backend:

            def call(caller: int) -> None:
                for turn in range(_EACH):
                    seed = caller * _EACH + turn
                    found = subject.answer(backend, feed(_NETWORK, seed))
                    subject.same(found, expected[seed], f"an answer of caller {caller}")

            with ThreadPoolExecutor(_CALLERS) as pool:
                for future in [pool.submit(call, caller) for caller in range(_CALLERS)]:
                    future.result()
    finally:
        reference.close()
    return f"{_CALLERS} callers, {_EACH} runs each"


def _close(subject: Subject) -> str:
    backend = subject.make()
    backend.load(subject.networks[_NETWORK])
    tickets = [backend.submit(feed(_NETWORK, number)) for number in range(3)]
    for _ in range(2):
        closing = threading.Thread(target=backend.close, daemon=True)
        closing.start()
        closing.join(subject.wait_ns / 1e9)
        if closing.is_alive():
            raise BrokenError("close does not return")
    ends = [subject.ended(backend, ticket) for ticket in tickets]
    if any(end.outputs is None and not end.failure for end in ends):
        raise BrokenError("a run that close ended says neither answer nor reason")
    _refuses(lambda: backend.submit(feed(_NETWORK, 0)), "submit after close")
    _refuses(backend.describe, "describe after close")
    return f"{sum(end.outputs is None for end in ends)} of {len(ends)} open runs ended by it"


def _unloaded(subject: Subject) -> str:
    backend = subject.make()
    try:
        _refuses(lambda: backend.submit(feed(_NETWORK, 0)), "submit before load")
        _refuses(backend.describe, "describe before load")
    finally:
        backend.close()
    return "refused"


def _refuses(call: Callable[[], object], what: str) -> None:
    try:
        call()
    except BackendRunError:
        return
    except Exception as err:
        raise BrokenError(f"{what} raises {type(err).__name__}: {err}") from err
    raise BrokenError(f"{what} is taken")


@contextlib.contextmanager
def _held(subject: Subject, backend: Backend) -> Iterator[Callable[[], None]]:
    """A run whose callback is busy until the function given is called."""
    busy, go = threading.Event(), threading.Event()

    def hold(_: Completion) -> None:
        busy.set()
        go.wait(3 * subject.wait_ns / 1e9)

    submitting = threading.Thread(
        target=lambda: backend.submit(feed(_NETWORK, 0), on_done=hold), daemon=True
    )
    submitting.start()
    try:
        if not busy.wait(subject.wait_ns / 1e9):
            raise BrokenError("it does not call back")
        submitting.join(subject.wait_ns / 1e9)
        if submitting.is_alive():
            raise BrokenError("submit waits for the run that it queues")
        yield go.set
    finally:
        go.set()
