"""A figure of a benchmark: a ratio against a rival that was measured in the same run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.values import Plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One ratio with what it was made from.

    Attributes:
        name: Which figure.
        what: What was measured, in words.
        rival: What against.
        ratio: Ours over the rival's, or the other way round where `more` is better.
        aim: Where the ratio should lie.
        more: Whether a larger ratio is the better one.
        values: Everything that was measured; units in the names.
        lines: The same for people, a line each.
    """

    name: str
    what: str
    rival: str
    ratio: float
    aim: float
    more: bool = False
    values: dict[str, Plain] = field(default_factory=dict)
    lines: tuple[str, ...] = ()

    @property
    def reached(self) -> bool:
        """Whether the aim was reached; printed, never gated."""
        return self.ratio >= self.aim if self.more else self.ratio <= self.aim

    def document(self) -> dict[str, Plain]:
        """The figure as JSON data."""
        return {
            "name": self.name,
            "what": self.what,
            "rival": self.rival,
            "ratio": self.ratio,
            "aim": self.aim,
            "better": "more" if self.more else "less",
            "reached": self.reached,
            "values": self.values,
        }

    def text(self) -> str:
        """The figure for people."""
        sign = "≥" if self.more else "≤"
        verdict = "reached" if self.reached else "missed"
        head = f"{self.name}: {self.ratio:.3g}x, aim {sign} {self.aim:g}x, {verdict}"
        return "\n".join([head, f"  {self.what}", f"  against {self.rival}", *self._indented()])

    def _indented(self) -> list[str]:
        return [f"    {line}" for line in self.lines]
