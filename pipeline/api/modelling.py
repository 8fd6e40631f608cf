"""The model that a run was driven by, kept beside its evidence so that it can be replayed.

Sizes of what crosses are part of it: those of the pictures, or the plan's prediction for all.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.errors import EvidenceError
from pipeline.link.model import LinkConfig
from pipeline.plan.steps import Host, Move
from pipeline.runtime.sizes import Sizes
from pipeline.runtime.timing import Hops, Slowed, Timing
from pipeline.runtime.virtual_setup import VirtualSetup
from pipeline.values import from_plain, to_plain
from replay.evidence import write_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline.runtime.core.config import CoreConfig
    from pipeline.runtime.spec import RunSpec
    from replay.schedule import ScheduledFrame

MODEL = "model.json"
"""File of what the virtual driver needs beside `core.json`."""


def predicted_sizes(core: CoreConfig, results: Mapping[str, int], blank: Sizes) -> Sizes:
    """Sizes as the plan predicts them, the same for every picture.

    Args:
        core: The machines' configuration; its moves say what crosses.
        results: Predicted bytes of a task's coded result, by task.
        blank: Sizes of no step, which know the pictures of each stream.
    """
    found: dict[tuple[str, int], Sequence[int]] = {}
    for name, task in core.tasks.items():
        pictures = blank.frames[task.stream]
        for planned in task.steps:
            match planned.step:
                case Move() if core.sites.site_of(planned.step) is None:
                    size = planned.bytes
                case Host(stage="deliver"):
                    size = results[name]
                case _:
                    continue
            # What crosses is made by the steps before; the sum of theirs is what counts.
            for first, step in enumerate(planned.after):
                if not isinstance(task.steps[step].step, Move):
                    found.setdefault((name, step), [0 if first else size] * pictures)
    return replace(blank, bytes=found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What durations and crossings were drawn from.

    Attributes:
        seed: Seed of the draws.
        quantiles: Quantile tables by name.
        hops: What a message between two processes costs.
        slowed: When devices are slower.
        links: Links by name.
        frame_bytes: Bytes of one frame per stream, where `sizes` does not know each.
        sizes: Bytes that each step makes for each picture.
    """

    seed: int
    quantiles: Mapping[str, tuple[int, ...]]
    hops: Hops
    slowed: tuple[Slowed, ...]
    links: Mapping[str, LinkConfig]
    frame_bytes: Mapping[str, int]
    sizes: Sizes

    def setup(self, core: CoreConfig, schedule: Sequence[ScheduledFrame]) -> VirtualSetup:
        """A virtual run of these machines under this model."""
        return VirtualSetup(
            core=core,
            schedule=schedule,
            frame_bytes=self.frame_bytes,
            sizes=self.sizes,
            timing=Timing(
                seed=self.seed, quantiles=self.quantiles, hops=self.hops, slowed=self.slowed
            ),
            links=self.links,
        )


def write_model(path: Path, spec: RunSpec, setup: VirtualSetup) -> None:
    """Keep the model of a run.

    Raises:
        OSError: The disk is full.
    """
    sizes = setup.sizes
    crossing: list[dict[str, object]] = [
        {"task": task, "step": step, "bytes": list(found)}
        for (task, step), found in sorted(sizes.bytes.items())
    ]
    write_json(
        path,
        {
            "seed": spec.seed,
            "quantiles": to_plain(spec.quantiles),
            "hops": to_plain(spec.hops),
            "slowed": to_plain(spec.slowed),
            "links": to_plain(dict(setup.links)),
            "frame_bytes": dict(setup.frame_bytes),
            "pictures": dict(sizes.frames),
            "warmup": sizes.warmup,
            "sizes": crossing,
            "samples": {name: list(found) for name, found in sizes.samples.items()},
        },
    )


def read_model(path: Path) -> Model:
    """Read the model of a run.

    Raises:
        EvidenceError: There is none, or it is not what a run writes.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Model(
            seed=int(data["seed"]),
            quantiles={name: tuple(table) for name, table in data["quantiles"].items()},
            hops=from_plain(Hops, data["hops"]),
            slowed=from_plain(tuple[Slowed, ...], data["slowed"]),
            links=from_plain(dict[str, LinkConfig], data["links"]),
            frame_bytes=data["frame_bytes"],
            sizes=Sizes(
                frames=data["pictures"],
                warmup=data["warmup"],
                bytes={(s["task"], s["step"]): s["bytes"] for s in data["sizes"]},
                samples=data.get("samples", {}),
            ),
        )
    except OSError as err:
        raise EvidenceError(
            f"{path}: {err.strerror}; runs of older versions kept no model: run again"
        ) from err
    except (ValueError, KeyError, TypeError) as err:
        raise EvidenceError(f"{path}: is not what a run writes: {err}") from err
