"""What a virtual run is made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.link.model import LinkConfig
    from pipeline.runtime.core.config import CoreConfig
    from pipeline.runtime.sizes import Sizes
    from pipeline.runtime.timing import Timing
    from replay.schedule import ScheduledFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualSetup:
    """What a virtual run needs.

    Attributes:
        core: Configuration of the machines.
        schedule: Every frame in the order of sending; read once.
        frame_bytes: Bytes of one frame per stream, where `sizes` does not know each.
        sizes: Bytes that each step makes for each picture of the recording.
        timing: Modelled durations.
        links: The links of the run by name.
    """

    core: CoreConfig
    schedule: Iterable[ScheduledFrame]
    frame_bytes: Mapping[str, int]
    sizes: Sizes
    timing: Timing
    links: Mapping[str, LinkConfig]
