"""The ledger's memory: rows kept as numpy columns, so that a long run costs bytes, not objects."""

from __future__ import annotations

from array import array
from struct import Struct
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import LedgerError
from pipeline.ledger.fates import FATES
from pipeline.ledger.rows import Delivery, Row
from pipeline.ledger.spans import ADMITTED, IMPROVED, SPANS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# A stamp that a frame never reached. Like numpy's NaT it is the smallest integer, which no run
# time can be; who reads `stamps_ns` masks it, and no Row has it.
ABSENT = np.iinfo(np.int64).min

STAMPS: tuple[str, ...] = (*SPANS, ADMITTED, IMPROVED)
_STAMP_INDEX = {name: index for index, name in enumerate(STAMPS)}
_FATE_INDEX = {fate: index for index, fate in enumerate(FATES)}

_DENSE, _LEAST = 8, 64  # frames of a path follow each other; one that does not is kept apart

# Stamps lie within two seconds of `scheduled_ns`, nearly all of them, so half the bytes will do.
_NONE, _WIDE = int(np.iinfo(np.int32).min), int(np.iinfo(np.int32).min) + 1
_MOST_NS = int(np.iinfo(np.int32).max)

_LEAST_GROWTH = 1024
_GROWTH = 8  # an eighth more: copies stay rare, and little is kept that no row fills

DTYPE = np.dtype(
    [
        ("path", np.int16),
        ("frame", np.int32),
        ("content", np.int32),
        ("scheduled_ns", np.int64),
        ("deadline_at_ns", np.int64),
        ("fate", np.int8),
        ("cause", np.int16),
        ("route_planned", np.int16),
        ("route_delivered", np.int16),
        ("variant", np.int16),
        ("route_improved", np.int16),
        ("overrun", np.bool_),
        ("partial", np.bool_),
        ("modelled_ns", np.int64),
        ("bytes_up", np.int32),
        ("bytes_down", np.int32),
        ("stamps", np.int32, (len(STAMPS),)),
    ]
)

# One row of `DTYPE`, which has no gaps: packing it takes a fifth of what numpy takes to assign it.
_RECORD = Struct(f"=hiiqqbhhhhh??qii{len(STAMPS)}i")


class Names:
    """Text that recurs in rows, kept once; codes count from 0 in order of first use."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._names: list[str] = []

    def code(self, name: str) -> int:
        """Code of a text, made up on first use."""
        found = self._codes.get(name)
        if found is None:
            found = self._codes[name] = len(self._names)
            self._names.append(name)
        return found

    def codes(self, names: tuple[str, ...]) -> list[int]:
        """Codes of several texts, in their order."""
        try:
            return [*map(self._codes.__getitem__, names)]
        except KeyError:  # seldom: one is new
            return [*map(self.code, names)]

    def find(self, name: str) -> int:
        """Code of a text, -1 where no row has it."""
        return self._codes.get(name, -1)

    def __getitem__(self, code: int) -> str:
        return self._names[code]


class Columns:
    """Rows as columns; grows by steps, so the size to expect may be given ahead."""

    def __init__(self, *, expected_rows: int = 1024) -> None:
        self._data = np.zeros(max(expected_rows, 16), DTYPE)
        self._bytes = self._data.view(np.uint8).data
        self._count = 0
        self.names = Names()
        self._places: dict[str, array[int]] = {}  # of each path, by frame; 0 for none, else from 1
        self._far: dict[tuple[str, int], int] = {}  # places of frames far beyond the others
        self._wide: dict[tuple[int, int], int] = {}  # stamps, by row and stamp, of more than 2 s

    def __len__(self) -> int:
        return self._count

    @property
    def data(self) -> NDArray[np.void]:
        """The rows, a structured array of `DTYPE`; a view that `add` may replace.

        Its stamps are as kept; `stamps_ns` has them as run times.
        """
        return self._data[: self._count]

    def stamps_ns(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Stamps of some rows, run time in ns, `ABSENT` where a frame never came so far.

        Args:
            chosen: Which rows of `data`; shape (rows,).

        Returns:
            Shape (rows chosen, stamps), stamps in the order of `STAMPS`; a copy.
        """
        rows = self.data[chosen]
        kept: NDArray[np.int32] = rows["stamps"]
        stamps: NDArray[np.int64] = kept + rows["scheduled_ns"][:, np.newaxis]
        stamps[kept == _NONE] = ABSENT
        if self._wide:
            places = np.cumsum(chosen) - 1
            for (row, stamp), at_ns in self._wide.items():
                if chosen[row]:
                    stamps[places[row], stamp] = at_ns
        return stamps

    def place(self, path: str, frame: int) -> int | None:
        """Index of a path's frame, or None when it has no row."""
        places = self._places.get(path)
        if places is not None and 0 <= frame < len(places) and places[frame]:
            return places[frame] - 1
        return self._far.get((path, frame))

    def add(self, row: Row) -> int:
        """Append a row.

        Raises:
            KeyError: The path has a row for this frame already.
        """
        if self.place(row.path, row.frame) is not None:
            raise KeyError(row.path, row.frame)
        count, scheduled_ns, reached = self._count, row.scheduled_ns, row.stamps
        if count == len(self._data):
            more = max(_LEAST_GROWTH, count // _GROWTH)
            self._data = np.concatenate([self._data, np.zeros(more, DTYPE)])
            self._bytes = self._data.view(np.uint8).data
        absent_ns = scheduled_ns + _NONE
        stamps = [reached.get(name, absent_ns) - scheduled_ns for name in STAMPS]
        if (
            stamps.count(_NONE) + len(reached) != len(STAMPS)
            or max(stamps) > _MOST_NS
            or min(stamps) < _NONE
            or _WIDE in stamps
        ):  # seldom: a stamp that its half of the bytes cannot hold, or that has no name here
            stamps = self._narrowed(row)
        path, cause, planned, delivered, variant, improved = self.names.codes(
            (
                row.path,
                row.cause,
                row.route_planned,
                row.route_delivered,
                row.variant,
                row.route_improved,
            )
        )
        _RECORD.pack_into(
            self._bytes,
            count * _RECORD.size,
            path,
            row.frame,
            row.content,
            scheduled_ns,
            row.deadline_at_ns,
            _FATE_INDEX[row.fate],
            cause,
            planned,
            delivered,
            variant,
            improved,
            row.overrun,
            row.partial,
            row.modelled_ns,
            row.bytes_up,
            row.bytes_down,
            *stamps,
        )
        self._count += 1
        self._note_place(row.path, row.frame)
        return count

    def _narrowed(self, row: Row) -> list[int]:
        """Stamps of the next row as they are kept; wide ones go beside the columns."""
        stamps = [_NONE] * len(STAMPS)
        for name, at_ns in row.stamps.items():
            index, after_ns = _STAMP_INDEX[name], at_ns - row.scheduled_ns
            if not -_MOST_NS < after_ns <= _MOST_NS:
                self._wide[self._count, index] = at_ns
                after_ns = _WIDE
            stamps[index] = after_ns
        return stamps

    def _note_place(self, path: str, frame: int) -> None:
        places = self._places.setdefault(path, array("I"))
        if frame >= _DENSE * (self._count + _LEAST):
            self._far[path, frame] = self._count - 1
            return
        if frame >= len(places):
            places.extend(bytes(max(frame + 1 - len(places), len(places), _LEAST)))
        places[frame] = self._count

    def rows(self) -> Iterator[Row]:
        """Every row as a value, in the order of `data`."""
        for index, record in enumerate(self.data.tolist()):
            yield self._row(index, record)

    def row(self, index: int) -> Row:
        """One row as a value."""
        return self._row(index, self._data[index].tolist())

    def _row(self, index: int, record: tuple[int, ...]) -> Row:
        (path, frame, content, scheduled_ns, deadline_at_ns, fate, cause, planned, delivered) = (
            record[:9]
        )
        variant, improved, overrun, partial, modelled_ns, bytes_up, bytes_down, stamps = record[9:]
        values = np.asarray(stamps).tolist()
        wide = self._wide
        return Row(
            path=self.names[path],
            frame=frame,
            content=content,
            scheduled_ns=scheduled_ns,
            deadline_at_ns=deadline_at_ns,
            fate=FATES[fate],
            cause=self.names[cause],
            route_planned=self.names[planned],
            route_delivered=self.names[delivered],
            variant=self.names[variant],
            overrun=bool(overrun),
            route_improved=self.names[improved],
            partial=bool(partial),
            modelled_ns=modelled_ns,
            bytes_up=bytes_up,
            bytes_down=bytes_down,
            stamps={
                name: wide[index, place] if after_ns == _WIDE else scheduled_ns + after_ns
                for place, (name, after_ns) in enumerate(zip(STAMPS, values, strict=True))
                if after_ns != _NONE
            },
        )


class CompactDeliveries:
    """Deliveries in the order in which they came, kept as numbers."""

    def __init__(self) -> None:
        self._names = Names()
        self._paths, self._frames, self._at_ns = array("H"), array("i"), array("q")

    def append(self, delivery: Delivery) -> None:
        """Keep a delivery."""
        self._paths.append(self._names.code(delivery.path))
        self._frames.append(delivery.frame)
        self._at_ns.append(delivery.delivered_ns)

    def __iter__(self) -> Iterator[Delivery]:
        for path, frame, at_ns in zip(self._paths, self._frames, self._at_ns, strict=True):
            yield Delivery(path=self._names[path], frame=frame, delivered_ns=at_ns)

    def __len__(self) -> int:
        return len(self._frames)


class CompactRows:
    """Rows in the order in which they came, kept as columns: bytes per row instead of objects."""

    def __init__(self) -> None:
        self._columns = Columns()

    def append(self, row: Row) -> None:
        """Keep a row.

        Raises:
            LedgerError: The path has a row for this frame already.
        """
        try:
            self._columns.add(row)
        except KeyError:
            text = f"frame {row.frame} of {row.path} was settled twice"
            raise LedgerError(text) from None

    def __iter__(self) -> Iterator[Row]:
        return self._columns.rows()

    def __len__(self) -> int:
        return len(self._columns)
