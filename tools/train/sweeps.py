"""LiDAR sweeps with labels on disk: cast once, in parallel."""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sensors.frames import LidarSweep
from sensors.labels import LABEL_CLASSES, Labels3D
from sensors.synthetic.lidar import SyntheticLidar
from tools.train.shots import PERIOD_NS, Split, Trip, digest, trips

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sensors.calibration import Mounting

STREAM = "lidar"
TRIPS: dict[Split, int] = {"train": 300, "validation": 24, "test": 60}
SHOTS = 12
_COLUMNS = ("tracks", "classes", "centres_m", "sizes_m", "yaws_rad", "velocities_mps", "points")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sweeps:
    """Sweeps of a split.

    Attributes:
        points: X, y, z (m) and intensity, sensor frame; n of (points, 4), float32; lie on disk.
        labels: Boxes in space, ego frame, a sweep.
        mounting: Where the sensor sits.
    """

    points: list[NDArray[np.float32]]
    labels: list[Labels3D]
    mounting: Mounting

    def __len__(self) -> int:
        return len(self.labels)


def sweeps(split: Split, folder: Path, *, share: float = 1.0, workers: int = 2) -> Sweeps:
    """Return the sweeps of a split, casting what is not there yet.

    Args:
        split: Which.
        folder: Where the data is kept.
        share: Of the split's trips, for trials.
        workers: Processes that cast.
    """
    planned = trips(split, count=max(1, round(TRIPS[split] * share)), shots=SHOTS)
    place = folder / f"lidar-{split}-{digest(planned)}"
    _cast(planned, place, workers=workers)
    points, labels = [], []
    for number, trip in enumerate(planned):
        kept = np.load(place / f"{number:04}.npy", mmap_mode="r")
        with np.load(place / f"{number:04}.npz") as told:
            starts = told["starts"]
            for shot in range(trip.shots):
                points.append(kept[starts[shot] : starts[shot + 1]])
                columns = {name: told[f"{name}{shot}"] for name in _COLUMNS}
                labels.append(Labels3D(names=LABEL_CLASSES, **columns))
    return Sweeps(points=points, labels=labels, mounting=_drive(planned[0]).calibration().mounting)


def _cast(planned: Sequence[Trip], place: Path, *, workers: int) -> None:
    place.mkdir(parents=True, exist_ok=True)
    missing = [k for k in range(len(planned)) if not (place / f"{k:04}.npz").is_file()]
    if not missing:
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        jobs = [pool.submit(_cast_trip, planned[k], k, place) for k in missing]
        for done, job in enumerate(as_completed(jobs), 1):
            job.result()
            if done % 20 == 0 or done == len(jobs):
                print(f"{place.name}: {done}/{len(jobs)} trips cast", flush=True)


def _cast_trip(trip: Trip, number: int, place: Path) -> None:
    """Cast a trip; the file of labels, written last, says that it is whole."""
    kept: list[NDArray[np.float32]] = []
    told: dict[str, NDArray[np.float32] | NDArray[np.int64]] = {}
    with _drive(trip) as drive:
        for shot, (frame, labels) in enumerate(zip(drive.frames(), drive.labels(), strict=True)):
            if shot >= trip.shots:
                break
            if not isinstance(frame, LidarSweep) or labels.boxes_3d is None:
                msg = f"trip {trip}: sweeps with boxes in space are needed"
                raise TypeError(msg)
            kept.append(frame.points)
            for name in _COLUMNS:
                told[f"{name}{shot}"] = getattr(labels.boxes_3d, name)
    told["starts"] = np.concatenate([[0], np.cumsum([len(points) for points in kept])])
    np.save(place / f"{number:04}.npy", np.concatenate(kept))
    part = place / f"{number:04}.part.npz"
    np.savez(part, **told)  # type: ignore[arg-type]  # numpy's stub takes the names for its flag
    part.replace(place / f"{number:04}.npz")


def _drive(trip: Trip) -> SyntheticLidar:
    return SyntheticLidar(
        trip.scene,
        seed=trip.seed,
        length_ns=trip.length_ns,
        period_ns=PERIOD_NS,
        stream=STREAM,
        phase_ns=trip.phase_ns,
        parameters=dict(trip.parameters),
    )


def main() -> None:
    """Cast every split."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("~/.cache/splitway-train").expanduser())
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    splits: tuple[Split, ...] = ("validation", "test", "train")
    for split in splits:
        print(f"{split}: {len(sweeps(split, given.data, workers=given.workers))} sweeps")


if __name__ == "__main__":
    main()
