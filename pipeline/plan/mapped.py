"""The plan map, and how far a plan is valid, as the plain documents that stand in a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.plan.maps import PlanMap, RegionMap, Validity

_NS_PER_MS = 1_000_000
_PPM = 1_000_000


class ValidityDocument(TypedDict):
    """How far each condition may move alone before another candidate is the one to run.

    `[low, high]`; null where the choice stands as far as was looked.
    """

    name: str
    up_mbps: list[float | None]
    rtt_ms: list[float | None]
    load: list[float | None]


class MapTaskDocument(TypedDict):
    """A task's cells: candidates by index, load by load, in each round trip by round trip."""

    name: str
    cells: list[list[list[int]]]


class MapBordersDocument(TypedDict):
    """Where a cell gives way to the next, from the good end of each axis to the bad one."""

    up_mbps: list[float]
    rtt_ms: list[float]
    load: list[float]


class MapNominalDocument(TypedDict):
    """The conditions that the plan itself was made for."""

    up_mbps: float
    rtt_ms: float
    load: float


class MapDocument(TypedDict):
    """The plan over a grid of conditions; each cell was planned at the figures named for it.

    `basis` is what cells go by: predicted latencies, but for the plan's own.
    """

    basis: str
    up_mbps: list[float]
    rtt_ms: list[float]
    load: list[float]
    borders: MapBordersDocument
    nominal: MapNominalDocument
    tasks: list[MapTaskDocument]
    refused: dict[str, list[int]]


def validity_documents(found: Mapping[str, Validity]) -> list[ValidityDocument]:
    """Every task's region of validity."""
    return [
        {
            "name": name,
            "up_mbps": [
                v.up_bits_per_s[0] / 1e6 or None,
                None if v.open_up else v.up_bits_per_s[1] / 1e6,
            ],
            "rtt_ms": [
                v.rtt_ns[0] / _NS_PER_MS or None,
                None if v.open_rtt else v.rtt_ns[1] / _NS_PER_MS,
            ],
            "load": [None, None if v.open_load else v.load_ppm[1] / _PPM],
        }
        for name, v in found.items()
    ]


def map_document(plan_map: PlanMap | None) -> MapDocument | None:
    """The map as plain data; None where there is none."""
    if plan_map is None:
        return None
    first = next(iter(plan_map.tasks.values()))
    rate, rtt_ns, load_ppm = plan_map.nominal
    return {
        "basis": "predicted",
        "up_mbps": [r / 1e6 for r in plan_map.rates_bits_per_s],
        "rtt_ms": [r / _NS_PER_MS for r in plan_map.rtts_ns],
        "load": [r / _PPM for r in plan_map.loads_ppm],
        "borders": {
            "up_mbps": [r / 1e6 for r in first.rate_borders],
            "rtt_ms": [r / _NS_PER_MS for r in first.rtt_borders],
            "load": [r / _PPM for r in first.load_borders],
        },
        "nominal": {"up_mbps": rate / 1e6, "rtt_ms": rtt_ns / _NS_PER_MS, "load": load_ppm / _PPM},
        "tasks": [
            {"name": name, "cells": _cells(region)} for name, region in plan_map.tasks.items()
        ],
        "refused": {name: list(mine) for name, mine in plan_map.refused.items()},
    }


def _cells(region: RegionMap) -> list[list[list[int]]]:
    sizes, cells = region.sizes, region.cells
    rows = [cells[i : i + sizes.rate] for i in range(0, len(cells), sizes.rate)]
    return [
        [list(row) for row in rows[k * sizes.rtt : (k + 1) * sizes.rtt]] for k in range(sizes.load)
    ]
