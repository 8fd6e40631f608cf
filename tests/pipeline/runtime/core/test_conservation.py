"""The three machines together, under any order of events: nothing is lost, doubled or leaked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.runtime.core.config import BreakerConfig, CloudConfig
from tests.pipeline.runtime.core.world import World, check_the_end

if TYPE_CHECKING:
    from pipeline.runtime.core.config import HedgeStart
    from tests.pipeline.runtime.conftest import Build


@settings(max_examples=150)
@given(
    tape=st.binary(min_size=200, max_size=3_000),
    shapes=st.tuples(*[st.sampled_from(["edge", "raw", "split"])] * 2),
    every=st.integers(1, 4),
    in_flight=st.integers(1, 4),
    cloud_credits=st.integers(1, 4),
    consumer_credits=st.integers(1, 3),
)
def test_any_interleaving_settles_every_frame_once_and_leaks_nothing(
    build: Build,
    tape: bytes,
    shapes: tuple[str, str],
    every: int,
    in_flight: int,
    cloud_credits: int,
    consumer_credits: int,
) -> None:
    """Every path's frame has one fate, every ref is forgotten once, every credit comes back.

    On the way no device runs more than its slots, and no command names a ref that is gone.
    """
    paths = (
        build.path("tight", deadline_ms=30, horizon_ms=90),
        build.path("loose", every=every, deadline_ms=200, horizon_ms=700),
        build.path("other", task="lanes", every=2),
    )
    config = build.config(
        {"objects": shapes[0], "lanes": shapes[1]},
        paths=paths,
        in_flight=in_flight,
        cloud_credits=cloud_credits,
        consumer_credits=consumer_credits,
    )
    check_the_end(World(config=config, build=build, tape=list(tape)))


@settings(max_examples=200)
@given(
    tape=st.binary(min_size=200, max_size=3_000),
    start=st.sampled_from(["latest", "at-once", "after"]),
    kept_ms=st.sampled_from([0, 0, 5, 30, 60]),
    breaker=st.booleans(),
    drops=st.booleans(),
    refuses=st.booleans(),
    batch=st.integers(1, 3),
    settled=st.booleans(),
    in_flight=st.integers(1, 3),
    cloud_credits=st.integers(1, 3),
)
def test_no_policy_loses_a_frame_or_leaks(
    build: Build,
    tape: bytes,
    *,
    start: HedgeStart,
    kept_ms: int,
    breaker: bool,
    drops: bool,
    refuses: bool,
    batch: int,
    settled: bool,
    in_flight: int,
    cloud_credits: int,
) -> None:
    """Hedges, breaker, refusals, batches, late work: the same laws hold under all of them."""
    config = replace(
        build.hedged(
            start=start,
            blocking_ns=2_000_000,
            kept_ns=kept_ms * 1_000_000,
            in_flight=in_flight,
        ),
        paths=(
            build.path("tight", deadline_ms=60, horizon_ms=180),
            build.path("loose", every=2, deadline_ms=200, horizon_ms=700),
        ),
        breaker=BreakerConfig(open_after=2, half_open_every_ns=90_000_000) if breaker else None,
        drops_expired=drops,
        cloud=CloudConfig(refuses=refuses, batch={"cloud0": batch}),
        cloud_credits=cloud_credits,
        grant_when_settled=settled,
    )
    check_the_end(World(config=config, build=build, tape=list(tape)))


@settings(max_examples=200)
@given(
    tape=st.binary(min_size=200, max_size=3_000),
    shapes=st.tuples(*[st.sampled_from(["edge", "split"])] * 2),
    every=st.integers(1, 3),
    wait_ms=st.integers(0, 60),
    partial=st.booleans(),
)
def test_no_set_of_sensors_is_lost_or_kept(
    build: Build,
    tape: bytes,
    *,
    shapes: tuple[str, str],
    every: int,
    wait_ms: int,
    partial: bool,
) -> None:
    """Every anchor's frame settles once; what partners made is forgotten in the end."""
    config = build.fused(shapes, every=every, wait_ms=wait_ms, partial=partial)
    check_the_end(World(config=config, build=build, tape=list(tape)))
