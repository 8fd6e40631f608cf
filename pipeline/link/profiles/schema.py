"""What a profile's TOML file says; every figure has its source beside it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.link.steps import PPM

_MOST_STEPS = 1_000_000

Source = Annotated[str, Field(min_length=7, description="Where the figure comes from, or assumed")]
StateName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Range(_Strict):
    """A figure that is drawn evenly between two bounds at every step."""

    low: int = Field(ge=0, le=10**12)
    high: int = Field(ge=0, le=10**12)
    source: Source

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self


class Figure(_Strict):
    """One whole number."""

    value: int = Field(ge=0, le=10**12)
    source: Source


class Moves(_Strict):
    """Where a state goes when it is left: weights by name."""

    weights: dict[StateName, Annotated[int, Field(ge=1, le=PPM)]] = Field(min_length=1)
    source: Source


class State(_Strict):
    """A condition of the link.

    Attributes:
        up_bits_per_s: Rate from the vehicle to the cloud.
        down_bits_per_s: Rate back.
        rtt_us: Round trip of an empty message.
        loss_ppm: Share of packets lost, in parts per million.
        dwell_ms: Mean time that the state lasts, geometrically distributed.
        next: Which state follows.
    """

    up_bits_per_s: Range
    down_bits_per_s: Range
    rtt_us: Range
    loss_ppm: Figure
    dwell_ms: Figure
    next: Moves


class Profile(_Strict):
    """A seeded Markov chain over states of a link.

    Attributes:
        name: Name that a scenario gives.
        label: Always `synthetic`: no profile is a recording.
        description: One sentence for people.
        step_ms: Time between two draws.
        length_ms: Length of the trace made of it, which then repeats.
        start: State at t0.
        states: States by name.
    """

    name: StateName
    label: Literal["synthetic"]
    description: str = Field(min_length=1)
    step_ms: int = Field(ge=1, le=60_000)
    length_ms: int = Field(ge=1_000, le=7_200_000)
    start: StateName
    states: dict[StateName, State] = Field(min_length=1, max_length=32)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.length_ms % self.step_ms or self.length_ms // self.step_ms > _MOST_STEPS:
            raise ValueError("length_ms must be a multiple of step_ms, at most a million of them")
        if self.start not in self.states:
            raise ValueError(f"start: there is no state {self.start!r}")
        for name, state in self.states.items():
            for other in state.next.weights:
                if other not in self.states:
                    raise ValueError(f"states.{name}.next: there is no state {other!r}")
            if state.dwell_ms.value < self.step_ms:
                raise ValueError(f"states.{name}.dwell_ms: is shorter than a step")
            if state.loss_ppm.value >= PPM:
                raise ValueError(f"states.{name}.loss_ppm: must be below {PPM}")
        return self
