"""What a message takes on a link, and which part of it a task has."""

from __future__ import annotations

from pipeline.link.model import OVERHEAD_BYTES, LinkConfig, kind_subject, message_bytes
from pipeline.link.profiles import expand, load_profile


def test_a_message_is_more_than_its_payload() -> None:
    """Header and framing count on both drivers alike."""
    assert message_bytes(0) == OVERHEAD_BYTES
    assert message_bytes(1_000) == 1_000 + OVERHEAD_BYTES


def test_shares_leave_a_rest_to_all_others() -> None:
    """Tasks without a share and messages of no task have it together."""
    link = LinkConfig(name="cell", shares_ppm={"objects": 600_000, "lanes": 150_000})
    assert link.share_ppm("objects") == 600_000
    assert link.share_ppm("signs") == link.share_ppm(kind_subject("credit")) == 250_000
    assert LinkConfig(name="cell").share_ppm("objects") == 1_000_000


def test_a_link_says_what_it_is() -> None:
    """A synthetic one says that it is synthetic."""
    assert LinkConfig(name="cell", up_bits_per_s=12_500_000).describe() == "12.5 Mbit/s up"
    trace = expand(load_profile("tunnel"), seed=3)
    said = LinkConfig(name="cell", trace=trace).describe()
    assert said == "profile tunnel, synthetic, seed 3"
