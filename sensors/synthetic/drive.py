"""The synthetic drive as a reader: same protocol as a recording, nothing on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sensors.frames import CameraFrame, Stream
from sensors.readers._single import SingleStreamReader
from sensors.synthetic.picture import Artist
from sensors.synthetic.scenes import scene_named
from sensors.synthetic.view import view_named
from sensors.synthetic.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEAST_SIDE_PX = 32


class SyntheticDrive(SingleStreamReader):
    """A drive through a made-up scene, seen by one camera.

    A frame depends on the arguments and its number only: the same seed gives the same bytes,
    whatever was read before and in whatever window. Another seed gives another road, light, traffic
    and roadside. Frame `i` has the stamp `phase_ns + i * period_ns`; `scheduled_ns` is the same.

    Drives of one scene and seed are one world: what the cameras see at one stamp fits together.
    All stand where the front camera stands and look ahead, left, right or back; the sun stands
    to each as it does to the front camera.
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

        Raises:
            SceneUnknownError: There is no such scene.
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
        self._camera, self._view = camera, view_named(camera)
        self._phase_ns = phase_ns
        self._scene_name, self._scene = scene, scene_named(scene)
        self._seed, self._length_ns, self._period_ns = seed, length_ns, period_ns
        self._width, self._height = width, height
        self._artist: Artist | None = None

    @property
    def drive_id(self) -> str:
        """The scene and all parameters."""
        return (
            f"synthetic:{self._scene_name}?stream={self._name}&seed={self._seed}"
            f"&length_ns={self._length_ns}&period_ns={self._period_ns}"
            f"&size={self._width}x{self._height}&camera={self._camera}&phase_ns={self._phase_ns}"
        )

    def stamps(self) -> range:
        """Return the stamps of all frames, in ns."""
        frames = max(0, self._frame_at_or_after(self._length_ns))
        first_ns, period_ns = self._phase_ns, self._period_ns
        return range(first_ns, first_ns + frames * period_ns, period_ns)

    def speed_mm_s(self, stamp_ns: int) -> int:
        """Return the own vehicle's speed at a stamp, in mm/s."""
        return World(self._scene, seed=self._seed).speed_mm_s(stamp_ns)

    def _open(self) -> Stream:
        self._artist = Artist(
            self._scene, seed=self._seed, width=self._width, height=self._height, view=self._view
        )
        return Stream(
            name=self._name,
            kind="camera",
            period_ns=self._period_ns,
            frames=len(self.stamps()),
            width=self._width,
            height=self._height,
        )

    def _read(
        self, stream: Stream, start_ns: int | None, stop_ns: int | None
    ) -> Iterator[CameraFrame]:
        world = World(self._scene, seed=self._seed)
        artist = self._artist
        assert artist is not None, "a drive is read only while open"  # noqa: S101 - our invariant
        end_ns = self._length_ns if stop_ns is None else min(stop_ns, self._length_ns)
        first = 0 if start_ns is None else self._frame_at_or_after(start_ns)
        for index in range(max(0, first), self._frame_at_or_after(end_ns)):
            stamp_ns = self._phase_ns + index * self._period_ns
            yield CameraFrame(
                stream=stream.name,
                index=index,
                stamp_ns=stamp_ns,
                scheduled_ns=stamp_ns,
                image=artist.paint(world.at(stamp_ns, behind=not self._view.ahead), frame=index),
            )

    def _frame_at_or_after(self, at_ns: int) -> int:
        return -((self._phase_ns - at_ns) // self._period_ns)
