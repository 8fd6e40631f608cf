"""ONNX Runtime on this machine's CPU: runs, optimises, and is imported nowhere else.

Importing this module does not import onnxruntime; making a session does.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, cast

from accelerators.backends.contract import check_inputs
from accelerators.backends.queueing import MOST_IN_FLIGHT, QueuedBackend, shortened
from accelerators.device import ArtefactDescription, Capabilities, TensorSpec
from accelerators.errors import BackendRunError, BackendUnavailableError, ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

    import numpy as np
    from numpy.typing import NDArray

    from accelerators.backends.queueing import Engine, Running

    Array = NDArray[np.generic[object]]

Level = Literal["basic", "extended", "all"]

NAME = "cpu"

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

    def end_profiling(self) -> str:
        """Write the profile and say where."""


class _SessionOptions(Protocol):
    intra_op_num_threads: int
    inter_op_num_threads: int
    log_severity_level: int
    graph_optimization_level: object
    optimized_model_filepath: str
    enable_profiling: bool
    profile_file_prefix: str

    def add_provider_for_devices(
        self, devices: Sequence[object], options: Mapping[str, str]
    ) -> None:
        """Run on these devices of a plug-in provider."""

    def add_session_config_entry(self, key: str, value: str) -> None:
        """Set a string option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An execution provider of ONNX Runtime's.

    Attributes:
        name: Its name, such as `OpenVINOExecutionProvider`.
        options: Its own options, by name.
        library: Library of a plug-in provider; None for one that the build holds.
        fallback: Whether operators that it does not take may run on the CPU.
        version: Of a plug-in provider, for the fingerprint.
        paths: Options that name places on this machine, which no result depends on.
    """

    name: str
    options: Mapping[str, str] = field(default_factory=dict)
    library: Path | None = None
    fallback: bool = False
    version: str = ""
    paths: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Name, version and options, for a fingerprint."""
        told = [
            f"{self.name} {self.version}".strip(),
            *(f"{key}={value}" for key, value in sorted(self.options.items())),
        ]
        return ",".join([*told, *(["fallback"] if self.fallback else [])])


class OrtBackend(QueuedBackend):
    """A `Backend` that runs an ONNX file on the CPU in this process; a run is stopped in the midst.

    Cancelling a run under way takes tens of milliseconds. The rest is `QueuedBackend`'s.
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
        super().__init__(NAME, now_ns)
        self._optimise, self._threads = optimise, threads

    @staticmethod
    def unavailable() -> str | None:
        """Why this backend cannot work here, or None; looks for onnxruntime, imports nothing."""
        if importlib.util.find_spec("onnxruntime") is None:
            return "onnxruntime is not installed"
        return None

    @property
    def capabilities(self) -> Capabilities:
        """ONNX files, free dimensions allowed, in the caller's process: nothing foreign runs."""
        return Capabilities(
            most_in_flight=MOST_IN_FLIGHT,
            static_shapes=False,
            artefact_suffix=".onnx",
            isolated=False,
        )

    def _open_engine(self, artefact: Path) -> Engine:
        """Open an ONNX file; weights kept in other files are refused."""
        level = "all" if self._optimise else "none"
        return open_model(artefact, level=level, threads=self._threads)


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
        open_model(model, level=level, optimised=part)
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
    loaded = open_model(path, level="all" if optimise else "none", threads=threads)
    check_inputs(NAME, inputs, loaded.description.inputs)
    names = [spec.name for spec in loaded.description.outputs]
    try:
        outputs = loaded.session.run(names, dict(inputs), _run_options())
    except Exception as err:
        raise BackendRunError(NAME, _one_line(err)) from err
    return dict(zip(names, outputs, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class OrtEngine:
    """A session with what is known of it."""

    session: _Session
    description: ArtefactDescription
    fingerprint: str
    name: str = NAME

    def begin(self) -> Running:
        """A run that can be told to stop."""
        names = [spec.name for spec in self.description.outputs]
        return _OrtRun(session=self.session, names=names, options=_run_options(), backend=self.name)

    def profiled(self) -> Path:
        """End timing operators, and say where the JSON file lies; once, of a profiling session."""
        return Path(self.session.end_profiling())

    def close(self) -> None:
        """Nothing: the session goes with its last reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _OrtRun:
    session: _Session
    names: Sequence[str]
    options: _RunOptions
    backend: str

    def run(self, inputs: Mapping[str, Array]) -> Sequence[Array]:
        try:
            return self.session.run(self.names, inputs, self.options)
        except Exception as err:
            raise BackendRunError(self.backend, _one_line(err)) from err

    def stop(self) -> None:
        self.options.terminate = True


def _onnxruntime() -> ModuleType:
    """The library, imported on first use: 160 ms that listing devices must not pay."""
    import onnxruntime  # noqa: PLC0415 - lazy on purpose

    return cast("ModuleType", onnxruntime)


def quantisation() -> ModuleType:
    """The library's quantiser, for `quantising` beside this module; importing it takes a second."""
    from onnxruntime import quantization  # noqa: PLC0415 - lazy on purpose

    return cast("ModuleType", quantization)


def quantisation_errors() -> ModuleType:
    """The library's comparison of a network with its quantised form, for `sensitivity`."""
    from onnxruntime.quantization import qdq_loss_debug  # noqa: PLC0415 - lazy on purpose

    return cast("ModuleType", qdq_loss_debug)


def installed_providers() -> tuple[str, ...]:
    """Execution providers that this build of ONNX Runtime holds; imports it."""
    return tuple(str(name) for name in _onnxruntime().get_available_providers())


def open_model(
    path: Path,
    *,
    level: str,
    threads: int = 1,
    provider: Provider | None = None,
    optimised: Path | None = None,
    profile: Path | None = None,
) -> OrtEngine:
    """Make a session of the file's bytes, so that the hash covers what runs.

    Args:
        path: An ONNX file; weights kept in other files are refused.
        level: How far to optimise the graph first: none, basic, extended or all.
        threads: Threads inside one operator.
        provider: Execution provider other than the CPU's.
        optimised: Where to write the optimised graph.
        profile: Beginning of the file that times every operator; see `OrtEngine.profiled`.

    Raises:
        ModelLoadError: The file does not load, or not whole on the provider.
        BackendUnavailableError: There is no such provider here.
        FileNotFoundError: There is no such file.
    """
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
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    named = _chosen(ort, options, provider)
    try:
        made = ort.InferenceSession(content, options, **named)
    except Exception as err:
        raise ModelLoadError(str(path), _one_line(err)) from err
    made.disable_fallback()
    session = cast("_Session", made)
    fingerprint = (
        f"onnxruntime {ort.__version__} {'cpu' if provider is None else provider} "
        f"{platform.machine()} level={level} threads={threads} "
        f"sha256={hashlib.sha256(content).hexdigest()}"
    )
    description = ArtefactDescription(
        inputs=tuple(_tensor_spec(path, argument) for argument in session.get_inputs()),
        outputs=tuple(_tensor_spec(path, argument) for argument in session.get_outputs()),
    )
    return OrtEngine(
        session=session,
        description=description,
        fingerprint=fingerprint,
        name=NAME if provider is None else provider.name,
    )


def _chosen(
    ort: ModuleType, options: _SessionOptions, provider: Provider | None
) -> dict[str, list[str | tuple[str, dict[str, str]]]]:
    """Put a provider into the options, or into the arguments of a session that are returned."""
    if provider is None:
        return {"providers": ["CPUExecutionProvider"]}
    if provider.name != "CPUExecutionProvider" and not provider.fallback:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    if provider.library is None:
        held = installed_providers()
        if provider.name not in held:
            raise BackendUnavailableError(
                provider.name,
                f"this ONNX Runtime {ort.__version__} has no such execution provider; it has "
                f"{', '.join(held)}",
            )
        return {"providers": [(provider.name, {**provider.options, **provider.paths})]}
    if not any(device.ep_name == provider.name for device in ort.get_ep_devices()):
        try:
            ort.register_execution_provider_library(provider.name, str(provider.library))
        except Exception as err:
            raise BackendUnavailableError(
                provider.name, f"{provider.library} does not load: {_one_line(err)}"
            ) from err
    devices = [device for device in ort.get_ep_devices() if device.ep_name == provider.name]
    if not devices:
        raise BackendUnavailableError(
            provider.name, f"{provider.library} offers no device on this machine"
        )
    options.add_provider_for_devices(devices[:1], {**provider.options, **provider.paths})
    return {}


def _run_options() -> _RunOptions:
    options = cast("_RunOptions", _onnxruntime().RunOptions())
    options.log_severity_level = _FATAL_ONLY
    return options


def _tensor_spec(path: Path, argument: _NodeArg) -> TensorSpec:
    if argument.type not in _DTYPES:
        raise ModelLoadError(str(path), f"{argument.name} is a {argument.type}, which has no array")
    shape = tuple(side if isinstance(side, int) else -1 for side in argument.shape)
    return TensorSpec(name=argument.name, shape=shape, dtype=_DTYPES[argument.type])


def _one_line(err: Exception) -> str:
    """The message without onnxruntime's prefix, source file and line breaks, cut to a line."""
    text = " ".join(str(err).split())
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ", "", text)
    text = re.sub(r"/onnxruntime_src/\S+ ", "", text)
    return shortened(text or type(err).__name__)
