"""The configuration of the machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipeline.runtime.core.config import CoreConfig
from pipeline.values import from_plain, to_json

if TYPE_CHECKING:
    from tests.pipeline.runtime.conftest import Build


def test_a_whole_configuration_comes_back(build: Build) -> None:
    """Routes, steps of every kind, sites and paths: what a process is handed at its start."""
    config = build.config({"a": "edge", "b": "raw", "c": "split"})
    assert from_plain(CoreConfig, json.loads(to_json(config))) == config
