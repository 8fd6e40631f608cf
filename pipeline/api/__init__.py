"""What the command line, the tests and partners call: check, plan, run, agree and so on."""

from pipeline.api.agreeing import Agreement, agree
from pipeline.api.calibrating import HostCalibration, calibrate_host
from pipeline.api.calls import (
    CUT,
    DEMO,
    CacheReport,
    Observer,
    Options,
    RerunResult,
    Result,
    Silent,
    cache,
    check,
    compare_sites,
    devices,
    explain,
    load_result,
    plan,
    plan_diff,
    price,
    rerun,
    run,
)
from pipeline.api.conforming import conformance, conformance_document
from pipeline.api.demonstrating import Demonstration, Standing, demo
from pipeline.api.fitting import (
    DeviceCalibration,
    calibrate_device,
    calibration_document,
    cross_validate_device,
)
from pipeline.api.measuring import (
    BackendCalibration,
    backend_calibration_document,
    calibrate_backend,
)
from pipeline.api.quantising import Quantised, quantize, quantized_document
from pipeline.api.recording import RecordingReport, rec_info, rec_recover
from pipeline.api.scoring import (
    Front,
    FrontEntry,
    ScoreOptions,
    ScoreReport,
    front,
    score_run,
)
from pipeline.api.synthesising import Synthesised, SynthSettings, synth

__all__ = [
    "CUT",
    "DEMO",
    "Agreement",
    "BackendCalibration",
    "CacheReport",
    "Demonstration",
    "DeviceCalibration",
    "Front",
    "FrontEntry",
    "HostCalibration",
    "Observer",
    "Options",
    "Quantised",
    "RecordingReport",
    "RerunResult",
    "Result",
    "ScoreOptions",
    "ScoreReport",
    "Silent",
    "Standing",
    "SynthSettings",
    "Synthesised",
    "agree",
    "backend_calibration_document",
    "cache",
    "calibrate_backend",
    "calibrate_device",
    "calibrate_host",
    "calibration_document",
    "check",
    "compare_sites",
    "conformance",
    "conformance_document",
    "cross_validate_device",
    "demo",
    "devices",
    "explain",
    "front",
    "load_result",
    "plan",
    "plan_diff",
    "price",
    "quantize",
    "quantized_document",
    "rec_info",
    "rec_recover",
    "rerun",
    "run",
    "score_run",
    "synth",
]
