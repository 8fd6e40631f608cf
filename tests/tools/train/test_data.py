"""What the training scripts learn from: splits of seeds, samples, targets. No PyTorch needed."""

from __future__ import annotations

from itertools import combinations
from math import hypot

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.tasks.outputs.pillars import Pillars
from pipeline.tasks.pillars import PillarSpec
from pipeline.tasks.prepare import Ground
from sensors.calibration import Mounting
from sensors.labels import LABEL_CLASSES, Labels3D
from sensors.synthetic.parameters import parameters_of
from tools.train.batches import (
    Window,
    augmented,
    bits_to_masks,
    moved_boxes,
    padded,
    rarity,
    stacked,
)
from tools.train.courses import HISTORY, observed
from tools.train.rendering import Pictures
from tools.train.shots import FIRST_SEED, Split, trips
from tools.train.sweeps import Sweeps
from tools.train.targets import STRIDE, answers, sample, turned

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
SPEC = PillarSpec()
GROUND = Ground(
    x_m=SPEC.x_m, y_m=SPEC.y_m, cell_m=SPEC.cell_m, rows=SPEC.rows, columns=SPEC.columns
)


def pictures(count: int = 3) -> Pictures:
    """Grey pictures with one bright car each, whose area is also the drivable mask."""
    images = np.full((count, 384, 640, 3), 60, np.uint8)
    masks = np.zeros((count, 2, 384, 640), bool)
    for number in range(count):
        left = 100 + 50 * number
        images[number, 200:260, left : left + 90] = (250, 10, 10)  # blue first
        masks[number, 0, 200:260, left : left + 90] = True
    return Pictures(
        images=images,
        boxes=[
            np.array([[100 + 50 * k, 200, 190 + 50 * k, 260]], np.float32) for k in range(count)
        ],
        classes=[np.array([0]) for _ in range(count)],
        masks=np.packbits(masks, axis=-1),
        trips=np.arange(count),
        planned=(),
    )


def labels(rows: list[tuple[int, float, float, float]]) -> Labels3D:
    """Cars of this class, at x, y, with this heading; speed along it 5 m/s."""
    yaws = np.array([row[3] for row in rows], np.float32)
    return Labels3D(
        names=LABEL_CLASSES,
        tracks=np.arange(len(rows)),
        classes=np.array([row[0] for row in rows], np.int64),
        centres_m=np.array([(x, y, 0.8) for _, x, y, _ in rows], np.float32).reshape(-1, 3),
        sizes_m=np.array([(4.5, 1.8, 1.5)] * len(rows), np.float32).reshape(-1, 3),
        yaws_rad=yaws,
        velocities_mps=5 * np.stack([np.cos(yaws), np.sin(yaws)], axis=1).astype(np.float32),
        points=np.full(len(rows), 50),
    )


def test_no_seed_is_in_two_splits() -> None:
    """What is scored was never learned from."""
    seeds = {split: {trip.seed for trip in trips(split)} for split in SPLITS}
    assert not seeds["train"] & seeds["validation"]
    assert not seeds["train"] & seeds["test"]
    assert max(seeds["train"]) < FIRST_SEED["validation"] <= min(seeds["validation"])
    assert min(seeds["test"]) >= 2000


def test_trips_are_the_same_always_and_every_scene_takes_their_parameters() -> None:
    """A list of trips is a pure function, and its drives can be made."""
    assert trips("train") == trips("train")
    for split in SPLITS:
        for trip in trips(split):
            parameters_of(trip.scene, dict(trip.parameters))


def test_the_test_sees_scenes_as_they_are() -> None:
    """Denser traffic is for learning only; weather and light are not."""
    changed = {name for trip in trips("test") for name, _ in trip.parameters}
    assert changed == {"weather", "light"}


def test_more_trips_than_seeds_are_refused() -> None:
    """Training would otherwise reach into the seeds of validation."""
    with pytest.raises(ValueError, match="below 1000"):
        trips("train", count=1000)


@given(st.integers(0, 2**32), st.booleans())
def test_a_picture_and_its_box_move_together(key: int, whole: bool) -> None:  # noqa: FBT001
    """Wherever the augmentation puts the car, its box lies around its bright pixels."""
    window = Window(width=416, height=256, scale=0.65 if whole else 1.0)
    draws = np.random.Generator(np.random.Philox(key=key))
    made = augmented(pictures(1), 0, window, draws, masks=True)
    assert made.image.shape == (256, 416, 3)
    assert made.masks is not None
    assert made.masks.shape == (2, 128, 208)
    if not len(made.boxes) or made.classes[0] < 0:
        return
    left, top, right, bottom = made.boxes[0]
    assert 0 <= left < right <= 416
    assert 0 <= top < bottom <= 256
    blue = made.image[..., 0].astype(int) - made.image[..., 2]
    rows, columns = np.nonzero(blue > 0.5 * blue.max())
    found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    assert np.abs(found - made.boxes[0]).max() < 2.5
    area = made.masks[0].sum() * 4
    assert area == pytest.approx((right - left) * (bottom - top), rel=0.15)


def test_a_box_cut_off_too_far_is_ignored_and_one_outside_is_gone() -> None:
    """Nobody can learn what is hardly in view."""
    boxes = np.array([[-90, 10, 10, 50], [20, 10, 60, 50], [-90, 10, -50, 50]], np.float32)
    same = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    window = Window(width=100, height=100, scale=1.0)
    moved, kinds = moved_boxes(boxes, np.array([0, 1, 2]), same, window)
    assert kinds.tolist() == [-1, 1]
    assert moved.tolist() == [[0, 10, 10, 50], [20, 10, 60, 50]]


def test_batches_are_red_first_and_padded() -> None:
    """Pictures are blue first on disk, the networks take red first."""
    window = Window(width=640, height=384, scale=1.0)
    draws = np.random.default_rng(0)
    samples = [augmented(pictures(2), k, window, draws) for k in range(2)]
    images = stacked(samples)
    assert images.shape == (2, 3, 384, 640)
    assert images[:, 2].max() > images[:, 0].max()
    boxes, classes = padded([*samples, samples[0]])
    assert boxes.shape[:2] == classes.shape
    assert set(np.unique(classes)) <= {-2, -1, 0}


def test_rare_classes_are_drawn_oftener() -> None:
    """One picture with a cyclist among many with cars gets more than its share."""
    classes = [np.array([0, 0, 0])] * 9 + [np.array([4])] + [np.zeros(0, np.int64)] * 2
    bounds = rarity(classes)
    shares = np.diff(np.concatenate([[0], bounds]))
    assert bounds[-1] == 1
    assert shares[9] > shares[0] > shares[10] > 0


def test_bits_give_masks_back() -> None:
    """What is packed on disk is what was rendered."""
    masks = np.random.default_rng(1).random((2, 8, 16)) > 0.5
    assert (bits_to_masks(np.packbits(masks, axis=-1)) == masks).all()


places = st.tuples(
    st.integers(0, 4),
    st.floats(-12.0, 63.0),
    st.floats(-31.0, 31.0),
    st.floats(-3.1, 3.1),
)


@given(st.lists(places, min_size=1, max_size=6))
def test_perfect_heads_decode_to_the_labels(rows: list[tuple[int, float, float, float]]) -> None:
    """Targets and the decoder `pillars` read the ten figures the same way."""
    cell_m = SPEC.cell_m * STRIDE
    apart = {
        (int((x - SPEC.x_m) / cell_m / 4), int((y - SPEC.y_m) / cell_m / 4)): (c, x, y, yaw)
        for c, x, y, yaw in rows
    }
    kept = list(apart.values())  # two on one spot, a border between them, are no two places
    gaps = [hypot(a[1] - b[1], a[2] - b[2]) for a, b in combinations(kept, 2)]
    assume(min(gaps, default=1.0) > 0.01)
    truth = labels(kept)
    wanted = answers(truth, SPEC)
    figures = np.zeros((1, 10, SPEC.rows // STRIDE, SPEC.columns // STRIDE), np.float32)
    figures[0][:, wanted.rows, wanted.columns] = wanted.figures.T
    heat = np.where(wanted.heat == 1, 5.0, -20.0).astype(np.float32)[None]
    decoder = Pillars(score=0.3, apart=0.0)
    found = decoder.decode({"heatmap": heat, "boxes": figures}, GROUND)
    assert len(found) == len(truth)
    for centre, kind, yaw, size, velocity in zip(
        truth.centres_m, truth.classes, truth.yaws_rad, truth.sizes_m, truth.velocities_mps,
        strict=True,
    ):  # fmt: skip
        near = int(np.argmin(np.linalg.norm(found.centres_m - centre, axis=1)))
        assert found.centres_m[near] == pytest.approx(centre, abs=1e-3)
        assert found.classes[near] == kind
        assert np.cos(found.yaws_rad[near] - yaw) == pytest.approx(1, abs=1e-4)
        assert found.sizes_m[near] == pytest.approx(size, rel=1e-4)
        assert found.velocities_mps[near] == pytest.approx(velocity, abs=1e-4)


def test_ignored_objects_are_not_asked_for_and_not_forbidden() -> None:
    """Around an object of class -1 the heat map may say what it likes; a real one stays."""
    wanted = answers(labels([(-1, 10.0, 0.0, 0.0), (0, 30.0, 5.0, 0.0)]), SPEC)
    assert (wanted.heat == 1).sum() == 1
    assert wanted.care.min() == 0
    assert (wanted.care[wanted.rows, wanted.columns] == 1).all()


@given(st.integers(0, 2**32))
def test_points_and_boxes_of_a_sweep_turn_together(key: int) -> None:
    """A single point in the middle of a box stays in the cell of that box."""
    truth = labels([(0, 20.0, 4.0, 0.3)])
    mounting = Mounting(x_m=0.0, y_m=0.0, z_m=1.9)
    point = np.array([[20.0, 4.0, -1.0, 0.5]], np.float32)
    source = Sweeps(points=[point], labels=[truth], mounting=mounting)
    draws = np.random.Generator(np.random.Philox(key=key))
    grid, wanted = sample(source, 0, SPEC, draws)
    (row,), (column,) = (np.flatnonzero(grid[0, 0].any(axis=axis)) for axis in (1, 0))
    assert (row // STRIDE, column // STRIDE) == (wanted.rows[0], wanted.columns[0])
    assert np.hypot(*wanted.figures[0, 8:]) == pytest.approx(5.0, rel=1e-4)
    yaw = np.arctan2(wanted.figures[0, 6], wanted.figures[0, 7])
    assert yaw == pytest.approx(np.arctan2(wanted.figures[0, 9], wanted.figures[0, 8]), abs=1e-4)


def test_mirroring_twice_changes_nothing() -> None:
    """Left and right are exchanged, ahead stays."""
    given_places = np.array([[3.0, 2.0], [-1.0, -4.0]], np.float32)
    once = turned(given_places, 0.0, -1.0)
    assert once.tolist() == [[3.0, -2.0], [-1.0, 4.0]]
    assert (turned(once, 0.0, -1.0) == given_places).all()


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_observed_windows_know_the_newest_place(key: int, count: int) -> None:
    """What is unknown is all zeros, the newest place is the origin and known."""
    draws = np.random.Generator(np.random.Philox(key=key))
    past = draws.normal(0, 5, (count, HISTORY, 2)).astype(np.float32)
    past -= past[:, -1:]
    rows = observed(past, draws, 0.2)
    known = rows[..., 2] == 1
    assert known[:, -1].all()
    assert (rows[:, -1, :2] == 0).all()
    assert (rows[~known] == 0).all()
    exact = observed(past, draws, 0.0)
    known = exact[..., 2] == 1
    assert np.abs(exact[known][:, :2] - past[known]).max() < 1e-5
