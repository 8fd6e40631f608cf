"""How a backend is named: `ID`, or `ID:ARGUMENT` where it takes one, such as a provider's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from accelerators.errors import BackendUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from accelerators.registry import BackendFactory


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendName:
    """A backend as a scenario or a command names it.

    Attributes:
        id: Name of its entry point.
        argument: What stands behind the colon, or None.
    """

    id: str
    argument: str | None = None

    @classmethod
    def of(cls, text: str) -> BackendName:
        """Read a name: everything behind the first colon is the argument."""
        head, colon, tail = text.partition(":")
        return cls(id=head, argument=tail if colon else None)

    def __str__(self) -> str:
        """The name as it was written."""
        return self.id if self.argument is None else f"{self.id}:{self.argument}"


class Configurable(Protocol):
    """A factory that takes an argument or options: a class with a static method `configured`."""

    def configured(self, argument: str | None, options: Mapping[str, str]) -> BackendFactory:
        """A factory with these settings.

        Raises:
            BackendUnavailableError: It has no such setting, or cannot work here with it.
        """


def configured(
    factory: BackendFactory, name: BackendName, options: Mapping[str, str]
) -> BackendFactory:
    """The factory with the argument of a name and with options.

    Raises:
        BackendUnavailableError: It takes none, or refuses them.
    """
    if hasattr(factory, "configured"):
        return cast("Configurable", factory).configured(name.argument, options)
    if name.argument is not None:
        reason = f"takes nothing behind its id, and {name.argument!r} was given"
        raise BackendUnavailableError(name.id, reason)
    if options:
        raise BackendUnavailableError(name.id, f"has no option {', '.join(sorted(options))}")
    return factory
