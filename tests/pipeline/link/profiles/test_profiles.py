"""Synthetic links: the shipped profiles, their expansion, and files that are none."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import InputError, TraceError
from pipeline.link.profiles import Profile, expand, load_profile, shipped

if TYPE_CHECKING:
    from pathlib import Path

STATE = """
[states.{name}]
up_bits_per_s = {{ low = {low}, high = {high}, source = "assumed" }}
down_bits_per_s = {{ low = 1_000, high = 2_000, source = "assumed" }}
rtt_us = {{ low = 10, high = 10, source = "assumed" }}
loss_ppm = {{ value = 5, source = "assumed" }}
dwell_ms = {{ value = {dwell}, source = "assumed" }}
next = {{ weights = {{ {weights} }}, source = "assumed" }}
"""
HEAD = """
name = "mine"
label = "synthetic"
description = "Two states."
step_ms = 100
length_ms = 600_000
start = "on"
"""
MINE = (
    HEAD
    + STATE.format(name="on", low=1_000, high=9_000, dwell=2_000, weights="off = 1")
    + STATE.format(name="off", low=0, high=0, dwell=500, weights="on = 1")
)


@pytest.fixture
def mine(tmp_path: Path) -> Profile:
    """A profile of two states."""
    path = tmp_path / "mine.toml"
    path.write_text(MINE, "utf-8")
    return load_profile(path)


def test_four_profiles_ship() -> None:
    """Each is called as its file, and says that it is no recording."""
    assert {"5g-urban", "lte-highway", "lte-urban", "tunnel"} <= set(shipped())
    for name in shipped():
        profile = load_profile(name)
        assert (profile.name, profile.label) == (name, "synthetic")
        assert "synthetic" in expand(profile, seed=1).source


@pytest.mark.parametrize("name", shipped())
def test_every_state_of_a_shipped_profile_is_reached(name: str) -> None:
    """From its start, and none is a dead end."""
    profile = load_profile(name)
    reached, found = set[str](), {profile.start}
    while found - reached:
        state = (found - reached).pop()
        reached.add(state)
        found |= profile.states[state].next.weights.keys()
    assert reached == set(profile.states)
    assert all(set(state.next.weights) - {own} for own, state in profile.states.items())


def test_rates_lie_within_their_state_and_dwell_as_long_as_it_says(mine: Profile) -> None:
    """2 s on and 0.5 s off in the mean: a fifth of the time is off."""
    trace = expand(mine, seed=3)
    up = trace.up
    assert all(value == 0 or 1_000 <= value <= 9_000 for value in up.values)
    ends = (*up.starts_ns[1:], up.period_ns)
    pieces = list(zip(up.values, up.starts_ns, ends, strict=True))
    off = sum(end - start for value, start, end in pieces if value == 0) / up.period_ns
    assert 0.15 < off < 0.25
    on = [value for value in up.values if value]
    assert 4_700 < sum(on) / len(on) < 5_300
    assert (trace.rtt_ns.values, trace.loss_ppm.values) == ((10_000,), (5,))


def test_a_seed_is_a_link(mine: Profile) -> None:
    """The same seed makes the same trace, another one another, and another name too."""
    assert expand(mine, seed=3) == expand(mine, seed=3)
    assert expand(mine, seed=3).content_hash() != expand(mine, seed=4).content_hash()
    renamed = mine.model_copy(update={"name": "yours"})
    assert expand(renamed, seed=3).content_hash() != expand(mine, seed=3).content_hash()


def test_another_process_makes_the_same_trace() -> None:
    """Whatever its hash seed."""
    code = (
        "from pipeline.link.profiles import expand, load_profile\n"
        "print(expand(load_profile('lte-urban'), seed=11).content_hash())"
    )
    for hash_seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            text=True,
        )
        mine = expand(load_profile("lte-urban"), seed=11).content_hash()
        assert done.stdout.strip() == mine


def test_an_unknown_name_gets_a_suggestion() -> None:
    """Among the shipped ones."""
    with pytest.raises(InputError, match="did you mean 'lte-urban'"):
        load_profile("lte-urbn")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("step_ms = 100", "step_ms = ", "is not valid TOML"),
        ('label = "synthetic"', 'label = "recorded"', "label: "),
        ('start = "on"', 'start = "one"', "start: there is no state 'one'"),
        ("off = 1", "of = 1", "there is no state 'of'"),
        ("low = 1000", "low = 99_000", "low 99000 is above high 9000"),
        ("low = 1000", "low = -1", "up_bits_per_s.low"),
        ("low = 1000", "low = nan", "up_bits_per_s.low"),
        ("value = 500,", "value = 50,", "dwell_ms: is shorter than a step"),
        ("step_ms = 100", "step_ms = 7", "must be a multiple of step_ms"),
        ("value = 2000, source", "value = 2000, sauce", "dwell_ms.source"),
        ("value = 5, source", "value = 1_000_000, source", "loss_ppm: must be below"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    """With the key."""
    assert old in MINE
    path = tmp_path / "mine.toml"
    path.write_text(MINE.replace(old, new, 1), "utf-8")
    with pytest.raises(TraceError) as caught:
        load_profile(path)
    assert str(caught.value).startswith(str(path))
    assert reason in str(caught.value)


def test_a_link_that_never_moves_anything_is_refused(mine: Profile) -> None:
    """The seed makes it, so it is said when it is expanded."""
    off = mine.states["off"]
    dead = mine.model_copy(update={"states": {"on": off, "off": off}})
    with pytest.raises(ValueError, match="a rate of 0 for ever"):
        expand(dead, seed=1)
