"""The labels that a run was scored against, as one file of its evidence."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import EvidenceError
from pipeline.scoring.areas import PackedMasks
from pipeline.scoring.poses import Poses
from pipeline.scoring.tables import TrueBoxes, TrueBoxes3D
from pipeline.scoring.truths import StreamTruth
from sensors.labels import Futures

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.generic[object]]

_VERSION = 1
_META = "meta"


def pack_truths(truths: Iterable[StreamTruth]) -> bytes:
    """Labels as compressed arrays; the same labels make the same bytes."""
    arrays: dict[str, Array] = {}
    streams: list[dict[str, object]] = []
    for number, truth in enumerate(truths):
        streams.append(
            {
                "stream": truth.stream,
                "frames": truth.frames,
                "names": truth.names,
                "masks": None
                if truth.masks is None
                else [truth.masks.names, truth.masks.width, truth.masks.height],
                "strangers": truth.strangers,
            }
        )
        arrays |= {f"{number}.{name}": array for name, array in _arrays(truth).items()}
    meta = json.dumps({"version": _VERSION, "streams": streams}, sort_keys=True)
    arrays[_META] = np.frombuffer(meta.encode(), np.uint8)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            body = io.BytesIO()
            np.lib.format.write_array(body, np.ascontiguousarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy")  # dated 1980: no clock gets into evidence
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, body.getvalue())
    return held.getvalue()


def _arrays(truth: StreamTruth) -> dict[str, Array]:
    found: dict[str, Array] = {f"known.{kind}": some for kind, some in truth.known.items()}
    if truth.boxes is not None:
        found |= _columns("boxes", truth.boxes)
    if truth.boxes_3d is not None:
        found |= _columns("space", truth.boxes_3d)
    if truth.masks is not None:
        found["masks.sizes"] = np.array([len(body) for body in truth.masks.bodies], np.int64)
        found["masks.bodies"] = np.frombuffer(b"".join(truth.masks.bodies), np.uint8)
    if truth.poses is not None:
        found |= _columns("poses", truth.poses)
    if truth.futures:
        frames = sorted(truth.futures)
        some = [truth.futures[frame] for frame in frames]
        found["futures.frames"] = np.array(frames, np.int64)
        found["futures.steps"] = np.array([one.step_ns for one in some], np.int64)
        found["futures.shapes"] = np.array([one.valid.shape for one in some], np.int64)
        found["futures.tracks"] = np.concatenate([one.tracks for one in some])
        found["futures.valid"] = np.concatenate([one.valid.reshape(-1) for one in some])
        found["futures.positions_m"] = np.concatenate([one.positions_m.reshape(-1) for one in some])
    return found


def _columns(name: str, table: TrueBoxes | TrueBoxes3D | Poses) -> dict[str, Array]:
    return {f"{name}.{field}": getattr(table, field) for field in table.__slots__}


def read_truths(file: Path) -> dict[str, StreamTruth]:
    """Read the labels of a run, by stream.

    Raises:
        EvidenceError: The file is not what a run writes.
        OSError: It cannot be read.
    """
    return unpack_truths(file.read_bytes(), name=str(file))


def unpack_truths(packed: bytes, *, name: str = "labels") -> dict[str, StreamTruth]:
    """Labels again, by stream.

    Raises:
        EvidenceError: The bytes are not what `pack_truths` makes.
    """
    try:
        with np.load(io.BytesIO(packed), allow_pickle=False) as held:
            meta = json.loads(held[_META].tobytes())
            if meta["version"] != _VERSION:
                raise EvidenceError(f"{name}: version {meta['version']} is unknown")
            return {
                stream["stream"]: _truth(
                    stream,
                    {
                        key.partition(".")[2]: held[key]
                        for key in held.files
                        if key.startswith(f"{number}.")
                    },
                )
                for number, stream in enumerate(meta["streams"])
            }
    except (ValueError, KeyError, TypeError, zipfile.BadZipFile, EOFError) as err:
        raise EvidenceError(f"{name}: are no labels of a run: {err}") from err


def _truth(about: Mapping[str, object], arrays: Mapping[str, Array]) -> StreamTruth:
    def under(name: str) -> dict[str, Array]:
        head = f"{name}."
        return {k.removeprefix(head): v for k, v in arrays.items() if k.startswith(head)}

    boxes, space, poses = under("boxes"), under("space"), under("poses")
    names, frames, strangers = about["names"], about["frames"], about["strangers"]
    assert isinstance(names, list)  # noqa: S101 - a run wrote it, else the KeyError above
    return StreamTruth(
        stream=str(about["stream"]),
        frames=int(str(frames)),
        names=tuple(names),
        boxes=_boxes(boxes) if boxes else None,
        boxes_3d=_boxes_3d(space) if space else None,
        masks=_masks(about["masks"], arrays),
        futures=_futures(under("futures")),
        known={kind: some.astype(np.bool_) for kind, some in under("known").items()},
        poses=Poses(
            stamps_ns=_ints(poses["stamps_ns"]),
            positions_m=_floats(poses["positions_m"]),
            quaternions=_floats(poses["quaternions"]),
        )
        if poses
        else None,
        strangers=int(str(strangers)),
    )


def _boxes(arrays: Mapping[str, Array]) -> TrueBoxes:
    return TrueBoxes(
        offsets=_ints(arrays["offsets"]),
        xyxy=_floats(arrays["xyxy"]),
        classes=_ints(arrays["classes"]),
        tracks=_ints(arrays["tracks"]),
        distances_m=_floats(arrays["distances_m"]),
    )


def _boxes_3d(arrays: Mapping[str, Array]) -> TrueBoxes3D:
    return TrueBoxes3D(
        offsets=_ints(arrays["offsets"]),
        centres_m=_floats(arrays["centres_m"]),
        sizes_m=_floats(arrays["sizes_m"]),
        yaws_rad=_floats(arrays["yaws_rad"]),
        velocities_mps=_floats(arrays["velocities_mps"]),
        classes=_ints(arrays["classes"]),
        tracks=_ints(arrays["tracks"]),
    )


def _ints(array: Array) -> NDArray[np.int64]:
    return np.asarray(array, np.int64)


def _floats(array: Array) -> NDArray[np.float64]:
    return np.asarray(array, np.float64)


def _masks(about: object, arrays: Mapping[str, Array]) -> PackedMasks | None:
    match about:
        case [[*names], int() as width, int() as height]:
            ends = np.cumsum(arrays["masks.sizes"])
            whole = arrays["masks.bodies"].tobytes()
            begins = [0, *ends[:-1].tolist()]
            return PackedMasks(
                names=tuple(map(str, names)),
                width=width,
                height=height,
                bodies=[whole[a:b] for a, b in zip(begins, ends.tolist(), strict=True)],
            )
        case _:
            return None


def _futures(arrays: Mapping[str, Array]) -> dict[int, Futures]:
    if not arrays:
        return {}
    found: dict[int, Futures] = {}
    object_, cell = 0, 0
    for frame, step_ns, (count, steps) in zip(
        arrays["frames"].tolist(), arrays["steps"].tolist(), arrays["shapes"].tolist(), strict=True
    ):
        cells = slice(cell, cell + count * steps)
        places = slice(2 * cells.start, 2 * cells.stop)
        found[frame] = Futures(
            tracks=np.asarray(arrays["tracks"][object_ : object_ + count], np.int64),
            step_ns=step_ns,
            positions_m=np.asarray(arrays["positions_m"][places], np.float32).reshape(
                count, steps, 2
            ),
            valid=np.asarray(arrays["valid"][cells], np.bool_).reshape(count, steps),
        )
        object_, cell = object_ + count, cells.stop
    return found
