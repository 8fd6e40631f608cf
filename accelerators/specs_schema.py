"""Schema of the TOML files that describe devices and hosts; every figure carries its source."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from accelerators.errors import SpecError
from accelerators.specs_parts import (
    BiasSpec,
    Count,
    DeviceId,
    FallbackSpec,
    JitterSpec,
    LinkSpec,
    Rate,
    Share,
    Source,
    Strict,
)
from accelerators.specs_schema_npu import SegmentNpuSpec
from accelerators.specs_schema_pim import PackageSpec, PimSpec
from accelerators.work import Label, Precision

if TYPE_CHECKING:
    from collections.abc import Collection
    from importlib.resources.abc import Traversable

    from pydantic_core import ErrorDetails

# A spec is a page of text; a file far above that is not one.
_MOST_BYTES = 1_000_000
_LONGEST_SHOWN = 60  # characters of a value in an error
_POINT_NUMBERS = 2

StageName = Annotated[str, Field(pattern=r"^[a-z0-9_-]+(:[a-z0-9_.-]+)*$")]


class ComputeSpec(Strict):
    """What the arithmetic reaches in one precision.

    Attributes:
        peak_macs_per_s: Multiply-adds a second at full use.
        dense_permille: Share of the peak in a convolution whose window is deep enough.
        depthwise_permille: Share of the peak in a convolution over windows of one channel.
        matmul_permille: Share of the peak in a matrix product.
        vector_elements_per_s: Elements a second in every other operator.
    """

    peak_macs_per_s: Rate
    dense_permille: Share
    depthwise_permille: Share
    matmul_permille: Share
    vector_elements_per_s: Rate


class MemorySpec(Strict):
    """Outer memory, and what of weights and activations stays inside.

    Attributes:
        bytes_per_s: Bandwidth of the outer memory.
        weight_cache_bytes: Weights up to this size are held on chip between runs.
        activation_buffer_bytes: An operator's live tensors up to this size stay on chip.
    """

    bytes_per_s: Rate
    weight_cache_bytes: Count
    activation_buffer_bytes: Count


class OverheadSpec(Strict):
    """Time (ns) that belongs to no arithmetic: once per run, and once per operator that runs."""

    run_ns: Count
    op_ns: Count


class PowerSpec(Strict):
    """Electrical power (mW) while a run is under way."""

    active_mw: Rate


class NpuSpec(Strict):
    """A device that computes next to its own memory, described by a roofline."""

    schema_: Literal["splitway.device/1"] = Field(alias="schema")
    id: DeviceId
    kind: Literal["npu"]
    title: str = Field(min_length=3)
    vendor: str = Field(min_length=2)
    label: Label
    checked: str = Field(min_length=8, description="What the prices were compared with")
    notes: list[str] = Field(default_factory=list)
    compute: dict[Precision, ComputeSpec] = Field(min_length=1)
    memory: MemorySpec
    overhead: OverheadSpec
    link: LinkSpec | None = None
    fallback: FallbackSpec | None = None
    power: PowerSpec | None = None
    bias: BiasSpec
    jitter: JitterSpec


class StageSpec(Strict):
    """Time of a host stage over the elements it works on.

    Either `fixed_ns` and `ps_per_element`, a straight line, or `points`: pairs of elements and
    nanoseconds, joined by straight lines, level below the first and going on beyond the last with
    the slope of the last piece.

    Attributes:
        elements: What is counted, in words.
        label: How far this stage's time can be believed.
        source: How it was measured, or where it comes from.
        fixed_ns: Time at no element.
        ps_per_element: Picoseconds per element.
        points: At least two pairs; elements rise, nanoseconds never fall.
    """

    elements: str = Field(min_length=3)
    label: Label
    source: Source
    fixed_ns: int | None = Field(default=None, ge=0, le=10**12)
    ps_per_element: int | None = Field(default=None, ge=0, le=10**12)
    points: list[list[int]] | None = None

    @model_validator(mode="after")
    def _one_rising_form(self) -> Self:
        line = self.fixed_ns is not None and self.ps_per_element is not None
        part = self.fixed_ns is not None or self.ps_per_element is not None
        if part != line or line == (self.points is not None):
            msg = "needs either fixed_ns and ps_per_element, or points"
            raise ValueError(msg)
        if self.points is None:
            return self
        pairs = all(len(point) == _POINT_NUMBERS and min(point) >= 0 for point in self.points)
        if not pairs or len(self.points) < _POINT_NUMBERS:
            msg = "points needs at least two pairs of elements and nanoseconds, none negative"
            raise ValueError(msg)
        steps = list(zip(self.points, self.points[1:], strict=False))
        if not all(left[0] < right[0] and left[1] <= right[1] for left, right in steps):
            msg = "points must rise in elements and never fall in nanoseconds"
            raise ValueError(msg)
        return self


class HostSpec(Strict):
    """A host: what stages and hops cost on it, and how fast it runs operators itself."""

    schema_: Literal["splitway.host/1"] = Field(alias="schema")
    id: DeviceId
    kind: Literal["host"]
    title: str = Field(min_length=3)
    label: Label
    machine: str = Field(min_length=8, description="Class of the machine that was measured")
    notes: list[str] = Field(default_factory=list)
    compute: dict[Precision, ComputeSpec] = Field(min_length=1)
    memory: MemorySpec
    overhead: OverheadSpec
    power: PowerSpec | None = None
    bias: BiasSpec
    jitter: JitterSpec
    stages: dict[StageName, StageSpec] = Field(min_length=1)


AnyNpuSpec = NpuSpec | SegmentNpuSpec
AnySpec = AnyNpuSpec | HostSpec | PimSpec | PackageSpec
Spec = Annotated[
    Annotated[AnyNpuSpec, Field(discriminator="schema_")] | HostSpec | PimSpec | PackageSpec,
    Field(discriminator="kind"),
]
_SPEC: TypeAdapter[AnySpec] = TypeAdapter(Spec)


def read_spec(file: Traversable, *, source: str) -> AnySpec:
    """Read and validate one spec.

    Args:
        file: The TOML file; a `Path` will do.
        source: Its name in errors and reports.

    Raises:
        SpecError: It is not TOML or contradicts the schema; every problem is named at once.
        FileNotFoundError: There is no such file.
    """
    content = file.read_bytes()
    if len(content) > _MOST_BYTES:
        raise SpecError(source, f"{len(content)} bytes are too many for a spec")
    fields: dict[str, object] = {}
    try:
        fields = tomllib.loads(content.decode("utf-8"))
        return _SPEC.validate_python(fields)
    except ValidationError as err:
        problems = (
            _problem(error, {fields.get("kind"), fields.get("schema")})
            for error in err.errors(include_url=False)
        )
        raise SpecError(source, "; ".join(problems)) from err
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as err:
        raise SpecError(source, f"not TOML: {err}") from err
    except RecursionError as err:
        raise SpecError(source, "nested too deeply") from err


def _problem(error: ErrorDetails, tags: Collection[object]) -> str:
    """What is wrong with a field, by its place in the file, and the value that is there."""
    place = list(error["loc"])
    while place and place[0] in tags:  # which form the file is of stands before its fields
        del place[0]
    where, found = ".".join(str(part) for part in place) or "file", repr(error["input"])
    said = error["msg"].startswith("Input should") and len(found) <= _LONGEST_SHOWN
    return f"{where}: {error['msg']}{f', not {found}' if said else ''}"
