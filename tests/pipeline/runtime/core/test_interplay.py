"""The machines step by step, with a mind of its own behind every step: what holds at any time."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from pipeline.runtime.core.config import BreakerConfig, CloudConfig, HedgeStart
from pipeline.runtime.core.events import PeerGone, StopAsked
from tests.pipeline.runtime.conftest import Build
from tests.pipeline.runtime.core.world import CLOUD, VEHICLE, World, check_the_end

_CHOICES = st.lists(st.integers(0, 255), max_size=10)


class Interplay(RuleBasedStateMachine):
    """A run that goes on by itself, by a choice, by a failure or by the user's wish."""

    world: World
    stopped = False

    @initialize(
        start=st.sampled_from(["latest", "at-once", "after"]),
        breaker=st.booleans(),
        drops=st.booleans(),
        batch=st.integers(1, 3),
        in_flight=st.integers(1, 3),
        credit=st.integers(1, 3),
    )
    def begin(
        self,
        *,
        start: HedgeStart,
        breaker: bool,
        drops: bool,
        batch: int,
        in_flight: int,
        credit: int,
    ) -> None:
        """A vehicle with hedges, a cloud and a consumer, under some policy."""
        build = Build()
        config = replace(
            build.hedged(
                start=start, blocking_ns=2_000_000, kept_ns=5_000_000, in_flight=in_flight
            ),
            paths=(
                build.path("tight", deadline_ms=60, horizon_ms=180),
                build.path("loose", every=2, deadline_ms=200, horizon_ms=700),
            ),
            breaker=BreakerConfig(open_after=2, half_open_every_ns=90_000_000) if breaker else None,
            drops_expired=drops,
            cloud=CloudConfig(refuses=True, batch={"cloud0": batch}),
            cloud_credits=credit,
        )
        self.world = World(config=config, build=build, tape=[])

    @rule(choices=_CHOICES)
    def something_happens(self, choices: list[int]) -> None:
        """A message comes, a job ends or fails, a frame is offered, a timer runs out."""
        self.world.tape = list(choices)
        self.world.step()
        self.world.tape = []

    @rule()
    def the_cloud_is_gone(self) -> None:
        """What was asked of it is lost; it may answer all the same."""
        self.world.tell(VEHICLE, PeerGone(peer=CLOUD))

    @precondition(lambda self: not self.stopped)
    @rule()
    def the_user_stops(self) -> None:
        """Open frames are interrupted, and what comes after them is at once."""
        self.stopped = True
        self.world.tell(VEHICLE, StopAsked())

    @invariant()
    def no_frame_has_two_fates_or_two_first_answers(self) -> None:
        """And a better answer follows a first one alone."""
        assert max(self.world.settled.values(), default=1) == 1
        assert max(self.world.delivered.values(), default=1) == 1

    @invariant()
    def credits_are_neither_made_nor_owed(self) -> None:
        """A sender has from none to all of them."""
        vehicle, config = self.world.vehicle, self.world.config
        assert 0 <= vehicle._admission.cloud_credits <= config.cloud_credits
        assert 0 <= vehicle._consumer_credits <= config.consumer_credits
        assert 0 <= self.world.player_credits <= config.player_credits

    @invariant()
    def no_value_is_forgotten_twice(self) -> None:
        """Nor one that was never kept."""
        for node, released in self.world.released.items():
            assert released <= self.world.held[node]

    def teardown(self) -> None:
        """Whatever happened, the run ends with nothing open and nothing left over."""
        check_the_end(self.world)


TestInterplay = Interplay.TestCase
TestInterplay.settings = settings(max_examples=60, stateful_step_count=80, deadline=None)
