"""A backend in a process of its own: whatever it does, the caller gets an answer and goes on."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

from accelerators.backends.hosted import HostedBackend, Limits
from accelerators.backends.making import make_backend, unavailable
from accelerators.backends.naming import BackendName
from accelerators.backends.ort import OrtBackend
from accelerators.device import Capabilities
from accelerators.errors import (
    BackendRunError,
    BackendUnavailableError,
    ModelLoadError,
    UnknownDeviceError,
)
from replay.clock import WallClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from accelerators.device import Completion

    Array = NDArray[np.generic[object]]
    Make = Callable[..., HostedBackend]

SECOND_NS = 1_000_000_000
QUICK = Limits(run_ns=SECOND_NS, load_ns=60 * SECOND_NS, stop_ns=SECOND_NS // 5)
now_ns = WallClock().now_ns


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    """A file; what is in it does not matter to the made-up backend."""
    path = tmp_path / "made-up.any"
    path.write_bytes(b"anything")
    return path


@pytest.fixture
def make(fakes: Path, artefact: Path) -> Iterator[Make]:
    """Start the made-up backend in a process, to go wrong in a named way; closed at the end."""
    del fakes
    made: list[HostedBackend] = []

    def start(mode: str, limits: Limits = QUICK, *, load: bool = True) -> HostedBackend:
        backend = HostedBackend(
            BackendName(id="misbehaving", argument=mode),
            "misbehaving:Backend",
            now_ns,
            capabilities=Capabilities(most_in_flight=8, static_shapes=True, artefact_suffix=".any"),
            limits=limits,
        )
        made.append(backend)
        if load:
            backend.load(artefact)
        return backend

    yield start
    for backend in made:
        backend.close()


def run(backend: HostedBackend, first: float) -> Completion:
    """Run once and wait; every wait in this file is bounded."""
    ticket = backend.submit({"x": np.full(4, first, np.float32)})
    completion = backend.wait(ticket, timeout_ns=60 * SECOND_NS)
    assert completion is not None
    return completion


def first_of(completion: Completion) -> float:
    """First element of the output."""
    assert completion.failure is None
    assert completion.outputs is not None
    return float(completion.outputs[0].astype(np.float64)[0])


def test_it_runs_in_another_process(make: Make) -> None:
    """Same description, fingerprint and answers as in this process; what it prints is no answer."""
    backend = make("")
    assert backend.process_id not in {None, os.getpid()}
    assert [spec.name for spec in backend.describe().inputs] == ["x"]
    assert backend.fingerprint == "misbehaving 1"
    assert [first_of(run(backend, value)) for value in (1.0, 2.0, 3.0)] == [2.0, 4.0, 6.0]


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("crash", "signal SIGSEGV"),
        ("exit", r"exit 7.*the card fell off the bus"),
        ("hang", "no answer within 1 s"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_process_gone_wrong_is_a_failure_and_a_new_process(
    make: Make, mode: str, reason: str
) -> None:
    """The run says what happened; the next one is served by a new process."""
    backend = make(mode)
    before = backend.process_id
    completion = run(backend, -1.0)
    assert completion.outputs is None
    assert completion.failure is not None
    assert "misbehaving" in completion.failure
    with pytest.raises(AssertionError, match=reason):
        first_of(completion)
    assert first_of(run(backend, 5.0)) == 10.0
    assert backend.restarts == 1
    assert backend.process_id != before
    assert before is not None
    assert not psutil.pid_exists(before)


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("raise", "device busy"),
        ("nan", "y holds NaN"),
        ("infinity", "y holds an infinity"),
        ("shape", r"y has shape \(2, 2\), it describes \(4,\)"),
        ("dtype", "y is float64, it describes float32"),
        ("count", "gave 2 outputs, it describes 1"),
        ("object", "y is a list, not an array"),
    ],
)
def test_a_wrong_answer_is_a_failure_that_names_it(make: Make, mode: str, reason: str) -> None:
    """Nothing that is no answer gets through, and the process goes on."""
    backend = make(mode)
    completion = run(backend, -1.0)
    assert completion.outputs is None
    with pytest.raises(AssertionError, match=reason):
        first_of(completion)
    assert first_of(run(backend, 5.0)) == 10.0
    assert backend.restarts == 0


def test_it_is_given_up_after_failures_in_a_row(make: Make) -> None:
    """Each failure says why; the last ones say that nobody tries any more, and come at once."""
    backend = make("exit", replace(QUICK, failures=3, backoff_ns=1))
    failures = [str(run(backend, -1.0).failure) for _ in range(5)]
    assert all("exit 7" in failure for failure in failures)
    assert all("given up after 3 failures" in failure for failure in failures[3:])
    assert not any("given up" in failure for failure in failures[:3])
    assert backend.restarts == 2


def test_starting_again_waits_longer_each_time(make: Make) -> None:
    """The first start after a failure comes at once, the second only after the pause."""
    backend = make("exit", replace(QUICK, backoff_ns=3600 * SECOND_NS))
    assert "exit 7" in str(run(backend, -1.0).failure)
    assert "exit 7" in str(run(backend, -1.0).failure)
    waiting = str(run(backend, 1.0).failure)
    assert "starts again 3600 s after" in waiting
    assert backend.restarts == 1


def test_a_run_that_cannot_be_stopped_is_ended_with_its_process(make: Make) -> None:
    """`cancel` holds even where the vendor's library has no such thing."""
    backend = make("hang", replace(QUICK, run_ns=600 * SECOND_NS))
    ticket = backend.submit({"x": np.full(4, -1.0, np.float32)})
    backend.cancel(ticket)
    completion = backend.wait(ticket, timeout_ns=60 * SECOND_NS)
    assert completion is not None
    assert completion.failure == "cancelled"
    assert first_of(run(backend, 5.0)) == 10.0


def test_a_killed_process_is_noticed(make: Make) -> None:
    """By the system's memory guard, for example."""
    backend = make("")
    assert backend.process_id is not None
    os.kill(backend.process_id, signal.SIGKILL)
    with pytest.raises(AssertionError, match="SIGKILL"):
        first_of(run(backend, 1.0))
    assert first_of(run(backend, 1.0)) == 2.0


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("no-load", "made for another chip"),
        ("load-raises", "driver 1.2 is too old"),
        ("load-crash", "signal SIGKILL"),
        ("load-hang", "no answer within 1 s"),
    ],
)
def test_an_artefact_that_does_not_load_is_an_error(
    make: Make, artefact: Path, mode: str, reason: str
) -> None:
    """Loading fails with the reason, whatever the process did."""
    limits = replace(QUICK, load_ns=SECOND_NS) if mode == "load-hang" else QUICK
    backend = make(mode, limits, load=False)
    with pytest.raises(ModelLoadError, match=reason):
        backend.load(artefact)
    assert backend.process_id is None


def test_a_target_that_is_not_there_is_an_error(artefact: Path) -> None:
    """The module's own reason is told."""
    backend = HostedBackend(
        BackendName(id="none"),
        "no_such_module:Backend",
        now_ns,
        capabilities=Capabilities(most_in_flight=8, static_shapes=True, artefact_suffix=".any"),
        limits=QUICK,
    )
    with pytest.raises(ModelLoadError, match="no_such_module"):
        backend.load(artefact)
    backend.close()


def test_a_missing_interpreter_is_an_error(artefact: Path, tmp_path: Path) -> None:
    """The vendor's environment was named wrongly."""
    backend = HostedBackend(
        BackendName(id="none"),
        "no_such_module:Backend",
        now_ns,
        capabilities=Capabilities(most_in_flight=8, static_shapes=True, artefact_suffix=".any"),
        python=tmp_path / "bin/python",
    )
    with pytest.raises(FileNotFoundError, match="python"):
        backend.load(artefact)
    backend.close()


@pytest.mark.parametrize("mode", ["", "stays"])
def test_closing_leaves_no_process(make: Make, mode: str) -> None:
    """Open tickets end, the process is gone, even one that does not want to; twice is no harm."""
    backend = make(mode)
    process = backend.process_id
    assert process is not None
    backend.close()
    backend.close()
    assert not psutil.pid_exists(process)
    with pytest.raises(BackendRunError, match="closed"):
        backend.submit({"x": np.zeros(4, np.float32)})


def test_closing_during_a_hang_does_not_hang(make: Make) -> None:
    """The run under way and the ones behind it end with `closed`."""
    backend = make("hang", replace(QUICK, run_ns=600 * SECOND_NS))
    tickets = [backend.submit({"x": np.full(4, -1.0, np.float32)}) for _ in range(3)]
    closing = threading.Thread(target=backend.close)
    closing.start()
    closing.join(60)
    assert not closing.is_alive()
    ends = [backend.wait(ticket, timeout_ns=SECOND_NS) for ticket in tickets]
    assert [end.failure for end in ends if end is not None] == ["closed"] * 3


def test_tensors_of_many_sizes_cross_whole(counting_model: Path, conv_model: Path) -> None:
    """Shapes, dtypes, scalars and changing sizes: the bytes are those of a run in this process."""
    rng = np.random.default_rng(3)
    cases: list[tuple[Path, list[dict[str, Array]]]] = [
        (conv_model, [{"image": rng.normal(size=(1, 3, 8, 8)).astype(np.float32)}]),
        (
            counting_model,
            [
                {"x": rng.normal(size=4).astype(np.float32), "times": np.array(n, np.int64)}
                for n in (1, 7)
            ],
        ),
    ]
    for path, feeds in cases:
        near, far = (make_backend("cpu", now_ns, isolated=apart) for apart in (False, True))
        assert isinstance(near, OrtBackend)
        assert isinstance(far, HostedBackend)
        for backend in (near, far):
            backend.load(path)
        assert near.describe() == far.describe()
        assert near.fingerprint == far.fingerprint
        for inputs in feeds:
            ends = [backend.wait(backend.submit(inputs)) for backend in (near, far)]
            arrays = [end.outputs for end in ends if end is not None and end.outputs is not None]
            assert len(arrays) == 2
            for left, right in zip(*arrays, strict=True):
                assert left.tobytes() == right.tobytes()
                assert (left.dtype, left.shape) == (right.dtype, right.shape)
        near.close()
        far.close()


def test_a_missing_file_and_a_bad_one_are_told_as_in_this_process(tmp_path: Path) -> None:
    """The kinds of error do not change by crossing."""
    backend = make_backend("cpu", now_ns, isolated=True)
    with pytest.raises(FileNotFoundError, match=r"none\.onnx"):
        backend.load(tmp_path / "none.onnx")
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"nothing")
    with pytest.raises(ModelLoadError, match=r"bad\.onnx"):
        backend.load(bad)
    backend.close()


def test_names_and_their_arguments_are_checked() -> None:
    """`cpu` takes none, and an unknown id gets a suggestion."""
    assert str(BackendName.of("ort:A:B")) == "ort:A:B"
    assert BackendName.of("ort:A:B").argument == "A:B"
    with pytest.raises(BackendUnavailableError, match="takes nothing"):
        make_backend("cpu:7", now_ns)
    with pytest.raises(BackendUnavailableError, match="no option threads"):
        make_backend("cpu", now_ns, options={"threads": "2"})
    with pytest.raises(UnknownDeviceError, match="did you mean 'cpu'"):
        make_backend("cpuu", now_ns)
    assert unavailable("cpu") is None
