"""Where a name in a scenario lies on disk."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.errors import DataMissingError, InputError

DATA = "data:"
BUILTIN = "builtin:"


def data_root() -> Path:
    """Where `data:` names lie: `SPLITWAY_DATA`, else `data/` at the checkout's root."""
    named = os.environ.get("SPLITWAY_DATA")
    return Path(named) if named else Path(__file__).resolve().parents[2] / "data"


def resolve(name: str, *, beside: Path, allow_outside: bool = False) -> Path:
    """The file or folder that a scenario names.

    Args:
        name: `data:…`, or a path relative to the scenario file.
        beside: The scenario file.
        allow_outside: Whether a relative path may leave the scenario's folder.

    Raises:
        DataMissingError: It is not there; the message says where to put it.
        InputError: The name leaves the folder that it is confined to.
    """
    if name.startswith(DATA):
        root = data_root()
        path = root / name.removeprefix(DATA)
        if not path.resolve().is_relative_to(root.resolve()):
            raise InputError(f"{name}: leaves the data folder {root}")
        if not path.exists():
            what_to_do = (
                "put it there, or set SPLITWAY_DATA to the folder that holds it"
                if root.is_dir()
                else f"there is no data folder {root}: set SPLITWAY_DATA to the folder of your "
                "recordings and models, or make `data/` at the checkout's root"
            )
            raise DataMissingError(name, path, what_to_do)
        return path
    folder = beside.parent
    path = folder / name
    outside = not path.resolve().is_relative_to(folder.resolve())
    if outside and not allow_outside:
        raise InputError(
            f"{name}: leaves the scenario's folder {folder}; --allow-outside permits it"
        )
    if not path.exists():
        raise DataMissingError(name, path, "check the path, or put the file there")
    return path
