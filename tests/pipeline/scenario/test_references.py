"""Names that must exist, and figures that must agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.pipeline.scenario.conftest import Desk

DRIVE = "  path: drive.mp4\n"
TWO_CAMERAS = """\
  synthetic: {}
  streams: {front: {period: 40ms}, left: {period: 40ms, phase: 9ms}, b: {camera: rear, period: 1s}}
"""
SECOND = "    second: {period: 40ms}\n"


@pytest.mark.parametrize(
    ("changes", "line", "key", "reason"),
    [
        ([(DRIVE, "")], 3, "drive", "needs either `path` (a recording) or `synthetic`"),
        ([(DRIVE, DRIVE + "  synthetic: {}\n")], 3, "drive", "and not both"),
        ([(DRIVE, "  synthetic: {}\n"), ("{period: 40ms}", "")], 6, "drive.streams.front",
         "a synthetic drive needs a `period`"),
        ([("{period: 40ms}\n", "{period: 40ms}\n" + SECOND)], 7, "drive.streams.second",
         "needs a `file` below `drive.path`"),
        ([(DRIVE, "  synthetic: {}\n"), ("{period: 40ms}\n", "{period: 40ms}\n" + SECOND)], 7,
         "drive.streams.second", "needs a `camera`, one of front, left, right, rear"),
        ([("{period: 40ms}", "{period: 40ms, camera: left}")], 6, "drive.streams.front.camera",
         "is for the synthetic drive"),
        ([(DRIVE, "  synthetic: {}\n"), ("{period: 40ms}", "{period: 40ms, file: x}")], 6,
         "drive.streams.front.file", "is for a recording"),
        ([("  cloud:\n", "  clowd:\n")], 7, "sites", "has no site 'cloud'"),
        ([("  cloud:\n", "  cloud:\n  kitchen:\n")], 10, "sites.kitchen", "further sites"),
        ([("between: [vehicle, cloud]", "between: [vehicle, vehicle]")], 11, "links.cell.between",
         "must be [vehicle, cloud]"),
        ([("spec: some-npu, ", "")], 13, "devices.edge0", "needs either `spec` (emulated) or"),
        ([("backend: cpu", "backend: cpu, spec: x")], 14, "devices.cloud0", "needs either `spec`"),
        ([("site: cloud}", "site: clout}")], 14, "devices.cloud0.site",
         "there is no site 'clout', did you mean 'cloud'?"),
        ([("site: cloud}", "site: vehicle}")], 13, "devices.edge0",
         "cannot stand beside a real device (cloud0)"),
        ([("site: cloud}", "site: vehicle}")], 12, "devices", "no device stands at the cloud"),
        ([("backend: cpu, ", "spec: b, options: {a: 1}, ")], 14, "devices.cloud0.options",
         "belong to `backend`"),
        ([("backend: cpu, ", "backend: cpu, ops: [MatMul], ")], 14, "devices.cloud0.ops",
         "is for emulated devices; a real one runs it all"),
        ([("devices:\n", "devices:\n  p: {spec: some-pim, site: cloud, ops: [Gemm]}\n")], 13,
         "devices.p", "cannot stand beside a real device (cloud0)"),
        ([("backend: cpu", "spec: b"),
          ("devices:\n", "devices:\n  p: {spec: c, site: cloud, ops: [Gemm], batch: 2}\n")], 13,
         "devices.p.batch", "is for the first device of a site"),
        ([("backend: cpu", "spec: b, ops: [Gemm]"),
          ("devices:\n", "devices:\n  p: {spec: c, site: cloud, ops: [Gemm]}\n")], 13,
         "devices.p.ops", "has none beside it that takes the other operators"),
        ([("backend: cpu", "spec: b"), ("devices:\n", "devices:\n" + "".join(
            f"  {name}: {{spec: c, site: cloud}}\n" for name in "abcd"))], 18,
         "devices.cloud0", "a site has at most 4 devices"),
        ([("stream: front", "stream: frnt")], 17, "tasks.objects.input.stream",
         "there is no stream 'frnt', did you mean 'front'?"),
        ([("route: auto", "route: auto\n    devices: [edge0, claud0]")], 21,
         "tasks.objects.devices", "there is no device 'claud0', did you mean 'cloud0'?"),
        ([("route: auto", "route: auto\n    devices: [edge0]")], 21, "tasks.objects.devices",
         "names none at the cloud; name one of each site (cloud0)"),
        ([("route: auto", "route: [raw, encoded]\n    raw_pixels_stay: true")], 21,
         "tasks.objects.raw_pixels_stay", "forbids raw and encoded, and `route` allows nothing"),
        ([("{model: model.onnx}", "{model: model.onnx, timing_only: true}")], 18,
         "tasks.objects.variants.only.timing_only", "write `run.sizes: modelled`"),
        ([("{model: model.onnx}", "{model: model.onnx}, b: {model: b, timing_only: true}"),
          ("name: small\n", "name: small\nrun: {sizes: modelled}\n")], 19,
         "tasks.objects.variants.b.timing_only", "holds for all variants of a task or for none"),
        ([("{model: model.onnx}", "{model: model.onnx, timing_only: true}"),
          ("route: auto", "route: auto\n    min_agreement: 90%"),
          ("name: small\n", "name: small\nrun: {sizes: modelled}\n")], 19,
         "tasks.objects.variants.only.timing_only", "leave out `min_agreement`"),
        ([("route: auto", "route: spilt")], 20, "tasks.objects.route",
         "there is no route 'spilt', did you mean 'split'? (or split@NODE to pin a cut)"),
        ([("route: auto", "route: [edge, nowhere]")], 20, "tasks.objects.route",
         "there is no route 'nowhere'; known: auto, edge, encoded, raw, split"),
        ([("through: [objects]", "through: [objectz]")], 22, "paths.camera->objects.through",
         "there is no task 'objectz', did you mean 'objects'?"),
        ([("through: [objects]", "through: [objectz]")], 16, "tasks.objects",
         "no path goes through this task"),
        ([("from: front", "from: rear")], 22, "paths.camera->objects.from",
         "there is no stream 'rear'; known: front"),
        ([("from: front", "from: rear")], 22, "paths.camera->objects.from",
         "task 'objects' reads stream 'front'"),
        ([("e2e: 100ms", "e2e: 100ms, horizon: 99ms")], 22, "paths.camera->objects.horizon",
         "must not be shorter than e2e"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_named(
    desk: Desk, changes: list[tuple[str, str]], line: int, key: str, reason: str
) -> None:
    """With the line of the key that is wrong."""
    found = desk.reasons(*changes)
    assert any(
        (at, name) == (line, key) and reason in text for at, name, text in found
    ), found  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        ("route: auto", "route: split@/stage3/conv2"),
        ("route: auto", "route: [edge, split@a, raw]"),
        ("between: [vehicle, cloud]", "between: [cloud, vehicle]"),
        ("e2e: 100ms", "e2e: 100ms, horizon: 100ms"),
        (DRIVE, "  synthetic: {scene: highway, length: 2s}\n"),
        ("{period: 40ms}", "{period: 40ms, file: front.mp4, phase: 5ms}"),
        (f"{DRIVE}  streams:\n    front: {{period: 40ms}}\n", TWO_CAMERAS),
        ("front: {period: 40ms}", "front:"),
    ],
)
def test_what_fits_is_let_through(desk: Desk, change: tuple[str, str]) -> None:
    """Other ways of saying it, and the ends of ranges."""
    assert desk.load(change).scenario.name == "small"


def test_all_references_are_checked_at_once(desk: Desk) -> None:
    """The first wrong name hides no other."""
    found = desk.reasons(
        ("stream: front", "stream: frnt"),
        ("site: cloud}", "site: clout}"),
        ("route: auto", "route: x"),
    )
    assert [key for _, key, _ in found] == [
        "devices",
        "devices.cloud0.site",
        "tasks.objects.input.stream",
        "tasks.objects.route",
        "paths.camera->objects.from",
    ]
