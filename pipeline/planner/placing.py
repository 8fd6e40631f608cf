"""Operators on devices that stand beside each other, by an integer programme.

Inside a site, or inside a package, an operator may run on any device that can, and a frame may go
back and forth between them. That is a multiway cut with arbitrary pair costs, which is NP-hard, so
there is no max-flow for it: HiGHS (`scipy.optimize.milp`) solves it to a stated gap. Costs add up,
as in `cuts` and `tiers`, and `Device.price` of the parts decides afterwards.

The programme: one choice per operator; for a tensor and each device that reads it, the way from its
maker's device is chosen at that way's price, once however many operators read it there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_INTEGRAL, _FREE = 1, 0
_OPTIMAL, _LIMIT, _INFEASIBLE = 0, 1, 2  # of `scipy.optimize.milp`


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """A tensor that may have to be handed from one device to another.

    Attributes:
        producer: Index of the operator that makes it; None for what enters the site.
        consumers: Indices of the operators that read it.
        cost_ns: What handing it over costs, by device that has it and device that needs it;
            zero on the diagonal, None where there is no way.
        delivered: Whether it leaves the site.
    """

    producer: int | None
    consumers: tuple[int, ...]
    cost_ns: tuple[tuple[int | None, ...], ...]
    delivered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacingProblem:
    """What there is to decide: a device for every operator.

    Attributes:
        costs_ns: What each operator takes on each device; None where that device cannot run it.
        tensors: Tensors that operators read, or that leave.
        door: Device at which tensors enter and leave.
    """

    costs_ns: tuple[tuple[int | None, ...], ...]
    tensors: tuple[Handed, ...]
    door: int = 0

    @property
    def devices(self) -> int:
        """How many devices there are."""
        return len(self.costs_ns[0]) if self.costs_ns else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """An answer.

    Attributes:
        devices: Device of each operator.
        objective_ns: Sum of all costs, exact for this answer.
        gap: How far it may lie above the best, as a share of itself; 0 where it is the best.
    """

    devices: tuple[int, ...]
    objective_ns: int
    gap: float


def best_placing(problem: PlacingProblem, *, time_limit_s: float = 10.0) -> Placing | None:
    """Find the devices with the smallest sum of costs.

    Args:
        problem: The problem.
        time_limit_s: When to stop with the best found so far.

    Returns:
        The answer with its gap; None where no choice satisfies the problem, or none was found in
        time.
    """
    import numpy as np  # noqa: PLC0415 - with scipy
    from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415 - slow to import
    from scipy.sparse import csr_array  # noqa: PLC0415 - slow to import

    if not problem.costs_ns:
        return Placing(devices=(), objective_ns=0, gap=0.0)
    lines = _Lines(problem)
    rows, columns, values = zip(*lines.entries, strict=True)
    shape = (len(lines.low), len(lines.cost))
    matrix = csr_array((values, (rows, columns)), shape=shape)
    found = milp(
        np.asarray(lines.cost, np.float64),
        integrality=np.asarray(lines.integral),
        bounds=Bounds(0.0, np.asarray(lines.most, np.float64)),
        constraints=LinearConstraint(matrix, np.asarray(lines.low), np.asarray(lines.high)),
        options={"mip_rel_gap": 0.0, "time_limit": time_limit_s},
    )
    if found.status not in (_OPTIMAL, _LIMIT) or found.x is None:
        return None
    count, width = len(problem.costs_ns), problem.devices
    chosen = np.asarray(found.x[: count * width]).reshape(count, width)
    devices = tuple(int(device) for device in chosen.argmax(axis=1))
    objective = cost_of(problem, devices)
    if objective is None:
        return None
    bound = found.mip_dual_bound
    gap = 0.0 if bound is None or not objective else max(0.0, (objective - bound) / objective)
    return Placing(
        devices=devices,
        objective_ns=objective,
        gap=0.0 if found.status == _OPTIMAL else gap,
    )


def cost_of(problem: PlacingProblem, devices: Sequence[int]) -> int | None:
    """Sum of all costs of a choice; None where a device or a way is not there."""
    total = 0
    for device, row in zip(devices, problem.costs_ns, strict=True):
        cost = row[device]
        if cost is None:
            return None
        total += cost
    for tensor in problem.tensors:
        made = problem.door if tensor.producer is None else devices[tensor.producer]
        for device in _needing(problem, tensor, devices):
            cost = tensor.cost_ns[made][device]
            if cost is None:
                return None
            total += cost
    return total


def _needing(problem: PlacingProblem, tensor: Handed, devices: Sequence[int]) -> set[int]:
    needing = {devices[v] for v in tensor.consumers}
    return needing | {problem.door} if tensor.delivered else needing


class _Lines:
    """The programme's columns and rows.

    Columns: the choice of each operator and device, then for each tensor and pair of devices
    whether it goes that way. Rows: one device an operator; whoever reads a tensor on a device has
    it brought there; it is brought from where it was made.
    """

    def __init__(self, problem: PlacingProblem) -> None:
        self.cost: list[float] = []
        self.most: list[float] = []
        self.integral: list[int] = []
        self.entries: list[tuple[int, int, float]] = []
        self.low: list[float] = []
        self.high: list[float] = []
        width = problem.devices
        for row in problem.costs_ns:
            for cost in row:
                self._column(cost, integral=True)
            line = self._line(1.0, 1.0)
            first = len(self.cost) - width
            self.entries += [(line, first + device, 1.0) for device in range(width)]
        for tensor in problem.tensors:
            self._carry(problem, tensor)

    def _column(self, cost: int | None, *, integral: bool) -> int:
        self.cost.append(float(cost or 0))
        self.most.append(0.0 if cost is None else 1.0)
        self.integral.append(_INTEGRAL if integral else _FREE)
        return len(self.cost) - 1

    def _line(self, low: float, high: float) -> int:
        self.low.append(low)
        self.high.append(high)
        return len(self.low) - 1

    def _carry(self, problem: PlacingProblem, tensor: Handed) -> None:
        """Ways of one tensor: to each device from each."""
        width = problem.devices
        for there in range(width):
            ways = [
                self._column(tensor.cost_ns[here][there], integral=False) for here in range(width)
            ]
            for reader in tensor.consumers:  # brought there if one that reads it runs there
                line = self._line(0.0, float("inf"))
                self.entries += [(line, way, 1.0) for way in ways]
                self.entries.append((line, reader * width + there, -1.0))
            if tensor.delivered and there == problem.door:
                line = self._line(1.0, float("inf"))
                self.entries += [(line, way, 1.0) for way in ways]
            for here, way in enumerate(ways):
                if tensor.producer is None:
                    self.most[way] = 0.0 if here != problem.door else self.most[way]
                    continue
                line = self._line(-float("inf"), 0.0)
                self.entries.append((line, way, 1.0))
                self.entries.append((line, tensor.producer * width + here, -1.0))
