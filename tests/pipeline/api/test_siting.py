"""Sites side by side, through the whole planner."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from pipeline import api
from pipeline.cli import main
from pipeline.errors import InputError
from pipeline.scenario.sites import shipped_sites

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_every_site_is_planned_with_its_own_device_and_link(
    write_scenario: Callable[..., Path],
) -> None:
    """The scenario's own cloud first; a longer round trip makes the same device's route slower."""
    document = api.compare_sites(write_scenario())
    names = [site["site"] for site in document["sites"]]
    assert names == ["as written", *shipped_sites()]
    found = {site["site"]: site for site in document["sites"]}
    naver, generic = found["naver-cloud"], found["region-generic"]
    assert naver["devices"][0]["id"] == "furiosa-warboy"
    assert naver["devices"][0]["label"] == "fitted"
    assert naver["link"]["rtt_ms"] == pytest.approx(21.8)
    assert naver["assumed"]
    over = {name: site["tasks"][0]["over_link"] for name, site in found.items()}
    mine, theirs = over["as written"], over["naver-cloud"]
    assert mine is not None
    assert theirs is not None
    assert theirs["latency_ms"] > mine["latency_ms"]  # the same device, 10 ms of round trip more
    assert generic["tasks"][0]["name"] == "objects"
    assert document["best"] in found


def test_two_sites_of_one_name_are_refused(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """The table would not say which is which."""
    shipped = files("pipeline.scenario.sites") / "kt-cloud.toml"
    copy = tmp_path / "mine.toml"
    copy.write_text(shipped.read_text("utf-8"), "utf-8")
    with pytest.raises(InputError, match="two sites are called 'kt-cloud'"):
        api.compare_sites(write_scenario(), files=[copy])


def test_the_command_prints_a_table_and_writes_json(
    write_scenario: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A site file that is not there is exit 2 and names it."""
    path = str(write_scenario())
    with pytest.raises(SystemExit) as ended:
        main(["plan", path, "--sites", "--out", str(tmp_path / "o"), "-q"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "rebellions-atom (anchored)" in shown
    assert "best:" in shown
    kept = json.loads((tmp_path / "o" / "sites.json").read_text("utf-8"))
    assert kept["schema"] == "splitway.sites/1"
    with pytest.raises(SystemExit) as ended:
        main(["plan", path, "--site", str(tmp_path / "none.toml"), "-q"])
    assert ended.value.code == 2
    assert "none.toml" in capsys.readouterr().err
