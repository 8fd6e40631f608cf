"""`splitway calibrate --measure BACKEND`: a device file of a real backend on this machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pipeline import api
from pipeline.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline.api import BackendCalibration
    from pipeline.cli.options import Common

_NS_PER_MS = 1e6


def measure_backend(
    common: Common,
    backend: str,
    *,
    models: Sequence[Path],
    options: Mapping[str, str],
    out: Path | None,
    force: bool,
    seed: int | None,
) -> None:
    """Measure a backend, write the device file where asked, and print what the fit misses."""

    def tell(text: str) -> None:
        if not common.quiet:
            print(f"splitway: {backend}: {text}", file=sys.stderr)

    found = api.calibrate_backend(
        backend, models, options=options, out=out, force=force, seed=seed, tell=tell
    )
    if common.json:
        print_json(api.backend_calibration_document(found))
        return
    _print(common, found)


def _print(common: Common, found: BackendCalibration) -> None:
    from accelerators.calibration.holdout import errors

    print(
        f"{found.backend}: {len(found.measured)} networks and {found.layers} of their layers "
        f"measured on this machine; networks left out {found.way} are predicted by a fit to the "
        "others"
    )
    rows = [
        (
            p.graph,
            p.precision,
            str(len(found.measured[p.graph].runs_ns)),
            f"{p.published_ns / _NS_PER_MS:.3f}",
            f"{p.modelled_ns / _NS_PER_MS:.3f}",
            f"{100 * (p.modelled_ns / p.published_ns - 1):+.0f} %",
        )
        for p in found.held_out
    ]
    print_table(
        common, ("left out", "precision", "runs", "measured ms", "modelled ms", "off"), rows, left=2
    )
    off = errors([p.published_ns for p in found.held_out], [p.modelled_ns for p in found.held_out])
    if off is not None:
        print(
            f"error on networks left out: median {100 * off.median:.0f} %, 90 % quantile "
            f"{100 * off.p90:.0f} %, {off.count} figures"
        )
    else:
        print("too few networks: no error on ones left out")
    print(f"spread of a run: {found.spec.jitter.sigma_ppm / 10_000:.1f} % (sigma, log-normal)")
    for name, why in found.skipped.items():
        print(f" skipped  {name}: {why}")
    if found.file is not None:
        print(f" wrote    {found.file}")
        print(f" use it   devices: {{edge0: {{spec: {found.file.name}, site: vehicle}}}}")
