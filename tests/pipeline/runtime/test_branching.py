"""A run in virtual time that is stopped, branched and gone on with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as with_fields

from pipeline.runtime.core.commands import Deliver, Settle
from pipeline.runtime.virtual import Kernel, run_virtual

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.ledger import Row
    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.events import Event
    from pipeline.runtime.virtual_facts import Relay
    from pipeline.runtime.virtual_setup import VirtualSetup
    from tests.pipeline.runtime.conftest import Build, Virtually

MS = 1_000_000
SHAPES = st.sampled_from(["edge", "raw", "split"])


class Watch:
    """Keeps what was settled and delivered, with the time."""

    def __init__(self) -> None:
        self.settled: list[tuple[int, Row]] = []
        self.delivered: list[tuple[int, str, int]] = []

    def __call__(
        self, node: str, at_ns: int, event: Event | None, commands: Sequence[Command]
    ) -> None:
        """Write the commands of interest down."""
        del node, event
        for command in commands:
            match command:
                case Settle(row=row):
                    self.settled.append((at_ns, row))
                case Deliver(path=path, frame=frame, at_ns=delivered_ns):
                    self.delivered.append((delivered_ns, path, frame))
                case _:
                    pass


def _setup(
    build: Build, virtually: Virtually, shapes: tuple[str, str], up: int, *, plain: bool
) -> VirtualSetup:
    core = build.config(
        {"objects": shapes[0], "lanes": shapes[1]},
        paths=(build.path("tight", deadline_ms=60), build.path("other", task="lanes", every=2)),
        step_ns=7 * MS,
    )
    setup = virtually.setup(core, up_bits_per_s=up, warmup=2)
    setup = replace(setup, schedule=list(setup.schedule))
    if plain:
        return setup
    table = tuple(900_000 + 2_000 * i for i in range(101))
    link = with_fields(setup.links["cell"], jitter_ppm=table, loss_ppm=20_000, seed=3)
    return replace(setup, links={"cell": link})


def _same(name: str, relay: Relay) -> Relay:
    del name
    return relay


@settings(max_examples=40)
@given(
    shapes=st.tuples(SHAPES, SHAPES),
    up=st.integers(1_000_000, 50_000_000),
    at_ms=st.integers(-200, 700),
    plain=st.booleans(),
)
def test_a_branch_gives_the_stamps_of_the_whole_run_and_leaves_it_alone(
    *,
    build: Build,
    virtually: Virtually,
    shapes: tuple[str, str],
    up: int,
    at_ms: int,
    plain: bool,
) -> None:
    """Wherever it is branched: every row and delivery from there on, to the nanosecond."""
    setup = _setup(build, virtually, shapes, up, plain=plain)
    whole = Watch()
    run_virtual(setup, on_event=whole)
    parts = Watch()
    kernel = Kernel(setup, parts, None)
    kernel.begin()
    kernel.advance(at_ms * MS)
    before = len(parts.settled), len(parts.delivered)
    for _ in range(2):
        branch = Watch()
        twin = kernel.branch(timing=setup.timing, relays=_same, on_event=branch)
        twin.advance()
        assert branch.settled == whole.settled[before[0] :]
        assert branch.delivered == whole.delivered[before[1] :]
        assert twin.outcome().played == {"front": 12}
    assert (len(parts.settled), len(parts.delivered)) == before
    kernel.advance()
    assert parts.settled == whole.settled
    assert parts.delivered == whole.delivered


def test_going_on_in_steps_changes_nothing(build: Build, virtually: Virtually) -> None:
    """Stopping after every millisecond, before each event at an instant."""
    setup = _setup(build, virtually, ("split", "raw"), 8_000_000, plain=True)
    whole, steps = Watch(), Watch()
    run_virtual(setup, on_event=whole)
    kernel = Kernel(setup, steps, None)
    kernel.begin()
    for at_ms in range(-300, 3_000):
        kernel.advance(at_ms * MS)
        assert all(at_ns < at_ms * MS for at_ns, _ in steps.settled)
    kernel.advance()
    assert steps.settled == whole.settled
    assert whole.settled
