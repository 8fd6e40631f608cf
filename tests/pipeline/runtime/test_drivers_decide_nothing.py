"""The drivers carry commands out: they read no fate, policy or route, and import no planner."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import pipeline.runtime

RUNTIME = Path(pipeline.runtime.__file__).parent
DRIVERS = sorted([*RUNTIME.glob("virtual*.py"), *(RUNTIME / "live").glob("*.py")])
# `route_delivered` is none of them: it says that a result is on its way to the consumer, for which
# the supervisor waits at the end of a run.
_DECISIONS = ("fate", "policy", "route", "route_planned")


def _is_decision(name: object) -> bool:
    """Whether a field holds a decision."""
    return isinstance(name, str) and name in _DECISIONS


def violations(source: str) -> list[str]:
    """What a driver's source reads or imports that a driver must not.

    A field may be handed on untouched as a named argument (`Header(cut=message.route)` copies a
    message); any other read of it is a look inside.
    """
    tree = ast.parse(source)
    handed_on = {
        id(keyword.value)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
    }
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name, ctx=ast.Load()) if _is_decision(name):
                if id(node) not in handed_on:
                    found.append(f"line {node.lineno}: reads .{name}")
            case ast.MatchClass(kwd_attrs=names):
                found += [f"line {node.lineno}: matches {n}" for n in names if _is_decision(n)]
            case ast.Call(
                func=ast.Name(id="getattr" | "attrgetter") | ast.Attribute(attr="attrgetter"),
                args=args,
            ):
                for arg in args:
                    if isinstance(arg, ast.Constant) and _is_decision(arg.value):
                        found.append(f"line {node.lineno}: gets {arg.value!r}")
            case ast.ImportFrom(module=module, names=names):
                for alias in names:
                    if f"{module}.{alias.name}.".startswith("pipeline.planner."):
                        found.append(f"line {node.lineno}: imports the planner")
            case ast.Import(names=names):
                for alias in names:
                    if f"{alias.name}.".startswith("pipeline.planner."):
                        found.append(f"line {node.lineno}: imports the planner")
            case _:
                pass
    return found


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda path: str(path.relative_to(RUNTIME)))
def test_a_driver_reads_no_decision_and_imports_no_planner(driver: Path) -> None:
    """Every decision is the cores'; a driver that looked would be a second policy."""
    assert violations(driver.read_text("utf-8")) == []


def test_both_drivers_are_looked_at() -> None:
    """A folder that was moved would make the check pass over nothing."""
    names = {str(path.relative_to(RUNTIME)) for path in DRIVERS}
    assert {"virtual.py", "virtual_facts.py"} <= names
    assert any(name.startswith("live") for name in names)


@pytest.mark.parametrize(
    "source",
    [
        "if row.fate == 'late': retry()",
        "steps = config.tasks[name].route.steps",
        "chosen = message.route in known",
        "send(row.route_planned)",
        "limit = scenario.policy.in_flight",
        "match row:\n    case Row(fate='cloud'): pass",
        "x = getattr(row, 'fate')",
        "key = operator.attrgetter('route')",
        "f(cut=message.route[:8])",
        "from pipeline.planner import plan",
        "from pipeline import planner",
        "from pipeline.planner.cuts import best",
        "import pipeline.planner.cuts as cuts",
    ],
)
def test_the_check_fires_on_a_driver_that_decides(source: str) -> None:
    """A test of a protection has to fail when the protection is broken."""
    assert len(violations(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "Closing(fate='failed', cause='unsettled')",
        "Header(cut=message.route)",
        "Message(route=header.cut)",
        "match command:\n    case Settle(row=row): rows.append(row)",
        "from pipeline.plan.steps import Move",
        "message.router.close()",
    ],
)
def test_the_check_lets_a_driver_carry_things(source: str) -> None:
    """Building a value and handing a field on are no decisions."""
    assert violations(source) == []
