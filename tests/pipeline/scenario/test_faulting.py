"""Faults, pauses, windows and speeds, as far as the file alone shows what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest

from pipeline.scenario.models import StreamModel
from pipeline.scenario.references import CAMERAS
from replay.faults import Fault, FaultKind, contradict
from sensors.synthetic import VIEWS

if TYPE_CHECKING:
    from tests.pipeline.scenario.conftest import Desk

STREAM = "    front: {period: 40ms}\n"
NAME = "name: small\n"


def faults(*texts: str) -> tuple[str, str]:
    """The change that puts faults into the right scenario, one a line from line 8 on."""
    lines = "".join(f"    - {{{text}}}\n" for text in texts)
    return STREAM, f"{STREAM}  faults:\n{lines}"


@pytest.mark.parametrize(
    ("texts", "line", "key", "reason"),
    [
        (["stream: frnt, at: 1s, kind: drop"], 8, "0.stream",
         "there is no stream 'frnt', did you mean 'front'?"),
        (["stream: rear, at: 1s, kind: drop"], 8, "0.stream", "'rear'; known: front"),
        (["stream: front, at: 1s, kind: late"], 8, "0", "kind late needs `by`, such as 30ms"),
        (["stream: front, at: 1s, kind: clock-step, by: 0ms"], 8, "0", "needs `by`"),
        (["stream: front, at: 1s, kind: drop, by: 3ms"], 8, "0.by", "kind drop takes no `by`"),
        (["stream: front, at: 1s, kind: late, by: -3ms"], 8, "0.by", "must not be negative"),
        (["stream: front, at: 1s, kind: drop, probability: 0%"], 8, "0.probability",
         "this fault never happens"),
        (["stream: front, at: 1s, kind: drop", "stream: front, at: 9s, kind: late, by: 1ms"], 9,
         "1", "contradicts faults[0], drop of 'front' at the same time"),
        (["stream: front, at: 1s, for: 2s, kind: freeze",
          "stream: front, at: 2s, for: 2s, kind: freeze"], 9, "1", "contradicts faults[0], freeze"),
        (["stream: front, at: 1s, kind: dorp"], 8, "0.kind", "did you mean 'drop'?"),
        (["stream: front, at: 1, kind: drop"], 8, "0.at", "must be a duration with a unit"),
        (["stream: front, at: 1s, for: 0s, kind: drop"], 8, "0.for", "greater than 0"),
    ],
)  # fmt: skip
def test_faults_that_cannot_be(
    desk: Desk, texts: list[str], line: int, key: str, reason: str
) -> None:
    """Each is named with its line."""
    found = desk.reasons(faults(*texts))
    assert any(
        (at, name) == (line, f"drive.faults.{key}") and reason in text for at, name, text in found
    ), found


def test_faults_that_can_be(desk: Desk) -> None:
    """One after the other, or of different things."""
    loaded = desk.load(
        faults(
            "stream: front, at: 1s, for: 1s, kind: drop",
            "stream: front, at: 2s, for: 1s, kind: late, by: 30ms, probability: 10%",
            "stream: front, at: 0s, kind: freeze",
            "stream: front, at: 0s, kind: clock-step, by: -30ms",
        )
    )
    drive = loaded.scenario.drive
    assert [fault.by for fault in drive.faults] == [None, 30_000_000, None, -30_000_000]
    dumped = loaded.scenario.model_dump(mode="json", by_alias=True)
    assert dumped["drive"]["faults"][3]["by"] == "-30000000ns"
    assert dumped["drive"]["faults"][0]["for"] == "1000000000ns"


@pytest.mark.parametrize("one", get_args(FaultKind))
@pytest.mark.parametrize("other", get_args(FaultKind))
def test_the_file_and_the_schedule_agree_on_what_contradicts(
    desk: Desk, one: FaultKind, other: FaultKind
) -> None:
    """The check of the file stands for that of the transform."""
    by = {"late": ", by: 1ms", "clock-step": ", by: 1ms"}
    texts = [f"stream: front, at: 1s, kind: {kind}{by.get(kind, '')}" for kind in (one, other)]
    pair = [Fault(stream="front", kind=kind, at_ns=10**9, by_ns=10**6) for kind in (one, other)]
    if contradict(*pair):
        assert any("contradicts" in text for _, _, text in desk.reasons(faults(*texts)))
    else:
        desk.load(faults(*texts))


@pytest.mark.parametrize(
    ("text", "line", "key", "reason"),
    [
        ("pause: [{at: 1s, for: 2s}, {at: 2s, for: 1s}]", 3, "run.pause.1.at",
         "must not begin before the pause before it is over"),
        ("pause: [{at: 1s, for: 2s}], rate: max", 3, "run.pause", "means nothing at `rate: max`"),
        ("pause: [{at: 1s, for: 0s}]", 3, "run.pause.0.for", "greater than 0"),
        ("rate: 0", 3, "run.rate", "must be a number above 0 and at most 100, or max"),
        ("rate: 101", 3, "run.rate", "at most 100"),
        ("rate: true", 3, "run.rate", "or max, got 'True'"),
        ("rate: .nan", 3, "run.rate", "or max, got 'nan'"),
    ],
)  # fmt: skip
def test_runs_that_cannot_be(desk: Desk, text: str, line: int, key: str, reason: str) -> None:
    """Pauses one inside the other, and rates that are none."""
    found = desk.reasons((NAME, f"{NAME}run: {{{text}}}\n"))
    assert len(found) == 1
    assert found[0][:2] == (line, key)
    assert reason in found[0][2]


def test_full_speed_is_a_rate(desk: Desk) -> None:
    """The schedule is then only an order, that of the drive as recorded."""
    run = desk.load(overrides=["run.rate=max"]).scenario.run
    assert (run.full_speed, run.factor) == (True, 1.0)
    run = desk.load(overrides=["run.rate=2"]).scenario.run
    assert (run.full_speed, run.factor) == (False, 2.0)


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("[]", "drive.speed", "must name a speed"),
        ("[{at: 2s, speed: 9m/s}, {at: 2s, speed: 8m/s}]", "drive.speed.1.at", "must lie after"),
        ("[{at: 2s, speed: 9}]", "drive.speed.0.speed", "must be a speed with a unit"),
        ("9", "drive.speed", "must be a speed with a unit"),
    ],
)
def test_speeds_that_cannot_be(desk: Desk, text: str, key: str, reason: str) -> None:
    """One speed, or one from each moment on."""
    found = desk.reasons((STREAM, f"{STREAM}  speed: {text}\n"))
    assert [(line, name) for line, name, _ in found] == [(7, key)]
    assert reason in found[0][2]


def test_the_file_knows_the_cameras_that_there_are() -> None:
    """The scenario's room does not load the painter to find out."""
    assert tuple(VIEWS) == CAMERAS
    for camera in VIEWS:
        assert StreamModel.model_validate({"camera": camera}).camera == camera
