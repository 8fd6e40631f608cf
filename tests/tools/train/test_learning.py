"""Losses, assignment and the loop; only where PyTorch is, in the environment of tools/train."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is in the environment of tools/train only")

from pipeline.graph import load_graph  # noqa: E402 - after the skip
from pipeline.tasks.outputs.yolox import Yolox  # noqa: E402
from pipeline.tasks.prepare import place  # noqa: E402
from sensors.labels import LABEL_CLASSES  # noqa: E402
from tools.train.assigning import Targets, assign, detection_loss, generalised, overlaps  # noqa: E402
from tools.train.courses import HISTORY  # noqa: E402
from tools.train.exporting import Ports, export  # noqa: E402
from tools.train.loop import Budget, learn  # noqa: E402
from tools.train.measuring import input_spec  # noqa: E402
from tools.train.networks import Detector, Forecaster, cells_of, decoded, straight  # noqa: E402
from tools.train.pillars import focal  # noqa: E402
from tools.train.sizes import DetectorShape  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

TINY = DetectorShape(
    width=64, height=64, channels=(8, 8, 8, 8, 8), blocks=(0, 0, 0, 0), neck=8, narrow=2
)
NARROW = Ports(inputs=("images",), outputs=("output",), narrow="/narrow/Round")


def two_objects() -> Targets:
    """A car and a pedestrian in a picture of 64 x 64, and an area to be ignored."""
    boxes = torch.tensor([[[8.0, 8.0, 40.0, 32.0], [50.0, 20.0, 58.0, 44.0], [0, 40, 30, 64.0]]])
    return Targets(boxes=boxes, classes=torch.tensor([[0, 3, -1]]))


def test_torch_and_the_decoder_read_the_same_boxes() -> None:
    """The training's boxes are those of the decoder `yolox`."""
    torch.manual_seed(0)
    rows = torch.rand(1, 84, 10)
    cells = cells_of(64, 64)
    boxes = decoded(rows, cells)[0].numpy()
    decoder = Yolox(score=0.0, nms=1.0, classes=LABEL_CLASSES)
    spec = input_spec(64, 64)
    found = decoder.decode({"output": rows.numpy()}, place(64, 64, spec))
    clipped = np.clip(boxes, 0, 64)
    for box in found.xyxy:
        assert np.abs(clipped - box).max(1).min() < 1e-3


def test_every_object_has_a_cell_and_no_cell_two() -> None:
    """Whatever the network says now, each object is answered for."""
    torch.manual_seed(1)
    cells, targets = cells_of(64, 64), two_objects()
    for _ in range(20):
        rows = torch.randn(1, 84, 10)
        found = assign(rows, decoded(rows, cells), cells, targets)
        owners = found.owner[0][found.positive[0]]
        assert set(owners.tolist()) == {0, 1}
        assert not (found.positive & found.ignored).any()
        assert found.ignored.any()


def test_a_network_that_is_right_costs_less() -> None:
    """Boxes in place and scores that are sure lower the loss to nearly nothing."""
    cells, targets = cells_of(64, 64), two_objects()
    rows = torch.zeros(1, 84, 10)
    rows[..., 2:4] = -5.0
    rows[..., 4:] = -12.0
    for number, kind in ((0, 0), (1, 3)):
        box = targets.boxes[0, number]
        middle, size = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
        cell = int(((cells[:64, :2] + 0.5) * 8 - middle).abs().sum(1).argmin())
        rows[0, cell, :2] = middle / 8 - cells[cell, :2]
        rows[0, cell, 2:4] = torch.log(size / 8)
        rows[0, cell, 4] = 12.0
        rows[0, cell, 5 + kind] = 12.0
    right = float(detection_loss(rows, cells, targets))
    rows[..., 4:] = -rows[..., 4:]
    wrong = float(detection_loss(rows, cells, targets))
    assert right < 0.2
    assert wrong > 5.0


def test_a_picture_without_objects_has_a_loss_with_a_slope() -> None:
    """Empty pictures teach what is nothing."""
    rows = torch.zeros(2, 84, 10, requires_grad=True)
    empty = Targets(boxes=torch.zeros(2, 1, 4), classes=torch.full((2, 1), -2))
    loss = detection_loss(rows, cells_of(64, 64), empty)
    loss.backward()
    assert torch.isfinite(rows.grad).all()
    assert rows.grad[..., 4].min() > 0


def test_overlaps_by_hand() -> None:
    """Halves, nothing, and a hull with a gap."""
    one = torch.tensor([[0.0, 0, 2, 2], [0, 0, 1, 1]])
    two = torch.tensor([[1.0, 0, 3, 2], [2, 0, 3, 1]])
    assert overlaps(one, two).tolist() == pytest.approx([1 / 3, 0])
    assert generalised(one, two).tolist() == pytest.approx([1 / 3, -1 / 3])


def test_focal_loss_is_least_at_the_truth() -> None:
    """Sure and right costs nothing, sure and wrong much; what is ignored costs nothing."""
    heat = torch.zeros(1, 1, 4, 4)
    heat[0, 0, 1, 1] = 1
    sure = torch.where(heat > 0, 20.0, -20.0)
    care = torch.ones(1, 4, 4)
    assert float(focal(sure, heat, care)) < 1e-6
    assert float(focal(-sure, heat, care)) > 100
    only = torch.zeros(1, 4, 4)
    only[0, 1, 1] = 1
    wrong_elsewhere = torch.full_like(sure, 20.0)
    assert float(focal(wrong_elsewhere, heat, only)) < 1e-6


def test_the_forecaster_begins_at_constant_velocity() -> None:
    """A straight course gives a straight forecast before any training, but for a little."""
    velocity = torch.tensor([4.0, -2.0])
    ages = (torch.arange(HISTORY) - (HISTORY - 1)) * 0.1
    rows = torch.cat([ages[:, None] * velocity, torch.ones(HISTORY, 1)], 1)[None]
    assert straight(rows, 0.1)[0, 0].tolist() == pytest.approx([4.0, -2.0], abs=1e-4)
    found = Forecaster(steps=HISTORY)(rows[None])
    assert found.shape == (1, 1, 6, 2)
    assert (found[0, 0, -1] - 3 * velocity).norm() < 2


def test_the_narrow_tensor_holds_few_whole_numbers(tmp_path: Path) -> None:
    """Behind it int8 loses nothing; the exported graph names it."""
    torch.manual_seed(2)
    model = Detector(TINY, 5).eval()
    model.decided = True
    export(model, torch.rand(1, 3, 64, 64), NARROW, tmp_path / "tiny.onnx")
    tensor = load_graph(tmp_path / "tiny.onnx").tensors["narrow"]
    assert tensor.shape == (1, 2, 8, 8)
    caught = []
    assert model.narrow is not None
    model.narrow.widen.register_forward_pre_hook(lambda _, taken: caught.append(taken[0]))
    model(torch.rand(1, 3, 64, 64))
    assert (caught[0] == caught[0].round()).all()
    assert 0 <= caught[0].min() <= caught[0].max() <= TINY.levels


class Line:
    """Learns to add; its batches hang on the step alone."""

    def batch(self, step: int, progress: float) -> tuple[object, ...]:
        """Numbers and their sum."""
        del progress
        draws = np.random.Generator(np.random.Philox(key=[7, step]))
        numbers = torch.from_numpy(draws.normal(0, 1, (32, 3)).astype(np.float32))
        return numbers, numbers.sum(1, keepdim=True)

    def loss(self, model: object, batch: tuple[object, ...]) -> object:
        """Squared distance."""
        return ((model(batch[0]) - batch[1]) ** 2).mean()  # type: ignore[operator]

    def figure(self, model: object) -> str:
        """Nothing to look at."""
        return str(type(model))


class Stopped(Line):
    """Is stopped after half of the steps, as by Ctrl-C."""

    def batch(self, step: int, progress: float) -> tuple[object, ...]:
        """The same batches, as far as they go."""
        if step == 30:
            raise KeyboardInterrupt
        return super().batch(step, progress)


def test_a_training_that_was_stopped_ends_like_one_that_was_not(tmp_path: Path) -> None:
    """Same seed and steps, same weights, whether resumed or not; a finished one is left alone."""
    budget = Budget(minutes=1, steps=60, rate=0.2, seed=1)

    def train(name: str, lesson: Line) -> list[float]:
        torch.manual_seed(3)
        learn(name, torch.nn.Linear(3, 1), lesson, budget, to=tmp_path)
        kept = torch.load(tmp_path / f"{name}.pt", weights_only=True)
        assert kept["state"][0] == 60
        return [float(value) for value in kept["model"]["weight"].flatten()]

    whole = train("whole", Line())
    with pytest.raises(KeyboardInterrupt):
        train("parted", Stopped())
    assert (tmp_path / "parted.pt").is_file()
    assert train("parted", Line()) == whole
    assert train("whole", Stopped()) == whole
    assert whole == pytest.approx([1.0, 1.0, 1.0], abs=0.1)
