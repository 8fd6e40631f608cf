"""`splitway synth` and `splitway rec` as a user calls them."""

from __future__ import annotations

import hashlib
import json
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import pytest

from pipeline.cli import main
from pipeline.cli.stopping import Stopper
from sensors.readers.mcap import McapDrive

if TYPE_CHECKING:
    from collections.abc import Callable

COMMAND = str(Path(sys.executable).with_name("splitway"))
SMALL = ["--size", "96x64", "--seconds", "0.3", "--seed", "5"]


def splitway(
    *arguments: str, folder: Path, before: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder."""
    return subprocess.run(
        [COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        check=False,
        preexec_fn=before,
    )


def test_a_drive_is_written_and_told(tmp_path: Path) -> None:
    """Streams, labels and the file's hash; a sheet of pictures; the same seed, the same bytes."""
    made = ["synth", "highway", *SMALL, "--cameras", "front,rear", "--picture", "sheet.png"]
    done = splitway(*made, "-o", "one.mcap", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == "splitway.synth/1"
    assert document["bytes"] == (tmp_path / "one.mcap").stat().st_size
    digest = hashlib.sha256((tmp_path / "one.mcap").read_bytes()).hexdigest()
    assert document["sha256"] == digest
    streams = document["streams"]
    assert list(streams) == ["front", "rear", "lidar", "pose", "imu"]
    assert {name: stream["frames"] for name, stream in streams.items()} == {
        "front": 3,
        "rear": 3,
        "lidar": 3,
        "pose": 30,
        "imu": 30,
    }
    assert streams["front"]["labelled"] == 3
    assert streams["pose"]["objects"] is None
    picture = cv2.imread(str(tmp_path / "sheet.png"))
    assert picture is not None
    assert picture.shape == (3 * 64, 2 * 96, 3)
    again = splitway(*made[:-2], "-o", "two.mcap", folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "two.mcap" in again.stdout
    assert (tmp_path / "two.mcap").read_bytes() == (tmp_path / "one.mcap").read_bytes()
    other = splitway(*made[:-2], "--seed", "6", "-o", "three.mcap", folder=tmp_path)
    assert other.returncode == 0, other.stderr
    assert (tmp_path / "three.mcap").read_bytes() != (tmp_path / "one.mcap").read_bytes()


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    """Frames in order, labelled and calibrated; without LiDAR and motion where not wanted."""
    arguments = ["--no-lidar", "--no-motion", "--fps", "20", "--png", "-o", "d.mcap", "--quiet"]
    done = splitway("synth", "tunnel", *SMALL, *arguments, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    with McapDrive(tmp_path / "d.mcap") as drive:
        (stream,) = drive.streams()
        frames, labels = list(drive.frames()), list(drive.labels())
        (calibration,) = drive.calibrations()
    assert (stream.name, stream.period_ns, stream.width, stream.height) == (
        "front",
        50_000_000,
        96,
        64,
    )
    assert [frame.stamp_ns for frame in frames] == [n * 50_000_000 for n in range(6)]
    assert [one.index for one in labels] == list(range(6))
    assert all(one.masks is not None and one.masks.masks.shape[1:] == (64, 96) for one in labels)
    assert calibration.intrinsics is not None


def test_pictures_fill_a_folder(tmp_path: Path) -> None:
    """One a second of every camera, and of the LiDAR from above."""
    done = splitway(
        "synth", "highway", *SMALL, "-o", "d.mcap", "--picture", "look", folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    names = sorted(file.name for file in (tmp_path / "look").iterdir())
    assert names == ["front-000000.jpg", "lidar-000000.jpg"]
    again = splitway(
        "synth", "highway", *SMALL, "-o", "e.mcap", "--picture", "look", folder=tmp_path
    )
    assert again.returncode == 2
    assert "look: the folder is not empty; name another, or give --force" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "no synthetic scene 'nowhere'; there are highway"),
        (["highway", "--cameras", "roof"], "no synthetic sensor 'roof'; there are front"),
        (["highway", "--cameras", "front,front"], "each once"),
        (["highway", "--set", "traffic_per_km=9999"], "'traffic_per_km' must be from 0"),
        (["highway", "--set", "colour=red"], "'colour' is unknown"),
        (["highway", "--set", "colour"], "--set colour: must be NAME=VALUE"),
        (["highway", "--set", "lanes=2", "--set", "lanes=3"], "lanes is set twice"),
        (["highway", "--size", "wide"], "'wide' is no size"),
        (["highway", "--size", "8x8"], "at least 32"),
        (["highway", "--cameras", "none", "--no-lidar", "--no-motion"], "no sensor is left"),
    ],
)
def test_what_cannot_be_made_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    told: str,
) -> None:
    """Exit code 2, one line that says what to do, and no file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Stopper, "install", lambda _: None)  # this process keeps its signals
    with pytest.raises(SystemExit) as end:
        main(["synth", "-o", "d.mcap", "--seconds", "0.2", *arguments])
    assert end.value.code == 2
    assert told in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    """Unless it may go."""
    (tmp_path / "d.mcap").write_bytes(b"precious")
    arguments = ["synth", "highway", *SMALL, "--no-lidar", "-o", "d.mcap"]
    done = splitway(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert "d.mcap: there is a file already; name another, or give --force" in done.stderr
    assert (tmp_path / "d.mcap").read_bytes() == b"precious"
    assert splitway(*arguments, "--force", folder=tmp_path).returncode == 0
    assert (tmp_path / "d.mcap").read_bytes() != b"precious"


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """Exit code 4, what happened, and no half file."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = splitway(
        "synth", "highway", *SMALL, "-o", "d.mcap", "--png", folder=tmp_path, before=limit
    )
    assert done.returncode == 4, done.stderr
    assert "d.mcap: it cannot be written" in done.stderr
    assert "no file was left behind" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_no_half_file(tmp_path: Path, number: int) -> None:
    """The command ends as signals have it; the unfinished file goes with it."""
    arguments = ["synth", "highway", "--seconds", "60", "--no-lidar", "-o", "d.mcap"]
    process = subprocess.Popen(
        [COMMAND, *arguments], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        while not any(file.stat().st_size for file in tmp_path.glob(".tmp-*")):
            with pytest.raises(subprocess.TimeoutExpired):  # it has not ended by itself
                process.wait(timeout=0.05)
        process.send_signal(number)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    assert not list(tmp_path.iterdir())


def test_a_recording_is_looked_at_and_saved(tmp_path: Path) -> None:
    """`rec info` lists topics; `rec recover` says by its exit code what was lost."""
    made = splitway("synth", "highway", *SMALL, "--no-lidar", "-o", "d.mcap", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    found = json.loads(splitway("rec", "info", "d.mcap", "--json", folder=tmp_path).stdout)
    assert found["schema"] == "splitway.rec.info/1"
    assert found["topics"]["/front/image"] == {
        "schema": "foxglove.CompressedImage",
        "encoding": "protobuf",
        "messages": 3,
        "stream": "camera",
    }
    assert found["topics"]["/front/labels"]["stream"] is None
    assert "/imu/imu" in splitway("rec", "info", "d.mcap", folder=tmp_path).stdout
    whole = splitway("rec", "recover", "d.mcap", "-o", "whole.mcap", folder=tmp_path)
    assert (whole.returncode, "nothing was lost" in whole.stdout) == (0, True)
    data = (tmp_path / "d.mcap").read_bytes()
    (tmp_path / "cut.mcap").write_bytes(data[: len(data) * 3 // 4])
    broken = splitway("rec", "info", "cut.mcap", folder=tmp_path)
    assert broken.returncode == 2
    assert "`splitway rec recover` keeps what is whole" in broken.stderr
    (tmp_path / "stub.mcap").write_bytes(data[:100])
    nothing = splitway("rec", "recover", "stub.mcap", "-o", "n.mcap", folder=tmp_path)
    assert nothing.returncode == 1
    assert not (tmp_path / "n.mcap").exists()


def test_a_recording_with_loss_answers_with_three(tmp_path: Path) -> None:
    """What is whole of two seconds that were cut off, as a document."""
    arguments = ["--size", "96x64", "--seconds", "2", "--no-lidar", "-o", "d.mcap"]
    assert splitway("synth", "highway", *arguments, folder=tmp_path).returncode == 0
    data = (tmp_path / "d.mcap").read_bytes()
    (tmp_path / "cut.mcap").write_bytes(data[: len(data) * 3 // 5])
    done = splitway("rec", "recover", "cut.mcap", "-o", "s.mcap", "--json", folder=tmp_path)
    assert done.returncode == 3, done.stderr
    document = json.loads(done.stdout)
    assert (document["whole"], document["cut_off"]) == (False, True)
    with McapDrive(tmp_path / "s.mcap") as drive:
        frames = [frame for frame in drive.frames() if frame.stream == "front"]
        assert 0 < len(frames) < 20
        assert len(list(drive.labels(streams=["front"]))) == len(frames)
