"""A small scenario that is right, as text to be changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import ScenarioError
from pipeline.scenario import load_scenario

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.errors import Problem
    from pipeline.scenario import LoadedScenario

GOOD = """\
splitway: 1
name: small
drive:
  path: drive.mp4
  streams:
    front: {period: 40ms}
sites:
  vehicle: {host: host-reference}
  cloud:
links:
  cell: {between: [vehicle, cloud], up: 50Mbit/s, down: 0.1Gbit/s, rtt: 20ms}
devices:
  edge0: {spec: some-npu, site: vehicle, compute: ahead}
  cloud0: {backend: cpu, site: cloud}
tasks:
  objects:
    input: {stream: front, size: [416, 416], scale: 1/255}
    variants: {only: {model: model.onnx}}
    output: yolox
    route: auto
paths:
  camera->objects: {from: front, through: [objects], e2e: 100ms, max_miss: 5%}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A folder to write scenarios into, and to read them from."""

    folder: Path
    good: str = GOOD

    def write(self, text: str, name: str = "s.yaml") -> Path:
        """A file with this text."""
        path = self.folder / name
        path.write_text(text, "utf-8")
        return path

    def changed(self, *changes: tuple[str, str]) -> str:
        """The right scenario with pieces of text replaced; each has to be there once."""
        text = self.good
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        return text

    def load(
        self, *changes: tuple[str, str], overrides: Sequence[str] = (), more: str = ""
    ) -> LoadedScenario:
        """Load the right scenario, changed."""
        return load_scenario(self.write(self.changed(*changes) + more), overrides=overrides)

    def problems(
        self, *changes: tuple[str, str], overrides: Sequence[str] = (), more: str = ""
    ) -> list[Problem]:
        """The problems of the right scenario, changed."""
        with pytest.raises(ScenarioError) as caught:
            self.load(*changes, overrides=overrides, more=more)
        return list(caught.value.problems)

    def reasons(
        self, *changes: tuple[str, str], overrides: Sequence[str] = (), more: str = ""
    ) -> list[tuple[int | None, str, str]]:
        """Line, key and reason of each problem of the right scenario, changed."""
        found = self.problems(*changes, overrides=overrides, more=more)
        return [(problem.line, problem.key, problem.reason) for problem in found]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A place to write scenarios."""
    return Desk(folder=tmp_path)
