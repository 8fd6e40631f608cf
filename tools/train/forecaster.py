"""Trains the forecaster of trajectories, exports it, compares it with constant velocity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from pipeline.tasks.cards import CardInput, CardOutput
from tools.train.cards import Told, write_card
from tools.train.courses import FUTURES, HISTORY, NOISE_M, observed, windows
from tools.train.exporting import Ports, export
from tools.train.loop import Budget, arguments, begin, learn, say, trained
from tools.train.networks import Forecaster, straight
from tools.train.running import OnnxNetwork

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from tools.train.courses import Windows
    from tools.train.running import Network

NAME = "forecaster"
TRACKS = 32
PORTS = Ports(inputs=("histories",), outputs=("positions",))
PERIOD_S = 0.1
_READS = (
    f"`histories`, shape 1 x {TRACKS} x {HISTORY} x 3: x and y in the newest ego frame less the "
    "newest place, metres, 10 a second, oldest first, and 1 where known, else zeros"
)
_GIVES = (
    f"`positions`, shape 1 x {TRACKS} x {FUTURES} x 2: x and y from the newest place, metres, half "
    "a second apart"
)
_BATCH = 1024
_MISS_M = 2.0
_LOOKED_AT = 20_000


class ForecastLesson:
    """Batches of windows, turned by chance and observed with noise."""

    def __init__(self, source: Windows, held_out: Windows, *, seed: int) -> None:
        self._source, self._held_out, self._seed = source, held_out, seed

    def batch(self, step: int, progress: float) -> tuple[Tensor, ...]:
        """Histories (1, batch, steps, 3) and places to come (batch, steps, 2)."""
        del progress
        draws = np.random.Generator(np.random.Philox(key=[self._seed, step]))
        chosen = draws.integers(len(self._source), size=_BATCH)
        angles = draws.uniform(-np.pi, np.pi, _BATCH)
        turns = np.array([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]])
        turns = turns.transpose(2, 1, 0)
        past = (self._source.past[chosen] @ turns).astype(np.float32)
        future = (self._source.future[chosen] @ turns).astype(np.float32)
        rows = observed(past, draws, draws.uniform(0.02, 0.4, _BATCH))
        return torch.from_numpy(rows[None]), torch.from_numpy(future)

    def loss(self, model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        """Distance to the true places."""
        rows, future = batch
        return functional.smooth_l1_loss(model(rows)[0], future, beta=0.3)

    def figure(self, model: nn.Module) -> str:
        """Errors on validation seeds."""
        model.eval()

        def network(rows: NDArray[np.float32]) -> NDArray[np.float32]:
            with torch.no_grad():
                return np.asarray(model(torch.from_numpy(rows)).numpy())

        return f"validation {measured(network, self._held_out, most=_LOOKED_AT)}"


def measured(network: Network, source: Windows, *, most: int | None = None) -> dict[str, float]:
    """Errors of the network and of constant velocity on noisy windows.

    Returns:
        Mean distance over all steps (`ade_m`), at the last (`fde_m`), share beyond 2 m there
        (`miss_rate`), and the same of constant velocity, `constant_` before them.
    """
    draws = np.random.Generator(np.random.Philox(key=[0, 4]))
    every = np.arange(len(source))
    chosen = every if most is None else draws.permutation(every)[:most]
    rows = observed(source.past[chosen], draws, NOISE_M)
    truth = source.future[chosen]
    rest = -len(rows) % TRACKS
    full = np.concatenate([rows, np.zeros((rest, *rows.shape[1:]), np.float32)])
    found = np.concatenate(
        [network(full[k : k + TRACKS][None])[0] for k in range(0, len(full), TRACKS)]
    )[: len(rows)]
    velocities = straight(torch.from_numpy(rows), PERIOD_S).numpy()
    constant = velocities * (np.arange(1, FUTURES + 1) * 0.5)[None, :, None]
    return {
        **_errors("", found, truth),
        **_errors("constant_", constant.astype(np.float32), truth),
    }


def _errors(
    prefix: str, found: NDArray[np.float32], truth: NDArray[np.float32]
) -> dict[str, float]:
    gaps = np.linalg.norm(found - truth, axis=2)
    return {
        f"{prefix}ade_m": float(gaps.mean()),
        f"{prefix}fde_m": float(gaps[:, -1].mean()),
        f"{prefix}miss_rate": float((gaps[:, -1] > _MISS_M).mean()),
    }


def told(found: dict[str, float], *, trained_on: int, scored_on: int, seed: int) -> Told:
    """What the card says besides what the file tells."""
    return Told(
        name=NAME,
        summary="Says where tracked objects will be in the next three seconds",
        data=f"{trained_on} windows of courses through the synthetic drive, all scenes",
        seed=seed,
        input=CardInput(tracks={"tracks": TRACKS, "steps": HISTORY}),
        output=CardOutput(decoder="forecast", parameters={}),
        classes=[],
        accuracy=dict(found),
        notes=[
            f"scored on {scored_on} windows of unseen seeds, places noisy by {NOISE_M} m",
            "`constant_` are the errors of constant velocity, fitted to the same window",
            _READS,
            _GIVES,
            f"made by: python -m tools.train.forecaster --seed {seed}",
        ],
        stateful=True,
    )


def main() -> None:
    """Train, export, measure."""
    parser = arguments(__doc__ or "")
    parser.set_defaults(minutes=12.0)
    given = parser.parse_args()
    begin(seed=given.seed, threads=given.threads)
    source, held_out = windows("train", given.data), windows("validation", given.data)
    model = Forecaster(steps=HISTORY, futures=FUTURES, period_s=PERIOD_S)
    budget = Budget(minutes=given.minutes, steps=given.steps, rate=3e-3, seed=given.seed)
    if given.export_only:
        average = trained(NAME, model, to=given.kept)
    else:
        lesson = ForecastLesson(source, held_out, seed=given.seed)
        average = learn(NAME, model, lesson, budget, to=given.kept)
    path = given.to / f"{NAME}.onnx"
    tested = windows("test", given.data)
    rows = observed(tested.past[:TRACKS], np.random.default_rng(0), NOISE_M)
    export(average, torch.from_numpy(rows[None]), PORTS, path)
    with OnnxNetwork(path, "histories", "positions", threads=given.threads) as network:
        found = measured(network, tested)
    say(f"{NAME}: unseen seeds: {found}")
    facts = told(found, trained_on=len(source), scored_on=len(tested), seed=given.seed)
    say(f"{NAME}: written {write_card(path, facts)}")


if __name__ == "__main__":
    main()
