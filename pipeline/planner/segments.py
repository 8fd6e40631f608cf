"""The files that a candidate's segments run from."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pipeline.graph import cut_model, partings, write_counterpart, write_parts
from pipeline.runtime.spec import SegmentSpec

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.planner.candidates import Draft
    from pipeline.planner.subjects import Subject


def segments_of(subject: Subject, draft: Draft, directory: Path) -> list[SegmentSpec]:
    """Write a draft's segments as ONNX files, where they are not there yet.

    A part on a device that knows int8 alone is that of the network's int8 form, where it has one.
    Of a model that is there for its timing alone nothing is written, and no file is named.

    Raises:
        CutError: The graph cannot be cut there.
        ModelError: Its file can no longer be read.
    """
    graph = subject.graph
    order = [part.operators for part in draft.parts]
    files: list[Path | None]
    if subject.timing_only:
        files = [None] * len(order)
    elif len(order) == 1:
        files = [graph.path]
    elif len(order) == 2 and order[0] == draft.head:  # noqa: PLR2004 - a head and a tail
        cut = cut_model(graph, draft.head, directory)
        files = [cut.head, cut.tail]
    else:
        files = [*write_parts(graph, order, directory)]
    found = []
    for part, parting, plain in zip(draft.parts, partings(graph, order), files, strict=True):
        file, computes = plain, ""
        if subject.int8 is not None:
            computes = subject.int8.words.get(part.device, "")
            form = subject.int8.graph if part.device in subject.int8.devices else None
            if form is not None and len(order) == 1:
                file = form.path
            elif form is not None:
                file = write_counterpart(form, parting.inputs, parting.outputs, directory)
        found.append(
            SegmentSpec(
                name=part.segment,
                artefact="" if file is None else str(file),
                sha256=graph.sha256 if file in (None, graph.path) else _sha256(file),
                inputs=parting.inputs,
                outputs=parting.outputs,
                passes=parting.passes,
                computes=computes,
            )
        )
    return found


def _sha256(path: Path | None) -> str:
    assert path is not None, "a file was written"  # noqa: S101 - our invariant
    return hashlib.sha256(path.read_bytes()).hexdigest()
