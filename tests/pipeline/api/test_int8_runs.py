"""Devices that know int8 alone: what a network computes there, and what is said of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from accelerators.backends.ort import run_once
from accelerators.backends.quantising import quantise
from pipeline import api
from pipeline.assembly import Assembled, assemble, drives, numerics
from pipeline.assembly.drives import build_drive
from pipeline.assembly.feeding import network_input
from pipeline.assembly.numerics import SCHEME
from pipeline.cli import main
from pipeline.errors import ScenarioError
from pipeline.graph import load_graph
from pipeline.plan.file import PlanMismatchError
from pipeline.plan.steps import Run
from pipeline.scenario import load_scenario
from pipeline.tasks.cards import builtin_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pipeline.plan.plan import Candidate

INT8_ALONE = ("qualcomm-sa8775p", "deepx-dx-m1")
FLOATS = ("furiosa-warboy", "rebellions-atom")
NETWORK = 'variants: {untrained: {model: "builtin:detector"}}'
SHIPPED = 'variants: {nano: {model: "builtin:camera-nano"}}'
OWN = "variants: {nano: {model: own.onnx}}"
ROUTE = "route: split"


@pytest.fixture
def write(write_scenario: Callable[..., Path]) -> Callable[..., Path]:
    """Write the small scenario with an int8-only device in the car and a trained network."""

    def written(network: str, route: str, *further: tuple[str, str]) -> Path:
        size = (
            "input: {stream: front, size: [416, 256], fit: letterbox}",
            "input: {stream: front}",
        )
        replaced = (
            INT8_ALONE,
            FLOATS,
            (NETWORK, network),
            (ROUTE, f"route: {route}\n    wire: {{codec: float32}}"),
            size,
            ("length: 2s", "length: 1s"),
        )
        path = write_scenario(*replaced, *further)
        model = builtin_model("camera-nano")
        shutil.copy(model, path.with_name("own.onnx"))
        shutil.copy(model.with_name("camera-nano.card.json"), path.with_name("own.card.json"))
        return path

    return written


def _assembled(scenario: Path, *sets: str) -> Assembled:
    return assemble(load_scenario(scenario, overrides=sets), now_ns=lambda: 0)


def _runs(assembled: Assembled) -> dict[str, str]:
    """Segments of the route that runs, with their devices, in turn."""
    steps = assembled.plan.task("objects").route.steps
    return {s.step.segment: s.step.device for s in steps if isinstance(s.step, Run)}


def _results(run: Path) -> list[str]:
    return (run / "results.jsonl").read_text(encoding="utf-8").splitlines()


def _picture() -> NDArray[np.float32]:
    return np.random.default_rng(6).random((1, 3, 256, 416), dtype=np.float32)


def test_a_whole_network_runs_as_the_directly_quantised_file_does(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    """The same results as of a scenario that names the quantised file, other than float32's."""
    own = write(OWN, "edge")
    result = api.run(own, virtual=True, out=tmp_path / "auto")
    assembled = _assembled(own)
    (segment,) = assembled.spec.segments.values()
    assert segment.computes == "int8, quantised from 16 frames of the drive"
    named = own.with_name("named.onnx")
    shutil.copy(segment.artefact, named)
    card = json.loads(own.with_name("own.card.json").read_text(encoding="utf-8"))
    del card["sha256"], card["bytes"]
    named.with_name("named.card.json").write_text(json.dumps(card), encoding="utf-8")
    sets = ("tasks.objects.variants.nano.model=named.onnx",)
    explicit = api.run(own, api.Options(overrides=sets), virtual=True, out=tmp_path / "named")
    sets = ("devices.edge0.numerics=float32",)
    exact = api.run(own, api.Options(overrides=sets), virtual=True, out=tmp_path / "float32")
    results = [_results(tmp_path / name) for name in ("auto", "named", "float32")]
    assert results[0] == results[1]
    assert results[0] != results[2]
    devices = [run.document["devices"][0] for run in (result, explicit, exact)]
    assert list(devices[0]["computes"].values()) == ["int8, quantised from 16 frames of the drive"]
    assert devices[1]["computes"] == {}
    assert list(devices[2]["computes"].values()) == [
        "float32, as `numerics` has it, and is priced in int8"
    ]
    assert any("quantised from 16 frames of the drive" in note for note in result.notes)
    assert not any("int8" in note for note in explicit.notes if "computes" in note)
    hashes = {run.document["ledger"]["hash"] for run in (result, explicit, exact)}
    assert len(hashes) == 3


def test_the_file_is_what_quantising_the_drawn_frames_gives(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    """Asked directly, with inputs that are made as a run makes them."""
    scenario = write(OWN, "edge", ("route: edge", "route: edge\n    calibration_frames: 5"))
    assembled = _assembled(scenario)
    (segment,) = assembled.spec.segments.values()
    assert segment.computes == "int8, quantised from 5 frames of the drive"
    loaded = load_scenario(scenario)
    drive = build_drive(loaded, seed=1, allow_outside=False)
    spec = assembled.spec.tasks["objects"]
    feeds = [network_input(spec, data) for data in drive.drawn("front", 5)]
    exact = _assembled(scenario, "devices.edge0.numerics=float32").spec.segments
    (plain,) = exact.values()
    direct = tmp_path / "direct.onnx"
    quantise(Path(plain.artefact), direct, feeds, scheme=SCHEME)
    outputs = [
        run_once(path, {"images": _picture()}, optimise=False)["output"]
        for path in (direct, Path(segment.artefact), Path(plain.artefact))
    ]
    assert np.array_equal(outputs[0], outputs[1])
    assert not np.array_equal(outputs[0], outputs[2])


def test_a_split_has_its_head_in_int8_and_its_tail_as_it_is(write: Callable[..., Path]) -> None:
    """The head is a part of the int8 form; the cloud's float device runs the plain tail."""
    assembled = _assembled(write(OWN, "split"))
    (head, near), (tail, far) = _runs(assembled).items()
    assert (near, far) == ("edge0", "cloud0")
    segments = assembled.spec.segments
    assert "@int8-" in head
    assert "@int8-" not in tail
    assert segments[head].computes.startswith("int8, quantised from 16 frames")
    assert segments[tail].computes == ""
    kinds = {
        name: {op.op_type for op in load_graph(Path(segments[name].artefact)).operators}
        for name in (head, tail)
    }
    assert "QuantizeLinear" in kinds[head]
    assert "QuantizeLinear" not in kinds[tail]
    plain = _assembled(write(OWN, "split"), "devices.edge0.numerics=float32")
    one, other = (a.plan.task("objects").candidates for a in (assembled, plain))
    splits, exact = (
        {(c.cut, c.codecs): c.bytes_up for c in found if c.name == "split"}
        for found in (one, other)
    )
    coded = [key for key in splits if set(key[1]) == {"float32"} and key in exact]
    packed = [key for key in splits if set(key[1]) == {"zstd:float32"} and key in exact]
    assert coded
    assert packed
    assert all(splits[key] == exact[key] for key in coded)
    assert all(splits[key] < exact[key] for key in packed)


def test_both_sides_in_int8_are_parts_of_one_form(write: Callable[..., Path]) -> None:
    """Head and tail in a row give the bits of the whole int8 network."""
    scenario = write(OWN, "split")
    other = ("devices.cloud0.spec=furiosa-warboy",)
    assembled = _assembled(scenario, *other)
    head, tail = (assembled.spec.segments[name] for name in _runs(assembled))
    (whole,) = _assembled(scenario, *other, "tasks.objects.route=edge").spec.segments.values()
    held: dict[str, NDArray[np.generic[object]]] = {"images": _picture()}
    for segment in (head, tail):
        feed = {name: held[name] for name in segment.inputs}
        held |= run_once(Path(segment.artefact), feed, optimise=False)
    exact = run_once(Path(whole.artefact), {"images": _picture()}, optimise=False)
    assert np.array_equal(held["output"], exact["output"])


def test_a_second_run_quantises_nothing(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first one left is taken."""
    scenario = write(OWN, "split")
    first = _assembled(scenario)
    monkeypatch.delattr(numerics, "quantise")
    assert _assembled(scenario).spec.segments == first.spec.segments


def test_the_shipped_int8_form_is_taken_in_place_of_quantising(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole, and in parts; no frame is drawn for it."""
    monkeypatch.delattr(numerics, "quantise")
    whole = _assembled(write(SHIPPED, "edge"))
    (segment,) = whole.spec.segments.values()
    assert segment.computes == "int8, as builtin:camera-nano-int8 is shipped"
    shipped = run_once(builtin_model("camera-nano-int8"), {"images": _picture()}, optimise=False)
    found = run_once(Path(segment.artefact), {"images": _picture()}, optimise=False)
    ours, theirs = (np.asarray(one["output"], np.float64) for one in (found, shipped))
    assert np.allclose(ours, theirs, rtol=1e-3, atol=1e-3)
    split = _assembled(write(SHIPPED, "split"))
    head, tail = (split.spec.segments[name].computes for name in _runs(split))
    assert (head, tail) == ("int8, as builtin:camera-nano-int8 is shipped", "")


def test_check_says_what_will_be_computed(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """In words, and as JSON."""
    scenario = str(write(SHIPPED, "edge"))
    words = "nano on edge0 computes int8, as builtin:camera-nano-int8 is shipped"
    with pytest.raises(SystemExit, match="0"):
        main(["check", scenario])
    assert f" objects: {words}" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="0"):
        main(["check", scenario, "--json"])
    assert json.loads(capsys.readouterr().out)["numerics"] == {"objects": [words]}


def test_a_quantised_file_is_left_alone_and_float_devices_too(write: Callable[..., Path]) -> None:
    """Nothing is said and nothing is made of either."""
    explicit = 'variants: {int8: {model: "builtin:camera-nano-int8"}}'
    for network, sets in ((explicit, ()), (OWN, ("devices.edge0.spec=qualcomm-sa8775p",))):
        assembled = _assembled(write(network, "edge"), *sets)
        assert assembled.plan.task("objects").numerics == ()
        (segment,) = assembled.spec.segments.values()
        assert (segment.computes, "@int8-" in segment.name) == ("", False)


def test_a_device_that_knows_more_computes_int8_where_it_is_asked_to(
    write: Callable[..., Path],
) -> None:
    """`numerics: int8` needs the precision it is priced at."""
    scenario = write(OWN, "edge")
    sets = ("devices.edge0.spec=qualcomm-sa8775p", "devices.edge0.numerics=int8")
    (segment,) = _assembled(scenario, *sets).spec.segments.values()
    assert segment.computes.startswith("int8, quantised")
    with pytest.raises(ScenarioError, match="is priced in float16, so it does not compute int8"):
        _assembled(scenario, *sets, "devices.edge0.precision=float16")


def test_a_network_that_cannot_be_quantised_stays_float32_with_a_warning(
    write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`check` names file and line, the run says so, and its results are float32's."""
    monkeypatch.setattr(numerics, "quantised", lambda *_: "it cannot be quantised: no reason")
    scenario = write(OWN, "edge")
    (warning,) = [w for w in api.check(scenario).warnings if "takes int8 alone" in w]
    assert "scenario.yaml:16: tasks.objects.variants.nano.model: edge0 takes int8 alone" in warning
    assert "it cannot be quantised: no reason" in warning
    result = api.run(scenario, virtual=True, out=tmp_path / "run")
    assert warning in result.notes
    (computes,) = result.document["devices"][0]["computes"].values()
    assert computes == "float32, and is priced in int8: it cannot be quantised: no reason"
    sets = ("devices.edge0.numerics=float32",)
    api.run(scenario, api.Options(overrides=sets), virtual=True, out=tmp_path / "float32")
    assert _results(tmp_path / "run") == _results(tmp_path / "float32")


def test_stateful_and_untrained_networks_stay_float32(
    write: Callable[..., Path], write_scenario: Callable[..., Path]
) -> None:
    """A warning for the one; the other's results mean nothing, so it is said and no more."""
    scenario = write(OWN, "edge")
    card = scenario.with_name("own.card.json")
    told = json.loads(card.read_text(encoding="utf-8")) | {"stateful": True}
    card.write_text(json.dumps(told), encoding="utf-8")
    found = _assembled(scenario)
    assert any("hang on what it saw before" in warning for warning in found.warnings)
    untrained = _assembled(write_scenario(INT8_ALONE))
    assert not any("int8 alone" in warning for warning in untrained.warnings)
    (line,) = untrained.plan.task("objects").numerics
    assert "on cloud0, edge0 computes float32, since it was never trained" in line


def test_a_plan_file_made_from_another_int8_form_is_refused(
    write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan's hashes cover the form: other frames, another form."""
    scenario = write(OWN, "edge")
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(api.plan(scenario, as_file=True)[1]), encoding="utf-8")
    api.run(scenario, virtual=True, out=tmp_path / "run", plan_file=plan)
    monkeypatch.setattr(drives, "_DRAWN_SEED", 1)
    with pytest.raises(PlanMismatchError, match="int8:objects/nano"):
        api.run(scenario, virtual=True, out=tmp_path / "other", plan_file=plan)


@pytest.mark.live
def test_a_live_run_delivers_what_a_virtual_one_does(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    """Both take the same file: a frame that both delivered has the same boxes."""
    scenario = write(OWN, "edge")
    found = []
    for virtual in (True, False):
        out = tmp_path / ("virtual" if virtual else "live")
        result = api.run(scenario, virtual=virtual, out=out)
        assert any("quantised from 16 frames of the drive" in note for note in result.notes)
        lines = [json.loads(line) for line in _results(out)]
        found.append({(line["path"], line["frame"]): line["boxes"] for line in lines})
    both = found[0].keys() & found[1].keys()
    assert len(both) > 15
    assert all(found[0][key] == found[1][key] for key in both)


def _covered(assembled: Assembled, form: str) -> list[Candidate]:
    found = assembled.plan.task("objects").candidates
    return [c for c in found if c.hedge is not None and c.hedge.form == form]


def _whole(assembled: Assembled) -> float:
    """Agreement of the first variant whole in the car."""
    found = next(c for c in assembled.plan.task("objects").candidates if not c.cut)
    assert found.agreement is not None
    return found.agreement


def _hedge_segments(assembled: Assembled) -> list[str]:
    """Segments that the hedge of the route that runs is made from, in turn."""
    (way,) = assembled.spec.core.tasks["objects"].ways
    assert way.hedge is not None
    return [s.step.segment for s in way.hedge.route.steps if isinstance(s.step, Run)]


def _boxes(run: Path) -> dict[str, object]:
    lines = (json.loads(line) for line in _results(run))
    return {f"{line['path']}/{line['frame']}": line["boxes"] for line in lines}


def test_the_tail_of_a_hedge_is_int8_and_agrees_as_the_whole_network_does(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    """Its row of the plan says so, and where the link is gone the answers are the int8 form's."""
    scenario = write(OWN, "split")
    hedged = ("policy.hedge={start: latest, with: tail}",)
    assembled = _assembled(scenario, *hedged)
    head, tail = _hedge_segments(assembled)
    segments = assembled.spec.segments
    assert "@int8-" in head
    assert "@int8-" in tail
    assert segments[tail].computes == segments[head].computes
    kinds = {op.op_type for op in load_graph(Path(segments[tail].artefact)).operators}
    assert "QuantizeLinear" in kinds
    agreements = {c.hedge.agreement for c in _covered(assembled, "tail") if c.hedge}
    assert agreements == {_whole(assembled)}
    assert _whole(assembled) < 1
    gone = ("links.cell.faults=[{at: 0s, for: 10s, kind: blackout}]",)
    runs = {
        "hedged": (*hedged, *gone),
        "edge": ("tasks.objects.route=edge",),
        "exact": ("tasks.objects.route=edge", "devices.edge0.numerics=float32"),
    }
    for name, sets in runs.items():
        api.run(scenario, api.Options(overrides=sets), virtual=True, out=tmp_path / name)
    found, whole, exact = (_boxes(tmp_path / name) for name in runs)
    assert len(found) > 15
    assert all(found[key] == whole[key] for key in found)
    assert any(found[key] != exact[key] for key in found)


def test_a_tail_agrees_as_its_own_chain_does(write: Callable[..., Path]) -> None:
    """A head beside the device that ends it: not what the whole network agrees there."""
    scenario = write(OWN, "split@/Concat")
    exact, lossy = "qualcomm-sa8775p", "deepx-dx-m1"
    for first, second in ((exact, lossy), (lossy, exact)):
        sets = (
            f"devices.edge0.spec={first}",
            f"devices.edge1={{spec: {second}, site: vehicle}}",
            "policy.hedge={start: latest}",
        )
        assembled = _assembled(scenario, *sets)
        covered = _covered(assembled, "tail")
        found = {c.devices: c.hedge.agreement for c in covered if c.hedge}
        alone, beside = found["edge0", "cloud0"], found["edge1", "cloud0"]
        assert alone == _whole(assembled)
        assert alone is not None
        assert beside is not None
        assert (alone < 1, beside < 1) == (first == lossy, second == lossy)


def test_a_variant_that_hedges_computes_int8_and_agrees_as_that_does(
    write: Callable[..., Path],
) -> None:
    """Whether it is kept for hedges or competes as well; float32 where `numerics` has it."""
    ladder = "variants: {nano: {model: own.onnx}, other: {model: own.onnx}}"
    scenario = write(ladder, "raw")
    agreements = []
    for sets in (
        ("policy.hedge={start: latest, with: 'variant:other'}",),
        ("policy.hedge={start: latest, with: auto}", "tasks.objects.route=[raw, edge]"),
        (
            "policy.hedge={start: latest, with: 'variant:other'}",
            "devices.edge0.numerics=float32",
        ),
    ):
        assembled = _assembled(scenario, *sets)
        found = {c.hedge.agreement for c in _covered(assembled, "variant:other") if c.hedge}
        (agreement,) = found
        agreements.append(agreement)
        if "auto" not in sets[0]:
            (segment,) = _hedge_segments(assembled)
            computes = assembled.spec.segments[segment].computes
            words = "int8, quantised from 16 frames of the drive"
            assert (computes == words) == ("@int8-" in segment) == (len(sets) == 1)
    kept, competing, exact = agreements
    assert kept == competing
    assert kept is not None
    assert kept < 1
    assert exact == 1
