"""Output decoders by name and parameters, found by entry point."""

from __future__ import annotations

import difflib
import inspect
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Protocol

from pipeline.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from importlib.metadata import EntryPoint

    from pipeline.tasks.outputs.protocol import OutputDecoder

    Parameter = bool | int | float | str | Sequence[str | int | float | bool]

GROUP = "splitway.outputs"


class DecoderFactory(Protocol):
    """What an entry point of the group names: a class, say; its parameters have names."""

    def __call__(self, **params: Parameter) -> OutputDecoder:
        """Make the decoder.

        Raises:
            InputError: A value is of the wrong kind or out of its range.
        """


def output_decoder(name: str, params: Mapping[str, Parameter] | None = None) -> OutputDecoder:
    """Make the decoder that a scenario names, with its parameters.

    Raises:
        InputError: No such decoder or parameter (with a suggestion), a parameter's value is out
            of its range, a name is claimed twice, or a plug-in does not load.
    """
    found = installed()
    if name not in found:
        raise InputError(f"output decoder {name} is unknown; {_hint(name, found)}")
    try:
        factory: DecoderFactory = found[name].load()
    except (ImportError, AttributeError) as err:
        raise InputError(
            f"output decoder {name}: its plug-in {found[name].value} does not load: {err}"
        ) from err
    known = inspect.signature(factory).parameters
    given = dict(params or {})
    for key in given:
        if key not in known:
            raise InputError(f"output decoder {name} has no parameter {key}; {_hint(key, known)}")
    return factory(**given)


@cache
def installed() -> Mapping[str, EntryPoint]:
    """Entry points of all installed output decoders, by name.

    Raises:
        InputError: Two distributions claim one name.
    """
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise InputError(
                f"output decoder {point.name} is claimed by {other.value} and by {point.value}"
            )
    return found


def _hint(word: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"
