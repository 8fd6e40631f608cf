"""Two plans compared: plan files, runs, or scenarios that are planned for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pipeline.errors import PlanError
from pipeline.plan.comparing import plan_difference
from pipeline.plan.file import NAME, read_json, read_plan_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.plan.comparing import PlanDiffDocument
    from pipeline.plan.document import PlanDocument

SCENARIO = "scenario.yaml"
_YAML = (".yaml", ".yml")


def diff_plans(
    first: Path, second: Path, planned: Callable[[Path], PlanDocument]
) -> PlanDiffDocument:
    """Compare two plans, each a plan file, a directory with one, or a scenario that is planned.

    Args:
        first: The one.
        second: The other.
        planned: Plans a scenario file, with hashes in the document.

    Raises:
        InputError: One of them is none of these.
    """
    documents = [_plan_of(path, planned) for path in (first, second)]
    try:
        return plan_difference(*documents, names=(str(first), str(second)))
    except (KeyError, TypeError, IndexError, AttributeError) as err:
        raise PlanError(
            f"{first}, {second}: one of them is no plan as this version writes it: {err!r}"
        ) from err


def _plan_of(path: Path, planned: Callable[[Path], PlanDocument]) -> PlanDocument:
    if path.suffix in _YAML:
        return planned(path)
    if path.is_dir():
        if (path / NAME).is_file():
            path = path / NAME
        elif (path / SCENARIO).is_file():
            return planned(path / SCENARIO)
        else:
            raise PlanError(f"{path}: holds neither a {NAME} nor a {SCENARIO}")
    read_plan_file(path)  # says what is wrong with it
    return cast("PlanDocument", read_json(path))
