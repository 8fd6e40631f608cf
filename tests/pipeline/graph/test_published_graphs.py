"""Published networks are read with the multiply-adds and parameters of their table."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from pipeline.graph import load_graph

if TYPE_CHECKING:
    from pathlib import Path

TOLERANCE = 0.03
# Its two prediction heads are run on five levels: the weights count once in the table, and for each
# operator that reads them in the work.
SHARED_WEIGHTS = {"retinanet_resnext50_800.onnx"}


@pytest.mark.slow
def test_published_networks_have_their_published_size(published: Path) -> None:
    """All graphs of the table, each within 3 % of both columns."""
    with (published / "graphs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 80
    wrong = []
    for row in rows:
        graph = load_graph(published / "graphs" / row["graph"])
        macs = sum(operator.work.macs for operator in graph.operators) / 1e9
        weights = sum(operator.work.weight_elements for operator in graph.operators) / 1e6
        if macs != pytest.approx(float(row["gmac"]), rel=TOLERANCE):
            wrong.append(f"{row['graph']}: {macs:.4f} of {row['gmac']} GMAC")
        fits = weights == pytest.approx(float(row["params_m"]), rel=TOLERANCE)
        if fits == (row["graph"] in SHARED_WEIGHTS):
            wrong.append(f"{row['graph']}: {weights:.4f} of {row['params_m']} M parameters")
    assert not wrong
