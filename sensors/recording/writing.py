"""Frames and labels into an MCAP file: the same ones give the same bytes.

Chunks close after 512 KiB or half a second of the drive, so that a file that was cut off loses
little. Every chunk, the data section and the index carry CRCs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from foxglove_schemas_protobuf.CameraCalibration_pb2 import CameraCalibration
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.FrameTransforms_pb2 import FrameTransforms
from foxglove_schemas_protobuf.ImageAnnotations_pb2 import ImageAnnotations
from foxglove_schemas_protobuf.Odometry_pb2 import Odometry
from foxglove_schemas_protobuf.PointCloud_pb2 import PointCloud
from foxglove_schemas_protobuf.SceneUpdate_pb2 import SceneUpdate
from mcap.writer import CompressionType, Writer
from mcap_protobuf.schema import build_file_descriptor_set

from sensors.frames import EgoPose
from sensors.recording import layout
from sensors.recording.encoding import (
    PictureCoding,
    calibration_message,
    frame_message,
    mask_message,
    transforms_message,
)
from sensors.recording.errors import LabelsStrayError
from sensors.recording.labels import imu_schema, labels_schema, labels_text
from sensors.recording.views import annotations_message, scene_message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import BinaryIO

    from google.protobuf.message import Message

    from sensors.calibration import Calibration
    from sensors.frames import Frame, Stream, StreamKind
    from sensors.labels import FrameLabels


CHUNK_BYTES = 512 * 1024
CHUNK_NS = 500_000_000
_FRAME_SCHEMAS: Mapping[StreamKind, type[Message] | None] = {
    "camera": CompressedImage,
    "lidar": PointCloud,
    "pose": Odometry,
    "imu": None,
}


class DriveWriter:
    """Writes frames and labels into an open file, in the order in which they are given."""

    def __init__(
        self,
        output: BinaryIO,
        *,
        streams: Sequence[Stream],
        calibrations: Sequence[Calibration] = (),
        coding: PictureCoding | None = None,
        drive_id: str = "",
    ) -> None:
        """Begin the file.

        Args:
            output: Where the bytes go; stays open.
            streams: What will be written; each needs a name of its own.
            calibrations: Where the sensors sit, as far as known.
            coding: How pictures are kept; None is a JPEG of quality 90.
            drive_id: What the drive was made from, kept as metadata.

        Raises:
            OSError: The disk is full.
        """
        self._coding = coding or PictureCoding()
        self._streams = {stream.name: stream for stream in streams}
        self._calibrations = {found.stream: found for found in calibrations}
        self._frames = dict.fromkeys(self._streams, 0)
        self._last_ns: dict[str, int] = {}
        self._labels: dict[str, int] = {}
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, int] = {}
        self._chunk_ns: int | None = None
        self._writer = Writer(
            output,
            chunk_size=CHUNK_BYTES,
            compression=CompressionType.ZSTD,
            enable_crcs=True,
            enable_data_crcs=True,
        )
        self._writer.start(profile=layout.PROFILE, library=layout.LIBRARY)
        if drive_id:
            self._writer.add_metadata("splitway.drive", {"drive_id": drive_id})
        for stream in streams:
            self._add_frames_channel(stream)

    @property
    def frames(self) -> Mapping[str, int]:
        """Number of frames written so far, per stream."""
        return dict(self._frames)

    @property
    def labels(self) -> Mapping[str, int]:
        """Number of labelled frames so far, of streams that have any."""
        return dict(self._labels)

    def write(self, frame: Frame) -> None:
        """Write a frame; frames of one stream come in rising order of stamps and indices.

        Raises:
            ValueError: Its stream was not announced, its index is not the next, its stamp does not
                lie after the last, or it cannot be encoded.
            OSError: The disk is full.
        """
        stream = self._streams.get(frame.stream)
        if stream is None or frame.index != self._frames[frame.stream]:
            wanted = "no such stream" if stream is None else f"{self._frames[frame.stream]} is next"
            msg = f"frame {frame.index} of stream {frame.stream!r}: {wanted}"
            raise ValueError(msg)
        last_ns = self._last_ns.get(frame.stream)
        if last_ns is not None and frame.stamp_ns <= last_ns:
            msg = (
                f"frame {frame.index} of stream {frame.stream!r} has the stamp {frame.stamp_ns} ns,"
                f" which does not lie after the {last_ns} ns of the frame before it"
            )
            raise ValueError(msg)
        self._last_ns[frame.stream] = frame.stamp_ns
        content = frame_message(frame, self._coding)
        at_ns, planned_ns = frame.stamp_ns, frame.scheduled_ns
        self._put(layout.frames_topic(stream), content, at_ns, frame.index, planned_ns)
        if frame.index == 0:
            self._place(frame.stream, at_ns)
        if isinstance(frame, EgoPose):
            self._add_transforms(frame.stamp_ns, frame.index, pose=frame)
        self._frames[frame.stream] += 1

    def write_labels(self, labels: FrameLabels) -> None:
        """Write labels of the frame that its stream had last.

        Raises:
            LabelsStrayError: They belong to another frame.
            ValueError: They cannot be encoded.
            OSError: The disk is full.
        """
        name, at_ns = labels.stream, labels.stamp_ns
        if labels.index != self._frames.get(name, 0) - 1:
            raise LabelsStrayError(name, labels.index, self._frames.get(name, 0))
        if labels.masks is not None:
            for mask, pixels in zip(labels.masks.names, labels.masks.masks, strict=True):
                topic = layout.side_topic(name, f"mask/{mask}")
                said = {layout.MASK_KEY: mask}
                self._side_channel(topic, name, "mask", self._protobuf(CompressedImage), said)
                self._put(topic, mask_message(at_ns, name, pixels), at_ns, labels.index)
        if labels.boxes is not None:
            topic = layout.side_topic(name, "annotations")
            self._side_channel(topic, name, "view", self._protobuf(ImageAnnotations))
            self._put(topic, annotations_message(at_ns, labels.boxes), at_ns, labels.index)
        if labels.boxes_3d is not None:
            topic = layout.side_topic(name, "objects")
            self._side_channel(topic, name, "view", self._protobuf(SceneUpdate))
            content = scene_message(at_ns, labels.boxes_3d, labels.futures)
            self._put(topic, content, at_ns, labels.index)
        # The labels come last: where they are whole, so is all that they name.
        topic = layout.side_topic(name, "labels")
        schema = self._json(layout.LABELS_SCHEMA, labels_schema())
        self._side_channel(topic, name, "labels", schema, encoding=layout.JSON)
        self._put(topic, labels_text(labels), at_ns, labels.index)
        self._labels[name] = self._labels.get(name, 0) + 1

    def finish(self) -> None:
        """Write the index; nothing can be written after.

        Raises:
            OSError: The disk is full.
        """
        self._writer.finish()

    def _add_frames_channel(self, stream: Stream) -> None:
        message = _FRAME_SCHEMAS[stream.kind]
        if message is None:
            schema = self._json(layout.IMU_SCHEMA, imu_schema())
        else:
            schema = self._protobuf(message)
        topic = layout.frames_topic(stream)
        self._channels[topic] = self._writer.register_channel(
            topic,
            layout.JSON if message is None else layout.PROTOBUF,
            schema,
            layout.stream_metadata(stream, self._calibrations.get(stream.name)),
        )

    def _place(self, stream: str, at_ns: int) -> None:
        """Say for a viewer where the sensor sits and how it projects, once, at its first frame."""
        found = self._calibrations.get(stream)
        if found is None:
            return
        self._add_transforms(at_ns, 0, calibrations=[found])
        if found.intrinsics is not None:
            topic = layout.side_topic(stream, "calibration")
            self._side_channel(topic, stream, "view", self._protobuf(CameraCalibration))
            self._put(topic, calibration_message(at_ns, stream, found.intrinsics), at_ns, 0)

    def _add_transforms(
        self,
        at_ns: int,
        index: int,
        *,
        calibrations: Sequence[Calibration] = (),
        pose: EgoPose | None = None,
    ) -> None:
        topic = layout.TRANSFORMS_TOPIC
        self._side_channel(topic, "", "view", self._protobuf(FrameTransforms))
        self._put(topic, transforms_message(at_ns, calibrations, pose), at_ns, index)

    def _side_channel(
        self,
        topic: str,
        stream: str,
        role: layout.Role,
        schema: int,
        more: Mapping[str, str] | None = None,
        encoding: str = layout.PROTOBUF,
    ) -> None:
        if topic in self._channels:
            return
        said = {layout.STREAM_KEY: stream, layout.ROLE_KEY: role, **(more or {})}
        self._channels[topic] = self._writer.register_channel(topic, encoding, schema, said)

    def _protobuf(self, message: type[Message]) -> int:
        name = message.DESCRIPTOR.full_name
        if name not in self._schemas:
            described = build_file_descriptor_set(message).SerializeToString(deterministic=True)
            self._schemas[name] = self._writer.register_schema(name, layout.PROTOBUF, described)
        return self._schemas[name]

    def _json(self, name: str, schema: bytes) -> int:
        if name not in self._schemas:
            self._schemas[name] = self._writer.register_schema(name, layout.JSON_SCHEMA, schema)
        return self._schemas[name]

    def _put(
        self, topic: str, content: bytes, at_ns: int, index: int, scheduled_ns: int | None = None
    ) -> None:
        planned_ns = at_ns if scheduled_ns is None else scheduled_ns
        if min(at_ns, planned_ns) < 0:
            msg = f"topic {topic}: a recording has no stamps below 0, such as {at_ns} ns"
            raise ValueError(msg)
        if self._chunk_ns is not None and at_ns - self._chunk_ns >= CHUNK_NS:
            self._writer.flush()
            self._chunk_ns = None
        if self._chunk_ns is None:
            self._chunk_ns = at_ns
        self._writer.add_message(
            self._channels[topic],
            log_time=at_ns,
            data=content,
            publish_time=planned_ns,
            sequence=index & 0xFFFFFFFF,
        )
