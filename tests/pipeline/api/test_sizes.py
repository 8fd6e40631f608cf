"""Sizes of what crosses: those of the pictures, or the plan's for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline import api
from pipeline.api.modelling import MODEL, read_model
from pipeline.ledger.sealing import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_MODELLED = api.Options(overrides=("run.sizes=modelled",))


@pytest.mark.parametrize("route", ["edge", "encoded", "split"])
def test_modelled_sizes_are_the_plans_and_compute_nothing(
    write_scenario: Callable[..., Path], tmp_path: Path, route: str
) -> None:
    """Every frame sends what the plan predicts; the file says so, and so does the rerun's hash."""
    scenario = write_scenario(("route: split", f"route: {route}"))
    exact = api.run(scenario, virtual=True, out=tmp_path / "exact")
    found = api.run(scenario, _MODELLED, virtual=True, out=tmp_path / "modelled")
    assert (exact.document["sizes"], found.document["sizes"]) == ("exact", "modelled")
    assert not any(note.startswith("primed") for note in found.notes)
    plan, _ = api.plan(scenario)
    chosen = plan.tasks[0].candidates[plan.tasks[0].run]
    assert {row.bytes_up for row in found.ledger.rows()} == {chosen.bytes_up}
    down = 0 if route == "edge" else chosen.bytes_down
    assert {row.bytes_down for row in found.ledger.rows()} == {down}
    assert found.document["ledger"]["hash"] != exact.document["ledger"]["hash"]
    again = api.rerun(tmp_path / "modelled")
    assert again.same
    assert again.hash == found.document["ledger"]["hash"]


def test_the_hash_tells_them_apart_even_where_all_rows_are_equal(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """How sizes were come by is part of what is hashed."""
    ledger = api.run(write_scenario(), virtual=True, out=tmp_path / "run").ledger
    other = Ledger(ledger.columns, driver=ledger.driver, sizes="modelled")
    assert other.to_csv() == ledger.to_csv()
    assert other.hash() != ledger.hash()


def test_the_model_of_a_run_is_kept_beside_its_evidence(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """What is read back prices, links and sizes a replay as the run did."""
    steady = write_scenario(("route: split", "route: split\n    wire: {lossless: none}"))
    found = api.run(steady, virtual=True, out=tmp_path / "run")
    model = read_model(tmp_path / "run" / MODEL)
    assert model.seed == 5
    assert model.links["cell"].name == "cell"
    (up,) = {row.bytes_up for row in found.ledger.rows()}
    assert any(set(sizes) == {up} for sizes in model.sizes.bytes.values())
