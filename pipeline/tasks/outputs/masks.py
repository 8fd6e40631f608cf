"""Decoder of segmentation outputs: masks, packed to bits where they cross."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import InputError, OutputContractError
from pipeline.tasks.outputs.names import choice, name_list, share
from pipeline.tasks.outputs.protocol import (
    MaskSet,
    only_output,
    require_finite,
    require_picture,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.tasks.outputs.protocol import Array, Placement, Result, ResultKind
    from pipeline.tasks.prepare import Geometry

MOST_MASKS = 16
MOST_PIXELS = 1 << 26
"""Most pixels of all masks of one result, 64 Mi; bounds what a received result may unpack to."""

_LONGEST_NAME = 64  # bytes
_LEVEL = 1  # of zlib; masks are so regular that higher levels cost time and save little
_VERSION = 1
_HEAD = np.dtype([("version", "u1"), ("count", "u1"), ("height", "<u2"), ("width", "<u2")])
_LARGEST_SIDE = 65_535  # uint16
_AXES = 4  # batch, channels, height, width


class Masks:
    """Decodes segmentation outputs, float32, into one mask a name.

    With `form: argmax` an output is a mask, its shape (1, 2, height, width): a pixel is set where
    class 1 is greater. TwinLiteNet's outputs are `da` (drivable area) and `ll` (lane lines) (Che et
    al., TwinLiteNet, 2023, arXiv 2307.10705). With `form: sigmoid` the network has one output of
    shape (1, names, height, width), logits: a pixel is set where its sigmoid is above `threshold`.
    Height and width are the input's, or the input's divided by one whole number; pad is cut away,
    so a mask covers the whole original picture at the output's resolution.

    A result crosses without loss as little-endian bytes: version (uint8, 1), count (uint8), height
    and width (uint16 each), then for each mask its name (length as uint8, then UTF-8), then the
    bits of all masks, row by row, most significant bit first, the last byte filled with zeros,
    deflated by zlib.

    Args:
        names: With `argmax` outputs to take, in order, as a list or parted by commas; all the
            network has, in the alphabet's order, where empty. With `sigmoid` names of the channels.
        form: `argmax` or `sigmoid`.
        threshold: Of `sigmoid`: the share above which a pixel is set, 0 and 1 left out.

    Raises:
        InputError: A name is empty, too long or comes twice, there are more than 16, or `sigmoid`
            has none; a form is unknown, or the threshold out of its range.
    """

    def __init__(
        self, names: str | Sequence[str] = "", form: str = "argmax", threshold: float = 0.5
    ) -> None:
        self.names = name_list("masks: names", names)
        self.form = choice("masks: form", form, ("argmax", "sigmoid"))
        if not 0 < share("masks: threshold", threshold) < 1:
            raise InputError(f"masks: threshold lies between 0 and 1, not at {threshold}")
        self._least_logit = math.log(threshold / (1 - threshold))
        if form == "sigmoid" and not self.names:
            raise InputError("masks: names are needed with form: sigmoid, one a channel")
        if len(self.names) > MOST_MASKS or any(
            len(name.encode()) > _LONGEST_NAME for name in self.names
        ):
            raise InputError(
                f"masks: names are up to {MOST_MASKS} of {_LONGEST_NAME} bytes, not {names!r}"
            )

    @property
    def name(self) -> str:
        """Name as a scenario writes it."""
        return "masks"

    @property
    def kind(self) -> ResultKind:
        """Masks of a picture."""
        return "masks"

    def decode(self, outputs: Mapping[str, Array], geometry: Placement) -> MaskSet:
        """Decode the network's outputs into masks of the original picture.

        Raises:
            OutputContractError: A named output is missing, or one has another shape or dtype, or
                a value that is not finite.
        """
        picture = require_picture(self.name, geometry)
        if self.form == "sigmoid":
            return self._of_channels(outputs, picture)
        names = self.names or tuple(sorted(outputs))
        if not 1 <= len(names) <= MOST_MASKS:
            raise OutputContractError(self.name, f"{len(names)} outputs, not 1 to {MOST_MASKS}")
        found = [only_output(self.name, outputs, name)[1] for name in names]
        stride = self._stride(found[0], picture)
        size = (picture.input_height // stride, picture.input_width // stride)
        high, wide = _placed(picture, stride)
        masks = np.empty((len(names), high, wide), np.bool_)
        for mask, name, output in zip(masks, names, found, strict=True):
            require_finite(self.name, name, output, (1, 2, *size))
            values = np.asarray(output, dtype=np.float32)[0, :, :high, :wide]
            np.greater(values[1], values[0], out=mask)
        return MaskSet(names=names, masks=masks)

    def _of_channels(self, outputs: Mapping[str, Array], picture: Geometry) -> MaskSet:
        """Masks of the only output, one a channel."""
        name, output = only_output(self.name, outputs)
        stride = self._stride(output, picture)
        size = (picture.input_height // stride, picture.input_width // stride)
        require_finite(self.name, name, output, (1, len(self.names), *size))
        high, wide = _placed(picture, stride)
        values = np.asarray(output, dtype=np.float32)[0, :, :high, :wide]
        return MaskSet(names=self.names, masks=values > self._least_logit)

    def _stride(self, output: Array, picture: Geometry) -> int:
        """Input pixels per output pixel; 1 where they do not fit, which the shape's check tells."""
        high = output.shape[2] if output.ndim == _AXES else 0
        stride = picture.input_height // high if high else 1
        fits = stride > 0 and not (picture.input_height % stride or picture.input_width % stride)
        return stride if fits else 1

    def encode(self, result: Result) -> NDArray[np.uint8]:
        """Write masks as described above; shape (bytes,).

        Raises:
            OutputContractError: Not masks, or more or larger ones than can cross.
        """
        found = self._masks(result)
        count, height, width = found.masks.shape
        self._require_size(count, height, width)
        head = np.zeros(1, _HEAD)
        head[0] = (_VERSION, count, height, width)
        names = b"".join(bytes([len(n.encode())]) + n.encode() for n in found.names)
        bits = np.packbits(found.masks.reshape(-1))
        data = head.tobytes() + names + zlib.compress(bits.data, _LEVEL)
        return np.frombuffer(data, np.uint8)

    def decode_result(self, buffer: NDArray[np.uint8]) -> MaskSet:
        """Read masks from bytes; unpacks no more than the declared size.

        Raises:
            OutputContractError: Version, names, size or the packed bits do not fit.
        """
        data = np.ascontiguousarray(buffer, dtype=np.uint8).tobytes()
        if len(data) < _HEAD.itemsize:
            raise OutputContractError(self.name, "the result is cut short")
        head = np.frombuffer(data, _HEAD, count=1)[0]
        if int(head["version"]) != _VERSION:
            raise OutputContractError(self.name, f"version {int(head['version'])} is unknown")
        count, height, width = int(head["count"]), int(head["height"]), int(head["width"])
        self._require_size(count, height, width)
        names, at = self._read_names(data, count)
        size = count * height * width
        packed_size = (size + 7) // 8
        unpacker = zlib.decompressobj()
        try:
            bits = unpacker.decompress(data[at:], packed_size + 1)
        except zlib.error as err:
            raise OutputContractError(self.name, f"the masks do not unpack: {err}") from err
        if len(bits) != packed_size or not unpacker.eof or unpacker.unused_data:
            raise OutputContractError(self.name, f"the masks do not unpack to {packed_size} bytes")
        pixels = np.unpackbits(np.frombuffer(bits, np.uint8), count=size).view(np.bool_)
        return MaskSet(names=names, masks=pixels.reshape(count, height, width))

    def agreement(self, result: Result, reference: Result) -> float:
        """Mean over the masks of intersection over union; 1 for a mask that is empty in both.

        Raises:
            OutputContractError: One of them is not masks, or names or sizes differ.
        """
        found, wanted = self._masks(result), self._masks(reference)
        if found.names != wanted.names or found.masks.shape != wanted.masks.shape:
            raise OutputContractError(self.name, "masks of other names or sizes do not compare")
        shared = np.count_nonzero(found.masks & wanted.masks, axis=(1, 2))
        union = np.count_nonzero(found.masks | wanted.masks, axis=(1, 2))
        overlaps = np.ones(len(found.names))
        np.divide(shared, union, out=overlaps, where=union > 0)
        return float(overlaps.mean())

    def _masks(self, result: Result) -> MaskSet:
        if not isinstance(result, MaskSet):
            raise OutputContractError(self.name, f"takes masks, not {type(result).__name__}")
        return result

    def _require_size(self, count: int, height: int, width: int) -> None:
        if (
            not 1 <= count <= MOST_MASKS
            or not 1 <= height <= _LARGEST_SIDE
            or not 1 <= width <= _LARGEST_SIDE
            or count * height * width > MOST_PIXELS
        ):
            raise OutputContractError(
                self.name, f"{count} masks of {width}x{height} pixels are too few or too many"
            )

    def _read_names(self, data: bytes, count: int) -> tuple[tuple[str, ...], int]:
        """Names of the masks, and where the packed bits begin."""
        names, at = [], _HEAD.itemsize
        for _ in range(count):
            length = data[at] if at < len(data) else 0
            raw = data[at + 1 : at + 1 + length]
            at += 1 + length
            if not 0 < length <= _LONGEST_NAME or len(raw) != length:
                raise OutputContractError(self.name, "a mask's name is missing or too long")
            try:
                names.append(raw.decode())
            except UnicodeDecodeError as err:
                raise OutputContractError(self.name, "a mask's name is no text") from err
        if len(set(names)) != count or (self.names and tuple(names) != self.names):
            raise OutputContractError(self.name, f"masks {names}, expected {list(self.names)}")
        return tuple(names), at


def _placed(picture: Geometry, stride: int) -> tuple[int, int]:
    """Rows and columns of an output that the picture covers, rounded up."""
    return -(-picture.placed_height // stride), -(-picture.placed_width // stride)
