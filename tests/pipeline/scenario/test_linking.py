"""What must agree within a link."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pipeline.scenario.links import Link
    from tests.pipeline.scenario.conftest import Desk

FIGURES = "up: 50Mbit/s, down: 0.1Gbit/s, rtt: 20ms"
NEEDED = "is missing: a link needs up, down and rtt, or a trace, or a profile"


def link(desk: Desk, text: str) -> Link:
    """The link of the right scenario with these keys."""
    return desk.load((FIGURES, text)).scenario.links["cell"]


def test_a_link_is_constants_a_trace_or_a_profile(desk: Desk) -> None:
    """In a short form and a long one."""
    assert link(desk, f"{FIGURES}, loss: 0.5%").loss == 0.005
    short, long = link(desk, "trace: a.csv"), link(desk, "trace: {path: a.csv, format: csv}")
    assert short.trace_files is not None
    assert long.trace_files is not None
    assert short.trace_files.names == long.trace_files.names == ("a.csv",)
    pair = link(desk, "trace: {up: a, down: b, rtt: 40ms}").trace_files
    assert pair is not None
    assert (pair.names, pair.rtt) == (("a", "b"), 40_000_000)
    named = link(desk, "profile: tunnel").profile_choice
    seeded = link(desk, "profile: {name: tunnel, seed: 3}").profile_choice
    assert named is not None
    assert seeded is not None
    assert (named.name, named.seed, seeded.name, seeded.seed) == ("tunnel", None, "tunnel", 3)


def test_what_disturbs_a_link(desk: Desk) -> None:
    """Jitter, faults and shares go with any of them."""
    text = (
        "profile: tunnel, jitter: {dist: lognormal, sigma: 0.3}, shares: {objects: 60%}, faults: "
        "[{at: 20s, for: 2s, kind: blackout}, {at: 1s, for: 50ms, kind: handover, extra: 8ms}, "
        "{at: 3s, for: 9s, kind: slow, factor: 1/4}]"
    )
    found = link(desk, text)
    assert found.jitter is not None
    assert found.jitter.sigma == 0.3
    assert found.shares == {"objects": 0.6}
    dark, over, slow = found.faults
    assert (dark.at, dark.span, dark.kind) == (20 * 10**9, 2 * 10**9, "blackout")
    assert (over.extra, slow.factor) == (8_000_000, 0.25)


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("up: 5Mbit/s, down: 5Mbit/s", "rtt", NEEDED),
        (f"{FIGURES}, trace: a.csv", "up", "contradicts `trace`, which says it itself"),
        ("trace: a.csv, loss: 1%", "loss", "contradicts `trace`, which says it itself"),
        ("trace: {up: a, down: b}, rtt: 4ms", "rtt",
         "contradicts `trace`, which says it itself, inside its braces"),
        ("profile: tunnel, rtt: 40ms", "rtt", "contradicts `profile`, which says it itself"),
        ("profile: tunnel, trace: a.csv", "profile",
         "contradicts `trace`: a link has one of them, or constants"),
        ("trace: {up: a}", "trace", "needs either one file (`path`), or the pair of `up` and "),
        ("trace: {rtt: 4ms}", "trace", "needs either one file (`path`), or the pair"),
        ("trace: {path: c, up: a, down: b}", "trace", "needs either one file"),
        (f"{FIGURES}, loss: 100%", "loss", "must be below 100%, or nothing ever arrives"),
        (f"{FIGURES}, faults: [{{at: 1s, for: 1s, kind: slow}}]", "faults.0",
         "a slow link needs a `factor` on its rate, such as 1/4"),
        (f"{FIGURES}, faults: [{{at: 1s, for: 1s, kind: slow, factor: 2}}]", "faults.0.factor",
         "must be below 1, or the link is not slow"),
        (f"{FIGURES}, faults: [{{at: 1s, for: 1s, kind: blackout, factor: 1/2}}]",
         "faults.0.factor", "is for `slow`; a blackout stops the link"),
        (f"{FIGURES}, faults: [{{at: 1s, for: 1s, kind: slow, factor: 1/2, extra: 1ms}}]",
         "faults.0.extra", "is for `handover`; a slow leaves the round trip as it is"),
        (f"{FIGURES}, faults: [{{at: 1s, for: 1s, kind: blackot}}]", "faults.0.kind",
         "'blackot' is unknown, did you mean 'blackout'?"),
        (f"{FIGURES}, faults: [{{at: 1s, for: 0s, kind: blackout}}]", "faults.0.for",
         "input should be greater than 0"),
        (f"{FIGURES}, faults: [{{at: 1s, kind: blackout}}]", "faults.0.for", "is missing"),
        (f"{FIGURES}, shares: {{object: 5%}}", "shares.object",
         "there is no task 'object'; did you mean 'objects'?"),
        (f"{FIGURES}, shares: {{objects: 0%}}", "shares.objects", "must be above 0%"),
        (f"{FIGURES}, shares: {{objects: 100%}}", "shares", "must leave something for credits"),
        (f"{FIGURES}, jitter: {{dist: normal, sigma: 1}}", "jitter.dist", "'normal' is unknown"),
        (f"{FIGURES}, jitter: {{sigma: 3}}", "jitter.sigma",
         "input should be less than or equal to 2"),
        (f"{FIGURES}, jitter: {{dist: lognormal}}", "jitter.sigma", "is missing"),
        ("trace: {pth: a.csv}", "trace.pth", "unknown key, did you mean 'path'?"),
        ("profile: {name: tunnel, sed: 1}", "profile.sed", "unknown key, did you mean 'seed'?"),
        ("trace: [a, b]", "trace", "input should be a valid string"),
    ],
)  # fmt: skip
def test_contradictions_are_refused_with_key_and_line(
    desk: Desk, text: str, key: str, reason: str
) -> None:
    """Before anything is read."""
    found = {name: (line, why) for line, name, why in desk.reasons((FIGURES, text))}
    line, why = found[f"links.cell.{key}"]
    assert line == 11
    assert why.startswith(reason)
