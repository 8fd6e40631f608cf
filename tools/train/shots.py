"""Which drives are rendered for training, validation and test: seeds, scenes, weathers, cameras."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from sensors.synthetic.draws import uniforms
from sensors.synthetic.parameters import SCENES, ParameterValue, SceneParameters, is_street

Split = Literal["train", "validation", "test"]

FIRST_SEED: dict[Split, int] = {"train": 1, "validation": 1000, "test": 2000}
"""Seeds of training lie below 1000, of validation below 1100, of the test at 2000 and above."""

TRIPS: dict[Split, int] = {"train": 260, "validation": 48, "test": 96}
SHOTS_A_TRIP = 16
PERIOD_NS = 2_300_000_000
"""Distance of two shots of a trip: far enough that the view is another."""

WIDTH, HEIGHT = 640, 384

_SCENES = (("urban", 0.42), ("intersection", 0.26), ("highway", 0.2), ("tunnel", 0.12))
_CAMERAS = (("front", 0.55), ("left", 0.15), ("right", 0.15), ("rear", 0.15))
_RAIN, _DUSK = 0.25, 0.25  # shares of the trips


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """A short drive seen by one camera, or swept by the LiDAR.

    Attributes:
        seed: Of the world.
        scene: Its name.
        parameters: What differs from the scene as it is.
        camera: Which camera sees it.
        phase_ns: Stamp of the first shot.
        shots: Number of shots, `PERIOD_NS` apart.
    """

    seed: int
    scene: str
    parameters: tuple[tuple[str, ParameterValue], ...]
    camera: str
    phase_ns: int
    shots: int = SHOTS_A_TRIP

    @property
    def length_ns(self) -> int:
        """Length of a drive that holds every shot."""
        return self.phase_ns + self.shots * PERIOD_NS


def trips(split: Split, *, count: int | None = None, shots: int = SHOTS_A_TRIP) -> list[Trip]:
    """Return the trips of a split, one a seed; the same always.

    Training sees more traffic, people and bicycles than the scenes have, so that every class is
    learned; validation and test see the scenes as they are, in every weather and light.

    Args:
        split: Which.
        count: How many; the split's own number where None. At most the seeds it has.
        shots: Shots a trip.
    """
    first = FIRST_SEED[split]
    found = [
        _trip(split, first + k, shots) for k in range(TRIPS[split] if count is None else count)
    ]
    if split != "test" and found and found[-1].seed >= FIRST_SEED[_next(split)]:
        msg = f"{split} has seeds from {first} below {FIRST_SEED[_next(split)]}, not {len(found)}"
        raise ValueError(msg)
    return found


def digest(planned: list[Trip]) -> str:
    """Eight hexadecimal digits that name a list of trips."""
    return hashlib.sha256(repr(planned).encode()).hexdigest()[:8]


def _next(split: Split) -> Split:
    return "validation" if split == "train" else "test"


def _trip(split: Split, seed: int, shots: int) -> Trip:
    scene_at, camera_at, rain, dusk, phase = uniforms(seed, "trip", count=5)
    scene, camera = _pick(_SCENES, scene_at), _pick(_CAMERAS, camera_at)
    changes: dict[str, ParameterValue] = {}
    if rain < _RAIN:
        changes["weather"] = "rain"
    if dusk < _DUSK:
        changes["light"] = "dusk"
    if split == "train":
        changes |= _denser(scene, SCENES[scene], uniforms(seed, "denser", count=6))
    return Trip(
        seed=seed,
        scene=scene,
        parameters=tuple(sorted(changes.items())),
        camera=camera,
        phase_ns=2_000_000_000 + int(phase * 20) * 100_000_000,
        shots=shots,
    )


def _denser(
    scene: str, usual: SceneParameters, draws: tuple[float, ...]
) -> dict[str, ParameterValue]:
    traffic, trucks, walkers, riders, parked, bends = draws
    changes: dict[str, ParameterValue] = {
        "traffic_per_km": round(min(usual.traffic_per_km * (0.7 + 1.1 * traffic), 45.0), 1),
        "trucks": round(0.15 + 0.45 * trucks, 2),
        "bends": round(bends, 2),
    }
    if is_street(scene):
        changes["pedestrians_per_km"] = round(25.0 + 100.0 * walkers, 1)
        changes["cyclists_per_km"] = round(6.0 + 30.0 * riders, 1)
        changes["parked"] = round(parked * 0.8, 2)
    return changes


def _pick(choices: tuple[tuple[str, float], ...], at: float) -> str:
    for name, share in choices:
        if at < share:
            return name
        at -= share
    return choices[-1][0]
