"""Cloud sites by name: what is published about them, their devices and their network."""

from pipeline.scenario.sites.applying import at_site, with_profile
from pipeline.scenario.sites.files import load_site, shipped_sites
from pipeline.scenario.sites.schema import SiteProfile

__all__ = ["SiteProfile", "at_site", "load_site", "shipped_sites", "with_profile"]
