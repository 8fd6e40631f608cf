"""What vendors' runtimes have in common: a compiled file, static shapes, arrays in a fixed order.

An ONNX file says what a segment takes and gives, by name; what runs is the file that the vendor's
compiler made of it. That lies beside it, or in the folder that the option `compiled` names, under
the same name with the vendor's suffix.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, cast

import numpy as np

from accelerators.backends.queueing import QueuedBackend, one_line
from accelerators.device import ArtefactDescription, Capabilities, TensorSpec
from accelerators.errors import BackendRunError, BackendUnavailableError, ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

    from numpy.typing import NDArray

    from accelerators.backends.queueing import Engine, Running

    Array = NDArray[np.generic[object]]

Layout = Literal["nchw", "nhwc"]

_ONNX = ".onnx"
_MOST_IN_FLIGHT = 16
# Vendors compile to int8 or float16; a network of a few layers stays within a part in twenty.
_TOLERANCE_PPM = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorSettings:
    """How a vendor's device is to be used.

    Attributes:
        compiled: Folder of the compiled files; None for the one of the ONNX file.
        device: Which device, in the vendor's way; None for the vendor's default.
        layout: Axis order of pictures that the compiled files take and give.
        batch_axis: Whether the vendor's arrays have the first axis of the ONNX file, of length 1.
    """

    compiled: Path | None = None
    device: str | None = None
    layout: Layout = "nchw"
    batch_axis: bool = True


class VendorSession(Protocol):
    """A compiled file that a vendor's runtime has opened."""

    def run(self, inputs: Sequence[Array]) -> Sequence[Array]:
        """Run; arrays in the order of the ONNX file, in the vendor's layout."""

    def close(self) -> None:
        """Release the device."""


class CompiledBackend(QueuedBackend):
    """A `Backend` over a vendor's runtime; a vendor says how a compiled file is opened.

    Attributes:
        ID: Id of the backend.
        MODULE: Python module of the vendor's runtime.
        SUFFIX: Suffix of compiled files.
        MISSING: What to do where the module is not installed.
        COMPILER: What makes compiled files.
        DEFAULTS: Settings where options say nothing.
        INT8_ONLY: Whether the device computes in int8 only.
    """

    ID: ClassVar[str]
    MODULE: ClassVar[str]
    SUFFIX: ClassVar[str]
    MISSING: ClassVar[str]
    COMPILER: ClassVar[str]
    DEFAULTS: ClassVar[VendorSettings] = VendorSettings()
    INT8_ONLY: ClassVar[bool] = False

    def __init__(self, now_ns: Callable[[], int], settings: VendorSettings | None = None) -> None:
        """Make a backend without an artefact; the vendor's module is imported by `load`.

        Args:
            now_ns: Clock of deadlines and completions, ns.
            settings: How the device is to be used.
        """
        super().__init__(self.ID, now_ns)
        self._settings = settings or self.DEFAULTS

    @classmethod
    def configured(
        cls, argument: str | None, options: Mapping[str, str]
    ) -> Callable[[Callable[[], int]], CompiledBackend]:
        """A factory for a device, as `ID:DEVICE`, and for the options `compiled` and `layout`.

        Raises:
            BackendUnavailableError: There is no such option, or a value is none of it.
        """
        unknown = sorted(set(options) - {"compiled", "layout"})
        if unknown:
            raise BackendUnavailableError(
                cls.ID, f"has no option {', '.join(unknown)}; it has compiled, layout"
            )
        layout = options.get("layout", cls.DEFAULTS.layout)
        if layout not in {"nchw", "nhwc"}:
            raise BackendUnavailableError(cls.ID, f"layout is nchw or nhwc, not {layout!r}")
        folder = options.get("compiled")
        if folder is not None and not Path(folder).is_dir():
            raise BackendUnavailableError(
                cls.ID, f"compiled: there is no folder {folder}; make it, or name another"
            )
        settings = VendorSettings(
            compiled=None if folder is None else Path(folder).absolute(),
            device=argument or cls.DEFAULTS.device,
            layout=cast("Layout", layout),
            batch_axis=cls.DEFAULTS.batch_axis,
        )
        cls._check_device(settings.device)
        return lambda now_ns: cls(now_ns, settings)

    @classmethod
    def _check_device(cls, device: str | None) -> None:
        """Refuse a device that is none in the vendor's way; a number, unless overridden.

        Raises:
            BackendUnavailableError: It is none.
        """
        if device is not None and not device.isdecimal():
            raise BackendUnavailableError(
                cls.ID, f"takes the number of a device behind its id, as {cls.ID}:0, not {device!r}"
            )

    @classmethod
    def unavailable(cls) -> str | None:
        """Why it cannot work here, or None; imports nothing of the vendor's."""
        try:
            found = importlib.util.find_spec(cls.MODULE)
        except (ImportError, ValueError):  # a parent package is missing or broken
            found = None
        return None if found is not None else f"{cls.MODULE} is not installed: {cls.MISSING}"

    @property
    def capabilities(self) -> Capabilities:
        """Compiled files of static shapes, in a process of their own."""
        return Capabilities(
            most_in_flight=_MOST_IN_FLIGHT,
            static_shapes=True,
            artefact_suffix=self.SUFFIX,
            int8_only=self.INT8_ONLY,
            tolerance_ppm=_TOLERANCE_PPM,
        )

    @abstractmethod
    def _open_session(
        self, module: ModuleType, compiled: Path, settings: VendorSettings
    ) -> VendorSession:
        """Open a compiled file with the vendor's module.

        Raises:
            Exception: Of any kind; its text becomes the reason.
        """

    def _open_engine(self, artefact: Path) -> Engine:
        if artefact.suffix != _ONNX:
            raise ModelLoadError(
                str(artefact), f"{self.ID} takes an .onnx file, and looks for its {self.SUFFIX}"
            )
        description = describe_onnx(artefact)
        why = self.unavailable()
        if why is not None:
            raise BackendUnavailableError(self.ID, why)
        compiled = (self._settings.compiled or artefact.parent) / f"{artefact.stem}{self.SUFFIX}"
        if not compiled.exists():
            raise ModelLoadError(
                str(artefact),
                f"no compiled model {compiled}: make it of {artefact} with {self.COMPILER}",
            )
        try:
            module = importlib.import_module(self.MODULE)
        except Exception as err:
            raise BackendUnavailableError(
                self.ID, f"{self.MODULE} is installed and does not import: {one_line(err)}"
            ) from err
        try:
            session = self._open_session(module, compiled, self._settings)
        except Exception as err:
            raise ModelLoadError(
                str(compiled), f"{self.MODULE} does not open it: {one_line(err)}"
            ) from err
        version = getattr(module, "__version__", "without version")
        digest = hashlib.sha256(compiled.read_bytes()).hexdigest()
        return _VendorEngine(
            backend=self.ID,
            session=session,
            description=description,
            settings=self._settings,
            fingerprint=f"{self.MODULE} {version} device={self._settings.device} sha256={digest}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _VendorEngine:
    backend: str
    session: VendorSession
    description: ArtefactDescription
    settings: VendorSettings
    fingerprint: str

    def begin(self) -> Running:
        return _VendorRun(self)

    def close(self) -> None:
        self.session.close()


@dataclass(frozen=True, slots=True)
class _VendorRun:
    engine: _VendorEngine

    def run(self, inputs: Mapping[str, Array]) -> Sequence[Array]:
        engine = self.engine
        given = [
            to_vendor(inputs[spec.name], engine.settings) for spec in engine.description.inputs
        ]
        found: object = engine.session.run(given)
        if found is None:
            raise BackendRunError(engine.backend, "gave no outputs")
        arrays: list[object] = (
            [found] if isinstance(found, np.ndarray) else list(cast("Sequence[object]", found))
        )
        specs = engine.description.outputs
        if len(arrays) != len(specs):
            raise BackendRunError(
                engine.backend, f"gave {len(arrays)} outputs, the ONNX file has {len(specs)}"
            )
        return tuple(
            from_vendor(np.asarray(array), spec, engine.settings)
            for array, spec in zip(arrays, specs, strict=True)
        )

    def stop(self) -> None:
        """Vendors' synchronous calls cannot be stopped; the process is ended instead."""


def describe_onnx(artefact: Path) -> ArtefactDescription:
    """Names, shapes and dtypes of an ONNX file's inputs and outputs, all of them static.

    Raises:
        ModelLoadError: It is no ONNX file, or a shape is not static.
        FileNotFoundError: There is no such file.
    """
    import onnx  # noqa: PLC0415 - lazy on purpose: listing devices must not pay for it

    content = artefact.read_bytes()
    try:
        graph = onnx.load_model_from_string(content).graph
    except Exception as err:
        raise ModelLoadError(str(artefact), f"is no ONNX file: {one_line(err)}") from err
    weights = {tensor.name for tensor in graph.initializer}

    def specs(values: Sequence[onnx.ValueInfoProto]) -> tuple[TensorSpec, ...]:
        found = []
        for value in values:
            held = value.type.tensor_type
            sides = [side.dim_value for side in held.shape.dim]
            if not all(sides):
                raise ModelLoadError(
                    str(artefact), f"{value.name} has no static shape, as the device needs"
                )
            dtype = str(onnx.helper.tensor_dtype_to_np_dtype(held.elem_type))
            found.append(TensorSpec(name=value.name, shape=tuple(sides), dtype=dtype))
        return tuple(found)

    inputs = [value for value in graph.input if value.name not in weights]
    if not graph.output:
        raise ModelLoadError(str(artefact), "is no ONNX file: it has no outputs")
    return ArtefactDescription(inputs=specs(inputs), outputs=specs(list(graph.output)))


_PICTURE_AXES = 4


def to_vendor(array: Array, settings: VendorSettings) -> Array:
    """An array of the ONNX file's layout in the vendor's: pictures NHWC, no batch axis."""
    if settings.layout == "nhwc" and array.ndim == _PICTURE_AXES:
        array = array.transpose(0, 2, 3, 1)
    if not settings.batch_axis and array.ndim > 1 and array.shape[0] == 1:
        array = array[0]
    return np.ascontiguousarray(array)


def from_vendor(array: Array, spec: TensorSpec, settings: VendorSettings) -> Array:
    """An array of the vendor's layout in the ONNX file's; one of another size is left as it is."""
    shape = spec.shape
    if settings.layout == "nhwc" and len(shape) == _PICTURE_AXES:
        count, channels, height, width = shape
        if array.size == count * channels * height * width:
            array = array.reshape(count, height, width, channels).transpose(0, 3, 1, 2)
    elif not settings.batch_axis and array.shape == shape[1:]:
        array = array.reshape(shape)
    return np.ascontiguousarray(array)
