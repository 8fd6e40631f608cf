"""The scenario file: its models, its validation with file and line, its JSON schema."""

from pipeline.scenario.loading import LoadedScenario, load_scenario
from pipeline.scenario.models import Scenario

__all__ = ["LoadedScenario", "Scenario", "load_scenario"]
