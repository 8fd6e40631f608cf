"""The error of fits to published figures: cross-validated, or on the models left out.

`python -m bench.calibration DEVICES` prints what forms and priors may be chosen by: predictions for
the models that a fit may see, a quarter of them left out at a time, with three seeds. With
`--held-out` it prints the error that a fit reports, on models that no choice may rest on.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from accelerators.calibration.holdout import errors, split
from accelerators.calibration.published import read_families
from pipeline import api

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from accelerators.calibration.holdout import Prediction

# Devices with eight or more latencies to fit on.
POOL = (
    "qualcomm-sa8775p",
    "qualcomm-sa8295p",
    "qualcomm-sa7255p",
    "qualcomm-iq9075",
    "qualcomm-qcs8550",
    "qualcomm-qcs6490",
    "qualcomm-8-elite",
    "furiosa-warboy",
    "furiosa-warboy-1pe",
)
# Of the same pool, with too few models that a fit may see for choosing by them.
POOL_TOO = ("nvidia-orin-nx-16gb", "nvidia-orin-nano-super")
# Too few figures to choose by, so that each of their models is left out in turn.
OTHERS = (
    "google-edge-tpu",
    "hailo-8",
    "nvidia-agx-orin",
    "nvidia-agx-xavier",
    "nvidia-t4",
    "nvidia-a100-pcie-40gb",
)
SEEDS = (0, 1, 2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, predict, and print the errors of the pool and of each device."""
    parser = argparse.ArgumentParser(prog="python -m bench.calibration", description=__doc__)
    parser.add_argument("devices", type=Path, help="folder of the table and its graphs")
    parser.add_argument("--held-out", action="store_true", help="on the models left out")
    asked = parser.parse_args(arguments)
    folder: Path = asked.devices
    found: dict[str, tuple[Prediction, ...]] = {}
    table, graphs = folder / "published_calibration.csv", folder / "graphs"
    pooled = (*POOL, *POOL_TOO) if asked.held_out else POOL
    for device in (*pooled, *OTHERS) if asked.held_out else pooled:
        if asked.held_out:
            found[device] = api.calibrate_device(device, table, graphs).held_out
        else:
            found[device] = api.cross_validate_device(device, table, graphs, seeds=SEEDS)
    pool = [prediction for device in pooled for prediction in found[device]]
    if asked.held_out:  # the same models on every device, also where each was left out in turn
        families = read_families(folder / "graphs.csv")
        left_out = split(list(families), families)
        pool = [prediction for prediction in pool if prediction.graph in left_out]
    print(f"{'':24}figures   model: median   90 %   rank   plain   90 %   activations   90 %")
    print(_line("all of the pool", pool))
    print(_line("int8 alone", [p for p in pool if p.precision == "int8"]))
    for device, predictions in found.items():
        print(_line(device, predictions))
    if asked.held_out:
        by_family: dict[str, list[Prediction]] = defaultdict(list)
        for prediction in pool:
            by_family[prediction.family].append(prediction)
        for family in sorted(by_family):
            print(_line(f"- {family}", by_family[family]))
    return 0


def _line(name: str, predictions: Iterable[Prediction]) -> str:
    held = list(predictions)
    true = [p.published_ns for p in held]
    ours = errors(true, [p.modelled_ns for p in held])
    plain = errors(true, [p.plain_ns for p in held])
    wider = errors(true, [p.plain_activations_ns for p in held])
    if ours is None or plain is None or wider is None:
        return f"{name:24}      0"
    rank = "     " if ours.rank is None else f"{ours.rank:.3f}"
    return (
        f"{name:24}{ours.count:7}   {ours.median:13.1%} {ours.p90:6.1%}  {rank}  "
        f"{plain.median:6.1%} {plain.p90:6.1%}   {wider.median:11.1%} {wider.p90:6.1%}"
    )


if __name__ == "__main__":
    sys.exit(main())
