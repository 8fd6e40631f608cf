"""What `splitway explain` says to people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.cli.printing import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.api.explaining import (
        BehindDocument,
        ExplainDocument,
        MissDocument,
        WaitedDocument,
    )
    from pipeline.cli.options import Common

_MOST_CAUSES = 12


def print_explanation(common: Common, document: ExplainDocument, *, single: bool) -> None:
    """The ranked reasons and remedies, or one frame in full."""
    if single:
        for frame in document["frames"]:
            _print_frame(common, document, frame)
        return
    misses = document["misses"]
    print(f"{misses} misses of {document['rows']} rows, {document['driver']}")
    if not misses:
        return
    rows = [
        (
            _share(cause["share"]),
            cause["path"],
            f"{_words(cause['span'])}{_after(cause['path'], cause['behind'])}",
            str(cause["misses"]),
        )
        for cause in document["causes"][:_MOST_CAUSES]
    ]
    print_table(common, ("share", "path", "to blame", "misses"), rows, left=3)
    left = len(document["causes"]) - _MOST_CAUSES
    if left > 0:
        print(f" and {left} more reasons, all in --json")
    if document["replayed"]:
        print(f"at their medians these spans would have met the deadline, of {_replayed(document)}")
        remedies = [
            (_share(r["share"]), " + ".join(map(_words, r["spans"])), str(r["misses"]))
            for r in document["remedies"][:_MOST_CAUSES]
        ]
        remedies += _unremedied(document["frames"])
        print_table(common, ("share", "spans", "misses"), remedies, left=2)
    print(f" note    {_exactness(document)}")
    print(f" note    one frame in full: --frame {_name(document['frames'][0])}")


def _print_frame(common: Common, document: ExplainDocument, frame: MissDocument) -> None:
    latency, entered = frame["latency_ms"], frame["entered"]
    came = f"no answer, ended in {entered}" if latency is None else f"{latency:.2f} ms"
    cause = f"({frame['cause']})" if frame["cause"] else ""
    print(f"{_name(frame)}: {frame['fate']}{cause}: {came}, deadline {frame['deadline_ms']:g} ms")
    medians = next(p["medians_ms"] for p in document["paths"] if p["name"] == frame["path"])
    rows = [
        (span, f"{ms:.3f}", f"{medians[span]:.3f}" if span in medians else "")
        for span, ms in frame["spans_ms"].items()
    ]
    print_table(common, ("span", "ms", "median"), rows)
    excess = "" if frame["excess_ms"] is None else f", {frame['excess_ms']:.2f} ms over its budget"
    print(f" blame   {_words(frame['blame'])}{_after(frame['path'], frame['behind'])}{excess}")
    for wait in frame["waited"]:
        if wait["behind"] is not None:
            print(f" behind  {_waited(wait)}")
    found = frame["counterfactual"]
    if found["latency_ms"] is not None:
        spans = " + ".join(map(_words, found["spans"]))
        print(f" met by  {spans} at the median: {found['latency_ms']:.2f} ms")
    else:
        print(f" met by  {_ANSWERS[found['answer']]}")
    print(f" note    {_exactness(document)}")


_ANSWERS = {
    "none": "not even all its spans",
    "not-reproduced": "the replay meets the deadline as it is",
    "not-replayed": "not looked for",
}


def _waited(wait: WaitedDocument) -> str:
    behind = wait["behind"]
    doing = "" if behind is None else _words(behind["span"])
    return f"{wait['ms']:.3f} ms of {_words(wait['span'])}: {wait['task']}/{wait['frame']} {doing}"


def _unremedied(frames: Sequence[MissDocument]) -> list[tuple[str, str, str]]:
    answers = [frame["counterfactual"]["answer"] for frame in frames]
    replayed = sum(answer != "not-replayed" for answer in answers)
    return [
        (_share(answers.count(answer) / replayed), words, str(answers.count(answer)))
        for answer, words in _ANSWERS.items()
        if answer != "not-replayed" and answer in answers
    ]


def _replayed(document: ExplainDocument) -> str:
    if document["replayed"] == document["misses"]:
        return f"all {document['misses']} misses"
    return f"{document['replayed']} misses that were replayed"


def _exactness(document: ExplainDocument) -> str:
    if document["driver"] == "virtual":
        return "stamps and replays are the virtual run's own: exact under its model"
    return (
        "stamps and waits are the live run's own; replays are modelled: its measured durations, "
        "with queues and decisions run again"
    )


def _after(path: str, behind: BehindDocument | None) -> str:
    if behind is None:
        return ""
    whose = "its own earlier frames" if behind["path"] == path else behind["path"]
    return f" behind {whose} ({_words(behind['span'])})"


def _share(share: float) -> str:
    return "<1 %" if share < 0.01 else f"{100 * share:.0f} %"  # noqa: PLR2004 - one per cent


def _words(span: str) -> str:
    return span.replace("_", " ")


def _name(frame: MissDocument) -> str:
    return f"{frame['path']}/{frame['frame']}"
