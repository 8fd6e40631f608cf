"""What a site's TOML file says; every figure has its source beside it, or is called assumed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Source = Annotated[str, Field(min_length=7, description="Where it comes from, or assumed")]
SiteName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
DeviceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]

ASSUMED = "assumed"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Fact(_Strict):
    """Something published about the site."""

    text: str = Field(min_length=1)
    source: Source


class HostChoice(_Strict):
    """The host that prices host stages there."""

    value: str = Field(min_length=1)
    source: Source


class SiteDevice(_Strict):
    """A device that stands there unless the scenario names its own."""

    spec: str = Field(min_length=1)
    slots: int = Field(default=1, ge=1, le=64)
    batch: int = Field(default=1, ge=1, le=64)
    precision: Literal["float32", "float16", "int8", "w8a16"] | None = None
    source: Source


class Whole(_Strict):
    """A whole number with its source."""

    value: int = Field(ge=0, le=10**12)
    source: Source


class Positive(_Strict):
    """A whole number above zero with its source."""

    value: int = Field(ge=1, le=10**12)
    source: Source


class Loss(_Strict):
    """A share of packets in parts per million; below all of them, or nothing ever arrives."""

    value: int = Field(ge=0, lt=1_000_000)
    source: Source


class Sigma(_Strict):
    """A sigma in thousandths."""

    value: int = Field(ge=0, le=2_000)
    source: Source


class SiteLink(_Strict):
    """The network between a car and the site, unless the scenario's link has figures of its own.

    Attributes:
        label: How far it can be believed: `measured` for a user's own measurement.
        description: One line for people.
        up_bits_per_s: Rate from the car to the site.
        down_bits_per_s: Rate back.
        rtt_us: Round trip of an empty message.
        loss_ppm: Share of packets lost, in parts per million.
        jitter_permille: Sigma of the lognormal factor on half a round trip, in thousandths; 0 for
            none.
    """

    label: Literal["assumed", "measured"]
    description: str = Field(min_length=1)
    up_bits_per_s: Positive
    down_bits_per_s: Positive
    rtt_us: Whole
    loss_ppm: Loss
    jitter_permille: Sigma


class SiteProfile(_Strict):
    """A cloud site.

    Attributes:
        name: Name that a scenario gives.
        title: The name that people know it by.
        description: One sentence.
        published: What is published about it, with sources.
        host: Host that prices host stages there.
        devices: Devices that stand there by default: one, since a run takes one.
        link: The network to it.
    """

    name: SiteName
    title: str = Field(min_length=1)
    description: str = Field(min_length=1)
    published: Annotated[tuple[Fact, ...], Field(strict=False)] = ()
    host: HostChoice
    devices: dict[DeviceName, SiteDevice] = Field(min_length=1, max_length=1)
    link: SiteLink

    def assumptions(self) -> tuple[str, ...]:
        """Which of its figures are assumed, wholly or in part, with what is said about each."""
        told = {
            "host": self.host.source,
            **{f"devices.{name}": device.source for name, device in self.devices.items()},
            "link.up": self.link.up_bits_per_s.source,
            "link.down": self.link.down_bits_per_s.source,
            "link.rtt": self.link.rtt_us.source,
            "link.loss": self.link.loss_ppm.source,
            "link.jitter": self.link.jitter_permille.source,
        }
        return tuple(f"{key}: {source}" for key, source in told.items() if ASSUMED in source)
