"""Trains the segmentation of drivable area and lane lines, exports it, measures unseen seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from pipeline.tasks.cards import CardInput, CardOutput
from pipeline.tasks.outputs.masks import Masks
from tools.train.batches import PAD, Window, augmented, stacked
from tools.train.cards import Told, write_card
from tools.train.exporting import Ports, export
from tools.train.loop import Budget, arguments, begin, learn, say, trained
from tools.train.measuring import input_spec, mask_overlaps
from tools.train.networks import Lanes
from tools.train.rendering import MASKS, pictures, source_digest
from tools.train.running import OnnxNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from tools.train.rendering import Pictures
    from tools.train.running import Network

NAME = "lanes"
WIDTH, HEIGHT = 640, 384
PORTS = Ports(inputs=("images",), outputs=("masks",))
_PART = Window(width=384, height=256, scale=1.0)
_WHOLE = Window(width=WIDTH, height=HEIGHT, scale=1.0)
_PARTS_UNTIL = 0.7  # share of the budget in which parts of pictures are seen
_PIXELS = 20 * 384 * 256  # of a batch
_LOOKED_AT = 200
DECODER = Masks(names=MASKS, form="sigmoid")
_LANE_WEIGHT = 4.0  # of a lane pixel: they are few


class LanesLesson:
    """Batches of augmented pictures with masks."""

    def __init__(self, source: Pictures, held_out: Pictures, *, seed: int) -> None:
        self._source, self._held_out, self._seed = source, held_out, seed

    def batch(self, step: int, progress: float) -> tuple[Tensor, ...]:
        """Images (uint8) and covered shares at half their sides."""
        window = _PART if progress < _PARTS_UNTIL else _WHOLE
        count = max(4, _PIXELS // (window.width * window.height))
        draws = np.random.Generator(np.random.Philox(key=[self._seed, step]))
        chosen = draws.integers(len(self._source), size=count)
        samples = [augmented(self._source, int(k), window, draws, masks=True) for k in chosen]
        areas = np.stack([sample.masks for sample in samples if sample.masks is not None])
        return torch.from_numpy(stacked(samples)), torch.from_numpy(areas)

    def loss(self, model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        """Cross-entropy of each pixel, and one less the Dice overlap of each mask of the batch."""
        images, areas = batch
        with torch.autocast("cpu", torch.bfloat16):
            found = model(images.float() / 255).float()
        weights = torch.tensor([1.0, _LANE_WEIGHT]).reshape(1, 2, 1, 1)
        pixels = functional.binary_cross_entropy_with_logits(found, areas, pos_weight=weights)
        shares = torch.sigmoid(found)
        shared = (shares * areas).sum((0, 2, 3))
        dice = 1 - 2 * shared / (shares.sum((0, 2, 3)) + areas.sum((0, 2, 3)) + 1.0)
        return 2 * pixels + dice.mean()

    def figure(self, model: nn.Module) -> str:
        """Overlap on validation seeds."""
        model.eval()

        def network(tensor: NDArray[np.float32]) -> NDArray[np.float32]:
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                return np.asarray(model(torch.from_numpy(tensor)).float().numpy())

        return f"validation {_line(measured(network, self._held_out, _LOOKED_AT))}"


def measured(network: Network, source: Pictures, most: int | None = None) -> NDArray[np.float64]:
    """Overlap of each mask on pictures, decoded as in a run; shape (masks,)."""
    return mask_overlaps(network, source, DECODER, input_spec(WIDTH, HEIGHT), most=most)


def _line(overlaps: Sequence[float] | NDArray[np.float64]) -> str:
    each = " ".join(f"{name} {value:.3f}" for name, value in zip(MASKS, overlaps, strict=True))
    return f"mIoU {np.mean(overlaps):.3f} ({each})"


def main() -> None:
    """Train, export, measure."""
    given = arguments(__doc__ or "").parse_args()
    begin(seed=given.seed, threads=given.threads)
    source = pictures("train", given.data, share=given.share)
    held_out = pictures("validation", given.data, share=given.share)
    model = Lanes()
    budget = Budget(minutes=given.minutes, steps=given.steps, rate=3e-3, seed=given.seed)
    if given.export_only:
        average = trained(NAME, model, to=given.kept)
    else:
        lesson = LanesLesson(source, held_out, seed=given.seed)
        average = learn(NAME, model, lesson, budget, to=given.kept)
    path = given.to / f"{NAME}.onnx"
    export(average, torch.rand(1, 3, HEIGHT, WIDTH), PORTS, path)
    tested = pictures("test", given.data, share=given.share)
    with OnnxNetwork(path, "images", "masks", threads=given.threads) as network:
        overlaps = measured(network, tested)
    say(f"{NAME}: unseen seeds: {_line(overlaps)}")
    facts = told(overlaps, trained_on=len(source), scored_on=len(tested), seed=given.seed)
    say(f"{NAME}: written {write_card(path, facts)}")


def figures(overlaps: Sequence[float] | NDArray[np.float64]) -> dict[str, float]:
    """Figures as a card names them, the foremost first."""
    return {
        "miou": float(np.mean(overlaps)),
        **{f"iou_{name}": float(v) for name, v in zip(MASKS, overlaps, strict=True)},
    }


def told(
    overlaps: Sequence[float] | NDArray[np.float64], *, trained_on: int, scored_on: int, seed: int
) -> Told:
    """What the card says besides what the file tells."""
    return Told(
        name=NAME,
        summary="Marks the drivable area and the lane lines in a camera's picture",
        data=f"{trained_on} pictures of the synthetic drive: all scenes, weathers, lights, cameras",
        seed=seed,
        input=CardInput(size=(WIDTH, HEIGHT), color="rgb", scale="1/255", fit="letterbox", pad=PAD),
        output=CardOutput(decoder="masks", parameters={"form": "sigmoid"}),
        classes=list(MASKS),
        accuracy=dict(figures(overlaps)),
        notes=[
            f"scored on {scored_on} pictures of unseen seeds, in the picture's pixels",
            f"made by: python -m tools.train.lanes --seed {seed}",
            f"pictures rendered by the state {source_digest()} of sensors/synthetic",
        ],
    )


if __name__ == "__main__":
    main()
