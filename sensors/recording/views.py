"""Labels as Foxglove draws them: boxes over a picture, boxes and ways ahead in space.

Made to be looked at only; what is true lies in the labels' own message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from foxglove_schemas_protobuf.Color_pb2 import Color
from foxglove_schemas_protobuf.CubePrimitive_pb2 import CubePrimitive
from foxglove_schemas_protobuf.ImageAnnotations_pb2 import ImageAnnotations
from foxglove_schemas_protobuf.KeyValuePair_pb2 import KeyValuePair
from foxglove_schemas_protobuf.LinePrimitive_pb2 import LinePrimitive
from foxglove_schemas_protobuf.Point2_pb2 import Point2
from foxglove_schemas_protobuf.Point3_pb2 import Point3
from foxglove_schemas_protobuf.PointsAnnotation_pb2 import PointsAnnotation
from foxglove_schemas_protobuf.Pose_pb2 import Pose
from foxglove_schemas_protobuf.SceneEntity_pb2 import SceneEntity
from foxglove_schemas_protobuf.SceneEntityDeletion_pb2 import SceneEntityDeletion
from foxglove_schemas_protobuf.SceneUpdate_pb2 import SceneUpdate
from foxglove_schemas_protobuf.TextAnnotation_pb2 import TextAnnotation

from sensors.recording.encoding import stamp, turn, vector
from sensors.recording.layout import EGO

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sensors.labels import Futures, Labels2D, Labels3D

_HUES = (
    (0.90, 0.62, 0.00),
    (0.34, 0.71, 0.91),
    (0.00, 0.62, 0.45),
    (0.94, 0.89, 0.26),
    (0.00, 0.45, 0.70),
    (0.84, 0.37, 0.00),
    (0.80, 0.47, 0.65),
)
"""Red, green, blue; the colour-blind-safe hues of Okabe and Ito (2008), black left out."""
_IGNORED = (0.6, 0.6, 0.6)
_FONT_PX, _LINE_PX, _LINE_M = 12.0, 2.0, 0.1


def annotations_message(stamp_ns: int, labels: Labels2D) -> bytes:
    """Boxes with class and track over the picture."""
    found = ImageAnnotations()
    when = stamp(stamp_ns)
    for row, (left, top, right, bottom) in enumerate(labels.xyxy.tolist()):
        label = int(labels.classes[row])
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        outline = PointsAnnotation(
            timestamp=when,
            type=PointsAnnotation.LINE_LOOP,
            points=[Point2(x=x, y=y) for x, y in corners],
            outline_color=_color(label),
            thickness=_LINE_PX,
        )
        text = TextAnnotation(
            timestamp=when,
            position=Point2(x=left, y=top),
            text=_name(labels.names, label, int(labels.tracks[row])),
            font_size=_FONT_PX,
            text_color=_color(label),
        )
        found.points.append(outline)
        found.texts.append(text)
    return found.SerializeToString(deterministic=True)


def scene_message(stamp_ns: int, labels: Labels3D, futures: Futures | None) -> bytes:
    """Boxes in space, each with its way ahead; they take the place of all that stood before."""
    when = stamp(stamp_ns)
    update = SceneUpdate(
        deletions=[SceneEntityDeletion(timestamp=when, type=SceneEntityDeletion.ALL)]
    )
    ways = {} if futures is None else _ways(futures)
    for row, track in enumerate(labels.tracks.tolist()):
        label = int(labels.classes[row])
        length, width, height = labels.sizes_m[row].tolist()
        entity = SceneEntity(
            timestamp=when,
            frame_id=EGO,
            id=f"{track}-{row}",
            metadata=[
                KeyValuePair(key="class", value=_name(labels.names, label, track)),
                KeyValuePair(key="points", value=str(int(labels.points[row]))),
            ],
            cubes=[
                CubePrimitive(
                    pose=Pose(
                        position=vector(labels.centres_m[row].tolist()),
                        orientation=turn(float(labels.yaws_rad[row])),
                    ),
                    size=vector((length, width, height)),
                    color=_color(label, 0.5),
                )
            ],
        )
        if ways.get(track):
            low = float(labels.centres_m[row, 2]) - height / 2
            begin = (float(labels.centres_m[row, 0]), float(labels.centres_m[row, 1]))
            entity.lines.append(
                LinePrimitive(
                    type=LinePrimitive.LINE_STRIP,
                    thickness=_LINE_M,
                    points=[Point3(x=x, y=y, z=low) for x, y in (begin, *ways[track])],
                    color=_color(label),
                )
            )
        update.entities.append(entity)
    return update.SerializeToString(deterministic=True)


def _ways(futures: Futures) -> dict[int, list[tuple[float, float]]]:
    rows = zip(futures.tracks.tolist(), futures.positions_m, futures.valid, strict=True)
    return {track: _way(positions, valid) for track, positions, valid in rows}


def _way(positions: NDArray[np.float32], valid: NDArray[np.bool_]) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in positions[valid]]


def _name(names: tuple[str, ...], label: int, track: int) -> str:
    return f"{names[label] if label >= 0 else 'ignored'} {track}"


def _color(label: int, opacity: float = 1.0) -> Color:
    red, green, blue = _HUES[label % len(_HUES)] if label >= 0 else _IGNORED
    return Color(r=red, g=green, b=blue, a=opacity)
