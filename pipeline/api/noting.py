"""What a reader of a run's figures should know, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from replay.faults import counts_of

if TYPE_CHECKING:
    from pipeline.assembly import Assembled
    from pipeline.runtime.outcome import Outcome
    from pipeline.runtime.priming import Primed


def run_notes(
    assembled: Assembled, outcome: Outcome, primed: Primed, *, virtual: bool
) -> list[str]:
    """Sentences on what is modelled, computed and measured, and on what happened by the way.

    Args:
        assembled: What ran.
        outcome: How it went.
        primed: What was computed ahead.
        virtual: Whether it ran in virtual time.
    """
    spec = assembled.spec
    notes = list(assembled.warnings)
    emulated = [f"{d.id} {d.label}" for d in spec.devices.values() if not d.real]
    if virtual:
        notes.append(f"latencies are modelled: devices ({', '.join(emulated)}), hosts, hops, link")
    elif emulated:
        notes.append(
            f"latencies are emulated: holds ({', '.join(emulated)}) and the shaped link are "
            "modelled; sockets, codecs and host stages are real"
        )
    else:
        notes.append("devices are real and measured; the shaped link alone is modelled")
    notes.extend(
        f"link {name}: {link.describe()}" for name, link in spec.links.items() if link.trace
    )
    notes.extend(
        dict.fromkeys(
            f"{segment.name} on {device} computes {segment.computes}"
            for device in spec.devices
            for segment in spec.segments_on(device)
            if segment.computes
        )
    )
    notes.extend(
        f"the network of {task} is untrained: the run shows timing, not accuracy"
        for task in assembled.untrained
    )
    if outcome.lags_ns and not virtual:
        worst_ms = max(outcome.lags_ns) / 1e6
        notes.append(f"the player's worst lag was {worst_ms:.2f} ms")
    if outcome.hold_late_ns:
        late = np.percentile(outcome.hold_late_ns, 99, method="inverted_cdf") / 1e6
        notes.append(f"holds let go at most {late:.2f} ms late at p99")
    if primed.hits + primed.misses:
        notes.append(f"primed {primed.hits + primed.misses} pictures, {primed.hits} from the cache")
    if primed.refused:
        notes.append(
            f"the result cache {spec.cache} cannot be written: {primed.refused}; what was computed "
            "is not kept, and the next run computes it again"
        )
    wanted = assembled.loaded.scenario.run.sizes
    if wanted == "modelled" and virtual:
        notes.append("sizes are modelled: nothing was computed, so there are no results to score")
    elif wanted == "modelled":
        notes.append("sizes are exact: a live run sends the bytes themselves")
    notes.extend(_drive_notes(assembled, outcome))
    counted = {n: c for n, c in outcome.notes.items() if n not in ("drained", "stopped")}
    notes.extend(f"{name}: {count}" for name, count in sorted(counted.items()))
    return notes


def _drive_notes(assembled: Assembled, outcome: Outcome) -> list[str]:
    """What of the drive itself a reader of the figures has to know."""
    notes = []
    played = outcome.played
    faults = counts_of(f for f in assembled.schedule if f.number < played.get(f.stream, 0))
    if faults:
        told = ", ".join(f"{kind} {count}" for kind, count in sorted(faults.items()))
        notes.append(f"sensor faults were injected, frames by kind: {told}")
    if assembled.spec.full_speed:
        sent = sum(len(found) for found in (outcome.sent_ns or {}).values())
        notes.append(
            f"at full speed {sent} frames were played as fast as they were settled: latency counts "
            "from sending, and deadlines are not judged"
        )
    return notes
