"""What a live node is started with, as a JSON file that its supervisor writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from msgspec import field

from pipeline.runtime.spec import RunSpec
from pipeline.values import Value, from_plain, to_json

if TYPE_CHECKING:
    from pathlib import Path

SUPERVISOR, RELAY = "supervisor", "relay"


class NodeConfig(Value, frozen=True, kw_only=True):
    """A node's orders.

    Attributes:
        role: `player`, `relay`, or a core's name: the vehicle's site, the cloud's, `consumer`.
        spec: The run.
        endpoints: Addresses by name; each is bound by one node and connected to by one.
        events: Path of the event log; empty for a node without a core.
        results: Path that the consumer writes results to; empty elsewhere.
        parent: Process id of the supervisor; the node ends when that does.
        ready: Keys of the results that each segment will be asked for, to be held in memory.
    """

    role: str
    spec: RunSpec
    endpoints: dict[str, str]
    events: str = ""
    results: str = ""
    parent: int = 0
    ready: dict[str, tuple[str, ...]] = field(default_factory=dict)


def write_config(path: Path, config: NodeConfig) -> None:
    """Write a node's orders."""
    path.write_bytes(to_json(config))


def read_config(path: Path) -> NodeConfig:
    """Read a node's orders.

    Raises:
        ValueError: The file holds something else.
    """
    return from_plain(NodeConfig, json.loads(path.read_text(encoding="utf-8")))
