"""Adapters of vendors' runtimes, over modules made up for the tests with the documented calls."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from accelerators import registry
from accelerators.backends.compiled import VendorSettings, from_vendor, to_vendor
from accelerators.backends.deepx import DeepxBackend
from accelerators.backends.furiosa import FuriosaBackend
from accelerators.backends.hosted import HostedBackend
from accelerators.backends.making import make_backend, unavailable
from accelerators.backends.mobilint import MobilintBackend
from accelerators.backends.ort import run_once
from accelerators.backends.rebellions import RebelBackend
from accelerators.conformance.networks import write_networks
from accelerators.conformance.suite import examine
from accelerators.device import TensorSpec
from accelerators.errors import BackendUnavailableError, ModelLoadError
from replay.clock import WallClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from accelerators.backends.compiled import CompiledBackend

    Array = NDArray[np.generic[object]]
    Write = Callable[[str, onnx.GraphProto], Path]

VENDORS: dict[str, tuple[type[CompiledBackend], bytes]] = {
    "rebel": (RebelBackend, b"RBLN"),
    "furiosa": (FuriosaBackend, b"ENF1"),
    "deepx": (DeepxBackend, b"DXNN"),
    "mobilint": (MobilintBackend, b"MXQ1"),
}
now_ns = WallClock().now_ns
every_vendor = pytest.mark.parametrize("vendor", VENDORS)


def forget_vendors() -> None:
    """As if nothing of a vendor's had been imported."""
    for name in list(sys.modules):
        if name.partition(".")[0] in {"rebel", "furiosa", "dx_engine", "qbruntime", "_silicon"}:
            del sys.modules[name]


@pytest.fixture
def vendors(fakes: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The made-up modules on the path, of the processes that are started as well."""
    forget_vendors()
    monkeypatch.syspath_prepend(str(fakes / "vendors"))
    yield fakes
    forget_vendors()


@pytest.fixture
def two_inputs(write_model: Write) -> Path:
    """A picture and a vector in, a picture and a number out: nothing of it commutes."""
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["picture", "gain"], ["scaled"]),
            helper.make_node("Transpose", ["scaled"], ["turned"], perm=[0, 1, 3, 2]),
            helper.make_node("ReduceMean", ["scaled"], ["mean"], keepdims=0),
            helper.make_node("Unsqueeze", ["mean", "axis"], ["number"]),
        ],
        "two",
        [
            helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, 4, 6]),
            helper.make_tensor_value_info("gain", TensorProto.FLOAT, [1, 6]),
        ],
        [
            helper.make_tensor_value_info("turned", TensorProto.FLOAT, [1, 3, 6, 4]),
            helper.make_tensor_value_info("number", TensorProto.FLOAT, [1]),
        ],
        [helper.make_tensor("axis", TensorProto.INT64, [1], [0])],
    )
    return write_model("two.onnx", graph)


def compile_for(vendor: str, model: Path, to: Path) -> Path:
    """What a vendor's compiler would make."""
    kind, magic = VENDORS[vendor]
    path = to / f"{model.stem}{kind.SUFFIX}"
    path.write_bytes(magic + model.read_bytes())
    return path


def picture_feed() -> dict[str, Array]:
    """Inputs of `two_inputs`, in another order than the file's."""
    rng = np.random.default_rng(1)
    return {
        "gain": rng.normal(size=(1, 6)).astype(np.float32),
        "picture": rng.normal(size=(1, 3, 4, 6)).astype(np.float32),
    }


@every_vendor
@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.usefixtures("vendors")
def test_an_adapter_gives_what_the_network_gives(
    vendor: str,
    isolated: bool,  # noqa: FBT001 - a parameter of the test
    two_inputs: Path,
    tmp_path: Path,
) -> None:
    """Names become the vendor's order, layouts are turned there and back, in either process."""
    folder = tmp_path / "compiled"
    folder.mkdir()
    compile_for(vendor, two_inputs, folder)
    backend = make_backend(vendor, now_ns, options={"compiled": str(folder)}, isolated=isolated)
    assert isinstance(backend, HostedBackend) == isolated
    backend.load(two_inputs)
    assert [spec.name for spec in backend.describe().inputs] == ["picture", "gain"]
    assert VENDORS[vendor][0].MODULE in backend.fingerprint
    feed = picture_feed()
    completion = backend.wait(backend.submit(feed))
    backend.close()
    assert completion is not None
    assert completion.failure is None
    assert completion.outputs is not None
    expected = run_once(two_inputs, feed, optimise=False)
    for array, name in zip(completion.outputs, ("turned", "number"), strict=True):
        np.testing.assert_array_equal(array, expected[name])


@every_vendor
@pytest.mark.usefixtures("vendors")
@pytest.mark.slow
def test_an_adapter_keeps_to_the_contract(vendor: str, tmp_path: Path) -> None:
    """The whole conformance suite, in a process of its own, over compiled files."""
    for path in write_networks(tmp_path).values():
        compile_for(vendor, path, tmp_path)
    found = examine(vendor, tmp_path, now_ns)
    assert [finding for finding in found.findings if finding.outcome != "held"] == []


@every_vendor
def test_a_vendors_backend_is_made_for_a_process_of_its_own(vendor: str) -> None:
    """Vendors' libraries crash, print and pin packages."""
    capabilities = VENDORS[vendor][0](now_ns).capabilities
    assert capabilities.isolated
    assert capabilities.static_shapes
    assert capabilities.artefact_suffix == VENDORS[vendor][0].SUFFIX


@every_vendor
def test_a_missing_package_is_named_with_what_to_do(vendor: str) -> None:
    """Before anything is loaded, in the listing as well; nothing of the vendor's is imported."""
    kind = VENDORS[vendor][0]
    why = unavailable(vendor)
    assert why is not None
    assert f"{kind.MODULE} is not installed: " in why
    assert kind.MISSING in why
    listed = {entry.id: entry for entry in registry.listing()}[vendor]
    assert not listed.available
    assert listed.why == why
    with pytest.raises(BackendUnavailableError, match="is not installed"):
        make_backend(vendor, now_ns)


@every_vendor
@pytest.mark.usefixtures("vendors")
def test_a_missing_compiled_model_is_named_with_its_compiler(vendor: str, two_inputs: Path) -> None:
    """Which file is looked for, of which network, and what makes it."""
    kind = VENDORS[vendor][0]
    backend = make_backend(vendor, now_ns)
    with pytest.raises(ModelLoadError) as caught:
        backend.load(two_inputs)
    backend.close()
    assert f"two{kind.SUFFIX}" in str(caught.value)
    assert str(two_inputs) in str(caught.value)
    assert kind.COMPILER in str(caught.value)


@every_vendor
@pytest.mark.usefixtures("vendors")
def test_a_file_of_another_vendor_is_refused(vendor: str, two_inputs: Path) -> None:
    """With the vendor's own reason."""
    other = "rebel" if vendor != "rebel" else "deepx"
    wrong = compile_for(other, two_inputs, two_inputs.parent)
    wrong.rename(wrong.with_suffix(VENDORS[vendor][0].SUFFIX))
    backend = make_backend(vendor, now_ns)
    with pytest.raises(ModelLoadError, match="bad magic"):
        backend.load(two_inputs)
    backend.close()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("rebel:1", "no RBLN device 1"),
        ("furiosa:warboy(4)*1", r"DeviceBusy: warboy\(4\)\*1"),
        ("deepx:3", r"no device \[3\]"),
        ("mobilint:2", "no accelerator 2"),
    ],
)
@pytest.mark.usefixtures("vendors")
def test_a_device_that_is_not_there_is_the_vendors_reason(
    name: str, reason: str, two_inputs: Path
) -> None:
    """What stands behind the colon reaches the vendor's call."""
    compile_for(name.partition(":")[0], two_inputs, two_inputs.parent)
    backend = make_backend(name, now_ns)
    with pytest.raises(ModelLoadError, match=reason):
        backend.load(two_inputs)
    backend.close()


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("rebel:first", {}, "number of a device"),
        ("furiosa:atom", {}, r"such as warboy\(2\)\*1"),
        ("rebel", {"cores": "2"}, "has no option cores; it has compiled, layout"),
        ("mobilint", {"layout": "hwc"}, "nchw or nhwc, not 'hwc'"),
        ("deepx", {"compiled": "/no/such/folder"}, "there is no folder /no/such/folder"),
    ],
)
@pytest.mark.usefixtures("vendors")
def test_bad_settings_are_refused(name: str, options: dict[str, str], reason: str) -> None:
    """Before anything is started."""
    with pytest.raises(BackendUnavailableError, match=reason):
        make_backend(name, now_ns, options=options)


def test_a_driver_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, two_inputs: Path
) -> None:
    """The package is there, its shared library is not."""
    (tmp_path / "qbruntime.py").write_text(
        "raise ImportError('libqbruntime.so: cannot open shared object file')"
    )
    forget_vendors()
    monkeypatch.syspath_prepend(str(tmp_path))
    compile_for("mobilint", two_inputs, two_inputs.parent)
    backend = make_backend("mobilint", now_ns)
    with pytest.raises(ModelLoadError, match=r"does not import: libqbruntime\.so"):
        backend.load(two_inputs)
    backend.close()


def test_an_older_release_of_dx_engine_works(
    vendors: Path, monkeypatch: pytest.MonkeyPatch, two_inputs: Path
) -> None:
    """Its names are CamelCase; a device cannot be chosen there, and that is said."""
    monkeypatch.syspath_prepend(str(vendors / "older"))
    compile_for("deepx", two_inputs, two_inputs.parent)
    backend = DeepxBackend(now_ns)
    backend.load(two_inputs)
    completion = backend.wait(backend.submit(picture_feed()))
    backend.close()
    assert completion is not None
    assert completion.failure is None
    choosing = DeepxBackend(now_ns, VendorSettings(device="0"))
    with pytest.raises(ModelLoadError, match="no InferenceOption in this release"):
        choosing.load(two_inputs)


@pytest.mark.usefixtures("vendors")
def test_files_that_cannot_be_described_are_refused(
    tmp_path: Path, write_model: Write, two_inputs: Path
) -> None:
    """Garbage, free dimensions, and a compiled file in place of the ONNX file."""
    garbage = tmp_path / "garbage.onnx"
    garbage.write_bytes(b"no protobuf " * 9)
    free = write_model(
        "free.onnx",
        helper.make_graph(
            [helper.make_node("Relu", ["x"], ["y"])],
            "free",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
        ),
    )
    compiled = compile_for("rebel", two_inputs, tmp_path)
    for path, reason in (
        (garbage, "no ONNX file"),
        (free, "x has no static shape"),
        (compiled, "takes an .onnx file"),
    ):
        with pytest.raises(ModelLoadError, match=reason):
            RebelBackend(now_ns).load(path)
    with pytest.raises(FileNotFoundError):
        RebelBackend(now_ns).load(tmp_path / "none.onnx")


def test_layouts_are_turned_there_and_back() -> None:
    """Square pictures too, where a shape alone would not tell."""
    array: Array = np.arange(2 * 2 * 2, dtype=np.float32).reshape(1, 2, 2, 2)
    spec = TensorSpec(name="x", shape=(1, 2, 2, 2), dtype="float32")
    settings = VendorSettings(layout="nhwc", batch_axis=False)
    turned = to_vendor(array, settings)
    np.testing.assert_array_equal(turned, array[0].transpose(1, 2, 0))
    np.testing.assert_array_equal(from_vendor(turned, spec, settings), array)
    wrong: Array = np.zeros((3, 3), np.float32)
    assert from_vendor(wrong, spec, settings).shape == (3, 3)
