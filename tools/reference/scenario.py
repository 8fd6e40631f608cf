"""The page on the scenario file: every key with its type, default and meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from pipeline.scenario.models import LATER, LATER_VALUES, Scenario
from tools.reference.meanings import MEANINGS
from tools.reference.page import MADE

Schema = Mapping[str, object]

_NS = (("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1))

BEFORE_SCENARIO = """# Scenario file

A scenario is a YAML 1.2 file. `splitway check FILE` says everything that is wrong with one, with
file and line; `splitway check FILE --schema` prints its JSON schema.

## Values

| kind | written as |
| --- | --- |
| duration | a number with `ns`, `us`, `ms`, `s` or `min`, such as `40ms`; never bare |
| data rate | a number with `bit/s`, `kbit/s`, `Mbit/s` or `Gbit/s`, above zero |
| percentage | a number with `%`, from `0%` to `100%` |
| factor | a positive number or a fraction, such as `1/255` |
| frames | a count, bare or with the word, such as `50 frames` |
| name | a letter, then up to 63 letters, digits and `_ . > -` |

Unknown keys, keys given twice, tags, and more than 32 aliases are errors. Booleans are `true` and
`false`.

## One file on another

`extends: base.yaml` at the top level takes another file, named relative to this one, and lays this
one over it: maps are merged, everything else is replaced. `--set path=value` on the command line
sets one key over both, as in `--set run.loop=3`; the value is read as YAML, and a map replaces the
whole map that was there. An optional key that the base has set is taken back by `null`.

## Names of files

A path is relative to the scenario file and may not leave its folder unless `--allow-outside` is
given. `data:NAME` names a recording or model under the folder that the environment variable
`SPLITWAY_DATA` names, else under `data/` at the checkout's root.

## Keys

Keys in pointed brackets are names of your own. "needed" in the column of defaults marks a key that
must be there wherever the map around it is."""

AFTER_SCENARIO = """
## Refused by name

The language is larger than what this version carries out. These keys and values are known and
refused, each with a message that says so, so that nobody believes that they took effect.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of the scenario file, as the table shows it."""

    path: str
    type: str
    default: str
    meaning: str


def scenario_page() -> str:
    """The page on the scenario file."""
    schema = cast("Schema", Scenario.model_json_schema(by_alias=True))
    keys = list(_keys(schema, _map(schema["$defs"]), ""))
    lost = sorted(MEANINGS.keys() - {key.path for key in keys})
    if lost:
        raise SystemExit(f"tools/reference explains keys that there are not: {lost}")
    parts = [MADE, "", BEFORE_SCENARIO]
    section = ""
    for key in keys:
        top = key.path.split(".")[0]
        nested = any(other.path.startswith(f"{top}.") for other in keys)
        title = top if nested else "top level"
        if title != section:
            section = title
            parts += ["", f"### {title if nested else 'Top level'}", ""]
            parts += ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
        parts.append(f"| `{key.path}` | {key.type} | {key.default} | {key.meaning} |")
    parts += [AFTER_SCENARIO, "| key | what a later version does with it |", "| --- | --- |"]
    parts += [f"| `{_shown(path)}` | {what} |" for path, what in sorted(LATER.items())]
    parts += ["", "| key | values refused | what they ask for |", "| --- | --- | --- |"]
    for path, (what, values) in sorted(LATER_VALUES.items()):
        refused = "more than one" if values is None else ", ".join(f"`{_yaml(v)}`" for v in values)
        parts.append(f"| `{_shown(path)}` | {refused} | {what} |")
    return "\n".join(parts) + "\n"


def _shown(pattern: str) -> str:
    return pattern.removesuffix(".*").replace("*", "<name>")


def _keys(schema: Schema, defs: Schema, above: str) -> Iterator[Key]:
    """Every key of a model, those without keys of their own first at the top level."""
    properties = _map(schema["properties"])
    required = cast("list[str]", schema.get("required", []))
    names = list(properties)
    if not above:
        names.sort(key=lambda name: _below(_map(properties[name]), defs) is not None)
    for name in names:
        info = _map(properties[name])
        path = f"{above}{name}"
        below = _below(info, defs)
        default = "needed" if name in required else _default(info, is_map=below is not None)
        meaning = MEANINGS.get(path)
        if meaning is None:
            raise SystemExit(f"tools/reference does not explain {path}")
        yield Key(path=path, type=_type(info, defs), default=default, meaning=meaning)
        if below is not None:
            model, by_name = below
            yield from _keys(model, defs, f"{path}.<name>." if by_name else f"{path}.")


def _below(info: Schema, defs: Schema) -> tuple[Schema, bool] | None:
    """The model that a key holds, and whether it holds many, by name."""
    for option in _options(info):
        if "$ref" in option:
            return _map(defs[str(option["$ref"]).rpartition("/")[2]]), False
        if option.get("type") == "array" and "$ref" in _map(option.get("items", {})):
            return _map(defs[str(_map(option["items"])["$ref"]).rpartition("/")[2]]), False
        if "patternProperties" in option:
            (inner,) = _map(option["patternProperties"]).values()
            found = _below(_map(inner), defs)
            return None if found is None else (found[0], True)
    return None


def _options(info: Schema) -> list[Schema]:
    several = info.get("anyOf", info.get("oneOf"))
    if not isinstance(several, list):
        return [info]
    return [inner for option in several for inner in _options(_map(option))]


def _type(info: Schema, defs: Schema) -> str:
    said = (_one_type(option, defs) for option in _options(info))
    return " or ".join(text for text in said if text)


def _one_type(info: Schema, defs: Schema) -> str:
    match info:
        case {"prefixItems": [*items]}:
            return f"list of {len(items)}: {_type(_map(items[0]), defs)}"
        case {"type": "array", "items": items}:
            return f"list of {_type(_map(items), defs)}"
        case {"const": value}:
            return f"`{_yaml(value)}`"
        case {"enum": [*values]}:
            return ", ".join(f"`{_yaml(value)}`" for value in values)
        case {"description": str(words)} if "$ref" not in info:
            return words.split(" with its unit")[0].split(", such")[0].removeprefix("a ")
        case _:
            return _plain_type(info)


def _plain_type(info: Schema) -> str:
    if "$ref" in info:
        return "map"
    if "patternProperties" in info:
        return "map by name"
    if info.get("type") == "object":
        return "map"
    words = {
        "boolean": "`true` or `false`",
        "null": "",
        "string": "text",
        "integer": "whole number",
        "number": "number",
    }
    return f"{words[str(info['type'])]}{_range(info)}"


def _range(info: Schema) -> str:
    low, above, high = (info.get(k) for k in ("minimum", "exclusiveMinimum", "maximum"))
    if high == 2**63 - 1:
        high = "2^63 - 1"
    text = f" above {above}" if above is not None else ""
    if low is not None:
        text = f" from {low}"
    return text if high is None else f"{text} to {high}"


def _default(info: Schema, *, is_map: bool) -> str:
    value = info.get("default")
    if is_map or value is None:
        return ""
    words = str(info.get("description", ""))
    if words.startswith("a duration") and isinstance(value, int):
        unit, size = next((u, s) for u, s in _NS if value % s == 0)
        return f"`{value // size}{unit}`"
    if words.startswith("a speed") and isinstance(value, int):
        return f"`{value / 1_000:g}m/s`"
    if words.startswith("a percentage") and isinstance(value, float):
        return f"`{value * 100:g}%`"
    return f"`{_yaml(value)}`"


def _yaml(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case list():
            return f"[{', '.join(_yaml(item) for item in value)}]"
        case "":
            return '""'
        case _:
            return str(value)


def _map(value: object) -> Schema:
    if not isinstance(value, Mapping):
        raise TypeError(f"a map was expected, got {value!r}")
    return cast("Schema", value)
