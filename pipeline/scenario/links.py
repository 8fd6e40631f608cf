"""The models of a scenario's links: where their figures come from, and what disturbs them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from pipeline.scenario.base import Name, ScenarioModel
from pipeline.scenario.units import Duration, Rate, Ratio, Share


class TraceFiles(ScenarioModel):
    """A recorded link: one file, or a pair of up and down."""

    path: str | None = None
    up: str | None = None
    down: str | None = None
    rtt: Duration | None = None
    format: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The file, or the pair, as written."""
        return tuple(name for name in (self.path, self.up, self.down) if name is not None)


class ProfileChoice(ScenarioModel):
    """A synthetic link, with a seed of its own."""

    name: str
    seed: int | None = Field(default=None, ge=0, le=2**63 - 1)


def _trace_form(value: object) -> str:
    return "map" if isinstance(value, dict | TraceFiles | ProfileChoice) else "text"


class Jitter(ScenarioModel):
    """How the time that half a round trip takes spreads around its median."""

    dist: Literal["lognormal"] = "lognormal"
    sigma: float = Field(gt=0, le=2, allow_inf_nan=False)


class LinkFault(ScenarioModel):
    """What happens to the link once."""

    kind: Literal["blackout", "handover", "slow"]
    at: Duration
    span: Duration = Field(alias="for", gt=0)
    factor: Ratio | None = None
    extra: Duration | None = None


class Link(ScenarioModel):
    """What joins two sites: constants, a recorded trace or a profile; then what disturbs it."""

    between: tuple[str, str]
    up: Rate | None = None
    down: Rate | None = None
    rtt: Duration | None = None
    loss: Share | None = None
    trace: (
        Annotated[
            Annotated[str, Tag("text")] | Annotated[TraceFiles, Tag("map")],
            Discriminator(_trace_form),
        ]
        | None
    ) = None
    profile: (
        Annotated[
            Annotated[str, Tag("text")] | Annotated[ProfileChoice, Tag("map")],
            Discriminator(_trace_form),
        ]
        | None
    ) = None
    jitter: Jitter | None = None
    faults: tuple[LinkFault, ...] = ()
    shares: dict[Name, Share] = Field(default_factory=dict)

    @property
    def trace_files(self) -> TraceFiles | None:
        """The trace, in its long form."""
        return TraceFiles(path=self.trace) if isinstance(self.trace, str) else self.trace

    @property
    def profile_choice(self) -> ProfileChoice | None:
        """The profile, in its long form."""
        return ProfileChoice(name=self.profile) if isinstance(self.profile, str) else self.profile
