"""What a synthetic scene is made of, as numbers that can be changed by name."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Literal

from sensors.errors import SensorError

if TYPE_CHECKING:
    from collections.abc import Mapping

Weather = Literal["clear", "rain"]
Light = Literal["day", "dusk"]
ParameterValue = float | str


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneParameters:
    """A scene in numbers; every one can be given by name, see `parameters_of`.

    Attributes:
        lanes: Driving lanes of each direction, 1 to 4.
        speed_mps: Speed the own vehicle would like to have, 3 to 45; others drive about as fast.
        traffic_per_km: Vehicles a kilometre of each lane at the start, 0 to 60.
        trucks: Share of vans and trucks, 0 to 1.
        cut_ins: How readily others change into the gap ahead of the own vehicle, 0 to 1.
        pedestrians_per_km: People walking along a kilometre of each pavement, 0 to 200.
        cyclists_per_km: Cyclists on a kilometre of each cycle lane, 0 to 40.
        parked: Share of the parking places that are taken, 0 to 1.
        junction_every_m: Distance of junctions with traffic lights, 140 to 2000; 0 for none.
        zebra_every_m: Distance of zebra crossings, 140 to 2000; 0 for none.
        tunnels: Share of the road that lies in tunnels, 0 to 0.8.
        bends: How much of the scene's sharpest curvature there is, 0 (straight) to 1.
        hills_m: Amplitude of the hills, metres, 0 to 3.
        weather: Clear or rain.
        light: Day or dusk.
    """

    lanes: int
    speed_mps: float
    traffic_per_km: float
    trucks: float = 0.2
    cut_ins: float = 0.5
    pedestrians_per_km: float = 0.0
    cyclists_per_km: float = 0.0
    parked: float = 0.0
    junction_every_m: float = 0.0
    zebra_every_m: float = 0.0
    tunnels: float = 0.0
    bends: float = 1.0
    hills_m: float = 1.2
    weather: Weather = "clear"
    light: Light = "day"


_RANGES: dict[str, tuple[float, float]] = {
    "lanes": (1, 4),
    "speed_mps": (3.0, 45.0),
    "traffic_per_km": (0.0, 60.0),
    "trucks": (0.0, 1.0),
    "cut_ins": (0.0, 1.0),
    "pedestrians_per_km": (0.0, 200.0),
    "cyclists_per_km": (0.0, 40.0),
    "parked": (0.0, 1.0),
    "junction_every_m": (140.0, 2000.0),
    "zebra_every_m": (140.0, 2000.0),
    "tunnels": (0.0, 0.8),
    "bends": (0.0, 1.0),
    "hills_m": (0.0, 3.0),
}
_OR_ZERO = ("junction_every_m", "zebra_every_m")
_CHOICES: dict[str, tuple[str, ...]] = {"weather": ("clear", "rain"), "light": ("day", "dusk")}
_STREET_ONLY = (
    "pedestrians_per_km",
    "cyclists_per_km",
    "parked",
    "junction_every_m",
    "zebra_every_m",
)

SCENES: dict[str, SceneParameters] = {
    "highway": SceneParameters(lanes=3, speed_mps=31.0, traffic_per_km=14.0, trucks=0.3),
    "urban": SceneParameters(
        lanes=2,
        speed_mps=13.0,
        traffic_per_km=22.0,
        trucks=0.15,
        pedestrians_per_km=45.0,
        cyclists_per_km=8.0,
        parked=0.6,
        zebra_every_m=190.0,
        hills_m=0.8,
    ),
    "intersection": SceneParameters(
        lanes=2,
        speed_mps=13.0,
        traffic_per_km=20.0,
        trucks=0.15,
        pedestrians_per_km=40.0,
        cyclists_per_km=8.0,
        parked=0.3,
        junction_every_m=170.0,
        bends=0.5,
        hills_m=0.5,
    ),
    "tunnel": SceneParameters(
        lanes=2, speed_mps=22.0, traffic_per_km=16.0, trucks=0.3, tunnels=0.6, hills_m=0.8
    ),
}
"""Every scene by name, as it is unless parameters say otherwise."""


class SceneUnknownError(SensorError):
    """There is no synthetic scene of this name; take one of those listed."""

    def __init__(self, scene: str) -> None:
        self.scene, self.known = scene, tuple(SCENES)
        super().__init__(f"no synthetic scene {scene!r}; there are {', '.join(self.known)}")


class SceneParameterError(SensorError):
    """A parameter of a synthetic scene is unknown or outside its range; mend or drop it."""

    def __init__(self, scene: str, name: str, reason: str) -> None:
        self.scene, self.name, self.reason = scene, name, reason
        super().__init__(f"synthetic scene {scene!r}: parameter {name!r} {reason}")


def parameters_of(
    scene: str, changes: Mapping[str, ParameterValue] | None = None
) -> SceneParameters:
    """Return a scene's parameters with some of them changed.

    Args:
        scene: A key of `SCENES`.
        changes: New values by the names of `SceneParameters`.

    Raises:
        SceneUnknownError: There is no such scene.
        SceneParameterError: A name is unknown, or a value is not what the parameter takes.
    """
    if scene not in SCENES:
        raise SceneUnknownError(scene)
    known = [field.name for field in fields(SceneParameters)]
    found = SCENES[scene]
    for name, value in (changes or {}).items():
        if name not in known:
            raise SceneParameterError(scene, name, f"is unknown; there are {', '.join(known)}")
        found = replace(found, **{name: _checked(scene, name, value)})  # type: ignore[arg-type]
    if found.junction_every_m and found.zebra_every_m:
        reason = "and 'junction_every_m' exclude each other: set one of them to 0"
        raise SceneParameterError(scene, "zebra_every_m", reason)
    return found


def is_street(scene: str) -> bool:
    """Return whether a scene has kerbs, pavements and houses."""
    return scene in ("urban", "intersection")


def _checked(scene: str, name: str, value: ParameterValue) -> ParameterValue:
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            reason = f"must be {' or '.join(_CHOICES[name])}, not {value!r}"
            raise SceneParameterError(scene, name, reason)
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise SceneParameterError(scene, name, f"must be a number, not {value!r}")
    low, high = _RANGES[name]
    if not (low <= value <= high or (name in _OR_ZERO and value == 0)):
        also = ", or 0" if name in _OR_ZERO else ""
        reason = f"must be from {low:g} to {high:g}{also}, not {value:g}"
        raise SceneParameterError(scene, name, reason)
    if name in _STREET_ONLY and value and not is_street(scene):
        raise SceneParameterError(scene, name, "is for scenes with streets: urban, intersection")
    if name == "tunnels" and value and is_street(scene):
        raise SceneParameterError(scene, name, "is for scenes without streets: highway, tunnel")
    if name == "lanes":
        if value != int(value):
            raise SceneParameterError(scene, name, f"must be a whole number, not {value:g}")
        return int(value)
    return float(value)
