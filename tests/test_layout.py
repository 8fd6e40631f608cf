"""The rooms are those of this distribution, and not a stranger's of the same name."""

from __future__ import annotations

import importlib
import json
from importlib.metadata import Distribution, distribution
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

ROOMS = ("sensors", "replay", "accelerators", "pipeline")


def _root(installed: Distribution) -> Path:
    """Where the distribution's packages lie: the checkout of an editable install, else the site."""
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        return Path(unquote(urlparse(origin["url"]).path)).resolve()
    return Path(str(installed.locate_file(""))).resolve()


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_is_imported_from_this_distribution(room: str) -> None:
    """The names are generic and other distributions install them too, so this is checked."""
    module = importlib.import_module(room)
    assert module.__file__ is not None
    assert Path(module.__file__).resolve() == _root(distribution("splitway")) / room / "__init__.py"
