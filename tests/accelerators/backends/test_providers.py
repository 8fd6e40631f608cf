"""Execution providers of ONNX Runtime's by name, and Qualcomm's NPU emulation where installed."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from accelerators.backends.making import make_backend, unavailable
from accelerators.backends.ort import installed_providers, run_once
from accelerators.backends.quantising import quantise
from accelerators.errors import BackendUnavailableError, ModelLoadError
from replay.clock import WallClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.generic[object]]
    Write = Callable[[str, onnx.GraphProto], Path]

now_ns = WallClock().now_ns
needs_qnn = pytest.mark.skipif(
    importlib.util.find_spec("onnxruntime_qnn") is None,
    reason="onnxruntime-qnn is not installed (extra qnn)",
)
# A build that holds it refuses it for want of a network, or runs nothing on it: nothing falls back.
AZURE = "AzureExecutionProvider"
needs_azure = pytest.mark.skipif(
    AZURE not in installed_providers(), reason=f"this ONNX Runtime holds no {AZURE}"
)


@pytest.fixture
def small_network(write_model: Write) -> Path:
    """Two convolutions with activations and a pooling, static, float32."""
    rng = np.random.default_rng(7)
    weights = [
        helper.make_tensor(
            f"w{at}",
            TensorProto.FLOAT,
            shape,
            (rng.normal(size=shape) * 0.2).astype(np.float32).ravel(),
        )
        for at, shape in enumerate([(8, 3, 3, 3), (4, 8, 3, 3)])
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["a"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], name="relu"),
        helper.make_node("MaxPool", ["b"], ["c"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["c", "w1"], ["y"], name="second", pads=[1, 1, 1, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 8, 8])],
        weights,
    )
    return write_model("small.onnx", graph)


def picture(seed: int = 0) -> Array:
    """An input."""
    return np.random.default_rng(seed).uniform(-1, 1, (1, 3, 16, 16)).astype(np.float32)


def answer(name: str, model: Path, options: dict[str, str] | None = None) -> Array:
    """What a backend makes of `picture`."""
    backend = make_backend(name, now_ns, options=options)
    try:
        backend.load(model)
        completion = backend.wait(backend.submit({"x": picture()}), timeout_ns=120 * 10**9)
    finally:
        backend.close()
    assert completion is not None
    assert completion.failure is None
    assert completion.outputs is not None
    return completion.outputs[0]


def test_a_provider_goes_by_its_name(small_network: Path) -> None:
    """The CPU's is one of them, and gives the reference's bits in its process."""
    found = answer("ort:CPUExecutionProvider", small_network)
    expected = run_once(small_network, {"x": picture()}, optimise=True)["y"]
    assert found.tobytes() == expected.tobytes()


def test_a_provider_that_is_not_there_is_told_with_those_that_are() -> None:
    """A missing build, a slip of the finger, or no name at all."""
    for name in ("ort:CUDAExecutionProviderr", "ort", "ort:"):
        with pytest.raises(BackendUnavailableError, match="CPUExecutionProvider"):
            make_backend(name, now_ns)
    assert "no such execution provider" in str(unavailable("ort:NoProvider"))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"fallback": "perhaps"}, "yes or no, not 'perhaps'"),
        ({"library": "/no/such/library.so"}, r"/no/such/library\.so is not there"),
    ],
)
def test_bad_options_are_refused(options: dict[str, str], reason: str) -> None:
    """With the value that was given."""
    with pytest.raises(BackendUnavailableError, match=reason):
        make_backend("ort:CPUExecutionProvider", now_ns, options=options)


def test_a_library_that_is_no_provider_is_refused(tmp_path: Path, small_network: Path) -> None:
    """The loader's reason, in one line."""
    library = tmp_path / "libnone.so"
    library.write_bytes(b"no library")
    backend = make_backend("ort:MyExecutionProvider", now_ns, options={"library": str(library)})
    with pytest.raises(ModelLoadError, match=r"libnone\.so does not load"):
        backend.load(small_network)
    backend.close()


@needs_azure
def test_nothing_falls_back_to_the_cpu_unless_allowed(small_network: Path) -> None:
    """A provider that takes no operator refuses the network, or leaves all of it to the CPU."""
    backend = make_backend(f"ort:{AZURE}", now_ns)
    with pytest.raises(ModelLoadError, match=r"fallback|CPU"):
        backend.load(small_network)
    backend.close()
    found = answer(f"ort:{AZURE}", small_network, {"fallback": "yes"})
    expected = run_once(small_network, {"x": picture()}, optimise=True)["y"]
    np.testing.assert_allclose(found.astype(np.float32), expected.astype(np.float32), rtol=1e-5)


def test_what_is_missing_for_qnn_is_told() -> None:
    """The extra's name."""
    if importlib.util.find_spec("onnxruntime_qnn") is None:
        assert "splitway[qnn]" in str(unavailable("qnn"))
    with pytest.raises(BackendUnavailableError):
        make_backend("qnn:htp", now_ns)


@needs_qnn
@pytest.mark.slow
def test_qnn_compiles_and_runs_float_and_int8_without_fallback(
    small_network: Path, tmp_path: Path
) -> None:
    """On the vendor's emulation; how far it is off the CPU is bounded by what the backend says."""
    capabilities = make_backend("qnn", now_ns).capabilities
    exact = run_once(small_network, {"x": picture()}, optimise=False)["y"].astype(np.float32)
    found = answer("qnn", small_network).astype(np.float32)
    off = float(np.abs(found - exact).max() / np.abs(exact).max())
    assert off <= capabilities.tolerance_ppm / 1e6
    small = tmp_path / "small-int8.onnx"
    quantise(small_network, small, [{"x": picture(seed)} for seed in range(8)])
    steps = answer("qnn", small).astype(np.float32)
    cpu = run_once(small, {"x": picture()}, optimise=False)["y"].astype(np.float32)
    # Some steps of the output's 255: the vendor rounds in other places, measured up to 6.
    assert float(np.abs(steps - cpu).max()) <= 8 * float(np.abs(cpu).max()) / 127


@needs_qnn
@pytest.mark.slow
def test_qnn_refuses_what_would_fall_back(write_model: Write) -> None:
    """An operator that the NPU does not run is an error that says so."""
    graph = helper.make_graph(
        [helper.make_node("NonZero", ["x"], ["y"], name="nonzero")],
        "none",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, [2, "n"])],
    )
    backend = make_backend("qnn", now_ns)
    with pytest.raises(ModelLoadError, match=r"fallback|CPU"):
        backend.load(write_model("nonzero.onnx", graph))
    backend.close()
