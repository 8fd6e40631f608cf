"""What a run was made on: machine class, versions and commit; no names, no paths."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path

# What a figure of a run can depend on, by the name of the distribution.
LIBRARIES = (
    "splitway",
    "numpy",
    "scipy",
    "opencv-python-headless",
    "onnx",
    "onnxruntime",
    "pyzmq",
    "msgpack",
    "xxhash",
    "safetensors",
    "pydantic",
)

_CHECKOUT = Path(__file__).resolve().parents[2]
_CPUINFO = Path("/proc/cpuinfo")
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
_GIT_TIMEOUT_S = 5


def environment(checkout: Path | None = None) -> dict[str, object]:
    """Describe the machine and the code, as `env.json` has it; what is not known is None.

    Args:
        checkout: Root of the checkout whose commit is asked for; None for the one that this code
            runs from, where it runs from one.
    """
    return {
        "schema": "splitway.env/1",
        "cpu": {
            "model": _cpu_model(),
            "cores": os.cpu_count(),
            "usable_cores": _usable_cores(),
            "governor": _first_line(_GOVERNOR),
        },
        "memory_bytes": _memory_bytes(),
        "system": platform.system() or None,
        "machine": platform.machine() or None,
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in LIBRARIES},
        "git": _git(_CHECKOUT if checkout is None else checkout),
    }


def _cpu_model() -> str | None:
    try:
        text = _CPUINFO.read_text("utf-8", errors="replace")
    except OSError:
        text = ""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name" and value.strip():
            return value.strip()
    return platform.processor() or None


def _usable_cores() -> int | None:
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not on every system
        return os.cpu_count()


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not on every system
        return None


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text("utf-8").strip().split("\n")[0] or None
    except (OSError, UnicodeDecodeError):
        return None


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git(checkout: Path) -> dict[str, object]:
    """Commit and dirty flag of a checkout; None for both where it is none or git is missing."""
    commit = status = None
    if (checkout / ".git").exists():  # else git would answer for a folder further up
        commit = _ask_git(checkout, "rev-parse", "--verify", "--quiet", "HEAD")
        status = _ask_git(checkout, "status", "--porcelain")
    return {"commit": commit or None, "dirty": None if status is None else bool(status)}


def _ask_git(checkout: Path, *arguments: str) -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    variables = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    try:
        answer = subprocess.run(  # noqa: S603 - a found program, fixed arguments, no shell
            [git, "-C", os.fspath(checkout), *arguments],
            capture_output=True,
            check=True,
            stdin=subprocess.DEVNULL,
            timeout=_GIT_TIMEOUT_S,
            env={**variables, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.decode(errors="replace").strip()
