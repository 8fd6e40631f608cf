"""What a link does to the messages of one direction, read off their bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import WireError
from pipeline.link.channel import LinkChannel
from pipeline.link.model import kind_subject
from pipeline.transport.wire import decode_header

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pipeline.link.model import Direction, LinkConfig, Passage
    from pipeline.transport.wire import Piece

_MOST_WARMUP = 1 << 32  # frames; a header can claim any number, and draws count from -2**40


class Shaper:
    """Passes messages over one direction of a link, keyed as in a virtual run.

    Where shares or draws depend on task and frame it reads them in the header, and nothing else;
    a message whose header does not decode crosses all the same, keyed by a count.

    Args:
        link: The link.
        direction: Which way.
        tasks: Names of the run's tasks; no other name is taken for one.
    """

    def __init__(self, link: LinkConfig, direction: Direction, tasks: Collection[str]) -> None:
        self._channel = LinkChannel(link, direction)
        self._tasks = frozenset(tasks)

    def take(self, pieces: Sequence[Piece], at_ns: int) -> Passage:
        """How a message passes whose parts were handed over then; the first is its header."""
        payload_bytes = sum(len(piece) for piece in pieces[1:])
        if not self._channel.keyed:
            return self._channel.cross(payload_bytes, at_ns)
        subject, frame = self._key(pieces[0])
        return self._channel.cross(payload_bytes, at_ns, subject=subject, frame=frame)

    def _key(self, piece: Piece) -> tuple[str, int | None]:
        try:
            header = decode_header(piece)
        except WireError:
            return kind_subject(""), None
        if header.task in self._tasks and header.frame > -_MOST_WARMUP:
            return header.task or "", header.frame
        return kind_subject(header.kind), None
