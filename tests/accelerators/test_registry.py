"""Tests of the registry: what is installed, what is refused, what is suggested."""

from __future__ import annotations

from importlib import resources
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import pytest

from accelerators import registry
from accelerators.backends.ort import OrtBackend
from accelerators.errors import (
    AcceleratorError,
    DuplicateDeviceError,
    PluginError,
    SpecError,
    UnknownDeviceError,
)
from accelerators.models.host import HostDevice
from accelerators.models.npu import SHIPPED, NpuDevice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BUILT_IN = "accelerators.models.npu:shipped"
HOSTS = "accelerators.models.host:shipped"


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """Write a module that can be imported in this test, and give its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, text: str) -> str:
        (tmp_path / f"{name}.py").write_text(text)
        return name

    return write


def point(name: str, value: str, group: str = registry.DEVICE_GROUP) -> EntryPoint:
    """An entry point that no distribution owns."""
    return EntryPoint(name=name, value=value, group=group)


def test_shipped_npus_are_installed_through_entry_points() -> None:
    """The built-in devices come the way a stranger's do."""
    installed = registry.devices()
    assert set(SHIPPED) <= set(installed)
    entry = installed["furiosa-warboy"]
    assert (entry.kind, entry.label, entry.source) == (
        "npu",
        "fitted",
        "specs/furiosa-warboy.toml",
    )
    assert entry.origin == f"{BUILT_IN} (splitway)"
    assert (entry.available, entry.why) == (True, None)
    assert entry.fit_error is not None
    assert 0 < entry.fit_error.median < entry.fit_error.p90
    assert installed["furiosa-rngd"].fit_error is None
    assert registry.device("furiosa-warboy") is entry.device


def test_hosts_are_devices_too() -> None:
    """The host's entry point gives a device of kind host."""
    found = registry.devices([point("host", HOSTS)])
    assert found["host-reference"].kind == "host"


def test_one_id_from_two_origins_is_refused_with_both_named() -> None:
    """Nobody has to guess which registration won."""
    with pytest.raises(DuplicateDeviceError) as caught:
        registry.devices([point("npu", BUILT_IN), point("other", f"{BUILT_IN}.__wrapped__")])
    assert caught.value.device == SHIPPED[0]
    assert f"{BUILT_IN} (no distribution)" in str(caught.value)
    assert f"{BUILT_IN}.__wrapped__ (no distribution)" in str(caught.value)


def test_two_backends_of_one_name_are_refused() -> None:
    """Names of backends are as unique as those of devices."""
    points = [point("cpu", value, registry.BACKEND_GROUP) for value in ("a:B", "c:D")]
    with pytest.raises(DuplicateDeviceError, match=r"a:B.*c:D"):
        registry.backends(points)


def test_a_plugin_may_give_loaders(plugin: Callable[[str, str], str]) -> None:
    """A callable in the place of a device is called for it."""
    name = plugin(
        "lazy_plugin",
        "from accelerators.models import npu\n"
        "def make():\n    return [lambda: npu.shipped()[0], npu.shipped()[1]]\n",
    )
    assert set(registry.devices([point("lazy", f"{name}:make")])) == set(SHIPPED[:2])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import no_such_vendor_library", "no_such_vendor_library"),
        ("def make():\n    raise OSError('no such card')", "OSError: no such card"),
        ("make = 3", "not callable"),
        ("", "make"),
        ("def make():\n    return 3", "TypeError"),
        ("def make():\n    return [3]", "int is no device"),
    ],
    ids=["import", "card", "value", "nothing", "number", "no-device"],
)
def test_a_broken_plugin_is_an_error_that_names_it(
    text: str, reason: str, plugin: Callable[[str, str], str], request: pytest.FixtureRequest
) -> None:
    """It is neither skipped nor a bare traceback of a stranger's module."""
    name = plugin("broken_" + request.node.callspec.id.replace("-", "_"), text)
    with pytest.raises(PluginError, match=reason) as caught:
        registry.devices([point("broken", f"{name}:make")])
    assert caught.value.entry_point == "broken"
    assert name in str(caught.value)


def test_an_unknown_device_gets_a_suggestion() -> None:
    """A slip of the finger is named back."""
    with pytest.raises(UnknownDeviceError, match="did you mean 'furiosa-warboy'"):
        registry.device("furiosa-warbou")
    with pytest.raises(UnknownDeviceError, match=r"known: .*qualcomm-sa8775p"):
        registry.device("zzz")


def test_an_unknown_host_gets_a_suggestion_among_hosts() -> None:
    """An NPU is no host, and is not suggested as one."""
    with pytest.raises(UnknownDeviceError) as caught:
        registry.host("furiosa-warboy")
    assert "furiosa-warboy" not in caught.value.known


def test_a_real_backend_is_listed_and_not_priced() -> None:
    """`cpu` is of kind real, measured when it runs, and has no price."""
    listed = {entry.id: entry for entry in registry.listing()}
    assert list(listed) == sorted(listed)
    assert (listed["cpu"].kind, listed["cpu"].label) == ("real", "profiled")
    assert listed["cpu"].available
    assert listed["cpu"].device is None
    with pytest.raises(AcceleratorError, match="never priced"):
        registry.device("cpu")


def test_backends_are_found_by_id() -> None:
    """The factory is the class; an unknown id gets a suggestion."""
    assert registry.backend_factory("cpu") is OrtBackend
    with pytest.raises(UnknownDeviceError, match="did you mean 'cpu'"):
        registry.backend_factory("cpuu")


def test_a_broken_backend_is_an_error_that_names_it(plugin: Callable[[str, str], str]) -> None:
    """Its vendor's library is missing: the message says which plug-in."""
    name = plugin("broken_backend", "import no_such_runtime")
    points = [point("npu0", f"{name}:Backend", registry.BACKEND_GROUP)]
    assert list(registry.backends(points)) == ["npu0"]
    with pytest.raises(PluginError, match="no_such_runtime"):
        registry.backend_factory("npu0", points)


@pytest.mark.parametrize(
    ("name", "made"), [("furiosa-warboy", NpuDevice), ("host-reference", HostDevice)]
)
def test_a_spec_of_the_users_own_is_loaded_from_its_path(
    name: str, made: type, tmp_path: Path
) -> None:
    """The kind in the file decides what is made of it; the path is its source."""
    path = tmp_path / "mine.toml"
    path.write_bytes((resources.files("accelerators") / "specs" / f"{name}.toml").read_bytes())
    device = registry.load_spec(path)
    assert isinstance(device, made)
    assert device.source == str(path)


def test_a_file_that_is_not_there_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    """Named in one line, and no error of the system's."""
    with pytest.raises(SpecError, match=r"none\.toml: there is no such file"):
        registry.load_spec(tmp_path / "none.toml")
    with pytest.raises(SpecError, match="there is no such file"):
        registry.load_spec(tmp_path)
