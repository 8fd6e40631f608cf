"""What a result says of a run beside its frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.verdict.rules import Conditions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.plan.predictions import Prediction
    from pipeline.values import Plain
    from pipeline.verdict.rules import AccuracyRule, Verdict
    from pipeline.verdict.shapes import Bias


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """A device of the run.

    Attributes:
        name: Name in the scenario.
        id: Id of its spec or backend.
        label: How far its prices can be believed.
        compute: When an emulated device's outputs are computed; None for a real one.
        computes: Of one that knows int8 alone how it computes, by segment, for people.
    """

    name: str
    id: str
    label: str
    compute: str | None
    computes: Mapping[str, str] = field(default_factory=dict)

    @property
    def emulated(self) -> bool:
        """Whether its time is held and not measured."""
        return bool(self.compute)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What a result says of a run beside its frames.

    Attributes:
        scenario: Name of the scenario.
        seed: Seed of the run.
        devices: Devices, hosts left out.
        hosts: Host file of each site.
        labels: Weakest label of each path's parts, by path.
        measured: Names of the paths of a live run on whose way nothing is emulated: no held device,
            no shaped link.
        not_selected: Frames that `every` left out, by path; 0 where a path is missing.
        conditions: How the run went.
        verdict_at_bias: Verdict of each path at low, zero and high bias; None in a live run.
        accuracy: Scores by task; empty where nothing was scored.
        accuracy_rules: Gates on them.
        images: What the evidence keeps of pictures.
        predicted: What the plan predicts of each path's route; a path that is missing has none.
        percentile: The plan's percentile.
    """

    scenario: str
    seed: int
    devices: Sequence[DeviceFacts]
    hosts: Mapping[str, str]
    labels: Mapping[str, str]
    measured: frozenset[str] = frozenset()
    not_selected: Mapping[str, int] = field(default_factory=dict)
    conditions: Conditions = field(default_factory=Conditions)
    verdict_at_bias: Mapping[str, Mapping[Bias, Verdict]] | None = None
    accuracy: Mapping[str, Mapping[str, Plain]] = field(default_factory=dict)
    accuracy_rules: Sequence[AccuracyRule] = ()
    images: str = "none"
    predicted: Mapping[str, Prediction] = field(default_factory=dict)
    percentile: float = 99.0
