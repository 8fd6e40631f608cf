"""A spinning LiDAR that drives through a made-up scene, as a reader of one stream."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sensors.calibration import Calibration
from sensors.errors import StreamMissingError
from sensors.frames import LidarSweep, Stream
from sensors.labels import FrameLabels
from sensors.synthetic.lidar_scan import scan
from sensors.synthetic.lidar_spec import LidarSpec
from sensors.synthetic.lidar_truth import boxes_of, futures_of
from sensors.synthetic.world_stream import WorldStream

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from sensors.synthetic.lidar_scan import ScannedTurn
    from sensors.synthetic.moment import Scenery
    from sensors.synthetic.parameters import ParameterValue

RAIN_MM_H = 12.0
"""Rain of the weather `rain`, mm an hour: heavy, not a cloudburst; assumed."""


class SyntheticLidar(WorldStream):
    """A spinning LiDAR on the own vehicle of a made-up scene; also `Labelled`.

    Sweep `i` is stamped with its turn's end, `phase_ns + i * period_ns`; the turn takes as long as
    `spec.turn_ns` says, or the period where that is shorter. Before its start the world is taken
    to have gone straight on. Labels are of the stamp, with the points that the sweep has on them;
    a point of a moving object lies where the object was when it was measured.
    """

    def __init__(
        self,
        scene: str = "highway",
        *,
        seed: int,
        length_ns: int,
        period_ns: int,
        stream: str,
        phase_ns: int = 0,
        spec: LidarSpec | None = None,
        parameters: Mapping[str, ParameterValue] | None = None,
        world: Scenery | None = None,
    ) -> None:
        """Say what to drive through; nothing is cast before the context is entered.

        Args:
            scene: Name of the scene, a key of `SCENES`.
            seed: Any whole number; its lowest 64 bits count.
            length_ns: Length of the drive in ns, above 0; sweeps lie at stamps below it.
            period_ns: Distance of two sweeps in ns, above 0.
            stream: Name of the stream.
            phase_ns: Stamp of the first sweep in ns, at least 0.
            spec: The sensor; where None, the default one, in `RAIN_MM_H` if the weather is `rain`.
            parameters: Changes of the scene's parameters, by name.
            world: The world that scene, seed and parameters make, where there is one already.

        Raises:
            SceneUnknownError: There is no such scene.
            SceneParameterError: A parameter is unknown or outside its range.
            ValueError: A number is outside its range.
        """
        super().__init__(
            scene,
            seed=seed,
            length_ns=length_ns,
            period_ns=period_ns,
            stream=stream,
            phase_ns=phase_ns,
            parameters=parameters,
            world=world,
        )
        if spec is None:
            rains = self._parameters.weather == "rain"
            spec = LidarSpec(rain_mm_h=RAIN_MM_H if rains else 0.0)
        self._spec = replace(spec, turn_ns=min(spec.turn_ns, period_ns))
        self._last: tuple[int, ScannedTurn] | None = None

    @property
    def spec(self) -> LidarSpec:
        """The sensor."""
        return self._spec

    def calibration(self) -> Calibration:
        """Where the sensor sits."""
        return Calibration(stream=self._name, mounting=self._spec.mounting)

    def calibrations(self) -> tuple[Calibration, ...]:
        """The same, as a recording of several sensors tells it."""
        return (self.calibration(),)

    def labels(
        self,
        *,
        streams: Collection[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[FrameLabels]:
        """Yield what is true of each sweep of the window: boxes in space, and futures.

        Only inside the context. The window counts as for `frames`.

        Args:
            streams: Names of the streams wanted; None wants all.
            start_ns: First stamp wanted; None is unbounded.
            stop_ns: First stamp no longer wanted; None is unbounded.

        Raises:
            StreamMissingError: A named stream is not in the drive; raised by the call itself.
        """
        self._opened()
        for name in streams or ():
            if name != self._name:
                raise StreamMissingError(self._path, name, (self._name,))
        if streams is not None and not streams:
            return iter(())
        return self._labelled(start_ns, stop_ns)

    def _kind_id(self) -> str:
        spec = self._spec
        return f"&lidar={spec.columns}x{spec.rings}&spec={spec.digest()}"

    def _open(self) -> Stream:
        self._enter_world()
        return Stream(
            name=self._name,
            kind="lidar",
            period_ns=self._period_ns,
            frames=len(self.stamps()),
            width=self._spec.columns,
            height=self._spec.rings,
        )

    def _read(
        self, stream: Stream, start_ns: int | None, stop_ns: int | None
    ) -> Iterator[LidarSweep]:
        for index in self._indices(start_ns, stop_ns):
            stamp_ns = self._phase_ns + index * self._period_ns
            turn = self._turn(index)
            yield LidarSweep(
                stream=stream.name,
                index=index,
                stamp_ns=stamp_ns,
                scheduled_ns=stamp_ns,
                points=turn.points,
                offsets_ns=turn.offsets_ns,
                rings=turn.rings,
            )

    def _labelled(self, start_ns: int | None, stop_ns: int | None) -> Iterator[FrameLabels]:
        for index in self._indices(start_ns, stop_ns):
            self._opened()
            stamp_ns = self._phase_ns + index * self._period_ns
            turn = self._turn(index)
            boxes = boxes_of(turn.moment, turn.hits, within_m=self._spec.range_m)
            yield FrameLabels(
                stream=self._name,
                index=index,
                stamp_ns=stamp_ns,
                boxes_3d=boxes,
                futures=futures_of(self._world(), turn.moment.ego, stamp_ns, boxes.tracks),
            )

    def _turn(self, index: int) -> ScannedTurn:
        # Frames and labels are mostly read side by side: the last turn serves both.
        if self._last is None or self._last[0] != index:
            turn = scan(
                self._world(),
                self._spec,
                seed=self._seed,
                stream=self._name,
                sweep=index,
                stamp_ns=self._phase_ns + index * self._period_ns,
            )
            self._last = index, turn
        return self._last[1]
