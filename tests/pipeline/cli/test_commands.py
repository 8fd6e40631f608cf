"""The command itself, as a user calls it: output, exit codes, what it imports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

COMMAND = str(Path(sys.executable).with_name("splitway"))
EXAMPLES = Path(__file__).parents[3] / "examples" / "highway"
HEAVY = ("cv2", "onnx", "onnxruntime", "scipy", "plotly", "optuna", "numpy", "zmq", "pydantic")


def _splitway(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        check=False,
    )


def test_help_lists_every_verb_and_imports_nothing_heavy() -> None:
    """What `--help` loads is looked up in `sys.modules`, in a process of its own."""
    code = (
        "import sys\n"
        "from pipeline.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    print('code', end.code)\n"
        "print('loaded', *sorted(set(sys.modules) & set(sys.argv[1].split(','))))\n"
    )
    heavy = ",".join(name for name in HEAVY if name != "pydantic")  # typer itself needs pydantic
    done = subprocess.run(
        [sys.executable, "-c", code, heavy], capture_output=True, text=True, timeout=60, check=True
    )
    assert "code 0" in done.stdout
    assert done.stdout.strip().endswith("loaded")
    for verb in ("demo", "run", "check", "plan", "rerun", "explain", "price", "devices", "cache"):
        assert verb in done.stdout


def test_devices_are_listed_with_their_labels() -> None:
    """The JSON shape of the interface: id, kind, label, source, fit_error, available, why."""
    done = _splitway("devices", "--json")
    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert document["schema"] == "splitway.devices/1"
    by_id = {entry["id"]: entry for entry in document["devices"]}
    assert by_id["furiosa-warboy"]["label"] == "fitted"
    assert by_id["qualcomm-sa8775p"]["kind"] == "npu"
    assert by_id["cpu"]["kind"] == "real"
    assert by_id["cpu"]["spec"] is None
    spec = by_id["nvidia-t4"]["spec"]
    assert (spec["class"], spec["capacity"]["memory_bytes"]["value"]) == ("cloud", 16 * 10**9)
    for entry in by_id.values():
        assert (entry["fit_error"] is not None) == (entry["label"] == "fitted")
    assert "furiosa-warboy" in _splitway("devices").stdout


def test_a_price_adds_up(tmp_path: Path) -> None:
    """Latency is overhead plus the sum over operators, in the documented shape."""
    code = "import sys; from pathlib import Path; from pipeline.tasks.builtin import *; "
    code += "build_demo_network(Path(sys.argv[1]))"
    model = tmp_path / "net.onnx"
    subprocess.run([sys.executable, "-c", code, str(model)], check=True, timeout=60)
    done = _splitway("price", str(model), "--device", "furiosa-warboy", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    total = document["overhead_ms"] + sum(op["latency_ms"] for op in document["ops"])
    assert document["latency_ms"] == pytest.approx(total)
    assert document["label"] == "fitted"
    assert document["energy_interval_mj"][0] < document["energy_mj"]
    two = _splitway("price", str(model), str(model), "--device", "furiosa-warboy", "--json")
    assert len(json.loads(two.stdout)) == 2
    assert "Conv" in _splitway("price", str(model), "--device", "furiosa-warboy").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("demoo",), "Did you mean"),
        (("run", "nowhere.yaml"), "nowhere.yaml: not found"),
        (("price", "x.onnx", "--device", "furiosa-warboi"), "did you mean 'furiosa-warboy'?"),
        (("rerun", "nowhere"), "nowhere"),
        (("run", "--set", "loop", str(EXAMPLES / "scenario.yaml")), "must be path=value"),
        (("plan", "--percentile", "120", str(EXAMPLES / "scenario.yaml")), "between 0 and 100"),
    ],
)
def test_misuse_exits_2_with_one_clear_message(arguments: tuple[str, ...], said: str) -> None:
    """No traceback, the reason on standard error, nothing on standard output."""
    done = _splitway(*arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_without_the_data_every_missing_file_is_named_with_its_line(tmp_path: Path) -> None:
    """Exit 2 says what is missing, where it was looked for and where to put it."""
    done = _splitway("run", str(EXAMPLES / "scenario.yaml"), SPLITWAY_DATA=str(tmp_path / "none"))
    assert done.returncode == 2
    assert "scenario.yaml:" in done.stderr
    assert "udacity_solidWhiteRight.mp4" in done.stderr
    assert "yolox_nano.onnx" in done.stderr
    assert "twinlitenet_bdd100k.onnx" in done.stderr
    assert "SPLITWAY_DATA" in done.stderr
    assert "3 problems, nothing was run." in done.stderr


def test_all_problems_of_a_file_come_at_once(write_scenario: Callable[..., Path]) -> None:
    """Three different mistakes, three lines with file and line, exit 2."""
    scenario = write_scenario(
        ("rtt: 10ms", "rtt: twelve"),
        ("route: split", "rout: split"),
        ("evidence:", "budgts: {}\nevidence:"),
    )
    done = _splitway("check", str(scenario))
    assert done.returncode == 2
    assert "links.cell.rtt: must be a duration with a unit" in done.stderr
    assert "tasks.objects.rout: unknown key, did you mean 'route'?" in done.stderr
    assert "budgts: unknown key" in done.stderr
    assert "3 problems, nothing was run." in done.stderr


def test_a_virtual_run_prints_its_verdict_or_one_document(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """Standard output is the result, standard error the progress; in a pipe all is plain."""
    scenario = str(write_scenario())
    done = _splitway("run", scenario, "--virtual", "--out", str(tmp_path / "a"))
    assert done.returncode == 0, done.stderr
    assert "PASS  1 gate" in done.stdout
    assert "ledger  50 = " in done.stdout
    assert "untrained" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert "prime" in done.stderr
    arguments = ("run", scenario, "--virtual", "--json", "-q", "--out", str(tmp_path / "b"))
    quiet = _splitway(*arguments)
    document = json.loads(quiet.stdout)
    assert document == json.loads((tmp_path / "b" / "result.json").read_text(encoding="utf-8"))
    assert quiet.stderr == ""
    assert _splitway("rerun", str(tmp_path / "b"), "--json").returncode == 0


def test_a_failed_gate_exits_1_and_soft_makes_it_0(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """`--soft` says that it did; too few frames for a gate is 3."""
    late = str(write_scenario(("e2e: 200ms", "e2e: 1ms")))
    base = ("run", late, "--virtual", "-q")
    assert _splitway(*base, "--out", str(tmp_path / "a")).returncode == 1
    soft = _splitway(*base, "--soft", "--out", str(tmp_path / "b"))
    assert soft.returncode == 0
    assert "--soft" in soft.stderr
    few = str(write_scenario(("max_miss: 50%", "max_miss: 1%")))
    done = _splitway("run", few, "--virtual", "-q", "--out", str(tmp_path / "c"))
    assert done.returncode == 3
    assert "needs 259 more frames" in done.stdout


def test_an_evidence_directory_that_cannot_be_made_exits_4(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """A file in the place of a folder; the message names it."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    out = tmp_path / "file" / "run"
    done = _splitway("run", str(write_scenario()), "--virtual", "-q", "--out", str(out))
    assert done.returncode == 4
    assert str(out) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.live
def test_ctrl_c_while_replaying_leaves_partial_evidence_and_no_process(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """One interrupt in a live run: exit 130, result.json marked partial, every node gone."""
    scenario = write_scenario(("run: {", "run: {loop: 30, "))
    out = tmp_path / "run"
    process = subprocess.Popen(
        [COMMAND, "run", str(scenario), "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(" replay"):
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    document = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert document["partial"]
    assert not list(tmp_path.glob("splitway-*"))


def test_a_folder_can_be_changed_to_first(tmp_path: Path) -> None:
    """`-C` takes effect before paths are read, and a wrong one is misuse."""
    done = _splitway("check", "-C", str(tmp_path), "here.yaml")
    assert done.returncode == 2
    assert "here.yaml: not found" in done.stderr
    assert _splitway("devices", "-C", str(tmp_path / "none")).returncode == 2


def test_the_schema_of_scenarios_is_printed() -> None:
    """Editors complete by it; durations are text with a unit."""
    done = _splitway("check", "--schema", "x.yaml")
    assert done.returncode == 0
    assert json.loads(done.stdout)["title"] == "Scenario"
