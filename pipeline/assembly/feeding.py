"""What a task's network reads of a frame, outside a run: to calibrate and to compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.runtime.samples import Picture, Sweep, sample_of
from pipeline.runtime.spec import PictureInput, PillarInput
from pipeline.tasks.pillars import pillarise
from pipeline.tasks.prepare import prepare_image, to_tensor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.runtime.spec import TaskSpec

    Array = NDArray[np.generic[object]]


def network_input(spec: TaskSpec, data: Array) -> dict[str, Array]:
    """The network's input, by name, as a run makes it where the frame is not coded.

    Args:
        spec: The task.
        data: A frame's data: pixels or points, as `runtime.samples` has them.

    Raises:
        InputError: The network reads another kind of frame.
    """
    match spec.input, sample_of(data):
        case PillarInput(spec=grid), Sweep(points=points):
            return {spec.input_name: pillarise(points, grid)}
        case PictureInput(spec=picture), Picture(pixels=pixels):
            return {spec.input_name: to_tensor(prepare_image(pixels, picture).pixels, picture)}
        case _:
            raise InputError(f"{spec.name}: its network does not read what the stream holds")
