"""Greedy matching of found objects with true ones, for many frames and thresholds at a time.

The rule is that of COCO's evaluation: found objects of one frame and class, the surest first, each
take the free true object that fits them best; one that may be ignored only where no other fits;
among equals the last. A crowd may be taken by any number of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

UNMATCHED, HIT, IGNORED = 0, 1, 2

_BLOCK = 1 << 20  # elements of the largest array of a block; a few MB stay in the caches


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cells:
    """Found and true objects by cell: one frame and one class.

    Attributes:
        found: Index of each found object, cell by cell, the surest first; shape (n,).
        ranks: Its place in the cell, from 0; shape (n,).
        starts: Where each cell's found objects begin in `found`; shape (cells,).
        counts: How many there are, at least 1; shape (cells,).
        truths: Index of each true object of these cells, cell by cell; shape (m,).
        truth_starts: Where each cell's true objects begin in `truths`; shape (cells,).
        truth_counts: How many there are; shape (cells,).
    """

    found: Ints
    ranks: Ints
    starts: Ints
    counts: Ints
    truths: Ints
    truth_starts: Ints
    truth_counts: Ints


class Fit(Protocol):
    """Says how well found objects fit true ones; larger is better."""

    def __call__(self, found: Ints, truths: Ints) -> NDArray[np.float64]:
        """Fit of each pair of a cell.

        Args:
            found: Indices of found objects, shape (cells, d).
            truths: Indices of true ones, shape (cells, g).

        Returns:
            Shape (cells, d, g).
        """


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matches:
    """What became of found objects, in the order of `Cells.found`.

    Attributes:
        states: `UNMATCHED`, `HIT` or `IGNORED`; shape (views, thresholds, n), int8.
        truths: Index of the true object each one took in the first view at the first threshold, -1
            for none; shape (n,).
    """

    states: NDArray[np.int8]
    truths: Ints


def make_cells(found_keys: Ints, scores: NDArray[np.float64], truth_keys: Ints, most: int) -> Cells:
    """Group objects by cell.

    Args:
        found_keys: Cell of each found object; shape (n,).
        scores: How sure each one is; shape (n,).
        truth_keys: Cell of each true object; shape (m,).
        most: Found objects of a cell that count, the surest.
    """
    order = np.lexsort((-scores, found_keys))
    keys, starts, counts = np.unique(found_keys[order], return_index=True, return_counts=True)
    ranks = np.arange(len(order), dtype=np.int64) - np.repeat(starts, counts)
    if len(order) and counts.max() > most:
        kept = ranks < most
        order, ranks, counts = order[kept], ranks[kept], np.minimum(counts, most)
        starts = np.cumsum(counts) - counts
    truths = np.argsort(truth_keys, kind="stable")
    sorted_keys = truth_keys[truths]
    first = np.searchsorted(sorted_keys, keys, side="left")
    last = np.searchsorted(sorted_keys, keys, side="right")
    return Cells(
        found=order,
        ranks=ranks,
        starts=starts.astype(np.int64),
        counts=counts.astype(np.int64),
        truths=truths,
        truth_starts=first.astype(np.int64),
        truth_counts=(last - first).astype(np.int64),
    )


def match(
    cells: Cells,
    fit: Fit,
    thresholds: NDArray[np.float64],
    ignored: NDArray[np.bool_],
    crowd: NDArray[np.bool_],
) -> Matches:
    """Match every cell at every threshold, once for each view of what is ignored.

    Args:
        cells: The objects by cell.
        fit: How well objects fit.
        thresholds: Least fit of a match; shape (thresholds,).
        ignored: Whether a true object is ignored in a view; shape (views, true objects).
        crowd: Whether it may be taken more than once; shape (true objects,).
    """
    views, levels = len(ignored), len(thresholds)
    states = np.zeros((views, levels, len(cells.found)), np.int8)
    taken = np.full(len(cells.found), -1, np.int64)
    for some in _blocks(cells, views * levels):
        wide, high = cells.counts[some].max(), cells.truth_counts[some].max()
        at, found, is_found = _table(cells.found, cells.starts[some], cells.counts[some], wide)
        _, truths, is_truth = _table(
            cells.truths, cells.truth_starts[some], cells.truth_counts[some], high
        )
        fits = fit(found, truths)
        fits[~(is_found[:, :, None] & is_truth[:, None, :])] = -np.inf
        block = _match_block(
            fits, thresholds, ignored[:, truths] & is_truth, ~ignored[:, truths] & is_truth,
            crowd[truths],
        )  # fmt: skip
        hit = block >= 0
        is_ignored = np.take_along_axis(
            np.broadcast_to(ignored[:, None, truths], (views, levels, *truths.shape)),
            np.maximum(block, 0),
            axis=3,
        )
        state = np.where(hit, np.where(is_ignored, IGNORED, HIT), UNMATCHED).astype(np.int8)
        states[:, :, at[is_found]] = state[:, :, is_found]
        first = block[0, 0]
        partner = np.take_along_axis(truths, np.maximum(first, 0), axis=1)
        taken[at[is_found]] = np.where(first >= 0, partner, -1)[is_found]
    return Matches(states=states, truths=taken)


def mutual(cells: Cells, fit: Fit, least: float) -> Ints:
    """For each found object of `cells.found` the true one it fits best and that it is best for.

    Args:
        cells: The objects by cell.
        fit: How well objects fit.
        least: Least fit of a pair.

    Returns:
        Index of the true object, -1 for none; shape (n,).
    """
    partners = np.full(len(cells.found), -1, np.int64)
    for some in _blocks(cells, 1):
        wide, high = cells.counts[some].max(), cells.truth_counts[some].max()
        at, found, is_found = _table(cells.found, cells.starts[some], cells.counts[some], wide)
        _, truths, is_truth = _table(
            cells.truths, cells.truth_starts[some], cells.truth_counts[some], high
        )
        fits = fit(found, truths)
        fits[~(is_found[:, :, None] & is_truth[:, None, :])] = -np.inf
        best = fits.argmax(axis=2)
        back = np.take_along_axis(fits.argmax(axis=1), best, axis=1)
        near = np.take_along_axis(fits, best[:, :, None], axis=2)[:, :, 0] >= least
        both = near & (back == np.arange(wide)) & is_found
        partners[at[both]] = np.take_along_axis(truths, best, axis=1)[both]
    return partners


def _match_block(
    fits: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    ignored: NDArray[np.bool_],
    regular: NDArray[np.bool_],
    crowd: NDArray[np.bool_],
) -> Ints:
    """Place of the true object that each found one takes, -1 for none.

    Args:
        fits: Shape (cells, d, g).
        thresholds: Shape (t,).
        ignored: Shape (views, cells, g).
        regular: Those that count; same shape.
        crowd: Shape (cells, g).

    Returns:
        Shape (views, t, cells, d).
    """
    cells, wide, high = fits.shape
    views, levels = len(ignored), len(thresholds)
    free = np.ones((views, levels, cells, high), np.bool_)
    found = np.full((views, levels, cells, wide), -1, np.int64)
    reverse = fits[:, :, ::-1]  # the first of the reversed is the last among equals
    backward = {False: ignored[:, None, :, ::-1], True: regular[:, None, :, ::-1]}
    for place in range(wide):
        near = reverse[:, place] >= thresholds[:, None, None]
        if not near.any():
            continue
        open_ = free[..., ::-1] & near
        best = np.full((views, levels, cells), -1, np.int64)
        for kind in (True, False):
            candidates = open_ & backward[kind]
            ranked = np.where(candidates, reverse[:, place], -np.inf)
            chosen = np.where(candidates.any(axis=3), high - 1 - ranked.argmax(axis=3), -1)
            best = np.where(best >= 0, best, chosen)
        found[..., place] = best
        view, level, cell = np.nonzero(best >= 0)
        chosen = best[view, level, cell]
        free[view, level, cell, chosen] = crowd[cell, chosen]
    return found


def _blocks(cells: Cells, layers: int) -> Iterator[Ints]:
    """Cells that have true objects, in groups of about one size that fit a block."""
    some = np.flatnonzero(cells.truth_counts > 0)
    wide = np.ceil(np.log2(cells.counts[some])).astype(np.int64)
    high = np.ceil(np.log2(cells.truth_counts[some])).astype(np.int64)
    kinds = wide * 64 + high
    order = np.argsort(kinds, kind="stable")
    some, kinds = some[order], kinds[order]
    edges = np.flatnonzero(np.diff(kinds)) + 1
    for group in np.split(some, edges):
        if not len(group):
            continue
        width = int(cells.counts[group].max())
        height = int(cells.truth_counts[group].max())
        step = max(1, _BLOCK // (height * max(layers, width)))
        for begin in range(0, len(group), step):
            yield group[begin : begin + step]


def _table(
    values: Ints, starts: Ints, counts: Ints, width: int
) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Places and values of each cell as a table, and which of its fields are filled."""
    columns = np.arange(width, dtype=np.int64)
    filled = columns < counts[:, None]
    at = np.where(filled, starts[:, None] + columns, 0)
    return at, values[at], filled
