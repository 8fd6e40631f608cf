"""What a device or a backend keeps of its contract, for `splitway devices --conformance`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from accelerators.conformance.suite import Conformance

SCHEMA = "splitway.conformance/1"
_PPM = 1_000_000


def conformance(
    subject: str,
    *,
    options: Mapping[str, str] | None = None,
    models: Path | None = None,
    networks: Sequence[Path] = (),
) -> Conformance:
    """Run every check of the conformance suite on a device or a backend.

    Args:
        subject: Id of a device or backend, or path of a device's TOML file.
        options: Options of a backend.
        models: Folder that the small networks of the suite are written to, and where the compiled
            files of a vendor's backend lie; a folder that is removed afterwards where left out.
        networks: Networks of one's own to compare answers on.

    Raises:
        InputError: A network is missing, or the folder is a file.
        AcceleratorError: There is no such device or backend, or it cannot work here.
    """
    from accelerators.conformance.suite import examine
    from replay.clock import WallClock

    missing = [path for path in networks if not path.is_file()]
    if missing:
        raise InputError(f"{missing[0]}: there is no such file")
    if models is not None and models.exists() and not models.is_dir():
        raise InputError(f"{models}: is a file; --models names a folder")
    now_ns = WallClock().now_ns
    if models is not None:
        models.mkdir(parents=True, exist_ok=True)
        return examine(subject, models, now_ns, options=options, networks=networks)
    with tempfile.TemporaryDirectory(prefix="splitway-") as folder:
        return examine(subject, Path(folder), now_ns, options=options, networks=networks)


def conformance_document(found: Conformance) -> dict[str, object]:
    """What was found as a plain document, schema `splitway.conformance/1`."""
    outcomes = [finding.outcome for finding in found.findings]
    return {
        "schema": SCHEMA,
        "id": found.subject,
        "kind": found.kind,
        "conforms": "broken" not in outcomes,
        "tolerance": None if found.tolerance_ppm is None else found.tolerance_ppm / _PPM,
        "own_process": found.isolated,
        "emulated": found.emulated,
        "counts": {word: outcomes.count(word) for word in ("held", "broken", "undecided")},
        "checks": [
            {
                "check": finding.check,
                "promise": finding.promise,
                "outcome": finding.outcome,
                "detail": finding.detail,
            }
            for finding in found.findings
        ],
    }
