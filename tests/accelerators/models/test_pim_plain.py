"""Tests of the plain way to a memory: what its processor reads, and that more is never less."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from accelerators.models.pim_facts import facts_of
from accelerators.models.pim_plain import Plain
from accelerators.work import MatrixWork, OpWork, SegmentWork

BUFFER_BYTES = 40
SMALL = Plain(
    name="small",
    macs_per_us={"float16": 1000},
    elements_per_us={"float16": 1000},
    buffer_bytes=BUFFER_BYTES,
    call_ns=0,
    bytes_per_us=1000,
)
Counts = dict[str, int]

counts = st.fixed_dictionaries(
    {
        "weights": st.integers(0, 30),
        "matrix": st.integers(0, 30),
        "inputs": st.integers(0, 50),
        "outputs": st.integers(0, 50),
        "steps": st.integers(1, 3),
    }
)


def traffic_bytes(ops: list[Counts], batch: int = 1) -> list[int]:
    """Bytes that each operator moves; `matrix` counts the inputs that are a matrix."""
    work = SegmentWork(
        name="s",
        ops=tuple(
            OpWork(
                name=f"op{at}",
                op_type="MatMul",
                macs=1,
                weight_elements=op["weights"],
                input_elements=op["inputs"],
                output_elements=op["outputs"],
                products=(
                    MatrixWork(
                        rows=op["matrix"], depth=1, vectors=1, steps=op["steps"], constant=False
                    ),
                ),
            )
            for at, op in enumerate(ops)
        ),
        input_elements=1,
        output_elements=1,
    )
    moved: list[int] = SMALL.traffic_bytes(
        facts_of(work), batch=batch, precision="float16"
    ).tolist()
    return moved


@given(
    ops=st.lists(counts, min_size=1, max_size=3),
    larger=st.sets(
        st.sampled_from(["weights", "matrix", "inputs", "outputs", "steps"]), min_size=1
    ),
    by=st.integers(1, 40),
    batch=st.integers(1, 3),
)
@example(
    ops=[{"weights": 0, "matrix": 5, "inputs": 30, "outputs": 0, "steps": 1}],
    larger={"matrix"},
    by=1,
    batch=1,
)
def test_no_operator_reads_less_where_one_grows(
    ops: list[Counts], larger: set[str], by: int, batch: int
) -> None:
    """Whatever grows, and if a matrix grows at the cost of the other inputs: not a byte less."""
    before = traffic_bytes(ops, batch)
    grown = [{**ops[0], **{name: ops[0][name] + by for name in larger}}, *ops[1:]]
    for after in (traffic_bytes(grown, batch), traffic_bytes(ops, batch + 1)):
        assert all(more >= less for more, less in zip(after, before, strict=True))


@pytest.mark.parametrize("matrix", [0, 1, 10, 20, 29, 30])
def test_a_byte_of_the_buffer_counts_once(matrix: int) -> None:
    """Of one operator's 30 inputs and 5 outputs, 20 elements fit, whichever are a matrix."""
    op = {"weights": 0, "matrix": matrix, "inputs": 30, "outputs": 5, "steps": 1}
    assert traffic_bytes([op]) == [2 * 35 - BUFFER_BYTES]
    assert traffic_bytes([op], batch=2)[0] >= 2 * (2 * 35 - BUFFER_BYTES)


def test_weights_leave_the_room_of_live_tensors_alone() -> None:
    """They are held for the whole segment, live tensors for one operator."""
    op = {"weights": 20, "matrix": 0, "inputs": 20, "outputs": 0, "steps": 1}
    assert traffic_bytes([op]) == [0]
