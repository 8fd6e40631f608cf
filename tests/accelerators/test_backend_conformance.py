"""The conformance suite over every backend that can work here, in this process and in another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerators import registry
from accelerators.backends.making import make_backend, unavailable
from accelerators.conformance.findings import broken
from accelerators.conformance.suite import examine, examine_backend
from accelerators.errors import UnknownDeviceError
from replay.clock import WallClock

if TYPE_CHECKING:
    from pathlib import Path

now_ns = WallClock().now_ns

# Where an id takes an argument, one that every build holds.
NAMES = {"ort": "ort:CPUExecutionProvider"}


@pytest.mark.parametrize("backend", sorted(registry.backends()))
@pytest.mark.slow
def test_every_backend_conforms(backend: str, tmp_path: Path) -> None:
    """All that can work here; the others are skipped with their reason."""
    name = NAMES.get(backend, backend)
    why = unavailable(name)
    if why is not None:
        pytest.skip(why)
    found = examine(name, tmp_path, now_ns)
    assert broken(found.findings) == ()
    assert sum(finding.outcome == "held" for finding in found.findings) >= 15


@pytest.mark.parametrize("isolated", [False, True])
def test_the_same_checks_hold_in_either_process(
    tmp_path: Path,
    isolated: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """The queue in front of another process keeps the same promises, and none is undecided."""
    found = examine_backend(
        lambda: make_backend("cpu", now_ns, isolated=isolated), tmp_path, now_ns
    )
    assert [finding for finding in found.findings if finding.outcome != "held"] == []


def test_a_slip_in_the_name_of_a_backend_is_named_back(tmp_path: Path) -> None:
    """Devices and backends are checked alike, so both are known."""
    with pytest.raises(UnknownDeviceError, match="did you mean 'mobilint'"):
        examine("mobilnt", tmp_path, now_ns)
    with pytest.raises(UnknownDeviceError, match=r"known: .*qualcomm-sa8775p.*, cpu,"):
        examine("zzz", tmp_path, now_ns)
