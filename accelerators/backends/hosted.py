"""A backend in a process of its own: its crash, hang or nonsense is a failed run, never more.

The caller's side is a `QueuedBackend` whose engine is the other process, so order, deadlines,
cancelling and closing are the same as for a backend in this process. What the run took is read on
the caller's clock, from handing the inputs over until the outputs are here: the way to the process
and back is part of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from accelerators.backends.pipe import LARGEST_HEADER, Memory, Message, receive, send
from accelerators.backends.queueing import QueuedBackend, shortened
from accelerators.device import ArtefactDescription, TensorSpec
from accelerators.errors import BackendRunError, ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import IO

    import numpy as np
    from numpy.typing import NDArray

    from accelerators.backends.naming import BackendName
    from accelerators.backends.pipe import TensorHeader
    from accelerators.backends.queueing import Engine, Running
    from accelerators.device import Capabilities

    Array = NDArray[np.generic[object]]

_NS_PER_S = 1_000_000_000
_SLICE_S = 0.05  # how often a wait looks whether it was told to stop
_PARTING_S = 3.0  # a closing vendor library may take its time; then it is ended
_TAIL_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a process is ended, and how often it is started again.

    Attributes:
        run_ns: Longest that a run may take; beyond it the process is ended as hung.
        load_ns: Longest that loading may take, compiling included.
        stop_ns: How long a run that was cancelled may go on before the process is ended.
        failures: After so many crashes or hangs within `window_ns` it is not started again.
        window_ns: See `failures`.
        backoff_ns: Pause before the second start of a window; doubles with each further one. The
            first start after a failure comes at once.
    """

    run_ns: int = 10 * _NS_PER_S
    load_ns: int = 300 * _NS_PER_S
    stop_ns: int = _NS_PER_S
    failures: int = 5
    window_ns: int = 60 * _NS_PER_S
    backoff_ns: int = _NS_PER_S // 2


class HostedBackend(QueuedBackend):
    """A `Backend` that another process runs; what goes wrong there is the completion's failure.

    A process that ends, hangs beyond its limit or answers nonsense costs the run under way; it is
    started again, with a growing pause, and given up after too many failures in a short time. Runs
    that come meanwhile fail at once and say why.
    """

    def __init__(
        self,
        name: BackendName,
        target: str,
        now_ns: Callable[[], int],
        *,
        capabilities: Capabilities,
        options: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        python: Path | None = None,
    ) -> None:
        """Make a backend without an artefact; the process starts with `load`.

        Args:
            name: Its name, with the argument.
            target: What makes it, as an entry point's value: `module:attribute`.
            now_ns: Clock of deadlines and completions, ns.
            capabilities: What it says of itself.
            options: Its options.
            limits: When the process is ended and started again.
            python: Interpreter of an environment that holds the vendor's library and Splitway;
                this one where left out.
        """
        super().__init__(str(name), now_ns)
        self._capabilities = capabilities
        self._limits = limits or Limits()
        self._command = (
            str(python or sys.executable),
            json.dumps({"id": name.id, "argument": name.argument, "target": target}),
            json.dumps(dict(options or {})),
        )
        self._foreign = python is not None
        self._hosted: _HostedEngine | None = None

    @property
    def capabilities(self) -> Capabilities:
        """What the backend in the process can do."""
        return self._capabilities

    @property
    def restarts(self) -> int:
        """How often the process has been started again."""
        return 0 if self._hosted is None else self._hosted.restarts

    @property
    def process_id(self) -> int | None:
        """Id of the process, or None while there is none."""
        return None if self._hosted is None else self._hosted.process_id

    def _open_engine(self, artefact: Path) -> Engine:
        if not artefact.exists():
            raise FileNotFoundError(artefact)
        self._hosted = _HostedEngine(
            self._name,
            artefact.absolute(),
            self._command,
            self._limits,
            self._now_ns,
            foreign=self._foreign,
        )
        return self._hosted


class _HostedEngine:
    """The process with an artefact; everything but `begin` is for the backend's thread."""

    def __init__(
        self,
        name: str,
        artefact: Path,
        command: tuple[str, str, str],
        limits: Limits,
        now_ns: Callable[[], int],
        *,
        foreign: bool,
    ) -> None:
        self._name, self._artefact, self._command = name, artefact, command
        self._limits, self._now_ns, self._foreign = limits, now_ns, foreign
        self._inputs, self._outputs = Memory(), Memory()
        self._process: _Process | None = None
        self._failed_at_ns: deque[int] = deque()
        self._last = ""
        self._number = 0
        self.restarts = 0
        try:
            self._start()
            self.description, self.fingerprint = self._loaded()
        except BaseException:
            self.close()
            raise

    @property
    def process_id(self) -> int | None:
        """Id of the process, or None while there is none."""
        return None if self._process is None else self._process.process_id

    def begin(self) -> Running:
        """A run that the process is sent when its turn comes."""
        return _HostedRun(self)

    def close(self) -> None:
        """End the process and release the memory."""
        if self._process is not None:
            self._process.part()
            self._process = None
        self._inputs.close()
        self._outputs.close()

    def run(self, run: _HostedRun, inputs: Mapping[str, Array]) -> Sequence[Array]:
        """Have the process run, and wait for what comes of it.

        Raises:
            BackendRunError: It failed, crashed, hung, or there is no process at present.
        """
        process = self._ready()
        self._number += 1
        tensors = self._inputs.put(inputs)
        try:
            process.say({"op": "run", "number": self._number, "tensors": tensors})
            message = self._answer(process, run)
        except (OSError, ValueError) as err:
            raise self._failure(err) from err
        if "tensors" not in message:
            reason = message.get("reason", "failed")
            raise BackendRunError(self._name, reason.removeprefix(f"{self._name}: "))
        found = self._outputs.get(message["tensors"])
        return tuple(found.values())

    def cancel(self) -> None:
        """Tell the process to stop the run under way; from any thread."""
        process = self._process
        if process is not None:
            process.say_if_there({"op": "cancel", "number": self._number})

    def _answer(self, process: _Process, run: _HostedRun) -> Message:
        """The end of the run under way.

        Raises:
            OSError: The process ended or hung; the text says so.
            ValueError: It sent nonsense.
        """
        while True:
            message = process.next(self._limits.run_ns, run, self._limits.stop_ns)
            if message["op"] == "done" and message.get("number") == self._number:
                return message

    def _ready(self) -> _Process:
        """The process with the artefact loaded, started again where it has to be."""
        if self._process is None:
            self._may_start()
            self.restarts += 1
            self._start()
        process = self._process
        if process is None:
            raise BackendRunError(self._name, "it has no process")
        if not process.loaded:
            try:
                self._loaded()
            except (ModelLoadError, FileNotFoundError) as err:
                raise BackendRunError(self._name, f"does not load again: {err}") from err
        return process

    def _may_start(self) -> None:
        count = len(self._failed_at_ns)
        seconds = self._limits.window_ns // _NS_PER_S
        if count >= self._limits.failures:
            raise BackendRunError(
                self._name, f"given up after {count} failures within {seconds} s: {self._last}"
            )
        wait_ns = 0 if count < 2 else self._limits.backoff_ns << (count - 2)  # noqa: PLR2004
        if count and self._now_ns() < self._failed_at_ns[-1] + wait_ns:
            raise BackendRunError(
                self._name,
                f"its process starts again {wait_ns / _NS_PER_S:g} s after: {self._last}",
            )

    def _start(self) -> None:
        self._process = _Process(
            self._command, (self._inputs, self._outputs), foreign=self._foreign
        )
        self._process.say({"op": "load", "artefact": str(self._artefact)})

    def _loaded(self) -> tuple[ArtefactDescription, str]:
        """What the process says of the artefact, once it has loaded it."""
        process = self._process
        if process is None:
            raise ModelLoadError(str(self._artefact), "there is no process")
        try:
            message = process.next(self._limits.load_ns, None, 0)
        except (OSError, ValueError) as err:
            raise ModelLoadError(str(self._artefact), self._failure(err).reason) from err
        if message["op"] != "loaded":
            reason = message.get("reason", "refused")
            self._failure(OSError(reason))
            if message.get("kind") == "missing":
                raise FileNotFoundError(reason)
            raise ModelLoadError(str(self._artefact), f"{self._name}: {reason}")
        process.loaded = True
        description = ArtefactDescription(
            inputs=_specs(message.get("inputs", ())), outputs=_specs(message.get("outputs", ()))
        )
        return description, message.get("fingerprint", "")

    def _failure(self, err: Exception) -> BackendRunError:
        """End what is left of the process, and remember why."""
        process, self._process = self._process, None
        reason = f"its process answered nonsense: {err}" if isinstance(err, ValueError) else ""
        if process is not None:
            told = process.end()
            reason = reason or (str(err) if isinstance(err, TimeoutError) else told or str(err))
        now_ns = self._now_ns()
        self._failed_at_ns.append(now_ns)
        while self._failed_at_ns and self._failed_at_ns[0] <= now_ns - self._limits.window_ns:
            self._failed_at_ns.popleft()
        self._last = shortened(reason or str(err))
        return BackendRunError(self._name, self._last)


class _HostedRun:
    """One run; `stopping` is set once, from any thread."""

    def __init__(self, engine: _HostedEngine) -> None:
        self._engine = engine
        self._under_way = False
        self.stopping = False

    def run(self, inputs: Mapping[str, Array]) -> Sequence[Array]:
        self._under_way = True
        try:
            return self._engine.run(self, inputs)
        finally:
            self._under_way = False

    def stop(self) -> None:
        self.stopping = True
        if self._under_way:
            self._engine.cancel()


class _Process:
    """A started process and the channel to it."""

    def __init__(
        self, command: tuple[str, str, str], memory: tuple[Memory, Memory], *, foreign: bool
    ) -> None:
        python, backend, options = command
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._channel, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * LARGEST_HEADER)
        self._noise: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `end`
        shared = tuple(each.descriptor for each in memory)
        environment = dict(os.environ)
        if not foreign:  # a plug-in that this process finds, the other finds as well
            environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter or the user's own
                (
                    python,
                    "-P",
                    "-m",
                    "accelerators.backends.child",
                    str(theirs.fileno()),
                    *(str(descriptor) for descriptor in shared),
                    backend,
                    options,
                ),
                stdin=subprocess.DEVNULL,
                stdout=self._noise,
                stderr=self._noise,
                pass_fds=(theirs.fileno(), *shared),
                env=environment,
                start_new_session=True,  # Ctrl-C is for the caller, who ends it in order
            )
        except OSError:
            self._channel.close()
            self._noise.close()
            raise
        finally:
            theirs.close()
        self.loaded = False

    @property
    def process_id(self) -> int:
        """Its id."""
        return self._process.pid

    def say(self, message: Message) -> None:
        """Send a header; that the process is gone is noticed when it does not answer."""
        self.say_if_there(message)

    def say_if_there(self, message: Message) -> None:
        """Send a header where somebody is there to read it."""
        try:
            send(self._channel, message)
        except OSError:
            return

    def next(self, limit_ns: int, run: _HostedRun | None, stop_ns: int) -> Message:
        """The next header.

        Args:
            limit_ns: Longest wait.
            run: The run waited for; once it is to stop, the wait goes on for `stop_ns` at most.
            stop_ns: See `run`.

        Raises:
            TimeoutError: Nothing came in time.
            ConnectionError: The process ended.
            ValueError: It sent nonsense.
        """
        left_s, told = limit_ns / _NS_PER_S, False
        while True:
            if run is not None and run.stopping and not told:
                left_s, told = min(left_s, stop_ns / _NS_PER_S), True
            self._channel.settimeout(max(0.001, min(_SLICE_S, left_s)))
            try:
                message = receive(self._channel)
            except TimeoutError:
                left_s -= _SLICE_S
                if left_s <= 0:
                    limit_s = limit_ns / _NS_PER_S
                    raise TimeoutError(
                        "its process did not stop and was ended"
                        if told
                        else f"no answer within {limit_s:g} s: its process was ended"
                    ) from None
                continue
            if message is None:
                raise ConnectionError
            return message

    def part(self) -> None:
        """Let it close its backend and end; end it where it takes too long."""
        self._channel.close()
        try:
            self._process.wait(_PARTING_S)
        except subprocess.TimeoutExpired:
            self._kill()
        self._noise.close()

    def end(self) -> str:
        """End it now, and say how it had ended and what it last said."""
        try:
            code = self._process.wait(_SLICE_S)
        except subprocess.TimeoutExpired:
            self._kill()
            code = None
        self._channel.close()
        size = self._noise.seek(0, os.SEEK_END)
        self._noise.seek(max(0, size - _TAIL_BYTES))
        lines = self._noise.read().decode(errors="replace").strip().splitlines()
        self._noise.close()
        said = f": {lines[-1].strip()}" if lines else ""
        if code is None:
            return f"its process closed the channel{said}"
        how = f"signal {_signal(-code)}" if code < 0 else f"exit {code}"
        return f"its process ended ({how}){said}"

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _specs(headers: Sequence[TensorHeader]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(name=h["name"], shape=tuple(h["shape"]), dtype=h["dtype"]) for h in headers
    )
