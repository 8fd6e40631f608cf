"""A real backend measured on this machine, and the NPU model fitted to what was measured."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from pipeline.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from accelerators.calibration.holdout import Prediction
    from accelerators.calibration.measuring import Measured
    from accelerators.calibration.published import Figure
    from accelerators.device import Backend
    from accelerators.specs_schema_npu import SegmentNpuSpec, Way
    from accelerators.work import Precision, SegmentWork

SCHEMA = "splitway.calibrate-backend/1"
LEAST_NETWORKS = 3
_DAY = 10
_NS_PER_MS = 1e6
_CPU = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendCalibration:
    """What a measurement of a backend and the fit to it came to.

    Attributes:
        backend: Its name.
        file: The device file; None where none was asked for.
        spec: Its content.
        measured: Times of each network, by name.
        layers: Figures of layers that the fit used beside the whole runs.
        residuals: ln(modelled / measured) of each network in the final fit, by name.
        held_out: Predictions for networks left out, of a fit to the others.
        seed: Seed of the split.
        way: How networks were left out.
        skipped: Why networks were not measured, by file.
    """

    backend: str
    file: Path | None
    spec: SegmentNpuSpec
    measured: Mapping[str, Measured]
    layers: int
    residuals: Mapping[str, float]
    held_out: tuple[Prediction, ...]
    seed: int
    way: Way
    skipped: Mapping[str, str]


def calibrate_backend(
    backend: str,
    models: Sequence[Path],
    *,
    options: Mapping[str, str] | None = None,
    out: Path | None = None,
    force: bool = False,
    seed: int | None = None,
    tell: Callable[[str], None] | None = None,
) -> BackendCalibration:
    """Measure networks on a real backend, fit the NPU model, and say what it misses on unseen ones.

    Networks are optimised at level basic first, as segments of a run are. On `cpu` the fit sees the
    times of layers as well, by ONNX Runtime's profile; on other backends whole runs alone.

    Args:
        backend: Name of an installed backend.
        models: ONNX files of static shapes, and folders of such files.
        options: Options of the backend.
        out: Where to write the device file, NAME.toml; NAME becomes its id.
        force: Whether a file that is there may be replaced.
        seed: Seed of the split; the project's own where left out.
        tell: Told what is being done, for people.

    Raises:
        InputError: A file is missing or there already, or fewer than three networks can be
            measured.
        AcceleratorError: The backend is unknown, unavailable or an emulation.
        OSError: A file cannot be read or written.
    """
    from accelerators.backends.making import capabilities_of, make_backend
    from accelerators.calibration.fitted_file import fitted_spec, spec_toml
    from accelerators.calibration.fitting import Known, fit
    from accelerators.calibration.holdout import SEED, predict, split
    from accelerators.calibration.measuring import jitter_sigma_ppm, layer_figures
    from accelerators.calibration.published import Figure as Timed
    from accelerators.errors import BackendUnavailableError
    from pipeline.api.fitting import check_file, held_out_predictions
    from replay.clock import WallClock, utc_label
    from replay.evidence import write_bytes

    say = tell or (lambda _: None)
    if out is not None:
        check_file(out, force=force)
    paths = _files(models)
    now_ns = WallClock().now_ns
    if capabilities_of(backend, options).emulated:
        raise BackendUnavailableError(
            backend, "computes on an emulation of the device: its time says nothing of the device"
        )
    profile = backend == _CPU
    measured: dict[str, Measured] = {}
    works: dict[str, SegmentWork] = {}
    precisions: dict[str, Precision] = {}
    skipped: dict[str, str] = {}
    for number, path in enumerate(paths):
        say(f"{number + 1} of {len(paths)}: {path.name}")
        try:
            found, work, precision = _measured(
                path, make_backend(backend, now_ns, options=options), profile=profile
            )
        except _Skipped as err:
            skipped[path.name] = str(err)
            continue
        measured[path.stem], works[path.stem], precisions[path.stem] = found, work, precision
    if len(measured) < LEAST_NETWORKS:
        reasons = "; ".join(f"{name}: {why}" for name, why in skipped.items())
        raise InputError(
            f"{len(measured)} of {len(paths)} networks could be measured, and a fit needs "
            f"{LEAST_NETWORKS}: name more with --models{f' ({reasons})' if reasons else ''}"
        )
    whole = tuple(
        Timed(graph=name, precision=precisions[name], time_ns=each.total_ns)
        for name, each in measured.items()
    )
    parts: dict[str, tuple[Figure, ...]] = {}
    for name, each in measured.items():
        parts[name], made = layer_figures(each, works[name], precisions[name])
        works |= made
    known = Known(centre=_centre(whole, works))
    chosen = SEED if seed is None else seed
    say(f"fitting {len(whole)} networks and {sum(map(len, parts.values()))} layers")

    def predicted(left_out: frozenset[str]) -> tuple[Prediction, ...]:
        seen = [part for name in parts if name not in left_out for part in parts[name]]
        return predict(works, (*whole, *seen), left_out, known, families={})

    held_out, way = held_out_predictions(
        predicted, split(list(measured), {}, seed=chosen), sorted(measured)
    )
    figures = (*whole, *(part for each in parts.values() for part in each))
    fitted = fit(works, figures, known)
    digest = hashlib.sha256(
        json.dumps({f"{f.graph}/{f.precision}": f.time_ns for f in figures}).encode()
    ).hexdigest()
    name = f"{re.sub('[^a-z0-9]+', '-', backend.lower()).strip('-')}-measured"
    spec = fitted_spec(
        _base(out.stem if out else name, backend, jitter_sigma_ppm(measured), len(measured)),
        fitted,
        figures,
        held_out,
        data_sha256=digest,
        date=utc_label()[:_DAY],
        seed=chosen,
        way=way,
        kind="measured",
    )
    if out is not None:
        write_bytes(out, spec_toml(spec))
    return BackendCalibration(
        backend=backend,
        file=out,
        spec=spec,
        measured=measured,
        layers=len(figures) - len(whole),
        residuals=dict(
            zip(measured, fitted.residuals[: len(whole)].tolist(), strict=True),
        ),
        held_out=held_out,
        seed=chosen,
        way=way,
        skipped=skipped,
    )


def backend_calibration_document(found: BackendCalibration) -> dict[str, object]:
    """What was measured and fitted as a plain document, schema `splitway.calibrate-backend/1`."""
    from accelerators.calibration.holdout import errors

    off = errors([p.published_ns for p in found.held_out], [p.modelled_ns for p in found.held_out])
    return {
        "schema": SCHEMA,
        "backend": found.backend,
        "device": found.spec.id,
        "file": None if found.file is None else str(found.file),
        "label": found.spec.label,
        "seed": found.seed,
        "left_out": found.way,
        "layers": found.layers,
        "jitter_sigma_ppm": found.spec.jitter.sigma_ppm,
        "networks": [
            {
                "network": name,
                "measured_ms": each.total_ns / _NS_PER_MS,
                "runs": len(each.runs_ns),
                "layers": len(each.layers_ns),
                "log_residual": found.residuals[name],
            }
            for name, each in found.measured.items()
        ],
        "held_out": {
            "figures": len(found.held_out),
            "median": None if off is None else off.median,
            "p90": None if off is None else off.p90,
            "networks": [
                {
                    "network": p.graph,
                    "measured_ms": p.published_ns / _NS_PER_MS,
                    "modelled_ms": p.modelled_ns / _NS_PER_MS,
                }
                for p in found.held_out
            ],
        },
        "skipped": dict(found.skipped),
    }


class _Skipped(Exception):  # noqa: N818 - is no error: the others are measured
    """A network that cannot be measured, with the reason."""


def _measured(
    path: Path, backend: Backend, *, profile: bool
) -> tuple[Measured, SegmentWork, Precision]:
    """Times of one network, optimised at level basic, and its work."""
    from accelerators.backends.ort import optimise
    from accelerators.calibration.measuring import measure
    from accelerators.errors import BackendRunError, ModelLoadError
    from pipeline.errors import PipelineError
    from pipeline.graph import load_graph, segment_work

    with tempfile.TemporaryDirectory(prefix="splitway-") as folder:
        ready = Path(folder) / path.name
        try:
            optimise(path, ready, level="basic")
            graph = load_graph(ready)
            work = segment_work(graph, range(len(graph.operators)), path.stem)
            found = measure(path.stem, ready, backend, profile=profile)
        except (ModelLoadError, BackendRunError) as err:
            raise _Skipped(err.reason) from err
        except PipelineError as err:
            raise _Skipped(str(err)) from err
    quantised = any(op.op_type == "QuantizeLinear" for op in work.ops)
    return found, work, "int8" if quantised else "float32"


def _files(models: Sequence[Path]) -> list[Path]:
    """The files themselves, and those of folders."""
    found: list[Path] = []
    for path in models:
        if path.is_dir():
            inside = sorted(path.glob("*.onnx"))
            if not inside:
                raise InputError(f"{path}: holds no .onnx file")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise InputError(f"{path}: there is no such file or folder")
    stems = [path.stem for path in found]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise InputError(f"two networks are called {twice[0]}: rename one of the files")
    return found


def _centre(figures: Sequence[Figure], works: Mapping[str, SegmentWork]) -> dict[str, float]:
    """Where the fit begins: a device about as fast as this one turned out to be.

    The priors of `fitting` are those of an accelerator; their ratios to each other are kept, but
    for the memory of a machine that computes slowly, which is nearer to its arithmetic.
    """
    from accelerators.calibration.fitting import PRIORS

    rate = median(max(1.0, sum(op.macs for op in works[f.graph].ops)) / f.time_ns for f in figures)
    scale = rate / PRIORS["float32_macs"][0]
    moved = {"weight_bytes", "activation_bytes", "vector_bytes"}
    centre = {
        name: value * (scale**0.5 if name in moved else scale)
        for name, (value, _) in PRIORS.items()
        if name in moved or name.endswith("_macs")
    }
    fastest = min(f.time_ns for f in figures)
    return centre | {"run_wide_ns": fastest / 10, "run_int8_ns": fastest / 10}


def _base(name: str, backend: str, sigma_ppm: int, networks: int) -> SegmentNpuSpec:
    """What the measurement says nothing of; `fitted_spec` puts the parameters in."""
    from accelerators.specs_schema_npu import SegmentNpuSpec

    unknown = {"value": 1, "source": "replaced by the fit"}
    slug = re.sub("[^a-z0-9.-]+", "-", name.lower()).strip("-.") or "measured"
    content: dict[str, object] = {
        "schema": "splitway.device/2",
        "id": f"{slug}-device" if len(slug) == 1 else slug[:60],
        "kind": "npu",
        "title": f"backend {backend} on the machine that it was measured on",
        "vendor": "measured",
        "class": "edge",
        "label": "assumed",
        "checked": "replaced by the fit",
        "notes": ["one thread per network; another machine, or a busy one, is another device"],
        "rates": {"float32": {"macs_per_s": unknown, "run_ns": unknown}},
        "shape": {
            "depthwise_permille": unknown,
            "product_permille": unknown,
            "product_ns": unknown,
        },
        "traffic": {
            "weight_bytes_per_s": unknown,
            "activation_bytes_per_s": unknown,
            "vector_bytes_per_s": unknown,
        },
        "batch": {
            "fill_permille": {"value": 0, "source": "assumed: a batch gains nothing"},
            "slots": {"value": 1, "source": "assumed: one run at a time"},
        },
        "capacity": {
            "load_bytes_per_s": {"value": 1_000_000_000, "source": "assumed: read from a disk"}
        },
        "bias": {"low_permille": 1000, "high_permille": 1000, "source": "replaced by the fit"},
        "jitter": {
            "sigma_ppm": sigma_ppm,
            "source": f"measured: half of the middle 68 % of runs of {networks} networks",
        },
    }
    return SegmentNpuSpec.model_validate(content)
