"""What a plan says beside its candidates: reasons, and what several tasks do to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import typer

from pipeline import api
from pipeline.cli.printing import print_json
from pipeline.cli.tables import print_table, say

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.options import Common
    from pipeline.plan.document import PlanDocument, TaskDocument
    from pipeline.plan.reasons import ReasonsDocument

_DIFFERS = 1
_SHOWN = 4  # operators that fell back
_YIELDING = ("importance", "alone", "needs Mbit/s", "wait ms")


class Reason(NamedTuple):
    """Something that is said of a plan.

    Attributes:
        word: What it is about.
        clauses: What there is to say, a line each.
    """

    word: str
    clauses: tuple[str, ...]


def reasons_of(document: PlanDocument, task: TaskDocument) -> list[Reason]:
    """Why a task runs what it runs: the runner-up, what binds and what turns it, what it costs."""
    said = [Reason("why", tuple(task["explanation"].split("; ")))]
    if task["numerics"]:
        said.append(Reason("numerics", tuple(task["numerics"])))
    found = next((one for one in document["reasons"] if one["name"] == task["name"]), None)
    if found is not None:
        said += _choice(document, task, found)
    if task["relaxations"]:
        said.append(Reason("relax", tuple([r["text"] for r in task["relaxations"]])))
    chosen = task["candidates"][task["run"]]
    if chosen["gap"] > 0:
        gap = f"who runs what may be up to {100 * chosen['gap']:.2g} % above the best"
        said.append(Reason("search", (gap,)))
    return said


def _choice(document: PlanDocument, task: TaskDocument, found: ReasonsDocument) -> list[Reason]:
    said, candidates, by = [], task["candidates"], _by(task, found)
    if found["runner_up"] is not None and found["margin_ms"] is not None:
        runner = candidates[found["runner_up"]]["title"]
        beside = ", beside the other tasks" if document["together"] is not None else ""
        text = f"{runner}, {found['margin_ms']:+.1f} ms without a hedge{beside}{by}"
        said.append(Reason("runner-up", (text,)))
    if found["binding"]:
        said.append(Reason("binding", (", ".join(found["binding"]),)))
    turns = [
        f"{flip['what']} {flip['side']} {flip['at']:.3g} {flip['unit']}: "
        f"{candidates[flip['candidate']]['title']}{by}"
        for flip in found["flips"]
    ]
    nothing = "nothing within 64 times or a 64th of what it is"
    said.append(Reason("flips", tuple(turns) or (nothing,)))
    said.append(Reason("caution", (_caution(task),)))
    if found["fallbacks"]:
        total = sum(fallback["cost_ms"] for fallback in found["fallbacks"])
        names = ", ".join(
            f"{fallback['operator']} on {fallback['on']} {fallback['cost_ms']:.2f} ms"
            for fallback in found["fallbacks"][:_SHOWN]
        )
        left = len(found["fallbacks"]) - _SHOWN
        more = f" and {left} more" if left > 0 else ""
        said.append(Reason("on a host", (f"{names}{more}, {total:.2f} ms in all",)))
    return said


def _caution(task: TaskDocument) -> str:
    """What the plan's caution costs against what is best in the mean."""
    found = task["robustness"]
    if found is None:
        return "no plan is in time in the mean"
    if found["mean_optimal"] == task["run"]:
        return "costs nothing: the plan is the best in the mean as well"
    other = task["candidates"][found["mean_optimal"]]["title"]
    cost = f"{found['mean_cost_ms']:+.1f} ms in the mean"
    if found["agreement_cost"] is not None:
        cost += f" and {-100 * found['agreement_cost']:+.1f} points of agreement"
    gain = f"{100 * found['in_time_gain']:+.1f} % of the frames in time"
    high = f"{-found['high_bias_gain_ms']:+.1f} ms at the percentile and the slow end of the bias"
    return f"{cost} against {other}, best in the mean, for {gain} and {high}"


def _by(task: TaskDocument, found: ReasonsDocument) -> str:
    """What a figure goes by, where the choice went by something else."""
    return "" if task["basis"] == found["basis"] else f" (as {found['basis']})"


def print_together(common: Common, document: PlanDocument) -> None:
    """What the tasks do to each other: waits, shares, how busy all is, what more is worth."""
    together = document["together"]
    if together is None:
        return
    say(
        common,
        f"together  (worth {together['worth']:.3f}; shares and latencies are {together['basis']}, "
        "waits are means, latency at the percentile)",
    )
    tasks = {task["name"]: task for task in document["tasks"]}
    rows = [
        (
            told["name"],
            tasks[told["name"]]["candidates"][tasks[told["name"]]["run"]]["title"],
            tasks[told["name"]]["candidates"][told["alone"]]["title"],
            f"{told['importance']:g}",
            f"{100 * told['in_time']:.1f} %",
            f"{told['wait_ms']:.2f}",
            f"{told['latency_ms']:.1f}",
            "" if told["share"] is None else f"{100 * told['share']:.0f} %",
            "" if told["needs_mbps"] is None else f"{told['needs_mbps']:.2f}",
        )
        for told in together["tasks"]
    ]
    header = (
        *("task", "runs", "alone", "importance", "in time", "wait ms", "latency ms"),
        *("uplink share", "needs Mbit/s"),
    )
    print_table(common, header, rows, left=3, yielding=_YIELDING)
    busy = ", ".join(f"{name} {100 * share:.0f} %" for name, share in together["busy"].items())
    say(common, f"  busy: {busy} (limit {100 * max(together['limit'].values()):.0f} %)")
    loading = together["load_ms"]
    needs = ", ".join(f"{d} {size / 1e6:.1f} MB" for d, size in together["memory_bytes"].items())
    say(common, f"  memory: {needs}{'' if loading is None else f', loaded in {loading:.1f} ms'}")
    for price in together["prices"]:
        less = "" if price["less"] is None else f", {price['step']} less {price['less']:+.3f}"
        if price["more"] or price["less"]:
            print(
                f"  {price['resource']}: {price['step']} more is worth {price['more']:+.3f}{less}"
            )
    if not any(price["more"] or price["less"] for price in together["prices"]):
        print("  a little more or less of any shared resource changes nothing")
    if together["binding"]:
        print(f"  binding: {', '.join(together['binding'])}")
    if together["note"]:
        say(common, f"  {together['note']}")


def plan_diff(common: Common, first: Path, second: Path, given: api.Options) -> None:
    """Print how two plans differ; ends with 1 where they do.

    Raises:
        typer.Exit: Always, with the code.
    """
    document = api.plan_diff(first, second, given)
    if common.json:
        print_json(document)
        raise typer.Exit(0 if document["same"] else _DIFFERS)
    if document["same"]:
        print(f"same: {first} and {second} decide and predict the same")
        raise typer.Exit(0)
    print(f"{first} → {second}")
    for change in document["made_from"]:
        before, after = (text[:12] if text else "nothing" for text in (change["a"], change["b"]))
        print(f"  made from another {change['what']}: {before} → {after}")
    for task in document["tasks"]:
        print(f"{task['name']}: {task['summary']}")
        for found in task["changes"]:
            print(f"  {found['what']}: {found['a']} → {found['b']}")
    for found in document["other"]:
        print(f"  {found['what']}: {found['a']} → {found['b']}")
    raise typer.Exit(_DIFFERS)
