"""Sites for people: one table with the devices, the network and what the plan makes of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pipeline import api
from pipeline.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.api.siting import SiteDocument, SiteRouteDocument, SitesDocument
    from pipeline.cli.options import Common

_YIELDING = ("link", "down", "bias", "crossing", "over the link", "Mbit/s up", "rtt ms", "task")


class _Teller(api.Silent):
    """Says on standard error which site is being planned."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def stage(self, name: str) -> None:
        """One line."""
        if not self._quiet:
            print(f" {name}", file=sys.stderr, flush=True)


def plan_sites(
    common: Common,
    scenario: Path,
    given: api.Options,
    *,
    percentile: float,
    files: Sequence[Path],
    out: Path | None,
) -> None:
    """Plan at every site and print the table; `sites.json` in `out` where that is given."""
    document = api.compare_sites(
        scenario,
        given,
        percentile=percentile,
        files=files,
        observer=_Teller(quiet=common.quiet),
    )
    if out is not None:
        from replay.evidence import write_json

        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "sites.json", document)
    if common.json:
        print_json(document)
    else:
        print_sites(common, document)


def print_sites(common: Common, document: SitesDocument) -> None:
    """One row per site and task; with -v what is published and what is assumed."""
    print(f"{document['scenario']}  (ms at p{document['percentile']:g}, idle)")
    header = (
        *("", "site", "device", "task", "runs", "over the link"),
        *("Mbit/s up", "down", "rtt ms", "link", "run", "bias", "crossing", "bias"),
    )
    rows = [
        row
        for site in document["sites"]
        for row in _rows(site, best=site["site"] == document["best"])
    ]
    print_table(common, header, rows, left=6, yielding=_YIELDING)
    best = document["best"]
    if best is None:
        print("no site meets a deadline")
    else:
        print(f"best: {best}, which meets most deadlines, and crosses quickest of those that do")
    for site in document["sites"]:
        if site["assumed"]:
            print(f"  {site['site']}: {len(site['assumed'])} figures assumed, wholly or in part")
        if common.verbose:
            for fact in site["published"]:
                print(f"    published: {fact['text']} ({fact['source']})")
            for text in site["assumed"]:
                print(f"    {text}")


def _rows(site: SiteDocument, *, best: bool) -> list[tuple[str, ...]]:
    devices = ", ".join(f"{device['id']} ({device['label']})" for device in site["devices"])
    link = site["link"]
    rates = (link["up_mbps"], link["down_mbps"], link["rtt_ms"])
    figures = ["varies" if value is None else f"{value:.3g}" for value in rates]
    rows = []
    for index, task in enumerate(site["tasks"]):
        run, over = task["run"], task["over_link"]
        first = index == 0
        rows.append(
            (
                "▶" if best and first else "",
                site["site"] if first else "",
                devices if first else "",
                task["name"],
                _name(run),
                "none" if over is None else _name(over),
                *(figures if first else ("", "", "")),
                link["label"] if first else "",
                f"{run['latency_ms']:.1f}",
                _interval(run),
                "" if over is None else f"{over['latency_ms']:.1f}",
                "" if over is None else _interval(over),
            )
        )
    return rows


def _name(route: SiteRouteDocument) -> str:
    return route["title"] + ("" if route["feasible"] else " (too late)")


def _interval(route: SiteRouteDocument) -> str:
    low, high = route["interval_ms"]
    return f"{low:.1f}–{high:.1f}"
