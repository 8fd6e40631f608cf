"""Our frozen values as plain JSON data and back, for event logs and for handing to processes."""

from __future__ import annotations

import dataclasses
import types
import typing
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import pipeline.ledger.fates
import pipeline.ledger.rows
import pipeline.ledger.sealing
import pipeline.link.model
import pipeline.plan.plan
import pipeline.plan.routes
import pipeline.plan.steps
import pipeline.runtime.core.commands
import pipeline.runtime.core.config
import pipeline.runtime.core.events
import pipeline.runtime.core.messages
import pipeline.runtime.timing
from pipeline.runtime.core.events import Event, Job

if TYPE_CHECKING:
    from collections.abc import Callable

Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]
T = TypeVar("T")

_TAG = "is"
_MODULES = (
    pipeline.ledger.fates,
    pipeline.ledger.rows,
    pipeline.ledger.sealing,
    pipeline.link.model,
    pipeline.plan.plan,
    pipeline.plan.routes,
    pipeline.plan.steps,
    pipeline.runtime.core.commands,
    pipeline.runtime.core.config,
    pipeline.runtime.core.events,
    pipeline.runtime.core.messages,
    pipeline.runtime.timing,
)
_NAMES: dict[str, type] = {}


def register(*classes: type) -> None:
    """Let further frozen dataclasses be read back by name."""
    _NAMES.update({cls.__name__: cls for cls in classes})


def to_plain(value: object) -> Plain:
    """A value as JSON data; a dataclass becomes an object that names its class.

    Raises:
        TypeError: The value holds something that is no part of our values.
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        plain: dict[str, Plain] = {_TAG: type(value).__name__}
        for name in _field_names(type(value)):
            plain[name] = to_plain(getattr(value, name))
        return plain
    raise TypeError(type(value).__name__)


def from_plain(kind: type[T], data: object) -> T:
    """The value again.

    Raises:
        ValueError: The data is not that of a `kind`.
    """
    try:
        value = _tagged(data)
    except (KeyError, TypeError, AttributeError) as err:
        raise ValueError(f"not a {kind.__name__}: {err}") from err
    if not isinstance(value, kind):
        raise ValueError(f"not a {kind.__name__}: {type(value).__name__}")  # noqa: TRY004 - data
    return value


def from_plain_event(data: object) -> Event:
    """An event again.

    Raises:
        ValueError: The data is that of no event.
    """
    try:
        value = _tagged(data)
    except (KeyError, TypeError, AttributeError) as err:
        raise ValueError(f"not an event: {err}") from err
    if not isinstance(value, Event):
        raise ValueError(f"not an event: {type(value).__name__}")  # noqa: TRY004 - data
    return value


def as_plain(value: object) -> Plain:
    """What `json.loads` gave, with its type.

    Raises:
        TypeError: It holds something that JSON has no form for.
    """
    return to_plain(value)


def _tagged(data: object) -> object:
    if not isinstance(data, dict):
        raise TypeError(f"an object was expected, got {type(data).__name__}")
    cls = _NAMES[data[_TAG]]
    converters = _converters(cls)
    unknown = data.keys() - converters.keys() - {_TAG}
    if unknown:
        raise KeyError(", ".join(sorted(unknown)))
    return cls(**{name: converters[name](item) for name, item in data.items() if name != _TAG})


def _tagged_as(kinds: tuple[type, ...], data: object) -> object:
    value = _tagged(data)
    if not isinstance(value, kinds):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"expected {names}, got {type(value).__name__}")
    return value


@cache
def _field_names(cls: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


@cache
def _converters(cls: type) -> dict[str, Callable[[object], object]]:
    hints = typing.get_type_hints(cls, localns=dict(_scope()))
    return {name: _converter(hints[name]) for name in _field_names(cls)}


def _converter(hint: object) -> Callable[[object], object]:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        if len(args) == 2 and args[1] is Ellipsis:  # noqa: PLR2004 - tuple[X, ...]
            item = _converter(args[0])
            return lambda data: tuple(item(x) for x in _list(data))
        items = [_converter(arg) for arg in args]
        return lambda data: tuple(f(x) for f, x in zip(items, _list(data), strict=True))
    if origin is dict:
        key, item = args[0], _converter(args[1])
        return lambda data: {key(k): item(x) for k, x in _dict(data).items()}
    if origin in (typing.Union, types.UnionType):
        inner = [arg for arg in args if arg is not type(None)]
        if any(dataclasses.is_dataclass(arg) for arg in inner):
            kinds = tuple(arg for arg in inner if isinstance(arg, type))
            return lambda data: None if data is None else _tagged_as(kinds, data)
        one = _converter(inner[0])
        return lambda data: None if data is None else one(data)
    if isinstance(hint, type):
        if dataclasses.is_dataclass(hint):
            return lambda data: _tagged_as((hint,), data)
        if hint is Job:
            return _job
    return lambda data: data


def _job(data: object) -> Job:
    match data:
        case [int(frame), str(task), int(step)]:
            return Job(frame, task, step)
        case _:
            raise TypeError(f"a job was expected, got {data!r}")


def _list(data: object) -> list[object]:
    if not isinstance(data, list):
        raise TypeError(f"a list was expected, got {type(data).__name__}")
    return data


def _dict(data: object) -> dict[object, object]:
    if not isinstance(data, dict):
        raise TypeError(f"an object was expected, got {type(data).__name__}")
    return data


@cache
def _scope() -> dict[str, object]:
    scope: dict[str, object] = {}
    for module in _MODULES:
        scope.update({n: v for n, v in vars(module).items() if not n.startswith("_")})
    scope.update(_NAMES)
    return scope


for _module in _MODULES:
    register(
        *(
            value
            for value in vars(_module).values()
            if isinstance(value, type) and dataclasses.is_dataclass(value)
        )
    )
