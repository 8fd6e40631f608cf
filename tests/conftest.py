"""Fixtures and options of the whole suite."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from pipeline.runtime.live import supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_GOLDEN = Path(__file__).parent / "golden"

# A slow machine is no failed property; under CI examples repeat from run to run.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switch that rewrites golden files."""
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite the golden files from this run; fails under CI",
    )


@pytest.fixture(autouse=True)
def live_runs_are_marked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that starts the nodes of a live run without the marker `live`.

    Live runs read the machine's clock, so `make test` runs them one at a time, after the others. A
    run that a test starts in a process of its own is not seen here and is marked all the same.
    """
    if request.node.get_closest_marker("live") is None:

        def refuse(*_: object, **__: object) -> None:
            pytest.fail("this test starts a live run: mark it with pytest.mark.live")

        monkeypatch.setattr(supervisor._Supervisor, "_start", refuse)


@pytest.fixture
def golden(
    request: pytest.FixtureRequest,
) -> Callable[[str, Mapping[str, object]], None]:
    """Compare named fields with `tests/golden/<name>.json`, or rewrite it with --update-golden.

    A mismatch lists every field with its golden and its new value. `informative` fields of the
    file are kept by hand and never compared.
    """
    update = bool(request.config.getoption("--update-golden"))

    def compare(name: str, gated: Mapping[str, object]) -> None:
        file = _GOLDEN / f"{name}.json"
        new = json.loads(json.dumps(gated))
        known = json.loads(file.read_text("utf-8")) if file.exists() else {}
        if update:
            if os.environ.get("CI"):
                pytest.fail("golden files are refreshed by a person, not under CI")
            known = {"informative": known.get("informative", {}), "gated": new}
            text = json.dumps(known, indent=2, sort_keys=True, ensure_ascii=False)
            file.write_text(f"{text}\n", "utf-8")
            return
        if not known:
            pytest.fail(f"{file.name} does not exist; make it with --update-golden")
        old = known["gated"]
        differing = [
            f"{field}: golden {old.get(field)!r}, new {new.get(field)!r}"
            for field in sorted({*old, *new})
            if old.get(field) != new.get(field)
        ]
        if differing:
            pytest.fail(f"{file.name}: " + "; ".join(differing))

    return compare
