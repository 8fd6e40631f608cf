"""The process of a backend: opens what it is told to, runs what it is sent, ends with its caller.

Started by `accelerators.backends.hosted`, as `python -m accelerators.backends.child CHANNEL INPUTS
OUTPUTS BACKEND OPTIONS`: descriptors of the channel and of the memory of either direction, and two
JSON texts that say which backend and how it is set. What the vendor's library prints on standard
output goes to standard error.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import socket
import sys
import threading
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, cast

from accelerators.backends.naming import BackendName, configured
from accelerators.backends.pipe import Memory, Message, TensorHeader, receive, send
from accelerators.backends.queueing import one_line
from accelerators.errors import AcceleratorError, ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accelerators.device import Backend, Completion, TensorSpec, Ticket
    from accelerators.registry import BackendFactory

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class _Serving:
    """One backend behind one channel; a run at a time, as its caller sends them."""

    def __init__(
        self, backend: Backend, channel: socket.socket, inputs: Memory, outputs: Memory
    ) -> None:
        self._backend, self._channel = backend, channel
        self._inputs, self._outputs = inputs, outputs
        self._lock = threading.Lock()
        self._open: dict[int, Ticket] = {}

    def serve(self) -> None:
        """Answer until the caller is gone."""
        try:
            self._answer()
        except OSError:
            pass  # the caller is gone, and nobody is left to be told
        finally:
            self._backend.close()

    def _answer(self) -> None:
        while (message := receive(self._channel)) is not None:
            match message["op"]:
                case "load":
                    self._load(Path(message["artefact"]))
                case "run":
                    self._run(message)
                case "cancel":
                    ticket = self._open.get(message["number"])
                    if ticket is not None:
                        self._backend.cancel(ticket)
                case _:
                    pass

    def _load(self, artefact: Path) -> None:
        try:
            self._backend.load(artefact)
            description = self._backend.describe()
        except FileNotFoundError as err:
            found = str(err.filename or err)
            self._say({"op": "refused", "reason": found, "kind": "missing"})
        except ModelLoadError as err:
            self._say({"op": "refused", "reason": err.reason, "kind": "load"})
        except (AcceleratorError, OSError) as err:
            self._say({"op": "refused", "reason": one_line(err), "kind": "load"})
        else:
            self._say(
                {
                    "op": "loaded",
                    "inputs": [_header(spec) for spec in description.inputs],
                    "outputs": [_header(spec) for spec in description.outputs],
                    "fingerprint": self._backend.fingerprint,
                }
            )

    def _run(self, message: Message) -> None:
        number = message["number"]

        def done(completion: Completion) -> None:
            self._open.pop(number, None)
            if completion.outputs is None:
                reason = completion.failure or "failed"
                self._say({"op": "done", "number": number, "reason": reason})
                return
            tensors = {str(at): array for at, array in enumerate(completion.outputs)}
            try:
                headers = self._outputs.put(tensors)
            except Exception as err:  # noqa: BLE001 - what a backend gives may be anything
                reason = f"its outputs are no arrays: {one_line(err)}"
                self._say({"op": "done", "number": number, "reason": reason})
                return
            self._say({"op": "done", "number": number, "tensors": headers})

        try:
            inputs = self._inputs.get(message["tensors"])
            ticket = self._backend.submit(inputs, on_done=done)
        except Exception as err:  # noqa: BLE001 - told to the caller
            self._say({"op": "done", "number": number, "reason": one_line(err)})
            return
        if not ticket.done:
            self._open[number] = ticket

    def _say(self, message: Message) -> None:
        with self._lock:
            send(self._channel, message)


def main(arguments: Sequence[str]) -> None:
    """Serve one backend until the caller is gone."""
    channel_fd, inputs_fd, outputs_fd = (int(text) for text in arguments[:3])
    _behave()
    channel = socket.socket(fileno=channel_fd)
    told = cast("dict[str, str | None]", json.loads(arguments[3]))
    options = cast("dict[str, str]", json.loads(arguments[4]))
    name = BackendName(id=told["id"] or "", argument=told["argument"])
    try:
        point = EntryPoint(name=name.id, value=told["target"] or "", group="")
        factory = cast("BackendFactory", point.load())
        backend = configured(factory, name, options)(lambda: 0)
    except Exception as err:  # noqa: BLE001 - a stranger's module may fail in any way
        send(channel, {"op": "refused", "reason": one_line(err), "kind": "load"})
        while receive(channel) is not None:  # ending with something unread would lose the answer
            pass
        return
    _Serving(backend, channel, Memory(inputs_fd), Memory(outputs_fd)).serve()


def _behave() -> None:
    """End with the caller's thread, leave no core file, keep standard output free of noise."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(2, 1)


def _header(spec: TensorSpec) -> TensorHeader:
    return TensorHeader(name=spec.name, dtype=spec.dtype, shape=list(spec.shape), offset=0)


if __name__ == "__main__":
    main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(0)  # a vendor's threads or destructors must not keep it
