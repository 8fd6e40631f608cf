"""Makes the int8 version of a trained network, with scales from training seeds, and its loss."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx

from accelerators.backends.quantising import quantise
from pipeline.tasks.cards import SUFFIX, ModelCard, read_card
from pipeline.tasks.pillars import PillarSpec, pillarise
from pipeline.tasks.prepare import prepare_image, to_tensor
from tools.train import camera, lanes, pillars
from tools.train.cards import restate
from tools.train.measuring import input_spec, sweeps_accuracy
from tools.train.rendering import pictures
from tools.train.running import OnnxNetwork
from tools.train.sweeps import sweeps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tools.train.measuring import Accuracy

_SAMPLES = 96


def samples(card: ModelCard, data: Path, count: int, share: float) -> list[NDArray[np.float32]]:
    """Inputs from training seeds, spread over them.

    Args:
        card: What the network reads.
        data: Folder of rendered data.
        count: How many.
        share: Of the pictures, for trials.
    """
    if card.input.pillars is not None:
        source = sweeps("train", data)
        spec = PillarSpec(mounting=source.mounting)
        chosen = np.linspace(0, len(source) - 1, count).astype(int)
        return [pillarise(np.array(source.points[k]), spec) for k in chosen]
    if card.input.size is None:
        msg = f"{card.name} reads neither pictures nor sweeps"
        raise ValueError(msg)
    shots, picture = pictures("train", data, share=share), input_spec(*card.input.size)
    chosen = np.linspace(0, len(shots) - 1, count).astype(int)
    return [
        to_tensor(prepare_image(np.asarray(shots.images[k]), picture).pixels, picture)
        for k in chosen
    ]


def floating(path: Path, decoder: str) -> list[str]:
    """Nodes that stay float32: what lays a detector's rows together, whose columns differ much.

    Args:
        path: The network of float32.
        decoder: Name of its output decoder.
    """
    if decoder != "yolox":
        return []
    nodes = onnx.load(str(path)).graph.node
    return [
        node.name
        for node in nodes
        if node.op_type == "Concat" and (node.name.count("/") == 1 or "/heads" in node.name)
    ]


def measured(
    path: Path, card: ModelCard, data: Path, *, threads: int, share: float
) -> dict[str, float]:
    """The card's figures, of this file."""
    if card.output.decoder == "masks":
        with OnnxNetwork(path, "images", "masks", threads=threads) as network:
            return lanes.figures(lanes.measured(network, pictures("test", data, share=share)))
    if card.output.decoder == "pillars":
        with OnnxNetwork(path, "pillars", "heatmap", threads=threads) as network:
            return pillars.figures(sweeps_accuracy(network.outputs, sweeps("test", data)))
    if card.input.size is None:
        msg = f"{card.name} reads no pictures"
        raise ValueError(msg)
    with OnnxNetwork(path, "images", "output", threads=threads) as network:
        found: Accuracy = camera.measured(
            network, pictures("test", data, share=share), *card.input.size
        )
    return camera.figures(found)


def main() -> None:
    """Quantise, measure, write the card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", help="names, such as camera-nano")
    parser.add_argument("--data", type=Path, default=Path("~/.cache/splitway-train").expanduser())
    parser.add_argument("--to", type=Path, default=Path("pipeline/tasks/models"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--share", type=float, default=1.0, help="of the pictures, for trials")
    given = parser.parse_args()
    for name in given.models:
        path: Path = given.to / f"{name}.onnx"
        card = read_card(given.to / f"{name}{SUFFIX}")
        key = onnx.load(str(path)).graph.input[0].name
        feeds = [{key: tensor} for tensor in samples(card, given.data, _SAMPLES, given.share)]
        to = given.to / f"{name}-int8.onnx"
        quantise(path, to, feeds, kept=floating(path, card.output.decoder))
        found = measured(to, card, given.data, threads=given.threads, share=given.share)
        first = next(iter(found))
        loss = float(card.accuracy.get(first) or 0.0) - found[first]
        print(f"{name}: {first} {found[first]:.4f} in int8, {loss:+.4f} lost", flush=True)
        notes = [
            f"int8 of {name}, scales from {_SAMPLES} inputs of training seeds",
            *(note for note in card.notes if not note.startswith("made by")),
            f"made by: python -m tools.train.quantise {name}",
        ]
        accuracy = {**found, f"{first}_lost": loss}
        restate(to, card, name=f"{name}-int8", accuracy=accuracy, notes=notes)


if __name__ == "__main__":
    main()
