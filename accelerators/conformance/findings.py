"""What a check found, and how checks are run: bounded in time, each on its own."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Outcome = Literal["held", "broken", "undecided"]


class BrokenError(Exception):
    """A check found the contract broken; the text says how."""


class UndecidedError(Exception):
    """A check cannot tell here; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found.

    Attributes:
        check: Name of the check.
        promise: What has to hold, in a sentence.
        outcome: Whether it holds; undecided where it could not be provoked here.
        detail: What was seen.
    """

    check: str
    promise: str
    outcome: Outcome
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check.

    Attributes:
        name: Its name.
        promise: What has to hold, in a sentence.
        run: Looks; returns what it saw, raises `BrokenError` or `UndecidedError` otherwise.
    """

    name: str
    promise: str
    run: Callable[[], str]


def run_checks(checks: Sequence[Check], *, limit_s: float) -> tuple[Finding, ...]:
    """Run checks one after the other, each on a thread of its own that may be left behind.

    Args:
        checks: What to run.
        limit_s: Longest that one may take; beyond it counts as broken.
    """
    return tuple(_one(check, limit_s) for check in checks)


def broken(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Those that found the contract broken."""
    return tuple(finding for finding in findings if finding.outcome == "broken")


def _one(check: Check, limit_s: float) -> Finding:
    told: list[tuple[Outcome, str]] = []

    def look() -> None:
        try:
            told.append(("held", check.run()))
        except BrokenError as err:
            told.append(("broken", str(err)))
        except UndecidedError as err:
            told.append(("undecided", str(err)))
        except Exception as err:  # noqa: BLE001 - a stranger's code may fail in any way
            text = " ".join(str(err).split())
            told.append(("broken", f"{type(err).__name__}: {text}"[:300]))

    thread = threading.Thread(target=look, name=f"check {check.name}", daemon=True)
    thread.start()
    thread.join(limit_s)
    outcome, detail = told[0] if told else ("broken", f"did not end within {limit_s:g} s")
    return Finding(check=check.name, promise=check.promise, outcome=outcome, detail=detail)
