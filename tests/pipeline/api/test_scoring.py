"""Scoring whole runs from their evidence, gates on it, and several runs on one front."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline import api
from pipeline.api.scoring_evidence import FACTS, LABELS, RESULTS, open_run
from pipeline.cli.app import app
from pipeline.errors import ClassesError, EvidenceError, LabelsError, ScenarioError, ScoringError
from pipeline.scenario.models import Metric
from pipeline.scoring.keeping import pack_truths
from pipeline.scoring.scores import FIGURES, METRICS
from pipeline.scoring.truths import StreamTruth, collect
from pipeline.tasks.builtin import build_demo_network
from replay.evidence import verify_manifest
from sensors.labels import FrameLabels, Labels2D

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MS = 1_000_000
PERIOD_NS = 50 * MS
FRAMES = 40
# No network that is trained is needed: what is true is made of what the run itself found.
FEW = ("output: yolox", "output: {decoder: yolox, score: 0.05, most: 60}")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of runs that tests copy or read."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def run(write_scenario: Callable[..., Path], runs: Path) -> Callable[..., Path]:
    """A virtual run with settings, once for the module."""

    def make(name: str, *sets: str) -> Path:
        directory = runs / name
        if not directory.exists():
            api.run(write_scenario(FEW), api.Options(overrides=sets), virtual=True, out=directory)
        return directory

    return make


def found_in(directory: Path) -> dict[int, list[tuple[list[float], str]]]:
    """Boxes and classes that a run found, by frame."""
    lines = (directory / RESULTS).read_text(encoding="utf-8").splitlines()
    return {
        line["frame"]: list(zip(line["boxes"], line["classes"], strict=True))
        for line in map(json.loads, lines)
        if line["path"] == "all"
    }


def label(frame: int, boxes: list[tuple[list[float], str]], *, by_px: float = 0.0) -> FrameLabels:
    """Labels of one frame."""
    names = tuple(dict.fromkeys(name for _, name in boxes))
    count = len(boxes)
    return FrameLabels(
        stream="front",
        index=frame,
        stamp_ns=frame * PERIOD_NS,
        boxes=Labels2D(
            names=names,
            tracks=np.arange(count),
            classes=np.array([names.index(name) for _, name in boxes], np.int64),
            xyxy=np.array([box for box, _ in boxes], np.float32).reshape(-1, 4) + by_px,
            visibility=np.ones(count, np.float32),
            truncation=np.zeros(count, np.float32),
            distances_m=np.full(count, 20.0, np.float32),
        ),
    )


def keep(directory: Path, *labels: FrameLabels) -> StreamTruth:
    """Leave labels with a run as a labelled drive would."""
    stamps_ns = [n * PERIOD_NS for n in range(FRAMES)]
    truth = collect("front", labels, stamps_ns=stamps_ns, size=(320, 192))
    (directory / LABELS).write_bytes(pack_truths([truth]))
    return truth


def copied(directory: Path, to: Path) -> Path:
    """A copy that may be changed."""
    shutil.copytree(directory, to)
    return to


def test_a_run_agrees_with_itself_offline_and_not_in_its_own_time(
    run: Callable[..., Path],
) -> None:
    """What was found is true, and late: what counts at an instant is of an earlier frame."""
    directory = run("split")
    report = api.score_run(directory, api.ScoreOptions(against=directory, least_score=0.0))
    score = report.scores["objects"]
    assert (score.labelled, score.results, score.path) == (FRAMES, FRAMES, "all")
    assert score.figures["map"] == score.figures["map_all"] == pytest.approx(1.0)
    assert score.figures["coverage"] == 1.0
    assert score.figures["cloud_map"] == pytest.approx(1.0)
    assert score.figures["edge_map"] is None
    assert "edge" in score.reasons["edge_map"]
    assert (score.figures["without"] or 0) > 0
    assert score.figures["in_time"] == 0
    streaming = score.figures["streaming_map"]
    assert streaming is not None
    assert streaming < 0.9
    for name, value in score.figures.items():
        assert (value is None) == (name in score.reasons), name


def test_labels_that_were_kept_are_what_counts(run: Callable[..., Path], tmp_path: Path) -> None:
    """Shifted by a pixel they still fit at an overlap of a half, and not at all of them."""
    directory = copied(run("split"), tmp_path / "run")
    keep(directory, *(label(n, boxes) for n, boxes in found_in(directory).items()))
    exact = api.score_run(directory).scores["objects"]
    assert exact.figures["map"] == pytest.approx(1.0)
    assert exact.figures["safety_misses"] is not None
    keep(directory, *(label(n, boxes, by_px=2.0) for n, boxes in found_in(directory).items()))
    moved = api.score_run(directory).scores["objects"]
    assert 0.0 < (moved.figures["map"] or 0.0) < 0.95
    assert moved.figures["ap50"] != moved.figures["ap75"]


def test_only_labelled_frames_count(run: Callable[..., Path], tmp_path: Path) -> None:
    """A drive that is labelled here and there is scored there."""
    directory = copied(run("split"), tmp_path / "run")
    found = found_in(directory)
    keep(directory, *(label(n, found[n]) for n in (3, 9, 30)))
    score = api.score_run(directory).scores["objects"]
    assert (score.labelled, score.results) == (3, 3)
    assert score.figures["map"] == pytest.approx(1.0)


def test_without_labels_the_ways_to_get_some_are_named(
    run: Callable[..., Path], tmp_path: Path
) -> None:
    """Missing labels, a recording that is not there, one that is broken."""
    directory = copied(run("split"), tmp_path / "run")
    (directory / LABELS).unlink(missing_ok=True)
    with pytest.raises(LabelsError, match="no labels of front; name a labelled recording"):
        api.score_run(directory)
    with pytest.raises(LabelsError, match="no such recording"):
        api.score_run(directory, api.ScoreOptions(labels=tmp_path / "nothing.mcap"))
    (directory / LABELS).write_bytes(b"no labels")
    with pytest.raises(EvidenceError, match="are no labels of a run"):
        api.score_run(directory)


def test_nothing_in_common_is_an_error_and_a_map_of_names_mends_it(
    run: Callable[..., Path], tmp_path: Path
) -> None:
    """Never a score of zero."""
    directory = copied(run("split"), tmp_path / "run")
    found = found_in(directory)
    names = {name for boxes in found.values() for _, name in boxes}
    keep(directory, *(label(n, [(b, f"my-{c}") for b, c in boxes]) for n, boxes in found.items()))
    with pytest.raises(ClassesError, match="no class in common"):
        api.score_run(directory)
    same = {f"my-{name}": name for name in names}
    score = api.score_run(directory, api.ScoreOptions(classes=same)).scores["objects"]
    assert score.figures["map"] == pytest.approx(1.0)


def test_runs_that_cannot_be_scored_are_refused_by_name(
    run: Callable[..., Path], tmp_path: Path, write_scenario: Callable[..., Path]
) -> None:
    """No run, no such task, no results, results that the ledger does not know, another drive."""
    directory = run("split")
    with pytest.raises(EvidenceError):
        api.score_run(tmp_path)
    options = api.ScoreOptions(against=directory, tasks=("object",))
    with pytest.raises(ScoringError, match="no task 'object'; known: objects"):
        api.score_run(directory, options)
    modelled = tmp_path / "modelled"
    api.run(
        write_scenario(), api.Options(overrides=("run.sizes=modelled",)), virtual=True, out=modelled
    )
    against = api.ScoreOptions(against=directory)
    with pytest.raises(ScoringError, match=r"`run\.sizes: modelled` nothing is computed"):
        api.score_run(modelled, against)
    gone = copied(directory, tmp_path / "gone")
    (gone / RESULTS).unlink()
    with pytest.raises(EvidenceError, match="results are gone; run the scenario again"):
        api.score_run(gone, against)
    strange = copied(directory, tmp_path / "strange")
    line = json.dumps({"path": "all", "frame": 900, "boxes": [], "scores": [], "classes": []})
    with (strange / RESULTS).open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(ScoringError, match="frame 900 of all, which the ledger says"):
        api.score_run(strange, against)
    with pytest.raises(ScoringError, match="not of one drive: stream front has 40 and 30 frames"):
        api.score_run(directory, api.ScoreOptions(against=run("short", "drive.window.length=1.5s")))


def test_frames_without_a_result_are_missed_in_one_figure_and_left_out_of_the_other(
    run: Callable[..., Path],
) -> None:
    """An uplink that is far too slow drops frames; coverage says how many."""
    directory = run("slow", "links.cell.up=20Mbit/s", "tasks.objects.route=raw")
    options = api.ScoreOptions(against=run("split"), least_score=0.0)
    score = api.score_run(directory, options).scores["objects"]
    assert score.results < score.labelled
    assert score.figures["coverage"] == pytest.approx(score.results / score.labelled)
    assert (score.figures["map_all"] or 0) < (score.figures["map"] or 0)


def test_several_passes_are_scored_as_one_long_drive(run: Callable[..., Path]) -> None:
    """Each frame of each pass against the same truth, and instants go on."""
    options = api.ScoreOptions(against=run("split"), least_score=0.0)
    score = api.score_run(run("loops", "run.loop=3"), options).scores["objects"]
    assert (score.labelled, score.results) == (3 * FRAMES, 3 * FRAMES)
    assert score.figures["map"] == pytest.approx(1.0)


def test_one_front_marks_what_nothing_beats(run: Callable[..., Path]) -> None:
    """Bytes, deadlines, streaming accuracy and energy of three plans on one drive."""
    names = ["split", "edge", "slow"]
    directories = [
        run("split"),
        run("edge", "tasks.objects.route=edge"),
        run("slow", "links.cell.up=20Mbit/s", "tasks.objects.route=raw"),
    ]
    found = api.front(directories, api.ScoreOptions(against=run("split"), least_score=0.0))
    entries = dict(zip(names, found.tasks["objects"], strict=True))
    assert entries["edge"].bytes_up == 0
    assert entries["split"].bytes_up > 0
    assert entries["split"].on_time == 1.0
    assert entries["slow"].on_time < 0.5
    assert entries["edge"].best
    assert not entries["slow"].best
    assert found.compared["objects"] == ("bytes_up", "on_time", "streaming")  # one has no energy
    document = found.document()
    assert document["schema"] == "splitway.front/1"
    with pytest.raises(ScoringError, match="not of one drive"):
        api.front([run("split"), run("short", "drive.window.length=1.5s")])


def test_the_verb_prints_figures_front_and_json(run: Callable[..., Path]) -> None:
    """And answers with 0; what cannot be is 2."""
    split, edge = str(run("split")), str(run("edge", "tasks.objects.route=edge"))
    runner = CliRunner()
    told = runner.invoke(app, ["score", split, "--against", edge, "--least", "0"])
    assert told.exit_code == 0, told.output
    assert "objects  (boxes of all; 40 labelled frames" in told.output
    assert "streaming_map" in told.output
    several = runner.invoke(app, ["score", split, edge, "--against", split, "--json"])
    assert json.loads(several.output)["schema"] == "splitway.front/1"
    single = runner.invoke(app, ["score", split, "--against", edge, "--json"])
    document = json.loads(single.output)
    assert document["schema"] == "splitway.score/1"
    assert document["accuracy"]["objects"]["kind"] == "boxes"
    for wrong in (["--class", "car"], ["--against", edge, "--labels", edge]):
        assert runner.invoke(app, ["score", split, *wrong]).exit_code == 2


@pytest.fixture
def trained(write_scenario: Callable[..., Path], tmp_path: Path) -> Path:
    """The small scenario with the built-in network as a file: nobody calls it untrained."""
    build_demo_network(tmp_path / "detector.onnx")
    return write_scenario(
        FEW,
        ('"builtin:detector"', "detector.onnx"),
        ("length: 2s", "length: 500ms"),
        ("run: {seed: 5,", "gates: {accuracy: {objects: {map: 0}}}\nrun: {seed: 5,"),
    )


def test_a_run_of_a_labelled_drive_is_scored_by_itself(trained: Path, tmp_path: Path) -> None:
    """As `score` says it again; gates are judged; the same bytes the second time."""
    document = api.run(trained, virtual=True, out=tmp_path / "a").document
    (task,) = document["accuracy"].values()
    assert list(task)[:6] == ["kind", "path", "stream", "against", "labelled", "results"]
    assert list(task)[6:-3] == list(FIGURES)
    assert (task["labelled"], task["results"]) == (10, 10)
    assert task["unscored"] == ["van", "pedestrian", "cyclist"]
    again = api.score_run(tmp_path / "a").accuracy["objects"]
    assert json.loads(json.dumps(again)) == task
    (gate,) = (gate for gate in document["gates"] if gate["name"] == "accuracy")
    assert (gate["path"], gate["unit"], gate["limit"]) == ("objects.map", "score", 0.0)
    assert gate["value"] == task["map"]
    assert gate["verdict"] == document["verdict"] == "pass"
    assert not verify_manifest(tmp_path / "a")
    api.run(trained, virtual=True, out=tmp_path / "b")
    for name in ("result.json", LABELS, FACTS):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_labels_of_a_recording_of_the_drive_say_the_same(trained: Path, tmp_path: Path) -> None:
    """Kept with the run, or read from elsewhere; those of another size or time are refused."""
    api.run(trained, virtual=True, out=tmp_path / "run")
    own = api.SynthSettings(
        scene="highway", seed=3, sensors=("front",), camera_ns=PERIOD_NS, length_ns=500 * MS,
        width=320, height=192,
    )  # fmt: skip
    labels = api.synth(own, tmp_path / "same.mcap").path
    kept, read = (
        api.score_run(tmp_path / "run", api.ScoreOptions(labels=given)).accuracy
        for given in (None, labels)
    )
    assert kept == read
    large = api.synth(replace(own, width=640, height=384), tmp_path / "large.mcap").path
    with pytest.raises(LabelsError, match=r"on a picture of 320x192|the picture of 320x192"):
        api.score_run(tmp_path / "run", api.ScoreOptions(labels=large))
    slower = api.synth(replace(own, camera_ns=70 * MS), tmp_path / "slow.mcap").path
    with pytest.raises(LabelsError, match="labels are of another drive"):
        api.score_run(tmp_path / "run", api.ScoreOptions(labels=slower))


def test_a_gate_that_is_not_met_fails_and_one_that_is_not_scored_is_open(
    trained: Path, tmp_path: Path
) -> None:
    """Exit codes 1 and 3; the figure that is missing is named."""
    missed = api.Options(overrides=("gates.accuracy.objects.map=0.99",))
    result = api.run(trained, missed, virtual=True, out=tmp_path / "a")
    assert (result.exit_code, result.document["verdict"]) == (1, "fail")
    never = api.Options(overrides=("gates.accuracy.objects.miou=0.5",))
    result = api.run(trained, never, virtual=True, out=tmp_path / "b")
    assert (result.exit_code, result.document["verdict"]) == (3, "inconclusive")
    reasons = [(r["path"], r["reason"]) for r in result.document["inconclusive"]]
    assert reasons == [("objects.miou", "not-scored")]


def test_names_of_classes_are_mapped_in_the_scenario(trained: Path, tmp_path: Path) -> None:
    """Else the check says what is found and what is labelled."""
    asked = "scoring.objects.classes={person: pedestrian, bicycle: cyclist, van: car}"
    result = api.run(trained, api.Options(overrides=(asked,)), virtual=True, out=tmp_path / "a")
    (task,) = result.document["accuracy"].values()
    assert task["unscored"] == []
    other = "tasks.objects.output={decoder: yolox, score: 0.05, classes: [" + (
        ", ".join(f"thing{n}" for n in range(80)) + "]}"
    )
    with pytest.raises(ScenarioError, match=r"gates\.accuracy\.objects: .*no class in common"):
        api.check(trained, api.Options(overrides=(other,)))


def test_gates_on_accuracy_need_labels_and_a_task(write_scenario: Callable[..., Path]) -> None:
    """Refused when the scenario is checked, with its line."""
    gate = ("run: {seed: 5,", "gates: {accuracy: {objects: {map: 0.4}}}\nrun: {seed: 5,")
    text = write_scenario(gate)
    with pytest.raises(ScenarioError, match=r"gates\.accuracy\.objects: .* was never trained"):
        api.check(text)
    for sets, message in (
        (("gates.accuracy.object.map=0.4",), r"gates\.accuracy\.object: there is no task 'object'"),
        (("run.sizes=modelled",), r"gates\.accuracy: needs results"),
        (("gates.accuracy.objects.map=1.4",), r"gates\.accuracy\.objects\.map"),
        (("gates.accuracy.objects.maps=0.4",), r"gates\.accuracy\.objects"),
        (
            ("run.rate=max", "gates.accuracy.objects.streaming_map=0.4"),
            r"gates\.accuracy\.objects\.streaming_map: means nothing",
        ),
    ):
        with pytest.raises(ScenarioError, match=message):
            api.check(text, api.Options(overrides=sets))


def test_what_scoring_must_know_lies_beside_the_ledger(run: Callable[..., Path]) -> None:
    """Kind and classes of each task, size of each stream; another version is refused."""
    directory = run("split")
    opened = open_run(directory)
    assert opened.facts.tasks["objects"].kind == "boxes"
    assert "car" in opened.facts.tasks["objects"].classes
    assert opened.frames("front").size == (320, 192)
    assert list(opened.frames("front").stamps_ns) == [n * PERIOD_NS for n in range(FRAMES)]


@pytest.mark.parametrize("damage", ['{"version": 9, "tasks": {}, "streams": {}}', "{", "[]"])
def test_broken_facts_are_named(damage: str, run: Callable[..., Path], tmp_path: Path) -> None:
    """Of another version, cut off, or something else."""
    directory = copied(run("split"), tmp_path / "run")
    (directory / FACTS).write_text(damage, encoding="utf-8")
    with pytest.raises(EvidenceError, match=r"scoring\.json"):
        api.score_run(directory, api.ScoreOptions(against=run("split")))


def test_the_scenario_knows_the_figures_that_scoring_has() -> None:
    """A gate can ask for each of them and for no other."""
    assert get_args(Metric) == METRICS
