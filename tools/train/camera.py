"""Trains one camera detector of the ladder, exports it, measures it on unseen seeds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from pipeline.tasks.cards import CardInput, CardOutput
from sensors.labels import LABEL_CLASSES
from tools.train.assigning import Targets, detection_loss
from tools.train.batches import PAD, Window, augmented, padded, rarity, stacked
from tools.train.cards import Told, write_card
from tools.train.exporting import Ports, export
from tools.train.loop import Budget, arguments, begin, learn, say, trained
from tools.train.measuring import Accuracy, accuracy, detections, input_spec
from tools.train.networks import Detector, cells_of
from tools.train.rendering import pictures, source_digest
from tools.train.running import OnnxNetwork
from tools.train.shots import WIDTH
from tools.train.sizes import DETECTORS

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from tools.train.rendering import Pictures
    from tools.train.running import Network

PORTS = Ports(inputs=("images",), outputs=("output",))
NARROW_PORTS = Ports(inputs=("images",), outputs=("output",), narrow="/narrow/Round")
_LOOKED_AT = 240  # validation pictures in training
_PIXELS = 24 * 416 * 256  # of a batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A part of the training and what the network sees in it.

    Attributes:
        until: Share of the budget at which it ends.
        window: What is seen.
    """

    until: float
    window: Window


PHASES = {
    "nano": (Phase(until=1.0, window=Window(width=416, height=256, scale=416 / WIDTH)),),
    "small": (
        Phase(until=0.55, window=Window(width=352, height=224, scale=512 / WIDTH)),
        Phase(until=1.0, window=Window(width=512, height=320, scale=512 / WIDTH)),
    ),
    "large": (
        Phase(until=0.7, window=Window(width=384, height=256, scale=1.0)),
        Phase(until=1.0, window=Window(width=640, height=384, scale=1.0)),
    ),
}
"""Larger networks begin with parts of the picture at its final scale: more objects a second."""
PHASES["bottleneck"] = PHASES["small"]

_RATES = {"nano": 3e-3, "small": 2.5e-3, "large": 2e-3, "bottleneck": 2.5e-3}


class DetectorLesson:
    """Batches of augmented pictures for a detector."""

    def __init__(
        self, source: Pictures, held_out: Pictures, *, size: str, seed: int, squeeze: float
    ) -> None:
        self._source, self._held_out, self._seed = source, held_out, seed
        self._phases, self._shape, self._squeeze = PHASES[size], DETECTORS[size], squeeze
        self._weights = rarity(source.classes)

    def batch(self, step: int, progress: float) -> tuple[Tensor, ...]:
        """Images (uint8), boxes, classes, cells."""
        window = next(phase.window for phase in self._phases if progress < phase.until)
        count = max(4, _PIXELS // (window.width * window.height))
        draws = np.random.Generator(np.random.Philox(key=[self._seed, step]))
        chosen = np.searchsorted(self._weights, draws.random(count), side="right")
        samples = [augmented(self._source, int(index), window, draws) for index in chosen]
        boxes, classes = padded(samples)
        return (
            torch.from_numpy(stacked(samples)),
            torch.from_numpy(boxes),
            torch.from_numpy(classes),
            _cells(window.width, window.height),
        )

    def loss(self, model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        """Detection loss, and the price of bits where there is a narrow layer."""
        images, boxes, classes, cells = batch
        with torch.autocast("cpu", torch.bfloat16):
            rows = model(images.float() / 255)
        loss = detection_loss(rows, cells, Targets(boxes=boxes, classes=classes))
        if self._shape.narrow:
            loss = loss + self._squeeze * model.narrow.bits
        return loss

    def figure(self, model: nn.Module) -> str:
        """Accuracy on validation seeds."""
        network = TorchNetwork(model)
        found = measured(network, self._held_out, self._shape.width, self._shape.height, _LOOKED_AT)
        return f"validation {found}"


class TorchNetwork:
    """A detector in torch as a function of arrays."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model.eval()

    def __call__(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """Output in the layout of the decoder `yolox`."""
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            rows = self._model(torch.from_numpy(tensor)).float()
        rows[..., 4:] = torch.sigmoid(rows[..., 4:])
        return np.asarray(rows.numpy(), np.float32)


def measured(
    network: Network,
    source: Pictures,
    width: int,
    height: int,
    most: int | None = None,
) -> Accuracy:
    """Accuracy of a detector on pictures, spread over all of them where only some are taken."""
    chosen = range(len(source)) if most is None else range(0, len(source), -(-len(source) // most))
    found = detections(network, (source.images[k] for k in chosen), input_spec(width, height))
    return accuracy(found, [source.boxes[k] for k in chosen], [source.classes[k] for k in chosen])


def figures(found: Accuracy) -> dict[str, float]:
    """Figures as a card names them, the foremost first."""
    return {
        "ap50": found.at_half,
        "map": found.mean,
        **{f"ap50_{name}": value for name, value in found.by_class.items()},
    }


def told(
    size: str,
    found: Accuracy,
    *,
    trained_on: int,
    scored_on: int,
    seed: int,
    start: str | None = None,
) -> Told:
    """What the card of a camera detector says besides what its file tells."""
    shape = DETECTORS[size]
    begun = f" --start {start}" if start else ""
    notes = [
        f"scored on {scored_on} pictures of unseen seeds; ap50 and map are means over the classes",
        f"made by: python -m tools.train.camera --size {size} --seed {seed}{begun}",
        f"pictures rendered by the state {source_digest()} of sensors/synthetic",
    ]
    if shape.narrow:
        notes.append(
            f"the tensor `narrow`, {shape.narrow} channels at stride 8 of whole numbers from 0 to "
            f"{shape.levels}, is where to split: int8 holds it without loss"
        )
    return Told(
        name=f"camera-{size}",
        summary=f"Finds {', '.join(LABEL_CLASSES)} in a camera's picture ({size})",
        data=f"{trained_on} pictures of the synthetic drive: all scenes, weathers, lights, cameras",
        seed=seed,
        input=CardInput(
            size=(shape.width, shape.height), color="rgb", scale="1/255", fit="letterbox", pad=PAD
        ),
        output=CardOutput(decoder="yolox", parameters={"score": 0.3, "nms": 0.5}),
        classes=list(LABEL_CLASSES),
        accuracy=dict(figures(found)),
        notes=notes,
    )


def main() -> None:
    """Train, export, measure."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--size", choices=sorted(DETECTORS), default="nano")
    parser.add_argument("--squeeze", type=float, default=0.5, help="price of a bit, bottleneck")
    parser.add_argument(
        "--start", choices=sorted(DETECTORS), help="begin with the weights of this trained size"
    )
    given = parser.parse_args()
    size: str = given.size
    begin(seed=given.seed, threads=given.threads)
    source = pictures("train", given.data, share=given.share)
    held_out = pictures("validation", given.data, share=given.share)
    model = Detector(DETECTORS[size], len(LABEL_CLASSES))
    if given.start:
        first = Detector(DETECTORS[given.start], len(LABEL_CLASSES))
        _take_over(model, trained(f"camera-{given.start}", first, to=given.kept))
    budget = Budget(minutes=given.minutes, steps=given.steps, rate=_RATES[size], seed=given.seed)
    lesson = DetectorLesson(source, held_out, size=size, seed=given.seed, squeeze=given.squeeze)
    name = f"camera-{size}"
    if given.export_only:
        average = trained(name, model, to=given.kept)
    else:
        average = learn(name, model, lesson, budget, to=given.kept)
    _finish(name, average, given, len(source))


def _take_over(model: nn.Module, first: nn.Module) -> None:
    """Copy the weights that have the same name and shape in both; the others keep their seed."""
    own, others = model.state_dict(), first.state_dict()
    taken = {k: v for k, v in others.items() if k in own and own[k].shape == v.shape}
    model.load_state_dict({**own, **taken})
    say(f"{len(taken)} of {len(own)} tensors taken over")


def _finish(name: str, model: nn.Module, given: argparse.Namespace, trained_on: int) -> None:
    size: str = given.size
    shape = DETECTORS[size]
    path: Path = given.to / f"{name}.onnx"
    model.decided = True
    example = torch.rand(1, 3, shape.height, shape.width)
    export(model, example, NARROW_PORTS if shape.narrow else PORTS, path)
    tested = pictures("test", given.data, share=given.share)
    with OnnxNetwork(path, "images", "output", threads=given.threads) as network:
        found = measured(network, tested, shape.width, shape.height)
    say(f"{name}: unseen seeds: {found}")
    facts = told(
        size,
        found,
        trained_on=trained_on,
        scored_on=len(tested),
        seed=given.seed,
        start=given.start,
    )
    say(f"{name}: written {write_card(path, facts)}")


@cache
def _cells(width: int, height: int) -> Tensor:
    return cells_of(width, height)


if __name__ == "__main__":
    main()
