"""A link over time, whatever file or profile it came from."""

from __future__ import annotations

import hashlib

from pipeline.link.steps import Steps
from pipeline.values import Value, to_json


class Trace(Value, frozen=True, kw_only=True):
    """What a link could carry over time; each figure repeats with a period of its own.

    Attributes:
        source: Where it comes from, for people.
        up: Rate from the vehicle to the cloud in bits per second.
        down: Rate back.
        rtt_ns: Round trip of an empty message.
        loss_ppm: Share of packets that are lost, in parts per million.
    """

    source: str
    up: Steps
    down: Steps
    rtt_ns: Steps
    loss_ppm: Steps

    def content_hash(self) -> str:
        """Hash of the figures; the same ones from another file have the same hash."""
        digest = hashlib.sha256()
        for steps in (self.up, self.down, self.rtt_ns, self.loss_ppm):
            digest.update(to_json(steps))
        return digest.hexdigest()

    def turned(self) -> Trace:
        """The same link with its directions exchanged."""
        return Trace(
            source=self.source,
            up=self.down,
            down=self.up,
            rtt_ns=self.rtt_ns,
            loss_ppm=self.loss_ppm,
        )
