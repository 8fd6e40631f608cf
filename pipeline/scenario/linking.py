"""What must agree within a link: where its figures come from, its faults and its shares."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pipeline.scenario.links import Link, LinkFault, TraceFiles

    Location = tuple[str | int, ...]


def link_problems(name: str, link: Link, tasks: Collection[str]) -> Iterator[tuple[Location, str]]:
    """Every problem of a link that the file alone shows, with the key it belongs to.

    Args:
        name: Name of the link.
        link: The link.
        tasks: Names of the tasks.
    """
    at = ("links", name)
    yield from _origin(at, link)
    for index, fault in enumerate(link.faults):
        yield from _fault((*at, "faults", index), fault)
    yield from _shares((*at, "shares"), link, tasks)


def _origin(at: Location, link: Link) -> Iterator[tuple[Location, str]]:
    """Exactly one of a trace, a profile and constants."""
    constants = {"up": link.up, "down": link.down, "rtt": link.rtt, "loss": link.loss}
    origin = next((key for key in ("trace", "profile") if getattr(link, key) is not None), None)
    if link.trace is not None and link.profile is not None:
        yield (*at, "profile"), "contradicts `trace`: a link has one of them, or constants"
    for key, value in constants.items():
        if origin is not None and value is not None:
            hint = ", inside its braces" if (origin, key) == ("trace", "rtt") else ""
            yield (*at, key), f"contradicts `{origin}`, which says it itself{hint}"
        if origin is None and value is None and key != "loss":
            yield (*at, key), "is missing: a link needs up, down and rtt, or a trace, or a profile"
    if link.loss is not None and link.loss >= 1:
        yield (*at, "loss"), "must be below 100%, or nothing ever arrives"
    if link.trace_files is not None:
        yield from _files((*at, "trace"), link.trace_files)


def _files(at: Location, files: TraceFiles) -> Iterator[tuple[Location, str]]:
    pair = (files.up, files.down)
    if (files.path is None) == (pair == (None, None)) or (pair != (None, None) and None in pair):
        yield at, "needs either one file (`path`), or the pair of `up` and `down`"


def _fault(at: Location, fault: LinkFault) -> Iterator[tuple[Location, str]]:
    if fault.kind == "slow":
        if fault.factor is None:
            yield at, "a slow link needs a `factor` on its rate, such as 1/4"
        elif not fault.factor < 1:
            yield (*at, "factor"), "must be below 1, or the link is not slow"
    elif fault.factor is not None:
        yield (*at, "factor"), f"is for `slow`; a {fault.kind} stops the link"
    if fault.extra is not None and fault.kind != "handover":
        yield (*at, "extra"), f"is for `handover`; a {fault.kind} leaves the round trip as it is"


def _shares(at: Location, link: Link, tasks: Collection[str]) -> Iterator[tuple[Location, str]]:
    for task, share in link.shares.items():
        if task not in tasks:
            close = difflib.get_close_matches(task, list(tasks), n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(tasks))}"
            yield (*at, task), f"there is no task {task!r}; {hint}"
        if share <= 0:
            yield (*at, task), "must be above 0%; leave the task out to have it share the rest"
    if sum(link.shares.values()) > 0.9999:  # noqa: PLR2004 - one part in ten thousand
        yield at, "must leave something for credits and for tasks without a share; 1% is enough"
