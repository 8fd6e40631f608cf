"""Reading a scenario file: line numbers, `extends`, `--set`, and every problem at once."""

from __future__ import annotations

import difflib
import re
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, Union

from pydantic import BaseModel, ValidationError

from pipeline.errors import DataMissingError, InputError, Problem, ScenarioError
from pipeline.scenario.models import LATER, LATER_VALUES, Scenario
from pipeline.scenario.references import check_references
from pipeline.scenario.sites.applying import with_profile
from pipeline.scenario.sites.files import SUFFIX as SITE_SUFFIX
from pipeline.scenario.sites.files import load_site

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Tree = dict[str, "Tree"] | list["Tree"] | str | int | float | bool | None
Location = tuple[str | int, ...]

_What = TypeVar("_What")

_MOST_BYTES = 1 << 20
_MOST_DEPTH = 24
_MOST_ALIASES = 32
_MOST_NODES = 100_000  # aliases written out
_MOST_EXTENDS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedScenario:
    """A valid scenario and where each of its keys stands.

    Attributes:
        path: The file.
        scenario: What it says, after `extends` and `--set`.
        lines: File and line of each key, by location.
    """

    path: Path
    scenario: Scenario
    lines: Mapping[Location, tuple[str, int]]

    def problem(self, location: Location, reason: str) -> Problem:
        """A problem at a key, for checks that need more than the file."""
        return _problem(self.path, self.lines, location, reason)


def load_scenario(path: Path, *, overrides: Sequence[str] = ()) -> LoadedScenario:
    """Read and validate a scenario file.

    Args:
        path: The file.
        overrides: Settings `a.b=c` that replace what the file says.

    Raises:
        DataMissingError: There is no such file.
        ScenarioError: The file has problems; all of them are in it.
    """
    lines: dict[Location, tuple[str, int]] = {}
    tree = _read(path, lines, ())
    for setting in overrides:
        _override(tree, setting, lines)
    try:
        scenario = Scenario.model_validate(tree)
    except ValidationError as err:
        problems = [
            _problem(path, lines, *_explain(tree, tuple(error["loc"]), error["type"], error["msg"]))
            for error in err.errors(include_url=False, include_context=False)
        ]
        raise ScenarioError(_unique(problems)) from err
    try:
        scenario = _sited(scenario, path)
    except InputError as err:
        at = ("sites", "cloud", "profile")
        raise ScenarioError([_problem(path, lines, at, str(err))]) from err
    problems = [_problem(path, lines, at, reason) for at, reason in check_references(scenario)]
    if problems:
        raise ScenarioError(_unique(problems))
    return LoadedScenario(path=path, scenario=scenario, lines=lines)


def _sited(scenario: Scenario, path: Path) -> Scenario:
    """The scenario with its cloud's profile filled in, where it names one."""
    cloud = scenario.sites.get("cloud")
    if cloud is None or cloud.profile is None:
        return scenario
    named: str | Path = cloud.profile
    if cloud.profile.endswith(SITE_SUFFIX):
        named = path.parent / cloud.profile
        if not named.resolve().is_relative_to(path.parent.resolve()):
            raise InputError(f"{cloud.profile}: leaves the scenario's folder {path.parent}")
    return with_profile(scenario, load_site(named))


def _unique(problems: Sequence[Problem]) -> list[Problem]:
    ordered = sorted(set(problems), key=lambda p: (p.file, p.line or 0, p.key, p.reason))
    return list(ordered)


def _problem(
    path: Path, lines: Mapping[Location, tuple[str, int]], at: Location, reason: str
) -> Problem:
    key = ".".join(str(part) for part in at)
    where = at
    while where and where not in lines:
        where = where[:-1]
    file, line = lines.get(where, (str(path), 0))
    return Problem(file=file, line=line or None, key=key, reason=reason)


# -- YAML --------------------------------------------------------------------------------------


def _read(
    path: Path, lines: dict[Location, tuple[str, int]], seen: tuple[Path, ...]
) -> dict[str, Tree]:
    from ruamel.yaml import YAML  # noqa: PLC0415 - 20 ms, and only where a file is read
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415

    if not path.is_file():
        raise DataMissingError(str(path), path, "name a scenario file; `examples/` has some")
    if path.stat().st_size > _MOST_BYTES:
        raise ScenarioError([_whole(path, f"is larger than {_MOST_BYTES} bytes")])
    if path.resolve() in seen or len(seen) >= _MOST_EXTENDS:
        raise ScenarioError([_whole(path, "extends itself, or more than 8 files deep")])
    try:
        text = path.read_text(encoding="utf-8")
        _refuse_excess(path, text)
        data = YAML(typ="rt").load(text)
    except MarkedYAMLError as err:
        mark = err.problem_mark
        line = None if mark is None else mark.line + 1
        reason = " ".join(str(err.problem or err.context or "is not valid YAML").split())
        raise ScenarioError([Problem(file=str(path), line=line, key="", reason=reason)]) from err
    except (YAMLError, UnicodeDecodeError, RecursionError, ValueError) as err:
        reason = f"is not valid YAML: {' '.join(str(err).split())[:200]}"
        raise ScenarioError([_whole(path, reason)]) from err
    if not isinstance(data, dict):
        raise ScenarioError([_whole(path, "must be a map of keys, such as `splitway: 1`")])
    mine: dict[Location, tuple[str, int]] = {}
    tree = _plain(data, (), str(path), mine)
    if not isinstance(tree, dict):
        raise ScenarioError([_whole(path, "must be a map of keys, such as `splitway: 1`")])
    base_name = tree.pop("extends", None)
    if base_name is not None:
        if not isinstance(base_name, str):
            at = mine.get(("extends",), (str(path), 1))
            problem = Problem(file=at[0], line=at[1], key="extends", reason="must name a file")
            raise ScenarioError([problem])
        base = _read(path.parent / base_name, lines, (*seen, path.resolve()))
        tree = _merge(base, tree)
    lines.update(mine)
    return tree


def _whole(path: Path, reason: str) -> Problem:
    return Problem(file=str(path), line=None, key="", reason=reason)


def _refuse_excess(path: Path, text: str) -> None:
    """Refuse tags, many aliases and deep nesting before the parser builds anything of them."""
    from ruamel.yaml import YAML, tokens  # noqa: PLC0415 - see _read

    begin = (
        tokens.FlowSequenceStartToken,
        tokens.FlowMappingStartToken,
        tokens.BlockSequenceStartToken,
        tokens.BlockMappingStartToken,
    )
    end = (tokens.FlowSequenceEndToken, tokens.FlowMappingEndToken, tokens.BlockEndToken)
    aliases = depth = 0
    for token in YAML(typ="rt").scan(text):
        line = token.start_mark.line + 1
        if isinstance(token, tokens.TagToken):
            problem = Problem(file=str(path), line=line, key="", reason="tags are not allowed")
            raise ScenarioError([problem])
        aliases += isinstance(token, tokens.AliasToken)
        depth += isinstance(token, begin) - isinstance(token, end)
        if depth > _MOST_DEPTH:
            problem = Problem(file=str(path), line=line, key="", reason="is nested too deeply")
            raise ScenarioError([problem])
    if aliases > _MOST_ALIASES:
        raise ScenarioError([_whole(path, f"has more than {_MOST_ALIASES} aliases")])


def _plain(node: object, at: Location, file: str, lines: dict[Location, tuple[str, int]]) -> Tree:
    if len(at) > _MOST_DEPTH:
        raise ScenarioError([Problem(file=file, line=None, key="", reason="is nested too deeply")])
    if len(lines) > _MOST_NODES:
        raise ScenarioError([Problem(file=file, line=None, key="", reason="holds too much")])
    if isinstance(node, dict):
        table = getattr(node, "lc", None)
        found: dict[str, Tree] = {}
        for key, item in node.items():
            here = (*at, str(key))
            try:
                lines[here] = (file, table.key(key)[0] + 1) if table else (file, 1)
            except (KeyError, TypeError):  # a key that came in by a merge
                lines[here] = lines.get(at, (file, 1))
            found[str(key)] = _plain(item, here, file, lines)
        return found
    if isinstance(node, list):
        table = getattr(node, "lc", None)
        for index in range(len(node)):
            try:
                lines[*at, index] = (file, table.item(index)[0] + 1) if table else (file, 1)
            except (KeyError, TypeError):
                lines[*at, index] = lines.get(at, (file, 1))
        return [_plain(item, (*at, index), file, lines) for index, item in enumerate(node)]
    if isinstance(node, bool) or node is None:
        return node
    if isinstance(node, int):
        return int(node)
    if isinstance(node, float):
        return float(node)
    return str(node)


def _merge(base: dict[str, Tree], over: dict[str, Tree]) -> dict[str, Tree]:
    """Maps are merged, everything else is replaced."""
    merged = dict(base)
    for key, item in over.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(item, dict):
            merged[key] = _merge(below, item)
        else:
            merged[key] = item
    return merged


def _override(tree: dict[str, Tree], setting: str, lines: dict[Location, tuple[str, int]]) -> None:
    from ruamel.yaml import YAML  # noqa: PLC0415 - see _read
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    where, equals, text = setting.partition("=")
    keys = where.strip().split(".")
    if not equals or not all(keys):
        problem = Problem(
            file="--set", line=None, key=setting, reason="must be path=value, as in run.loop=3"
        )
        raise ScenarioError([problem])
    try:
        value = _plain(YAML(typ="safe").load(text), (), "--set", {})
    except (YAMLError, ValueError, RecursionError) as err:
        problem = Problem(file="--set", line=None, key=where, reason=f"{text!r} is not valid YAML")
        raise ScenarioError([problem]) from err
    inner = tree
    for key in keys[:-1]:
        below = inner.setdefault(key, {})
        if not isinstance(below, dict):
            problem = Problem(
                file="--set", line=None, key=where, reason=f"{key} holds no keys of its own"
            )
            raise ScenarioError([problem])
        inner = below
    inner[keys[-1]] = value
    for depth in range(1, len(keys) + 1):
        lines.setdefault(tuple(keys[:depth]), ("--set", 0))
    lines[tuple(keys)] = ("--set", 0)


# -- explaining what pydantic found ------------------------------------------------------------


def _explain(tree: Tree, loc: Location, kind: str, message: str) -> tuple[Location, str]:
    """The key as the file has it, and a reason a user can act on."""
    at, holder = _walk(tree, loc)
    if kind == "extra_forbidden":
        later = _later(at, LATER)
        if later:
            return at, f"this version does not do {later} yet; leave the key out"
        known = sorted(_fields(holder))
        coming = [
            name
            for place, _, name in (pattern.rpartition(".") for pattern in LATER)
            if _matches(at[:-1], place)
        ]
        close = difflib.get_close_matches(str(at[-1]), [*known, *coming], n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
        return at, f"unknown key, {hint}"
    value = _value(tree, at)
    refused = _later(at, LATER_VALUES)
    if refused and kind != "missing" and _is_later(value, refused[1]):
        return at, f"this version does not do {refused[0]} yet, got {_short(value)}"
    if kind == "missing":
        return at, "is missing"
    if kind == "literal_error":
        options = re.findall(r"'([^']*)'", message)
        close = difflib.get_close_matches(str(value), options, n=1)
        hint = f", did you mean {close[0]!r}?" if close else f"; known: {', '.join(options)}"
        return at, f"{_short(value)} is unknown{hint}"
    text = message.removeprefix("Value error, ")
    if text == message:
        text = f"{message[0].lower()}{message[1:]}, got {_short(value)}"
    return at, text


def _is_later(value: Tree, values: tuple[str | bool, ...] | None) -> bool:
    """Whether a value is one that a later version takes; None asks for several of something."""
    if values is None:
        return isinstance(value, dict | list) and len(value) > 1
    if isinstance(value, str):
        return next(iter(value.split()), "") in values
    return isinstance(value, bool) and value in values


def _short(value: Tree) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 - a line's worth


def _walk(tree: Tree, loc: Location) -> tuple[Location, type[BaseModel]]:
    """Drop what pydantic adds to a location (names of union members), and find the model."""
    at: list[str | int] = []
    node = tree
    holder: type[BaseModel] = Scenario
    kind: object = Scenario
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        inside = isinstance(node, dict) and part in node
        inside |= isinstance(node, list) and isinstance(part, int) and part < len(node)
        missing = last and (part in _fields_of(kind) or isinstance(node, dict))
        if not inside and not missing:
            continue
        holder = _model(kind) or holder
        at.append(part)
        kind = _member(kind, part)
        if isinstance(node, dict):
            node = node.get(str(part))
        elif isinstance(node, list) and isinstance(part, int) and part < len(node):
            node = node[part]
    return tuple(at), holder


def _model(kind: object) -> type[BaseModel] | None:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    for arg in typing.get_args(kind):
        if typing.get_origin(kind) in (Union, types.UnionType, typing.Annotated):
            found = _model(arg)
            if found:
                return found
    return None


def _member(kind: object, part: str | int) -> object:
    model = _model(kind)
    if model is not None:
        for name, info in model.model_fields.items():
            if part in (name, info.alias):
                return info.annotation
        return None
    for candidate in (kind, *typing.get_args(kind)):
        if typing.get_origin(candidate) is dict:
            return typing.get_args(candidate)[1]
        if typing.get_origin(candidate) is list:
            return typing.get_args(candidate)[0]
    return None


def _fields(model: type[BaseModel]) -> set[str]:
    return {info.alias or name for name, info in model.model_fields.items()}


def _fields_of(kind: object) -> set[str]:
    model = _model(kind)
    return set() if model is None else _fields(model)


def _value(tree: Tree, at: Location) -> Tree:
    node = tree
    for part in at:
        if isinstance(node, dict):
            node = node.get(str(part))
        elif isinstance(node, list) and isinstance(part, int) and part < len(node):
            node = node[part]
        else:
            return None
    return node


def _later(at: Location, table: Mapping[str, _What]) -> _What | None:
    return next((what for pattern, what in table.items() if _matches(at, pattern)), None)


def _matches(at: Location, pattern: str) -> bool:
    """Whether a location is one that a pattern names; a `*` in it stands for any key."""
    parts = pattern.split(".") if pattern else []
    return len(parts) == len(at) and all(
        part in ("*", str(name)) for part, name in zip(parts, at, strict=True)
    )
