"""A plan file put in place of the plan that would be made: what it decided is what runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from msgspec.structs import replace as with_values

from pipeline.errors import PlanError
from pipeline.plan.file import read_plan_file, require_same
from pipeline.plan.maps import PlanMap, RegionMap
from pipeline.planner.conditions import eligible
from pipeline.planner.rerouting import with_run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.assembly.together import Joined
    from pipeline.plan.file import FileCandidate, FileTask, PlanFile
    from pipeline.plan.together import Together
    from pipeline.planner.planning import Planned

_PPM = 1_000_000
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanGiven:
    """A plan file that a run is to obey.

    Attributes:
        path: The file, or the directory that holds it.
        plan: What it says.
    """

    path: Path
    plan: PlanFile

    @classmethod
    def read(cls, path: Path) -> PlanGiven:
        """Read it.

        Raises:
            PlanError: It is no plan file of this version.
        """
        return cls(path=path, plan=read_plan_file(path))

    def require(self, hashes: Mapping[str, str]) -> None:
        """Refuse the file where it was made from something else.

        Raises:
            PlanMismatchError: Some hash differs; the message names each.
        """
        require_same(self.path, self.plan.hashes, hashes)

    def joined(self, fresh: Joined, directory: Path) -> Joined:
        """The tasks with the file's choices and shares.

        Args:
            fresh: The tasks as they would be planned now, with every candidate.
            directory: Where cut models are written.

        Raises:
            PlanError: The file runs a route that this version does not offer.
        """
        tasks = {task.name: task for task in self.plan.tasks}
        planned = {
            name: self._obeyed(found, tasks.get(name), directory)
            for name, found in fresh.planned.items()
        }
        together = fresh.together
        if together is not None and self.plan.together is not None:
            together = self._shared(together)
        return replace(fresh, planned=planned, together=together)

    def quantiles(self, fresh: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        """The file's quantile tables.

        Raises:
            PlanError: A table is missing, or is not one.
        """
        found = {}
        for name, table in fresh.items():
            theirs = self.plan.quantiles.get(name)
            if theirs is None or len(theirs) != len(table) or any(value < 0 for value in theirs):
                raise PlanError(
                    f"{self.path}: quantiles.{name}: needs {len(table)} values, none below 0"
                )
            found[name] = tuple(theirs)
        return found

    def mapped(self, fresh: PlanMap | None, planned: Mapping[str, Planned]) -> PlanMap | None:
        """The file's plan map, its cells naming the candidates that there are now.

        Raises:
            PlanError: A cell names no candidate, or cells and borders do not match.
        """
        given = self.plan.map
        if given is None or fresh is None:
            return fresh
        tasks = {task.name: task for task in self.plan.tasks}
        cells = {task.name: task.cells for task in given.tasks}
        try:
            regions = {
                name: RegionMap(
                    rate_borders=tuple(round(rate * 1e6) for rate in given.borders.up_mbps),
                    rtt_borders=tuple(round(r * _NS_PER_MS) for r in given.borders.rtt_ms),
                    load_borders=tuple(round(load * _PPM) for load in given.borders.load),
                    cells=tuple(
                        self._index(found, tasks[name].candidates[index])
                        for panel in cells[name]
                        for row in panel
                        for index in row
                    ),
                )
                for name, found in planned.items()
            }
        except (KeyError, IndexError, ValueError) as err:
            reason = "cells and borders do not match, or name no candidate"
            raise PlanError(f"{self.path}: map: {reason} ({err})") from err
        return with_values(fresh, tasks=regions)

    def _obeyed(self, found: Planned, task: FileTask | None, directory: Path) -> Planned:
        if task is None:
            raise PlanError(f"{self.path}: has no task {found.plan.task!r}")
        index = self._index(found, task.runs)
        if index == found.plan.run:
            return found
        reason = f"as {self.path.name} has it; planned now: {found.plan.explanation}"
        return with_run(found, index, reason, directory)

    def _index(self, found: Planned, wanted: FileCandidate) -> int:
        for index, candidate in enumerate(found.plan.candidates):
            hedge = None if candidate.hedge is None else candidate.hedge.form
            if (candidate.route.id, hedge) == (wanted.id, wanted.hedge):
                if not candidate.allowed:
                    raise PlanError(
                        f"{self.path}: tasks.{found.plan.task}: runs {candidate.name}, which "
                        "`route` does not allow"
                    )
                if index not in eligible(found.plan.candidates):
                    raise PlanError(
                        f"{self.path}: tasks.{found.plan.task}: runs {candidate.name}, which the "
                        f"scenario rules out: {candidate.why}"
                    )
                return index
        raise PlanError(
            f"{self.path}: tasks.{found.plan.task}: runs route {wanted.id}"
            f"{f' hedged by {wanted.hedge}' if wanted.hedge else ''}, which this version does not "
            "offer; plan again"
        )

    def _shared(self, together: Together) -> Together:
        given = self.plan.together
        shares = {} if given is None else {task.name: task.share or 0.0 for task in given.tasks}
        if sum(shares.values()) > 1:
            raise PlanError(f"{self.path}: together.tasks: the shares add up to more than 1")
        return with_values(
            together,
            tasks=tuple(
                with_values(told, share_ppm=round(shares.get(told.task, 0.0) * _PPM))
                for told in together.tasks
            ),
        )
