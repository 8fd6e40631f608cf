"""Small scenarios for tests that go through several rooms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCENARIO = """
splitway: 1
name: small
drive:
  synthetic: {scene: highway, seed: 3, length: 2s, size: [320, 192]}
  streams: {front: {period: 50ms}}
sites: {vehicle: {}, cloud: {}}
links:
  cell: {between: [vehicle, cloud], up: 40Mbit/s, down: 100Mbit/s, rtt: 10ms}
devices:
  edge0: {spec: qualcomm-sa8775p, site: vehicle}
  cloud0: {spec: furiosa-warboy, site: cloud}
tasks:
  objects:
    input: {stream: front, size: [416, 256], fit: letterbox}
    variants: {untrained: {model: "builtin:detector"}}
    output: yolox
    route: split
paths:
  all: {from: front, through: [objects], e2e: 200ms, max_miss: 50%}
  some: {from: front, through: [objects], every: 4, e2e: 400ms}
run: {seed: 5, warmup: 3 frames}
evidence: {images: none}
"""


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result cache of this test session's own."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLITWAY_CACHE", str(cache))


@pytest.fixture
def write_scenario(tmp_path: Path) -> Callable[..., Path]:
    """Write the small scenario, with pieces of its text replaced."""

    def write(*replacements: tuple[str, str]) -> Path:
        text = SCENARIO
        for old, new in replacements:
            assert old in text, old
            text = text.replace(old, new)
        path = tmp_path / "scenario.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
