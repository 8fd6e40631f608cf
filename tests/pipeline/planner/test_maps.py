"""The plan map: its cells, its borders, and how far a plan holds."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import api
from pipeline.cli.mapping import _header
from pipeline.plan.maps import RegionMap
from pipeline.planner.conditions import Conditions, wait_at_load_ns
from pipeline.planner.maps import axes_around, compressed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MBIT, MS = 1_000_000, 1_000_000
EITHER = "tasks.objects.route=[raw, encoded, split]"
TIGHT = ("paths.all.e2e=100ms", "links.cell.rtt=20ms")


def test_a_map_needs_an_entry_per_cell() -> None:
    """A caller's mistake."""
    with pytest.raises(ValueError, match="one entry per cell"):
        RegionMap(rate_borders=(10,), cells=(0,))


@given(seed=st.integers(0, 10**6))
@settings(max_examples=60)
def test_a_compressed_map_says_the_same_everywhere(seed: int) -> None:
    """And has no border at which nothing changes."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    rates = tuple(sorted(dice.sample(range(1, 100), dice.randint(0, 4)), reverse=True))
    rtts = tuple(sorted(dice.sample(range(1, 100), dice.randint(0, 3))))
    loads = tuple(sorted(dice.sample(range(1, 100), dice.randint(0, 3))))
    count = (len(rates) + 1) * (len(rtts) + 1) * (len(loads) + 1)
    whole = RegionMap(
        rate_borders=rates,
        rtt_borders=rtts,
        load_borders=loads,
        cells=tuple(dice.randint(0, 1) for _ in range(count)),
    )
    names = {0: 7, 1: 3}
    small = compressed(whole, names)
    for _ in range(40):
        at = (dice.randint(0, 100), dice.randint(0, 100), dice.randint(0, 100))
        assert small.at(small.cell_of(*at)) == names[whole.at(whole.cell_of(*at))]
    again = compressed(small, {3: 3, 7: 7})
    assert again == small


@pytest.mark.parametrize("rtt_ms", [0, 1, 20, 300])
def test_the_grid_has_the_nominal_conditions_in_the_cell_that_they_lie_in(rtt_ms: int) -> None:
    """Also where the round trip is nothing, of which there are no multiples."""
    nominal = Conditions(40 * MBIT, rtt_ms * MS)
    axes = axes_around(nominal, lowest_bits_per_s=250_000)
    region = RegionMap(
        rate_borders=axes.rates_bits_per_s[:-1],
        rtt_borders=axes.rtt_borders,
        load_borders=axes.load_borders,
        cells=(0,) * (len(axes.rates_bits_per_s) * len(axes.rtts_ns) * len(axes.loads_ppm)),
    )
    cell = region.cell_of(*nominal)
    assert axes.rates_bits_per_s[cell.rate] == nominal.up_bits_per_s
    assert axes.rtts_ns[cell.rtt] == nominal.rtt_ns
    assert axes.loads_ppm[cell.load] == 0
    assert list(axes.rtts_ns) == sorted(axes.rtts_ns)
    assert axes.rates_bits_per_s[-1] <= 250_000


def test_a_wait_grows_with_load_and_has_an_end() -> None:
    """M/D/1: half a service at a load of one half."""
    assert wait_at_load_ns(10 * MS, 0) == 0
    assert wait_at_load_ns(10 * MS, 500_000) == 5 * MS
    assert wait_at_load_ns(10 * MS, 999_999) == wait_at_load_ns(10 * MS, 990_000)


def test_the_map_s_own_cell_is_the_plan_and_a_longer_way_changes_it(
    write_scenario: Callable[..., Path],
) -> None:
    """Planned afresh with the cell's round trip, the same candidate wins."""
    path = write_scenario()
    options = api.Options(overrides=(EITHER, *TIGHT))
    plan, document = api.plan(path, options, mapped=True)
    assert plan.map is not None
    region = plan.map.tasks["objects"]
    assert region.at(region.cell_of(*plan.map.nominal)) == plan.tasks[0].run
    assert len(set(region.cells)) > 1
    for rtt_ns in plan.map.rtts_ns:
        cell = region.cell_of(plan.map.nominal[0], rtt_ns, 0)
        afresh, _ = api.plan(
            path, api.Options(overrides=(EITHER, TIGHT[0], f"links.cell.rtt={rtt_ns // 1000}us"))
        )
        expected = plan.tasks[0].candidates[region.at(cell)]
        found = afresh.tasks[0].candidates[afresh.tasks[0].run]
        assert (found.name, found.codecs) == (expected.name, expected.codecs)
    drawn = document["map"]
    assert drawn is not None
    assert drawn["nominal"]["rtt_ms"] == 20.0
    sizes = (len(drawn["load"]), len(drawn["rtt_ms"]), len(drawn["up_mbps"]))
    cells = drawn["tasks"][0]["cells"]
    assert (len(cells), len(cells[0]), len(cells[0][0])) == sizes


def test_a_plan_says_how_far_it_holds_without_a_map(write_scenario: Callable[..., Path]) -> None:
    """Planned afresh at the end of the stretch, the choice still stands."""
    path = write_scenario()
    plan, document = api.plan(path, api.Options(overrides=(EITHER, *TIGHT)))
    assert plan.map is None
    assert document["map"] is None
    (valid,) = document["validity"]
    low, high = valid["rtt_ms"]
    assert low is None
    assert high is not None
    assert 20.0 <= high < 160.0
    kept, _ = api.plan(path, api.Options(overrides=(EITHER, TIGHT[0], f"links.cell.rtt={high}ms")))
    assert kept.tasks[0].run == plan.tasks[0].run


def test_the_vehicle_moves_when_the_round_trip_does(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """A handover makes the way longer; the rows name another route from then on."""
    path = write_scenario()
    settings_of = (
        EITHER,
        *TIGHT,
        "policy={switch: {patience: 2}}",
        "run.sizes=modelled",
        "drive.synthetic.length=4s",
    )
    fault = "links.cell.faults=[{at: 1s, for: 10ms, kind: handover, extra: 90ms}]"
    routes = {}
    for name, more in (("calm", ()), ("moved", (fault,))):
        options = api.Options(overrides=(*settings_of, *more))
        result = api.run(path, options, virtual=True, out=tmp_path / name)
        rows = [r for r in result.ledger.rows() if r.path == "all" and r.route_planned]
        routes[name] = [row.route_planned for row in rows]
        assert api.rerun(tmp_path / name).same
    assert len(set(routes["calm"])) == 1
    assert routes["moved"][0] == routes["calm"][0]
    assert routes["moved"][-1] != routes["moved"][0]


def test_the_map_is_drawn_for_people(
    write_scenario: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """The plan's own cell in brackets, panels that change nothing in one line."""
    from pipeline.cli import main  # noqa: PLC0415 - the command itself

    arguments = ["plan", str(write_scenario()), "--map", "--set", EITHER]
    for setting in TIGHT:
        arguments += ["--set", setting]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert len(re.findall(r"\[[a-z]\]", shown)) == 1
    assert "cloud 95 % busy" in shown
    assert re.search(r"[a-z]  split \S*int8 at narrow", shown.split("map of objects")[1])


@pytest.mark.parametrize("cell", [6, 4, 3])
def test_rates_stand_above_their_cells_where_there_is_room(cell: int) -> None:
    """Of cells that are close, some go without; each figure ends where its letter stands."""
    rates = [160.0, 113.1, 80.0, 56.57, 40.0, 28.28]
    cells = "".join(f"{letter} ".rjust(cell) for letter in "abcdef")
    head = _header(rates, cell)
    shown = head.split()
    assert shown == {6: ["160", "113", "80", "56.6", "40", "28.3"]}.get(
        cell, ["113", "56.6", "28.3"]
    )
    for text, letter in zip(shown, "abcdef" if cell == 6 else "bdf", strict=True):
        assert head.index(text) + len(text) == cells.index(letter) + 2
