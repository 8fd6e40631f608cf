"""Running a network that forecasts, frame after frame, on what a tracker gives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from accelerators.backends.ort import OrtBackend
from pipeline.errors import PipelineError
from pipeline.tasks.outputs.protocol import Forecasts
from pipeline.tasks.outputs.registry import output_decoder
from pipeline.tasks.tracking.histories import Histories, Pose

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.runtime.spec import ForecasterSpec
    from pipeline.tasks.outputs.protocol import Boxes3D


class Forecaster:
    """Says where tracked objects will be; remembers where they have been."""

    def __init__(self, spec: ForecasterSpec) -> None:
        """Load the network.

        Raises:
            ModelLoadError: It does not load.
        """
        self._spec = spec
        self._decoder = output_decoder(spec.decoder, spec.parameters)
        self._histories = Histories(spec.history)
        self._backend = OrtBackend(lambda: 0, optimise=False)
        self._backend.load(Path(spec.artefact))

    def forecast(
        self, boxes: Boxes3D, tracks: NDArray[np.int64], at_ns: int, pose: Pose | None
    ) -> Forecasts:
        """Take a followed result in, and say where its objects will be.

        Args:
            boxes: The objects, ego frame, the surest first.
            tracks: Number of each, -1 for none.
            at_ns: When their frame was, in the order of time.
            pose: Where the own vehicle was; None leaves its motion in.

        Raises:
            PipelineError: The network failed, or its output does not fit its decoder.
        """
        places = boxes.centres_m[:, :2].astype("float64")
        tensor, window = self._histories.take(tracks, places, at_ns, pose or Pose())
        completion = self._backend.wait(self._backend.submit({self._spec.input_name: tensor}))
        if completion is None or completion.outputs is None:
            reason = "no answer" if completion is None else completion.failure
            raise PipelineError(f"{self._spec.task}: {reason}")
        outputs = dict(zip(self._spec.outputs, completion.outputs, strict=True))
        found = self._decoder.decode(outputs, window)
        if not isinstance(found, Forecasts):
            raise PipelineError(f"{self._spec.task}: its decoder gives no forecasts")
        return found

    def close(self) -> None:
        """Release the backend."""
        self._backend.close()
