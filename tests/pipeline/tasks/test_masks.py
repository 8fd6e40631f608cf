"""The decoder of masks: argmax, bits and back, junk refused."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray  # noqa: TC002 - read by fixtures at run time

from pipeline.errors import InputError, OutputContractError
from pipeline.tasks.outputs import MaskSet
from pipeline.tasks.outputs.masks import Masks
from pipeline.tasks.prepare import InputSpec, place

GEOMETRY = place(960, 540, InputSpec(width=640, height=360, fit="stretch"))


def output(area: tuple[slice[int, int, None], slice[int, int, None]]) -> NDArray[np.float32]:
    """Make an output whose class 1 is greater in this area only."""
    values = np.zeros((1, 2, 360, 640), np.float32)
    values[0, 1][area] = 1
    return values


def masks(*rows: list[list[int]]) -> MaskSet:
    """Make a result of masks named by letters."""
    return MaskSet(names=tuple("abcd"[: len(rows)]), masks=np.array(rows, np.bool_))


def test_a_mask_is_where_class_one_is_greater() -> None:
    """Ties are background; names keep their order."""
    area = np.s_[100:200, 50:60]
    outputs = {"ll": output(area), "da": output(np.s_[0:0, 0:0])}
    found = Masks("ll,da").decode(outputs, GEOMETRY)
    assert found.names == ("ll", "da")
    assert found.masks.shape == (2, 360, 640)
    assert found.masks[0][area].all()
    assert found.masks.sum() == 1000


def test_without_names_every_output_is_taken_in_order() -> None:
    """The alphabet orders, so that two runs agree."""
    outputs = {"ll": output(np.s_[0:1, 0:1]), "da": output(np.s_[0:2, 0:2])}
    assert Masks().decode(outputs, GEOMETRY).names == ("da", "ll")


def test_pad_is_cut_away() -> None:
    """A mask covers the picture and nothing else."""
    geometry = place(960, 540, InputSpec(width=640, height=640))
    values = np.zeros((1, 2, 640, 640), np.float32)
    assert Masks().decode({"m": values}, geometry).masks.shape == (1, 360, 640)


@given(arrays(np.bool_, array_shapes(min_dims=3, max_dims=3, max_side=16)), st.booleans())
def test_a_result_makes_the_way_to_bytes_and_back(
    pixels: NDArray[np.bool_],
    named: bool,  # noqa: FBT001 - given by hypothesis
) -> None:
    """Bits are lossless, whatever the size, with names told before or not."""
    names = tuple(f"mask é{number}" for number in range(len(pixels)))
    decoder = Masks(names if named else "")
    back = decoder.decode_result(decoder.encode(MaskSet(names=names, masks=pixels)))
    assert back.names == names
    assert back.masks.dtype == np.bool_
    np.testing.assert_array_equal(back.masks, pixels)


@given(place_at=st.integers(0, 500), value=st.integers(0, 255), junk=st.binary(max_size=60))
def test_altered_bytes_give_masks_or_a_contract_error(
    place_at: int, value: int, junk: bytes
) -> None:
    """Nothing else breaks out, and nothing unpacks to more than it declares."""
    decoder = Masks()
    good = decoder.encode(masks([[1, 0, 1], [0, 1, 1]])).copy()
    good[place_at % good.size] = value
    for data in (good, np.frombuffer(junk, np.uint8), np.frombuffer(b"\x01\x01" + junk, np.uint8)):
        try:
            decoder.decode_result(data)
        except OutputContractError:
            continue


def test_a_bomb_is_refused_before_it_unpacks() -> None:
    """Sixty kilobytes that would become sixty megabytes stop at the declared size."""
    head = bytes([1, 1]) + (2).to_bytes(2, "little") + (4).to_bytes(2, "little") + b"\x01a"
    bomb = head + zlib.compress(bytes(60_000_000))
    with pytest.raises(OutputContractError, match="unpack to 1 bytes"):
        Masks().decode_result(np.frombuffer(bomb, np.uint8))


def test_outputs_of_another_form_are_refused() -> None:
    """A missing name, another shape or dtype, and values that are not finite."""
    good = output(np.s_[0:1, 0:1])
    bad = good.copy()
    bad[0, 0, 5, 5] = np.nan
    with pytest.raises(OutputContractError, match="no output ll"):
        Masks("ll").decode({"da": good}, GEOMETRY)
    with pytest.raises(OutputContractError, match="not finite"):
        Masks().decode({"da": bad}, GEOMETRY)
    with pytest.raises(OutputContractError, match="shape"):
        Masks().decode({"da": good[:, :1]}, GEOMETRY)
    with pytest.raises(OutputContractError, match="float64"):
        Masks().decode({"da": good.astype(np.float64)}, GEOMETRY)
    with pytest.raises(OutputContractError, match="0 outputs"):
        Masks().decode({}, GEOMETRY)


def test_agreement_is_the_mean_intersection_over_union() -> None:
    """One half and, where both are empty, one."""
    decoder = Masks()
    one = masks([[1, 1, 0]], [[0, 0, 0]])
    other = masks([[1, 0, 0]], [[0, 0, 0]])
    assert decoder.agreement(one, other) == pytest.approx(0.75)
    assert decoder.agreement(one, one) == 1.0
    with pytest.raises(OutputContractError, match="do not compare"):
        decoder.agreement(one, masks([[1, 1, 0]]))


@pytest.mark.parametrize("names", ["a,,b", "a,a", "x" * 65, ",".join(map(str, range(17)))])
def test_names_that_cannot_be_are_refused(names: str) -> None:
    """Empty, repeated, too long, too many."""
    with pytest.raises(InputError, match="names"):
        Masks(names)


def test_channels_of_one_output_are_masks_by_a_threshold() -> None:
    """Half the input's resolution; the pad is cut away, and a logit of 0 is not above a half."""
    geometry = place(960, 540, InputSpec(width=64, height=64))
    values = np.zeros((1, 2, 32, 32), np.float32)
    values[0, 0, :4] = 0.1
    values[0, 1, 5, 7] = 2.0
    decoder = Masks(names="drivable,lane", form="sigmoid")
    found = decoder.decode({"masks": values}, geometry)
    assert found.names == ("drivable", "lane")
    assert found.masks.shape == (2, 18, 32)
    assert found.masks[0, :4].all()
    assert not found.masks[0, 4:].any()
    assert np.argwhere(found.masks[1]).tolist() == [[5, 7]]
    stern = Masks(names="drivable,lane", form="sigmoid", threshold=0.9)
    assert not stern.decode({"masks": values}, geometry).masks.any()
    back = decoder.decode_result(decoder.encode(found))
    np.testing.assert_array_equal(back.masks, found.masks)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"a": (1, 3, 32, 32)}, r"expected \[1, 2, 32, 32\]"),
        ({"a": (1, 2, 30, 32)}, r"expected \[1, 2, 32, 32\]"),
        ({"a": (1, 2, 32, 32), "b": (1, 2, 32, 32)}, "takes one output, not 2"),
    ],
)
def test_channels_that_do_not_fit_the_names_are_refused(
    outputs: dict[str, tuple[int, ...]], message: str
) -> None:
    """With the shape that the input asks for."""
    geometry = place(960, 540, InputSpec(width=64, height=64))
    made = {name: np.zeros(shape, np.float32) for name, shape in outputs.items()}
    with pytest.raises(OutputContractError, match=message):
        Masks(names="drivable,lane", form="sigmoid").decode(made, geometry)


@pytest.mark.parametrize(
    "wrong", [{"form": "other"}, {"form": "sigmoid"}, {"names": "a", "threshold": 1}]
)
def test_forms_and_thresholds_have_their_values(wrong: dict[str, float]) -> None:
    """Said by name."""
    with pytest.raises(InputError, match="masks: "):
        Masks(**wrong)  # type: ignore[arg-type]
