"""Tests of the fit: it finds the parameters that made-up figures came from."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

from accelerators.calibration.fitted_file import fitted_spec, spec_toml
from accelerators.calibration.fitting import NAMES, PRIORS, Known, design, fit, modelled_ns
from accelerators.calibration.holdout import errors, folds, predict, split
from accelerators.calibration.published import Figure
from accelerators.errors import CalibrationDataError
from accelerators.models.host_side import Link
from accelerators.models.npu import NpuDevice, segment_model, shipped
from accelerators.specs_schema_npu import SegmentNpuSpec
from accelerators.work import OpWork, SegmentWork

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accelerators.work import Precision

TRUE = {
    **{name: typical for name, (typical, _) in PRIORS.items()},
    "int8_macs": 5_000.0,
    "float16_macs": 1_000.0,
    "depthwise_times": 3.0,
    "weight_bytes": 200.0,
    "activation_bytes": 60.0,
    "vector_bytes": 22.0,
    "run_int8_ns": 60_000.0,
    "run_wide_ns": 900_000.0,
}
OTHERS = {
    "pool": "MaxPool",
    "resize": "Resize",
    "soft": "Softmax",
    "product": "MatMul",
    "gate": "Mul",
    "slice": "Slice",
}


def conv(name: str, *, channels: int, side: int, groups: int = 1) -> OpWork:
    """A 3x3 convolution that keeps its channels."""
    each = channels // groups
    return OpWork(
        name=name,
        op_type="Conv",
        macs=channels * side * side * 9 * each,
        weight_elements=channels * 9 * each,
        input_elements=channels * side * side,
        output_elements=channels * side * side,
        groups=groups,
        kernel_elements=9,
    )


def network(seed: int) -> SegmentWork:
    """A network of random convolutions, products and operators of the vector unit."""
    draw = np.random.default_rng(seed)
    ops = []
    for i in range(int(draw.integers(5, 25))):
        kind = draw.choice(["dense", "deep", "pool", "resize", "soft", "product", "gate", "slice"])
        side = int(draw.choice([7, 14, 28, 56, 112]))
        channels = int(draw.choice([16, 64, 256]))
        if kind in {"dense", "deep"}:
            groups = channels if kind == "deep" else 1
            ops.append(conv(f"o{i}", channels=channels, side=side, groups=groups))
            continue
        live = channels * side * side
        ops.append(
            OpWork(
                name=f"o{i}",
                op_type=OTHERS[str(kind)],
                macs=live * channels if kind == "product" else 0,
                weight_elements=0,
                input_elements=live,
                output_elements=live,
                producers=(f"o{i - 1}",) if i else (),
            )
        )
    return SegmentWork(
        name=f"net{seed}", ops=tuple(ops), input_elements=150_000, output_elements=1000
    )


WORKS = {f"net{seed}.onnx": network(seed) for seed in range(40)}


def made_up(noise: float = 0.0) -> tuple[Figure, ...]:
    """Figures of all networks in int8 and float16, as `TRUE` gives them."""
    bare = [
        Figure(graph=graph, precision=precision, time_ns=1)
        for graph in WORKS
        for precision in ("int8", "float16")
    ]
    exact = modelled_ns(np.log([TRUE[name] for name in NAMES]), design(WORKS, bare))
    off = np.exp(np.random.default_rng(1).normal(0, noise, len(bare)))
    return tuple(
        dataclasses.replace(figure, time_ns=round(time))
        for figure, time in zip(bare, exact * off, strict=True)
    )


def test_a_fit_finds_the_parameters_that_figures_came_from() -> None:
    """With figures without noise: rates within 5 %, half of all within 1.5 %, all within 10 %."""
    found = fit(WORKS, made_up())
    for name in ("int8_macs", "float16_macs", "vector_bytes", "run_wide_ns"):
        assert found.values[name] == pytest.approx(TRUE[name], rel=0.05), name
    assert np.median(np.abs(found.residuals)) < 0.015
    assert np.abs(found.residuals).max() < 0.1
    assert {"w8a16_macs", "float32_macs", "fill"} <= found.untouched
    assert "int8_macs" not in found.untouched


def test_a_chip_ten_times_as_fast_moves_what_the_figures_say_nothing_of() -> None:
    """All rates ten times, all fixed times a tenth: the prior of a rate never seen goes along."""
    quick = tuple(dataclasses.replace(f, time_ns=f.time_ns // 10) for f in made_up())
    slow, fast = fit(WORKS, made_up()), fit(WORKS, quick)
    assert fast.values["int8_macs"] == pytest.approx(10 * slow.values["int8_macs"], rel=0.1)
    for found in (slow, fast):
        assert {"w8a16_macs", "fill"} <= found.untouched
    assert fast.values["w8a16_macs"] > 3 * slow.values["w8a16_macs"]
    assert fast.values["fill"] == pytest.approx(slow.values["fill"], rel=0.01)
    sized = fit(WORKS, quick, Known(sized=True))
    assert sized.values["w8a16_macs"] == pytest.approx(PRIORS["w8a16_macs"][0], rel=0.01)


def test_parts_are_disjoint_and_together_all_models() -> None:
    """Ten models of each of five families over four parts: two or three of each in every one."""
    families = {f"m{i}": f"f{i % 5}" for i in range(50)}
    parts = folds(list(families), families, seed=1)
    assert len(parts) == 4
    assert sorted(name for part in parts for name in part) == sorted(families)
    for part in parts:
        counts = [sum(families[name] == f"f{i}" for name in part) for i in range(5)]
        assert set(counts) <= {2, 3}
    assert parts == folds(list(reversed(families)), families, seed=1)
    assert parts != folds(list(families), families, seed=2)


def test_a_few_rows_off_by_ten_do_not_carry_the_fit_away() -> None:
    """Three of eighty rows ten times too slow: rates within 10 %."""
    figures = list(made_up(noise=0.03))
    for place in (3, 30, 60):
        figures[place] = dataclasses.replace(figures[place], time_ns=10 * figures[place].time_ns)
    found = fit(WORKS, figures)
    assert found.values["int8_macs"] == pytest.approx(TRUE["int8_macs"], rel=0.1)
    assert abs(found.residuals[3]) > 2


def test_graphs_left_aside_have_residuals_and_no_say() -> None:
    """Spoiling them changes no value."""
    figures = made_up()
    spoilt = tuple(
        dataclasses.replace(figure, time_ns=figure.time_ns * 7)
        if figure.graph == "net3.onnx"
        else figure
        for figure in figures
    )
    aside = Known(left_aside=frozenset({"net3.onnx"}))
    clean, dirty = (fit(WORKS, rows, aside) for rows in (figures, spoilt))
    assert clean.values == dirty.values
    assert len(dirty.residuals) == len(figures)


def test_precisions_of_a_network_share_its_say() -> None:
    """A network that is off carries a fit no further away in three precisions than in one."""

    def off_by_two(precisions: Sequence[Precision]) -> float:
        rows = [f for f in made_up() if f.precision == "int8" and f.graph != "net3.onnx"]
        (spoilt,) = (f for f in made_up() if f.precision == "int8" and f.graph == "net3.onnx")
        rows += [
            dataclasses.replace(spoilt, precision=each, time_ns=2 * spoilt.time_ns)
            for each in precisions
        ]
        return (
            fit(WORKS, rows).values["vector_bytes"] / fit(WORKS, rows[:39]).values["vector_bytes"]
        )

    once = off_by_two(["int8"])
    thrice = off_by_two(["int8", "int8", "int8"])
    assert abs(once - 1) > 0.002
    assert thrice == pytest.approx(once, abs=2e-4)


def test_too_few_figures_are_refused() -> None:
    """Two are no fit, unless the chip's size is known; one never is."""
    with pytest.raises(CalibrationDataError, match="2 figures are too few; at least 3"):
        fit(WORKS, made_up()[:2])
    assert len(fit(WORKS, made_up()[:2], Known(sized=True)).residuals) == 2
    with pytest.raises(CalibrationDataError, match="1 figures are too few; at least 2"):
        fit(WORKS, made_up()[:1], Known(sized=True))


def test_the_fit_prices_as_the_device_does() -> None:
    """Floats of the fit against integers of the shipped device, batches and links included."""
    device = next(made for made in shipped() if made.name == "nvidia-t4")
    spec = device.spec
    assert isinstance(spec, SegmentNpuSpec)
    model = segment_model(spec)
    assert isinstance(model.link, Link)
    values = {
        "int8_macs": model.macs_per_s["int8"] / 1e9,
        "run_int8_ns": model.run_ns["int8"],
        "depthwise_times": model.depthwise_permille / 1e3,
        "product_times": model.product_permille / 1e3,
        "product_ns": model.product_ns,
        "weight_bytes": model.weight_bytes_per_s / 1e9,
        "activation_bytes": model.activation_bytes_per_s / 1e9,
        "vector_bytes": model.vector_bytes_per_s / 1e9,
        "pool_times": model.pool_permille / 1e3,
        "resize_times": model.resize_permille / 1e3,
        "pass_times": model.pass_permille / 1e3,
        "slice_times": model.slice_permille / 1e3,
        "knee_bytes": model.knee_bytes,
        "fill": model.fill_permille / 1e3,
    }
    logs = np.log([max(values.get(name, PRIORS[name][0]), 1e-9) for name in NAMES])
    for batch, busy in ((1, False), (8, False), (64, True)):
        figure = Figure(graph="net5.onnx", precision="int8", time_ns=1, batch=batch, busy=busy)
        counts = design(WORKS, [figure], Known(link=model.link, slots=model.slots))
        cost = device.price(WORKS["net5.onnx"], batch=batch, precision="int8")
        exact = cost.period_ns / batch if busy else cost.latency_ns
        assert modelled_ns(logs, counts)[0] == pytest.approx(exact, rel=1e-3)


def test_a_split_takes_its_share_of_families_and_depends_on_the_seed() -> None:
    """40 % of 50 models in ten families of five: two of each."""
    families = {f"m{i}": f"f{i % 10}" for i in range(50)}
    left_out = split(list(families), families, seed=5)
    assert left_out == split(list(reversed(families)), families, seed=5)
    assert left_out != split(list(families), families, seed=6)
    counts = [sum(families[name] == f"f{i}" for name in left_out) for i in range(10)]
    assert counts == [2] * 10


def test_models_left_out_are_predicted_by_the_others() -> None:
    """On made-up figures within 5 %, and better than both plain fits, which know no layers."""
    figures = made_up(noise=0.02)
    families = {graph: f"f{i % 4}" for i, graph in enumerate(WORKS)}
    left_out = split(list(WORKS), families)
    found = predict(WORKS, figures, left_out, families=families)
    assert {prediction.graph for prediction in found} == left_out
    true = [prediction.published_ns for prediction in found]
    ours, plain, wider = (
        errors(true, times)
        for times in (
            [p.modelled_ns for p in found],
            [p.plain_ns for p in found],
            [p.plain_activations_ns for p in found],
        )
    )
    assert ours is not None
    assert plain is not None
    assert wider is not None
    assert ours.median < 0.05
    assert ours.median < wider.median < plain.p90
    assert ours.rank is not None
    assert ours.rank > 0.98


def test_errors_are_medians_and_quantiles_of_shares() -> None:
    """Off by 0, 10 and 50 %."""
    found = errors([100, 100, 100], [100, 110, 50])
    assert found is not None
    assert found.median == pytest.approx(0.1)
    assert found.count == 3
    assert found.p90 == pytest.approx(0.42)
    assert found.rank is None
    assert errors([], []) is None


def test_a_fitted_file_is_a_device_and_names_its_data() -> None:
    """Written, read again and priced; values to four digits; what nothing told says so."""
    figures = made_up(noise=0.05)
    found = fit(WORKS, figures)
    held_out = predict(WORKS, figures, frozenset(list(WORKS)[:8]), families={})
    base = next(made for made in shipped() if made.name == "qualcomm-sa8775p").spec
    assert isinstance(base, SegmentNpuSpec)
    spec = fitted_spec(
        base,
        found,
        figures,
        held_out,
        data_sha256="ab" * 32,
        date="2026-11-22",
        seed=5,
        way="by family",
    )
    assert tuple(spec.rates) == ("int8", "float16")
    assert spec.rates["int8"].macs_per_s.value == pytest.approx(5e12, rel=0.1)
    assert spec.fit is not None
    assert (spec.fit.figures, spec.fit.held_out, spec.fit.date) == (80, 16, "2026-11-22")
    assert spec.batch == base.batch
    assert spec.bias.low_permille <= 1000 <= spec.bias.high_permille
    text = spec_toml(spec).decode()
    assert "abababababab" in text
    device = NpuDevice(spec, source="x.toml")
    assert device.price(WORKS["net1.onnx"], batch=1, precision="int8").label == "fitted"
