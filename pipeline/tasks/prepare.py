"""Preparing of a picture for a network: resize, place, and turn into a tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from pipeline.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Color = Literal["bgr", "rgb"]
Fit = Literal["letterbox", "stretch"]
Layout = Literal["NCHW"]

_CHANNELS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """What a network takes.

    Attributes:
        width: Pixels across.
        height: Pixels down.
        color: Order of the tensor's channels; pictures are always blue, green, red.
        fit: `letterbox` keeps the picture's proportions, puts it to the top left and fills the
            rest with `pad`, as YOLOX does (Megvii-BaseDetection/YOLOX, `preproc`); `stretch` fills
            the whole input, as TwinLiteNet does.
        pad: Value of filled pixels, 0 to 255; YOLOX uses 114.
        scale_numerator: A tensor's value is pixel * numerator / denominator.
        scale_denominator: As above; 255 makes values from 0 to 1.
        layout: Axis order of the tensor.
    """

    width: int
    height: int
    color: Color = "bgr"
    fit: Fit = "letterbox"
    pad: int = 114
    scale_numerator: int = 1
    scale_denominator: int = 1
    layout: Layout = "NCHW"

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise InputError(f"an input of {self.width}x{self.height} pixels is empty")
        if not 0 <= self.pad <= 255:  # noqa: PLR2004 - uint8
            raise InputError(f"pad is a pixel's value, 0 to 255, not {self.pad}")
        if self.scale_numerator < 1 or self.scale_denominator < 1:
            raise InputError("scale is a ratio of two positive whole numbers, such as 1/255")


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """Where a picture lies inside a network's input; always from the top left corner.

    Attributes:
        source_width: Width of the original picture in pixels.
        source_height: Height of the original picture in pixels.
        placed_width: Width of the picture inside the input; the rest to the right is pad.
        placed_height: Height of the picture inside the input; the rest below is pad.
        input_width: Width of the input.
        input_height: Height of the input.
    """

    source_width: int
    source_height: int
    placed_width: int
    placed_height: int
    input_width: int
    input_height: int

    @property
    def scale_x(self) -> float:
        """Input pixels per original pixel, across."""
        return self.placed_width / self.source_width

    @property
    def scale_y(self) -> float:
        """Input pixels per original pixel, down."""
        return self.placed_height / self.source_height


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where a network's grid lies on the ground, in the ego frame (x forward, y left), metres.

    Attributes:
        x_m: Least x of the grid.
        y_m: Least y of the grid.
        cell_m: Side of a cell of the input.
        rows: Cells along x; row 0 lies at `x_m`.
        columns: Cells along y; column 0 lies at `y_m`.
    """

    x_m: float
    y_m: float
    cell_m: float
    rows: int
    columns: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrackWindow:
    """Whose rows a forecaster's input and output hold.

    Attributes:
        tracks: Numbers of the tracks of the first rows; shape (n,), int64.
        places_m: Their newest places, x and y, newest ego frame, metres; shape (n, 2), float32.
        step_ns: Time between two places that the network gives, ns.
        rows: Rows of input and output; those beyond `tracks` are empty.
        futures: Places that it gives of each.
    """

    tracks: NDArray[np.int64]
    places_m: NDArray[np.float32]
    step_ns: int
    rows: int
    futures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedFrame:
    """A picture made to fit a network's input; what a whole frame's route sends.

    Attributes:
        pixels: Shape (input height, input width, 3), uint8, channels blue, green, red.
        geometry: Where the picture lies in it.
    """

    pixels: NDArray[np.uint8]
    geometry: Geometry


def place(source_width: int, source_height: int, spec: InputSpec) -> Geometry:
    """Say where a picture of this size comes to lie; whole-number arithmetic, rounded down.

    Raises:
        InputError: The picture is empty.
    """
    if source_width < 1 or source_height < 1:
        raise InputError(f"a picture of {source_width}x{source_height} pixels is empty")
    width, height = spec.width, spec.height
    if spec.fit == "letterbox":
        if spec.width * source_height <= spec.height * source_width:  # the width decides
            height = max(1, source_height * spec.width // source_width)
        else:
            width = max(1, source_width * spec.height // source_height)
    return Geometry(
        source_width=source_width,
        source_height=source_height,
        placed_width=width,
        placed_height=height,
        input_width=spec.width,
        input_height=spec.height,
    )


def prepare_image(image: NDArray[np.uint8], spec: InputSpec) -> PreparedFrame:
    """Resize a picture (bilinear) and place it in the network's input.

    The same picture gives the same pixels. OpenCV uses as many threads as its process allows;
    a live process sets that to one.

    Args:
        image: Shape (height, width, 3), uint8, channels blue, green, red.
        spec: What the network takes.

    Raises:
        InputError: Not such a picture.
    """
    if image.ndim != 3 or image.shape[2] != _CHANNELS or image.dtype != np.uint8:  # noqa: PLR2004
        raise InputError(
            f"a picture is uint8 (height, width, 3), not {image.dtype}{list(image.shape)}"
        )
    geometry = place(image.shape[1], image.shape[0], spec)
    size = (geometry.placed_width, geometry.placed_height)
    if size == (spec.width, spec.height):
        resized = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        pixels = np.asarray(resized, dtype=np.uint8, order="C")
        return PreparedFrame(pixels=pixels, geometry=geometry)
    pixels = np.full((spec.height, spec.width, _CHANNELS), spec.pad, np.uint8)
    inside = pixels[: geometry.placed_height, : geometry.placed_width]
    inside[...] = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return PreparedFrame(pixels=pixels, geometry=geometry)


def to_tensor(pixels: NDArray[np.uint8], spec: InputSpec) -> NDArray[np.float32]:
    """Turn prepared pixels into the network's tensor.

    Args:
        pixels: Shape (height, width, 3), uint8, channels blue, green, red, of the input's size.
        spec: What the network takes.

    Returns:
        Shape (1, 3, height, width), float32, C-contiguous, channels in the order of `spec.color`,
        values pixel * numerator / denominator, each step rounded to float32.

    Raises:
        InputError: The pixels are not of the input's size.
    """
    if pixels.shape != (spec.height, spec.width, _CHANNELS) or pixels.dtype != np.uint8:
        raise InputError(
            f"prepared pixels are uint8 {[spec.height, spec.width, _CHANNELS]}, "
            f"not {pixels.dtype}{list(pixels.shape)}"
        )
    planes = cv2.split(pixels)
    tensor = np.empty((1, _CHANNELS, spec.height, spec.width), np.float32)
    for channel, plane in enumerate(planes if spec.color == "bgr" else reversed(planes)):
        tensor[0, channel] = plane
    if spec.scale_numerator != 1:
        tensor *= np.float32(spec.scale_numerator)
    if spec.scale_denominator != 1:
        tensor /= np.float32(spec.scale_denominator)
    return tensor
