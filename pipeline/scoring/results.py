"""Delivered results read back from a run's evidence, as columns."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import msgspec
import numpy as np

from pipeline.errors import ScoringError
from pipeline.scoring.areas import PackedMasks
from pipeline.scoring.rows import offsets_of
from pipeline.scoring.tables import FoundBoxes, FoundBoxes3D
from pipeline.tasks.outputs.protocol import Forecasts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.tasks.outputs.protocol import ResultKind

    Ints = NDArray[np.int64]


class Part(msgspec.Struct, gc=False):
    """A result of one task, as a line of `results.jsonl` holds it; what it is not is None."""

    boxes: list[tuple[float, float, float, float]] | None = None
    centres_m: list[tuple[float, float, float]] | None = None
    sizes_m: list[tuple[float, float, float]] = []
    yaws_rad: list[float] = []
    velocities_mps: list[tuple[float | None, float | None] | None] = []
    scores: list[float] = []
    classes: list[str] = []
    tracks: list[int] | None = None
    masks: list[str] | None = None
    size: tuple[int, int] = (0, 0)
    bits: str = ""
    step_ns: int = 0
    positions_m: list[list[tuple[float, float]]] | None = None
    forecasts: Part | None = None

    @property
    def kind(self) -> ResultKind:
        """What it is.

        Raises:
            ValueError: It is nothing known.
        """
        if self.boxes is not None:
            return "boxes"
        if self.centres_m is not None:
            return "boxes_3d"
        if self.masks is not None:
            return "masks"
        if self.positions_m is not None:
            return "forecasts"
        raise ValueError("neither boxes, masks nor forecasts")


class Line(Part, gc=False):
    """A delivered result of a path."""

    path: str = ""
    frame: int = -1
    improves: bool = False
    parts: dict[str, Part] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaskResults:
    """What a path delivered of one task, in the order of the frames.

    Attributes:
        task: Name of the task.
        path: Name of the path.
        kind: What the results are.
        names: Names of the classes or masks.
        frames: Number in the stream of the frame of each result, never falling; shape (results,).
        improves: Whether it followed another of the same frame, behind which it stands; shape
            (results,).
        boxes: Boxes in pictures.
        boxes_3d: Boxes in space.
        masks: Areas.
        forecasts: Expected places, also of objects in space that a path forecasts.
    """

    task: str
    path: str
    kind: ResultKind
    names: tuple[str, ...]
    frames: Ints
    improves: NDArray[np.bool_]
    boxes: FoundBoxes | None = None
    boxes_3d: FoundBoxes3D | None = None
    masks: PackedMasks | None = None
    forecasts: tuple[Forecasts, ...] = ()

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def tracked(self) -> bool:
        """Whether its objects carry numbers of tracks."""
        found = self.boxes or self.boxes_3d
        return found is not None and found.tracks is not None


def read_results(
    file: Path, wanted: Mapping[str, str], known: Mapping[str, tuple[ResultKind, Sequence[str]]]
) -> dict[str, TaskResults]:
    """Read the results of tasks, each from one path; those that improved others among them.

    Args:
        file: The run's `results.jsonl`.
        wanted: For each task the path whose results count.
        known: For each task what its results are, and the names of its classes or masks; further
            names that occur are added.

    Raises:
        ScoringError: A line cannot be read, or a value is not finite.
        OSError: The file cannot be read.
    """
    parts: dict[str, dict[tuple[int, bool], Part]] = {task: {} for task in wanted}
    tasks_of: dict[str, list[str]] = {}
    for task, path in wanted.items():
        tasks_of.setdefault(path, []).append(task)
    for line in _lines(file):
        for task in tasks_of.get(line.path, ()):
            part = line if line.parts is None else line.parts.get(task)
            if part is None:
                continue
            parts[task].setdefault((line.frame, line.improves), part)
    return {
        task: _table(file, task, path, parts[task], *known[task]) for task, path in wanted.items()
    }


def _lines(file: Path) -> Iterator[Line]:
    decoder = msgspec.json.Decoder(Line)
    with file.open("rb") as lines:
        for number, text in enumerate(lines, 1):
            try:
                yield decoder.decode(text)
            except msgspec.DecodeError as err:
                raise ScoringError(f"{file.name}:{number}: is no result: {err}") from err


def _table(
    file: Path,
    task: str,
    path: str,
    found: dict[tuple[int, bool], Part],
    kind: ResultKind,
    declared: Sequence[str],
) -> TaskResults:
    places = sorted(found)
    parts = [found[place] for place in places]
    try:
        for (frame, _), part in zip(places, parts, strict=True):
            if part.kind != kind:
                raise ScoringError(
                    f"{file.name}: frame {frame} of {path}: task {task} makes {kind}, and this is "
                    f"{part.kind}"
                )
        seen = (name for part in parts for name in (part.masks or part.classes))
        table = TaskResults(
            task=task,
            path=path,
            kind=kind,
            names=tuple(dict.fromkeys((*declared, *seen))),
            frames=np.array([frame for frame, _ in places], np.int64),
            improves=np.array([improves for _, improves in places], np.bool_),
        )
        table = _FILLED[kind](table, parts)
        ahead = [part.forecasts for part in parts if part.forecasts is not None]
        return _with_forecasts(table, ahead) if len(ahead) == len(parts) > 0 else table
    except (ValueError, zlib.error) as err:
        raise ScoringError(f"{file.name}: results of task {task}: {err}") from err


def _with_boxes(table: TaskResults, parts: Sequence[Part]) -> TaskResults:
    rows = [row for part in parts for row in part.boxes or ()]
    offsets, classes, scores, tracks = _objects(
        table, parts, [len(part.boxes or ()) for part in parts]
    )
    return replace(
        table,
        boxes=FoundBoxes(
            offsets=offsets,
            xyxy=np.array(rows, np.float64).reshape(-1, 4),
            scores=scores,
            classes=classes,
            tracks=tracks,
        ),
    )


def _with_boxes_3d(table: TaskResults, parts: Sequence[Part]) -> TaskResults:
    counts = [len(part.centres_m or ()) for part in parts]
    offsets, classes, scores, tracks = _objects(table, parts, counts)
    unknown = (None, None)
    velocities = [
        row or unknown
        for part, count in zip(parts, counts, strict=True)
        for row in (part.velocities_mps or [unknown] * count)
    ]
    return replace(
        table,
        boxes_3d=FoundBoxes3D(
            offsets=offsets,
            centres_m=_flat([row for part in parts for row in part.centres_m or ()], 3),
            sizes_m=_flat([row for part in parts for row in part.sizes_m], 3),
            yaws_rad=np.array([yaw for part in parts for yaw in part.yaws_rad], np.float64),
            velocities_mps=_flat(velocities, 2),
            scores=scores,
            classes=classes,
            tracks=tracks,
        ),
    )


def _objects(
    table: TaskResults, parts: Sequence[Part], counts: Sequence[int]
) -> tuple[Ints, Ints, NDArray[np.float64], Ints | None]:
    """Offsets, classes, scores and tracks of the objects of many frames."""
    code = {name: place for place, name in enumerate(table.names)}
    for part, count in zip(parts, counts, strict=True):
        tracks = count if part.tracks is None else len(part.tracks)
        if {len(part.scores), len(part.classes), tracks} != {count}:
            raise ValueError(f"{count} boxes with {len(part.scores)} scores")
    tracked = bool(parts) and all(part.tracks is not None for part in parts)
    return (
        offsets_of(np.array(counts, np.int64)),
        np.array([code[name] for part in parts for name in part.classes], np.int64),
        np.array([score for part in parts for score in part.scores], np.float64),
        np.array([n for part in parts for n in part.tracks or ()], np.int64) if tracked else None,
    )


def _with_masks(table: TaskResults, parts: Sequence[Part]) -> TaskResults:
    sizes = {part.size for part in parts} or {(0, 0)}
    if len(sizes) > 1 or any(tuple(part.masks or ()) != table.names for part in parts):
        raise ValueError("masks of several sizes or names")
    ((width, height),) = sizes
    need = (len(table.names) * width * height + 7) // 8
    bodies = []
    for part in parts:
        bits = base64.b64decode(part.bits, validate=True)
        if len(bits) != need:
            raise ValueError(f"{len(bits)} bytes of masks, expected {need}")
        bodies.append(zlib.compress(bits, 1))
    packed = PackedMasks(names=table.names, height=height, width=width, bodies=bodies)
    return replace(table, masks=packed)


def _with_forecasts(table: TaskResults, parts: Sequence[Part]) -> TaskResults:
    found = []
    for part in parts:
        places = np.array(part.positions_m, np.float32)
        tracks = np.array(part.tracks or (), np.int64)
        if len(places) != len(tracks) or (len(tracks) and places.ndim != _AXES):
            raise ValueError(f"{len(tracks)} tracks with {len(places)} forecasts")
        found.append(
            Forecasts(
                tracks=tracks,
                step_ns=part.step_ns,
                positions_m=places if len(tracks) else np.zeros((0, 1, 2), np.float32),
            )
        )
    return replace(table, forecasts=tuple(found))


def _flat(rows: Sequence[Sequence[float | None]], width: int) -> NDArray[np.float64]:
    return np.array(rows, np.float64).reshape(-1, width)


class _Fill(Protocol):
    def __call__(self, table: TaskResults, parts: Sequence[Part]) -> TaskResults: ...


_AXES = 3  # tracks, steps, x and y
_FILLED: dict[ResultKind, _Fill] = {
    "boxes": _with_boxes,
    "boxes_3d": _with_boxes_3d,
    "masks": _with_masks,
    "forecasts": _with_forecasts,
}
