"""Results of tasks, and the protocol of what decodes a network's output into one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from pipeline.errors import OutputContractError
from pipeline.tasks.prepare import Geometry, Ground, TrackWindow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.generic[object]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boxes:
    """Objects found in one picture, the surest first.

    Attributes:
        xyxy: Left, top, right, bottom in pixels of the original picture, from the top left corner,
            inside the picture; shape (n, 4), float32.
        scores: From 0 to 1, falling; shape (n,), float32.
        classes: Index into `names`; shape (n,), int64.
        names: Names of all classes the network knows.
    """

    xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MaskSet:
    """Areas found in one picture, one mask a name.

    Attributes:
        names: Names of the masks, in order.
        masks: Shape (names, height, width), bool; covers the whole original picture at the
            network's own, usually lower, resolution.
    """

    names: tuple[str, ...]
    masks: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boxes3D:
    """Objects found in space, ego frame (x forward, y left, z up), the surest first.

    Attributes:
        centres_m: Middle of the box; shape (n, 3), float32.
        sizes_m: Length, width, height; shape (n, 3), float32.
        yaws_rad: Heading against x, counter-clockwise, from -pi to pi; shape (n,), float32.
        velocities_mps: Over ground, ego axes; shape (n, 2), float32; NaN where unknown.
        scores: From 0 to 1, falling; shape (n,), float32.
        classes: Index into `names`; shape (n,), int64.
        names: Names of all classes the network knows.
    """

    centres_m: NDArray[np.float32]
    sizes_m: NDArray[np.float32]
    yaws_rad: NDArray[np.float32]
    velocities_mps: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Forecasts:
    """Where tracked objects are expected, in the ego frame of the frame they were forecast from.

    Attributes:
        tracks: Numbers of the tracks; shape (n,), int64.
        step_ns: Distance of two steps, ns; the first is one `step_ns` ahead.
        positions_m: X and y; shape (n, steps, 2), float32.
    """

    tracks: NDArray[np.int64]
    step_ns: int
    positions_m: NDArray[np.float32]


Result = Boxes | MaskSet | Boxes3D | Forecasts
ResultKind = Literal["boxes", "masks", "boxes_3d", "forecasts"]

Placement = Geometry | Ground | TrackWindow
"""What a network's output is about: a picture, the ground around the own vehicle, or tracks."""


class OutputDecoder(Protocol):
    """Turns a network's output into a result, and a result into bytes and back; stateless."""

    @property
    def name(self) -> str:
        """Name as a scenario writes it."""

    @property
    def kind(self) -> ResultKind:
        """What its results are."""

    def decode(self, outputs: Mapping[str, Array], geometry: Placement) -> Result:
        """Decode a network's outputs, given by their names in the graph.

        Raises:
            OutputContractError: Number, shape, dtype or values do not fit this decoder; values
                that are not finite never pass.
        """

    def encode(self, result: Result) -> NDArray[np.uint8]:
        """Make a result ready to cross, without loss; shape (bytes,).

        Raises:
            OutputContractError: The result is not of this decoder's kind.
        """

    def decode_result(self, buffer: NDArray[np.uint8]) -> Result:
        """Give a result back from its bytes.

        Raises:
            OutputContractError: The bytes are no result of this decoder.
        """

    def agreement(self, result: Result, reference: Result) -> float:
        """How far a result agrees with another of the same picture; from 0 to 1.

        Raises:
            OutputContractError: One of them is not of this decoder's kind.
        """


def require_picture(decoder: str, placement: Placement) -> Geometry:
    """The place of the input in its picture.

    Raises:
        OutputContractError: The network does not read pictures.
    """
    if not isinstance(placement, Geometry):
        raise OutputContractError(decoder, "is for networks that read pictures")
    return placement


def require_ground(decoder: str, placement: Placement) -> Ground:
    """The place of the input's grid on the ground.

    Raises:
        OutputContractError: The network does not read the pillars of a LiDAR.
    """
    if not isinstance(placement, Ground):
        raise OutputContractError(decoder, "is for networks that read the pillars of a LiDAR")
    return placement


def require_tracks(decoder: str, placement: Placement) -> TrackWindow:
    """Whose rows the output holds.

    Raises:
        OutputContractError: The network does not read tracks.
    """
    if not isinstance(placement, TrackWindow):
        raise OutputContractError(decoder, "is for networks that read tracks")
    return placement


def only_output(decoder: str, outputs: Mapping[str, Array], name: str = "") -> tuple[str, Array]:
    """The output of this name, or the only one where the name is empty.

    Raises:
        OutputContractError: It is not there, or there are several and none is named.
    """
    if name:
        if name not in outputs:
            known = ", ".join(sorted(outputs))
            raise OutputContractError(decoder, f"no output {name}; the network has {known}")
        return name, outputs[name]
    if len(outputs) != 1:
        raise OutputContractError(decoder, f"takes one output, not {len(outputs)}")
    return next(iter(outputs.items()))


def require_finite(decoder: str, name: str, values: Array, shape: tuple[int | None, ...]) -> None:
    """Refuse an output of another dtype than float32, another shape, or with a value not finite.

    Args:
        decoder: Name for the message.
        name: The output's name in the graph, for the message.
        values: The output.
        shape: Expected lengths of the axes; None where any length is right.

    Raises:
        OutputContractError: It does not fit.
    """
    wanted = ", ".join("any" if length is None else str(length) for length in shape)
    if values.dtype != np.float32:
        raise OutputContractError(decoder, f"output {name} is {values.dtype}, expected float32")
    if len(values.shape) != len(shape) or any(
        length is not None and length != found
        for length, found in zip(shape, values.shape, strict=True)
    ):
        raise OutputContractError(
            decoder, f"output {name} has shape {list(values.shape)}, expected [{wanted}]"
        )
    if not np.isfinite(np.asarray(values, dtype=np.float32)).all():
        raise OutputContractError(decoder, f"output {name} has values that are not finite")
