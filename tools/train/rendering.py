"""Rendered pictures with labels on disk: made once, in parallel, shared by all camera scripts."""

from __future__ import annotations

import argparse
import hashlib
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

import sensors.synthetic
from sensors.frames import CameraFrame
from sensors.synthetic.drive import SyntheticDrive
from tools.train.shots import HEIGHT, PERIOD_NS, TRIPS, WIDTH, Split, Trip, digest, trips

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

STREAM = "camera"
MASKS = ("drivable", "lane")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pictures:
    """Rendered shots of a split.

    Attributes:
        images: Shape (n, height, width, 3), uint8, blue, green, red; lies on disk.
        boxes: Left, top, right, bottom of each picture's objects, pixels; n of (objects, 4).
        classes: Index into the label classes, -1 to be ignored; n of (objects,).
        masks: Drivable and lane as bits, shape (n, 2, height, width / 8), uint8; lies on disk.
        trips: Which trip each picture is of; shape (n,).
        planned: The trips.
    """

    images: NDArray[np.uint8]
    boxes: list[NDArray[np.float32]]
    classes: list[NDArray[np.int64]]
    masks: NDArray[np.uint8]
    trips: NDArray[np.int64]
    planned: tuple[Trip, ...]

    def __len__(self) -> int:
        return len(self.boxes)


def pictures(split: Split, folder: Path, *, share: float = 1.0, workers: int = 2) -> Pictures:
    """Return the pictures of a split, rendering what is not there yet.

    Args:
        split: Which.
        folder: Where rendered data is kept.
        share: Of the split's trips, for trials.
        workers: Processes that render.
    """
    planned = trips(split, count=max(1, round(TRIPS[split] * share)))
    place = folder / f"camera-{split}-{digest(planned)}"
    _render(planned, place, workers=workers)
    boxes, classes, owners = [], [], []
    for number, trip in enumerate(planned):
        with np.load(place / f"{number:04}.npz") as kept:
            for shot in range(trip.shots):
                boxes.append(kept[f"boxes{shot}"])
                classes.append(kept[f"classes{shot}"])
                owners.append(number)
    return Pictures(
        images=np.load(place / "images.npy", mmap_mode="r"),
        boxes=boxes,
        classes=classes,
        masks=np.load(place / "masks.npy", mmap_mode="r"),
        trips=np.array(owners),
        planned=tuple(planned),
    )


def source_digest() -> str:
    """Eight hexadecimal digits of the code that renders, to tell stale pictures."""
    content = hashlib.sha256()
    for path in sorted(Path(sensors.synthetic.__path__[0]).glob("*.py")):
        content.update(path.read_bytes())
    return content.hexdigest()[:8]


def _render(planned: Sequence[Trip], place: Path, *, workers: int) -> None:
    place.mkdir(parents=True, exist_ok=True)
    source = place / "source.txt"
    if not source.is_file():
        source.write_text(source_digest())
    elif source.read_text() != source_digest():
        print(f"{place}: rendered by an older state of sensors/synthetic; delete it to renew")
    total = sum(trip.shots for trip in planned)
    shapes = {"images": (total, HEIGHT, WIDTH, 3), "masks": (total, 2, HEIGHT, WIDTH // 8)}
    for name, shape in shapes.items():
        if not (place / f"{name}.npy").is_file():
            np.lib.format.open_memmap(place / f"{name}.npy", mode="w+", dtype=np.uint8, shape=shape)
    missing = [k for k in range(len(planned)) if not (place / f"{k:04}.npz").is_file()]
    if not missing:
        return
    starts = np.concatenate([[0], np.cumsum([trip.shots for trip in planned])])
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        jobs = [pool.submit(_render_trip, planned[k], k, int(starts[k]), place) for k in missing]
        for done, job in enumerate(as_completed(jobs), 1):
            job.result()
            if done % 20 == 0 or done == len(jobs):
                print(f"{place.name}: {done}/{len(jobs)} trips rendered", flush=True)


def _render_trip(trip: Trip, number: int, start: int, place: Path) -> None:
    """Render a trip into its rows; the file of labels, written last, says that it is whole."""
    cv2.setNumThreads(1)
    images = np.load(place / "images.npy", mmap_mode="r+")
    masks = np.load(place / "masks.npy", mmap_mode="r+")
    kept: dict[str, NDArray[np.float32] | NDArray[np.int64]] = {}
    drive = SyntheticDrive(
        trip.scene,
        seed=trip.seed,
        length_ns=trip.length_ns,
        period_ns=PERIOD_NS,
        width=WIDTH,
        height=HEIGHT,
        stream=STREAM,
        camera=trip.camera,
        phase_ns=trip.phase_ns,
        parameters=dict(trip.parameters),
    )
    with drive:
        both = zip(drive.frames(), drive.labels(), strict=True)
        for shot, (frame, labels) in enumerate(both):
            if shot >= trip.shots:
                break
            if not isinstance(frame, CameraFrame) or labels.boxes is None or labels.masks is None:
                msg = f"trip {trip}: pictures with boxes and masks are needed"
                raise TypeError(msg)
            if labels.masks.names != MASKS:
                msg = f"trip {trip}: masks are {labels.masks.names}, not {MASKS}"
                raise ValueError(msg)
            images[start + shot] = frame.image
            masks[start + shot] = np.packbits(labels.masks.masks, axis=-1)
            kept[f"boxes{shot}"] = labels.boxes.xyxy
            kept[f"classes{shot}"] = labels.boxes.classes
    images.flush()
    masks.flush()
    part = place / f"{number:04}.part.npz"
    np.savez(part, **kept)  # type: ignore[arg-type]  # numpy's stub takes the names for its flag
    part.replace(place / f"{number:04}.npz")


def main() -> None:
    """Render every split."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("~/.cache/splitway-train").expanduser())
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--share", type=float, default=1.0, help="of the data, for trials")
    given = parser.parse_args()
    splits: tuple[Split, ...] = ("validation", "test", "train")
    for split in splits:
        found = pictures(split, given.data, share=given.share, workers=given.workers)
        print(f"{split}: {len(found)} pictures of {len(found.planned)} trips")


if __name__ == "__main__":
    main()
