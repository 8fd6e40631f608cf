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
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from accelerators.calibration.holdout import Prediction

    Found = Mapping[str, tuple[Prediction, ...]]

# Devices with eight or more figures to fit on once the models are left out.
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
# Of the same pool by nine figures, six to fit on: too few models that a fit may see for choosing.
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
HEADING = f"{'':24}figures   model: median   90 %   rank   plain   90 %   activations   90 %"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, predict, and print the errors of the pool and of each device."""
    parser = argparse.ArgumentParser(prog="python -m bench.calibration", description=__doc__)
    parser.add_argument("devices", type=Path, help="folder of the table and its graphs")
    parser.add_argument("--held-out", action="store_true", help="on the models left out")
    parser.add_argument(
        "--only", action="append", choices=(*POOL, *POOL_TOO, *OTHERS), help="of this device alone"
    )
    asked = parser.parse_args(arguments)
    folder: Path = asked.devices
    table, graphs = folder / "published_calibration.csv", folder / "graphs"
    wanted = asked.only or ((*POOL, *POOL_TOO, *OTHERS) if asked.held_out else POOL)
    if not asked.held_out:
        found = {
            device: api.cross_validate_device(device, table, graphs, seeds=SEEDS)
            for device in wanted
        }
        print(*cross_validated(found), sep="\n")
        return 0
    held = {device: api.calibrate_device(device, table, graphs).held_out for device in wanted}
    families = read_families(folder / "graphs.csv")
    print(*held_out(held, split(list(families), families)), sep="\n")
    return 0


def cross_validated(found: Found) -> list[str]:
    """Lines of the pool and of each device, under a heading."""
    return [HEADING, *_pool([p for each in found.values() for p in each]), *_each(found)]


def held_out(found: Found, left_out: Collection[str]) -> list[str]:
    """The same, and lines of the pool's families.

    The pool has the models of `left_out` alone: the same on every device, also where each of a
    device's models was left out in turn.
    """
    pool = [
        prediction
        for device, each in found.items()
        if device not in OTHERS
        for prediction in each
        if prediction.graph in left_out
    ]
    by_family: dict[str, list[Prediction]] = defaultdict(list)
    for prediction in pool:
        by_family[prediction.family].append(prediction)
    families = [_line(f"- {family}", by_family[family]) for family in sorted(by_family)]
    return [HEADING, *_pool(pool), *_each(found), *families]


def _pool(pool: Sequence[Prediction]) -> list[str]:
    int8 = [prediction for prediction in pool if prediction.precision == "int8"]
    return [_line("all of the pool", pool), _line("int8 alone", int8)]


def _each(found: Found) -> list[str]:
    return [_line(device, predictions) for device, predictions in found.items()]


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
