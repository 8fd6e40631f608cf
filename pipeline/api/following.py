"""Tracks and forecasts of a run: worked out when it is over, in the order of delivery."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipeline.api.lines import result_of
from pipeline.errors import EvidenceError
from pipeline.ledger.spans import IMPROVED
from pipeline.plan.steps import Host
from pipeline.runtime.forecasting import Forecaster
from pipeline.runtime.live.reports import plain_result
from pipeline.scoring.gathering import frames_of, poses_of
from pipeline.tasks.outputs.protocol import Boxes, Boxes3D
from pipeline.tasks.tracking import Tracker
from pipeline.tasks.tracking.histories import Pose
from replay.evidence import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pipeline.assembly import Assembled
    from pipeline.ledger import Ledger
    from pipeline.ledger.rows import Row
    from pipeline.runtime.core.config import CoreConfig
    from pipeline.scoring.poses import Poses
    from pipeline.values import Plain

    _Line = dict[str, Plain]

_STAGE = "track"


def followed_paths(core: CoreConfig) -> tuple[str, ...]:
    """Paths whose objects are followed."""
    return tuple(
        path.name
        for path in core.paths
        if any(
            isinstance(step.step, Host) and step.step.stage == _STAGE
            for step in core.tasks[path.task].steps
        )
    )


def follow_results(results: Path, assembled: Assembled, ledger: Ledger) -> None:
    """Add the tracks of every followed path to the lines of its results, and where they will be.

    Lines keep their order in the file; a tracker sees them in the order in which the consumer had
    them, each at the time at which its frame was due. An answer that improved an earlier one is
    followed as well, at the same time. A frame that was never delivered is never seen.

    Args:
        results: The run's file of results, which is written anew.
        assembled: The run.
        ledger: The sealed ledger.

    Raises:
        EvidenceError: A line is none that a run writes.
        PipelineError: A network that forecasts failed.
        OSError: The file cannot be read or written.
    """
    core = assembled.spec.core
    wanted = [path for path in core.paths if path.name in followed_paths(core)]
    if not wanted or not results.exists():
        return
    with results.open(encoding="utf-8") as file:
        lines: list[_Line] = [json.loads(text) for text in file]
    rows = {(row.path, row.frame): row for row in ledger.rows() if "deliver" in row.stamps}
    for path in wanted:
        mine = [
            (rows[path.name, frame], line)
            for line in lines
            if line["path"] == path.name
            and isinstance(frame := line["frame"], int)
            and (path.name, frame) in rows
        ]
        mine.sort(key=_had_ns)
        spec = assembled.spec.forecasters.get(path.task)
        forecaster = None if spec is None else Forecaster(spec)
        poses = None if spec is None else _poses(assembled, path.stream)
        try:
            _follow(mine, forecaster, poses)
        finally:
            if forecaster is not None:
                forecaster.close()
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    write_text(results, text)


def _had_ns(answer: tuple[Row, _Line]) -> int:
    """When the consumer had an answer, run time in ns."""
    row, line = answer
    first_ns = row.stamps["deliver"]
    return row.stamps.get(IMPROVED, first_ns) if line.get("improves") else first_ns


def _follow(
    lines: Sequence[tuple[Row, _Line]], forecaster: Forecaster | None, poses: Poses | None
) -> None:
    """Follow one path's objects through its lines, in the order given."""
    tracker, kind = Tracker(), _kind(line for _, line in lines)
    names: tuple[str, ...] = ()  # a class keeps its number from line to line
    newest_ns: int | None = None
    for row, line in lines:
        part = _followed(line, kind)
        if part is None:
            continue
        result = result_of(part, names)
        if not isinstance(result, Boxes | Boxes3D):
            continue
        names = result.names
        tracks = tracker.update(result, row.scheduled_ns).tracks
        part["tracks"] = list(tracks.tolist())
        late = newest_ns is not None and row.scheduled_ns < newest_ns
        if forecaster is None or late or not isinstance(result, Boxes3D):
            continue
        newest_ns = row.scheduled_ns
        pose = None
        if poses is not None:
            x_m, y_m, _ = poses.positions_m[row.content].tolist()
            pose = Pose(x_m=x_m, y_m=y_m, yaw_rad=float(poses.yaws_rad()[row.content]))
        found = forecaster.forecast(result, tracks, row.scheduled_ns, pose)
        part["forecasts"] = plain_result(found)


def _poses(assembled: Assembled, stream: str) -> Poses | None:
    """Where the own vehicle was at each frame of a stream, as far as the drive tells."""
    frames = frames_of(assembled.spec.drive, stream, assembled.facts.streams[stream], ())
    return poses_of(assembled.spec.drive, frames)


def _kind(lines: Iterable[_Line]) -> type[Boxes | Boxes3D]:
    """What is followed on a path: boxes in space where any sensor gives them."""
    spaces = (line for line in lines if any("centres_m" in part for part in _parts(line)))
    return Boxes if next(spaces, None) is None else Boxes3D


def _followed(line: _Line, kind: type[Boxes | Boxes3D]) -> _Line | None:
    """The part of a line whose objects are followed; None where a partial set has none."""
    key = "centres_m" if kind is Boxes3D else "boxes"
    return next((part for part in _parts(line) if key in part), None)


def _parts(line: _Line) -> list[_Line]:
    """What cameras and LiDAR say together, then each sensor's own; or the line itself."""
    parts, objects = line.get("parts"), line.get("objects")
    if parts is None:
        return [line]
    if not isinstance(parts, dict):
        raise EvidenceError("a line of results has parts that are no map")
    found = [objects] if isinstance(objects, dict) else []
    return [*found, *(part for part in parts.values() if isinstance(part, dict))]
