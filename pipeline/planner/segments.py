"""The files that a candidate's segments run from."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pipeline.graph import cut_model
from pipeline.planner.candidates import segment_names
from pipeline.runtime.spec import SegmentSpec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.planner.candidates import Draft, Subject


def segments_of(subject: Subject, draft: Draft, directory: Path) -> list[SegmentSpec]:
    """Write a draft's segments as ONNX files, where they are not there yet.

    Raises:
        CutError: The graph cannot be cut there.
        ModelError: Its file can no longer be read.
    """
    graph = subject.graph
    first, second = segment_names(subject, draft.head)
    if first == second:
        return [
            SegmentSpec(
                name=first,
                artefact=str(graph.path),
                sha256=graph.sha256,
                inputs=graph.inputs,
                outputs=graph.outputs,
            )
        ]
    cut = cut_model(graph, draft.head, directory)
    crossing = [tensor.name for tensor in cut.tensors]
    return [
        SegmentSpec(
            name=first,
            artefact=str(cut.head),
            sha256=_sha256(cut.head),
            inputs=tuple(cut.head_inputs),
            outputs=tuple(cut.head_outputs),
            passes=_both(crossing, graph.inputs),
        ),
        SegmentSpec(
            name=second,
            artefact=str(cut.tail),
            sha256=_sha256(cut.tail),
            inputs=tuple(cut.tail_inputs),
            outputs=tuple(cut.tail_outputs),
            passes=tuple(n for n in _both(crossing, graph.outputs) if n not in cut.tail_outputs),
        ),
    ]


def _both(names: Sequence[str], among: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name in among)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
