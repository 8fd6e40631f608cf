"""Cards of trained models: what the training knows, joined with what the file tells."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.graph import load_graph
from pipeline.tasks.cards import SUFFIX, ModelCard

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.tasks.cards import CardInput, CardOutput

LICENCE = "Apache-2.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What only the training knows of a model.

    Attributes:
        name: As `builtin:NAME` has it.
        summary: One line for people.
        data: What it was trained on.
        seed: Of weights and batches.
        input: What it reads.
        output: How its outputs become a result.
        classes: Names of what it finds.
        accuracy: Figures on unseen seeds, by metric.
        notes: What a user should know.
        stateful: Whether its answer hangs on what it saw before.
    """

    name: str
    summary: str
    data: str
    seed: int
    input: CardInput
    output: CardOutput
    classes: list[str]
    accuracy: dict[str, float | int | None]
    notes: list[str] = field(default_factory=list)
    stateful: bool = False


def write_card(path: Path, told: Told) -> Path:
    """Write the card of an ONNX file beside it; returns its path."""
    card = ModelCard(
        card=1,
        name=told.name,
        summary=told.summary,
        licence=LICENCE,
        data=told.data,
        seeds={
            "weights": told.seed,
            "train": "1-999",
            "validation": "1000-1099",
            "scored": "2000 and above",
        },
        input=told.input,
        output=told.output,
        classes=told.classes,
        accuracy=_rounded(told.accuracy),
        stateful=told.stateful,
        notes=told.notes,
    )
    return _write(path, card)


def restate(
    path: Path, card: ModelCard, *, name: str, accuracy: dict[str, float], notes: list[str]
) -> Path:
    """Write the card of an ONNX file that was made of another; returns its path."""
    changes = {"name": name, "accuracy": _rounded(dict(accuracy)), "notes": notes}
    return _write(path, card.model_copy(update=changes))


def _write(path: Path, card: ModelCard) -> Path:
    data = path.read_bytes()
    told_by_file = {
        "macs": sum(operator.work.macs for operator in load_graph(path).operators),
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    whole = ModelCard.model_validate(card.model_copy(update=told_by_file).model_dump())
    to = path.with_name(path.stem + SUFFIX)
    to.write_text(whole.model_dump_json(indent=2, exclude_none=True) + "\n")
    return to


def _rounded(figures: Mapping[str, float | int | None]) -> dict[str, float | int | None]:
    return {
        key: round(value, 4) if isinstance(value, float) else value
        for key, value in figures.items()
    }
