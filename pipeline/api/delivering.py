"""The results of a virtual run: put together afterwards, from what the priming pass computed."""

from __future__ import annotations

import bisect
import json
from typing import TYPE_CHECKING

from pipeline.ledger.spans import IMPROVED
from pipeline.runtime.live.reports import result_line
from pipeline.runtime.stages import Stages
from replay.evidence import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from pipeline.assembly import Assembled
    from pipeline.ledger import Ledger
    from pipeline.ledger.rows import Row
    from pipeline.runtime.core.config import PathConfig
    from pipeline.runtime.priming import Primed
    from replay.schedule import ScheduledFrame

    Bytes = NDArray[np.uint8]


def write_results(path: Path, assembled: Assembled, primed: Primed, ledger: Ledger) -> None:
    """Results as delivered, one line each; their content is that of the priming pass.

    Raises:
        OSError: The disk is full.
    """
    stages = Stages.of(assembled.spec)
    core = assembled.spec.core
    path_of = {path.name: path for path in core.paths}
    near = _Nearest(assembled.schedule)
    last = {r.id: places[-1] for task in core.tasks.values() for r, places in task.routes}
    lines: list[str] = []
    done: dict[tuple[str, int, int], dict[str, object]] = {}
    for row in ledger.rows():
        if not row.route_delivered or "deliver" not in row.stamps:
            continue
        task = path_of[row.path].task
        answers: list[tuple[str, dict[str, object]]] = [(row.route_delivered, {})]
        if IMPROVED in row.stamps:
            answers.append((row.route_improved, {"improves": True}))
        for route, more in answers:
            key = (task, last.get(route, -1), row.content)
            made = done.get(key)
            if made is None:
                fused = path_of[row.path].fuse is not None
                buffer = primed.results.get(key)
                if fused:
                    buffer = _fused(assembled, stages, primed, path_of[row.path], row, near)
                if buffer is None:
                    continue
                made = dict(result_line(row.path, row.frame, stages.decode_result(task, buffer)))
                if not fused:
                    done[key] = made
            line = {**made, "path": row.path, "frame": row.frame, **more}
            lines.append(json.dumps(line, separators=(",", ":")))
    write_text(path, "".join(f"{line}\n" for line in lines))


class _Nearest:
    """Frames of each stream by their recorded stamps."""

    def __init__(self, schedule: Sequence[ScheduledFrame]) -> None:
        self._stamps: dict[str, list[int]] = {}
        self._contents: dict[str, list[int]] = {}
        self._own: dict[tuple[str, int], int] = {}
        for frame in sorted(schedule, key=lambda f: (f.stamp_ns, f.number)):
            if not frame.lost:
                self._stamps.setdefault(frame.stream, []).append(frame.stamp_ns)
                self._contents.setdefault(frame.stream, []).append(frame.content)
                self._own[frame.stream, frame.number] = frame.stamp_ns

    def stamp_ns(self, stream: str, frame: int) -> int:
        """Recorded stamp of a frame."""
        return self._own[stream, frame]

    def content(self, stream: str, stamp_ns: int) -> int:
        """Content of the stream's frame with the nearest stamp."""
        stamps = self._stamps[stream]
        at = bisect.bisect_left(stamps, stamp_ns)
        near = [i for i in (at - 1, at) if 0 <= i < len(stamps)]
        return self._contents[stream][min(near, key=lambda i: abs(stamps[i] - stamp_ns))]


def _fused(
    assembled: Assembled,
    stages: Stages,
    primed: Primed,
    path: PathConfig,
    row: Row,
    near: _Nearest,
) -> Bytes | None:
    """Coded result of a set, as the planned routes of its parts make them."""
    core, fuse = assembled.spec.core, path.fuse
    if fuse is None:
        return None
    parts = {part.name: part for part in core.parts}
    anchor = parts[fuse.anchor]
    stamp_ns = near.stamp_ns(anchor.stream, row.frame)
    wanted = [(anchor, row.content)]
    if not row.partial:
        wanted += [
            (parts[p.part], near.content(parts[p.part].stream, stamp_ns + p.offset_ns))
            for p in fuse.partners
        ]
    bodies = []
    for part, content in wanted:
        places = core.tasks[part.task].ways[0].places
        body = primed.results.get((part.task, places[-1], content))
        if body is not None:
            bodies.append((part.task, body))
    return stages.join(path.task, bodies) if bodies else None
