"""Sites that ship with the project, and a user's own TOML files."""

from __future__ import annotations

import difflib
import tomllib
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from pipeline.errors import InputError
from pipeline.scenario.sites.schema import SiteProfile

SUFFIX = ".toml"
_MOST_BYTES = 1_000_000


def shipped_sites() -> tuple[str, ...]:
    """Names of the sites that ship with the project."""
    found = (item.name for item in files(__package__).iterdir())
    return tuple(sorted(name.removesuffix(SUFFIX) for name in found if name.endswith(SUFFIX)))


def load_site(name: str | Path) -> SiteProfile:
    """A shipped site by its name, or one from a file.

    Raises:
        InputError: There is no such site, or its file is not valid, with the key that is wrong.
    """
    if isinstance(name, Path):
        try:
            return _parse(name, name.read_bytes())
        except OSError as err:
            raise InputError(f"{name}: {err.strerror}") from err
    known = shipped_sites()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f", did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
        raise InputError(
            f"there is no site {name!r}{hint}, or name a TOML file beside the scenario"
        )
    item = files(__package__) / f"{name}{SUFFIX}"
    return _parse(Path(str(item)), item.read_bytes())


def _parse(path: Path, data: bytes) -> SiteProfile:
    if len(data) > _MOST_BYTES:
        raise InputError(f"{path}: is larger than {_MOST_BYTES} bytes")
    try:
        return SiteProfile.model_validate(tomllib.loads(data.decode("utf-8")))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as err:
        raise InputError(f"{path}: is not valid TOML: {err}") from err
    except ValidationError as err:
        problem = err.errors(include_url=False, include_context=False)[0]
        key = ".".join(str(part) for part in problem["loc"])
        reason = problem["msg"].removeprefix("Value error, ")
        raise InputError(f"{path}: {key}: {reason}" if key else f"{path}: {reason}") from err
