"""Cards of models: what stands beside an ONNX file, and what is wrong with one."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import InputError
from pipeline.tasks.cards import SUFFIX, builtin_model, builtin_names, card_beside, read_card
from pipeline.tasks.outputs import output_decoder

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {
    "card": 1,
    "name": "camera-nano",
    "licence": "Apache-2.0",
    "seeds": {"train": "1-999", "weights": 7},
    "input": {"size": [416, 256], "color": "rgb", "scale": "1/255"},
    "output": {"decoder": "yolox", "parameters": {"score": 0.05}},
    "classes": ["car", "van"],
    "macs": 1000,
    "bytes": 5,
    "accuracy": {"ap50": 0.44, "ap": None},
}


def _write(folder: Path, **changes: object) -> Path:
    path = folder / f"nano{SUFFIX}"
    path.write_text(json.dumps({**GOOD, **changes}), "utf-8")
    return path


def test_a_card_is_found_beside_its_model(tmp_path: Path) -> None:
    """`nano.card.json` beside `nano.onnx`; without one there is none."""
    assert card_beside(tmp_path / "nano.onnx") is None
    _write(tmp_path)
    card = card_beside(tmp_path / "nano.onnx")
    assert card is not None
    assert card.input.size == (416, 256)
    assert card.input.ratio == Fraction(1, 255)
    assert card.parameters() == {"score": 0.05, "classes": ["car", "van"]}


def test_classes_go_where_the_decoder_has_a_place_for_them(tmp_path: Path) -> None:
    """Names of masks, and what the parameters say themselves comes first."""
    masks = read_card(_write(tmp_path, output={"decoder": "masks", "parameters": {}}))
    assert masks.parameters() == {"names": ["car", "van"]}
    own = {"decoder": "yolox", "parameters": {"classes": ["a"]}}
    assert read_card(_write(tmp_path, output=own)).parameters() == {"classes": ["a"]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"zzz": 1}, "zzz: Extra inputs"),
        ({"card": 2}, "card: "),
        ({"name": "Not A Name"}, "name: "),
        ({"input": {}}, "needs one of `size`"),
        ({"input": {"size": [416, 256], "pillars": {}}}, "needs one of `size`"),
        ({"input": {"size": [416, 256], "scale": "1/0"}}, "input.scale: must be a number"),
        ({"input": {"size": [416, 256], "scale": -1}}, "input.scale: must be above 0"),
        ({"output": {}}, "output.decoder: Field required"),
        ({"bytes": 0}, "bytes: "),
    ],
)
def test_a_card_that_is_none_is_refused_field_by_field(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    """With the file's name."""
    with pytest.raises(InputError, match=message) as caught:
        read_card(_write(tmp_path, **changes))
    assert f"nano{SUFFIX}" in str(caught.value)


def test_a_card_that_is_no_json_is_refused(tmp_path: Path) -> None:
    """And one that is missing, where it must be there."""
    path = tmp_path / f"x{SUFFIX}"
    with pytest.raises(InputError, match="cannot be read"):
        read_card(path)
    path.write_text("{", "utf-8")
    with pytest.raises(InputError, match="is no card"):
        read_card(path)


def test_an_unknown_model_is_answered_with_those_that_there_are() -> None:
    """And with the one that was meant."""
    with pytest.raises(InputError, match=r"did you mean builtin:detector\? there are .*detector"):
        builtin_model("detectr", also=("detector",))


@pytest.mark.parametrize("name", builtin_names() or [None])
def test_every_shipped_card_is_that_of_its_model(name: str | None) -> None:
    """Its name, its size in bytes, and parameters that its decoder takes."""
    if name is None:
        pytest.skip("this checkout ships no trained model")
    path = builtin_model(name)
    card = card_beside(path)
    assert card is not None
    assert card.name == name
    assert card.bytes in (None, path.stat().st_size)
    if card.input.tracks is None:
        assert output_decoder(card.output.decoder, card.parameters()).name == card.output.decoder
