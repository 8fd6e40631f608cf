"""Sealing: every offered frame of every path gets exactly one fate, as a pure function."""

from __future__ import annotations

import csv
import hashlib
import io
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from pipeline.errors import LedgerError
from pipeline.ledger.columns import STAMPS, Columns
from pipeline.ledger.fates import FATES, Fate
from pipeline.ledger.rows import Row
from pipeline.ledger.spans import IMPROVED, durations_ns
from pipeline.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pipeline.ledger.rows import Delivery, Offer

Driver = Literal["virtual", "live"]
Sizing = Literal["exact", "modelled"]
"""Where the sizes of what crosses are from: the pictures themselves, or the plan's prediction."""

# What is compared between runs on different clocks: order, fates and decisions.
_DECISIONS = (
    "path",
    "frame",
    "content",
    "fate",
    "cause",
    "route_planned",
    "route_delivered",
    "variant",
    "partial",
    "improved",
    "route_improved",
)
_FIGURES = ("overrun", "scheduled_ns", "deadline_at_ns", "modelled_ns", "bytes_up", "bytes_down")
COLUMNS: tuple[str, ...] = (*_DECISIONS, *_FIGURES, *(f"{name}_ns" for name in STAMPS))


class Closing(Value, frozen=True, kw_only=True):
    """What becomes of an offered frame that nobody settled.

    Attributes:
        fate: `interrupted` after a stop that was asked for, `failed` after a death.
        cause: Reason, such as `vehicle-died`.
    """

    fate: Fate
    cause: str


class Ledger:
    """A sealed ledger: ordered by scheduled time, then path, then frame."""

    def __init__(self, columns: Columns, *, driver: Driver, sizes: Sizing = "exact") -> None:
        self.columns = columns
        self.driver: Driver = driver
        self.sizes: Sizing = sizes

    def __len__(self) -> int:
        return len(self.columns)

    def rows(self) -> Iterator[Row]:
        """Every row, in order."""
        return self.columns.rows()

    def to_csv(self) -> str:
        """The ledger as CSV text: a header, then one line per row; an absent stamp is empty."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(self._records())
        return text.getvalue()

    def hash(self) -> str:
        """Hash over order, fates and decisions; over the stamps too when they are modelled.

        The stamps of a virtual run are no wall-clock figures, so there they are decisions. A run
        with modelled sizes has another hash than one with exact ones, whatever its rows are.
        """
        digest = hashlib.sha256(self.driver.encode())
        if self.sizes == "modelled":
            digest.update(b"\x1fsizes modelled\n")
        wide = self.driver == "virtual"
        for record in self._records():
            kept = record if wide else record[: len(_DECISIONS)]
            digest.update("\x1f".join(map(str, kept)).encode())
            digest.update(b"\n")
        return digest.hexdigest()

    def _records(self) -> Iterator[tuple[object, ...]]:
        for row in self.rows():
            stamps = row.stamps
            yield (
                row.path,
                row.frame,
                row.content,
                row.fate,
                row.cause,
                row.route_planned,
                row.route_delivered,
                row.variant,
                int(row.partial),
                int(bool(row.route_improved)),
                row.route_improved,
                int(row.overrun),
                row.scheduled_ns,
                row.deadline_at_ns,
                row.modelled_ns,
                row.bytes_up,
                row.bytes_down,
                *(stamps.get(name, "") for name in STAMPS),
            )


def seal(
    offers: Iterable[Offer],
    rows: Iterable[Row],
    deliveries: Iterable[Delivery],
    *,
    closing: Closing,
    predicted_ns: Mapping[str, Mapping[str, int]],
    driver: Driver,
    sizes: Sizing = "exact",
) -> Ledger:
    """Join what player, vehicle and consumer said into a ledger that balances.

    A delivered row takes its `deliver` stamp from the consumer, the first where there are several,
    which can still make it late, and `improved` from the last where a better answer followed; a row
    whose result never reached the consumer is late without a latency. An offered frame without a
    row is closed: one that was lost on the way to the vehicle is dropped, whatever the closing
    says. A late row names as its cause the span that exceeded its budget most.

    Args:
        offers: Every frame that was offered to a path.
        rows: What the vehicle settled, in any order.
        deliveries: What the consumer decoded.
        closing: Fate of a frame that nobody settled.
        predicted_ns: Per path the predicted latency of each span.
        driver: Which clock the stamps are from.
        sizes: Where the sizes of what crossed are from.

    Raises:
        LedgerError: A frame was settled or offered twice, settled and never offered or lost
            before, or settled with another content, scheduled time or deadline than it was
            offered with.
    """
    delivered: dict[tuple[str, int], int] = {}
    better: dict[tuple[str, int], int] = {}
    for delivery in deliveries:
        key, at_ns = (delivery.path, delivery.frame), delivery.delivered_ns
        first_ns = delivered.get(key)
        if first_ns is None:
            delivered[key] = at_ns
        else:
            delivered[key] = min(first_ns, at_ns)
            better[key] = max(first_ns, at_ns)
    settled: dict[tuple[str, int], Row] = {}
    for row in rows:
        if (row.path, row.frame) in settled:
            raise LedgerError(f"frame {row.frame} of {row.path} was settled twice")
        settled[row.path, row.frame] = row
    ordered = sorted(offers, key=lambda o: (o.scheduled_ns, o.path, o.frame))
    columns = Columns(expected_rows=len(ordered))
    for offer in ordered:
        found = settled.pop((offer.path, offer.frame), None)
        row = found or Row(
            path=offer.path,
            frame=offer.frame,
            content=offer.content,
            scheduled_ns=offer.scheduled_ns,
            deadline_at_ns=offer.deadline_at_ns,
            fate="dropped" if offer.lost else closing.fate,
            cause=offer.lost or closing.cause,
        )
        if offer.lost and found is not None:
            raise LedgerError(
                f"frame {offer.frame} of {offer.path} was lost by the {offer.lost} and settled"
            )
        if columns.place(offer.path, offer.frame) is not None:
            raise LedgerError(f"frame {offer.frame} of {offer.path} was offered twice")
        if _offered(row) != _offered(offer):
            raise LedgerError(f"frame {offer.frame} of {offer.path} was settled as another frame")
        joined = _join(
            row,
            delivered.get((row.path, row.frame)),
            better.get((row.path, row.frame)),
            predicted_ns.get(row.path, {}),
            interrupted=closing.fate == "interrupted",
        )
        columns.add(joined)
    if settled:
        path, frame = next(iter(settled))
        raise LedgerError(f"frame {frame} of {path} was settled but never offered")
    return Ledger(columns, driver=driver, sizes=sizes)


def _offered(frame: Row | Offer) -> tuple[int, int, int]:
    return frame.content, frame.scheduled_ns, frame.deadline_at_ns


def _join(
    row: Row,
    delivered_ns: int | None,
    better_ns: int | None,
    predicted_ns: Mapping[str, int],
    *,
    interrupted: bool,
) -> Row:
    if row.route_delivered and delivered_ns is None:
        if interrupted:  # on its way to the consumer when the run was stopped
            return replace(row, fate="interrupted", cause="", route_delivered="", variant="")
        return replace(row, fate="late", cause="undelivered")
    if row.route_delivered and delivered_ns is not None:
        stamps = {**row.stamps, "deliver": delivered_ns}
        if row.route_improved and better_ns is not None:
            stamps[IMPROVED] = better_ns
        if delivered_ns > row.deadline_at_ns:
            cause = _blame(row, stamps, predicted_ns)
            return replace(row, stamps=stamps, fate="late", cause=cause)
        return replace(row, stamps=stamps)
    return row


def _blame(row: Row, stamps: Mapping[str, int], predicted_ns: Mapping[str, int]) -> str:
    """The span that exceeded its budget most.

    A span's budget is its prediction, scaled so that all budgets together are the deadline: a plan
    that never met it blames what it spends most on, not what jittered.
    """
    spans = durations_ns(row.scheduled_ns, stamps)
    planned_ns = sum(predicted_ns.values()) or 1
    deadline_ns = row.deadline_at_ns - row.scheduled_ns

    def excess_ns(span: str) -> int:
        return spans[span] - predicted_ns.get(span, 0) * deadline_ns // planned_ns

    return max(spans, key=excess_ns, default="")


def fate_counts(ledger: Ledger, path: str) -> dict[Fate, int]:
    """How many frames of a path have each fate; every fate is there."""
    data = ledger.columns.data
    mine = data["fate"][data["path"] == ledger.columns.names.find(path)]
    return {fate: int((mine == index).sum()) for index, fate in enumerate(FATES)}
