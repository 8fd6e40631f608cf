"""A delivered result as one line of evidence."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import numpy as np

from pipeline.tasks.fusion import FusedResult
from pipeline.tasks.outputs.protocol import Boxes

if TYPE_CHECKING:
    from pipeline.tasks.outputs.protocol import Result
    from pipeline.values import Plain


def result_line(path: str, frame: int, result: Result | FusedResult) -> dict[str, Plain]:
    """A result as JSON data.

    Boxes are left, top, right, bottom in pixels of the original picture, to a tenth; masks are
    bits, row by row, most significant first, in base64. Of a path from several sensors, each task's
    result stands in `parts`.
    """
    head: dict[str, Plain] = {"path": path, "frame": frame}
    if isinstance(result, FusedResult):
        parts: dict[str, Plain] = {
            task: {k: v for k, v in result_line(path, frame, part).items() if k not in head}
            for task, part in result.parts.items()
        }
        return {**head, "parts": parts}
    if isinstance(result, Boxes):
        return {
            **head,
            "boxes": [[round(v, 1) for v in row] for row in result.xyxy.tolist()],
            "scores": [round(score, 4) for score in result.scores.tolist()],
            "classes": [result.names[index] for index in result.classes.tolist()],
        }
    bits = np.packbits(result.masks.reshape(-1))
    return {
        **head,
        "masks": list(result.names),
        "size": [result.masks.shape[2], result.masks.shape[1]],
        "bits": base64.b64encode(bits.tobytes()).decode(),
    }
