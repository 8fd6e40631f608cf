"""The virtual driver: conservation, order and determinism over whole runs."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ledger import FATES, durations_ns
from pipeline.ledger.spans import ADMITTED, SPANS
from pipeline.runtime.core.config import CloudConfig
from pipeline.runtime.core.events import FrameOffered, JobDone, MessageArrived, StreamEnded
from pipeline.runtime.timing import Hops, Slowed, Timing
from pipeline.runtime.virtual import run_virtual

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from pipeline.ledger import Row
    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.events import Event
    from pipeline.runtime.virtual_setup import VirtualSetup
    from tests.pipeline.runtime.conftest import Build, Virtually

MS = 1_000_000
SHAPES = st.sampled_from(["edge", "raw", "split", "parts"])


@settings(max_examples=80)
@given(
    shapes=st.tuples(SHAPES, SHAPES),
    every=st.integers(1, 6),
    in_flight=st.integers(1, 4),
    cloud_credits=st.integers(1, 4),
    consumer_credits=st.integers(1, 3),
    up_bits_per_s=st.integers(200_000, 200_000_000),
    rtt_ms=st.integers(0, 200),
    step_us=st.integers(1, 40_000),
    loop=st.integers(1, 3),
    warmup=st.integers(0, 4),
    seed=st.integers(0, 2**63 - 1),
)
def test_every_offered_frame_has_one_fate_whatever_the_load(
    *,
    build: Build,
    virtually: Virtually,
    shapes: tuple[str, str],
    every: int,
    in_flight: int,
    cloud_credits: int,
    consumer_credits: int,
    up_bits_per_s: int,
    rtt_ms: int,
    step_us: int,
    loop: int,
    warmup: int,
    seed: int,
) -> None:
    """Offered equals settled per path, rows are in order, spans are never negative and add up."""
    paths = (
        build.path("tight", deadline_ms=60, horizon_ms=100),
        build.path("loose", every=every, deadline_ms=200),
        build.path("other", task="lanes", every=2),
    )
    core = build.config(
        {"objects": shapes[0], "lanes": shapes[1]},
        paths=paths,
        in_flight=in_flight,
        cloud_credits=cloud_credits,
        consumer_credits=consumer_credits,
        step_ns=step_us * 1_000,
    )
    setup = virtually.setup(
        core, loop=loop, warmup=warmup, seed=seed, up_bits_per_s=up_bits_per_s, rtt_ms=rtt_ms
    )
    run = virtually.run(setup)
    rows = list(run.ledger.rows())
    assert len(rows) == sum(len(range(0, 12 * loop, path.every)) for path in paths)
    assert [row.cause for row in rows if row.cause == "unsettled"] == []
    keys = [(row.scheduled_ns, row.path, row.frame) for row in rows]
    assert keys == sorted(set(keys))
    assert run.outcome.played == {"front": 12 * loop}
    assert run.outcome.notes["drained"] == 1
    for row in rows:
        assert row.fate in FATES
        _check_stamps(row)


def _check_stamps(row: Row) -> None:
    spans = durations_ns(row.scheduled_ns, row.stamps)
    assert min(spans.values(), default=0) >= 0
    assert sum(spans.values()) == max(row.stamps.values()) - row.scheduled_ns
    passed = [row.stamps[span] for span in SPANS if span in row.stamps]
    assert passed == sorted(passed)
    if ADMITTED in row.stamps:
        assert row.stamps["source"] < row.stamps[ADMITTED]
    if row.fate in ("cloud", "edge"):
        assert row.route_delivered
        assert row.stamps["deliver"] <= row.deadline_at_ns
    if row.fate == "cloud":
        assert {"uplink", "downlink"} <= row.stamps.keys()
    if row.fate == "dropped":
        assert row.cause in ("overtaken", "expired", "refused")


class Watch:
    """Writes down what every core saw."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, Event | None]] = []

    def __call__(
        self, node: str, at_ns: int, event: Event | None, commands: Sequence[Command]
    ) -> None:
        """One event."""
        del commands
        self.seen.append((node, at_ns, event))


@settings(max_examples=25)
@given(
    shape=SHAPES,
    rate=st.integers(100_000, 50_000_000),
    period_us=st.integers(50, 40_000),
    seed=st.integers(0, 1_000),
)
def test_time_never_goes_back_and_no_channel_reorders(
    build: Build, virtually: Virtually, shape: str, rate: int, period_us: int, seed: int
) -> None:
    """Each core sees rising stamps, and frames, requests and answers in the order they were sent.

    Also where the jitter of a hop is far longer than the distance of two frames.
    """
    core = build.config({"objects": shape, "lanes": "edge"}, in_flight=4, step_ns=20_000)
    setup = virtually.setup(
        core, seed=seed, up_bits_per_s=rate, spread=900_000, period_ns=period_us * 1_000
    )
    watch = Watch()
    run_virtual(setup, on_event=watch)
    for node in ("vehicle", "cloud", "consumer"):
        mine = [(at_ns, event) for name, at_ns, event in watch.seen if name == node]
        assert all(one[0] <= other[0] for one, other in pairwise(mine))
        frames = [event.frame for _, event in mine if isinstance(event, FrameOffered)]
        assert frames == sorted(frames)
        sent = [event.sent_ns for _, event in mine if isinstance(event, MessageArrived)]
        assert sent == sorted(sent)
        ends = [i for i, (_, event) in enumerate(mine) if isinstance(event, StreamEnded)]
        offers = [i for i, (_, event) in enumerate(mine) if isinstance(event, FrameOffered)]
        assert not ends or max(offers) < ends[0]


def test_no_device_runs_more_than_its_slots(build: Build, virtually: Virtually) -> None:
    """Over a whole run no two jobs of a one-slot device overlap."""
    setup = virtually.setup(build.config({"objects": "parts", "lanes": "edge"}, step_ns=15 * MS))
    watch = Watch()
    run_virtual(setup, on_event=watch)
    for device in setup.core.slots:
        jobs = [e for _, _, e in watch.seen if isinstance(e, JobDone) and e.device == device]
        assert jobs
        assert all(one.ended_ns <= other.began_ns for one, other in pairwise(jobs))


def test_the_same_seed_gives_the_same_bytes(build: Build, virtually: Virtually) -> None:
    """Ledger, notes and deliveries of two runs are identical."""
    core = build.config({"objects": "split", "lanes": "raw"}, in_flight=1, step_ns=4 * MS)
    first, second = (virtually.run(virtually.setup(core, loop=3)) for _ in range(2))
    assert first.ledger.to_csv() == second.ledger.to_csv()
    assert first.ledger.hash() == second.ledger.hash()
    assert list(first.outcome.rows) == list(second.outcome.rows)
    assert list(first.outcome.deliveries) == list(second.outcome.deliveries)
    assert first.outcome.notes == second.outcome.notes


def test_another_seed_link_or_plan_gives_another_hash(build: Build, virtually: Virtually) -> None:
    """What a run depends on is in its ledger's hash."""
    core = build.config()
    base = virtually.setup(core)
    others: list[VirtualSetup] = [
        base,
        virtually.setup(core, seed=2),
        virtually.setup(core, up_bits_per_s=40_000_000),
        virtually.setup(core, rtt_ms=21),
        virtually.setup(core, size=50_001),
        virtually.setup(build.config("raw")),
        virtually.setup(build.config(step_ns=MS + 100)),
    ]
    hashes = [virtually.run(setup).ledger.hash() for setup in others]
    assert len(set(hashes)) == len(hashes)


def test_every_hash_seed_of_the_interpreter_gives_the_same_ledger(
    build: Build, virtually: Virtually, pytestconfig: pytest.Config
) -> None:
    """No set or hash order reaches the ledger: another process says the same."""
    here = virtually.run(virtually.setup(build.config({"objects": "split", "lanes": "raw"})))
    script = (
        "import importlib.util, sys\n"
        "spec = importlib.util.spec_from_file_location('small', sys.argv[1])\n"
        "small = importlib.util.module_from_spec(spec)\n"
        "sys.modules['small'] = small\n"
        "spec.loader.exec_module(small)\n"
        "build = small.Build()\n"
        "virtually = small.Virtually(build=build)\n"
        "config = build.config({'objects': 'split', 'lanes': 'raw'})\n"
        "print(virtually.run(virtually.setup(config)).ledger.hash())\n"
    )
    conftest = pytestconfig.rootpath / "tests" / "pipeline" / "runtime" / "conftest.py"
    for hash_seed in ("1", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", script, str(conftest)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        assert done.stdout.strip() == here.ledger.hash()


def test_a_second_task_leaves_the_draws_of_the_first_alone(
    build: Build, virtually: Virtually
) -> None:
    """With devices and link to spare, only what is shared can change: here nothing."""
    alone = virtually.setup(build.config("edge", step_ns=MS))
    both = virtually.setup(build.config({"objects": "edge", "lanes": "edge"}, step_ns=MS))
    watches = [Watch(), Watch()]
    for setup, watch in zip((alone, both), watches, strict=True):
        run_virtual(setup, on_event=watch)
    lasted = [
        {
            (event.jobs[0].frame, event.jobs[0].step, node): event.ended_ns - event.began_ns
            for node, _, event in watch.seen
            if isinstance(event, JobDone) and event.jobs[0].task == "objects"
        }
        for watch in watches
    ]
    assert lasted[0] == lasted[1]
    assert len(set(lasted[0].values())) > 10


def test_paths_that_share_a_job_run_it_once(build: Build, virtually: Virtually) -> None:
    """A second path over the same task adds rows and no work."""
    one = build.config(paths=(build.path("a"),))
    two = build.config(paths=(build.path("a"), build.path("b", every=3, deadline_ms=150)))
    counts = []
    for core in (one, two):
        watch = Watch()
        run_virtual(virtually.setup(core), on_event=watch)
        counts.append(sum(isinstance(event, JobDone) for _, _, event in watch.seen))
    assert counts[0] == counts[1] == 12 * 7


def test_the_first_frame_finds_the_credits_of_the_cloud(build: Build, virtually: Virtually) -> None:
    """As in a live run the nodes have met before t0; a long round trip drops no first frames."""
    run = virtually.run(virtually.setup(build.config(in_flight=4), rtt_ms=90))
    assert {row.fate for row in run.ledger.rows()} <= {"cloud", "late"}
    assert all(ADMITTED not in row.stamps for row in run.ledger.rows())


def test_warm_up_frames_settle_in_no_row(build: Build, virtually: Virtually) -> None:
    """They pass before t0 and are not counted as played."""
    watch = Watch()
    setup = virtually.setup(build.config(), warmup=5)
    run_virtual(setup, on_event=watch)
    run = virtually.run(setup)
    assert min(row.frame for row in run.ledger.rows()) == 0
    offered = [e.frame for _, _, e in watch.seen if isinstance(e, FrameOffered)]
    assert offered[:5] == [-5, -4, -3, -2, -1]
    assert run.outcome.played == {"front": 12}


def test_an_overloaded_link_makes_frames_late_and_drops_by_overtaking(
    build: Build, virtually: Virtually
) -> None:
    """A link of 4 Mbit/s cannot carry 50 kB at 25 Hz; the newest frame always gets its turn."""
    core = msgspec.structs.replace(
        build.config(), drops_expired=False, cloud=CloudConfig(refuses=False)
    )
    run = virtually.run(virtually.setup(core, loop=4, up_bits_per_s=4_000_000))
    fates = [(row.fate, row.cause) for row in run.ledger.rows()]
    assert ("dropped", "overtaken") in fates
    assert not [fate for fate, _ in fates if fate == "cloud"]
    assert "uplink" in {cause for fate, cause in fates if fate == "late"}


def test_a_cloud_refuses_what_an_overloaded_link_brings_too_late(
    build: Build, virtually: Virtually
) -> None:
    """Unless told otherwise nobody works for an answer that comes after its deadline."""
    run = virtually.run(virtually.setup(build.config(), loop=4, up_bits_per_s=4_000_000))
    fates = {(row.fate, row.cause) for row in run.ledger.rows()}
    assert ("dropped", "refused") in fates
    assert not [cause for fate, cause in fates if fate == "cloud"]


def test_the_tail_covers_a_link_that_is_too_slow_and_every_frame_is_in_time(
    build: Build, virtually: Virtually
) -> None:
    """With a hedge the overloaded link costs quality, not deadlines; the ledger balances."""
    core = build.hedged(blocking_ns=3 * MS, margin_ns=5 * MS)
    run = virtually.run(virtually.setup(core, loop=4, up_bits_per_s=4_000_000))
    rows = list(run.ledger.rows())
    assert len(rows) == 48
    assert {row.fate for row in rows} == {"edge"}
    assert {row.route_delivered for row in rows} == {"objects-tail"}


def test_a_slow_link_that_comes_in_time_improves(build: Build, virtually: Virtually) -> None:
    """A hedge at once answers first; a cloud within the deadline refreshes it."""
    run = virtually.run(virtually.setup(build.hedged(start="at-once"), loop=2))
    rows = list(run.ledger.rows())
    assert {row.fate for row in rows} == {"edge"}
    assert all(row.route_improved for row in rows)


def test_a_device_may_be_slowed_for_a_while(build: Build, virtually: Virtually) -> None:
    """Its jobs take longer from then on and as before afterwards."""
    setup = virtually.setup(build.config("edge"), loop=2, spread=0)
    slow = Slowed(device="edge0", at_ns=200 * MS, until_ns=400 * MS, factor_ppm=3_000_000)
    timing = Timing(seed=1, quantiles={}, hops=Hops.line(fixed_ns=0, ns_per_mib=0), slowed=(slow,))
    run = virtually.run(replace(setup, timing=timing))
    took_ms = [(row.stamps["edge"] - row.stamps["edge_wait"]) // MS for row in run.ledger.rows()]
    assert took_ms == [1] * 5 + [3] * 5 + [1] * 14


def test_rows_are_told_as_they_settle(build: Build, virtually: Virtually) -> None:
    """A listener hears every row, in the order in which the vehicle settled them."""
    rows: list[Row] = []
    outcome = run_virtual(virtually.setup(build.config()), on_row=rows.append)
    assert rows == list(outcome.rows)
    assert len(rows) == 12


def test_a_schedule_is_read_once_and_may_be_empty(build: Build, virtually: Virtually) -> None:
    """An iterator will do; without frames nothing is settled."""
    setup = virtually.setup(build.config())
    streamed = replace(setup, schedule=iter(setup.schedule))
    assert list(run_virtual(streamed).rows) == list(run_virtual(setup).rows)
    assert list(run_virtual(replace(setup, schedule=())).rows) == []


def test_the_player_sends_no_more_than_its_credits(build: Build, virtually: Virtually) -> None:
    """Frames that arrive faster than a hop takes are held back at the player, not dropped."""
    core = msgspec.structs.replace(build.config("edge"), player_credits=1)
    watch = Watch()
    run_virtual(virtually.setup(core, period_ns=10_000), on_event=watch)
    stamps = [at_ns for _, at_ns, event in watch.seen if isinstance(event, FrameOffered)]
    assert len(stamps) == 12
    assert min(other - one for one, other in pairwise(stamps)) > 10_000


def test_a_run_leaves_no_cycles_behind(build: Build, virtually: Virtually) -> None:
    """What a run allocates is freed by counting, so that long runs do not grow."""
    setup = virtually.setup(build.config(in_flight=1, step_ns=20 * MS), loop=5)
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        run_virtual(setup)
        assert len(gc.get_objects()) - before < 500
    finally:
        gc.enable()


def test_parts_and_buses_of_a_site_belong_to_its_span(build: Build, virtually: Virtually) -> None:
    """Two parts and a bus in the car, three and two in the cloud, none of them a wait."""
    setup = virtually.setup(build.config("parts"), frames=2, spread=0, period_ns=200 * MS)
    outcome = run_virtual(setup)
    rows = [row for row in outcome.rows if row.fate == "cloud"]
    assert rows
    for row in rows:
        spans = durations_ns(row.scheduled_ns, row.stamps)
        assert spans["edge"] == 3 * MS
        assert spans["cloud"] == 5 * MS
        assert spans["edge_wait"] == spans["cloud_wait"] == 0
