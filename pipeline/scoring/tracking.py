"""Quality of tracks: CLEAR, IDF1 and HOTA, over all classes together.

CLEAR: K. Bernardin, R. Stiefelhagen, 2008 (MOTA, MOTP, switches): a track keeps its object while it
fits; the others are assigned anew. IDF1: E. Ristani et al., 2016 (arXiv 1609.01775): one track for
each object over the whole drive. HOTA: J. Luiten et al., 2020 (arXiv 2009.07736): the geometric
mean of detection and association, over fits of 0.05 to 0.95. A track fits only objects of its
class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from pipeline.scoring.tables import FoundBoxes, FoundBoxes3D, TrueBoxes, TrueBoxes3D, Views

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

FITS = np.arange(0.05, 0.99, 0.05)
_LEAST = 0.5  # that CLEAR and IDF1 take for a fit
_TINY = np.finfo(np.float64).eps
_FIT_AT_M = 2.0  # distance of centres that is a fit of one half


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sight:
    """Objects and tracks of one instant.

    Attributes:
        objects: Number of each object's track in the truth; shape (n,).
        tracks: Number of each found track; shape (m,).
        fits: From 0 to 1; shape (n, m).
    """

    objects: Ints
    tracks: Ints
    fits: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackScores:
    """Quality of tracks.

    Attributes:
        objects: Objects to be found, over all instants.
        mota: One less the share of misses, false tracks and switches; may be below 0.
        motp: Mean fit of what was matched; None where nothing was.
        idf1: F1 of objects and tracks paired over the whole drive.
        hota: Over all fits.
        switches: How often an object changed its track.
        misses: Objects without a track.
        false: Tracks without an object.
    """

    objects: int
    mota: float
    motp: float | None
    idf1: float
    hota: float
    switches: int
    misses: int
    false: int


def score_tracks(sights: Iterable[Sight]) -> TrackScores | None:
    """Judge tracks, instant after instant; None where there is no object at any."""
    seen = list(sights)
    objects, object_at = _numbered([sight.objects for sight in seen])
    tracks, track_at = _numbered([sight.tracks for sight in seen])
    total = sum(len(sight.objects) for sight in seen)
    if not total:
        return None
    clear = _Clear(len(objects))
    for sight, ours, theirs in zip(seen, object_at, track_at, strict=True):
        clear.see(ours, theirs, sight.fits)
    pairs = _pairs(seen, object_at, track_at, len(tracks))
    of_object = np.bincount(_joined(object_at), minlength=len(objects))
    of_track = np.bincount(_joined(track_at), minlength=len(tracks))
    found = int(of_track.sum())
    return TrackScores(
        objects=total,
        mota=1 - (clear.misses + clear.false + clear.switches) / total,
        motp=clear.fit / clear.matched if clear.matched else None,
        idf1=2 * _identified(pairs) / (total + found),
        hota=_hota(seen, object_at, track_at, pairs, of_object, of_track),
        switches=clear.switches,
        misses=clear.misses,
        false=clear.false,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Pairs:
    """Objects and tracks that ever fit at all; few of all that could.

    Attributes:
        width: Number of tracks; a key is object * width + track.
        keys: Rising; shape (pairs,).
        together: Instants at which they fit by one half or more; shape (pairs,).
        aligned: Sum of their fits, each as a share of what else they fit; shape (pairs,).
    """

    width: int
    keys: Ints
    together: Ints
    aligned: Floats

    @property
    def objects(self) -> Ints:
        """Object of each pair."""
        return self.keys // self.width

    @property
    def tracks(self) -> Ints:
        """Track of each pair."""
        return self.keys % self.width


def _pairs(seen: list[Sight], object_at: list[Ints], track_at: list[Ints], width: int) -> _Pairs:
    keys, halves, shares = [], [], []
    for sight, ours, theirs in zip(seen, object_at, track_at, strict=True):
        fits = sight.fits
        some = np.nonzero(fits)
        sums = fits.sum(axis=0)[None, :] + fits.sum(axis=1)[:, None] - fits
        keys.append(ours[some[0]] * width + theirs[some[1]])
        halves.append((fits[some] >= _LEAST).astype(np.int64))
        shares.append(fits[some] / np.maximum(sums[some], _TINY))
    single, place = np.unique(_joined(keys), return_inverse=True)
    place = place.reshape(-1)
    return _Pairs(
        width=width,
        keys=single,
        together=np.bincount(place, _joined(halves), len(single)).astype(np.int64),
        aligned=np.bincount(place, np.concatenate([np.zeros(0), *shares]), len(single)).astype(
            np.float64
        ),
    )


class _Clear:
    """Counts CLEAR's events."""

    def __init__(self, objects: int) -> None:
        self._track = np.full(objects, -1, np.int64)  # each object's last track
        self._held: dict[int, int] = {}
        self.misses = self.false = self.switches = self.matched = 0
        self.fit = 0.0

    def see(self, objects: Ints, tracks: Ints, fits: Floats) -> None:
        """Match one instant."""
        column = {track: place for place, track in enumerate(tracks.tolist())}
        pairs: dict[int, int] = {}
        for place, number in enumerate(objects.tolist()):
            kept = column.get(self._held.get(number, -1))
            if kept is not None and fits[place, kept] >= _LEAST:
                pairs[place] = kept
        free = [place for place in range(len(objects)) if place not in pairs]
        open_ = [place for place in range(len(tracks)) if place not in pairs.values()]
        if free and open_:
            some = fits[np.ix_(free, open_)]
            for one, other in _assigned(np.where(some >= _LEAST, some, 0.0)):
                if some[one, other] >= _LEAST:
                    pairs[free[one]] = open_[other]
        self._held = {int(objects[one]): int(tracks[other]) for one, other in pairs.items()}
        for number, track in self._held.items():
            self.switches += int(self._track[number] not in (-1, track))
            self._track[number] = track
        self.matched += len(pairs)
        self.misses += len(objects) - len(pairs)
        self.false += len(tracks) - len(pairs)
        self.fit += float(sum(fits[one, other] for one, other in pairs.items()))


def _identified(pairs: _Pairs) -> int:
    """Fits that the best pairing of whole tracks keeps; groups that share nothing are apart."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - heavy, rarely needed
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    if not len(pairs.keys):
        return 0
    objects, tracks = pairs.objects, pairs.tracks
    first = int(objects.max()) + 1
    size = first + pairs.width
    graph = coo_array((np.ones(len(objects)), (objects, first + tracks)), shape=(size, size))
    _, groups = connected_components(graph, directed=False)
    order = np.argsort(groups[objects], kind="stable")
    edges = np.flatnonzero(np.diff(groups[objects][order])) + 1
    kept = 0
    for group in np.split(order, edges):
        rows, row = np.unique(objects[group], return_inverse=True)
        columns, column = np.unique(tracks[group], return_inverse=True)
        gains = np.zeros((len(rows), len(columns)))
        gains[row, column] = pairs.together[group]
        kept += int(sum(gains[one, other] for one, other in _assigned(gains)))
    return kept


def _hota(
    seen: list[Sight],
    object_at: list[Ints],
    track_at: list[Ints],
    pairs: _Pairs,
    of_object: Ints,
    of_track: Ints,
) -> float:
    both = of_object[pairs.objects] + of_track[pairs.tracks]
    alignment = pairs.aligned / np.maximum(both - pairs.aligned, _TINY)
    hits = np.zeros(len(FITS))
    counts = np.zeros((len(pairs.keys), len(FITS)))
    for sight, ours, theirs in zip(seen, object_at, track_at, strict=True):
        some = np.nonzero(sight.fits)
        if not len(some[0]):
            continue
        places = np.full(sight.fits.shape, -1, np.int64)
        places[some] = np.searchsorted(pairs.keys, ours[some[0]] * pairs.width + theirs[some[1]])
        gains = np.where(places >= 0, alignment[places], 0.0) * sight.fits
        for one, other in _assigned(gains):
            if places[one, other] >= 0:
                enough = sight.fits[one, other] >= FITS - _TINY
                hits += enough
                counts[places[one, other]] += enough
    detected = hits / (of_object.sum() + of_track.sum() - hits)
    shared = counts / np.maximum(both[:, None] - counts, 1)
    associated = (counts * shared).sum(axis=0) / np.maximum(hits, 1)
    return float(np.sqrt(detected * associated).mean())


def _assigned(gains: Floats) -> list[tuple[int, int]]:
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - heavy, rarely needed

    rows, columns = linear_sum_assignment(gains, maximize=True)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _numbered(numbers: list[Ints]) -> tuple[Ints, list[Ints]]:
    """All numbers that occur, and each list as places among them."""
    known, places = np.unique(_joined(numbers), return_inverse=True)
    ends = np.cumsum([len(some) for some in numbers])
    return known, list(np.split(places.reshape(-1), ends[:-1]))


def _joined(numbers: list[Ints]) -> Ints:
    return np.concatenate([np.zeros(0, np.int64), *numbers])


# -- what is seen ----------------------------------------------------------------------------------


def sights_of(truth: TrueBoxes, found: FoundBoxes, views: Views) -> Iterator[Sight]:
    """Objects and tracks of each pair; the fit is intersection over union.

    A track that lies in an area to be ignored, and on no object, is left out.
    """
    from pipeline.scoring.detection import overlaps  # noqa: PLC0415 - only here

    for frame, result in zip(views.truths.tolist(), views.found.tolist(), strict=True):
        real, areas, mine = _rows(truth, found, frame, result)
        fits = overlaps(found.xyxy[None, mine], truth.xyxy[None, real])[0].T
        covered = overlaps(
            found.xyxy[None, mine], truth.xyxy[None, areas], np.ones((1, len(areas)), np.bool_)
        )[0]
        yield _sight(truth, found, real, mine, fits, covered)


def sights_3d_of(truth: TrueBoxes3D, found: FoundBoxes3D, views: Views) -> Iterator[Sight]:
    """The same in space: the fit falls with the distance of centres, one half at 2 m."""
    for frame, result in zip(views.truths.tolist(), views.found.tolist(), strict=True):
        real, areas, mine = _rows(truth, found, frame, result)
        fits = _nearness(truth.centres_m[real], found.centres_m[mine])
        covered = _nearness(found.centres_m[mine], truth.centres_m[areas])
        yield _sight(truth, found, real, mine, fits, covered)


def _nearness(one: Floats, other: Floats) -> Floats:
    apart = one[:, None, :2] - other[None, :, :2]
    return np.maximum(0.0, 1 - np.hypot(apart[..., 0], apart[..., 1]) / (2 * _FIT_AT_M))


def _rows(
    truth: TrueBoxes | TrueBoxes3D, found: FoundBoxes | FoundBoxes3D, frame: int, result: int
) -> tuple[Ints, Ints, Ints]:
    rows = np.arange(truth.offsets[frame], truth.offsets[frame + 1])
    real = truth.classes[rows] >= 0
    mine = np.zeros(0, np.int64)
    if result >= 0:
        mine = np.arange(found.offsets[result], found.offsets[result + 1])
    return rows[real], rows[~real], mine


def _sight(
    truth: TrueBoxes | TrueBoxes3D,
    found: FoundBoxes | FoundBoxes3D,
    real: Ints,
    mine: Ints,
    fits: Floats,
    covered: Floats,
) -> Sight:
    assert found.tracks is not None  # noqa: S101 - the caller looked
    fits = np.where(truth.classes[real][:, None] == found.classes[mine][None, :], fits, 0.0)
    kept = ~((covered >= _LEAST).any(axis=1) & ~(fits >= _LEAST).any(axis=0))
    return Sight(objects=truth.tracks[real], tracks=found.tracks[mine[kept]], fits=fits[:, kept])
