"""Accuracy against bytes: the bottleneck's narrow tensor, and JPEG before the other detectors.

JPEG is tuned in quality and resolution: a picture is made smaller, encoded, decoded and enlarged to
the network's input. The bottleneck's tensor is made coarser in whole steps. Every byte counts that
a codec gives; headers of messages are the same for both and are left out.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from pipeline.tasks.prepare import InputSpec, place, prepare_image, to_tensor
from tools.train.measuring import DECODER, accuracy, input_spec
from tools.train.rendering import pictures
from tools.train.running import OnnxNetwork
from tools.train.sending import CODECS, halves, size_of
from tools.train.sizes import DETECTORS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from pipeline.tasks.outputs.protocol import Boxes
    from tools.train.rendering import Pictures

    Sender = Callable[[NDArray[np.uint8], InputSpec], tuple[NDArray[np.float32], int]]

_QUALITIES = (8, 12, 18, 26, 36, 50, 65, 80, 90)
_SCALES = (1.0, 0.8, 0.65, 0.5)
_STEPS = (1, 2, 3, 4, 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A way to send a picture and what it gives.

    Attributes:
        way: What is sent.
        sent_bytes: A picture, on average.
        ap50: Average precision at an overlap of one half.
    """

    way: str
    sent_bytes: float
    ap50: float


def jpeg(model: Path, size: str, tested: Pictures, chosen: Sequence[int]) -> list[Point]:
    """Points of JPEG before a detector."""
    shape, points = DETECTORS[size], []
    spec = input_spec(shape.width, shape.height)
    with OnnxNetwork(model, "images", "output") as network:
        for scale in _SCALES:
            for quality in _QUALITIES:

                def send(
                    pixels: NDArray[np.uint8],
                    spec: InputSpec,
                    scale: float = scale,
                    quality: int = quality,
                ) -> tuple[NDArray[np.float32], int]:
                    seen, sent = through_jpeg(pixels, scale=scale, quality=quality)
                    return network(to_tensor(seen, spec)), sent

                way = f"JPEG {quality} at {scale:g} of {spec.width}x{spec.height}, {model.stem}"
                points.append(_point(way, send, spec, tested, chosen))
    return points


def bottleneck(model: Path, tested: Pictures, chosen: Sequence[int]) -> list[Point]:
    """Points of the narrow tensor, coarser step by step."""
    shape, points = DETECTORS["bottleneck"], []
    spec = input_spec(shape.width, shape.height)
    with halves(model) as parts:
        for step in _STEPS:

            def send(
                pixels: NDArray[np.uint8], spec: InputSpec, step: int = step
            ) -> tuple[NDArray[np.float32], int]:
                narrow = np.rint(parts.head(to_tensor(pixels, spec)) / step) * np.float32(step)
                ways = [(codec, codec.encode(narrow.astype(np.float32))) for codec in CODECS]
                codec, encoded = min(ways, key=lambda pair: size_of(pair[1]))
                return parts.tail(np.asarray(codec.decode(encoded), np.float32)), size_of(encoded)

            way = f"narrow tensor in steps of {step}, int8 and zstd, {model.stem}"
            points.append(_point(way, send, spec, tested, chosen))
    return points


def through_jpeg(
    pixels: NDArray[np.uint8], *, scale: float, quality: int
) -> tuple[NDArray[np.uint8], int]:
    """Pixels after JPEG at a lower resolution, and the bytes it took.

    Args:
        pixels: Shape (height, width, 3), uint8.
        scale: Of the sides, at most 1.
        quality: 0 to 100.
    """
    height, width = pixels.shape[:2]
    small = pixels
    if scale < 1:
        size = (round(width * scale), round(height * scale))
        small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    _, data = cv2.imencode(".jpg", small, flags)
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    if scale < 1:
        decoded = np.asarray(
            cv2.resize(decoded, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8
        )
    return decoded, int(data.size)


def smallest(points: Sequence[Point], least: float) -> Point | None:
    """The point of fewest bytes that reaches an accuracy; None if none does."""
    good = [point for point in points if point.ap50 >= least]
    return min(good, key=lambda point: point.sent_bytes, default=None)


def front(points: Sequence[Point]) -> list[Point]:
    """Points that no other beats in both, by rising bytes."""
    best, kept = -1.0, []
    for point in sorted(points, key=lambda point: (point.sent_bytes, -point.ap50)):
        if point.ap50 > best:
            best = point.ap50
            kept.append(point)
    return kept


def _point(
    way: str, send: Sender, spec: InputSpec, tested: Pictures, chosen: Sequence[int]
) -> Point:
    found: list[Boxes] = []
    sent = 0
    for index in chosen:
        image = np.asarray(tested.images[index])
        output, size = send(prepare_image(image, spec).pixels, spec)
        sent += size
        geometry = place(image.shape[1], image.shape[0], spec)
        found.append(DECODER.decode({"output": output}, geometry))
    judged = accuracy(found, [tested.boxes[k] for k in chosen], [tested.classes[k] for k in chosen])
    point = Point(way=way, sent_bytes=sent / len(chosen), ap50=judged.at_half)
    print(f"{point.sent_bytes:8.0f} B  AP50 {point.ap50:.3f}  {way}", flush=True)
    return point


def main() -> None:
    """Print both curves and the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("~/.cache/splitway-train").expanduser())
    parser.add_argument("--models", type=Path, default=Path("pipeline/tasks/models"))
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--rivals", nargs="+", default=["small"], choices=sorted(DETECTORS))
    parser.add_argument("--share", type=float, default=1.0, help="of the data, for trials")
    given = parser.parse_args()
    tested = pictures("test", given.data, share=given.share)
    chosen = np.linspace(0, len(tested) - 1, min(given.pictures, len(tested))).astype(int).tolist()
    ours = bottleneck(given.models / "camera-bottleneck.onnx", tested, chosen)
    theirs: list[Point] = []
    for size in given.rivals:
        theirs += jpeg(given.models / f"camera-{size}.onnx", size, tested, chosen)
    print("\nfront of JPEG:")
    for point in front(theirs):
        print(f"{point.sent_bytes:8.0f} B  AP50 {point.ap50:.3f}  {point.way}")
    print("\nbottleneck against the smallest JPEG within one point of it:")
    for point in front(ours):
        rival = smallest(theirs, point.ap50 - 0.01)
        told = (
            f"{point.sent_bytes / rival.sent_bytes:.2f} of {rival.sent_bytes:.0f} B ({rival.way})"
            if rival
            else "no JPEG reaches it"
        )
        print(f"{point.sent_bytes:8.0f} B  AP50 {point.ap50:.3f}  {told}")


if __name__ == "__main__":
    main()
