"""Where each device's figures stand in the published table, and what is known before a fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from accelerators.calibration.fitting import UNKNOWN, Known

if TYPE_CHECKING:
    from collections.abc import Mapping

# Of these graphs the Qualcomm rows include box decoding that the graph lacks, as the table's own
# notes say: they are predicted and reported, and have no say in the fit.
_UNDECODED = frozenset({"yolov7_tiny.onnx", "yolov5m.onnx", "yolox_s.onnx"})
# The graph is padded to 384 tokens. At its 123 GMAC the published throughput would take 1.14 times
# the A100's peak rate in int8, 1.01 times the L4's and 1.24 times that in float: the submissions
# skip the padding, and did less work than the graph says.
_UNPADDED = frozenset({"bert_large_384.onnx"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What of the table belongs to a device.

    Attributes:
        devices: Names in the table that count as this device.
        scenario: Text that a latency's scenario contains; several joined by `|`.
        batches: Whether queries of eight samples and Offline throughputs are fitted to as well.
        period: Whether the figures are throughputs of a device that pipelines layers.
        known: What is known of the device before a fit, but for what its file says: link and slots.
    """

    devices: tuple[str, ...]
    scenario: str = ""
    batches: bool = False
    period: bool = False
    known: Known = UNKNOWN


def _qualcomm(*names: str) -> Published:
    return Published(devices=names, known=Known(left_aside=_UNDECODED))


def _gpu_rates(scale: float) -> dict[str, float]:
    """Rates of a GPU; `scale` is its size beside the chip that the priors were made for."""
    return {
        "int8_macs": 11_000.0 * scale,
        "float16_macs": 5_500.0 * scale,
        "weight_bytes": 50.0 * scale,
        "activation_bytes": 40.0 * scale,
        "vector_bytes": 30.0 * scale,
    }


def _gpu(*names: str, scale: float) -> Published:
    rest = {"run_int8_ns": 100_000.0, "run_wide_ns": 100_000.0, "fill": 3.0}
    known = Known(sized=True, centre=_gpu_rates(scale) | rest, left_aside=_UNPADDED)
    return Published(devices=names, batches=True, known=known)


def _small_orin(name: str) -> Published:
    return Published(devices=(name,), known=Known(sized=True, centre=_gpu_rates(2)))


# A chip with tens of megabytes on it seldom waits for weights or activations. That its slices cost
# more than other elements was learned from models that its fit may be chosen by.
_WARBOY = Known(
    centre={
        "weight_bytes": 300.0,
        "activation_bytes": 150.0,
        "vector_bytes": 20.0,
        "slice_times": 2.0,
    }
)

SOURCES: Mapping[str, Published] = {
    "qualcomm-sa8775p": _qualcomm("Qualcomm SA8775P"),
    "qualcomm-sa8295p": _qualcomm("Qualcomm SA8295P"),
    # The table carries the same figures under both names, to the last digit.
    "qualcomm-sa7255p": _qualcomm("Qualcomm SA7255P"),
    "qualcomm-iq9075": _qualcomm("Qualcomm IQ-9075"),
    "qualcomm-qcs8550": _qualcomm("Qualcomm QCS8550"),
    "qualcomm-qcs6490": _qualcomm("Qualcomm QCS6490 (RB3 Gen2)"),
    "qualcomm-8-elite": _qualcomm("Qualcomm Snapdragon 8 Elite (Galaxy S25)"),
    "furiosa-warboy": Published(
        devices=("Furiosa Warboy",),
        scenario="2PE|SingleStream|MultiStream",
        batches=True,
        known=_WARBOY,
    ),
    "furiosa-warboy-1pe": Published(devices=("Furiosa Warboy",), scenario="1PE", known=_WARBOY),
    "google-edge-tpu": Published(
        devices=("Google Coral USB Edge TPU",),
        known=Known(
            resident_bytes=8_000_000,
            # Four TOPS at a quarter of use, and weights over a USB 3.0 link.
            centre={"int8_macs": 500.0, "weight_bytes": 0.35, "run_int8_ns": 300_000.0},
        ),
    ),
    "hailo-8": Published(devices=("Hailo-8",), period=True),
    "nvidia-orin-nx-16gb": _small_orin("NVIDIA Jetson Orin NX 16GB"),
    "nvidia-orin-nano-super": _small_orin("NVIDIA Jetson Orin Nano Super"),
    "nvidia-agx-orin": _gpu("NVIDIA Jetson AGX Orin", scale=3),
    "nvidia-agx-xavier": _gpu("NVIDIA Jetson AGX Xavier", scale=1),
    "nvidia-t4": _gpu("NVIDIA T4", scale=3),
    "nvidia-l4": _gpu("NVIDIA L4", scale=6),
    "nvidia-a100-pcie-40gb": _gpu("NVIDIA A100-PCIe-40GB", scale=15),
    "rebellions-atom": _gpu("Rebellions ATOM", scale=4),
    "aws-inferentia": Published(devices=("AWS Inferentia",), batches=True),
    "deepx-dx-m1": Published(devices=("DeepX DX-M1",), period=True),
    "sapeon-x220-compact": _gpu("SAPEON X220-compact", scale=3),
    "sapeon-x220-enterprise": _gpu("SAPEON X220-enterprise", scale=6),
}
