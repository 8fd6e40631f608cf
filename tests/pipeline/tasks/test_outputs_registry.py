"""Output decoders by name and parameters."""

from __future__ import annotations

import pytest

from pipeline.errors import InputError
from pipeline.tasks.outputs import output_decoder
from pipeline.tasks.outputs.masks import Masks
from pipeline.tasks.outputs.yolox import Yolox


def test_a_decoder_is_made_with_its_parameters() -> None:
    """As a scenario writes it."""
    decoder = output_decoder("yolox", {"score": 0.5, "classes": ["car", "bus"]})
    assert isinstance(decoder, Yolox)
    assert (decoder.name, decoder.score, decoder.classes) == ("yolox", 0.5, ("car", "bus"))
    assert isinstance(output_decoder("masks", {"names": "da,ll"}), Masks)


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("yolo", {}, "did you mean yolox"),
        ("zzz", {}, "known are"),
        ("yolox", {"scores": 0.3}, "no parameter scores; did you mean score"),
        ("yolox", {"zzz": 0.3}, "known are classes, most, nms, score"),
        ("yolox", {"score": "high"}, "score is a number"),
        ("yolox", {"score": True}, "score is a number"),
        ("yolox", {"most": 2.5}, "most goes from"),
        ("yolox", {"classes": 3}, "classes are"),
        ("masks", {"names": 3}, "names are"),
    ],
)
def test_a_mistake_is_told_with_what_to_write(
    name: str, params: dict[str, str | float], message: str
) -> None:
    """The error names the word and a near one."""
    with pytest.raises(InputError, match=message):
        output_decoder(name, params)
