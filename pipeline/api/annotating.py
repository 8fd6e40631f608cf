"""Pictures of a run: the drive's frames with the delivered results drawn in.

A LiDAR's sweep is drawn as it is seen from above, with boxes in space.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cv2
import numpy as np

from pipeline.api.lines import result_of
from pipeline.runtime.drive import samples
from pipeline.runtime.samples import Picture, Sweep, sample_of
from pipeline.tasks.drawing import annotate as draw
from pipeline.tasks.drawing_labels import ABOVE_SIZE, points_from_above
from pipeline.tasks.outputs.protocol import Boxes3D

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.assembly import Assembled
    from pipeline.runtime.drive import StreamFacts
    from pipeline.tasks.outputs.protocol import Result

    Array = NDArray[np.generic[object]]

ANNOTATED = "annotated"
THUMBNAIL_WIDTH = 240
_STILL_EVERY_NS = 1_000_000_000


def keep_pictures(directory: Path, assembled: Assembled, *, results: Path, annotate: bool) -> str:
    """Write annotated pictures of the first pass of the drive; returns what was kept.

    One picture a second and stream is kept, small for `thumbnails`, as it is for `full`; with
    `annotate` in full, and a video of all of a stream beside them. Where the drive has several
    streams, their files carry the stream's name.

    Raises:
        OSError: The disk is full.
    """
    kept = "full" if annotate else assembled.spec.images
    if kept == "none" or not results.exists():
        return "none"
    folder = directory / ANNOTATED
    folder.mkdir(exist_ok=True)
    core = assembled.spec.core
    streams = dict.fromkeys(path.stream for path in core.paths)
    for stream in streams:
        paths = frozenset(path.name for path in core.paths if path.stream == stream)
        found = _read(results, assembled.facts.streams[stream].frames, paths)
        mark = f"-{stream}" if len(assembled.facts.streams) > 1 else ""
        _keep_stream(directory, assembled, stream, found, mark=mark, kept=kept, annotate=annotate)
    return kept


def _keep_stream(
    directory: Path,
    assembled: Assembled,
    stream: str,
    by_frame: Mapping[int, dict[str, Result]],
    *,
    mark: str,
    kept: str,
    annotate: bool,
) -> None:
    facts = assembled.facts.streams[stream]
    every = max(1, _STILL_EVERY_NS // facts.period_ns)
    video: cv2.VideoWriter | None = None
    if annotate:
        size = ABOVE_SIZE if facts.kind == "lidar" else (facts.width, facts.height)
        codec = cv2.VideoWriter.fourcc(*"mp4v")
        path = str(directory / f"{ANNOTATED}{mark}.mp4")
        video = cv2.VideoWriter(path, codec, 1e9 / facts.period_ns, size)
    shown: dict[str, Result] = {}
    name, seed = assembled.loaded.scenario.name, assembled.spec.seed
    remark = "untrained network: the boxes mean nothing" if assembled.untrained else ""
    wanted = None if annotate else frozenset(range(0, facts.frames, every))
    for index, data in samples(assembled.spec.drive, stream, wanted):
        shown.update(by_frame.get(index, {}))
        if not by_frame.get(index) and not annotate:
            continue
        captions = [f"{name}, seed {seed}, frame {index}", *([remark] if remark else [])]
        picture = _drawn(data, facts, list(shown.values()), captions)
        if video is not None:
            video.write(picture)
        if index % every == 0:
            still = picture if kept == "full" else _small(picture)
            _write(directory / ANNOTATED / f"frame{mark}-{index:06d}.jpg", still)
    if video is not None:
        video.release()


def _drawn(
    data: Array, facts: StreamFacts, results: Sequence[Result], captions: Sequence[str]
) -> NDArray[np.uint8]:
    match sample_of(data):
        case Picture(pixels=pixels):
            return draw(pixels, results, captions)
        case Sweep(points=points):
            found = [result for result in results if isinstance(result, Boxes3D)]
            mounting = None if facts.calibration is None else facts.calibration.mounting
            return points_from_above(points, mounting, found, captions)


def _read(results: Path, frames: int, paths: frozenset[str]) -> dict[int, dict[str, Result]]:
    """Results by frame and path, of the first pass; of a fused path that of its anchor."""
    found: dict[int, dict[str, Result]] = {}
    with results.open(encoding="utf-8") as file:
        for text in file:
            line = json.loads(text)
            if 0 <= line["frame"] < frames and line["path"] in paths:
                shown = next(iter(line["parts"].values())) if "parts" in line else line
                found.setdefault(line["frame"], {})[line["path"]] = result_of(shown)
    return found


def _small(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height = max(1, picture.shape[0] * THUMBNAIL_WIDTH // picture.shape[1])
    small = cv2.resize(picture, (THUMBNAIL_WIDTH, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def _write(path: Path, picture: NDArray[np.uint8]) -> None:
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
    if done:
        path.write_bytes(data.tobytes())
