"""Drives of several streams, with windows, pauses and sensor faults, through the public API."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from pipeline import api
from pipeline.errors import ScenarioError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MS = 1_000_000
ONE = "  streams: {front: {period: 50ms}}\n"
TWO = "  streams: {front: {period: 50ms}, left: {period: 80ms, phase: 10ms}}\n"
DRIVE = "  synthetic: {scene: highway, seed: 3, length: 2s, size: [320, 192]}\n"
SIDE = """    route: split
  side:
    input: {stream: left, size: [416, 256], fit: letterbox}
    variants: {untrained: {model: "builtin:detector"}}
    output: yolox
    route: split
paths:
  beside: {from: left, through: [side], every: 2, e2e: 300ms}
"""
CAMERAS = ((ONE, TWO), ("    route: split\npaths:\n", SIDE))


def run(scenario: Path, out: Path, *sets: str) -> api.Result:
    """A virtual run."""
    return api.run(scenario, api.Options(overrides=sets), virtual=True, out=out)


def test_tasks_read_different_cameras_each_at_its_own_pace(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """Paths count the frames of their own stream; the evidence runs again to the same ledger."""
    result = run(write_scenario(*CAMERAS), tmp_path / "a", "run.loop=2")
    paths = {path["name"]: path for path in result.document["paths"]}
    assert {name: path["n"] for name, path in paths.items()} == {
        "all": 80,
        "some": 20,
        "beside": 25,
    }
    assert paths["beside"]["not_selected"] == 25
    side = [row for row in result.ledger.rows() if row.path == "beside"]
    assert [row.scheduled_ns for row in side[:3]] == [at * MS for at in (10, 170, 330)]
    assert {row.fate for row in side} == {"cloud"}
    assert api.rerun(tmp_path / "a").same
    again = run(write_scenario(*CAMERAS), tmp_path / "b", "run.loop=2")
    assert again.ledger.to_csv() == result.ledger.to_csv()


def test_another_camera_leaves_the_first_one_alone(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """A stream whose task is on the car changes no draw of the others: same path, same prices."""
    alone = run(write_scenario(), tmp_path / "a")
    both = run(
        write_scenario(*CAMERAS, ("phase: 10ms", "phase: 25ms")),
        tmp_path / "b",
        "tasks.side.route=edge",
    )
    jobs = ("edge", "cloud")
    for one, other in zip(
        (row for row in alone.ledger.rows() if row.path == "all"),
        (row for row in both.ledger.rows() if row.path == "all"),
        strict=True,
    ):
        assert (one.frame, one.content, one.fate) == (other.frame, other.content, other.fate)
        assert [one.stamps[j] - one.stamps[f"{j}_wait"] for j in jobs] == [
            other.stamps[j] - other.stamps[f"{j}_wait"] for j in jobs
        ]


def test_a_window_is_replayed_from_its_start(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """Stamps count from there, warm-up shows its first frames, and a pause holds the rest."""
    scenario = write_scenario(
        (ONE, f"{ONE}  window: {{start: 480ms, length: 1s}}\n"),
        ("warmup: 3 frames", "warmup: 3 frames, pause: [{at: 500ms, for: 200ms}]"),
    )
    result = run(scenario, tmp_path / "run")
    rows = [row for row in result.ledger.rows() if row.path == "all"]
    assert [row.content for row in rows] == list(range(20))
    due = [20 + 50 * number + (200 if number >= 10 else 0) for number in range(20)]
    assert [row.scheduled_ns for row in rows] == [at * MS for at in due]
    assert api.rerun(tmp_path / "run").same


def test_every_fault_is_counted_and_nothing_is_lost_from_the_ledger(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """Lost frames are dropped by the sensor, doubled ones settle once, frozen ones show others."""
    faults = """  faults:
    - {stream: front, at: 200ms, for: 200ms, kind: drop, probability: 50%}
    - {stream: front, at: 500ms, for: 200ms, kind: duplicate}
    - {stream: front, at: 800ms, for: 200ms, kind: late, by: 70ms}
    - {stream: front, at: 1100ms, for: 200ms, kind: reorder}
    - {stream: front, at: 1400ms, for: 200ms, kind: freeze}
    - {stream: front, at: 1700ms, kind: clock-step, by: -20ms}
"""
    scenario = write_scenario((ONE, ONE + faults))
    result = run(scenario, tmp_path / "a")
    rows = {row.frame: row for row in result.ledger.rows() if row.path == "all"}
    assert len(rows) == 40
    lost = {
        number for number, row in rows.items() if (row.fate, row.cause) == ("dropped", "sensor")
    }
    assert 0 < len(lost) < 4
    assert lost < {4, 5, 6, 7}
    assert [rows[number].content for number in range(27, 33)] == [27, 27, 27, 27, 27, 32]
    assert all(rows[n].stamps["source"] - rows[n].scheduled_ns >= 70 * MS for n in range(16, 20))
    assert rows[22].stamps["source"] > rows[23].stamps["source"]
    told = next(note for note in result.notes if note.startswith("sensor faults"))
    assert told.endswith(
        f"clock-step 6, drop {len(lost)}, duplicate 4, freeze 4, late 4, reorder 4"
    )
    seen: Counter[str] = Counter()
    stamps: dict[int, int] = {}
    for line in (tmp_path / "a/events/vehicle.jsonl").read_text("utf-8").splitlines():
        event = json.loads(line)["event"]
        if event and event["is"] == "FaultMarked":
            seen[event["what"].partition(" ")[2]] += 1
        if event and event["is"] == "FrameOffered":
            stamps[event["frame"]] = event["stamp_ns"]
    assert seen == Counter(
        {"clock-step": 6, "drop": len(lost), "duplicate": 4, "freeze": 4, "late": 4, "reorder": 4}
    )
    assert stamps[33] == 1650 * MS
    assert stamps[34] == (1700 - 20) * MS
    assert api.rerun(tmp_path / "a").same
    assert run(scenario, tmp_path / "b").ledger.to_csv() == result.ledger.to_csv()
    other = api.run(scenario, api.Options(seed=99), virtual=True, out=tmp_path / "c")
    assert other.ledger.hash() != result.ledger.hash()


def test_a_drive_may_be_a_folder_with_a_recording_per_stream(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """A video and a folder of pictures, of different sizes, named below the drive's path."""
    folder = tmp_path / "drive"
    (folder / "left").mkdir(parents=True)
    code = cv2.VideoWriter.fourcc(*"mp4v")
    video = cv2.VideoWriter(str(folder / "front.mp4"), code, 20.0, (320, 192))
    noise = np.random.Generator(np.random.Philox(key=1))
    for number in range(10):
        video.write(noise.integers(0, 255, (192, 320, 3), np.uint8))
        picture = noise.integers(0, 255, (96, 128, 3), np.uint8)
        assert cv2.imwrite(str(folder / f"left/{number}.png"), picture)
    video.release()
    streams = "  streams: {front: {file: front.mp4}, left: {file: left, period: 70ms}}\n"
    scenario = write_scenario((DRIVE, "  path: drive\n"), (ONE, streams), CAMERAS[1])
    found = api.check(scenario)
    assert {n: (s.frames, s.width, s.height) for n, s in found.facts.streams.items()} == {
        "front": (10, 320, 192),
        "left": (10, 128, 96),
    }
    result = run(scenario, tmp_path / "run")
    assert {p["name"]: p["n"] for p in result.document["paths"]} == {
        "all": 10,
        "some": 3,
        "beside": 5,
    }


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ([("warmup: 3 frames", "warmup: 41 frames")],
         ":22: run.warmup: stream 'front' has 40 frames, too few for 41 of warm-up"),
        ([(ONE, f"{ONE}  window: {{start: 2s}}\n")],
         ":7: drive.window.start: lies past the end: the drive is 2 s long"),
        ([(ONE, f"{ONE}  window: {{start: 1s, length: 1001ms}}\n")],
         ":7: drive.window.length: reaches past the end: the drive is 2 s long"),
        ([(ONE, f"{ONE}  faults:\n    - {{stream: front, at: 2s, kind: drop}}\n")],
         ":8: drive.faults.0.at: no frame of 'front' is due then; its last is due at 1.95 s"),
        ([("warmup: 3 frames", "warmup: 3 frames, pause: [{at: 2s, for: 1s}]")],
         ":22: run.pause.0.at: no frame is due after it: the last is due at 1.95 s"),
        ([("synthetic: {scene: highway", "synthetic: {scene: moon")],
         ":4: drive: no synthetic scene 'moon'; there are highway, urban"),
        ([(DRIVE, "  path: .\n"), (ONE, "  streams: {front: {file: ../x}}\n")],
         ":6: drive.streams.front.file: '../x' lies outside the drive"),
        ([(DRIVE, "  path: .\n"), (ONE, "  streams: {front: {file: x}}\n")],
         ":6: drive.streams.front.file: there is no 'x' in"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_drive_is_refused_with_its_line(
    write_scenario: Callable[..., Path], changes: list[tuple[str, str]], problem: str
) -> None:
    """Before anything is run."""
    scenario = write_scenario(*changes)
    with pytest.raises(ScenarioError) as caught:
        api.check(scenario)
    assert any(f"{scenario}{problem}" in str(found) for found in caught.value.problems), str(
        caught.value
    )


def test_virtual_time_at_full_speed_is_refused(write_scenario: Callable[..., Path]) -> None:
    """It is always as fast as it can be; asking for more is a misunderstanding."""
    with pytest.raises(ScenarioError, match=r"run\.rate: max is for live runs"):
        api.run(write_scenario(), api.Options(overrides=("run.rate=max",)), virtual=True)
