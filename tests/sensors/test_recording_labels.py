"""Labels as JSON: exact, whatever the numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sensors.labels import FrameLabels, Futures, LabelMasks, Labels2D, Labels3D
from sensors.recording.labels import imu_schema, labels_schema, labels_text, read_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    class SameValues(Protocol):
        """Whether two values are equal to the bit."""

        def __call__(self, one: object, other: object) -> bool:
            """Compare."""


# NaN means "unknown" and comes back as the usual NaN, whatever its bits were.
FLOATS = st.floats(width=32, allow_infinity=False, allow_nan=False) | st.just(float("nan"))
INTEGERS = st.integers(-(1 << 63), (1 << 63) - 1)


def floats(*shape: int) -> st.SearchStrategy[NDArray[np.float32]]:
    """Arrays of float32, some numbers unknown."""
    return arrays(np.float32, shape, elements=FLOATS)


@st.composite
def labels(draw: st.DrawFn) -> FrameLabels:
    """Labels of one frame with any of its parts."""
    count, steps, names = draw(st.integers(0, 4)), draw(st.integers(0, 3)), ("car", "Straßenbahn")
    tracks = draw(arrays(np.int64, count, elements=INTEGERS))
    classes = draw(arrays(np.int64, count, elements=st.integers(-1, 1)))
    boxes = Labels2D(
        names=names,
        tracks=tracks,
        classes=classes,
        xyxy=draw(floats(count, 4)),
        visibility=draw(floats(count)),
        truncation=draw(floats(count)),
        distances_m=draw(floats(count)),
    )
    boxes_3d = Labels3D(
        names=names,
        tracks=tracks,
        classes=classes,
        centres_m=draw(floats(count, 3)),
        sizes_m=draw(floats(count, 3)),
        yaws_rad=draw(floats(count)),
        velocities_mps=draw(floats(count, 2)),
        points=draw(arrays(np.int64, count, elements=INTEGERS)),
    )
    futures = Futures(
        tracks=tracks,
        step_ns=draw(st.integers(1, 1 << 40)),
        positions_m=draw(floats(count, steps, 2)),
        valid=draw(arrays(np.bool_, (count, steps))),
    )
    masks = LabelMasks(
        names=("drivable", "lane"), masks=draw(arrays(np.bool_, (2, 3, draw(st.integers(1, 9)))))
    )
    return FrameLabels(
        stream=draw(st.text(max_size=5)),
        index=draw(st.integers(0, 1 << 40)),
        stamp_ns=draw(st.integers(0, 1 << 63)),
        boxes=draw(st.sampled_from((None, boxes))),
        boxes_3d=draw(st.sampled_from((None, boxes_3d))),
        masks=draw(st.sampled_from((None, masks))),
        futures=draw(st.sampled_from((None, futures))),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(original=labels())
def test_what_is_read_is_what_was_written(same_values: SameValues, original: FrameLabels) -> None:
    """To the bit, minus zero, denormals and the unknown included."""
    found = original.masks
    masks = {} if found is None else dict(zip(found.names, found.masks, strict=True))
    read = read_labels(labels_text(original), index=original.index, masks=masks)
    assert same_values(read, original)


def test_labels_of_a_frame_may_be_empty(same_values: SameValues) -> None:
    """No object is not the same as not labelled."""
    none = FrameLabels(stream="front", index=0, stamp_ns=0)
    empty = FrameLabels(
        stream="front",
        index=0,
        stamp_ns=0,
        masks=LabelMasks(names=(), masks=np.zeros((0, 0, 0), np.bool_)),
    )
    for original in (none, empty):
        read = read_labels(labels_text(original), index=0, masks={})
        assert same_values(read, original)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "Expecting value"),
        (b"[]", "no labels"),
        (b"[" * 100_000, "no labels"),
        (b'{"stream": "front"}', "no labels: KeyError: 'stamp_ns'"),
        (b'{"stream":"f","stamp_ns":1,"boxes":{"names":[],"objects":[{"track":1}]}}', "no labels"),
    ],
)
def test_what_is_no_labels_is_refused(text: bytes, why: str) -> None:
    """With a ValueError that says what it found."""
    with pytest.raises(ValueError, match=why):
        read_labels(text, index=0, masks={})


def test_a_class_without_a_name_is_refused() -> None:
    """A number beyond the names would be drawn and scored as something else."""
    one = np.ones(1, np.float32)
    boxes = Labels2D(
        names=("car",),
        tracks=np.array([1]),
        classes=np.array([1]),
        xyxy=np.ones((1, 4), np.float32),
        visibility=one,
        truncation=one,
        distances_m=one,
    )
    text = labels_text(FrameLabels(stream="front", index=0, stamp_ns=0, boxes=boxes))
    with pytest.raises(ValueError, match="none of the 1 names"):
        read_labels(text, index=0, masks={})


def test_masks_have_to_be_there_and_of_one_size() -> None:
    """The message names its masks; pictures of them lie beside it."""
    original = FrameLabels(
        stream="front",
        index=0,
        stamp_ns=0,
        masks=LabelMasks(names=("a", "b"), masks=np.zeros((2, 3, 4), np.bool_)),
    )
    text = labels_text(original)
    small, wide = np.zeros((3, 4), np.bool_), np.zeros((3, 5), np.bool_)
    with pytest.raises(ValueError, match="no picture of mask 'b'"):
        read_labels(text, index=0, masks={"a": small})
    with pytest.raises(ValueError, match="differ in size"):
        read_labels(text, index=0, masks={"a": small, "b": wide})


def test_infinity_is_refused_when_writing() -> None:
    """JSON has no word for it, and null already means unknown."""
    distances = np.array([np.inf], np.float32)
    one = np.ones(1, np.float32)
    boxes = Labels2D(
        names=("car",),
        tracks=np.array([1]),
        classes=np.array([0]),
        xyxy=np.ones((1, 4), np.float32),
        visibility=one,
        truncation=one,
        distances_m=distances,
    )
    with pytest.raises(ValueError, match="JSON"):
        labels_text(FrameLabels(stream="front", index=0, stamp_ns=0, boxes=boxes))


def test_schemas_are_json() -> None:
    """A viewer parses them."""
    for schema in (labels_schema(), imu_schema()):
        assert json.loads(schema)["type"] == "object"
