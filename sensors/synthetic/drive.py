"""The synthetic drive as a reader: same protocol as a recording, nothing on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sensors.errors import StreamMissingError
from sensors.frames import CameraFrame, Stream
from sensors.readers._single import SingleStreamReader
from sensors.synthetic.parameters import parameters_of
from sensors.synthetic.picture import Artist
from sensors.synthetic.truth import labels_of
from sensors.synthetic.view import camera_of
from sensors.synthetic.world import world_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from sensors.calibration import Calibration
    from sensors.labels import FrameLabels
    from sensors.synthetic.parameters import ParameterValue
    from sensors.synthetic.world import World

_LEAST_SIDE_PX = 32


class LabelledFrame(NamedTuple):
    """A frame and what is true of it."""

    frame: CameraFrame
    labels: FrameLabels


class SyntheticDrive(SingleStreamReader):
    """A drive through a made-up scene, seen by one camera; also `Labelled`.

    A frame depends on the arguments and its number only: the same seed gives the same bytes,
    whatever was read before and in whatever window. Another seed gives another road, light, traffic
    and roadside. Frame `i` has the stamp `phase_ns + i * period_ns`; `scheduled_ns` is the same.

    Drives of one scene, seed and parameters are one world: what the sensors see at one stamp fits
    together. The world is simulated from the start as far as it is read; a busy street takes
    about an eightieth of its time.
    """

    def __init__(
        self,
        scene: str = "highway",
        *,
        seed: int,
        length_ns: int,
        period_ns: int,
        width: int,
        height: int,
        stream: str,
        camera: str = "front",
        phase_ns: int = 0,
        parameters: Mapping[str, ParameterValue] | None = None,
        world: World | None = None,
    ) -> None:
        """Say what to drive through; nothing is drawn before the context is entered.

        Args:
            scene: Name of the scene, a key of `SCENES`.
            seed: Any whole number; its lowest 64 bits count.
            length_ns: Length of the drive in ns, above 0; frames lie at stamps below it.
            period_ns: Distance of two frames in ns, above 0.
            width: Pixels across, at least 32.
            height: Pixels down, at least 32.
            stream: Name of the stream.
            camera: Which camera sees it, a key of `VIEWS`.
            phase_ns: Stamp of the first frame in ns, at least 0.
            parameters: Changes of the scene by the names of `SceneParameters`.
            world: The world that scene, seed and parameters make, where there is one already.

        Raises:
            SceneUnknownError: There is no such scene.
            SceneParameterError: A parameter is unknown or outside its range.
            CameraUnknownError: There is no such camera.
            ValueError: A number is outside its range.
        """
        super().__init__(path=Path(f"synthetic:{scene}"), stream=stream, period_ns=period_ns)
        if length_ns <= 0 or phase_ns < 0 or min(width, height) < _LEAST_SIDE_PX:
            msg = (
                f"length_ns {length_ns} must be above 0, phase_ns {phase_ns} at least 0,"
                f" width {width} and height {height} at least {_LEAST_SIDE_PX}"
            )
            raise ValueError(msg)
        self._camera, self._phase_ns = camera, phase_ns
        self._calibration = camera_of(camera, stream=stream, width=width, height=height)
        self._scene, self._changes = scene, dict(parameters or {})
        self._parameters = parameters_of(scene, parameters)
        self._seed, self._length_ns, self._period_ns = seed, length_ns, period_ns
        self._width, self._height = width, height
        self._made: World | None = world
        self._artist: Artist | None = None

    @property
    def drive_id(self) -> str:
        """The scene and all parameters."""
        changed = "".join(f"&{name}={value}" for name, value in sorted(self._changes.items()))
        return (
            f"synthetic:{self._scene}?stream={self._name}&seed={self._seed}"
            f"&length_ns={self._length_ns}&period_ns={self._period_ns}"
            f"&size={self._width}x{self._height}&camera={self._camera}&phase_ns={self._phase_ns}"
            f"{changed}"
        )

    def stamps(self) -> range:
        """Return the stamps of all frames, in ns."""
        frames = max(0, self._frame_at_or_after(self._length_ns))
        first_ns, period_ns = self._phase_ns, self._period_ns
        return range(first_ns, first_ns + frames * period_ns, period_ns)

    def speed_mm_s(self, stamp_ns: int) -> int:
        """Return the own vehicle's speed at a stamp, in mm/s; also outside the context."""
        return self._world().speed_mm_s(stamp_ns)

    def calibration(self) -> Calibration:
        """Return where the camera sits and how it projects; also outside the context."""
        return self._calibration

    def labels(
        self,
        *,
        streams: Collection[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[FrameLabels]:
        """Return an iterator over the labels of the frames with start_ns <= stamp_ns < stop_ns.

        No picture is painted for them. Only inside the context.

        Args:
            streams: Names of the streams wanted; None wants all.
            start_ns: First stamp wanted; None is unbounded.
            stop_ns: First stamp no longer wanted; None is unbounded.

        Raises:
            StreamMissingError: A named stream is not in the drive; raised by the call itself.
        """
        stream = self._opened()
        for name in streams if streams is not None else ():
            if name != stream.name:
                raise StreamMissingError(self._path, name, (stream.name,))
        if streams is not None and not streams:
            return iter(())
        return self._labels(start_ns, stop_ns)

    def labelled_frames(
        self, *, start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[LabelledFrame]:
        """Yield frames with their labels, both from one look at the world; only in the context."""
        for index in self._indices(start_ns, stop_ns):
            world, artist = self._world(), self._painter()
            moment = world.at(self._phase_ns + index * self._period_ns)
            sight = artist.see(moment, frame=index, truth=True)
            assert sight.image is not None, "a picture was asked for"  # noqa: S101
            yield LabelledFrame(
                frame=self._frame(index, sight.image),
                labels=labels_of(sight, world, moment, stream=self._name, index=index),
            )

    def _open(self) -> Stream:
        self._artist = Artist(self._world(), self._calibration, camera=self._camera)
        return Stream(
            name=self._name,
            kind="camera",
            period_ns=self._period_ns,
            frames=len(self.stamps()),
            width=self._width,
            height=self._height,
        )

    def _read(
        self,
        stream: Stream,
        start_ns: int | None,
        stop_ns: int | None,
    ) -> Iterator[CameraFrame]:
        assert stream.name == self._name, "there is but one"  # noqa: S101 - our invariant
        world, artist = self._world(), self._painter()
        for index in self._indices(start_ns, stop_ns):
            moment = world.at(self._phase_ns + index * self._period_ns)
            image = artist.see(moment, frame=index).image
            assert image is not None, "a picture was asked for"  # noqa: S101
            yield self._frame(index, image)

    def _labels(self, start_ns: int | None, stop_ns: int | None) -> Iterator[FrameLabels]:
        for index in self._indices(start_ns, stop_ns):
            self._opened()
            world = self._world()
            moment = world.at(self._phase_ns + index * self._period_ns)
            sight = self._painter().see(moment, frame=index, picture=False, truth=True)
            yield labels_of(sight, world, moment, stream=self._name, index=index)

    def _frame(self, index: int, image: NDArray[np.uint8]) -> CameraFrame:
        stamp_ns = self._phase_ns + index * self._period_ns
        return CameraFrame(
            stream=self._name, index=index, stamp_ns=stamp_ns, scheduled_ns=stamp_ns, image=image
        )

    def _world(self) -> World:
        if self._made is None:
            self._made = world_of(self._scene, seed=self._seed, parameters=self._parameters)
        return self._made

    def _painter(self) -> Artist:
        self._opened()
        assert self._artist is not None, "an open drive has one"  # noqa: S101 - our invariant
        return self._artist

    def _indices(self, start_ns: int | None, stop_ns: int | None) -> range:
        """Return the numbers of the frames with start_ns <= stamp_ns < stop_ns."""
        end_ns = self._length_ns if stop_ns is None else min(stop_ns, self._length_ns)
        first = 0 if start_ns is None else max(0, self._frame_at_or_after(start_ns))
        return range(first, max(first, self._frame_at_or_after(end_ns)))

    def _frame_at_or_after(self, at_ns: int) -> int:
        return -((self._phase_ns - at_ns) // self._period_ns)
