"""Results of several sensors as one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import OutputContractError
from pipeline.tasks.fusion import FusedDecoder, join_results, split_results
from pipeline.tasks.outputs.protocol import Boxes
from pipeline.tasks.outputs.registry import output_decoder

PARTS = st.lists(st.tuples(st.text(min_size=1, max_size=12), st.binary(max_size=40)), max_size=5)


@given(PARTS)
def test_parts_come_back_in_order_and_bit_by_bit(parts: list[tuple[str, bytes]]) -> None:
    """Empty results and any names included."""
    arrays = [(name, np.frombuffer(body, np.uint8)) for name, body in parts]
    back = split_results(join_results(arrays))
    assert [(name, body.tobytes()) for name, body in back] == parts


def test_each_part_is_decoded_by_its_task_s_decoder() -> None:
    """Boxes of two cameras stay apart."""
    yolox = output_decoder("yolox")
    boxes = Boxes(
        xyxy=np.array([[1, 2, 3, 4]], np.float32),
        scores=np.array([0.5], np.float32),
        classes=np.array([0], np.int64),
        names=(),
    )
    coded = yolox.encode(boxes)
    decoder = FusedDecoder({"front": yolox, "left": yolox})
    result = decoder.decode_result(join_results([("front", coded), ("left", coded)]))
    assert list(result.parts) == ["front", "left"]
    with pytest.raises(OutputContractError, match="rear"):
        decoder.decode_result(join_results([("rear", coded)]))


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b[:-1],
        lambda b: np.append(b, np.uint8(0)),
        lambda b: b[:3],
        lambda b: np.concatenate([b[:4], b[5:]]),
        lambda _: np.frombuffer(b"\x02\0\0\0{}", np.uint8),
        lambda _: np.frombuffer(b"\x08\0\0\0[[1, 2]]", np.uint8),
    ],
)
def test_damaged_bytes_are_refused(change: object) -> None:
    """By this decoder's own error, whatever is wrong."""
    whole = join_results([("front", np.arange(9, dtype=np.uint8))])
    assert callable(change)
    with pytest.raises(OutputContractError):
        split_results(change(whole))
