"""Writes the table of shipped models in `docs/explanation/models.md` from their cards."""

from __future__ import annotations

from pathlib import Path

from pipeline.tasks.cards import SUFFIX, ModelCard, read_card

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/explanation/models.md"
MODELS = ROOT / "pipeline/tasks/models"
BEGIN, END = "<!-- table of cards -->", "<!-- end of the table -->"

_HEAD = (
    "| model | input | million MACs | kB | on unseen seeds |",
    "| --- | --- | ---: | ---: | --- |",
)
_MOST_FIGURES = 3


def rows() -> list[str]:
    """Lines of the table, models by name."""
    cards = [read_card(path) for path in sorted(MODELS.glob(f"*{SUFFIX}"))]
    return [*_HEAD, *(_row(card) for card in cards)]


def page() -> str:
    """The page with the table as it should be.

    Raises:
        ValueError: The page has no place for a table.
    """
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        msg = f"{PAGE}: has no lines {BEGIN} and {END}"
        raise ValueError(msg)
    return before + "\n".join([BEGIN, "", *rows(), "", END]) + after


def _row(card: ModelCard) -> str:
    figures = [
        f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in list(card.accuracy.items())[:_MOST_FIGURES]
    ]
    macs = "" if card.macs is None else f"{card.macs / 1e6:,.0f}"
    size = "" if card.bytes is None else f"{card.bytes / 1e3:,.0f}"
    return f"| `builtin:{card.name}` | {_input(card)} | {macs} | {size} | {', '.join(figures)} |"


def _input(card: ModelCard) -> str:
    if card.input.size is not None:
        return "{} x {}".format(*card.input.size)
    if card.input.pillars is not None:
        return "{rows} x {columns} pillars".format(**card.input.pillars)
    return "{tracks} tracks, {steps} places".format(**(card.input.tracks or {}))


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
