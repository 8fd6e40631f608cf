"""How two plans differ: what they were made from, what they decide, and what they predict."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.plan.document import CandidateDocument, PlanDocument, TaskDocument

SCHEMA = "splitway.plan-diff/1"


class ChangeDocument(TypedDict):
    """Something that differs, in words."""

    what: str
    a: str
    b: str


class SourceChangeDocument(TypedDict):
    """Something that the plans were made from; null where one of them had none."""

    what: str
    a: str | None
    b: str | None


class TaskDiffDocument(TypedDict):
    """A task that is planned otherwise."""

    name: str
    summary: str
    route_changed: bool
    changes: list[ChangeDocument]


class PlanDiffDocument(TypedDict):
    """How two plans differ; `same` where they decide and predict the same."""

    schema: str
    a: str
    b: str
    same: bool
    made_from: list[SourceChangeDocument]
    tasks: list[TaskDiffDocument]
    other: list[ChangeDocument]


def plan_difference(
    first: PlanDocument, second: PlanDocument, *, names: tuple[str, str]
) -> PlanDiffDocument:
    """Compare two plans.

    Args:
        first: The one.
        second: The other.
        names: What to call them.
    """
    made_from: list[SourceChangeDocument] = []
    one, two = first.get("hashes"), second.get("hashes")
    if one is not None and two is not None:
        made_from = [
            {"what": key, "a": one.get(key), "b": two.get(key)}
            for key in sorted({*one, *two})
            if one.get(key) != two.get(key)
        ]
    tasks = list(_tasks(first, second))
    other = list(_other(first, second))
    return {
        "schema": SCHEMA,
        "a": names[0],
        "b": names[1],
        "same": not (made_from or tasks or other),
        "made_from": made_from,
        "tasks": tasks,
        "other": other,
    }


def _tasks(first: PlanDocument, second: PlanDocument) -> Iterator[TaskDiffDocument]:
    one = {task["name"]: task for task in first["tasks"]}
    two = {task["name"]: task for task in second["tasks"]}
    for name in dict.fromkeys([*one, *two]):
        mine, theirs = one.get(name), two.get(name)
        if mine is None or theirs is None:
            summary = "only in the first plan" if theirs is None else "only in the second plan"
            yield {"name": name, "summary": summary, "route_changed": True, "changes": []}
            continue
        changes = list(_task(mine, theirs))
        if not changes:
            continue
        before, after = _runs(mine), _runs(theirs)
        turned = _key(before) != _key(after)
        shown = f"runs {_title(after)} in place of {_title(before)}"
        yield {
            "name": name,
            "summary": shown if turned else f"still runs {_title(after)}",
            "route_changed": turned,
            "changes": changes,
        }


def _task(mine: TaskDocument, theirs: TaskDocument) -> Iterator[ChangeDocument]:
    before, after = _runs(mine), _runs(theirs)
    named = _title(before) if _key(before) != _key(after) else _title(after)  # titles tell apart
    yield from _changed(
        {
            "route": (named, _title(after)),
            "cut": (_list(before["cut"]), _list(after["cut"])),
            "hedge": (before["hedge"] or "none", after["hedge"] or "none"),
            "latency ms": (f"{before['latency_ms']:.2f}", f"{after['latency_ms']:.2f}"),
            "interval ms": (_range(before["interval_ms"]), _range(after["interval_ms"])),
            "bytes up": (str(before["bytes_up"]), str(after["bytes_up"])),
            "bytes down": (str(before["bytes_down"]), str(after["bytes_down"])),
            "agreement": (_figure(before["agreement"]), _figure(after["agreement"])),
            "label": (before["label"], after["label"]),
            "feasible": (_yes(before["feasible"]), _yes(after["feasible"])),
            "robust": (_yes(before["robust"]), _yes(after["robust"])),
        }
    )
    spans = {
        f"span {span}": (_figure(value), _figure(after["spans"].get(span)))
        for span, value in before["spans"].items()
    }
    yield from _changed(spans)
    known = {_key(candidate): candidate for candidate in mine["candidates"]}
    now = {_key(candidate): candidate for candidate in theirs["candidates"]}
    gone = [_title(known[key]) for key in known if key not in now]
    new = [_title(now[key]) for key in now if key not in known]
    if gone or new:
        yield {"what": "candidates on one side only", "a": _list(gone), "b": _list(new)}


def _other(first: PlanDocument, second: PlanDocument) -> Iterator[ChangeDocument]:
    yield from _changed(
        {
            "percentile": (f"{first['percentile']:g}", f"{second['percentile']:g}"),
            "plan map": (_yes(first.get("map")), _yes(second.get("map"))),
        }
    )
    mine, theirs = _shares(first), _shares(second)
    yield from _changed(
        {
            f"uplink share of {name}": (mine.get(name, "none"), theirs.get(name, "none"))
            for name in dict.fromkeys([*mine, *theirs])
        }
    )
    one, two = first.get("map"), second.get("map")
    if one and two and one != two:
        cells = [
            (a, b)
            for x, y in zip(one["tasks"], two["tasks"], strict=False)
            for p, q in zip(x["cells"], y["cells"], strict=False)
            for r, s in zip(p, q, strict=False)
            for a, b in zip(r, s, strict=False)
        ]
        other = sum(a != b for a, b in cells)
        yield {
            "what": "cells of the plan map",
            "a": f"{len(cells)}",
            "b": f"{other} of them otherwise, or drawn at other conditions",
        }


def _shares(plan: PlanDocument) -> dict[str, str]:
    together = plan.get("together")
    if together is None:
        return {}
    return {
        task["name"]: f"{100 * task['share']:.1f} %"
        for task in together["tasks"]
        if task["share"] is not None
    }


def _changed(pairs: Mapping[str, tuple[str, str]]) -> Iterator[ChangeDocument]:
    for what, (before, after) in pairs.items():
        if before != after:
            yield {"what": what, "a": before, "b": after}


def _runs(task: TaskDocument) -> CandidateDocument:
    return task["candidates"][task["run"]]


def _key(candidate: CandidateDocument) -> tuple[str, str]:
    return candidate["id"], candidate["hedge"] or ""


def _title(candidate: CandidateDocument) -> str:
    return candidate.get("title") or candidate["route"]  # a file may be older than titles


def _list(names: list[str]) -> str:
    return ", ".join(names) or "none"


def _range(pair: list[float]) -> str:
    return f"{pair[0]:.2f} to {pair[1]:.2f}"


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def _yes(value: object) -> str:
    return "yes" if value else "no"
