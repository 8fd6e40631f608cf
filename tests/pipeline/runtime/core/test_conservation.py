"""The three machines together, under any order of events: nothing is lost, doubled or leaked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pipeline.runtime.core.world import POLICIES, Policies, World, check_the_end

if TYPE_CHECKING:
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
@given(tape=st.binary(min_size=200, max_size=3_000), policies=POLICIES)
def test_no_policy_loses_a_frame_or_leaks(build: Build, tape: bytes, policies: Policies) -> None:
    """Hedges, breaker, refusals, batches, late work: the same laws hold under all of them."""
    check_the_end(World(config=policies.config(build), build=build, tape=list(tape)))


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
