"""A site's profile put into a scenario: its host, device and network, where none is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.scenario.links import Jitter, Link
from pipeline.scenario.models import Device, Site

if TYPE_CHECKING:
    from pipeline.scenario.models import Scenario
    from pipeline.scenario.sites.schema import SiteProfile

CLOUD = "cloud"
_PPM = 1_000_000
_NS_PER_US = 1_000


def with_profile(scenario: Scenario, profile: SiteProfile) -> Scenario:
    """The scenario with the cloud's profile filled in; whatever the file says itself stays.

    Its device stands at the cloud where the file has none there, its network is the link's where
    the link has no trace, profile or constant, and its host the site's where none is named.
    """
    devices = dict(scenario.devices)
    if all(device.site != CLOUD for device in devices.values()):
        devices |= _devices(profile, devices)
    links = {
        name: _filled(link, profile) if _bare(link) else link
        for name, link in scenario.links.items()
    }
    sites = dict(scenario.sites)
    own = sites.get(CLOUD) or Site()
    if "host" not in own.model_fields_set:
        sites[CLOUD] = own.model_copy(update={"host": profile.host.value})
    return scenario.model_copy(update={"devices": devices, "links": links, "sites": sites})


def at_site(scenario: Scenario, profile: SiteProfile, *, name: str) -> Scenario:
    """The scenario moved to a site: the cloud's device, host and link are the profile's.

    Faults and shares of the link stay, since they are the drive's.

    Args:
        scenario: The scenario.
        profile: The site.
        name: What `sites.cloud.profile` is to say: the site's name, or its file.
    """
    devices = {key: d for key, d in scenario.devices.items() if d.site != CLOUD}
    blank = dict.fromkeys(("up", "down", "rtt", "loss", "trace", "profile", "jitter"))
    links = {key: link.model_copy(update=blank) for key, link in scenario.links.items()}
    sites = {**scenario.sites, CLOUD: Site(profile=name)}
    moved = scenario.model_copy(update={"devices": devices, "links": links, "sites": sites})
    return with_profile(moved, profile)


def _devices(profile: SiteProfile, taken: dict[str, Device]) -> dict[str, Device]:
    found = {}
    for name, device in profile.devices.items():
        free = name
        while free in taken:
            free += "-cloud"
        given = {"spec": device.spec, "site": CLOUD, "slots": device.slots, "batch": device.batch}
        found[free] = Device(precision=device.precision, **given)
    return found


def _bare(link: Link) -> bool:
    origin = (link.trace, link.profile, link.up, link.down, link.rtt, link.loss)
    return all(figure is None for figure in origin)


def _filled(link: Link, profile: SiteProfile) -> Link:
    there = link.between[0] != CLOUD
    net = profile.link
    up, down = net.up_bits_per_s.value, net.down_bits_per_s.value
    jitter = link.jitter
    if jitter is None and net.jitter_permille.value:
        jitter = Jitter(sigma=net.jitter_permille.value / 1000)
    return link.model_copy(
        update={
            "up": up if there else down,
            "down": down if there else up,
            "rtt": net.rtt_us.value * _NS_PER_US,
            "loss": net.loss_ppm.value / _PPM,
            "jitter": jitter,
        }
    )
