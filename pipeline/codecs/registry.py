"""Codecs by name: `name` or `name:parameter`, found by entry point."""

from __future__ import annotations

import difflib
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Protocol

from pipeline.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.metadata import EntryPoint

    from pipeline.codecs.protocol import Codec

GROUP = "splitway.codecs"


class CodecKind(Protocol):
    """What an entry point of the group names: a class, say, with a `parse` class method."""

    def parse(self, parameter: str) -> Codec:
        """Make the codec from the text after the colon; empty where there is none.

        Raises:
            CodecError: The parameter is not one of this codec.
        """


@cache
def codec(name: str) -> Codec:
    """Return the codec of a plan's name, such as `int8` or `jpeg:80`.

    Raises:
        CodecError: No such codec, a parameter it does not take, a name claimed twice, or a
            plug-in that does not load.
    """
    stem, _, parameter = name.partition(":")
    found = installed()
    if stem not in found:
        near = difflib.get_close_matches(stem, found, n=1)
        known = ", ".join(sorted(found))
        hint = f"did you mean {near[0]}?" if near else f"known are {known}"
        raise CodecError(name, f"unknown; {hint}")
    try:
        kind: CodecKind = found[stem].load()
    except (ImportError, AttributeError) as err:
        raise CodecError(name, f"its plug-in {found[stem].value} does not load: {err}") from err
    return kind.parse(parameter)


@cache
def installed() -> Mapping[str, EntryPoint]:
    """Entry points of all installed codecs, by name without parameter.

    Raises:
        CodecError: Two distributions claim one name.
    """
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise CodecError(point.name, f"claimed by {other.value} and by {point.value}")
    return found
