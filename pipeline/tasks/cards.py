"""Cards of models: what a network reads and gives, what it was trained on, and how good it is.

A card stands beside its model: `model.card.json` beside `model.onnx`.
"""

from __future__ import annotations

import difflib
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import InputError

SUFFIX = ".card.json"
_MOST_BYTES = 1 << 20

Figure = float | int | str | bool | list[float | int]
"""A field of the grid of pillars, or a decoder's parameter."""


def _ratio(value: object) -> object:
    """A factor such as `1/255`, kept as text; a number becomes text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    try:
        ratio = Fraction(str(value)).limit_denominator(100_000)
    except (ValueError, ZeroDivisionError) as err:
        reason = f"must be a number or a fraction such as 1/255, got {value!r}"
        raise ValueError(reason) from err
    if ratio <= 0:
        reason = f"must be above 0, got {value!r}"
        raise ValueError(reason)
    return str(ratio)


_Side = Annotated[int, Field(ge=8, le=8192)]


class _Card(BaseModel):
    """A part of a card; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class CardInput(_Card):
    """What the network reads: a picture (`size`), a LiDAR's `pillars`, or `tracks`.

    Attributes:
        size: Width and height of the picture in pixels.
        color: Order of the channels.
        scale: Factor of the pixels, 0 to 255.
        fit: `letterbox` keeps the proportions, `stretch` fills the input.
        pad: Value of filled pixels.
        pillars: Fields of `pipeline.tasks.pillars.PillarSpec`.
        tracks: Fields of `pipeline.tasks.tracking.histories.HistorySpec`.
    """

    size: tuple[_Side, _Side] | None = None
    color: Literal["bgr", "rgb"] = "bgr"
    scale: Annotated[str, BeforeValidator(_ratio)] = "1"
    fit: Literal["letterbox", "stretch"] = "stretch"
    pad: int = Field(default=114, ge=0, le=255)
    pillars: dict[str, Figure] | None = None
    tracks: dict[str, Figure] | None = None

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        given = [what for what in (self.size, self.pillars, self.tracks) if what is not None]
        if len(given) != 1:
            reason = "needs one of `size` (pictures), `pillars` (LiDAR) and `tracks`"
            raise ValueError(reason)
        return self

    @property
    def ratio(self) -> Fraction:
        """`scale` as a fraction."""
        return Fraction(self.scale)


class CardOutput(_Card):
    """How its outputs become a result.

    Attributes:
        decoder: Name of the output decoder.
        parameters: Its parameters; a scenario may replace single ones.
    """

    decoder: str
    parameters: dict[str, Figure | list[str]] = Field(default_factory=dict)


class ModelCard(_Card):
    """A model's card.

    Attributes:
        card: Version of this form.
        name: Name of the model, as `builtin:NAME` where it is shipped.
        summary: One line for people.
        licence: Licence of the weights, an SPDX name.
        data: What it was trained on.
        seeds: Seeds of that data, and those it was scored on.
        input: What it reads.
        output: How its outputs become a result.
        classes: Names of what it finds, in the order of its columns or channels.
        macs: Multiply-adds of one run; None where nobody counted.
        bytes: Size of the file; another one is refused. None where it is not said.
        sha256: Hash of the file, or its beginning; another one is refused.
        accuracy: Figures on unseen data, by metric; None where it was not measured.
        stateful: Whether its answer hangs on what it saw before: one home site, no hedge, no switch
            during a drive.
        untrained: Whether its weights were never trained, so that it shows timing only.
        notes: What a user should know.
    """

    card: Literal[1]
    name: str = Field(pattern="^[a-z0-9][a-z0-9.-]*$")
    summary: str = ""
    licence: str = ""
    data: str = ""
    seeds: dict[str, int | str | list[int]] = Field(default_factory=dict)
    input: CardInput
    output: CardOutput
    classes: list[str] = Field(default_factory=list)
    macs: int | None = Field(default=None, ge=0)
    bytes: int | None = Field(default=None, ge=1)
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{8,64}$")
    accuracy: dict[str, float | int | None] = Field(default_factory=dict)
    stateful: bool = False
    untrained: bool = False
    notes: list[str] = Field(default_factory=list)

    def parameters(self) -> dict[str, Figure | list[str]]:
        """The decoder's parameters, the classes among them where it has a place for them."""
        given = dict(self.output.parameters)
        key = "names" if self.output.decoder == "masks" else "classes"
        if self.classes and key not in given:
            given[key] = list(self.classes)
        return given


def card_beside(model: Path) -> ModelCard | None:
    """The card of a model file; None where there is none.

    Raises:
        InputError: The card cannot be read, or is not what a card is; each field is named.
    """
    path = model.with_name(model.name.removesuffix(model.suffix) + SUFFIX)
    return read_card(path) if path.is_file() else None


def read_card(path: Path) -> ModelCard:
    """Read a card.

    Raises:
        InputError: It cannot be read, or is not what a card is; each field is named.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path}: is larger than {_MOST_BYTES} bytes")
        return ModelCard.model_validate_json(path.read_bytes())
    except OSError as err:
        raise InputError(f"{path}: cannot be read: {err.strerror}") from err
    except ValidationError as err:
        reasons = [
            f"{'.'.join(map(str, found['loc'])) or 'card'}: "
            + found["msg"].removeprefix("Value error, ")
            for found in err.errors(include_url=False, include_context=False)
        ]
        raise InputError(f"{path}: is no card: {'; '.join(reasons)}") from err


def builtin_names() -> tuple[str, ...]:
    """Names of the models that are shipped with a card, ascending."""
    folder = _folder()
    found = folder.glob(f"*{SUFFIX}") if folder.is_dir() else ()
    names = (path.name.removesuffix(SUFFIX) for path in found)
    return tuple(sorted(name for name in names if (folder / f"{name}.onnx").is_file()))


def builtin_model(name: str, also: tuple[str, ...] = ()) -> Path:
    """File of a shipped model.

    Args:
        name: Its name.
        also: Further names that the message lists.

    Raises:
        InputError: There is none of that name; the message lists them.
    """
    known = sorted({*builtin_names(), *also})
    if name not in builtin_names():
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean builtin:{near[0]}? " if near else ""
        listed = ", ".join(f"builtin:{known_name}" for known_name in known)
        raise InputError(f"builtin:{name}: there is no such model; {hint}there are {listed}")
    return _folder() / f"{name}.onnx"


def _folder() -> Path:
    return Path(__file__).parent / "models"
