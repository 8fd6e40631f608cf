"""A model priced on a device, as the plain document of `splitway price`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from accelerators import registry
from pipeline.graph import load_graph, segment_work

if TYPE_CHECKING:
    from accelerators.device import Device
    from accelerators.work import Precision

SCHEMA = "splitway.price/1"
_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000
_PJ_PER_MJ = 1_000_000_000


def price_document(
    model: Path, device_id: str, *, precision: Precision | None, batch: int
) -> dict[str, object]:
    """Price a model as it stands in its file; unoptimised, so that its own node names are shown.

    Raises:
        InputError: The model cannot be read.
        AcceleratorError: The device is unknown or does not compute in the precision.
        ValueError: The batch is below one.
    """
    if device_id.endswith(".toml"):
        device: Device = registry.load_spec(Path(device_id))
    else:
        device = registry.device(device_id)
    chosen = precision or device.precisions[0]
    graph = load_graph(model)
    work = segment_work(graph, range(len(graph.operators)), model.stem)
    cost = device.price(work, batch=batch, precision=chosen)
    kinds = {operator.name: operator for operator in graph.operators}
    return {
        "schema": SCHEMA,
        "model": model.name,
        "device": device.name,
        "precision": chosen,
        "batch": batch,
        "latency_ms": cost.latency_ns / _NS_PER_MS,
        "throughput_per_s": batch * _NS_PER_S / cost.period_ns if cost.period_ns else None,
        "energy_mj": None if cost.energy_pj is None else cost.energy_pj / _PJ_PER_MJ,
        "energy_interval_mj": None
        if cost.energy_interval_pj is None
        else [bound_pj / _PJ_PER_MJ for bound_pj in cost.energy_interval_pj],
        "interval_ms": [bound_ns / _NS_PER_MS for bound_ns in cost.interval_ns],
        "label": cost.label,
        "warnings": list(cost.warnings),
        "overhead_ms": cost.overhead_ns / _NS_PER_MS,
        "ops": [
            {
                "name": op.name,
                "op": kinds[op.name].op_type,
                "on": op.on,
                "latency_ms": op.latency_ns / _NS_PER_MS,
                "energy_mj": None if cost.energy_pj is None else op.energy_pj / _PJ_PER_MJ,
                "macs": kinds[op.name].work.macs,
                "bytes": op.moved_bytes,
                "fused_into": op.fused_into,
                "otherwise_ms": None if op.otherwise_ns is None else op.otherwise_ns / _NS_PER_MS,
            }
            for op in cost.ops
        ],
    }


def spec_content(device: Device | None) -> object:
    """Content of a device's file as plain data; None where it has none."""
    spec: object = getattr(device, "spec", None)
    if not isinstance(spec, BaseModel):
        return None
    return spec.model_dump(by_alias=True, exclude_none=True, mode="json", exclude={"stages"})
