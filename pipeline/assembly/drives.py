"""Building the drive of a run: streams, window, faults and pauses become one schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.assembly.places import resolve
from pipeline.draws import Draws
from pipeline.errors import DriveSettingError, InputError, ScenarioError
from pipeline.runtime.drive import DriveFacts, facts_of, samples, schedule_of
from pipeline.runtime.spec import DriveSpec, SpeedPoint, StreamSpec
from pipeline.runtime.timetable import StreamGrid, Timetable
from pipeline.scenario.references import camera_of, kind_of
from replay.faults import WHOLE_PPM, Fault
from replay.schedule import Pause

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from pipeline.scenario.loading import LoadedScenario
    from pipeline.scenario.models import Drive
    from replay.schedule import ScheduledFrame

    Array = NDArray[np.generic[object]]


_DRAWN_SEED = 0  # of the frames that int8 finds its ranges on


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltDrive:
    """A drive that is ready to be replayed.

    Attributes:
        spec: Where the frames come from.
        facts: Size and stamps of each stream.
        timetable: What the schedule is made of.
        schedule: Every frame in the order of sending.
    """

    spec: DriveSpec
    facts: DriveFacts
    timetable: Timetable
    schedule: list[ScheduledFrame]

    def calibration(self, stream: str, most: int) -> list[Array]:
        """Data of a few frames of a stream, evenly spread over what is replayed of it."""
        chosen = frozenset(self._spread(stream, most))
        return [data for _, data in samples(self.spec, stream, chosen)]

    def following(self, stream: str, most: int, *, every: int, steps: int) -> list[list[Array]]:
        """Data of the frames behind those that `calibration` gives, nearest first.

        Args:
            stream: Name of the stream.
            most: As for `calibration`.
            every: Frames from one to the next.
            steps: How many there are behind each; fewer at the end of the drive.
        """
        frames = self.facts.streams[stream].frames
        wanted = [
            [at for k in range(1, steps + 1) if (at := start + k * every) < frames]
            for start in self._spread(stream, most)
        ]
        found = dict(samples(self.spec, stream, frozenset(at for mine in wanted for at in mine)))
        return [[found[at] for at in mine] for mine in wanted]

    def _spread(self, stream: str, most: int) -> list[int]:
        """Frames in the middle of as many equal stretches, rising."""
        frames = self.facts.streams[stream].frames
        count = min(most, frames)
        return [(2 * i + 1) * frames // (2 * count) for i in range(count)]

    def drawn(self, stream: str, most: int) -> list[Array]:
        """Data of some frames of a stream, one drawn from each of as many equal stretches.

        The draws have a seed of their own, so that a run's seed changes nothing that hangs on them.
        """
        frames = self.facts.streams[stream].frames
        count = min(most, frames)
        draws = Draws(_DRAWN_SEED)
        chosen = set()
        for stretch in range(count):
            first, behind = stretch * frames // count, (stretch + 1) * frames // count
            chosen.add(first + draws.word("calibration", stream, stretch) % (behind - first))
        return [data for _, data in samples(self.spec, stream, frozenset(chosen))]


def build_drive(loaded: LoadedScenario, *, seed: int, allow_outside: bool) -> BuiltDrive:
    """Open the drive of a scenario and work out its schedule.

    Args:
        loaded: The scenario.
        seed: Seed of the faults' draws.
        allow_outside: Whether relative paths may leave the scenario's folder.

    Raises:
        ScenarioError: The drive is missing, broken, or does not fit what the scenario says of it.
    """
    scenario = loaded.scenario
    try:
        declared = _declared(loaded, allow_outside=allow_outside)
        spec, facts = facts_of(declared)
        timetable = Timetable(
            streams=tuple(StreamGrid.of(stream.times) for stream in facts.streams.values()),
            origin_ns=facts.origin_ns,
            loop=scenario.run.loop,
            rate=scenario.run.factor,
            warmup=scenario.run.warmup,
            pauses=tuple(Pause(at_ns=p.at, for_ns=p.span) for p in scenario.run.pause),
            faults=_faults(scenario.drive),
            seed=seed,
        )
        schedule = schedule_of(timetable)
    except DriveSettingError as err:
        raise ScenarioError([loaded.problem(err.at, str(err))]) from err
    except InputError as err:
        raise ScenarioError([loaded.problem(("drive",), str(err))]) from err
    return BuiltDrive(spec=spec, facts=facts, timetable=timetable, schedule=schedule)


def _declared(loaded: LoadedScenario, *, allow_outside: bool) -> DriveSpec:
    """The drive as the scenario has it; what it holds is not looked at yet."""
    drive = loaded.scenario.drive
    root: Path | None = None
    if drive.path is not None:
        root = resolve(drive.path, beside=loaded.path, allow_outside=allow_outside).resolve()
    made = drive.synthetic
    return DriveSpec(
        streams=tuple(_stream(drive, name, root) for name in drive.streams),
        scene="" if made is None else made.scene,
        scene_seed=0 if made is None else made.seed,
        scene_parameters={} if made is None else dict(made.parameters),
        length_ns=0 if made is None else made.length,
        width=0 if made is None else made.size[0],
        height=0 if made is None else made.size[1],
        start_ns=drive.window.start,
        window_ns=drive.window.length,
        speeds=_speeds(drive),
    )


def _stream(drive: Drive, name: str, root: Path | None) -> StreamSpec:
    declared = drive.streams[name]
    path = root
    if root is not None and declared is not None and declared.file is not None:
        at = ("drive", "streams", name, "file")
        path = (root / declared.file).resolve()
        if not path.is_relative_to(root):
            raise DriveSettingError(at, f"{declared.file!r} lies outside the drive {root}")
        if not path.exists():
            raise DriveSettingError(at, f"there is no {declared.file!r} in {root}")
    return StreamSpec(
        name=name,
        path=None if path is None else str(path),
        kind=kind_of(drive, name),
        camera="" if root is not None else camera_of(name, declared) or "front",
        topic=None if declared is None else declared.topic,
        period_ns=None if declared is None else declared.period,
        phase_ns=0 if declared is None else declared.phase,
    )


def _speeds(drive: Drive) -> tuple[SpeedPoint, ...]:
    if drive.speed is None:
        return ()
    if isinstance(drive.speed, int):
        return (SpeedPoint(at_ns=0, speed_mm_s=drive.speed),)
    return tuple(SpeedPoint(at_ns=entry.at, speed_mm_s=entry.speed) for entry in drive.speed)


def _faults(drive: Drive) -> tuple[Fault, ...]:
    return tuple(
        Fault(
            stream=fault.stream,
            kind=fault.kind,
            at_ns=fault.at,
            for_ns=fault.span,
            by_ns=fault.by or 0,
            probability_ppm=round(fault.probability * WHOLE_PPM),
        )
        for fault in drive.faults
    )
