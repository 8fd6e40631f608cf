"""Reading a scenario file: what is right is read, what is wrong is named, all of it at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.errors import DataMissingError, ScenarioError
from pipeline.scenario import Scenario, load_scenario
from pipeline.scenario.models import LATER, LATER_VALUES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pipeline.scenario.conftest import Desk

LINKS = "links:\n  cell: {between: [vehicle, cloud], up: 50Mbit/s, down: 0.1Gbit/s, rtt: 20ms}\n"


def test_a_right_file_is_read_with_units_and_defaults(desk: Desk) -> None:
    """Quantities are integers, what is left out has its default."""
    scenario = desk.load().scenario
    assert scenario.links["cell"].rtt == 20_000_000
    assert scenario.links["cell"].down == 100_000_000
    assert scenario.paths["camera->objects"].source == "front"
    assert scenario.paths["camera->objects"].max_miss == 0.05
    assert scenario.paths["camera->objects"].every == 1
    assert scenario.tasks["objects"].routes == ("auto",)
    decoder = scenario.tasks["objects"].decoder
    assert decoder is not None
    assert decoder.decoder == "yolox"
    assert scenario.devices["edge0"].slots == 1
    assert scenario.policy.in_flight == 2
    assert scenario.run.loop == 1
    assert scenario.evidence.images == "thumbnails"


def test_a_decoder_keeps_its_parameters(desk: Desk) -> None:
    """They are the decoder's to judge."""
    output = ("output: yolox", "output: {decoder: yolox, score: 0.3, names: a}")
    decoder = desk.load(output).scenario.tasks["objects"].decoder
    assert decoder is not None
    assert decoder.parameters() == {"score": 0.3, "names": "a"}


def test_each_key_has_its_line(desk: Desk) -> None:
    """For checks that need more than the file."""
    loaded = desk.load()
    problem = loaded.problem(("devices", "cloud0", "backend"), "is not there")
    assert str(problem) == f"{loaded.path}:14: devices.cloud0.backend: is not there"
    deeper = loaded.problem(("devices", "edge0", "slots"), "too many")
    assert deeper.line == 13


def test_all_problems_come_at_once_in_the_order_of_the_file(desk: Desk) -> None:
    """A user mends them in one go."""
    found = desk.problems(
        ("rtt: 20ms", "rtt: twelve"),
        ("compute: ahead", "compute: aheadd"),
        ("e2e: 100ms", "e2e: 100"),
        more="budgts: {}\nrun: {loop: 0}\n",
    )
    unit = "must be a duration with a unit (ns, us, ms, s, min), such as 40ms"
    assert [str(problem).partition("s.yaml:")[2] for problem in found] == [
        f"11: links.cell.rtt: {unit}, got 'twelve'",
        "13: devices.edge0.compute: 'aheadd' is unknown, did you mean 'ahead'?",
        f"22: paths.camera->objects.e2e: {unit}, got 100",
        "23: budgts: unknown key, did you mean 'budgets'?",
        "24: run.loop: input should be greater than or equal to 1, got 0",
    ]


def test_the_error_lists_and_counts_its_problems(desk: Desk) -> None:
    """One line each, then what that means."""
    with pytest.raises(ScenarioError) as caught:
        desk.load(more="a: 1\nb: 2\n")
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert lines[-1] == "2 problems, nothing was run."
    with pytest.raises(ScenarioError, match=r"\n1 problem, nothing was run\."):
        desk.load(more="a: 1\n")


@pytest.mark.parametrize(
    ("change", "key", "hint"),
    [
        (("spec: some-npu", "sepc: some-npu"), "devices.edge0.sepc", "did you mean 'spec'?"),
        (("max_miss:", "maxmiss:"), "paths.camera->objects.maxmiss", "did you mean 'max_miss'?"),
        (("from: front", "form: front"), "paths.camera->objects.form", "did you mean 'from'?"),
        (("rtt: 20ms", "rtt: 20ms, jiter: 1ms"), "links.cell.jiter", "did you mean 'jitter'?"),
        (("period: 40ms", "period: 40ms, topik: x"), "drive.streams.front.topik",
         "did you mean 'topic'?"),
        (("scale: 1/255", "scale: 1/255, zzz: 1"), "tasks.objects.input.zzz",
         "known: color, fit, layout, pad, pillars, scale, size, stream"),
    ],
)  # fmt: skip
def test_an_unknown_key_gets_a_suggestion(
    desk: Desk, change: tuple[str, str], key: str, hint: str
) -> None:
    """Among the keys that are known at that place, those of later versions included."""
    found = {name: reason for _, name, reason in desk.reasons(change)}
    assert found[key] == f"unknown key, {hint}"


# Where a later key can be written, in the right scenario.
HOLDERS = {
    "drive.streams.*": ("period: 40ms", "period: 40ms, {key}: 1"),
    "sites.*": ("host: host-reference", "host: host-reference, {key}: 1"),
    "devices.*": ("compute: ahead", "compute: ahead, {key}: 1"),
    "paths.*": ("e2e: 100ms", "e2e: 100ms, {key}: 1"),
    "": ("name: small\n", "name: small\n{key}: 1\n"),
    "policy": ("name: small\n", "name: small\npolicy: {{{key}: 1}}\n"),
    "policy.hedge": ("name: small\n", "name: small\npolicy: {{hedge: {{{key}: 1}}}}\n"),
    "run": ("name: small\n", "name: small\nrun: {{{key}: 1}}\n"),
}


@pytest.mark.parametrize("pattern", LATER)
def test_a_key_of_a_later_version_is_refused_by_name(desk: Desk, pattern: str) -> None:
    """So that nobody believes that it took effect."""
    place, _, key = pattern.rpartition(".")
    old, new = HOLDERS[place]
    ((_, name, reason),) = desk.reasons((old, new.format(key=key)))
    assert name.endswith(key)
    assert reason == f"this version does not do {LATER[pattern]} yet; leave the key out"


TASK = "    route: auto\n"
LATER_CASES: dict[str, list[tuple[str, str, str]]] = {
    "devices.*.compute": [("compute: ahead", "compute: inline", "'inline'")],
    "policy.hedge.start": [
        ("name: small\n", f"name: small\npolicy: {{hedge: {{start: {text}}}}}\n", repr(text))
        for text in ("latest", "at-once", "cost-based", "deadline - 35ms")
    ],
    "run.security": [("name: small\n", "name: small\nrun: {security: curve}\n", "'curve'")],
    "tasks.*.wire.lossless": [(TASK, f"{TASK}    wire: {{lossless: zstd}}\n", "'zstd'")],
    "outputs.*": [
        ("name: small\n", f"name: small\noutputs: [json, {text}]\n", repr(text))
        for text in ("html", "junit", "trace", "mcap")
    ],
    "links": [(LINKS, LINKS + LINKS.splitlines()[1].replace("cell", "wlan") + "\n", "{'cell'")],
    "paths.*.through": [
        ("through: [objects]", "through: [objects, fusion]", "['objects', 'fusion']")
    ],
    "paths.*.from": [("from: front", "from: [front, rear]", "['front', 'rear']")],
}


@pytest.mark.parametrize("pattern", LATER_VALUES)
def test_a_value_of_a_later_version_is_refused_by_name(desk: Desk, pattern: str) -> None:
    """Each of the listed ones, with the feature it belongs to."""
    for old, new, shown in LATER_CASES[pattern]:
        ((_, _, reason),) = desk.reasons((old, new))
        what = LATER_VALUES[pattern][0]
        assert reason.startswith(f"this version does not do {what} yet, got {shown}")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("compute: ahead", "compute: aheadd"), "'aheadd' is unknown, did you mean 'ahead'?"),
        (("compute: ahead", "compute: 3"), "3 is unknown; known: ahead"),
        (("name: small\n", "name: small\npolicy: {hedge: {start: nevr}}\n"),
         "'nevr' is unknown, did you mean 'never'?"),
        (("name: small\n", "name: small\nrun: {security: of}\n"), "'of' is unknown; known: none"),
        (("name: small\n", "name: small\nrun: {rate: quick}\n"),
         "must be a number above 0 and at most 100, or max, got 'quick'"),
        (("name: small\n", "name: small\noutputs: [jsn]\n"),
         "'jsn' is unknown, did you mean 'json'?"),
        (("through: [objects]", "through: []"),
         "list should have at least 1 item after validation, not 0, got []"),
    ],
)  # fmt: skip
def test_any_other_wrong_value_gets_the_ordinary_message(
    desk: Desk, change: tuple[str, str], reason: str
) -> None:
    """A slip of the pen is not taken for a wish for a later feature."""
    assert [found for _, _, found in desk.reasons(change)] == [reason]


def test_missing_keys_are_named_at_the_line_of_their_holder(desk: Desk) -> None:
    """There is no line for what is not there."""
    found = desk.reasons(("site: vehicle, ", ""), ("between: [vehicle, cloud], ", ""))
    assert found == [
        (11, "links.cell.between", "is missing"),
        (13, "devices.edge0.site", "is missing"),
    ]


def test_an_empty_file_lacks_everything(desk: Desk) -> None:
    """It is no map at all."""
    for text in ("", "# nothing\n", "- a\n- b\n", "just text", "3"):
        with pytest.raises(ScenarioError, match="must be a map of keys"):
            load_scenario(desk.write(text))


def test_a_missing_file_says_what_to_do(desk: Desk) -> None:
    """Also where it is a folder."""
    with pytest.raises(DataMissingError, match="name a scenario file"):
        load_scenario(desk.folder / "nowhere.yaml")
    with pytest.raises(DataMissingError):
        load_scenario(desk.folder)


# -- hostile and broken files --------------------------------------------------------------------


def test_a_key_that_comes_twice_is_refused_with_its_line(desk: Desk) -> None:
    """Neither of the two is taken silently."""
    ((line, _, reason),) = desk.reasons(more="name: again\n")
    assert line == 23
    assert "duplicate key" in reason


@pytest.mark.parametrize("value", ["!!python/object:os.system x", "!own 3", "!!str 3"])
def test_tags_are_refused(desk: Desk, value: str) -> None:
    """A scenario is plain data."""
    assert desk.reasons(more=f"description: {value}\n") == [(23, "", "tags are not allowed")]


def test_aliases_are_followed_up_to_a_number(desk: Desk) -> None:
    """A few spare typing; many are an attack or a mistake."""
    few = desk.load(
        ("between: [vehicle, cloud]", "between: &both [vehicle, cloud]"), more="description: &d x\n"
    )
    assert few.scenario.links["cell"].between == ("vehicle", "cloud")
    many = "description: &d x\nmany: [" + ", ".join(["*d"] * 33) + "]\n"
    assert desk.reasons(more=many) == [(None, "", "has more than 32 aliases")]


def test_an_alias_bomb_is_refused_quickly(desk: Desk) -> None:
    """Few aliases can multiply a long list; what is written out is counted."""
    bomb = f"x0: &x0 [{', '.join(['1'] * 2_000)}]\n" + "".join(
        f"x{n}: &x{n} [*x{n - 1}, *x{n - 1}]\n" for n in range(1, 16)
    )
    assert desk.reasons(more=bomb) == [(None, "", "holds too much")]


def test_an_alias_of_itself_is_refused(desk: Desk) -> None:
    """It would never end."""
    for text in ("x: &x [*x, *x]\n", "x: &x {a: *x}\n"):
        assert len(desk.reasons(more=text)) == 1


@pytest.mark.parametrize(
    "text",
    ["x: " + "[" * 100_000, "x: " + "{a: " * 5_000, "".join(f"{' ' * n}x:\n" for n in range(200))],
    ids=["lists", "maps", "indents"],
)
def test_deep_nesting_is_refused_before_it_is_parsed(desk: Desk, text: str) -> None:
    """With its line; the parser's time would grow with the square of the depth."""
    ((line, _, reason),) = desk.reasons(more=text)
    assert line is not None
    assert line >= 23
    assert reason == "is nested too deeply"


def test_a_file_that_is_not_utf8_is_refused(desk: Desk) -> None:
    """With a reason, not a traceback."""
    path = desk.folder / "s.yaml"
    path.write_bytes(b"splitway: 1\nname: \xff\xfe\n")
    with pytest.raises(ScenarioError, match="is not valid YAML"):
        load_scenario(path)


def test_a_file_that_is_too_large_is_refused_unread(desk: Desk) -> None:
    """A scenario is written by hand."""
    with pytest.raises(ScenarioError, match="is larger than"):
        load_scenario(desk.write("# " + "x" * (1 << 20)))


@pytest.mark.parametrize(
    ("text", "line"),
    [("splitway: 1\nname: [a\n", 3), ("a: b: c\n", 1), ("a: 1\n\tb: 2\n", 2), ("a: 'x\n", 2)],
)
def test_broken_yaml_is_named_with_its_line(desk: Desk, text: str, line: int) -> None:
    """Where the parser gave up."""
    with pytest.raises(ScenarioError) as caught:
        load_scenario(desk.write(text))
    assert [problem.line for problem in caught.value.problems] == [line]


@pytest.mark.parametrize("text", ["a: 1\n---\nb: 2\n", "a: \x00\n", "a: 2020-99-99\n"])
def test_other_oddities_are_problems_too(desk: Desk, text: str) -> None:
    """Two documents, control characters, dates that are none."""
    with pytest.raises(ScenarioError):
        load_scenario(desk.write(text))


# -- extends -------------------------------------------------------------------------------------


def test_a_file_that_extends_another_changes_only_what_it_names(desk: Desk) -> None:
    """Maps are merged key by key; lists and values are replaced."""
    desk.write(desk.good, "base.yaml")
    over = desk.write(
        "extends: base.yaml\nname: over\npaths:\n  camera->objects: {e2e: 80ms}\n"
        "tasks:\n  objects: {route: [edge, raw]}\n",
        "over.yaml",
    )
    scenario = load_scenario(over).scenario
    assert scenario.name == "over"
    assert scenario.paths["camera->objects"].e2e == 80_000_000
    assert scenario.paths["camera->objects"].max_miss == 0.05
    assert scenario.tasks["objects"].routes == ("edge", "raw")
    assert scenario.tasks["objects"].input.scale == 1 / 255


def test_a_problem_is_shown_in_the_file_that_it_stands_in(desk: Desk) -> None:
    """Base and overlay each with their own lines."""
    desk.write(desk.changed(("rtt: 20ms", "rtt: 20")), "base.yaml")
    over = desk.write("extends: base.yaml\nrun: {loop: 0}\n", "over.yaml")
    with pytest.raises(ScenarioError) as caught:
        load_scenario(over)
    places = [(str(p.file).rpartition("/")[2], p.line) for p in caught.value.problems]
    assert places == [("base.yaml", 11), ("over.yaml", 2)]


def test_a_chain_of_files_is_followed_from_each_files_folder(desk: Desk) -> None:
    """Names are relative to the file that says them."""
    (desk.folder / "below").mkdir()
    desk.write(desk.good, "base.yaml")
    desk.write("extends: ../base.yaml\nname: middle\n", "below/middle.yaml")
    top = desk.write("extends: below/middle.yaml\ndescription: top\n", "top.yaml")
    scenario = load_scenario(top).scenario
    assert (scenario.name, scenario.description) == ("middle", "top")


def test_a_circle_of_files_is_refused(desk: Desk) -> None:
    """Directly or through another."""
    own = desk.write("extends: s.yaml\n")
    desk.write("extends: b.yaml\n", "a.yaml")
    circle = desk.write("extends: a.yaml\n", "b.yaml")
    for path in (own, circle):
        with pytest.raises(ScenarioError, match="extends itself"):
            load_scenario(path)


def test_a_chain_that_is_too_long_is_refused(desk: Desk) -> None:
    """More than 8 files deep nobody can follow."""
    desk.write(desk.good, "f0.yaml")
    for n in range(1, 10):
        desk.write(f"extends: f{n - 1}.yaml\n", f"f{n}.yaml")
    assert load_scenario(desk.folder / "f7.yaml").scenario.name == "small"
    with pytest.raises(ScenarioError, match="8 files deep"):
        load_scenario(desk.folder / "f9.yaml")


def test_what_is_extended_must_be_a_file(desk: Desk) -> None:
    """Named as text, and there."""
    with pytest.raises(ScenarioError, match=r"s\.yaml:1: extends: must name a file"):
        load_scenario(desk.write("extends: [a]\n"))
    with pytest.raises(DataMissingError, match=r"gone\.yaml"):
        load_scenario(desk.write("extends: gone.yaml\n"))


# -- settings ------------------------------------------------------------------------------------


def test_settings_replace_what_the_file_says(desk: Desk) -> None:
    """Values are read as YAML; keys that are not there are added; the last one counts."""
    scenario = desk.load(
        overrides=[
            "run.loop=3",
            "links.cell.rtt=5ms",
            "tasks.objects.route=[edge, raw]",
            "run.loop=4",
            "description=a=b",
        ]
    ).scenario
    assert scenario.run.loop == 4
    assert scenario.links["cell"].rtt == 5_000_000
    assert scenario.tasks["objects"].routes == ("edge", "raw")
    assert scenario.description == "a=b"


def test_a_problem_of_a_setting_is_shown_there(desk: Desk) -> None:
    """It has no line of the file."""
    (problem,) = desk.problems(overrides=["links.cell.rtt=5"])
    assert str(problem).startswith("--set: links.cell.rtt: must be a duration with a unit")


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("run.loop", "must be path=value"),
        ("=3", "must be path=value"),
        ("run..loop=3", "must be path=value"),
        ("name.x=3", "name holds no keys of its own"),
        ("run.loop=[1", "is not valid YAML"),
        ("description=2020-99-99", "is not valid YAML"),
        ("rnu.loop=3", "unknown key, did you mean 'run'?"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused(desk: Desk, setting: str, reason: str) -> None:
    """By its form, or by what it leads to."""
    (problem,) = desk.problems(overrides=[setting])
    assert problem.file == "--set"
    assert reason in problem.reason


def test_a_schema_can_be_made(tmp_path: Path) -> None:
    """Editors use it; units are text there."""
    del tmp_path
    schema = Scenario.model_json_schema()
    assert schema["properties"]["splitway"]["const"] == 1
    assert schema["$defs"]["Synthetic"]["properties"]["length"]["type"] == "string"
