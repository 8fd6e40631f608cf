"""All sensors of one synthetic world as one drive: cameras, LiDAR, pose and inertial unit."""

from __future__ import annotations

from bisect import bisect_left
from contextlib import ExitStack
from dataclasses import dataclass
from heapq import merge
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from sensors.errors import SensorError, StreamMissingError
from sensors.labels import Labelled
from sensors.synthetic.drive import SyntheticDrive
from sensors.synthetic.lidar import SyntheticLidar
from sensors.synthetic.motion import SyntheticImu, SyntheticPose
from sensors.synthetic.parameters import parameters_of
from sensors.synthetic.view import VIEWS
from sensors.synthetic.world import World

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from types import TracebackType

    from sensors.calibration import Calibration
    from sensors.frames import Frame, Stream
    from sensors.labels import FrameLabels
    from sensors.synthetic.lidar_spec import LidarSpec
    from sensors.synthetic.motion import MotionNoise
    from sensors.synthetic.parameters import ParameterValue

OTHER_SENSORS = ("lidar", "pose", "imu")
"""Sensors besides the cameras."""


class SensorUnknownError(SensorError):
    """A synthetic drive has no such sensor; take one of those listed."""

    def __init__(self, sensor: str) -> None:
        self.sensor, self.known = sensor, (*VIEWS, *OTHER_SENSORS)
        super().__init__(f"no synthetic sensor {sensor!r}; there are {', '.join(self.known)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """Distance of two frames of each kind of sensor, ns, above 0.

    Attributes:
        camera_ns: Of every camera.
        lidar_ns: Of the LiDAR.
        pose_ns: Of the pose.
        imu_ns: Of the inertial unit.
    """

    camera_ns: int = 100_000_000
    lidar_ns: int = 100_000_000
    pose_ns: int = 10_000_000
    imu_ns: int = 10_000_000


_Sensor = SyntheticDrive | SyntheticLidar | SyntheticPose | SyntheticImu
_Item = TypeVar("_Item")


class SyntheticSuite:
    """A drive through a made-up scene with several sensors on one time axis; also `Labelled`.

    A stream is named as its sensor is. Frames come in the order of their stamps; of equal stamps in
    the order in which the sensors were named. One frame at a time is made, when it is asked for.
    What a sensor yields does not depend on the others.
    """

    def __init__(
        self,
        scene: str = "highway",
        *,
        seed: int,
        length_ns: int,
        sensors: Sequence[str] = ("front", "lidar", "pose", "imu"),
        width: int = 640,
        height: int = 384,
        periods: Periods | None = None,
        phases_ns: Mapping[str, int] | None = None,
        lidar: LidarSpec | None = None,
        noise: MotionNoise | None = None,
        parameters: Mapping[str, ParameterValue] | None = None,
    ) -> None:
        """Say what to drive through; nothing is made before the context is entered.

        Args:
            scene: Name of the scene, a key of `SCENES`.
            seed: Any whole number; its lowest 64 bits count.
            length_ns: Length of the drive in ns, above 0.
            sensors: Names of cameras (keys of `VIEWS`), `lidar`, `pose` and `imu`; at least one,
                each once.
            width: Pixels across of every camera.
            height: Pixels down of every camera.
            periods: Distance of two frames of each kind of sensor.
            phases_ns: Stamp of a sensor's first frame, by sensor; 0 where not named.
            lidar: The LiDAR; where None, as `SyntheticLidar` has it.
            noise: Errors of pose and inertial unit; the default ones where None.
            parameters: Changes of the scene's parameters, by name.

        Raises:
            SensorUnknownError: There is no such sensor.
            SceneUnknownError: There is no such scene.
            SceneParameterError: There is no such parameter, or its value is out of its range.
            ValueError: A number is outside its range, or a sensor is named twice.
        """
        for name in (*sensors, *(phases_ns or {})):
            if name not in VIEWS and name not in OTHER_SENSORS:
                raise SensorUnknownError(name)
        if not sensors or len(set(sensors)) != len(sensors):
            raise ValueError(f"sensors are one or more, each once, not {', '.join(sensors)!r}")
        self._path = Path(f"synthetic:{scene}")
        self._scene, self._seed, self._length_ns = scene, seed, length_ns
        self._size = (width, height)
        self._periods, self._phases_ns = periods or Periods(), dict(phases_ns or {})
        self._lidar, self._noise, self._parameters = lidar, noise, dict(parameters or {})
        # All sensors look at one world, so that it is simulated once.
        self._world = World(scene, seed=seed, parameters=parameters_of(scene, parameters))
        self._sensors = {name: self._made(name) for name in sensors}
        self._open: ExitStack | None = None

    @property
    def drive_id(self) -> str:
        """What every sensor's own drive is."""
        return " ".join(sensor.drive_id for sensor in self._sensors.values())

    def __enter__(self) -> Self:
        """Open all sensors."""
        with ExitStack() as opening:
            for sensor in self._sensors.values():
                opening.enter_context(sensor)
            self._open = opening.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close them; iterators that are still open fail at their next step."""
        if self._open is not None:
            self._open.close()
        self._open = None

    def streams(self) -> tuple[Stream, ...]:
        """The stream of each sensor, in the order of naming; only inside the context."""
        return tuple(stream for sensor in self._sensors.values() for stream in sensor.streams())

    def calibrations(self) -> tuple[Calibration, ...]:
        """Where each sensor sits, in the order of naming."""
        return tuple(sensor.calibration() for sensor in self._sensors.values())

    def frames(
        self,
        *,
        streams: Collection[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[Frame]:
        """Return an iterator over merged frames with start_ns <= stamp_ns < stop_ns.

        Each call starts anew.

        Args:
            streams: Names of the streams wanted; None wants all.
            start_ns: First stamp wanted; None is unbounded.
            stop_ns: First stamp no longer wanted; None is unbounded.

        Raises:
            StreamMissingError: A named stream is not in the drive; raised by the call itself.
        """
        wanted = self._wanted(streams)
        return _merged(
            [
                (
                    _window(sensor, start_ns, stop_ns),
                    sensor.frames(start_ns=start_ns, stop_ns=stop_ns),
                )
                for sensor in wanted
            ]
        )

    def labels(
        self,
        *,
        streams: Collection[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[FrameLabels]:
        """Yield what is true of the frames of cameras and LiDAR, in the order of the frames.

        Only inside the context; arguments and errors as of `frames`.

        Args:
            streams: Names of the streams wanted; None wants all.
            start_ns: First stamp wanted; None is unbounded.
            stop_ns: First stamp no longer wanted; None is unbounded.
        """
        wanted = self._wanted(streams)
        return _merged(
            [
                (
                    _window(sensor, start_ns, stop_ns),
                    sensor.labels(start_ns=start_ns, stop_ns=stop_ns),
                )
                for sensor in wanted
                if isinstance(sensor, Labelled)
            ]
        )

    def speed_mm_s(self, stamp_ns: int) -> int:
        """Return the own vehicle's speed at a stamp, in mm/s."""
        return next(iter(self._sensors.values())).speed_mm_s(stamp_ns)

    def _wanted(self, streams: Collection[str] | None) -> list[_Sensor]:
        if self._open is None:
            msg = f"{self._path}: the reader is closed; enter it as a context first"
            raise RuntimeError(msg)
        for name in streams or ():
            if name not in self._sensors:
                raise StreamMissingError(self._path, name, tuple(self._sensors))
        return [
            sensor for name, sensor in self._sensors.items() if streams is None or name in streams
        ]

    def _made(self, name: str) -> _Sensor:
        phase_ns = self._phases_ns.get(name, 0)
        seed, length_ns, periods = self._seed, self._length_ns, self._periods
        if name in VIEWS:
            return SyntheticDrive(
                self._scene,
                seed=seed,
                length_ns=length_ns,
                period_ns=periods.camera_ns,
                width=self._size[0],
                height=self._size[1],
                stream=name,
                camera=name,
                phase_ns=phase_ns,
                parameters=self._parameters,
                world=self._world,
            )
        if name == "lidar":
            return SyntheticLidar(
                self._scene,
                seed=seed,
                length_ns=length_ns,
                period_ns=periods.lidar_ns,
                stream=name,
                phase_ns=phase_ns,
                spec=self._lidar,
                parameters=self._parameters,
                world=self._world,
            )
        made, period_ns = (
            (SyntheticPose, periods.pose_ns) if name == "pose" else (SyntheticImu, periods.imu_ns)
        )
        return made(
            self._scene,
            seed=seed,
            length_ns=length_ns,
            period_ns=period_ns,
            stream=name,
            phase_ns=phase_ns,
            noise=self._noise,
            parameters=self._parameters,
            world=self._world,
        )


def _window(sensor: _Sensor, start_ns: int | None, stop_ns: int | None) -> range:
    """Stamps of a sensor with start_ns <= stamp_ns < stop_ns."""
    stamps = sensor.stamps()
    first = 0 if start_ns is None else bisect_left(stamps, start_ns)
    last = len(stamps) if stop_ns is None else bisect_left(stamps, stop_ns)
    return stamps[first:last]


def _merged(sources: Sequence[tuple[range, Iterator[_Item]]]) -> Iterator[_Item]:
    """Yield the items of all sources by stamp, of equal stamps in the order of the sources.

    The stamps are known ahead, so that no item is made before it is its turn.
    """
    turns = merge(
        *(zip(stamps, repeat(place), strict=False) for place, (stamps, _) in enumerate(sources))
    )
    for _, place in turns:
        yield next(sources[place][1])
