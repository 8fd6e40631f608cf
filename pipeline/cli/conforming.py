"""`splitway devices --conformance ID`: what a device or a backend keeps of its contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from pipeline import api
from pipeline.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from accelerators.conformance.suite import Conformance
    from pipeline.cli.options import Common

_FAILED = 1
_WIDE = 110  # a line of a table; --json has all of it
_PPM = 1_000_000


def examine(
    common: Common,
    subject: str,
    *,
    options: Sequence[str],
    models: Path | None,
    networks: Sequence[Path],
) -> None:
    """Run the checks, print what they found, and exit 1 where the contract is broken."""
    found = api.conformance(
        subject, options=pairs(options, "--option"), models=models, networks=networks
    )
    document = api.conformance_document(found)
    if common.json:
        print_json(document)
    else:
        _print(common, found)
    raise typer.Exit(0 if document["conforms"] else _FAILED)


def pairs(texts: Sequence[str], hint: str) -> dict[str, str]:
    """Options of the form KEY=VALUE.

    Raises:
        BadParameter: One is not.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise typer.BadParameter(f"{text!r} is not KEY=VALUE", param_hint=hint)
        found[key] = value
    return found


def _cut(text: str) -> str:
    return text if len(text) <= _WIDE else f"{text[: _WIDE - 1]}…"


def _print(common: Common, found: Conformance) -> None:
    told: list[str] = [found.kind]
    if found.isolated is not None:
        told.append("in a process of its own" if found.isolated else "in this process")
    if found.tolerance_ppm is not None:
        told.append(f"answers within {100 * found.tolerance_ppm / _PPM:g} % of the largest value")
    if found.emulated:
        told.append("emulated: its time says nothing of the device")
    print(f"{found.subject}: {', '.join(told)}")
    rows = [(f.check, f.outcome, _cut(f.detail)) for f in found.findings]
    print_table(common, ("check", "outcome", "seen"), rows, left=3)
    counts = {
        word: sum(finding.outcome == word for finding in found.findings)
        for word in ("held", "broken", "undecided")
    }
    print(", ".join(f"{count} {word}" for word, count in counts.items() if count))
    for finding in found.findings:
        if finding.outcome == "broken":
            print(f" broken   {finding.check}: {finding.promise}; {finding.detail}")
