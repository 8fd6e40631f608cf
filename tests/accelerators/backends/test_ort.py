"""What a backend must keep to, tried on ONNX Runtime; and the helpers beside it."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Literal

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from accelerators.backends import queueing
from accelerators.backends.ort import OrtBackend, optimise, run_once
from accelerators.errors import BackendRunError, ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from accelerators.device import Backend, Completion

    Array = NDArray[np.generic[object]]
    Write = Callable[[str, onnx.GraphProto], Path]

FOREVER = 1 << 62
LONG_NS = 60 * 10**9


class Clock:
    """A clock that a test sets, and that says when somebody has looked at it."""

    def __init__(self) -> None:
        self.at_ns = 1_000
        self.read = threading.Event()

    def __call__(self) -> int:
        """The time now, ns."""
        self.read.set()
        return self.at_ns


@pytest.fixture
def clock() -> Clock:
    """A clock at 1000 ns."""
    return Clock()


@pytest.fixture
def backend(clock: Clock, counting_model: Path) -> Iterator[Backend]:
    """A backend that has loaded the counting model."""
    made: Backend = OrtBackend(clock)
    made.load(counting_model)
    yield made
    made.close()


def feed(times: int, start: float = 0.0) -> dict[str, Array]:
    """Inputs of the counting model."""
    return {"x": np.full(4, start, np.float32), "times": np.array(times, np.int64)}


def result(completion: Completion | None) -> float:
    """The counting model's first output element."""
    assert completion is not None
    assert completion.failure is None
    assert completion.outputs is not None
    return float(completion.outputs[0].astype(np.float64)[0])


def test_a_run_gives_its_outputs_and_its_stamps(backend: Backend, clock: Clock) -> None:
    """Outputs in the order of `describe`, stamps on the clock that was handed in."""
    ticket = backend.submit(feed(3, start=1.0))
    completion = backend.wait(ticket)
    assert result(completion) == 4.0
    assert completion is not None
    assert (completion.began_ns, completion.ended_ns) == (clock.at_ns, clock.at_ns)
    assert ticket.done


def test_describe_names_inputs_and_outputs(backend: Backend) -> None:
    """Names, shapes and dtypes as the file has them."""
    found = backend.describe()
    assert [(spec.name, spec.shape, spec.dtype) for spec in found.inputs] == [
        ("x", (4,), "float32"),
        ("times", (), "int64"),
    ]
    assert [(spec.name, spec.shape, spec.dtype) for spec in found.outputs] == [
        ("y", (4,), "float32")
    ]


def test_tickets_complete_in_the_order_of_submission(backend: Backend) -> None:
    """First in, first out, whatever each takes; callbacks come one at a time in that order."""
    seen: list[float] = []
    order = [5_000, 1, 300, 0, 70]
    tickets = [
        backend.submit(feed(times), on_done=lambda done: seen.append(result(done)))
        for times in order
    ]
    assert [result(backend.wait(ticket)) for ticket in tickets] == order
    backend.close()
    assert seen == order


def test_the_callback_comes_from_another_thread_and_only_once(backend: Backend) -> None:
    """The caller's thread is never used, so a loop's own thread is never blocked by it."""
    seen: list[tuple[str, Completion]] = []
    ticket = backend.submit(
        feed(2),
        on_done=lambda completion: seen.append((threading.current_thread().name, completion)),
    )
    completion = backend.wait(ticket)
    backend.close()
    assert [one for _, one in seen] == [completion]
    assert seen[0][0] != threading.current_thread().name


def test_wait_gives_none_when_the_time_runs_out(backend: Backend) -> None:
    """The run goes on; a later wait gets it."""
    ticket = backend.submit(feed(FOREVER))
    assert backend.wait(ticket, timeout_ns=1) is None
    assert not ticket.done
    backend.cancel(ticket)
    assert backend.wait(ticket) is not None


def test_a_run_under_way_is_cancelled(backend: Backend, clock: Clock) -> None:
    """A run that would last for ever ends soon, and the next one is served."""
    clock.read.clear()
    ticket = backend.submit(feed(FOREVER))
    assert clock.read.wait(60)  # its turn has come
    backend.cancel(ticket)
    completion = backend.wait(ticket, timeout_ns=LONG_NS)
    assert completion is not None
    assert (completion.failure, completion.outputs) == (queueing.CANCELLED, None)
    assert result(backend.wait(backend.submit(feed(1)))) == 1.0


def test_a_waiting_run_is_cancelled_without_running(backend: Backend) -> None:
    """The one in front goes on; the cancelled one never starts."""
    first = backend.submit(feed(FOREVER))
    second = backend.submit(feed(FOREVER))
    backend.cancel(second)
    backend.cancel(first)
    for ticket in (first, second):
        completion = backend.wait(ticket, timeout_ns=LONG_NS)
        assert completion is not None
        assert completion.failure == queueing.CANCELLED


def test_cancelling_what_has_ended_changes_nothing(backend: Backend) -> None:
    """Its completion stays."""
    ticket = backend.submit(feed(1))
    completion = backend.wait(ticket)
    backend.cancel(ticket)
    assert backend.wait(ticket) is completion


@pytest.mark.parametrize("past_ns", [0, 1])
def test_a_deadline_that_has_passed_keeps_a_run_from_starting(
    backend: Backend, clock: Clock, past_ns: int
) -> None:
    """At or after the stamp it is expired; this run would never end if it began."""
    ticket = backend.submit(feed(FOREVER), deadline_at_ns=clock.at_ns - past_ns)
    completion = backend.wait(ticket, timeout_ns=LONG_NS)
    assert completion is not None
    assert completion.failure == queueing.EXPIRED


def test_a_deadline_to_come_lets_a_run_start(backend: Backend, clock: Clock) -> None:
    """One nanosecond is enough."""
    ticket = backend.submit(feed(2), deadline_at_ns=clock.at_ns + 1)
    assert result(backend.wait(ticket)) == 2.0


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({}, "missing"),
        ({"x": np.zeros(4, np.float32)}, r"missing \['times'\]"),
        ({**feed(1), "z": np.zeros(1)}, r"unknown \['z'\]"),
        ({**feed(1), "x": np.zeros(4)}, "float64"),
        ({**feed(1), "x": np.zeros(4, ">f4")}, ">f4"),
        ({**feed(1), "x": np.zeros(5, np.float32)}, r"shape \(5,\)"),
        ({**feed(1), "x": np.zeros((1, 4), np.float32)}, r"shape \(1, 4\)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_at_once(
    backend: Backend, inputs: Mapping[str, Array], reason: str
) -> None:
    """Names, dtypes and shapes are checked before anything is queued."""
    with pytest.raises(BackendRunError, match=reason):
        backend.submit(inputs)


def test_closing_ends_open_tickets_with_a_failure(backend: Backend, clock: Clock) -> None:
    """The one that runs and those that wait; callbacks included; twice is no harm."""
    failures: list[str | None] = []
    clock.read.clear()
    tickets = [
        backend.submit(feed(FOREVER), on_done=lambda done: failures.append(done.failure))
        for _ in range(3)
    ]
    assert clock.read.wait(60)
    backend.close()
    backend.close()
    assert all(ticket.done for ticket in tickets)
    assert failures == [queueing.CLOSED] * 3
    with pytest.raises(BackendRunError, match="closed"):
        backend.submit(feed(1))
    with pytest.raises(BackendRunError, match="closed"):
        backend.describe()


def test_a_callback_may_close_the_backend(backend: Backend) -> None:
    """No thread waits for itself."""
    closed = threading.Event()

    def close(_: Completion) -> None:
        backend.close()
        closed.set()

    backend.submit(feed(1), on_done=close)
    assert closed.wait(60)


def test_a_backend_closes_without_having_loaded(clock: Clock, counting_model: Path) -> None:
    """Nothing to release; it loads nothing afterwards."""
    made = OrtBackend(clock)
    with pytest.raises(BackendRunError, match="nothing is loaded"):
        made.submit(feed(1))
    with pytest.raises(BackendRunError, match="nothing is loaded"):
        _ = made.fingerprint
    made.close()
    with pytest.raises(ModelLoadError, match="closed"):
        made.load(counting_model)


def test_a_callback_that_raises_stops_nothing(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mistake is reported as any thread's, and the next run is served."""
    reported: list[str] = []
    monkeypatch.setattr(
        threading, "excepthook", lambda facts: reported.append(str(facts.exc_value))
    )

    def fail(_: Completion) -> None:
        raise RuntimeError("a bug in the caller")

    backend.submit(feed(1), on_done=fail)
    assert result(backend.wait(backend.submit(feed(2)))) == 2.0
    assert reported == ["a bug in the caller"]


def test_too_many_open_tickets_are_refused(backend: Backend) -> None:
    """The queue has an end, which `capabilities` names."""
    most = backend.capabilities.most_in_flight
    for _ in range(most):
        backend.submit(feed(FOREVER))
    with pytest.raises(BackendRunError, match=str(most)):
        backend.submit(feed(1))


def test_a_failing_run_is_a_failure_in_one_line(clock: Clock, write_model: Write) -> None:
    """What onnxruntime raises while running becomes the completion's failure."""
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "shape"], ["y"])],
        "reshape",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [4]),
            helper.make_tensor_value_info("shape", TensorProto.INT64, [2]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["a", "b"])],
    )
    path = write_model("reshape.onnx", graph)
    inputs: dict[str, Array] = {"x": np.zeros(4, np.float32), "shape": np.array([3, 5], np.int64)}
    made = OrtBackend(clock)
    made.load(path)
    assert made.describe().outputs[0].shape == (-1, -1)
    completion = made.wait(made.submit(inputs))
    made.close()
    assert completion is not None
    assert completion.outputs is None
    assert completion.failure
    assert "\n" not in completion.failure
    assert len(completion.failure) <= 200
    with pytest.raises(BackendRunError, match="cpu: "):
        run_once(path, inputs, optimise=False)


def test_many_threads_get_their_own_answers(clock: Clock, counting_model: Path) -> None:
    """Four callers on two backends: no answer is lost or mixed up."""
    backends = [OrtBackend(clock), OrtBackend(clock, optimise=False)]
    for made in backends:
        made.load(counting_model)
    wrong: list[tuple[float, float]] = []

    def call(lane: int) -> None:
        made = backends[lane % 2]
        for times in range(50):
            found = result(made.wait(made.submit(feed(times, start=lane * 1_000))))
            if found != lane * 1_000 + times:
                wrong.append((found, lane * 1_000 + times))

    threads = [threading.Thread(target=call, args=(lane,)) for lane in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for made in backends:
        made.close()
    assert wrong == []


def test_the_fingerprint_changes_with_whatever_can_change_results(
    clock: Clock, counting_model: Path, conv_model: Path
) -> None:
    """Artefact, level and threads; the same of all three gives the same text."""

    def fingerprint(path: Path, *, optimised: bool, threads: int) -> str:
        made = OrtBackend(clock, optimise=optimised, threads=threads)
        made.load(path)
        text = made.fingerprint
        made.close()
        return text

    first = fingerprint(conv_model, optimised=True, threads=1)
    assert first == fingerprint(conv_model, optimised=True, threads=1)
    others = {
        fingerprint(counting_model, optimised=True, threads=1),
        fingerprint(conv_model, optimised=False, threads=1),
        fingerprint(conv_model, optimised=True, threads=2),
    }
    assert len(others | {first}) == 4


def test_one_backend_holds_one_artefact(backend: Backend, conv_model: Path) -> None:
    """A second load is refused, and the first stays."""
    with pytest.raises(ModelLoadError, match="one artefact"):
        backend.load(conv_model)
    assert result(backend.wait(backend.submit(feed(1)))) == 1.0


@pytest.mark.parametrize("content", [b"", b"no protobuf at all " * 9, b"\x08\x0a"])
def test_files_that_are_no_models_are_refused_in_one_line(
    tmp_path: Path, clock: Clock, content: bytes
) -> None:
    """Empty, corrupt and graphless files name the file and a reason."""
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    for attempt in (
        lambda: OrtBackend(clock).load(path),
        lambda: optimise(path, tmp_path / "out.onnx", level="basic"),
        lambda: run_once(path, {}, optimise=True),
    ):
        with pytest.raises(ModelLoadError) as caught:
            attempt()
        assert str(path) in str(caught.value)
        assert "\n" not in caught.value.reason
        assert len(caught.value.reason) <= 200
        assert "ONNXRuntimeError" not in caught.value.reason
    assert [file.name for file in tmp_path.iterdir()] == ["bad.onnx"]


def test_a_truncated_model_is_refused(tmp_path: Path, clock: Clock, conv_model: Path) -> None:
    """Half a file is no model."""
    path = tmp_path / "half.onnx"
    path.write_bytes(conv_model.read_bytes()[: conv_model.stat().st_size // 2])
    with pytest.raises(ModelLoadError, match=r"half\.onnx"):
        OrtBackend(clock).load(path)


def test_a_missing_file_is_a_missing_file(tmp_path: Path, clock: Clock) -> None:
    """The system's own error passes through."""
    with pytest.raises(FileNotFoundError):
        OrtBackend(clock).load(tmp_path / "none.onnx")
    with pytest.raises(FileNotFoundError):
        optimise(tmp_path / "none.onnx", tmp_path / "out.onnx", level="all")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("optimised", [True, False])
def test_weights_in_other_files_are_refused(
    tmp_path: Path,
    clock: Clock,
    conv_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    optimised: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """They would escape the fingerprint, wherever they lie, the working directory included."""
    path = tmp_path / "external.onnx"
    onnx.save(
        onnx.load(conv_model),
        path,
        save_as_external_data=True,
        size_threshold=0,
        location="weights.bin",
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelLoadError):
        OrtBackend(clock, optimise=optimised).load(path)


def test_an_input_that_is_no_tensor_is_refused(clock: Clock, write_model: Write) -> None:
    """A sequence cannot be fed from an array."""
    graph = helper.make_graph(
        [helper.make_node("SequenceLength", ["s"], ["n"])],
        "sequence",
        [helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, [4])],
        [helper.make_tensor_value_info("n", TensorProto.INT64, [])],
    )
    with pytest.raises(ModelLoadError, match="s is a seq"):
        OrtBackend(clock).load(write_model("sequence.onnx", graph))


@pytest.mark.parametrize("level", ["basic", "extended", "all"])
def test_an_optimised_file_runs_like_the_whole_model_at_that_level(
    tmp_path: Path, conv_model: Path, level: Literal["basic", "extended", "all"]
) -> None:
    """Optimised once, then run as it is: the graph is smaller and the answer agrees."""
    to = tmp_path / "optimised.onnx"
    optimise(conv_model, to, level=level)
    image = np.linspace(-1, 1, 192, dtype=np.float32).reshape(1, 3, 8, 8)
    plain = run_once(conv_model, {"image": image}, optimise=False)
    found = run_once(to, {"image": image}, optimise=False)
    assert list(found) == ["out"]
    # Folding a scale into a convolution changes rounding, by up to 1.2e-6 where it was measured.
    np.testing.assert_allclose(
        found["out"].astype(np.float32), plain["out"].astype(np.float32), rtol=1e-5, atol=1e-6
    )
    assert len(onnx.load(to).graph.node) < len(onnx.load(conv_model).graph.node)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["convs.onnx", "optimised.onnx"]
    if level == "all":
        whole = run_once(conv_model, {"image": image}, optimise=True)
        assert found["out"].tobytes() == whole["out"].tobytes()


def test_a_file_that_cannot_be_optimised_leaves_the_old_one(tmp_path: Path) -> None:
    """The target is replaced whole or not touched."""
    bad, to = tmp_path / "bad.onnx", tmp_path / "out.onnx"
    bad.write_bytes(b"nothing")
    to.write_bytes(b"old")
    with pytest.raises(ModelLoadError):
        optimise(bad, to, level="basic")
    assert to.read_bytes() == b"old"


def test_nothing_is_written_to_stdout_or_stderr(tmp_path: Path, conv_model: Path) -> None:
    """Good loads, optimising, bad loads and cancelled runs are silent: stdout may be a protocol."""
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"nothing")
    code = """
import sys
from pathlib import Path
import numpy as np
from accelerators.backends.ort import OrtBackend, optimise, run_once
from accelerators.errors import AcceleratorError
good, bad, out = (Path(argument) for argument in sys.argv[1:])
assert "onnxruntime" not in sys.modules
image = np.zeros((1, 3, 8, 8), np.float32)
optimise(good, out, level="all")
run_once(out, {"image": image}, optimise=False)
backend = OrtBackend(lambda: 0)
backend.load(good)
backend.cancel(backend.submit({"image": image}))
backend.close()
try:
    OrtBackend(lambda: 0).load(bad)
except AcceleratorError:
    pass
"""
    done = subprocess.run(
        [sys.executable, "-c", code, conv_model, bad, tmp_path / "out.onnx"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
