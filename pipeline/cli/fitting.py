"""`splitway calibrate DEVICE --from CSV`: what a fit misses on models that it did not see."""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import TYPE_CHECKING

from pipeline import api
from pipeline.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from accelerators.calibration.holdout import Errors, Prediction
    from pipeline.api import DeviceCalibration
    from pipeline.cli.options import Common

_NS_PER_MS = 1e6


def calibrate_published(
    common: Common,
    device: str,
    *,
    table: Path,
    graphs: Path,
    out: Path | None,
    force: bool,
    seed: int | None,
) -> None:
    """Fit a device to published figures, write it where asked, and print its errors."""

    def tell(text: str) -> None:
        if not common.quiet:
            print(f"splitway: {device}: {text}", file=sys.stderr)

    found = api.calibrate_device(device, table, graphs, out=out, force=force, seed=seed, tell=tell)
    if common.json:
        print_json(api.calibration_document(found))
        return
    _print(common, found)


def _print(common: Common, found: DeviceCalibration) -> None:
    print(
        f"{found.device}: fitted to {len(found.figures)} figures; models left out (seed "
        f"{found.seed}) are predicted by a fit to the others"
    )
    if not found.held_out:
        print(" too few figures: no error on models left out")
    else:
        _print_models(common, found.held_out)
        print()
        _print_groups(common, found.held_out)
        print("plain: a + b MACs + c weight bytes; with activations: the same and their bytes")
    if found.file is not None:
        print(f" wrote    {found.file}")


def _print_models(common: Common, predictions: Sequence[Prediction]) -> None:
    rows = [
        (
            p.graph.removesuffix(".onnx"),
            p.precision,
            f"{p.published_ns / _NS_PER_MS:.3f}",
            f"{p.modelled_ns / _NS_PER_MS:.3f}",
            *(
                f"{100 * (times / p.published_ns - 1):+.0f} %"
                for times in (p.modelled_ns, p.plain_ns, p.plain_activations_ns)
            ),
        )
        for p in predictions
    ]
    header = ("model", "precision", "published ms", "modelled ms", "off", "plain", "activations")
    print_table(common, header, rows, left=2)


def _print_groups(common: Common, predictions: Sequence[Prediction]) -> None:
    groups: dict[str, list[Prediction]] = defaultdict(list)
    for prediction in predictions:
        groups[prediction.family].append(prediction)
    rows = [_group(family, groups[family]) for family in sorted(groups)]
    rows.append(_group("all", predictions))
    header = ("family", "figures", "model: median", "p90", "plain", "p90", "activations", "p90")
    print_table(common, header, rows)


def _group(name: str, predictions: Sequence[Prediction]) -> tuple[str, ...]:
    from accelerators.calibration.holdout import errors

    true = [p.published_ns for p in predictions]
    fits = (
        errors(true, [p.modelled_ns for p in predictions]),
        errors(true, [p.plain_ns for p in predictions]),
        errors(true, [p.plain_activations_ns for p in predictions]),
    )
    return (name, str(len(predictions)), *(text for off in fits for text in _shares(off)))


def _shares(off: Errors | None) -> tuple[str, str]:
    if off is None:
        return ("", "")
    return (f"{100 * off.median:.0f} %", f"{100 * off.p90:.0f} %")
