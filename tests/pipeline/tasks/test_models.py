"""The shipped models: each loads, fits its card and its decoder, and all of them are small."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest

import pipeline.tasks
from accelerators.backends.ort import run_once
from pipeline.graph import load_graph
from pipeline.tasks.cards import SUFFIX, ModelCard, builtin_model, builtin_names, read_card
from pipeline.tasks.outputs.registry import output_decoder
from pipeline.tasks.pillars import PillarSpec, pillarise
from pipeline.tasks.prepare import Ground, InputSpec, prepare_image, to_tensor
from pipeline.values import from_plain
from sensors.labels import LABEL_CLASSES
from tools.train import table

MOST_BYTES = 12_000_000
FOLDER = Path(pipeline.tasks.__file__).parent / "models"

each_model = pytest.mark.parametrize("name", builtin_names())


def card_of(name: str) -> ModelCard:
    """The card of a shipped model."""
    return read_card(FOLDER / f"{name}{SUFFIX}")


def test_all_of_them_together_stay_under_twelve_megabytes() -> None:
    """What everybody installs, used or not."""
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < MOST_BYTES


def test_each_network_has_a_card_and_each_card_a_network() -> None:
    """Nothing lies about that a scenario cannot name."""
    networks = {path.stem for path in FOLDER.glob("*.onnx")}
    cards = {path.name.removesuffix(SUFFIX) for path in FOLDER.glob(f"*{SUFFIX}")}
    assert networks == cards == set(builtin_names())


@each_model
def test_a_card_tells_the_file_it_stands_beside(name: str) -> None:
    """Bytes, hash, multiply-adds, name; licence and figures are there."""
    card, path = card_of(name), builtin_model(name)
    assert card.name == name
    assert card.bytes == path.stat().st_size
    assert card.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert card.macs == sum(operator.work.macs for operator in load_graph(path).operators)
    assert card.licence == "Apache-2.0"
    assert not card.untrained
    assert card.accuracy
    assert all(value >= 0 for key, value in figures(card) if not key.endswith("_lost"))


def figures(card: ModelCard) -> list[tuple[str, float]]:
    """Figures that were measured."""
    return [(key, value) for key, value in card.accuracy.items() if value is not None]


@each_model
def test_a_network_is_of_opset_17_with_static_shapes_and_no_foreign_operators(name: str) -> None:
    """So that vendors' compilers take it."""
    model = onnx.load(str(builtin_model(name)))
    assert {(op.domain or "ai.onnx", op.version) for op in model.opset_import} == {("ai.onnx", 17)}
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    for value in (*model.graph.input, *model.graph.output):
        assert all(side.dim_value > 0 for side in value.type.tensor_type.shape.dim)


@each_model
def test_a_networks_output_fits_the_decoder_of_its_card(name: str) -> None:
    """What it says of a grey picture, an empty street, or nobody, decodes."""
    card = card_of(name)
    if card.input.tracks is not None:
        tracks, steps = (int(str(card.input.tracks[key])) for key in ("tracks", "steps"))
        nobody = np.zeros((1, tracks, steps, 3), np.float32)
        found = run_once(builtin_model(name), {"histories": nobody}, optimise=True)
        assert found["positions"].shape == (1, tracks, 6, 2)
        assert np.isfinite(np.asarray(found["positions"], np.float64)).all()
        return
    decoder = output_decoder(card.output.decoder, card.parameters())
    if card.input.pillars is not None:
        grid = from_plain(PillarSpec, dict(card.input.pillars))
        ground = Ground(
            x_m=grid.x_m, y_m=grid.y_m, cell_m=grid.cell_m, rows=grid.rows, columns=grid.columns
        )
        street = pillarise(np.zeros((0, 4), np.float32), grid)
        decoder.decode(run_once(builtin_model(name), {"pillars": street}, optimise=True), ground)
        return
    assert card.input.size is not None
    spec = InputSpec(
        width=card.input.size[0],
        height=card.input.size[1],
        color=card.input.color,
        fit=card.input.fit,
        pad=card.input.pad,
        scale_denominator=card.input.ratio.denominator,
    )
    prepared = prepare_image(np.full((384, 640, 3), 128, np.uint8), spec)
    picture = to_tensor(prepared.pixels, spec)
    outputs = run_once(builtin_model(name), {"images": picture}, optimise=True)
    decoder.decode(outputs, prepared.geometry)


@each_model
def test_detectors_name_the_classes_of_the_synthetic_drive(name: str) -> None:
    """So that their results are scored against its labels without a map."""
    card = card_of(name)
    if card.output.decoder in ("yolox", "pillars"):
        assert tuple(card.classes) == LABEL_CLASSES


def test_the_page_shows_the_figures_of_the_cards() -> None:
    """`python -m tools.train.table` would change nothing."""
    assert table.PAGE.read_text("utf-8") == table.page()
