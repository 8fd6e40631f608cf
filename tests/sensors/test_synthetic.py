"""The synthetic drive as a reader."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.errors import SensorError, StreamMissingError
from sensors.labels import Labelled
from sensors.synthetic import (
    SCENES,
    VIEWS,
    CameraUnknownError,
    LabelledFrame,
    SceneParameterError,
    SceneUnknownError,
    SyntheticDrive,
)
from sensors.synthetic.draws import uniforms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sensors.frames import Frame
    from sensors.labels import FrameLabels
    from sensors.synthetic.parameters import ParameterValue

PERIOD_NS = 100_000_000
RAIN_AT_DUSK: dict[str, ParameterValue] = {"weather": "rain", "light": "dusk"}


def drive_of(
    scene: str = "highway",
    *,
    seed: int = 1,
    frames: int = 3,
    size: tuple[int, int] = (96, 64),
    camera: str = "front",
    phase_ns: int = 0,
    parameters: Mapping[str, ParameterValue] | None = None,
) -> SyntheticDrive:
    """Return a small drive."""
    return SyntheticDrive(
        scene,
        seed=seed,
        length_ns=frames * PERIOD_NS,
        period_ns=PERIOD_NS,
        width=size[0],
        height=size[1],
        stream=camera,
        camera=camera,
        phase_ns=phase_ns,
        parameters=parameters,
    )


def seen(drive: SyntheticDrive, at_ns: int = 0) -> LabelledFrame:
    """Return one frame with its labels."""
    with drive:
        return next(drive.labelled_frames(start_ns=at_ns))


def bytes_of(labels: FrameLabels) -> bytes:
    """Return every number of a frame's labels."""
    parts = [labels.boxes, labels.boxes_3d, labels.masks, labels.futures]
    values = [getattr(part, field.name) for part in parts if part for field in fields(part)]
    return b"".join(value.tobytes() for value in values if isinstance(value, np.ndarray))


def pixels_of(frame: Frame) -> bytes:
    """Return the bytes of a frame's picture."""
    image = getattr(frame, "image", None)
    assert isinstance(image, np.ndarray)
    return image.tobytes()


def digest_of(drive: SyntheticDrive) -> str:
    """Return a hash over all pictures and labels of a drive."""
    found = hashlib.sha256()
    with drive:
        for frame in drive.frames():
            found.update(pixels_of(frame))
        for labels in drive.labels():
            found.update(bytes_of(labels))
    return found.hexdigest()


@pytest.mark.parametrize("scene", sorted(SCENES))
def test_a_seed_says_all_bytes(scene: str) -> None:
    """Two drives of one seed are equal, those of two seeds are not."""
    first = digest_of(drive_of(scene))
    assert first == digest_of(drive_of(scene))
    assert first != digest_of(drive_of(scene, seed=2))


def test_another_process_makes_the_same_bytes() -> None:
    """Nothing depends on the order of a set, or on what a process did before."""
    program = (
        "from tests_digest import digest_of, drive_of;"
        "print(digest_of(drive_of('intersection', frames=2)))"
    )
    # The module under its own name: tests are not a package.
    program = program.replace(
        "from tests_digest import digest_of, drive_of",
        "import importlib.util as u;"
        f"s = u.spec_from_file_location('t', {__file__!r});"
        "m = u.module_from_spec(s); s.loader.exec_module(m);"
        "digest_of, drive_of = m.digest_of, m.drive_of",
    )
    here = digest_of(drive_of("intersection", frames=2))
    for hashing in ("1", "2"):
        there = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": hashing},
        )
        assert there.stdout.strip() == here


def test_a_frame_does_not_depend_on_what_was_read_before() -> None:
    """The last frame read first equals the last frame read last; so does a longer drive's."""
    with drive_of("urban", frames=4) as drive:
        *_, last = drive.frames()
    with drive_of("urban", frames=4) as drive, drive_of("urban", frames=60) as longer:
        (alone,) = drive.frames(start_ns=3 * PERIOD_NS)
        (of_longer,) = longer.frames(start_ns=3 * PERIOD_NS, stop_ns=4 * PERIOD_NS)
    assert pixels_of(last) == pixels_of(alone) == pixels_of(of_longer)


@pytest.mark.parametrize("parameters", [{}, RAIN_AT_DUSK])
def test_labels_are_the_same_with_and_without_a_picture(
    parameters: dict[str, ParameterValue],
) -> None:
    """Frames, labels, and both at once agree."""
    with drive_of("urban", parameters=parameters, size=(160, 96)) as drive:
        assert isinstance(drive, Labelled)
        both = list(drive.labelled_frames())
        frames, labels = list(drive.frames()), list(drive.labels())
    assert [bytes_of(one.labels) for one in both] == [bytes_of(one) for one in labels]
    assert [pixels_of(one.frame) for one in both] == [pixels_of(one) for one in frames]
    assert [(one.index, one.stamp_ns) for one in labels] == [
        (one.index, one.stamp_ns) for one in frames
    ]


def test_labels_have_a_window_and_names_of_streams() -> None:
    """As `frames` has."""
    with drive_of(frames=6) as drive:
        found = drive.labels(streams=("front",), start_ns=PERIOD_NS, stop_ns=3 * PERIOD_NS)
        assert [labels.index for labels in found] == [1, 2]
        assert list(drive.labels(streams=())) == []
        with pytest.raises(StreamMissingError, match="no stream 'roof'"):
            drive.labels(streams=("roof",))
    with pytest.raises(RuntimeError, match="closed"):
        drive.labels()


@pytest.mark.parametrize("parameters", [{}, RAIN_AT_DUSK])
@pytest.mark.parametrize("scene", sorted(SCENES))
def test_every_camera_sees_something_of_its_own(
    scene: str, parameters: dict[str, ParameterValue]
) -> None:
    """Four pictures of one moment, all different; rain and dusk change them all."""
    found = set()
    for camera in VIEWS:
        image = seen(drive_of(scene, camera=camera, parameters=parameters)).frame.image
        assert image.std() > 5
        found.add(image.tobytes())
        if parameters:
            day = seen(drive_of(scene, camera=camera)).frame.image
            assert float(image.mean()) < 0.8 * float(day.mean())
    assert len(found) == len(VIEWS)


@pytest.mark.parametrize("scene", sorted(SCENES))
@pytest.mark.parametrize("size", [(32, 32), (90, 300), (301, 97)])
def test_any_picture_size_can_be_painted(scene: str, size: tuple[int, int]) -> None:
    """Odd and extreme sizes work, at the start and some way along the road."""
    with drive_of(scene, frames=400, size=size) as drive:
        for start in (0, 399):
            both = next(drive.labelled_frames(start_ns=start * PERIOD_NS))
            assert both.frame.image.shape == (size[1], size[0], 3)
            masks = both.labels.masks
            assert masks is not None
            assert masks.masks.shape == (2, size[1], size[0])


def test_the_picture_moves_and_has_a_sky_over_a_road() -> None:
    """Sky is brighter and bluer than the asphalt below; consecutive frames differ."""
    with drive_of(size=(320, 192)) as drive:
        first, second, *_ = drive.labelled_frames()
    image = first.frame.image
    sky = image[:30].reshape(-1, 3).mean(axis=0)
    asphalt = image[150:, 130:190].reshape(-1, 3).mean(axis=0)
    assert sky.mean() > asphalt.mean() + 30
    assert sky[0] > sky[2]
    assert np.ptp(asphalt) < 16
    assert np.abs(image.astype(int) - second.frame.image).mean() > 1.5


def test_a_tunnel_is_dark_inside_and_the_way_out_is_bright() -> None:
    """Its walls are darker than the open road's sky, and the camera opens up."""
    outside = seen(drive_of("tunnel", size=(160, 96))).frame.image
    inside = seen(drive_of("tunnel", size=(160, 96), frames=200), 15 * 10**9).frame.image
    assert float(inside[:30].mean()) < 0.6 * float(outside[:30].mean())


def test_an_unknown_scene_lists_the_scenes() -> None:
    """The error helps to choose; it is one of the room's."""
    with pytest.raises(SceneUnknownError, match="no synthetic scene 'moon'; there are highway"):
        drive_of("moon")
    assert issubclass(SceneUnknownError, SensorError)


def test_an_unknown_camera_lists_the_cameras() -> None:
    """The error helps to choose."""
    with pytest.raises(CameraUnknownError, match="there are front, left, right, rear"):
        drive_of(camera="roof")


def test_parameters_are_part_of_the_drive_and_of_its_name() -> None:
    """More traffic is another drive; what is wrong is refused before anything is drawn."""
    plain, busy = drive_of(), drive_of(parameters={"traffic_per_km": 40})
    assert plain.drive_id != busy.drive_id
    assert "traffic_per_km=40" in busy.drive_id
    assert digest_of(plain) != digest_of(busy)
    with pytest.raises(SceneParameterError, match="'wind' is unknown; there are lanes"):
        drive_of(parameters={"wind": 3})


@pytest.mark.parametrize(
    "change", [{"length_ns": 0}, {"period_ns": 0}, {"width": 31}, {"height": 8}]
)
def test_numbers_out_of_range_are_the_callers_mistake(change: dict[str, int]) -> None:
    """Nothing is drawn from nonsense."""
    numbers = {"length_ns": 9, "period_ns": 3, "width": 64, "height": 64, "seed": 1} | change
    with pytest.raises(ValueError, match=next(iter(change))):
        SyntheticDrive(
            stream="front",
            seed=numbers["seed"],
            length_ns=numbers["length_ns"],
            period_ns=numbers["period_ns"],
            width=numbers["width"],
            height=numbers["height"],
        )


@pytest.mark.parametrize(("length_ns", "frames"), [(1, 1), (100, 1), (101, 2), (200, 2)])
def test_frames_lie_below_the_length(length_ns: int, frames: int) -> None:
    """The length is half-open."""
    drive = SyntheticDrive(
        seed=1, length_ns=length_ns, period_ns=100, width=32, height=32, stream="front"
    )
    with drive:
        assert drive.streams()[0].frames == len(list(drive.frames())) == frames


def test_a_phase_moves_the_stamps_and_what_is_seen() -> None:
    """A camera half a period later sees the world then, and so a later camera's first frame."""
    with drive_of("urban", camera="left", frames=6, phase_ns=PERIOD_NS // 2) as drive:
        frames = list(drive.frames())
        assert drive.stamps() == range(PERIOD_NS // 2, 6 * PERIOD_NS, PERIOD_NS)
        (third,) = drive.frames(start_ns=2 * PERIOD_NS, stop_ns=3 * PERIOD_NS)
    assert [frame.stamp_ns for frame in frames] == list(drive.stamps())
    assert third.index == 2
    with drive_of("urban", camera="left") as drive:
        assert pixels_of(next(iter(drive.frames()))) != pixels_of(frames[0])


@given(
    seed=st.integers(-(1 << 70), 1 << 70),
    subject=st.lists(st.integers(-(1 << 40), 1 << 40), max_size=3),
    count=st.integers(1, 9),
)
def test_draws_depend_on_their_key_only(seed: int, subject: list[int], count: int) -> None:
    """Asking for more numbers does not change the first ones; all lie in [0, 1)."""
    few = uniforms(seed, "test", *subject, count=count)
    many = uniforms(seed, "test", *subject, count=count + 5)
    assert many[:count] == few
    assert all(0.0 <= draw < 1.0 for draw in many)
    assert few != uniforms(seed, "other", *subject, count=count)
