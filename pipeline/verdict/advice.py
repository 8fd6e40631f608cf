"""Before a run: which gates it cannot decide, however well it goes, and budgets that do not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.verdict.gates import clean_frames

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipeline.verdict.rules import PathRule

_NS_PER_MS = 1_000_000


def gate_warnings(rules: Sequence[PathRule], offered: Mapping[str, int]) -> list[str]:
    """What a user should know of gates that their frames cannot support, and of budgets.

    Args:
        rules: The paths.
        offered: How many frames the run offers to each path, by name.
    """
    return [f"{rule.name}: {why}" for rule in rules for why in _doubts(rule, offered[rule.name])]


def _doubts(rule: PathRule, seen: int) -> Iterator[str]:
    if rule.max_miss is not None:
        gate = f"max_miss {100 * rule.max_miss:g} % at {100 * rule.confidence:g} %"
        if rule.max_miss == 0:
            yield f"no number of frames proves {gate}; the gate can fail and never pass"
        else:
            needed = clean_frames(rule.max_miss, rule.confidence)
            if 0 < rule.min_samples < needed:
                yield (
                    f"run.min_samples {rule.min_samples} cannot support {gate}, which takes"
                    f" {needed} frames with no miss"
                )
            if seen < needed:
                yield (
                    f"the run offers {seen} frames and {gate} takes {needed} with no miss: it"
                    " cannot pass"
                )
    if seen < rule.min_samples:
        yield f"the run offers {seen} frames, fewer than run.min_samples {rule.min_samples}"
    if rule.weakly_hard is not None and seen < rule.weakly_hard.window:
        yield (
            f"the run offers {seen} frames, fewer than one window of weakly_hard,"
            f" {rule.weakly_hard.window}: it cannot pass"
        )
    budgeted_ns = sum(rule.budgets_ns.values())
    if budgeted_ns > rule.deadline_ns:
        yield (
            f"its budgets add up to {budgeted_ns / _NS_PER_MS:g} ms, more than its deadline of"
            f" {rule.deadline_ns / _NS_PER_MS:g} ms"
        )
