"""What the command line, the tests and partners call: check, plan, run, agree and so on."""

from pipeline.api.agreeing import Agreement, agree
from pipeline.api.calibrating import HostCalibration, calibrate_host
from pipeline.api.calls import (
    DEMO,
    CacheReport,
    Observer,
    Options,
    RerunResult,
    Result,
    Silent,
    cache,
    check,
    devices,
    explain,
    load_result,
    plan,
    price,
    rerun,
    run,
)

__all__ = [
    "DEMO",
    "Agreement",
    "CacheReport",
    "HostCalibration",
    "Observer",
    "Options",
    "RerunResult",
    "Result",
    "Silent",
    "agree",
    "cache",
    "calibrate_host",
    "check",
    "devices",
    "explain",
    "load_result",
    "plan",
    "price",
    "rerun",
    "run",
]
