"""What the sensors of a synthetic drive share that are no cameras: world and grid of stamps."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from sensors.readers._single import SingleStreamReader
from sensors.synthetic.parameters import parameters_of
from sensors.synthetic.world import World, world_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sensors.synthetic.moment import EgoState, Scenery
    from sensors.synthetic.parameters import ParameterValue


@runtime_checkable
class _KnowsEgo(Protocol):
    """A world that tells of the own vehicle alone, which is quicker than a whole `Moment`."""

    def ego(self, at_ns: int) -> EgoState:
        """The own vehicle `at_ns` ns after the start of the drive."""


def ego_at(scenery: Scenery, at_ns: int) -> EgoState:
    """Return the own vehicle of a world, `at_ns` ns after the start of the drive."""
    return scenery.ego(at_ns) if isinstance(scenery, _KnowsEgo) else scenery.at(at_ns).ego


class WorldStream(SingleStreamReader):
    """A stream whose frame `i` has the stamp `phase_ns + i * period_ns`, below `length_ns`.

    A frame depends on the arguments and its number only, whatever was read before. A subclass says
    what stream it is (`_open`, which calls `_enter_world`) and how it reads (`_read`).
    """

    def __init__(
        self,
        scene: str,
        *,
        seed: int,
        length_ns: int,
        period_ns: int,
        stream: str,
        phase_ns: int = 0,
        parameters: Mapping[str, ParameterValue] | None = None,
        world: Scenery | None = None,
    ) -> None:
        """Say what to drive through; no world is made before the context is entered.

        Args:
            scene: Name of the scene, a key of `SCENES`.
            seed: Any whole number; its lowest 64 bits count.
            length_ns: Length of the drive in ns, above 0.
            period_ns: Distance of two frames in ns, above 0.
            stream: Name of the stream.
            phase_ns: Stamp of the first frame in ns, at least 0.
            parameters: Changes of the scene's parameters, by name.
            world: The world that scene, seed and parameters make, where there is one already.

        Raises:
            SceneUnknownError: There is no such scene.
            SceneParameterError: A parameter is unknown or outside its range.
            ValueError: A number is outside its range.
        """
        super().__init__(path=Path(f"synthetic:{scene}"), stream=stream, period_ns=period_ns)
        if length_ns <= 0 or phase_ns < 0:
            msg = f"length_ns {length_ns} must be above 0, phase_ns {phase_ns} at least 0"
            raise ValueError(msg)
        self._scene, self._seed, self._length_ns = scene, seed, length_ns
        self._period_ns, self._phase_ns = period_ns, phase_ns
        self._changes = dict(parameters or {})
        self._parameters = parameters_of(scene, parameters)
        self._made = world

    @property
    def drive_id(self) -> str:
        """The scene and all parameters."""
        changed = "".join(f"&{name}={value}" for name, value in sorted(self._changes.items()))
        return (
            f"synthetic:{self._scene}?stream={self._name}&seed={self._seed}"
            f"&length_ns={self._length_ns}&period_ns={self._period_ns}{self._kind_id()}"
            f"&phase_ns={self._phase_ns}{changed}"
        )

    def stamps(self) -> range:
        """Return the stamps of all frames, in ns."""
        frames = max(0, self._frame_at_or_after(self._length_ns))
        first_ns, period_ns = self._phase_ns, self._period_ns
        return range(first_ns, first_ns + frames * period_ns, period_ns)

    def speed_mm_s(self, stamp_ns: int) -> int:
        """Return the own vehicle's speed at a stamp, in mm/s; also outside the context."""
        self._enter_world()
        world = self._world()
        if isinstance(world, World):  # whole numbers that are the same on every machine
            return world.speed_mm_s(stamp_ns)
        return round(ego_at(world, stamp_ns).speed_mps * 1000.0)

    @abstractmethod
    def _kind_id(self) -> str:
        """What tells the sensor's drive from another's of the same world."""

    def _enter_world(self) -> None:
        if self._made is None:
            self._made = world_of(self._scene, seed=self._seed, parameters=self._parameters)

    def _world(self) -> Scenery:
        assert self._made is not None, "a drive is read only while open"  # noqa: S101 - our invariant
        return self._made

    def _indices(self, start_ns: int | None, stop_ns: int | None) -> range:
        """Numbers of the frames with start_ns <= stamp_ns < stop_ns."""
        end_ns = self._length_ns if stop_ns is None else min(stop_ns, self._length_ns)
        first = 0 if start_ns is None else max(0, self._frame_at_or_after(start_ns))
        return range(first, max(first, self._frame_at_or_after(end_ns)))

    def _frame_at_or_after(self, at_ns: int) -> int:
        return -((self._phase_ns - at_ns) // self._period_ns)
