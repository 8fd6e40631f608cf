"""Any execution provider of ONNX Runtime's by name, and the NPU that `onnxruntime-qnn` emulates."""

from __future__ import annotations

import importlib
import importlib.util
import platform
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from accelerators.backends.ort import Provider, installed_providers, open_model
from accelerators.backends.queueing import MOST_IN_FLIGHT, QueuedBackend
from accelerators.device import Capabilities
from accelerators.errors import BackendUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from accelerators.backends.queueing import Engine

_FALLBACK, _LIBRARY = "fallback", "library"
_QNN = "QNNExecutionProvider"
# Snapdragon 8 Gen 3, by Qualcomm's numbers. Without a named chip the emulation is of one whose
# memory holds little: the head of a YOLOX-nano fails there with MEM_ALLOC, and compiles with these.
_CHIP = {"soc_model": "57", "htp_arch": "75"}
# float16 inside, against float32 on the CPU: a part in two thousand per operation at worst.
_REDUCED_PPM = 5_000


class ProviderBackend(QueuedBackend):
    """A `Backend` on an execution provider; the whole artefact runs there, unless told otherwise.

    Named `ort:NAME`. The option `fallback` (yes or no, default no) lets operators that the provider
    does not take run on the CPU; `library` names the library of a plug-in provider; every other
    option is the provider's own.
    """

    def __init__(self, now_ns: Callable[[], int], provider: Provider | None = None) -> None:
        """Make a backend without an artefact.

        Args:
            now_ns: Clock of deadlines and completions, ns.
            provider: What to run on; needed before `load`.
        """
        super().__init__("ort" if provider is None else f"ort:{provider.name}", now_ns)
        self._provider = provider

    @staticmethod
    def configured(
        argument: str | None, options: Mapping[str, str]
    ) -> Callable[[Callable[[], int]], ProviderBackend]:
        """A factory for the provider of this name.

        Raises:
            BackendUnavailableError: No name is given, or this installation has no such provider.
        """
        held = installed_providers()
        if not argument:
            raise BackendUnavailableError(
                "ort", f"name an execution provider, as ort:{held[-1]}; here: {', '.join(held)}"
            )
        own = {key: value for key, value in options.items() if key not in {_FALLBACK, _LIBRARY}}
        library = options.get(_LIBRARY)
        if library is None and argument not in held:
            raise BackendUnavailableError(
                f"ort:{argument}",
                f"this ONNX Runtime has no such execution provider; it has {', '.join(held)}. "
                "Install a build that holds it, or name a plug-in's file with the option `library`",
            )
        if library is not None and not Path(library).is_file():
            raise BackendUnavailableError(f"ort:{argument}", f"library {library} is not there")
        provider = Provider(
            name=argument,
            options=own,
            library=None if library is None else Path(library),
            fallback=_yes(f"ort:{argument}", options.get(_FALLBACK, "no")),
        )
        return partial(ProviderBackend, provider=provider)

    @staticmethod
    def unavailable() -> str | None:
        """Why no provider can work here, or None; imports nothing."""
        if importlib.util.find_spec("onnxruntime") is None:
            return "onnxruntime is not installed"
        return None

    @property
    def capabilities(self) -> Capabilities:
        """ONNX files; other libraries than ours run, so in a process of its own."""
        exact = self._provider is None or self._provider.name == "CPUExecutionProvider"
        return Capabilities(
            most_in_flight=MOST_IN_FLIGHT,
            static_shapes=False,
            artefact_suffix=".onnx",
            tolerance_ppm=100 if exact else _REDUCED_PPM,
        )

    def _open_engine(self, artefact: Path) -> Engine:
        if self._provider is None:
            raise BackendUnavailableError("ort", "name an execution provider, as ort:NAME")
        return open_model(artefact, level="all", provider=self._provider)


class QnnBackend(QueuedBackend):
    """A `Backend` on Qualcomm's HTP through `onnxruntime-qnn`; on x86 the vendor emulates it.

    Without fallback to the CPU, so that what loads has been compiled whole. On x86 its wall time
    says nothing of the device; the chip emulated is a Snapdragon 8 Gen 3 unless `soc_model` and
    `htp_arch` name another. Options are the provider's own; `fallback` as for `ort`.
    """

    def __init__(
        self,
        now_ns: Callable[[], int],
        options: Mapping[str, str] | None = None,
        *,
        fallback: bool = False,
    ) -> None:
        """Make a backend without an artefact.

        Args:
            now_ns: Clock of deadlines and completions, ns.
            options: Options of the provider.
            fallback: Whether operators that it does not take may run on the CPU.
        """
        super().__init__("qnn", now_ns)
        self._options, self._fallback = dict(options or {}), fallback

    @staticmethod
    def configured(
        argument: str | None, options: Mapping[str, str]
    ) -> Callable[[Callable[[], int]], QnnBackend]:
        """A factory with options of the provider.

        Raises:
            BackendUnavailableError: Something stands behind the id.
        """
        if argument is not None:
            raise BackendUnavailableError("qnn", f"takes nothing behind its id, not {argument!r}")
        own = {key: value for key, value in options.items() if key != _FALLBACK}
        return partial(QnnBackend, options=own, fallback=_yes("qnn", options.get(_FALLBACK, "no")))

    @staticmethod
    def unavailable() -> str | None:
        """Why it cannot work here, or None; imports nothing."""
        if importlib.util.find_spec("onnxruntime_qnn") is None:
            return "onnxruntime-qnn is not installed: pip install 'splitway[qnn]' (glibc ≥ 2.35)"
        return None

    @property
    def capabilities(self) -> Capabilities:
        """ONNX files of static shapes; an emulation, but on a Snapdragon."""
        return Capabilities(
            most_in_flight=MOST_IN_FLIGHT,
            static_shapes=True,
            artefact_suffix=".onnx",
            tolerance_ppm=_REDUCED_PPM,
            emulated=platform.machine() not in {"aarch64", "arm64"},
        )

    def _open_engine(self, artefact: Path) -> Engine:
        why = self.unavailable()
        if why is not None:
            raise BackendUnavailableError("qnn", why)
        package = importlib.import_module("onnxruntime_qnn")
        provider = Provider(
            name=_QNN,
            options={**(_CHIP if self.capabilities.emulated else {}), **self._options},
            paths={"backend_path": str(package.get_qnn_htp_path())},
            version=str(package.__version__),
            library=Path(str(package.get_library_path())),
            fallback=self._fallback,
        )
        return open_model(artefact, level="basic", provider=provider)


def _yes(backend: str, text: str) -> bool:
    match text.lower():
        case "yes" | "true" | "1":
            return True
        case "no" | "false" | "0":
            return False
        case _:
            raise BackendUnavailableError(backend, f"fallback is yes or no, not {text!r}")
