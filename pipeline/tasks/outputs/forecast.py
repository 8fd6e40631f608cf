"""Decoder of a forecaster's output: where tracked objects will be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import OutputContractError
from pipeline.tasks.outputs.names import count
from pipeline.tasks.outputs.protocol import Forecasts, only_output, require_finite, require_tracks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pipeline.tasks.outputs.protocol import Array, Placement, Result, ResultKind

FAR_M = 2.0
"""Distance from which a forecast has missed: the miss of Argoverse's and nuScenes' challenges."""

_MOST = 1000
_MOST_STEPS = 255
_VERSION = 1
_HEAD = np.dtype([("version", "u1"), ("steps", "u1"), ("count", "<u2"), ("step_ns", "<i8")])


class Forecast:
    """Decodes one output of shape (1, tracks, futures, 2), float32.

    X and y from the newest place of each track, in the axes of the newest ego frame, metres; rows
    beyond the tracks that there are do not count.

    A result crosses as little-endian bytes: version (uint8, 1), steps (uint8), count (uint16), ns
    of a step (int64), then the numbers of the tracks (int64 each), then x and y of every step
    (float32), track by track.

    Args:
        most: Most tracks of a result, 1 to 1,000.
        output: Name of the output; empty where the network has one.

    Raises:
        InputError: A value is out of its range.
    """

    def __init__(self, *, most: int = 256, output: str = "") -> None:
        self.most = count("forecast: most", most, _MOST)
        self._output = output

    @property
    def name(self) -> str:
        """Name as a scenario writes it."""
        return "forecast"

    @property
    def kind(self) -> ResultKind:
        """Forecasts."""
        return "forecasts"

    def decode(self, outputs: Mapping[str, Array], geometry: Placement) -> Forecasts:
        """Decode the network's output into places in the newest ego frame.

        Raises:
            OutputContractError: Not such an output, or a value that is not finite.
        """
        window = require_tracks(self.name, geometry)
        name, output = only_output(self.name, outputs, self._output)
        require_finite(self.name, name, output, (1, window.rows, window.futures, 2))
        ahead = np.asarray(output, dtype=np.float32)[0, : len(window.tracks)]
        return Forecasts(
            tracks=window.tracks,
            step_ns=window.step_ns,
            positions_m=ahead + window.places_m[:, np.newaxis],
        )

    def encode(self, result: Result) -> NDArray[np.uint8]:
        """Write forecasts as described above; shape (bytes,).

        Raises:
            OutputContractError: Not forecasts, or more than `most` of them.
        """
        found = self._forecasts(result)
        tracks, steps = found.positions_m.shape[:2]
        if tracks > self.most or steps > _MOST_STEPS:
            raise OutputContractError(self.name, f"{tracks} tracks of {steps} steps are too many")
        head = np.zeros(1, _HEAD)
        head[0] = (_VERSION, steps, tracks, found.step_ns)
        numbers = found.tracks.astype("<i8").tobytes()
        places = np.ascontiguousarray(found.positions_m, dtype="<f4").tobytes()
        return np.frombuffer(head.tobytes() + numbers + places, np.uint8)

    def decode_result(self, buffer: NDArray[np.uint8]) -> Forecasts:
        """Read forecasts from bytes.

        Raises:
            OutputContractError: Length, version or a value does not fit.
        """
        data = np.ascontiguousarray(buffer, dtype=np.uint8).reshape(-1).tobytes()
        if len(data) < _HEAD.itemsize:
            raise OutputContractError(self.name, "the result is cut short")
        head = np.frombuffer(data, _HEAD, count=1)[0]
        if int(head["version"]) != _VERSION:
            raise OutputContractError(self.name, f"version {int(head['version'])} is unknown")
        tracks, steps = int(head["count"]), int(head["steps"])
        size = _HEAD.itemsize + 8 * tracks * (1 + steps)
        if tracks > self.most or len(data) != size:
            raise OutputContractError(self.name, f"{len(data)} bytes cannot hold {tracks} tracks")
        numbers = np.frombuffer(data, "<i8", count=tracks, offset=_HEAD.itemsize)
        places = np.frombuffer(data, "<f4", offset=_HEAD.itemsize + 8 * tracks)
        if not np.isfinite(places).all() or int(head["step_ns"]) <= 0:
            raise OutputContractError(self.name, "a place or the step is out of its range")
        return Forecasts(
            tracks=numbers.astype(np.int64),
            step_ns=int(head["step_ns"]),
            positions_m=places.astype(np.float32).reshape(tracks, steps, 2),
        )

    def agreement(self, result: Result, reference: Result) -> float:
        """How near forecasts of the same tracks are: 1 less their mean distance over 2 m, or 0.

        A track that only one of them has counts 0; 1 where both have none.

        Raises:
            OutputContractError: One of them is not forecasts, or steps differ.
        """
        found, wanted = self._forecasts(result), self._forecasts(reference)
        if (
            found.step_ns != wanted.step_ns
            or found.positions_m.shape[1] != (wanted.positions_m.shape[1])
        ):
            raise OutputContractError(self.name, "forecasts of other steps do not compare")
        known = {number: row for row, number in enumerate(wanted.tracks.tolist())}
        every = len(known) + sum(number not in known for number in found.tracks.tolist())
        if not every:
            return 1.0
        near = 0.0
        for row, number in enumerate(found.tracks.tolist()):
            if number in known:
                gaps = found.positions_m[row] - wanted.positions_m[known[number]]
                off_m = float(np.hypot(gaps[:, 0], gaps[:, 1]).mean()) if len(gaps) else 0.0
                near += max(0.0, 1.0 - off_m / FAR_M)
        return near / every

    def _forecasts(self, result: Result) -> Forecasts:
        if not isinstance(result, Forecasts):
            raise OutputContractError(self.name, f"takes forecasts, not {type(result).__name__}")
        return result
