"""A host file for a machine: the curves of another one, moved to what was measured."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from math import log
from statistics import NormalDist, median, median_low
from typing import TYPE_CHECKING

import tomli_w

from accelerators.models.host import on_curve
from accelerators.specs_schema import HostSpec, StageSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HOP = "hop"
PPM = 1_000_000
_ADDED = ("resize", "sparse", "zstd")  # what a codec adds to a stage that another codec carries
_STEP_NS = 1000  # measured figures are not better than that


@dataclass(frozen=True, slots=True, kw_only=True)
class StageMeasured:
    """One use of a host stage, in a live run.

    Attributes:
        predicted_ns: What the old host file says it takes.
        live_ns: Median of what it took, handing it to the host's thread included.
    """

    predicted_ns: int
    live_ns: int


def calibrated(
    old: HostSpec,
    *,
    name: str,
    machine: str,
    source: str,
    stages: Mapping[str, Sequence[StageMeasured]],
    hops: Mapping[str, Sequence[tuple[int, int]]],
    spreads: Sequence[float],
) -> HostSpec:
    """A host file whose curves meet what was measured.

    What a live run adds to a stage — waking a process, handing work to a thread — is the same
    for every size, so a curve keeps its shape and is raised by the difference; where the machine
    is faster, the curve is scaled down instead, and stays above zero. Of several uses of a curve
    the middle difference counts. A curve that was not used is raised as the middle one of those
    that were, and called assumed, but for what is only ever added to another curve of the same
    stage: that work is handed over once. Hops are measured at several sizes: the difference is
    joined by straight lines between them, level beyond; what differs by what a message carries has
    a curve of its own. The jitter is the middle one of those of all uses.

    Args:
        old: The file to begin with.
        name: Id of the new one.
        machine: What machine it is of, at least 8 characters.
        source: How it was measured.
        stages: Uses of host stages by the name of their curve; only names that `old` has.
        hops: By what messages between two processes carry, their sizes (bytes) and median times
            (ns).
        spreads: Per stage and hop the 90th percentile over the median, for the jitter; those below
            one count as one.

    Raises:
        ValueError: Nothing was measured, or a stage has no curve of its name.
    """
    if not stages or not hops or not spreads:
        raise ValueError("a host file needs at least one stage and one hop that were measured")
    if unknown := sorted(stages.keys() - old.stages.keys()):
        raise ValueError(f"no curve of the name {', '.join(unknown)}")
    used = {
        curve: round(median([use.live_ns - use.predicted_ns for use in uses]))
        for curve, uses in stages.items()
    }
    usual_ns = median_low(used.values())
    curves: dict[str, StageSpec] = {}
    for curve, stage in old.stages.items():
        if curve == HOP:
            every = [measured for kind in hops.values() for measured in kind]
            curves[curve] = _hop(stage, every, source)
            curves |= {f"{HOP}:{kind}": _hop(stage, mine, source) for kind, mine in hops.items()}
        elif curve.startswith(f"{HOP}:"):
            continue  # of another machine
        elif curve in used:
            least = min(stages[curve], key=lambda use: use.live_ns - use.predicted_ns)
            curves[curve] = _moved(stage, used[curve], least, source).model_copy(
                update={"label": "profiled"}
            )
        elif curve.partition(":")[2] in _ADDED:
            text = f"{stage.source}; taken over from {old.id}"
            curves[curve] = stage.model_copy(update={"label": "assumed", "source": text})
        else:
            moved = _raised(stage, max(0, usual_ns))
            text = f"{stage.source}; raised as what was {source}"
            curves[curve] = moved.model_copy(update={"label": "assumed", "source": text})
    return HostSpec.model_validate(
        {
            **old.model_dump(by_alias=True),
            "id": name,
            "title": f"Measured live, after {old.id}",
            "machine": machine,
            "notes": [f"Curves of {old.id}, moved to what was {source}."],
            "jitter": {"sigma_ppm": _sigma_ppm(spreads), "source": source},
            "stages": {curve: stage.model_dump() for curve, stage in curves.items()},
        }
    )


def _sigma_ppm(spreads: Sequence[float]) -> int:
    """Of the log-normal whose 90th percentile is the middle one of those measured."""
    sigma = log(max(1.0, median(spreads))) / NormalDist().inv_cdf(0.9)
    return min(round(sigma * PPM), PPM)


def host_toml(spec: HostSpec) -> bytes:
    """A host file as it is written; `load_host` reads it again."""
    return tomli_w.dumps(spec.model_dump(by_alias=True, exclude_none=True, mode="json")).encode()


def _moved(stage: StageSpec, more_ns: int, use: StageMeasured, source: str) -> StageSpec:
    if more_ns >= 0:
        moved = _raised(stage, more_ns)
    else:
        moved = _scaled(stage, use.live_ns, max(1, use.predicted_ns))
    return moved.model_copy(update={"source": source})


def _raised(stage: StageSpec, more_ns: int) -> StageSpec:
    more_ns = -(-more_ns // _STEP_NS) * _STEP_NS
    if stage.points is None:
        return stage.model_copy(update={"fixed_ns": (stage.fixed_ns or 0) + more_ns})
    return stage.model_copy(update={"points": [[at, ns + more_ns] for at, ns in stage.points]})


def _scaled(stage: StageSpec, over: int, under: int) -> StageSpec:
    if stage.points is None:
        fixed_ns, slope_ps = stage.fixed_ns or 0, stage.ps_per_element or 0
        return stage.model_copy(
            update={
                "fixed_ns": fixed_ns * over // under,
                "ps_per_element": slope_ps * over // under,
            }
        )
    return stage.model_copy(
        update={"points": [[at, ns * over // under] for at, ns in stage.points]}
    )


def _hop(stage: StageSpec, hops: Sequence[tuple[int, int]], source: str) -> StageSpec:
    """The old curve plus what the measured sizes differ by; never falling."""
    by_size: dict[int, list[int]] = {}
    for size, took_ns in hops:
        by_size.setdefault(size, []).append(took_ns - on_curve(stage, size))
    sizes = sorted(by_size)
    more_ns = [round(median(by_size[size])) for size in sizes]
    old = {at for at, _ in stage.points} if stage.points is not None else {100, 1_000_000}
    points: list[list[int]] = []
    for at in sorted(old | set(sizes)):
        value = on_curve(stage, at) + _between(sizes, more_ns, at)
        value = max(0, -(-value // _STEP_NS) * _STEP_NS)
        points.append([at, max(value, points[-1][1]) if points else value])
    return stage.model_copy(
        update={
            "points": points,
            "fixed_ns": None,
            "ps_per_element": None,
            "label": "profiled",
            "source": source,
        }
    )


def _between(sizes: Sequence[int], values: Sequence[int], at: int) -> int:
    place = bisect_left(sizes, at)
    if place == 0:
        return values[0]
    if place == len(sizes):
        return values[-1]
    left, right = sizes[place - 1], sizes[place]
    low, high = values[place - 1], values[place]
    return low + (high - low) * (at - left) // (right - left)
