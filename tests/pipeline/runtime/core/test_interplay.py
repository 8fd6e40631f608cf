"""The machines step by step, with a mind of its own behind every step: what holds at any time."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pipeline.runtime.core.events import PeerGone, StopAsked
from tests.pipeline.runtime.conftest import Build
from tests.pipeline.runtime.core.world import (
    CLOUD,
    POLICIES,
    VEHICLE,
    Policies,
    World,
    check_the_end,
)

_CHOICES = st.lists(st.integers(0, 255), max_size=10)


class Interplay(RuleBasedStateMachine):
    """A run that goes on by itself, by a choice, by a failure or by the user's wish."""

    world: World
    stopped = False

    @initialize(policies=POLICIES)
    def begin(self, policies: Policies) -> None:
        """A vehicle with hedges, a cloud and a consumer, under some policies."""
        build = Build()
        self.world = World(config=policies.config(build), build=build, tape=[])

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
