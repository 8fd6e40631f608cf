"""A training loop with a budget of minutes: seeded, resumable, with an average of the weights."""

from __future__ import annotations

import argparse
import copy
import math
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from torch import Tensor, nn

_NS_PER_S = 1_000_000_000
_CORES = 2  # that a budget counts
_WARM = 0.03  # share of the budget in which the learning rate rises
_LEAST = 0.02  # share of the learning rate at the end
_KEPT = 0.998  # of the averaged weights, each step
_CLIP = 10.0  # largest norm of a gradient


class Lesson(Protocol):
    """What is learned: batches, their loss, and a figure on unseen data."""

    def batch(self, step: int, progress: float) -> tuple[Tensor, ...]:
        """Batch number `step`, a pure function of it and of the seed but for `progress`.

        Args:
            step: From 0.
            progress: Share of the budget spent, 0 to 1, for what changes towards the end.
        """

    def loss(self, model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        """Loss of the batch, a scalar."""

    def figure(self, model: nn.Module) -> str:
        """A line about validation seeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How long to train and how fast.

    Attributes:
        minutes: Half the processor's time, the wall time on two idle cores, so that a busy machine
            trains as long as an idle one; over all resumed parts. Ends the schedule.
        steps: Steps instead of minutes: with one thread count and machine the same weights again.
        rate: Largest learning rate.
        seed: Of weights and batches.
        looks: Validations spread over the budget.
    """

    minutes: float
    steps: int | None
    rate: float
    seed: int
    looks: int = 2


@dataclass(slots=True)
class _State:
    """What a checkpoint holds besides tensors."""

    step: int = 0
    spent_s: float = 0.0
    looked: int = 0


class _Ahead:
    """Makes the next batch while a step is learned from the one before."""

    def __init__(self, lesson: Lesson) -> None:
        self._lesson = lesson
        self._pool = ThreadPoolExecutor(1)
        self._next: tuple[int, Future[tuple[Tensor, ...]]] | None = None

    def take(self, step: int, progress: float, progress_next: float) -> tuple[Tensor, ...]:
        """Batch of this step; that of the next one is begun."""
        made = self._next
        ready = made[1].result() if made is not None and made[0] == step else None
        batch = self._lesson.batch(step, progress) if ready is None else ready
        begun = self._pool.submit(self._lesson.batch, step + 1, progress_next)
        self._next = (step + 1, begun)
        return batch

    def close(self) -> None:
        """Leave what is begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def learn(name: str, model: nn.Module, lesson: Lesson, budget: Budget, *, to: Path) -> nn.Module:
    """Train, or go on with a training that was stopped; returns the averaged model.

    A checkpoint is written to `to`/`name`.pt every minute, at Ctrl-C and at the end; a finished one
    is not trained further. Delete the file to begin again.

    Args:
        name: Of the model, for lines and files.
        model: Seeded by the caller.
        lesson: What is learned.
        budget: How long.
        to: Folder of checkpoints, outside the repository.
    """
    to.mkdir(parents=True, exist_ok=True)
    path = to / f"{name}.pt"
    average = copy.deepcopy(model).eval()
    optimiser = torch.optim.AdamW(_groups(model), lr=budget.rate)
    state = _restore(path, model, average, optimiser)
    last_ns, saved_s, running = time.process_time_ns(), state.spent_s, math.nan
    model.train()
    batches = _Ahead(lesson)
    try:
        for step in _steps(state, budget):
            progress = _progress(state, budget)
            for group in optimiser.param_groups:
                group["lr"] = budget.rate * _schedule(progress)
            batch = batches.take(step, progress, _progress(state, budget, after=1))
            loss = lesson.loss(model, batch)
            if not torch.isfinite(loss):
                say(f"{name}: step {step}: the loss is {loss.item()}; step left out")
                optimiser.zero_grad(set_to_none=True)
            else:
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), _CLIP)
                optimiser.step()
                _follow(average, model, min(_KEPT, (1 + step) / (10 + step)))
                value = float(loss.detach())
                running = value if math.isnan(running) else 0.98 * running + 0.02 * value
            state.step = step + 1
            now_ns = time.process_time_ns()
            state.spent_s += (now_ns - last_ns) / _NS_PER_S / _CORES
            last_ns = now_ns
            if (step + 1) % 50 == 0:
                rate = budget.rate * _schedule(progress)
                say(f"{name}: {progress:6.1%} step {step + 1} loss {running:.3f} rate {rate:.1e}")
            if _progress(state, budget) * budget.looks >= state.looked + 1:
                state.looked += 1
                say(f"{name}: {state.looked}/{budget.looks}: {lesson.figure(average)}")
                model.train()
                last_ns = time.process_time_ns()  # looking is not training
            if state.spent_s - saved_s > 60:  # noqa: PLR2004 - seconds
                saved_s = state.spent_s
                _save(path, model, average, optimiser, state)
    except KeyboardInterrupt:
        _save(path, model, average, optimiser, state)
        raise
    finally:
        batches.close()
    _save(path, model, average, optimiser, state)
    minutes = f"{state.spent_s / 60:.1f} min of {_CORES} cores"
    say(f"{name}: {state.step} steps in {minutes}, kept in {path}")
    return average


def trained(name: str, model: nn.Module, *, to: Path) -> nn.Module:
    """Fill a model with the averaged weights of a checkpoint.

    Raises:
        SystemExit: There is none.
    """
    path = to / f"{name}.pt"
    if not path.is_file():
        sys.exit(f"{path}: not trained yet; run the script of {name} first")
    model.load_state_dict(torch.load(path, weights_only=True)["average"])
    return model.eval()


def begin(*, seed: int, threads: int = 2) -> None:
    """Seed torch and say how many threads it may use."""
    torch.manual_seed(seed)
    torch.set_num_threads(threads)


def say(line: str) -> None:
    """Print a line of progress at once."""
    print(line, flush=True)


def arguments(text: str) -> argparse.ArgumentParser:
    """Options that every training script has."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--minutes", type=float, default=25.0, help="of two cores")
    parser.add_argument("--steps", type=int, help="steps instead of minutes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--threads", type=int, default=2, help="1 where others need the processor too"
    )
    parser.add_argument(
        "--data", type=Path, default=Path("~/.cache/splitway-train").expanduser(),
        help="folder of rendered data",
    )  # fmt: skip
    parser.add_argument(
        "--kept", type=Path, default=Path("~/train").expanduser(), help="folder of checkpoints"
    )
    parser.add_argument(
        "--to", type=Path, default=Path("pipeline/tasks/models"), help="folder of models and cards"
    )
    parser.add_argument("--share", type=float, default=1.0, help="of the data, for trials")
    parser.add_argument("--export-only", action="store_true", help="export what is trained so far")
    return parser


def _groups(model: nn.Module) -> list[dict[str, object]]:
    """Weights decay, biases and normalisations do not."""
    decaying = [p for p in model.parameters() if p.ndim > 1]
    staying = [p for p in model.parameters() if p.ndim <= 1]
    return [
        {"params": decaying, "weight_decay": 0.02},
        {"params": staying, "weight_decay": 0.0},
    ]


def _steps(state: _State, budget: Budget) -> Iterator[int]:
    while _progress(state, budget) < 1:
        yield state.step


def _progress(state: _State, budget: Budget, *, after: int = 0) -> float:
    """Share of the budget spent, or spent `after` steps more, as far as steps are what counts."""
    if budget.steps is not None:
        return (state.step + after) / budget.steps
    return state.spent_s / (budget.minutes * 60)


def _schedule(progress: float) -> float:
    """Rise, then a half cosine down to `_LEAST`."""
    if progress < _WARM:
        return max(progress / _WARM, 0.01)
    falling = min((progress - _WARM) / (1 - _WARM), 1.0)
    return _LEAST + (1 - _LEAST) * (1 + math.cos(math.pi * falling)) / 2


@torch.no_grad()
def _follow(average: nn.Module, model: nn.Module, kept: float) -> None:
    for own, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if own.dtype.is_floating_point:
            own.mul_(kept).add_(new.detach(), alpha=1 - kept)
        else:
            own.copy_(new)


def _save(
    path: Path,
    model: nn.Module,
    average: nn.Module,
    optimiser: torch.optim.Optimizer,
    state: _State,
) -> None:
    part = path.with_suffix(".part")
    content = {
        "model": model.state_dict(),
        "average": average.state_dict(),
        "optimiser": optimiser.state_dict(),
        "state": [state.step, state.spent_s, state.looked],
    }
    torch.save(content, part)
    part.replace(path)


def _restore(
    path: Path, model: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer
) -> _State:
    if not path.is_file():
        return _State()
    content = torch.load(path, weights_only=True)
    model.load_state_dict(content["model"])
    average.load_state_dict(content["average"])
    optimiser.load_state_dict(content["optimiser"])
    step, spent_s, looked = content["state"]
    say(f"{path}: going on after step {step} and {spent_s / 60:.1f} min")
    return _State(step=int(step), spent_s=float(spent_s), looked=int(looked))
