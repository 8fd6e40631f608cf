"""Trains the LiDAR detector, exports it, measures it on unseen seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from pipeline.tasks.cards import CardInput, CardOutput
from pipeline.tasks.pillars import PILLAR_CHANNELS, PillarSpec, pillarise
from sensors.labels import LABEL_CLASSES
from tools.train.cards import Told, write_card
from tools.train.exporting import Ports, export
from tools.train.loop import Budget, arguments, begin, learn, say, trained
from tools.train.measuring import sweeps_accuracy
from tools.train.networks import Pillars, PillarsShape
from tools.train.running import OnnxNetwork
from tools.train.sending import CODECS, halves, size_of
from tools.train.sweeps import sweeps
from tools.train.targets import sample

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from tools.train.measuring import Accuracy
    from tools.train.sweeps import Sweeps

NAME = "pillars"
SPEC = PillarSpec()
PORTS = Ports(inputs=("pillars",), outputs=("heatmap", "boxes"), narrow="/squeeze/squeeze.1/Relu")
_BATCH = 8
_LOOKED_AT = 150
_SENT = 100  # sweeps whose bytes are counted
# Of dx, dy, z, three sizes, sine and cosine, two speeds: speeds in m/s are large and hard to see.
_WEIGHTS = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.03, 0.03)


class PillarsLesson:
    """Batches of mirrored and turned sweeps."""

    def __init__(self, source: Sweeps, held_out: Sweeps, *, seed: int, sparse: float) -> None:
        self._source, self._held_out = source, held_out
        self._seed, self._sparse = seed, sparse

    def batch(self, step: int, progress: float) -> tuple[Tensor, ...]:
        """Grids, heat maps, where to care; picture, row, column and figures of each object."""
        del progress
        draws = np.random.Generator(np.random.Philox(key=[self._seed, step]))
        chosen = draws.integers(len(self._source), size=_BATCH)
        made = [sample(self._source, int(index), SPEC, draws) for index in chosen]
        owners = np.concatenate([np.full(len(a.rows), k) for k, (_, a) in enumerate(made)])
        return tuple(
            torch.from_numpy(np.asarray(values))
            for values in (
                np.concatenate([grid for grid, _ in made]),
                np.stack([answer.heat for _, answer in made]),
                np.stack([answer.care for _, answer in made]),
                owners.astype(np.int64),
                np.concatenate([answer.rows for _, answer in made]),
                np.concatenate([answer.columns for _, answer in made]),
                np.concatenate([answer.figures for _, answer in made]),
            )
        )

    def loss(self, model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        """Focal loss of the heat map, distance of the figures, price of the narrow map."""
        grids, heat, care, owners, rows, columns, figures = batch
        with torch.autocast("cpu", torch.bfloat16):
            logits, boxes = model(grids)
        loss = focal(logits.float(), heat, care)
        if len(owners):
            found = boxes.float()[owners, :, rows, columns]
            gaps = functional.smooth_l1_loss(found, figures, reduction="none", beta=0.1)
            loss = loss + (gaps * torch.tensor(_WEIGHTS)).sum() / len(owners)
        return loss + self._sparse * model.activity

    def figure(self, model: nn.Module) -> str:
        """Accuracy on validation seeds."""
        model.eval()

        def heads(grid: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                heat, boxes = model(torch.from_numpy(grid))
            return {"heatmap": heat.float().numpy(), "boxes": boxes.float().numpy()}

        return f"validation {sweeps_accuracy(heads, self._held_out, most=_LOOKED_AT)}"


def focal(logits: Tensor, heat: Tensor, care: Tensor) -> Tensor:
    """Focal loss against bumps: Law and Deng, CornerNet, 2018 (arXiv 1808.01244), equation 1.

    Args:
        logits: Shape (batch, classes, rows, columns).
        heat: The same, 1 at centres.
        care: Shape (batch, rows, columns).
    """
    surely = functional.logsigmoid(logits)
    surely_not = functional.logsigmoid(-logits)
    shares = torch.sigmoid(logits)
    centre = (heat > 0.99).float()  # noqa: PLR2004 - exactly 1, but for rounding
    hits = centre * (1 - shares) ** 2 * surely
    others = (1 - centre) * (1 - heat) ** 4 * shares**2 * surely_not * care[:, None]
    return -(hits + others).sum() / centre.sum().clamp(min=1)


def figures(found: Accuracy) -> dict[str, float]:
    """Figures as a card names them, the foremost first."""
    return {
        "ap_2m": found.at_half,
        "map": found.mean,
        **{f"map_{name}": value for name, value in found.by_class.items()},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Bytes of a sweep, on average.

    Attributes:
        narrow: Of the narrow map, by the smaller of `sending.CODECS`.
        sweep: Of the points, float32.
    """

    narrow: int
    sweep: int


def sent(path: Path, source: Sweeps) -> Sent:
    """Measure what a split sends, on some sweeps."""
    spec = PillarSpec(mounting=source.mounting)
    narrow = sweep = 0
    chosen = range(0, len(source), max(1, len(source) // _SENT))
    with halves(path) as parts:
        for index in chosen:
            points = np.array(source.points[index])
            tensor = parts.head(pillarise(points, spec))
            narrow += min(size_of(codec.encode(tensor)) for codec in CODECS)
            sweep += points.nbytes
    return Sent(narrow=narrow // len(chosen), sweep=sweep // len(chosen))


def told(found: Accuracy, crossing: Sent, *, trained_on: int, scored_on: int, seed: int) -> Told:
    """What the card says besides what the file tells."""
    grid = ("x_m", "y_m", "cell_m", "rows", "columns", "low_m", "high_m")
    return Told(
        name=NAME,
        summary=f"Finds {', '.join(LABEL_CLASSES)} in a LiDAR sweep",
        data=f"{trained_on} sweeps of the synthetic drive: all scenes and weathers",
        seed=seed,
        input=CardInput(pillars={key: getattr(SPEC, key) for key in grid}),
        output=CardOutput(decoder="pillars", parameters={"score": 0.3}),
        classes=list(LABEL_CLASSES),
        accuracy=dict(figures(found)),
        notes=[
            f"scored on {scored_on} sweeps of unseen seeds within 50 m, as nuScenes counts",
            "velocities are guessed from one sweep: believe those of the tracker",
            f"split at `narrow`: {crossing.narrow} bytes are sent, of a sweep of {crossing.sweep}",
            f"made by: python -m tools.train.pillars --seed {seed}",
        ],
    )


def main() -> None:
    """Train, export, measure."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--sparse", type=float, default=4.0, help="price of the narrow map")
    given = parser.parse_args()
    begin(seed=given.seed, threads=given.threads)
    source, held_out = sweeps("train", given.data), sweeps("validation", given.data)
    model = Pillars(PillarsShape(inputs=len(PILLAR_CHANNELS), classes=len(LABEL_CLASSES)))
    budget = Budget(minutes=given.minutes, steps=given.steps, rate=2e-3, seed=given.seed)
    if given.export_only:
        average = trained(NAME, model, to=given.kept)
    else:
        lesson = PillarsLesson(source, held_out, seed=given.seed, sparse=given.sparse)
        average = learn(NAME, model, lesson, budget, to=given.kept)
    path = given.to / f"{NAME}.onnx"
    export(average, torch.rand(SPEC.shape), PORTS, path)
    tested = sweeps("test", given.data)
    with OnnxNetwork(path, "pillars", "heatmap", threads=given.threads) as network:
        found = sweeps_accuracy(network.outputs, tested)
    say(f"{NAME}: unseen seeds: {found}")
    facts = told(
        found, sent(path, tested), trained_on=len(source), scored_on=len(tested), seed=given.seed
    )
    say(f"{NAME}: written {write_card(path, facts)}")


if __name__ == "__main__":
    main()
