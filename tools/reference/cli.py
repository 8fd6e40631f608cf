"""The page on the command line: every verb with its arguments and options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer.core
import typer.main

from pipeline.cli.app import app
from tools.reference.page import MADE

if TYPE_CHECKING:
    from collections.abc import Iterator

BEFORE_CLI = """# Command line

Standard output carries the result, standard error the progress. Exit codes have
[a page of their own](exit-codes.md).
"""


def cli_page() -> str:
    """The page on the command line."""
    group = typer.main.get_command(app)
    if not isinstance(group, typer.core.TyperGroup):
        raise TypeError("splitway is no group of verbs")
    parts = [MADE, "", BEFORE_CLI]
    for name, command in _verbs(group):
        usage = " ".join(
            ["splitway", name]
            + [str(p.metavar) for p in command.params if isinstance(p, typer.core.TyperArgument)]
            + [
                f"{p.opts[0]} {p.metavar}"
                for p in command.params
                if isinstance(p, typer.core.TyperOption) and p.required
            ]
            + ["[OPTIONS]"]
        )
        parts += [f"## splitway {name}", "", f"`{usage}`", "", str(command.help), ""]
        parts += ["| argument or option | meaning | default |", "| --- | --- | --- |"]
        for parameter in command.params:
            parts.append(_parameter(name, parameter))
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def _verbs(group: typer.core.TyperGroup) -> Iterator[tuple[str, typer.core.TyperCommand]]:
    """Every verb with its name, those of groups below by both words."""
    for name, command in group.commands.items():
        match command:
            case typer.core.TyperGroup():
                yield from ((f"{name} {below}", verb) for below, verb in _verbs(command))
            case typer.core.TyperCommand():
                yield name, command
            case _:
                raise TypeError(type(command).__name__)


def _parameter(verb: str, parameter: object) -> str:
    match parameter:
        case typer.core.TyperArgument(metavar=metavar, help=words):
            return f"| `{metavar}` | {words} | needed |"
        case typer.core.TyperOption():
            value = "" if parameter.is_flag or parameter.count else f" {_value_name(parameter)}"
            flags = [*parameter.opts, *parameter.secondary_opts]
            text = ", ".join(f"`{flag}{value}`" for flag in flags)
            meaning = parameter.help or _OPTIONS.get((verb, str(parameter.name)))
            if meaning is None:
                raise SystemExit(f"tools/reference does not explain {verb} {text}")
            default = parameter.default
            if parameter.secondary_opts:
                default = flags[0] if default else flags[1]
            hidden = default is None or default is False or parameter.count
            shown = "" if hidden else f"`{default}`"
            return f"| {text} | {meaning} | {'needed' if parameter.required else shown} |"
        case _:
            raise TypeError(type(parameter).__name__)


# Of options that say nothing themselves.
_OPTIONS = {("price", "batch"): "Samples in one run, at least 1."}


def _value_name(option: typer.core.TyperOption) -> str:
    return option.metavar or str(option.name).upper()
