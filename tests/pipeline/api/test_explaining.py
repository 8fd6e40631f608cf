"""Misses explained from a run's directory, each by a cause that the scenario put there."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from pipeline import api
from pipeline.api.attributing import explain_directory
from pipeline.api.modelling import MODEL, read_model
from pipeline.api.rerunning import CORE, read_stored
from pipeline.errors import EvidenceError, InputError
from pipeline.ledger import durations_ns
from pipeline.ledger.reading import read_rows
from pipeline.ledger.spans import SPANS
from pipeline.runtime.virtual import run_virtual
from pipeline.verdict.attribution_evidence import Evidence
from pipeline.verdict.attribution_replay import Replays, cuts_of
from pipeline.verdict.attribution_stretches import Stretches

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pipeline.ledger import Row
    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.events import Event

_SECOND_TASK = (
    "paths:\n",
    """  other:
    input: {stream: front, size: [416, 256], fit: letterbox}
    variants: {untrained: {model: "builtin:detector"}}
    output: yolox
    route: raw
paths:
  big: {from: front, through: [other], every: 3, e2e: 400ms}
""",
)


@pytest.fixture
def replay(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> Callable[..., tuple[Path, api.Result]]:
    """Run a variant of the small scenario in virtual time, with modelled sizes."""

    def run(*replacements: tuple[str, str], **sets: str) -> tuple[Path, api.Result]:
        overrides = [f"{key.replace('__', '.')}={value}" for key, value in sets.items()]
        options = api.Options(overrides=("run.sizes=modelled", *overrides))
        out = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        some = ("  some: {from: front, through: [objects], every: 4, e2e: 400ms}\n", "")
        scenario = write_scenario(some, *replacements)
        return out, api.run(scenario, options, virtual=True, out=out)

    return run


def test_waiting_behind_another_tasks_uplink_is_found_and_so_is_what_would_help(
    replay: Callable[..., tuple[Path, api.Result]],
) -> None:
    """Big raw pictures hold the link: without that wait every deadline is met, and it is."""
    out, result = replay(_SECOND_TASK, links__cell__up="30Mbit/s", paths__all__e2e="60ms")
    misses = sum(row.path == "all" and row.fate != "cloud" for row in result.ledger.rows())
    found = api.explain(out)
    assert found["driver"] == "virtual"
    assert found["counterfactuals"] == "exact"
    assert found["misses"] == found["replayed"] == misses > 10
    (cause,) = found["causes"]
    assert (cause["path"], cause["span"], cause["share"]) == ("all", "uplink_wait", 1.0)
    assert cause["behind"] == {"path": "big", "span": "uplink"}
    assert [(r["spans"], r["misses"]) for r in found["remedies"]] == [(["uplink_wait"], misses)]
    for frame in found["frames"]:
        latency_ms = frame["counterfactual"]["latency_ms"]
        assert latency_ms is not None
        assert latency_ms <= frame["deadline_ms"] == 60
        longest = max(frame["waited"], key=lambda wait: wait["ms"])
        assert (longest["task"], longest["span"]) == ("other", "uplink_wait")
    _, alone = replay(links__cell__up="30Mbit/s", paths__all__e2e="60ms")
    assert alone.document["paths"][0]["misses"] == 0  # the remedy, carried out


def test_a_slowed_device_is_to_blame_for_what_it_did_itself_and_for_what_waited(
    replay: Callable[..., tuple[Path, api.Result]],
) -> None:
    """A cloud that is 400 times slower for half a second: its own span, or waiting for it."""
    out, _ = replay(
        ("route: split", "route: encoded"),
        devices__cloud0__faults="[{at: 500ms, for: 500ms, kind: slow, factor: 400}]",
        paths__all__e2e="60ms",
    )
    found = api.explain(out)
    assert found["misses"] > 3
    slow = {frame["frame"] for frame in found["frames"]}
    assert min(slow) >= 8
    spans = {frame["blame"] for frame in found["frames"]}
    assert spans <= {"cloud", "cloud_wait", "uplink_wait"}
    served = [frame for frame in found["frames"] if frame["blame"] == "cloud"]
    assert served
    for frame in served:
        assert frame["counterfactual"]["spans"] == ["cloud"]


def test_an_outage_is_nobodys_uplink(replay: Callable[..., tuple[Path, api.Result]]) -> None:
    """Frames sent into a blackout wait for the link itself, then behind each other."""
    out, _ = replay(
        links__cell__faults="[{at: 500ms, for: 400ms, kind: blackout}]", paths__all__e2e="100ms"
    )
    found = api.explain(out)
    assert found["misses"] >= 6
    assert all(8 <= frame["frame"] <= 19 for frame in found["frames"])
    first = found["frames"][0]
    assert first["blame"] == "uplink_wait"
    assert first["behind"] is None
    assert first["counterfactual"]["spans"] == ["uplink_wait", "downlink_wait"]  # the answer too
    later = [frame for frame in found["frames"] if frame["cause"] == "overtaken"]
    assert later
    for frame in later:
        assert frame["blame"] == "edge_wait"
        assert frame["behind"] == {"path": "all", "span": "uplink_wait"}


def test_dropped_frames_are_charged_to_what_held_their_place(
    replay: Callable[..., tuple[Path, api.Result]],
) -> None:
    """One frame in flight on a slow link: the next ones wait behind its uplink until overtaken."""
    out, result = replay(
        ("route: split", "route: raw"),
        links__cell__up="8Mbit/s",
        paths__all__e2e="2s",
        policy__in_flight="1",
    )
    dropped = [row for row in result.ledger.rows() if row.cause == "overtaken"]
    found = api.explain(out)
    assert len(dropped) == found["misses"] > 20
    (cause,) = found["causes"]
    assert (cause["span"], cause["behind"]) == ("uplink_wait", {"path": "all", "span": "uplink"})
    for frame in found["frames"]:
        assert frame["entered"] == "uplink_wait"
        assert sum(frame["spans_ms"].values()) == pytest.approx(50, abs=5)


def test_a_fused_path_waits_for_its_last_partner(
    replay: Callable[..., tuple[Path, api.Result]],
) -> None:
    """The anchor stays in the car; its partner's big picture takes long on the link."""
    out, result = replay(
        (
            "streams: {front: {period: 50ms}}",
            "streams: {front: {period: 50ms}, left: {period: 50ms}}",
        ),
        (
            "paths:\n",
            _SECOND_TASK[1].replace("stream: front", "stream: left").partition("paths:")[0]
            + """paths:
  both:
    from: {anchor: front, with: {left: {wait: 300ms}}}
    through: [objects, other, fuse]
    every: 8
    e2e: 35ms
    horizon: 900ms
""",
        ),
        ("    route: split\n", "    route: edge\n"),
        links__cell__up="100Mbit/s",
    )
    rows = [row for row in result.ledger.rows() if row.path == "both"]
    misses = [row for row in rows if row.fate not in ("cloud", "edge")]
    assert misses
    found = api.explain(out)
    frames = [frame for frame in found["frames"] if frame["path"] == "both"]
    assert len(frames) == len(misses)
    for frame in frames:
        assert frame["spans_ms"]["fuse_wait"] > 5
        longest = max(frame["waited"], key=lambda wait: wait["ms"])
        assert (longest["span"], longest["task"]) == ("fuse_wait", "other")
        assert longest["behind"] is not None
        assert longest["behind"]["span"] in ("uplink", "uplink_wait")


def _replays(out: Path) -> tuple[list[Row], Evidence, Replays]:
    """A run's rows, what its cores saw, and a replay of it that has begun."""
    stored, model = read_stored(out / CORE), read_model(out / MODEL)
    evidence = Evidence(stored.core)

    def saw(node: str, at_ns: int, event: Event | None, commands: Sequence[Command]) -> None:
        del commands
        evidence.saw(node, at_ns, event)

    run_virtual(model.setup(stored.core, stored.schedule), on_event=saw)
    rows = list(read_rows((out / "ledger.csv").read_text("utf-8")))
    return rows, evidence, Replays(model.setup(stored.core, stored.schedule), {})


def test_the_replay_of_a_window_gives_the_stamps_of_the_run(
    replay: Callable[..., tuple[Path, api.Result]],
) -> None:
    """From where a frame was due, with nothing shortened, it is delivered when it was."""
    out, _ = replay(_SECOND_TASK, links__cell__up="20Mbit/s")
    rows, _, replays = _replays(out)
    for row in rows:
        replays.go_to(row.scheduled_ns)
        delivered_ns = replays.delivery_ns(row, (), until_ns=row.scheduled_ns + 10**10)
        assert delivered_ns == row.stamps.get("deliver")


def test_the_spans_in_time_are_those_of_the_ledger(
    replay: Callable[..., tuple[Path, api.Result]],
) -> None:
    """Told from the events, each span of an answered frame is as long as its stamps say."""
    out, _ = replay(_SECOND_TASK, links__cell__up="20Mbit/s")
    rows, evidence, _ = _replays(out)
    stretches = Stretches(evidence)
    answered = [row for row in rows if "deliver" in row.stamps]
    assert len(answered) > 20
    for row in answered:
        found = {stretch.span: stretch.length_ns for stretch in stretches.of(row)}
        stamped = durations_ns(row.scheduled_ns, row.stamps)
        assert found == {span: ns for span, ns in stamped.items() if ns > 0}


def test_no_smaller_set_of_spans_would_have_done(
    replay: Callable[..., tuple[Path, api.Result]],
) -> None:
    """Every set that is found meets the deadline, and no set of fewer spans does."""
    out, _ = replay(_SECOND_TASK, links__cell__up="22Mbit/s", paths__all__e2e="21ms")
    explained = explain_directory(out)
    rows, evidence, _ = _replays(out)
    assert rows
    stretches, sizes = Stretches(evidence), set[int]()
    for miss in explained.misses[::5]:
        if miss.counterfactual.answer != "found":
            continue
        norm = explained.norms[miss.row.path]
        cuts = cuts_of(stretches.of(miss.row), norm.medians_ns)
        size = len(miss.counterfactual.spans)
        sizes.add(size)
        _, _, replays = _replays(out)
        replays.go_to(min(cut.from_ns for cut in cuts))

        def met(names: Sequence[str], row: Row = miss.row, replays: Replays = replays) -> bool:
            chosen = [cut for cut in cuts if cut.span in names]  # noqa: B023 - used in this turn
            at_ns = replays.delivery_ns(row, chosen)
            return at_ns is not None and at_ns <= row.deadline_at_ns

        assert met(miss.counterfactual.spans)
        assert list(miss.counterfactual.spans) == sorted(miss.counterfactual.spans, key=SPANS.index)
        for fewer in combinations([cut.span for cut in cuts], size - 1):
            assert not met(fewer)
    assert sizes


def test_one_frame_is_explained_as_among_all(
    replay: Callable[..., tuple[Path, api.Result]],
) -> None:
    """Asked for alone it gets the same answer; so it does when fewer are replayed."""
    out, _ = replay(_SECOND_TASK, links__cell__up="30Mbit/s", paths__all__e2e="60ms")
    frames = api.explain(out)["frames"]
    last = frames[-1]
    alone = api.explain(out, frame=f"all/{last['frame']}")
    assert alone["frames"] == [last]
    few = api.explain(out, most=2)
    assert (few["misses"], few["replayed"]) == (len(frames), 2)
    answers = [frame["counterfactual"]["answer"] for frame in few["frames"]]
    assert answers.count("not-replayed") == len(frames) - 2
    assert [f["blame"] for f in few["frames"]] == [f["blame"] for f in frames]
    assert api.explain(out, most=0)["replayed"] == 0


def test_what_cannot_be_explained_is_said(
    replay: Callable[..., tuple[Path, api.Result]], tmp_path: Path
) -> None:
    """No run, no such frame, a frame that was met, a missing model, an altered ledger."""
    out, result = replay(paths__all__e2e="400ms")
    assert result.document["paths"][0]["misses"] == 0
    found = api.explain(out)
    assert (found["misses"], found["causes"], found["remedies"]) == (0, [], [])
    with pytest.raises(EvidenceError, match="no such directory"):
        api.explain(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"all/999: .* has no such row; its paths are all"):
        api.explain(out, frame="all/999")
    with pytest.raises(InputError, match="is cloud, which is no miss"):
        api.explain(out, frame="all/3")
    with pytest.raises(InputError, match="must be PATH/N"):
        api.explain(out, frame="all")
    ledger = out / "ledger.csv"
    lines = ledger.read_text("utf-8").splitlines()
    column = lines[0].split(",").index("prepare_ns")
    cells = lines[5].split(",")
    cells[column] = str(int(cells[column]) + 1)
    ledger.write_text("\n".join([*lines[:5], ",".join(cells), *lines[6:], ""]), "utf-8")
    with pytest.raises(EvidenceError, match="frame 4 of all gets other stamps"):
        api.explain(out)
    (out / MODEL).unlink()
    with pytest.raises(EvidenceError, match=r"model\.json.*run again"):
        api.explain(out)


@pytest.mark.live
def test_a_live_run_is_explained_by_its_own_stamps(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """A deadline that nothing can meet: each frame has a blame, and the replays are modelled."""
    scenario = write_scenario(("length: 2s", "length: 1s"), ("e2e: 200ms", "e2e: 2ms"))
    result = api.run(scenario, out=tmp_path / "live")
    found = api.explain(tmp_path / "live")
    assert (found["driver"], found["counterfactuals"]) == ("live", "modelled")
    missed = [row for row in result.ledger.rows() if row.fate in ("late", "dropped", "failed")]
    assert [(f["path"], f["frame"]) for f in found["frames"]] == [
        (row.path, row.frame) for row in missed
    ]
    assert len(missed) >= 20
    answers = {frame["counterfactual"]["answer"] for frame in found["frames"]}
    assert answers <= {"none", "not-replayed"}
    late = [(row, f) for row, f in zip(missed, found["frames"], strict=True) if f["latency_ms"]]
    for row, frame in late:
        assert sum(frame["spans_ms"].values()) == pytest.approx(frame["latency_ms"])
        assert frame["latency_ms"] == pytest.approx(
            (row.stamps["deliver"] - row.scheduled_ns) / 1e6
        )


def test_the_command_prints_the_ranked_table_and_one_frame(
    replay: Callable[..., tuple[Path, api.Result]],
) -> None:
    """For people and as JSON, of the same content."""
    out, _ = replay(_SECOND_TASK, links__cell__up="30Mbit/s", paths__all__e2e="60ms")

    def explain(*arguments: str) -> str:
        code = "from pipeline.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code, "explain", str(out), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    document = json.loads(explain("--json"))
    assert document == api.explain(out)
    table = explain()
    assert "100 %  all   uplink wait behind big (uplink)" in table
    assert f"{document['misses']} misses of {document['rows']} rows, virtual" in table
    name = f"all/{document['frames'][0]['frame']}"
    frame = explain("--frame", name)
    assert frame.startswith(f"{name}: ")
    assert "met by  uplink wait at the median" in frame
