"""Where the operators of a planned route run, and what they gain by it, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.cli.tables import print_table

if TYPE_CHECKING:
    from pipeline.cli.options import Common
    from pipeline.plan.document import CandidateDocument, LayerDocument, TaskDocument

_SHOWN = 6  # of those that gain most, and of those that gain least
_US_PER_MS = 1_000


def on(candidate: CandidateDocument) -> str:
    """Devices of a candidate in a word."""
    return "+".join(candidate["devices"])


def print_layers(common: Common, task: TaskDocument) -> None:
    """What each device of the route runs and gains; the layers that gain most and least."""
    layers = task["layers"]
    if not layers:
        return
    for line in _sums(task, layers):
        print(f"  {line}")
    ranked = sorted(layers, key=_gain_ms, reverse=True)
    shown = ranked
    if not common.verbose and len(ranked) > 2 * _SHOWN:
        shown = [*ranked[:_SHOWN], *ranked[-_SHOWN:]]
    rows = [
        (
            layer["name"],
            layer["op"],
            layer["on"],
            f"{layer['latency_ms'] * _US_PER_MS:.2f}",
            f"{layer['otherwise_ms'] * _US_PER_MS:.2f}",
            f"{_gain_ms(layer) * _US_PER_MS:+.2f}",
        )
        for layer in shown
    ]
    print_table(common, ("  layer", "op", "on", "µs", "elsewhere", "gain µs"), rows, left=3)
    if len(shown) < len(ranked):
        print(f"  … {len(ranked) - len(shown)} layers between; all with -v")


def _gain_ms(layer: LayerDocument) -> float:
    return layer["otherwise_ms"] - layer["latency_ms"]


def _sums(task: TaskDocument, layers: list[LayerDocument]) -> list[str]:
    """A line per device, and how the route stands to the same one on fewer devices."""
    lines = []
    for device in dict.fromkeys(layer["on"] for layer in layers):
        mine = [layer for layer in layers if layer["on"] == device]
        here_ms = sum(layer["latency_ms"] for layer in mine)
        there_ms = sum(layer["otherwise_ms"] for layer in mine)
        lines.append(
            f"{device} runs {len(mine)} of {len(layers)} layers that have a choice:"
            f" {here_ms:.3f} ms, elsewhere {there_ms:.3f} ms"
        )
    chosen = task["candidates"][task["run"]]
    same = ("route", "variant", "cut", "codecs")
    for other in task["candidates"]:
        alike = all(other[key] == chosen[key] for key in same)  # type: ignore[literal-required]
        if alike and other["devices"] != chosen["devices"]:
            more_ms = other["latency_ms"] - chosen["latency_ms"]
            word = "slower" if more_ms >= 0 else "faster"
            lines.append(f"the same on {on(other)} alone is {abs(more_ms):.3f} ms {word}")
    return lines
