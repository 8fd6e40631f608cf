"""Things made of flat faces: built once in their own axes, and drawn by `drawing`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sensors.synthetic.canvas import Paint

Point = tuple[float, float, float]
Corners = tuple[Point, ...]
Lamp = Literal["", "tail", "head", "brake", "window"]

DETAIL_PX = (0.0, 13.0, 38.0)
"""Least size on the screen of things whose faces of each level are drawn."""


class _Face(NamedTuple):
    corners: Corners
    paint: Paint
    level: int
    solid: bool
    lamp: Lamp
    end: int
    polygons: int


@dataclass(frozen=True, slots=True)
class Mesh:
    """Faces in the order in which they are drawn, for an eye ahead of the thing and one behind.

    Attributes:
        points: Corners of all faces, own axes (x along its length, y left, z up), shape (n, 3).
        starts: First corner of each face, and one past the last.
        counts: How many polygons of four corners a face is made of; 0 for one of any shape.
        normals: Outward, shape (faces, 3).
        offsets: Normal times a point of the face, shape (faces,).
        paints: Colours, shape (faces, 3).
        solid: Whether the face is part of the outline, else a mark on such a face.
        lamps: Faces that can be lit, and by what.
        from_ahead: Order for an eye at x above 0.
        from_behind: Order for an eye at x below 0.
    """

    points: NDArray[np.float64]
    starts: tuple[int, ...]
    counts: tuple[int, ...]
    normals: NDArray[np.float64]
    offsets: NDArray[np.float64]
    paints: NDArray[np.float64]
    solid: tuple[bool, ...]
    lamps: tuple[tuple[int, Lamp], ...]
    from_ahead: NDArray[np.int64]
    from_behind: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Model:
    """A thing at several levels of detail.

    Attributes:
        meshes: From coarse to fine; each has what the one before it has.
        detail_m: Its size on the screen decides which one is drawn.
    """

    meshes: tuple[Mesh, ...]
    detail_m: float


class Builder:
    """Collects faces; later ones are drawn over earlier ones."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._faces: list[_Face] = []

    def face(
        self,
        corners: Sequence[Point],
        paint: Paint,
        *,
        level: int = 0,
        solid: bool = False,
        lamp: Lamp = "",
        end: int = 0,
    ) -> None:
        """Add a flat convex face, corners counter-clockwise seen from outside.

        Args:
            corners: At least three.
            paint: Colour.
            level: 0 is always drawn, 1 and 2 only from near by.
            solid: Whether it belongs to the outline.
            lamp: What lights it up.
            end: 1 or -1 for parts at the front or rear that hide each other, else 0.
        """
        self._faces.append(_Face(tuple(corners), paint, level, solid, lamp, end, 0))

    def patches(
        self,
        side: Corners,
        places: Sequence[tuple[tuple[float, float], tuple[float, float]]],
        paint: Paint,
        *,
        level: int = 1,
        lamp: Lamp = "",
    ) -> None:
        """Add many marks of one colour on a four-cornered face; they must not overlap.

        Args:
            side: The face.
            places: Across and up, for each, see `patch`.
            paint: Colour.
            level: See `face`.
            lamp: See `face`.
        """
        corners = [corner for across, up in places for corner in part(side, across, up)]
        if corners:
            self._faces.append(_Face(tuple(corners), paint, level, False, lamp, 0, len(places)))  # noqa: FBT003

    def block(
        self,
        along: tuple[float, float],
        half: float,
        up: tuple[float, float],
        paint: Paint,
        *,
        taper: tuple[float, float, float] = (0.0, 0.0, 0.0),
        level: int = 0,
        end: int = 0,
        middle: float = 0.0,
    ) -> dict[str, Corners]:
        """Add a block whose upper face may be smaller than its lower.

        Args:
            along: Rear and front end.
            half: Half its width.
            up: Lower and upper end.
            paint: Colour.
            taper: How much smaller the upper face is at rear, front and each side.
            level: See `face`.
            end: See `face`.
            middle: Its middle across.

        Returns:
            Corners of its sides by name: lower left, lower right, upper right, upper left as one
            looks at them.
        """
        (a, b), (low, high) = along, up
        c, d, inner = a + taper[0], b - taper[1], half - taper[2]
        left, right = middle + half, middle - half
        high_left, high_right = middle + inner, middle - inner
        sides: dict[str, Corners] = {
            "rear": ((a, left, low), (a, right, low), (c, high_right, high), (c, high_left, high)),
            "right": (
                (a, right, low),
                (b, right, low),
                (d, high_right, high),
                (c, high_right, high),
            ),
            "front": ((b, right, low), (b, left, low), (d, high_left, high), (d, high_right, high)),
            "left": ((b, left, low), (a, left, low), (c, high_left, high), (d, high_left, high)),
            "top": (
                (c, high_left, high),
                (c, high_right, high),
                (d, high_right, high),
                (d, high_left, high),
            ),
        }
        for corners in sides.values():
            self.face(corners, paint, level=level, solid=True, end=end)
        return sides

    def patch(
        self,
        side: Corners,
        across: tuple[float, float],
        up: tuple[float, float],
        paint: Paint,
        *,
        level: int = 1,
        lamp: Lamp = "",
        end: int = 0,
    ) -> None:
        """Add a mark on a four-cornered face, by shares of its width and height."""
        self.face(part(side, across, up), paint, level=level, lamp=lamp, end=end)

    def disc(
        self,
        centre: Point,
        radius: float,
        paint: Paint,
        *,
        side: float,
        corners: int = 12,
        level: int = 1,
        end: int = 0,
        solid: bool = False,
    ) -> None:
        """Add a disc on a left (side 1) or right (side -1) flank."""
        x, y, z = centre
        turns = [math.tau * number / corners for number in range(corners)]
        # Seen from the left, x runs to the left.
        ring = [(x - side * radius * math.cos(t), y, z + radius * math.sin(t)) for t in turns]
        self.face(ring, paint, level=level, end=end, solid=solid)

    def model(self, *, detail_m: float | None = None) -> Model:
        """Return what was collected.

        Args:
            detail_m: Size that decides how near one has to be for details; None for the height.
        """
        height_m = max(point[2] for face in self._faces for point in face.corners)
        return Model(
            meshes=tuple(self._mesh(level) for level in range(len(DETAIL_PX))),
            detail_m=height_m if detail_m is None else detail_m,
        )

    def _mesh(self, level: int) -> Mesh:
        """Return what is seen of it at a level."""
        chosen = [face for face in self._faces if face.level <= level]
        points = np.array([point for face in chosen for point in face.corners])
        counts = [len(face.corners) for face in chosen]
        starts = np.cumsum([0, *counts])
        normals = np.array([_normal(face) for face in chosen])
        firsts = np.array([face.corners[0] for face in chosen])
        ends = np.array([face.end for face in chosen])
        return Mesh(
            points=points,
            starts=tuple(starts.tolist()),
            counts=tuple(face.polygons for face in chosen),
            normals=normals,
            offsets=(normals * firsts).sum(axis=1),
            paints=np.array([face.paint for face in chosen], np.float64),
            solid=tuple(face.solid for face in chosen),
            lamps=tuple((n, face.lamp) for n, face in enumerate(chosen) if face.lamp),
            from_ahead=np.argsort(ends, kind="stable"),
            from_behind=np.argsort(-ends, kind="stable"),
        )


def part(side: Corners, across: tuple[float, float], up: tuple[float, float]) -> Corners:
    """Return a part of a four-cornered face, by shares of its width and height."""
    lower_left, lower_right, upper_right, upper_left = side

    def at(share: float, climb: float) -> Point:
        below = _between(lower_left, lower_right, share)
        return _between(below, _between(upper_left, upper_right, share), climb)

    (first, last), (low, high) = across, up
    return (at(first, low), at(last, low), at(last, high), at(first, high))


def _between(start: Point, end: Point, share: float) -> Point:
    return (
        start[0] + share * (end[0] - start[0]),
        start[1] + share * (end[1] - start[1]),
        start[2] + share * (end[2] - start[2]),
    )


def _normal(face: _Face) -> NDArray[np.float64]:
    corners = face.corners[:4] if face.polygons else face.corners
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = corners[0], corners[1], corners[-1]
    ux, uy, uz = bx - ax, by - ay, bz - az
    vx, vy, vz = cx - ax, cy - ay, cz - az
    normal = np.array([uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx])
    found: NDArray[np.float64] = normal / (np.linalg.norm(normal) + 1e-12)
    return found
