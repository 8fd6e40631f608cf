"""The order in which devices take their jobs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.runtime.core.commands import Start
from pipeline.runtime.core.events import Job
from pipeline.runtime.core.scheduler import DeviceScheduler


def _job(frame: int, step: int = 0) -> Job:
    return Job(frame, "objects", step)


def _start(frame: int, device: str = "npu") -> Start:
    return Start(jobs=(_job(frame),), device=device, inputs=((f"in/{frame}",),))


def _submit(devices: DeviceScheduler, frame: int, deadline_at_ns: int) -> list[Start]:
    return devices.submit(
        _job(frame), "npu", deadline_at_ns=deadline_at_ns, inputs=(f"in/{frame}",)
    )


def test_a_free_slot_starts_the_job_at_once() -> None:
    """A device with two slots takes two jobs, and the third waits."""
    devices = DeviceScheduler({"npu": 2})
    assert _submit(devices, 1, 100) == [_start(1)]
    assert _submit(devices, 2, 100) == [_start(2)]
    assert _submit(devices, 3, 100) == []
    assert devices.running(_job(1))
    assert not devices.running(_job(3))
    assert devices.waiting("npu") == 1


def test_the_earliest_deadline_goes_first_and_ties_by_arrival() -> None:
    """The line is by deadline; what came first goes first among equals."""
    devices = DeviceScheduler({"npu": 1})
    _submit(devices, 0, 0)
    for frame, deadline_at_ns in ((1, 300), (2, 200), (3, 200), (4, 100)):
        assert _submit(devices, frame, deadline_at_ns) == []
    order = []
    running = 0
    for _ in range(4):
        (start,) = devices.over(_job(running))
        running = start.jobs[0].frame
        order.append(running)
    assert order == [4, 2, 3, 1]
    assert devices.over(_job(running)) == []


def test_a_running_job_is_not_preempted() -> None:
    """A job with an earlier deadline waits for the one that has begun."""
    devices = DeviceScheduler({"npu": 1})
    assert _submit(devices, 1, 1_000) == [_start(1)]
    assert _submit(devices, 2, 1) == []
    assert devices.over(_job(1)) == [_start(2)]


def test_devices_do_not_wait_for_each_other() -> None:
    """A busy accelerator leaves the host free."""
    devices = DeviceScheduler({"npu": 1, "host": 1})
    _submit(devices, 1, 1)
    (start,) = devices.submit(_job(2), "host", deadline_at_ns=1, inputs=())
    assert start.device == "host"


def test_withdrawing_takes_a_frame_out_of_the_line_and_leaves_what_runs() -> None:
    """Only jobs of that task's frame go, and only those that have not begun."""
    devices = DeviceScheduler({"npu": 1})
    _submit(devices, 1, 10)
    _submit(devices, 2, 20)
    devices.submit(_job(2, step=1), "npu", deadline_at_ns=25, inputs=())
    devices.submit(Job(2, "lanes", 0), "npu", deadline_at_ns=30, inputs=())
    devices.withdraw("objects", 2)
    devices.withdraw("objects", 1)
    assert devices.running(_job(1))
    (start,) = devices.over(_job(1))
    assert start.jobs == (Job(2, "lanes", 0),)
    assert devices.waiting("npu") == 0


def test_the_end_of_an_unknown_job_starts_nothing() -> None:
    """An end that is told twice frees one slot only."""
    devices = DeviceScheduler({"npu": 1})
    _submit(devices, 1, 1)
    _submit(devices, 2, 2)
    _submit(devices, 3, 3)
    assert devices.over(_job(1)) == [_start(2)]
    assert devices.over(_job(1)) == []
    assert devices.over(_job(9)) == []


@given(
    st.integers(1, 3),
    st.lists(st.tuples(st.sampled_from(["submit", "over", "withdraw"]), st.integers(0, 40))),
)
def test_slots_are_never_exceeded_and_never_idle_while_a_job_waits(
    slots: int, actions: list[tuple[str, int]]
) -> None:
    """The scheduler conserves work, in whatever order jobs come, end and are taken back."""
    devices = DeviceScheduler({"npu": slots})
    running: list[int] = []
    waiting: dict[int, tuple[int, int]] = {}
    for number, (action, figure) in enumerate(actions):
        starts: list[Start] = []
        if action == "submit":
            waiting[number] = (figure, number)
            starts = _submit(devices, number, figure)
        elif action == "over" and running:
            starts = devices.over(_job(running.pop(figure % len(running))))
        elif action == "withdraw" and waiting:
            frame = sorted(waiting)[figure % len(waiting)]
            devices.withdraw("objects", frame)
            del waiting[frame]
        for start in starts:
            frame = start.jobs[0].frame
            assert waiting[frame] == min(waiting.values())
            del waiting[frame]
            running.append(frame)
        assert devices.waiting("npu") == len(waiting)
        assert len(running) <= slots
        assert len(running) == slots or not waiting


def _late(devices: DeviceScheduler, frame: int, at_ns: int, start_by_ns: int) -> list[Start]:
    return devices.submit(
        _job(frame),
        "npu",
        deadline_at_ns=frame,
        inputs=(f"in/{frame}",),
        at_ns=at_ns,
        start_by_ns=start_by_ns,
        lengths_ns=(10, 15, 18),
    )


def test_a_job_past_its_latest_start_is_never_started() -> None:
    """Neither at once nor when its turn comes; the next one in line goes instead."""
    devices = DeviceScheduler({"npu": 1})
    assert _late(devices, 0, 11, 10) == []
    assert devices.expired == [_job(0)]
    assert _late(devices, 1, 11, 100) != []
    assert _late(devices, 2, 12, 20) == []
    assert _late(devices, 3, 12, 21) == []
    assert devices.over(_job(1), 21) == [_start(3)]
    assert devices.expired == [_job(0), _job(2)]


def test_waiting_jobs_of_one_step_run_together_as_far_as_all_stay_in_time() -> None:
    """Two take 15: what has to start alone by 20 may end at 30 at the latest."""
    devices = DeviceScheduler({"npu": 1}, {"npu": 3})
    _late(devices, 0, 0, 100)
    for frame, start_by_ns in ((1, 20), (2, 20), (3, 100)):
        assert _late(devices, frame, 1, start_by_ns) == []
    (start,) = devices.over(_job(0), 14)
    assert start.jobs == (_job(1), _job(2))
    assert start.inputs == (("in/1",), ("in/2",))
    assert devices.waiting("npu") == 1
    (start,) = devices.over(_job(1), 29)
    assert start.jobs == (_job(3),)
    assert devices.over(_job(2), 29) == []


def test_other_steps_and_tasks_do_not_join_a_batch() -> None:
    """A batch is one segment on several frames."""
    devices = DeviceScheduler({"npu": 1}, {"npu": 4})
    _late(devices, 0, 0, 100)
    _late(devices, 1, 0, 100)
    for job in (Job(2, "lanes", 0), _job(3, step=1)):
        devices.submit(job, "npu", deadline_at_ns=9, inputs=(), lengths_ns=(1, 1, 1, 1))
    (start,) = devices.over(_job(0), 10)
    assert start.jobs == (_job(1),)


def test_the_predicted_start_counts_what_runs_and_what_goes_before() -> None:
    """Work with a later deadline does not."""
    devices = DeviceScheduler({"npu": 1, "pair": 2})
    assert devices.starts_ns("npu", 5, 100) == 100
    _late(devices, 1, 100, 1_000)
    _late(devices, 2, 101, 1_000)
    _late(devices, 9, 101, 1_000)
    assert devices.starts_ns("npu", 5, 104) == 104 + 6 + 10
    for frame in range(2):
        devices.submit(_job(20 + frame), "pair", deadline_at_ns=1, inputs=(), lengths_ns=(8,))
    assert devices.starts_ns("pair", 5, 3) == 8
