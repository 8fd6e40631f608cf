"""Drawing of results on a picture, for people to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from pipeline.tasks.outputs.protocol import Boxes, MaskSet
from sensors.labels import LABEL_CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from pipeline.tasks.outputs.protocol import Result

    _Tab = tuple[int, int, int, int]  # left, top, right, bottom in pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A box to be drawn.

    Attributes:
        corners: Left, top, right, bottom, pixels.
        text: What stands on its tab; empty for no tab.
        color: Blue, green, red.
    """

    corners: _Tab
    text: str
    color: tuple[int, int, int]


PALETTE = (
    (0, 158, 230),
    (233, 180, 86),
    (115, 158, 0),
    (66, 228, 240),
    (178, 114, 0),
    (0, 94, 213),
    (167, 121, 204),
)
"""Blue, green, red; the colour-blind-safe hues of Okabe and Ito (2008), black left out."""

_MASK_PALETTE = ((115, 158, 0), (0, 94, 213), (178, 114, 0), (167, 121, 204))
_OPACITY = 0.45
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_REFERENCE_HEIGHT = 540  # text and lines are sized for this height and grow with the picture
_BAND_DIMMING = 0.35


def annotate(
    image: NDArray[np.uint8], results: Sequence[Result], captions: Sequence[str] = ()
) -> NDArray[np.uint8]:
    """Draw results and a caption band on a copy of a picture.

    Masks lie below boxes, whatever the order of `results`; what lies in space is not drawn.

    Args:
        image: Shape (height, width, 3), uint8, channels blue, green, red.
        results: Results of this picture.
        captions: Lines of text for a band at the top; no band where there are none. Characters
            beyond ASCII come out as question marks.

    Returns:
        A new picture of the same shape.
    """
    canvas = image.copy()
    number = 0
    for result in results:
        if isinstance(result, MaskSet):
            number = draw_masks(canvas, result.masks, number)
    for result in results:
        if isinstance(result, Boxes):
            rows = zip(result.xyxy, result.scores, result.classes, strict=True)
            outlines = [
                outline(xyxy, f"{result.names[kind]} {score:.2f}", _hue(result.names[kind], kind))
                for xyxy, score, kind in rows
            ]
            draw_outlines(canvas, outlines)
    draw_band(canvas, captions)
    return canvas


def _hue(name: str, kind: int) -> tuple[int, int, int]:
    """A class's own colour everywhere: results read back number only the classes that they have."""
    own = LABEL_CLASSES.index(name) if name in LABEL_CLASSES else kind
    return PALETTE[own % len(PALETTE)]


def outline(xyxy: Iterable[float], text: str, color: tuple[int, int, int]) -> Outline:
    """A box at whole pixels."""
    left, top, right, bottom = (round(float(value)) for value in xyxy)
    return Outline(corners=(left, top, right, bottom), text=text, color=color)


def draw_masks(canvas: NDArray[np.uint8], masks: NDArray[np.bool_], number: int = 0) -> int:
    """Tint the masks' areas, shape (masks, height, width), stretched over the picture.

    Args:
        canvas: Drawn on.
        masks: One behind the other, each in a colour of its own.
        number: Of masks drawn so far, which picks the colour.

    Returns:
        The number of masks drawn now.
    """
    height, width = canvas.shape[:2]
    for mask in masks:
        area = cv2.resize(mask.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        color = np.full_like(canvas, _MASK_PALETTE[number % len(_MASK_PALETTE)])
        tinted = cv2.addWeighted(canvas, 1 - _OPACITY, color, _OPACITY, 0)
        cv2.copyTo(tinted, area, canvas)
        number += 1
    return number


def draw_outlines(canvas: NDArray[np.uint8], outlines: Sequence[Outline]) -> None:
    """Draw boxes with their tabs, the first on top."""
    factor = _factor(canvas)
    thick = max(1, round(2 * factor))
    for one in reversed(outlines):
        left, top, right, bottom = one.corners
        cv2.rectangle(canvas, (left, top), (right, bottom), one.color, thick, cv2.LINE_AA)
    tabs: list[_Tab] = []
    for one in outlines:
        left, top, _, bottom = one.corners
        if one.text:
            _draw_label(canvas, one.text, (left, top, bottom), one.color, factor, tabs)


def _factor(canvas: NDArray[np.uint8]) -> float:
    return max(0.5, float(canvas.shape[0] / _REFERENCE_HEIGHT))


def _draw_label(
    canvas: NDArray[np.uint8],
    label: str,
    place: tuple[int, int, int],
    color: tuple[int, int, int],
    factor: float,
    tabs: list[_Tab],
) -> None:
    """Write on a filled tab above the box; below or inside it where there is no room."""
    left, top, bottom = place
    scale, thick = 0.5 * factor, max(1, round(factor))
    (wide, high), under = cv2.getTextSize(label, _FONT, scale, thick)
    margin = max(2, round(3 * factor))
    tall, across = high + under + margin, wide + 2 * margin
    x = max(0, min(left, canvas.shape[1] - across))
    choices = [y for y in (top - tall, bottom, top) if 0 <= y <= canvas.shape[0] - tall]
    free = [y for y in choices if not any(_meet((x, y, x + across, y + tall), t) for t in tabs)]
    y = (free or choices or [0])[0]
    tabs.append((x, y, x + across, y + tall))
    cv2.rectangle(canvas, (x, y), (x + across, y + tall), color, cv2.FILLED)
    ink = _BLACK if sum(color) > 330 else _WHITE  # noqa: PLR2004 - bright tabs take black ink
    cv2.putText(
        canvas, label, (x + margin, y + high + margin // 2), _FONT, scale, ink, thick, cv2.LINE_AA
    )


def _meet(one: _Tab, other: _Tab) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def draw_band(canvas: NDArray[np.uint8], captions: Sequence[str]) -> None:
    """Write lines of text on a dark band at the top; none where there are no lines."""
    if not captions:
        return
    factor = _factor(canvas)
    scale, thick = 0.55 * factor, max(1, round(factor))
    (_, high), under = cv2.getTextSize("Ag", _FONT, scale, thick)
    margin = max(3, round(6 * factor))
    pitch = high + under + margin // 2
    tall = min(canvas.shape[0], pitch * len(captions) + margin)
    canvas[:tall] = (canvas[:tall] * _BAND_DIMMING).astype(np.uint8)
    for line, caption in enumerate(captions):
        text = caption.encode("ascii", "replace").decode()
        baseline = margin // 2 + high + line * pitch
        cv2.putText(canvas, text, (margin, baseline), _FONT, scale, _WHITE, thick, cv2.LINE_AA)
