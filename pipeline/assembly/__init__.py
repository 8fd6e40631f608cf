"""Scenario to drive, graphs, devices, link and plan: the one place that builds a run."""

from pipeline.assembly.building import Assembled, assemble

__all__ = ["Assembled", "assemble"]
