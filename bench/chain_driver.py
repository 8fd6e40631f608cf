"""Starts the hand-written chain, waits for its latencies, and leaves no process behind."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from replay.clock import WallClock

if TYPE_CHECKING:
    from bench.bare_chain import Chain

ROLES = ("consumer", "cloud", "relay", "vehicle", "player")
_SCRIPT = Path(__file__).with_name("bare_chain.py")
_GRACE_NS = 30_000_000_000  # beyond the drive's own length
_LOOK_NS = 50_000_000


class ChainError(RuntimeError):
    """The hand-written chain did not end as it should."""


def play(chain: Chain) -> list[int]:
    """Run a chain once; its end-to-end latencies in ns, in the order of arrival.

    Args:
        chain: Its orders; `endpoints` and `latencies` are filled in here.

    Raises:
        ChainError: A process ended early, or the chain took too long.
    """
    clock = WallClock()
    processes: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="splitway-bench-") as name:
        folder = Path(name)
        latencies = folder / "latencies.json"
        orders: Chain = {
            **chain,
            "endpoints": {
                end: f"ipc://{folder}/{end}" for end in ("player", "up", "down", "consumer")
            },
            "latencies": str(latencies),
        }
        config = folder / "chain.json"
        config.write_text(json.dumps(orders), encoding="utf-8")
        length_ns = (chain["warmup"] + chain["frames"]) * chain["period_ns"]
        ends_ns = clock.now_ns() + length_ns + _GRACE_NS
        try:
            processes += [
                subprocess.Popen([sys.executable, str(_SCRIPT), role, str(config)])
                for role in ROLES
            ]
            while not latencies.exists():
                _refuse_dead(processes)
                if clock.now_ns() > ends_ns:
                    raise ChainError("the hand-written chain did not end in time")
                clock.sleep_until_ns(clock.now_ns() + _LOOK_NS)
            found: list[int] = json.loads(latencies.read_text(encoding="utf-8"))
        finally:
            for process in processes:
                process.kill()
            for process in processes:
                process.wait()
    return found


def _refuse_dead(processes: list[subprocess.Popen[bytes]]) -> None:
    for role, process in zip(ROLES, processes, strict=True):
        if process.poll():  # the consumer alone may end, with 0
            raise ChainError(f"the hand-written chain's {role} ended with {process.returncode}")
