"""Backends and vendors' modules that exist for the tests only."""

from __future__ import annotations

from pathlib import Path

import pytest

FAKES = Path(__file__).parent / "fakes"


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of made-up modules, on the path of this process and of those it starts."""
    monkeypatch.syspath_prepend(str(FAKES))
    return FAKES
