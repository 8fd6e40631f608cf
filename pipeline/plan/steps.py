"""The three kinds of step that a route is made of."""

from __future__ import annotations

from pipeline.values import Value


class Run(Value, frozen=True, kw_only=True):
    """A segment of the network runs on a device.

    Attributes:
        segment: Name of the segment, such as `only:0-41`.
        device: Name of the device in the scenario, such as `edge0`.
    """

    segment: str
    device: str


class Host(Value, frozen=True, kw_only=True):
    """A stage of pre- or post-processing or of coding runs on the host of a site.

    Attributes:
        stage: `prepare`, `pack`, `unpack`, `post`, `fuse`, `track`, `forecast` or `deliver`.
        site: Name of the site whose host runs it.
    """

    stage: str
    site: str


class Move(Value, frozen=True, kw_only=True):
    """Tensors cross a channel.

    Attributes:
        tensors: Names of the tensors, or the one name `result` on the way back.
        channel: A link between sites in one direction, such as `cell.up`, or the bus between the
            devices of a site, such as `cloud.bus`.
        codecs: Codec of each tensor, in the order of `tensors`.
    """

    tensors: tuple[str, ...]
    channel: str
    codecs: tuple[str, ...]


Step = Run | Host | Move
