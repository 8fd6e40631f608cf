"""Fitting a device to published figures, and what the fit misses on models that it did not see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from accelerators.calibration.fitting import Fit, Known
    from accelerators.calibration.holdout import Prediction
    from accelerators.calibration.published import Figure, Table
    from accelerators.calibration.sources import Published
    from accelerators.specs_schema_npu import SegmentNpuSpec, Way
    from accelerators.work import SegmentWork

SCHEMA = "splitway.calibrate-device/1"
_DAY = 10
# With fewer models left out, an error of them says little.
_LEAST_MODELS = 3
_NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCalibration:
    """What a fit of a device came to.

    Attributes:
        device: Its id.
        file: The fitted file; None where none was asked for.
        spec: Its content.
        figures: Figures fitted to.
        residuals: ln(modelled / published) of the final fit, one per figure.
        held_out: Predictions for the models left out, of a fit to the others.
        families: Family of each graph.
        seed: Seed of the split.
        way: How models were left out.
        table: Hash of the table of figures.
    """

    device: str
    file: Path | None
    spec: SegmentNpuSpec
    figures: tuple[Figure, ...]
    residuals: tuple[float, ...]
    held_out: tuple[Prediction, ...]
    families: Mapping[str, str]
    seed: int
    way: Way
    table: str


def calibrate_device(
    device_id: str,
    table: Path,
    graphs: Path,
    *,
    out: Path | None = None,
    force: bool = False,
    seed: int | None = None,
    tell: Callable[[str], None] | None = None,
) -> DeviceCalibration:
    """Fit a device to the published figures of a table, and say what it misses on unseen models.

    Families of graphs are read from `graphs.csv` in the folder of the graphs or above it; without
    one all graphs are of one family.

    Args:
        device_id: An installed device whose figures the table holds, or a spec file.
        table: CSV of published figures.
        graphs: Folder of their ONNX graphs.
        out: Where to write the fitted file; nowhere where left out.
        force: Whether a file that is there may be replaced.
        seed: Seed of the split; the project's own where left out.
        tell: Told what is being done, for people.

    Raises:
        InputError: A file is missing or there already, or a graph cannot be read.
        AcceleratorError: The device is unknown, cannot be fitted, or has too few figures.
        OSError: A file cannot be read or written.
    """
    from accelerators.calibration.fitted_file import fitted_spec, spec_toml
    from accelerators.calibration.holdout import SEED, split
    from replay.clock import utc_label
    from replay.evidence import write_bytes

    say = tell or (lambda _: None)
    if out is not None:
        check_file(out, force=force)
    subject = _subject(device_id, table, graphs)
    figures, families, base = subject.figures, subject.families, subject.base
    say(f"{len(subject.works)} graphs")
    chosen = SEED if seed is None else seed
    say(f"fitting {len(figures)} figures")
    by_family = split(subject.names, families, seed=chosen)
    held_out, way = held_out_predictions(subject.predicted, by_family, sorted(subject.works))
    found = subject.fit()
    spec = fitted_spec(
        base,
        found,
        figures,
        held_out,
        data_sha256=subject.table.sha256,
        date=utc_label()[:_DAY],
        seed=chosen,
        way=way,
    )
    if out is not None:
        write_bytes(out, spec_toml(spec))
    return DeviceCalibration(
        device=base.id,
        file=out,
        spec=spec,
        figures=figures,
        residuals=tuple(found.residuals.tolist()),
        held_out=held_out,
        families=families,
        seed=chosen,
        way=way,
        table=subject.table.sha256,
    )


def cross_validate_device(
    device_id: str, table: Path, graphs: Path, *, seeds: Sequence[int]
) -> tuple[Prediction, ...]:
    """Predictions for the models that a fit may see, a quarter of them left out at a time.

    What `calibrate_device` leaves out has no part in it, so a form can be chosen by these.

    Args:
        device_id: As in `calibrate_device`.
        table: As there.
        graphs: As there.
        seeds: Each gives four parts, and every figure a prediction.

    Returns:
        Predictions, but for parts without which too few figures remain to fit to.

    Raises:
        InputError: A file is missing, or a graph cannot be read.
        AcceleratorError: The device is unknown or cannot be fitted.
        OSError: A file cannot be read.
    """
    from accelerators.calibration.holdout import SEED, folds, split
    from accelerators.errors import CalibrationDataError

    subject = _subject(device_id, table, graphs)
    left_out = split(subject.names, subject.families, seed=SEED)
    inside = [name for name in subject.names if name not in left_out]
    seen = replace(subject, figures=tuple(f for f in subject.figures if f.graph not in left_out))
    found: list[Prediction] = []
    for seed in seeds:
        for part in folds(inside, subject.families, seed=seed):
            try:
                found += seen.predicted(part)
            except CalibrationDataError:
                continue
    return tuple(found)


def calibration_document(found: DeviceCalibration) -> dict[str, object]:
    """A fit as `--json` prints it: errors by model and family beside those of two plain fits."""
    return {
        "schema": SCHEMA,
        "device": found.device,
        "file": None if found.file is None else str(found.file),
        "label": found.spec.label,
        "table_sha256": found.table,
        "seed": found.seed,
        "left_out": found.way,
        "figures": len(found.figures),
        "held_out": {
            "all": _errors(found.held_out),
            "int8": _errors([p for p in found.held_out if p.precision == "int8"]),
            "by_family": {
                family: _errors([p for p in found.held_out if p.family == family])
                for family in sorted({p.family for p in found.held_out})
            },
            "models": [
                {
                    "graph": p.graph,
                    "family": p.family,
                    "precision": p.precision,
                    "published_ms": p.published_ns / _NS_PER_MS,
                    "modelled_ms": p.modelled_ns / _NS_PER_MS,
                    "plain_ms": p.plain_ns / _NS_PER_MS,
                    "plain_activations_ms": p.plain_activations_ns / _NS_PER_MS,
                }
                for p in found.held_out
            ],
        },
        "fitted": [
            {
                "graph": figure.graph,
                "precision": figure.precision,
                "batch": figure.batch,
                "busy": figure.busy,
                "published_ms": figure.time_ns / _NS_PER_MS,
                "log_residual": residual,
            }
            for figure, residual in zip(found.figures, found.residuals, strict=True)
        ],
    }


def held_out_predictions(
    predicted: Callable[[frozenset[str]], tuple[Prediction, ...]],
    by_family: frozenset[str],
    graphs: Sequence[str],
) -> tuple[tuple[Prediction, ...], Way]:
    """Predictions for the models left out; of few figures, each model by a fit to the others."""
    from accelerators.errors import CalibrationDataError

    try:
        found = predicted(by_family)
    except CalibrationDataError:
        found = ()
    if len({prediction.graph for prediction in found}) >= _LEAST_MODELS:
        return found, "by family"
    singly: list[Prediction] = []
    for graph in graphs:
        try:
            singly += predicted(frozenset({graph}))
        except CalibrationDataError:
            continue
    return tuple(singly), "one at a time"


def _errors(predictions: Sequence[Prediction]) -> dict[str, object] | None:
    from accelerators.calibration.holdout import errors

    true = [p.published_ns for p in predictions]
    ours = errors(true, [p.modelled_ns for p in predictions])
    if ours is None:
        return None
    found: dict[str, object] = {"figures": ours.count}
    for name, times in (
        ("model", [p.modelled_ns for p in predictions]),
        ("plain", [p.plain_ns for p in predictions]),
        ("plain_activations", [p.plain_activations_ns for p in predictions]),
    ):
        off = errors(true, times) or ours
        found[name] = {"median": off.median, "p90": off.p90, "rank": off.rank}
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """What a device is fitted to, and what is known of it before."""

    base: SegmentNpuSpec
    known: Known
    table: Table
    figures: tuple[Figure, ...]
    works: Mapping[str, SegmentWork]
    names: tuple[str, ...]
    families: Mapping[str, str]

    def predicted(self, left_out: frozenset[str]) -> tuple[Prediction, ...]:
        """What a fit to the other models says of these."""
        from accelerators.calibration.holdout import predict

        return predict(self.works, self.figures, left_out, self.known, families=self.families)

    def fit(self) -> Fit:
        """A fit to all figures."""
        from accelerators.calibration.fitting import fit

        return fit(self.works, self.figures, self.known)


def _subject(device_id: str, table: Path, graphs: Path) -> _Subject:
    from accelerators.calibration.published import read_families, read_table
    from accelerators.models.npu import segment_model

    if not table.is_file() or not graphs.is_dir():
        missing = graphs if table.is_file() else table
        raise InputError(f"{missing}: there is no such {'folder' if missing is graphs else 'file'}")
    base, source = _base(device_id)
    published = read_table(table)
    figures = _figures(published, source)
    listed = next(
        (p for p in (graphs / "graphs.csv", graphs.parent / "graphs.csv") if p.is_file()), None
    )
    families = {} if listed is None else read_families(listed)
    model = segment_model(base)
    return _Subject(
        base=base,
        known=replace(source.known, link=model.link, slots=model.slots),
        table=published,
        figures=figures,
        works=_works(graphs, figures),
        names=tuple(families or sorted(path.name for path in graphs.glob("*.onnx"))),
        families=families,
    )


def _base(device_id: str) -> tuple[SegmentNpuSpec, Published]:
    from accelerators import registry
    from accelerators.calibration.sources import SOURCES
    from accelerators.errors import CalibrationDataError
    from accelerators.models.npu import NpuDevice
    from accelerators.specs_schema_npu import SegmentNpuSpec

    if device_id.endswith(".toml"):
        device: object = registry.load_spec(Path(device_id))
    else:
        device = registry.device(device_id)
    if not isinstance(device, NpuDevice) or not isinstance(device.spec, SegmentNpuSpec):
        raise CalibrationDataError(device_id, "is no device of schema splitway.device/2")
    source = SOURCES.get(device.name)
    if source is None:
        known = ", ".join(sorted(SOURCES))
        raise CalibrationDataError(
            device.name, f"no published figures are known of it; they are of {known}"
        )
    return device.spec, source


def _figures(table: Table, source: Published) -> tuple[Figure, ...]:
    from accelerators.calibration.published import batches, latencies, periods

    if source.period:
        return periods(table.rows, source.devices)
    found = latencies(table.rows, source.devices, scenario=source.scenario)
    if source.batches:
        found += batches(table.rows, source.devices, scenario=source.scenario)
    return found


def _works(graphs: Path, figures: Sequence[Figure]) -> dict[str, SegmentWork]:
    from pipeline.graph import load_graph, segment_work

    works = {}
    for name in sorted({figure.graph for figure in figures}):
        graph = load_graph(graphs / name)
        works[name] = segment_work(graph, range(len(graph.operators)), Path(name).stem)
    return works


def check_file(file: Path, *, force: bool) -> None:
    """Refuse a device file that cannot be written.

    Raises:
        InputError: It is no NAME.toml, is there already, or its folder is missing.
    """
    if file.suffix != ".toml":
        raise InputError(f"{file}: name the file NAME.toml")
    if file.is_dir() or (file.exists() and not force):
        raise InputError(f"{file}: is there already; name another file, or add --force")
    if not file.parent.is_dir():
        raise InputError(f"{file}: there is no folder {file.parent}")
