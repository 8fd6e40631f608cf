"""A detector by colour and shape alone, to show that the synthetic pictures are no toy.

It takes what stands out of the road's and the sky's colour below the horizon, joins it to blobs,
and names a blob by the proportions of its box: what one would write in an afternoon.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from pipeline.tasks.outputs.protocol import Boxes
from sensors.labels import LABEL_CLASSES
from tools.train.measuring import accuracy
from tools.train.rendering import pictures

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST_AREA = 24  # pixels of a blob
_MOST_SHARE = 0.35  # of the picture
_HORIZON = 0.38  # share of the height; the cameras look level
_MOST = 100
# Usual width over height of the boxes, and how far off it may be (in logarithm): by eye.
_SHAPES = {
    "car": (1.35, 0.45),
    "van": (1.05, 0.3),
    "truck": (0.95, 0.35),
    "pedestrian": (0.4, 0.25),
    "cyclist": (0.65, 0.25),
}
_LARGE = {"truck": 2500.0, "van": 900.0}  # area in pixels from which these are likely


def detect(image: NDArray[np.uint8]) -> Boxes:
    """Find blobs and name them.

    Args:
        image: Shape (height, width, 3), uint8, blue, green, red.
    """
    height, width = image.shape[:2]
    rows = []
    for mask in _standing_out(image):
        count, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        for left, top, wide, high, area in stats[1:count]:
            bottom = top + high
            if (
                area < _LEAST_AREA
                or wide * high > _MOST_SHARE * width * height
                or bottom < _HORIZON * height
            ):
                continue
            filled = area / (wide * high)
            rows += _named(float(left), float(top), float(wide), float(high), filled)
    rows.sort(key=lambda row: -row[4])
    table = np.array(rows[:_MOST], np.float64).reshape(-1, 6)
    return Boxes(
        xyxy=table[:, :4].astype(np.float32),
        scores=table[:, 4].astype(np.float32),
        classes=table[:, 5].astype(np.int64),
        names=LABEL_CLASSES,
    )


def _standing_out(image: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Masks of what is coloured, what is dark, and what is unlike the road before the car."""
    blurred = cv2.GaussianBlur(image, (5, 5), 0)
    hue_saturation_value = cv2.cvtColor(blurred, cv2.COLOR_BGR2HSV)
    height, width = image.shape[:2]
    road = blurred[int(0.8 * height) :, int(0.3 * width) : int(0.7 * width)].reshape(-1, 3)
    middle = np.median(road, axis=0)
    apart = np.abs(blurred.astype(np.float32) - middle).max(axis=2)
    green = (hue_saturation_value[..., 0] > 35) & (hue_saturation_value[..., 0] < 90)  # noqa: PLR2004
    coloured = (hue_saturation_value[..., 1] > 90) & ~green  # noqa: PLR2004
    dark = hue_saturation_value[..., 2] < 0.55 * np.median(hue_saturation_value[..., 2])
    kernel = np.ones((3, 3), np.uint8)
    masks = []
    for found in (coloured, dark, (apart > 45) & ~green):  # noqa: PLR2004
        closed = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_CLOSE, kernel, iterations=2)
        masks.append(np.asarray(cv2.morphologyEx(closed, cv2.MORPH_OPEN, kernel), np.uint8))
    return masks


def _named(left: float, top: float, wide: float, high: float, filled: float) -> list[list[float]]:
    """Rows for the likeliest classes: box, score, class."""
    rows = []
    proportion, area = np.log(wide / high), wide * high
    for number, name in enumerate(LABEL_CLASSES):
        usual, spread = _SHAPES[name]
        fits = float(np.exp(-(((proportion - np.log(usual)) / spread) ** 2)))
        if name in _LARGE:
            fits *= min(1.0, area / _LARGE[name])
        score = fits * filled * min(1.0, area / 400.0)
        if score > 0.05:  # noqa: PLR2004 - the rest is noise
            rows.append([left, top, left + wide, top + high, score, float(number)])
    return rows


def main() -> None:
    """Measure it on the test pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("~/.cache/splitway-train").expanduser())
    parser.add_argument("--share", type=float, default=1.0, help="of the data, for trials")
    given = parser.parse_args()
    tested = pictures("test", given.data, share=given.share)
    found = [detect(np.asarray(image)) for image in tested.images]
    print(f"by colour and shape: {accuracy(found, tested.boxes, tested.classes)}")


if __name__ == "__main__":
    main()
