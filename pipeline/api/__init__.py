"""What the command line, the tests and partners call: check, plan, run, rerun, price, devices."""

from pipeline.api.calls import (
    DEMO,
    Observer,
    Options,
    RerunResult,
    Result,
    Silent,
    check,
    devices,
    load_result,
    plan,
    price,
    rerun,
    run,
)

__all__ = [
    "DEMO",
    "Observer",
    "Options",
    "RerunResult",
    "Result",
    "Silent",
    "check",
    "devices",
    "load_result",
    "plan",
    "price",
    "rerun",
    "run",
]
