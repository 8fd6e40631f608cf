"""Parts that the schemas of all spec files share: figures with sources, names, links, spread."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Source = Annotated[str, Field(min_length=8, description="Where the figure comes from")]
DeviceId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,62}$")]


class Strict(BaseModel):
    """Base of all parts of a spec: unknown keys, coerced types and changes are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Count(Strict):
    """A figure that may be zero: a whole number in the unit of its key, and its source."""

    value: int = Field(ge=0, le=10**18)
    source: Source


class Rate(Strict):
    """A figure that is divided by: a whole number above zero, and its source."""

    value: int = Field(ge=1, le=10**18)
    source: Source


class Share(Strict):
    """A share in thousandths, above zero and at most one, and its source."""

    value: int = Field(ge=1, le=1000)
    source: Source


class BiasSpec(Strict):
    """The 10 % and the 90 % quantile of true latency over modelled latency, in thousandths."""

    low_permille: int = Field(ge=1, le=1000)
    high_permille: int = Field(ge=1000, le=100_000)
    source: Source


class JitterSpec(Strict):
    """Spread of run time from run to run: a log-normal of this sigma (ppm) around the median."""

    sigma_ppm: int = Field(ge=0, le=1_000_000)
    source: Source


class LinkSpec(Strict):
    """Link of a card to its host's memory; a device without one shares that memory.

    Attributes:
        bytes_per_s: Payload bandwidth, one direction.
        transfer_ns: Fixed time of one transfer; a run needs two.
    """

    bytes_per_s: Rate
    transfer_ns: Count


class FallbackSpec(Strict):
    """Operators that the device does not run, and what running them on its host costs.

    Attributes:
        host: Name of the host, as cost shares write it.
        op_types: ONNX operator types that fall back, with the reason in `source`.
        source: Where the list comes from.
        macs_per_s: Multiply-adds a second there.
        elements_per_s: Elements a second there, for operators without multiply-adds.
        copy_bytes_per_s: Bandwidth of the copies to the host and back.
        copy_ns: Fixed time of one copy; a fallback needs two.
    """

    host: DeviceId
    op_types: list[str]
    source: Source
    macs_per_s: Rate
    elements_per_s: Rate
    copy_bytes_per_s: Rate
    copy_ns: Count
