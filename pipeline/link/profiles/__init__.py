"""Synthetic links: seeded Markov chains as TOML, expanded into a trace once."""

from pipeline.link.profiles.chain import expand
from pipeline.link.profiles.files import load_profile, shipped
from pipeline.link.profiles.schema import Profile

__all__ = ["Profile", "expand", "load_profile", "shipped"]
