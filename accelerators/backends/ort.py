"""ONNX Runtime on this machine's CPU: runs, optimises, and is imported nowhere else.

Importing this module does not import onnxruntime; making a session does.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import queue
import re
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, cast

from accelerators.device import ArtefactDescription, Capabilities, Completion, TensorSpec
from accelerators.errors import BackendRunError, ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

    import numpy as np
    from numpy.typing import NDArray

    from accelerators.device import Ticket

    Array = NDArray[np.generic[object]]

Level = Literal["basic", "extended", "all"]

NAME = "cpu"
# A frame waits in the core, not here; more than this in a backend's queue is a caller's mistake.
MOST_IN_FLIGHT = 64
CANCELLED, CLOSED, EXPIRED = "cancelled", "closed", "expired"

_NS_PER_S = 1_000_000_000
_LONGEST_REASON = 200
# Only fatal messages: ONNX Runtime otherwise writes to stderr what is also raised.
_FATAL_ONLY = 4
_LEVELS: dict[str, str] = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
_DTYPES: dict[str, str] = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
    "tensor(bool)": "bool",
}


class _NodeArg(Protocol):
    """What onnxruntime says of an input or output; a free dimension is a name or None."""

    name: str
    shape: Sequence[int | str | None]
    type: str


class _RunOptions(Protocol):
    terminate: bool
    log_severity_level: int


class _Session(Protocol):
    def run(
        self, names: Sequence[str], feed: Mapping[str, Array], options: _RunOptions
    ) -> Sequence[Array]:
        """Run synchronously."""

    def get_inputs(self) -> Sequence[_NodeArg]:
        """Inputs in order."""

    def get_outputs(self) -> Sequence[_NodeArg]:
        """Outputs in order."""


class _SessionOptions(Protocol):
    intra_op_num_threads: int
    inter_op_num_threads: int
    log_severity_level: int
    graph_optimization_level: object
    optimized_model_filepath: str

    def add_session_config_entry(self, key: str, value: str) -> None:
        """Set a string option."""


class OrtBackend:
    """A `Backend` that runs an ONNX file on the CPU in one worker thread, first in, first out.

    A ticket whose deadline has passed when its turn comes ends with failure `expired` and does not
    run; one that has begun is not stopped by its deadline. `cancel` stops a run under way within
    tens of milliseconds, and keeps a waiting one from running; its completion, failure `cancelled`,
    then comes when its turn does. Callbacks run in the worker thread, one at a time, in the order
    of submission; what a callback raises goes to `threading.excepthook` and stops nothing. Inputs
    must not change until the completion.
    """

    def __init__(
        self, now_ns: Callable[[], int], *, optimise: bool = True, threads: int = 1
    ) -> None:
        """Make a backend without an artefact.

        Args:
            now_ns: Clock of deadlines and completions, ns.
            optimise: Whether to optimise the graph at load, at level `all`; leave it out for an
                artefact that has been optimised already, or that was cut from one.
            threads: Threads inside one operator; the number can change results in the last bit.
        """
        self._now_ns, self._optimise, self._threads = now_ns, optimise, threads
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[_OrtTicket | None] = queue.SimpleQueue()
        self._open: set[_OrtTicket] = set()
        self._loaded: _Loaded | None = None
        self._worker: threading.Thread | None = None
        self._closed = False

    @staticmethod
    def unavailable() -> str | None:
        """Why this backend cannot work here, or None; looks for onnxruntime, imports nothing."""
        if importlib.util.find_spec("onnxruntime") is None:
            return "onnxruntime is not installed"
        return None

    @property
    def fingerprint(self) -> str:
        """Version, processor family, level, threads and SHA-256 of the artefact, in one line.

        Raises:
            BackendRunError: Nothing is loaded.
        """
        return self._artefact().fingerprint

    @property
    def capabilities(self) -> Capabilities:
        """ONNX files, free dimensions allowed, `MOST_IN_FLIGHT` tickets."""
        return Capabilities(
            most_in_flight=MOST_IN_FLIGHT, static_shapes=False, artefact_suffix=".onnx"
        )

    def load(self, artefact: Path) -> None:
        """Load an ONNX file; blocking. Weights kept in other files are refused.

        Raises:
            ModelLoadError: The file does not load, or something is loaded already.
            FileNotFoundError: There is no such file.
        """
        with self._lock:
            if self._loaded is not None or self._closed:
                reason = "the backend is closed" if self._closed else "a backend holds one artefact"
                raise ModelLoadError(str(artefact), reason)
            self._loaded = _load(
                artefact, level="all" if self._optimise else "none", threads=self._threads
            )
            self._worker = threading.Thread(
                target=self._work, args=(self._loaded,), name=f"ort {artefact.name}", daemon=True
            )
            self._worker.start()

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
            on_done: Called once, from the worker thread.

        Raises:
            BackendRunError: Nothing is loaded, it is closed, too many tickets are open, or an
                input is missing, unknown or of the wrong dtype or shape.
        """
        _check_inputs(inputs, self._artefact().description.inputs)
        ticket = _OrtTicket(
            inputs=dict(inputs),
            deadline_at_ns=deadline_at_ns,
            on_done=on_done,
            options=_run_options(),
        )
        with self._lock:
            if self._closed:
                raise BackendRunError(NAME, "it is closed")
            if len(self._open) >= MOST_IN_FLIGHT:
                raise BackendRunError(NAME, f"{MOST_IN_FLIGHT} tickets are open already")
            self._open.add(ticket)
            self._queue.put(ticket)
        return ticket

    def wait(self, ticket: Ticket, *, timeout_ns: int | None = None) -> Completion | None:
        """Wait for a ticket; None when the timeout ran out first. Not for use in a callback.

        Raises:
            BackendRunError: The ticket is not from a backend of this kind.
        """
        own = _own(ticket)
        own.ended.wait(None if timeout_ns is None else timeout_ns / _NS_PER_S)
        return own.completion

    def cancel(self, ticket: Ticket) -> None:
        """Stop a run that has not ended; without effect on one that has.

        Raises:
            BackendRunError: The ticket is not from a backend of this kind.
        """
        own = _own(ticket)
        with self._lock:
            own.stop(CANCELLED)

    def close(self) -> None:
        """Stop what runs, end what is open with failure `closed`, release the session.

        Waits for the worker, unless called from a callback. Safe to call twice.
        """
        with self._lock:
            first = not self._closed
            self._closed = True
            for ticket in self._open:
                ticket.stop(CLOSED)
            if first:
                self._queue.put(None)
            worker, self._loaded = self._worker, None
        if worker is not None and worker is not threading.current_thread():
            worker.join()

    def _artefact(self) -> _Loaded:
        loaded = self._loaded
        if loaded is None:
            raise BackendRunError(NAME, "it is closed" if self._closed else "nothing is loaded")
        return loaded

    def _work(self, loaded: _Loaded) -> None:
        """Body of the worker thread: tickets in order until the end marker of `close`."""
        while (ticket := self._queue.get()) is not None:
            completion = self._run(loaded, ticket)
            with self._lock:
                if ticket.stopped is not None and completion.failure is None:
                    completion = _failed(ticket.stopped, completion.began_ns, completion.ended_ns)
                self._open.discard(ticket)
                ticket.completion = completion
                ticket.inputs = {}
            ticket.ended.set()
            if ticket.on_done is not None:
                _call(ticket.on_done, completion)

    def _run(self, loaded: _Loaded, ticket: _OrtTicket) -> Completion:
        began_ns = self._now_ns()
        if ticket.stopped is not None:
            return _failed(ticket.stopped, began_ns, began_ns)
        if ticket.deadline_at_ns is not None and began_ns >= ticket.deadline_at_ns:
            return _failed(EXPIRED, began_ns, began_ns)
        names = [spec.name for spec in loaded.description.outputs]
        try:
            outputs = tuple(loaded.session.run(names, ticket.inputs, ticket.options))
        except Exception as err:  # noqa: BLE001 - becomes the completion's failure
            return _failed(ticket.stopped or _one_line(err), began_ns, self._now_ns())
        return Completion(outputs=outputs, began_ns=began_ns, ended_ns=self._now_ns())


def optimise(model: Path, to: Path, *, level: Level) -> None:
    """Write the graph as ONNX Runtime optimises it, with one thread; `to` appears whole or not.

    At `basic` the result holds standard operators only and runs anywhere. At `extended` and `all`
    it holds operators, at `all` layouts too, of this machine's kind: make it where it runs.

    Args:
        model: An ONNX file; weights kept in other files are refused.
        to: The file to write or replace; its folder must exist.
        level: How far to optimise.

    Raises:
        ModelLoadError: The file does not load.
        FileNotFoundError: There is no such file or folder.
    """
    handle, name = tempfile.mkstemp(dir=to.parent, prefix=f".{to.name}.", suffix=".part")
    os.close(handle)
    part = Path(name)
    try:
        _load(model, level=level, threads=1, optimised=part)
        part.chmod(0o644)
        part.replace(to)
    finally:
        part.unlink(missing_ok=True)


def run_once(
    path: Path, inputs: Mapping[str, Array], *, optimise: bool, threads: int = 1
) -> dict[str, Array]:
    """Load a file, run it once on the calling thread, and return its outputs by name.

    Args:
        path: An ONNX file.
        inputs: An array per input; exact dtype and shape.
        optimise: Whether to optimise the graph at level `all` first.
        threads: Threads inside one operator; one for results that must repeat bit for bit.

    Raises:
        ModelLoadError: The file does not load.
        BackendRunError: An input does not fit, or the run fails.
        FileNotFoundError: There is no such file.
    """
    loaded = _load(path, level="all" if optimise else "none", threads=threads)
    _check_inputs(inputs, loaded.description.inputs)
    names = [spec.name for spec in loaded.description.outputs]
    try:
        outputs = loaded.session.run(names, dict(inputs), _run_options())
    except Exception as err:
        raise BackendRunError(NAME, _one_line(err)) from err
    return dict(zip(names, outputs, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    """A session with what is known of it."""

    session: _Session
    description: ArtefactDescription
    fingerprint: str


@dataclass(slots=True, kw_only=True, eq=False)
class _OrtTicket:
    """A run; `stopped` and `completion` change under the backend's lock only."""

    inputs: dict[str, Array]
    deadline_at_ns: int | None
    on_done: Callable[[Completion], None] | None
    options: _RunOptions
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
            self.options.terminate = True


def _onnxruntime() -> ModuleType:
    """The library, imported on first use: 160 ms that listing devices must not pay."""
    import onnxruntime  # noqa: PLC0415 - lazy on purpose

    return cast("ModuleType", onnxruntime)


def quantisation() -> ModuleType:
    """The library's quantiser, for `quantising` beside this module; importing it takes a second."""
    from onnxruntime import quantization  # noqa: PLC0415 - lazy on purpose

    return cast("ModuleType", quantization)


def _own(ticket: Ticket) -> _OrtTicket:
    if not isinstance(ticket, _OrtTicket):
        raise BackendRunError(NAME, "the ticket belongs to another backend")
    return ticket


def _failed(failure: str, began_ns: int, ended_ns: int) -> Completion:
    return Completion(outputs=None, began_ns=began_ns, ended_ns=ended_ns, failure=failure)


def _call(on_done: Callable[[Completion], None], completion: Completion) -> None:
    """Call back; an exception is reported and must not end the worker."""
    try:
        on_done(completion)
    except Exception as err:  # noqa: BLE001 - reported as any thread's is, below
        facts = (type(err), err, err.__traceback__, threading.current_thread())
        threading.excepthook(threading.ExceptHookArgs(facts))


def _load(path: Path, *, level: str, threads: int, optimised: Path | None = None) -> _Loaded:
    """Make a session of the file's bytes, so that the hash covers what runs."""
    content = path.read_bytes()
    if not content:
        raise ModelLoadError(str(path), "the file is empty")
    ort = _onnxruntime()
    options = cast("_SessionOptions", ort.SessionOptions())
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL_ONLY
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, _LEVELS[level])
    # Spinning pools of one process slow its neighbours down.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # Weights outside the file would escape the hash, and are looked up in the working directory
    # unless a folder is given: this one cannot hold any.
    folder = str(path.absolute())
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
    if optimised is not None:
        options.optimized_model_filepath = str(optimised)
    try:
        made = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as err:
        raise ModelLoadError(str(path), _one_line(err)) from err
    made.disable_fallback()
    session = cast("_Session", made)
    fingerprint = (
        f"onnxruntime {ort.__version__} cpu {platform.machine()} level={level} threads={threads} "
        f"sha256={hashlib.sha256(content).hexdigest()}"
    )
    description = ArtefactDescription(
        inputs=tuple(_tensor_spec(path, argument) for argument in session.get_inputs()),
        outputs=tuple(_tensor_spec(path, argument) for argument in session.get_outputs()),
    )
    return _Loaded(session=session, description=description, fingerprint=fingerprint)


def _run_options() -> _RunOptions:
    options = cast("_RunOptions", _onnxruntime().RunOptions())
    options.log_severity_level = _FATAL_ONLY
    return options


def _tensor_spec(path: Path, argument: _NodeArg) -> TensorSpec:
    if argument.type not in _DTYPES:
        raise ModelLoadError(str(path), f"{argument.name} is a {argument.type}, which has no array")
    shape = tuple(side if isinstance(side, int) else -1 for side in argument.shape)
    return TensorSpec(name=argument.name, shape=shape, dtype=_DTYPES[argument.type])


def _check_inputs(inputs: Mapping[str, Array], specs: tuple[TensorSpec, ...]) -> None:
    missing = [spec.name for spec in specs if spec.name not in inputs]
    unknown = sorted(set(inputs) - {spec.name for spec in specs})
    if missing or unknown:
        raise BackendRunError(NAME, f"inputs missing {missing}, unknown {unknown}")
    for spec in specs:
        array = inputs[spec.name]
        if str(array.dtype) != spec.dtype:
            reason = f"input {spec.name} is {array.dtype}, the artefact takes {spec.dtype}"
            raise BackendRunError(NAME, reason)
        fits = len(array.shape) == len(spec.shape) and all(
            side in (-1, given) for side, given in zip(spec.shape, array.shape, strict=True)
        )
        if not fits:
            reason = f"input {spec.name} has shape {array.shape}, the artefact takes {spec.shape}"
            raise BackendRunError(NAME, reason)


def _one_line(err: Exception) -> str:
    """The message without onnxruntime's prefix, source file and line breaks, cut to a line."""
    text = " ".join(str(err).split())
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ", "", text)
    text = re.sub(r"/onnxruntime_src/\S+ ", "", text)
    text = text or type(err).__name__
    return text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 1]}…"
