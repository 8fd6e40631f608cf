"""Hashes of what a plan is made from: scenario, link, models, and the figures of each device."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from pydantic import BaseModel

from accelerators.errors import AcceleratorError
from accelerators.work import OpWork, SegmentWork

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accelerators.device import Device
    from pipeline.scenario.models import Scenario

# Parts of a scenario that no candidate, price or choice hangs on.
_NO_MATTER = ("name", "description", "budgets", "scoring", "gates", "evidence", "outputs")
_NO_MATTER_OF_RUN = ("seed", "loop", "warmup", "min_samples", "pause", "security", "sizes")

# Segments that a device is asked for its prices: a dense and a depthwise convolution, a product, an
# addition, small and large, so that every rate and overhead of a model leaves its mark.
_SIZES = ((1_000_000, 10_000, 40_000), (2_000_000_000, 4_000_000, 3_000_000))


def scenario_hash(scenario: Scenario) -> str:
    """Hash of what a scenario says that a plan can hang on.

    Its name, gates, budgets, evidence and how often and with which seed it runs are no part of it.
    """
    content = scenario.model_dump(mode="json", by_alias=True)
    for key in _NO_MATTER:
        content.pop(key, None)
    run = content.get("run")
    if isinstance(run, dict):
        for key in _NO_MATTER_OF_RUN:
            run.pop(key, None)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def device_hash(device: Device) -> str:
    """Hash of a device's figures: its file's content, its draws, and what it asks for sample work.

    The prices are in it so that a device without a file of ours is told apart as well, and one of
    several parts by all of them.
    """
    digest = hashlib.sha256(f"{device.name}/{device.label}/{device.jitter_ppm}".encode())
    spec: object = getattr(device, "spec", None)
    if isinstance(spec, BaseModel):
        digest.update(spec.model_dump_json(by_alias=True, exclude_none=True).encode())
    for precision in device.precisions:
        for work in _samples():
            try:
                cost = device.price(work, batch=1, precision=precision)
                told = f"{precision}/{work.name}/{cost.latency_ns}/{cost.interval_ns}"
                told += f"/{cost.period_ns}/{cost.energy_pj}"
            except AcceleratorError as err:
                told = f"{precision}/{work.name}/{err}"
            digest.update(told.encode())
    return digest.hexdigest()


def _samples() -> Iterator[SegmentWork]:
    for number, (macs, weights, elements) in enumerate(_SIZES):
        for kind, groups in (("Conv", 1), ("Conv", 32), ("MatMul", 1), ("Add", 1)):
            busy = kind != "Add"
            operator = OpWork(
                name="op",
                op_type=kind,
                macs=macs if busy else 0,
                weight_elements=weights if busy else 0,
                input_elements=elements,
                output_elements=elements,
                groups=groups,
                kernel_elements=9 if kind == "Conv" else 1,
            )
            yield SegmentWork(
                name=f"{kind}/{groups}/{number}",
                ops=(operator,),
                input_elements=elements,
                output_elements=elements,
            )
