"""A device's file with fitted parameters: what was fitted, to what, when, and how far it is off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tomli_w

from accelerators.calibration.fitting import ORDER
from accelerators.calibration.holdout import errors
from accelerators.specs_schema_npu import SegmentNpuSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accelerators.calibration.fitting import Fit
    from accelerators.calibration.holdout import Prediction
    from accelerators.calibration.published import Figure
    from accelerators.specs_schema_npu import Way

_PER_S = 1_000_000_000
_PERMILLE = 1000
# Below so many models left out their quantiles say too little, and all residuals are taken.
_LEAST_HELD_OUT = 5
_DIGITS = 4


def fitted_spec(
    base: SegmentNpuSpec,
    found: Fit,
    figures: Sequence[Figure],
    held_out: Sequence[Prediction],
    *,
    data_sha256: str,
    date: str,
    seed: int,
    way: Way,
    kind: str = "published",
) -> SegmentNpuSpec:
    """A device's file with the parameters of a fit to all of its figures.

    What the figures say nothing of stays as it is in `base`: title, capacity, link, energy,
    fallback, jitter and, without figures of batches, the batch.

    Args:
        base: The file to begin with.
        found: The fit to `figures`.
        figures: What was fitted to.
        held_out: Predictions of a fit that did not see those models.
        data_sha256: Hash of the table of figures.
        date: Day of the fit, as 2026-11-22.
        seed: Seed of the split by family.
        way: How the predicted models were left out.
        kind: What the figures are, as the sources say it: published, or measured.
    """
    source = f"fitted to {len(figures)} {kind} figures, table {data_sha256[:12]}"

    def figure(name: str, unit: int) -> dict[str, object]:
        value = max(1, _rounded(found.values[name] * unit))
        told = "assumed: the figures say nothing of it, the fit's prior stands"
        return {"value": value, "source": told if name in found.untouched else source}

    def rate(name: str) -> dict[str, object]:
        return figure(name, _PER_S)

    def times(name: str) -> dict[str, object]:
        return figure(name, _PERMILLE)

    used = [precision for precision in ORDER if any(f.precision == precision for f in figures)]
    content: dict[str, object] = base.model_dump(by_alias=True, exclude_none=True, mode="json")
    content["label"] = "fitted"
    content["rates"] = {
        precision: {
            "macs_per_s": rate(f"{precision}_macs"),
            "run_ns": figure("run_int8_ns" if precision == "int8" else "run_wide_ns", 1),
        }
        for precision in used
    }
    content["shape"] = {
        "depthwise_permille": times("depthwise_times"),
        "product_permille": times("product_times"),
        "product_ns": figure("product_ns", 1),
        "pool_permille": times("pool_times"),
        "resize_permille": times("resize_times"),
        "pass_permille": times("pass_times"),
        "slice_permille": times("slice_times"),
    }
    traffic: dict[str, object] = {
        "weight_bytes_per_s": rate("weight_bytes"),
        "activation_bytes_per_s": rate("activation_bytes"),
        "vector_bytes_per_s": rate("vector_bytes"),
        "knee_bytes": figure("knee_bytes", 1),
    }
    if base.traffic.resident_bytes is not None:
        traffic["resident_bytes"] = base.traffic.resident_bytes.model_dump()
    content["traffic"] = traffic
    if any(figure.batch > 1 for figure in figures):
        content["batch"] = {"fill_permille": times("fill"), "slots": base.batch.slots.model_dump()}
    off = errors(
        [prediction.published_ns for prediction in held_out],
        [prediction.modelled_ns for prediction in held_out],
    )
    fit: dict[str, object] = {
        "data_sha256": data_sha256,
        "date": date,
        "figures": len(figures),
        "left_out": way,
        "seed": seed,
        "held_out": len(held_out),
    }
    if off is not None:
        fit["median_permille"] = round(off.median * _PERMILLE)
        fit["p90_permille"] = round(off.p90 * _PERMILLE)
    content["fit"] = fit
    content["checked"] = _checked(len(figures), len(held_out), way, kind)
    content["bias"] = _bias(found, held_out)
    return SegmentNpuSpec.model_validate(content)


def spec_toml(spec: SegmentNpuSpec) -> bytes:
    """A device's file as it is written; `load_npu` reads it again."""
    return tomli_w.dumps(spec.model_dump(by_alias=True, exclude_none=True, mode="json")).encode()


def _bias(found: Fit, held_out: Sequence[Prediction]) -> dict[str, object]:
    """Quantiles of published over modelled; of the models left out, where there are enough."""
    if len(held_out) >= _LEAST_HELD_OUT:
        ratios = np.array([p.published_ns / p.modelled_ns for p in held_out])
        source = f"10 % and 90 % quantile over {len(held_out)} figures of models left out"
    else:
        ratios = np.exp(-found.residuals)
        source = f"10 % and 90 % quantile over all {len(ratios)} fitted figures: too few left out"
    low, high = np.quantile(ratios, [0.1, 0.9])
    return {
        "low_permille": int(min(_PERMILLE, max(1, np.floor(low * _PERMILLE)))),
        "high_permille": int(max(_PERMILLE, np.ceil(high * _PERMILLE))),
        "source": source,
    }


def _checked(figures: int, held_out: int, way: Way, kind: str) -> str:
    text = f"fitted to {figures} {kind} figures; its error is that of other fits on"
    return f"{text} {held_out} figures of models left out {way}, see the table fit"


def _rounded(value: float) -> int:
    """To four digits: more would say what the fit does not know."""
    return round(float(f"{value:.{_DIGITS}g}"))
