"""Profiles that ship with the project, and a user's own."""

from __future__ import annotations

import difflib
import tomllib
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from pipeline.errors import InputError, TraceError
from pipeline.link.profiles.schema import Profile

_SUFFIX = ".toml"
_MOST_BYTES = 1_000_000


def shipped() -> tuple[str, ...]:
    """Names of the profiles that ship with the project."""
    found = (item.name for item in files(__package__).iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in found if name.endswith(_SUFFIX)))


def load_profile(name: str | Path) -> Profile:
    """A shipped profile by its name, or one from a file.

    Raises:
        InputError: There is no such profile.
        TraceError: The file is no profile, with the key that is wrong.
    """
    if isinstance(name, Path):
        return _parse(name, name.read_bytes())
    known = shipped()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f", did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
        raise InputError(f"there is no link profile {name!r}{hint}")
    item = files(__package__) / f"{name}{_SUFFIX}"
    return _parse(Path(str(item)), item.read_bytes())


def _parse(path: Path, data: bytes) -> Profile:
    if len(data) > _MOST_BYTES:
        raise TraceError(path, None, f"is larger than {_MOST_BYTES} bytes")
    try:
        return Profile.model_validate(tomllib.loads(data.decode("utf-8")))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as err:
        raise TraceError(path, None, f"is not valid TOML: {err}") from err
    except ValidationError as err:
        problem = err.errors(include_url=False, include_context=False)[0]
        key = ".".join(str(part) for part in problem["loc"])
        reason = problem["msg"].removeprefix("Value error, ")
        raise TraceError(path, None, f"{key}: {reason}" if key else reason) from err
