"""Fit of a PIM array's timing to reference cycle counts, and its error on rows left out.

The counts of commands follow from the array's geometry (`pim_array`); only the clocks that a spec
calls fitted are free. Each row counts by its relative error. A row is judged by a fit that has
seen neither it nor a row of the same shape: the simulators give ADD and MUL the same cycles.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from accelerators.errors import SpecError
from accelerators.models.pim_array import up

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from accelerators.models.pim_array import Commands, PimArray

Timing = Literal["row_clocks", "fence_clocks", "result_clocks", "launch_clocks"]
# What is fitted for each shipped device, and how its simulator's name begins in the reference file.
FITTED: dict[str, tuple[Timing, ...]] = {
    "samsung-hbm-pim": ("row_clocks", "fence_clocks", "launch_clocks"),
    "skhynix-gddr6-aim": ("row_clocks", "result_clocks"),
}
SIMULATORS = {"samsung-hbm-pim": "SAITPublic/PIMSimulator", "skhynix-gddr6-aim": "arkhadem/aim_"}

_COUNTS: dict[Timing, str] = {
    "row_clocks": "rows",
    "fence_clocks": "fences",
    "result_clocks": "results",
    "launch_clocks": "launches",
}
_OPERANDS = {"ADD": 2, "MUL": 2, "RELU": 1}
_ITEM_BYTES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One row of the reference file.

    Attributes:
        kernel: `GEMV`, or an element-wise one: `ADD`, `MUL`, `RELU`.
        rows: Result elements.
        depth: Input elements of a GEMV; None elsewhere.
        clocks: Clocks with the units.
        plain_clocks: Clocks of plain reads and writes instead; None where not simulated.
    """

    kernel: str
    rows: int
    depth: int | None
    clocks: int
    plain_clocks: int | None

    @property
    def shape(self) -> tuple[int, int | None, int]:
        """What rows of equal cost have in common."""
        return (self.rows, self.depth, _OPERANDS.get(self.kernel, 0))

    @property
    def plain_bytes(self) -> int:
        """Bytes that the simulator's plain run moves.

        For a GEMV the matrix, and twice the input and the output; else operands and result.
        """
        if self.depth is not None:
            return _ITEM_BYTES * (self.rows * self.depth + 2 * (self.rows + self.depth))
        return _ITEM_BYTES * self.rows * (_OPERANDS[self.kernel] + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A reference row beside the model.

    Attributes:
        row: The row.
        clocks: What the array of the spec gives.
        left_out_clocks: What an array gives that was fitted without rows of this shape.
        plain_clocks: What plain access gives; None where the row has no such figure.
    """

    row: Reference
    clocks: int
    left_out_clocks: int
    plain_clocks: int | None

    @property
    def error(self) -> float:
        """Relative error of the spec's array."""
        return self.clocks / self.row.clocks - 1

    @property
    def left_out_error(self) -> float:
        """Relative error of the array that has not seen this shape."""
        return self.left_out_clocks / self.row.clocks - 1

    @property
    def gain(self) -> float | None:
        """How many times as fast the units are as plain access, as modelled."""
        return None if self.plain_clocks is None else self.plain_clocks / self.left_out_clocks


def read_reference(file: Path, device: str) -> tuple[Reference, ...]:
    """Rows of the reference file that belong to a device.

    Raises:
        SpecError: A row has an unknown kernel or no whole numbers; the line is named.
        FileNotFoundError: There is no such file.
    """
    rows = []
    with file.open(encoding="utf-8", newline="") as text:
        for line, record in enumerate(csv.DictReader(text), start=2):
            if not record["simulator"].startswith(SIMULATORS[device]):
                continue
            gemv = record["kernel"] == "GEMV"
            if not gemv and record["kernel"] not in _OPERANDS:
                raise SpecError(str(file), f"line {line}: unknown kernel {record['kernel']!r}")
            try:
                rows.append(
                    Reference(
                        kernel=record["kernel"],
                        rows=int(record["out_or_elements"]),
                        depth=int(record["in"]) if gemv else None,
                        clocks=int(record["cycles_pim"]),
                        plain_clocks=int(record["cycles_host_only"] or 0) or None,
                    )
                )
            except ValueError as err:
                raise SpecError(str(file), f"line {line}: {err}") from err
    return tuple(rows)


def commands(array: PimArray, row: Reference) -> Commands:
    """What the array does for a reference row; arrays of one entry."""
    if row.depth is None:
        return array.element_wise(_one(row.rows), operands=_OPERANDS[row.kernel])
    return array.product(
        rows=_one(row.rows),
        depth=_one(row.depth),
        vectors=_one(1),
        matrices=_one(1),
        steps=_one(1),
    )


def fit(array: PimArray, rows: Sequence[Reference], names: Sequence[Timing]) -> PimArray:
    """The array with the named clocks fitted: least squares of relative errors, none negative.

    The fit is in whole clocks: the best of the grid points next to the real-valued optimum.
    """
    from scipy.optimize import nnls  # noqa: PLC0415  # heavy, and only a calibration needs it

    bare = with_clocks(array, dict.fromkeys(names, 0))
    work = [commands(array, row) for row in rows]
    clocks = np.array([row.clocks for row in rows], dtype=np.float64)
    counts = np.array(
        [[int(getattr(part, _COUNTS[name])[0]) for name in names] for part in work],
        dtype=np.float64,
    )
    known = np.array([int(bare.clocks(part)[0]) for part in work], dtype=np.float64)
    best, _ = nnls(counts / clocks[:, None], 1 - known / clocks)
    grid = np.stack(np.meshgrid(*([np.floor(x), np.floor(x) + 1] for x in best)), axis=-1)
    points = grid.reshape(-1, len(names))
    errors = ((points @ counts.T + known) / clocks - 1) ** 2
    chosen = points[int(np.argmin(errors.sum(axis=1)))]
    return with_clocks(array, {name: int(x) for name, x in zip(names, chosen, strict=True)})


def with_clocks(array: PimArray, clocks: Mapping[Timing, int]) -> PimArray:
    """The array with some of the clocks that may be fitted."""
    return replace(
        array,
        row_clocks=clocks.get("row_clocks", array.row_clocks),
        fence_clocks=clocks.get("fence_clocks", array.fence_clocks),
        result_clocks=clocks.get("result_clocks", array.result_clocks),
        launch_clocks=clocks.get("launch_clocks", array.launch_clocks),
    )


def judged(
    array: PimArray, rows: Sequence[Reference], names: Sequence[Timing], *, bytes_per_us: int
) -> tuple[Judged, ...]:
    """Each row beside the array of the spec, and beside one fitted without its shape.

    Args:
        array: The array of the spec.
        rows: Reference rows of its simulator.
        names: What was fitted.
        bytes_per_us: What plain access reaches.
    """
    result = []
    for row in rows:
        others = [other for other in rows if other.shape != row.shape]
        blind = fit(array, others, names)
        plain_ps = up(_one(row.plain_bytes * 1_000_000), bytes_per_us)
        result.append(
            Judged(
                row=row,
                clocks=_clocks(array, row),
                left_out_clocks=_clocks(blind, row),
                plain_clocks=None
                if row.plain_clocks is None
                else int(up(plain_ps, array.clock_ps)[0]),
            )
        )
    return tuple(result)


def _clocks(array: PimArray, row: Reference) -> int:
    return int(array.clocks(commands(array, row))[0])


def _one(value: int) -> NDArray[np.int64]:
    return np.array([value], dtype=np.int64)
