"""The shipped family on worlds that no training saw: what the cards say holds, and its order."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.tasks.cards import builtin_model, card_beside
from pipeline.tasks.outputs import output_decoder
from pipeline.tasks.outputs.masks import Masks
from tools.train.baseline_handmade import detect
from tools.train.measuring import (
    accuracy,
    detections,
    input_spec,
    mask_overlaps,
    sweeps_accuracy,
)
from tools.train.rendering import pictures
from tools.train.running import OnnxNetwork
from tools.train.sweeps import sweeps

if TYPE_CHECKING:
    from pathlib import Path

    from tools.train.rendering import Pictures

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SHARE = 8 / 96  # of the trips that the cards were scored on: their first eight, 128 pictures
LADDER = ("camera-nano", "camera-small", "camera-large")


@pytest.fixture(scope="module")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    """Pictures of seeds from 2000 on."""
    return pictures("test", tmp_path_factory.mktemp("unseen"), share=SHARE)


def ap50(name: str, unseen: Pictures) -> float:
    """Average precision of a shipped detector at an overlap of one half."""
    path = builtin_model(name)
    card = card_beside(path)
    assert card is not None
    assert card.input.size is not None
    with OnnxNetwork(path, "images", "output") as network:
        found = detections(network, unseen.images, input_spec(*card.input.size))
    return accuracy(found, unseen.boxes, unseen.classes).at_half


def test_each_step_of_the_ladder_finds_more_and_colour_alone_next_to_nothing(
    unseen: Pictures,
) -> None:
    """Four points a step at least, and figures near those of the cards, on a twelfth of their data.

    The hand-made detector by colour and shape stays under 0.15, else the pictures were a toy.
    """
    found = [ap50(name, unseen) for name in LADDER]
    assert all(later - earlier >= 0.04 for earlier, later in pairwise(found))
    for name, value, aim in zip(LADDER, found, (0.40, 0.50, 0.60), strict=True):
        card = card_beside(builtin_model(name))
        assert card is not None
        told = card.accuracy["ap50"]
        assert told is not None
        assert told >= aim
        assert value == pytest.approx(told, abs=0.1)
    by_hand = [detect(np.asarray(image)) for image in unseen.images]
    assert accuracy(by_hand, unseen.boxes, unseen.classes).at_half < 0.15


@pytest.mark.parametrize("name", ["camera-nano", "camera-small"])
def test_an_int8_form_loses_at_most_three_points(name: str, unseen: Pictures) -> None:
    """Of average precision; a network that was broken by its scales loses nearly all."""
    assert ap50(f"{name}-int8", unseen) > ap50(name, unseen) - 0.03


def test_lanes_and_drivable_area_overlap_the_labels(unseen: Pictures) -> None:
    """Mean overlap of at least 0.70 in the picture's pixels."""
    path = builtin_model("lanes")
    card = card_beside(path)
    assert card is not None
    assert card.input.size is not None
    decoder = output_decoder(card.output.decoder, card.parameters())
    assert isinstance(decoder, Masks)
    with OnnxNetwork(path, "images", "masks") as network:
        found = mask_overlaps(network, unseen, decoder, input_spec(*card.input.size))
    assert found.mean() >= 0.70
    assert found.mean() == pytest.approx(card.accuracy["miou"], abs=0.05)


def test_pillars_find_centres_of_objects(tmp_path: Path) -> None:
    """By nuScenes' average precision at 2 m of at least 0.50, near the card's."""
    path = builtin_model("pillars")
    card = card_beside(path)
    assert card is not None
    with OnnxNetwork(path, "pillars", "heatmap") as network:
        found = sweeps_accuracy(network.outputs, sweeps("test", tmp_path, share=0.2))
    assert found.at_half >= 0.50
    assert found.at_half == pytest.approx(card.accuracy["ap_2m"], abs=0.1)
