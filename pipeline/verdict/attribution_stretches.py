"""A frame's spans in time, and for each wait the earlier frames that held the resource."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from msgspec.structs import replace as with_fields

from pipeline.ledger.spans import ADMITTED, SPANS
from pipeline.plan.steps import Move
from pipeline.verdict.attribution_evidence import Service, Thing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.ledger.rows import Row
    from pipeline.verdict.attribution_evidence import Evidence, Key

_FIRST_WAITS = ("edge_wait", "uplink_wait", "cloud_wait")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a span: the frame was served, or another one was, or nothing is known to be.

    Attributes:
        began_ns: Run time.
        ended_ns: Run time.
        holder: What was done meanwhile; None where nothing is known to.
        thing: What to shorten for the span to be shorter; None where nothing would help.
        asked_ns: Run time at which its duration was decided.
    """

    began_ns: int
    ended_ns: int
    holder: Service | None = None
    thing: Thing | None = None
    asked_ns: int = 0

    @property
    def length_ns(self) -> int:
        """How long it lasts."""
        return self.ended_ns - self.began_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A span of a frame, with what it is made of.

    Attributes:
        span: Its name.
        pieces: In order; that of a frame's last span may lie beyond its end.
    """

    span: str
    pieces: tuple[Piece, ...]

    @property
    def length_ns(self) -> int:
        """How long it lasts, all pieces together."""
        return sum(piece.length_ns for piece in self.pieces)


class Stretches:
    """Tells the spans of frames from what was done for them."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._core = evidence.core

    def of(self, row: Row) -> list[Stretch]:
        """The spans of a row's frame, in order.

        A frame without an answer has those that it entered before it was settled. The last one
        lasts until it was over all the same, else until the frame in its way gave its place back,
        else to the deadline.
        """
        answered = bool(row.route_delivered) and "deliver" in row.stamps
        settled_ns = self._evidence.settled_ns.get((row.path, row.frame), row.deadline_at_ns)
        path = ""
        if not answered and (anchor := self._evidence.anchor_of(row.path)):
            path, row = row.path, with_fields(row, path=anchor)
        mine = self._evidence.winning(row)
        if not mine:
            return []
        key = self._evidence.key_of(row)
        last_ns, admitted_ns = row.scheduled_ns, row.stamps.get(ADMITTED)
        if row.cause == "refused":  # in no device's line, but on account of one
            mine = [service for service in mine if service.span != "downlink"]
            settled_ns = max(settled_ns, row.deadline_at_ns)
        found: list[tuple[str, list[Piece]]] = []
        for service in mine:
            wait = f"{service.span}_wait"
            if wait == "fuse_wait":
                waiting = list(self._for_partners(row.path, last_ns, service.began_ns))
                found.append((wait, waiting))
                last_ns = max(last_ns, service.began_ns)
            elif wait in SPANS and (answered or last_ns < settled_ns):
                found.append((wait, list(self._gap(last_ns, service.began_ns, key, service))))
                last_ns = max(last_ns, service.began_ns)
            if not answered and last_ns >= settled_ns:
                return _joined(found)
            found.append((service.span, list(self._served(last_ns, key, service))))
            last_ns = max(last_ns, service.ended_ns)
            if service.step < 0 and admitted_ns is not None:
                waiting = list(self._in_flight(last_ns, admitted_ns, key))
                found.append((self._first_wait(mine, key), waiting))
                last_ns = max(last_ns, admitted_ns)
        if not answered and last_ns < settled_ns:
            last = self._unfinished(row, mine, key, last_ns, admitted_ns)
            if path and last[0] == "deliver":  # a part has no delivery: it waited for the others
                last = "fuse_wait", list(self._for_partners(path, last_ns, settled_ns, late=True))
            found.append(last)
        return _joined(found)

    def _served(self, from_ns: int, key: Key, service: Service) -> Iterator[Piece]:
        """A service with the wait for it that has no span of its own."""
        yield from self._gap(from_ns, service.began_ns, key, service)
        began_ns = max(from_ns, service.began_ns)
        if began_ns < service.ended_ns:
            yield _piece(began_ns, service.ended_ns, service)

    def _gap(self, began_ns: int, ended_ns: int, key: Key, service: Service) -> Iterator[Piece]:
        """A wait for a resource, divided among those that held it; of several, the first one."""
        own = None
        if service.thing.kind == "cross":  # a driver can let a message pass, but no job
            own = Thing("wait", service.thing.subject, service.thing.frame)
        at_ns = began_ns
        for holder in self._evidence.held_by(service.resource, began_ns, ended_ns, key):
            if holder.ended_ns <= at_ns or holder.began_ns >= ended_ns:
                continue
            if holder.began_ns > at_ns:
                yield Piece(
                    began_ns=at_ns, ended_ns=holder.began_ns, thing=own, asked_ns=service.asked_ns
                )
                at_ns = holder.began_ns
            until_ns = min(holder.ended_ns, ended_ns)
            yield Piece(
                began_ns=at_ns,
                ended_ns=until_ns,
                holder=holder,
                thing=own or holder.thing,
                asked_ns=service.asked_ns if own else holder.asked_ns,
            )
            at_ns = until_ns
        if at_ns < ended_ns:
            yield Piece(began_ns=at_ns, ended_ns=ended_ns, thing=own, asked_ns=service.asked_ns)

    def _for_partners(
        self, path: str, began_ns: int, ended_ns: int, *, late: bool = False
    ) -> Iterator[Piece]:
        """Waiting for other sensors: charged to what the last of their frames was doing.

        Args:
            path: The path that joins them.
            began_ns: Run time from which on the anchor waited.
            ended_ns: Run time at which it was fused, or given up.
            late: Whether it was given up: then the partner may have come as much later again.
        """
        until_ns = 2 * ended_ns - began_ns if late else ended_ns
        partner = self._evidence.last_partner(path, began_ns, until_ns)
        if partner is not None:
            yield from self._doing(partner.key, began_ns, partner.ended_ns)
            began_ns = partner.ended_ns
        if began_ns < ended_ns and not (late and partner is not None):
            yield Piece(began_ns=began_ns, ended_ns=ended_ns)

    def _first_wait(self, mine: list[Service], key: Key) -> str:
        """The span that waiting for admission belongs to: the first wait of the frame's way."""
        passed = [s.span for s in mine if s.step >= 0]
        usual = [step.span for step in self._core.tasks[key[0]].steps]
        waits = {f"{span}_wait" for span in passed or usual}
        return next((wait for wait in _FIRST_WAITS if wait in waits), "prepare")

    def _in_flight(self, began_ns: int, ended_ns: int, key: Key) -> Iterator[Piece]:
        """Waiting for a place in flight: charged to what the frame that held it was doing."""
        at_ns = began_ns
        while at_ns < ended_ns:
            stay = self._evidence.leaving_first(key, at_ns)
            until_ns = ended_ns if stay is None else min(ended_ns, stay.ended_ns)
            if stay is not None:
                yield from self._doing(stay.key, at_ns, until_ns)
            else:
                yield Piece(began_ns=at_ns, ended_ns=until_ns)
            at_ns = until_ns

    def _doing(self, key: Key, began_ns: int, ended_ns: int) -> Iterator[Piece]:
        """What a frame was doing between two times, its own waits followed to their holders."""
        at_ns = began_ns
        for service in self._evidence.services(key):
            if service.ended_ns <= at_ns or at_ns >= ended_ns:
                continue
            begins_ns = min(service.began_ns, ended_ns)
            if begins_ns > at_ns:
                for piece in self._gap(at_ns, begins_ns, key, service):
                    yield piece if piece.holder is not None else _waiting(piece, service)
                at_ns = begins_ns
            until_ns = min(service.ended_ns, ended_ns)
            if until_ns > at_ns:
                yield _piece(at_ns, until_ns, service)
                at_ns = until_ns
        if at_ns < ended_ns:
            yield Piece(began_ns=at_ns, ended_ns=ended_ns)

    def _unfinished(
        self, row: Row, mine: list[Service], key: Key, last_ns: int, admitted_ns: int | None
    ) -> tuple[str, list[Piece]]:
        """The span that a frame without an answer was in when it was settled."""
        until_ns = max(row.deadline_at_ns, last_ns + 1)
        served = [service.step for service in mine if service.step >= 0]
        if not served and admitted_ns is None:
            stay = self._evidence.leaving_first(key, last_ns)
            until_ns = until_ns if stay is None else max(stay.ended_ns, last_ns + 1)
            waiting = list(self._in_flight(last_ns, until_ns, key))
            return self._first_wait(mine, key), waiting
        coming = self._coming(row, served, key, until_ns)
        wait = f"{coming.span}_wait"
        return (
            wait if wait in SPANS else coming.span,
            list(self._gap(last_ns, until_ns, key, coming)),
        )

    def _coming(self, row: Row, served: list[int], key: Key, at_ns: int) -> Service:
        """The service that a frame was waiting for and never had."""
        task = self._core.tasks[key[0]]
        routes = {route.id: places for route, places in task.routes}
        places = routes.get(row.route_planned) or routes[task.route.id]
        left = [place for place in places if place not in served] or [places[-1]]
        if row.cause == "refused":  # for the line before the device, though it was not in it yet
            left = [p for p in left if task.steps[p].span == "cloud"] or left
        index = left[0]
        planned = task.steps[index]
        if isinstance(planned.step, Move) and self._core.sites.site_of(planned.step) is None:
            resource = planned.step.channel
            thing = Thing("cross", f"{task.name}/{resource}", key[1])
        else:
            resource = self._core.sites.device_of(planned.step)
            thing = Thing("job", f"{task.name}/{index}", key[1])
        return Service(
            key=key,
            span=planned.span,
            step=index,
            resource=resource,
            began_ns=at_ns,
            ended_ns=at_ns,
            thing=thing,
            asked_ns=at_ns,
        )


def _piece(began_ns: int, ended_ns: int, service: Service) -> Piece:
    return Piece(
        began_ns=began_ns,
        ended_ns=ended_ns,
        holder=service,
        thing=service.thing,
        asked_ns=service.asked_ns,
    )


def _waiting(piece: Piece, service: Service) -> Piece:
    """A piece in which a frame itself waited, for nothing that another one did."""
    wait = f"{service.span}_wait"
    holder = replace(service, span=wait if wait in SPANS else service.span)
    return replace(piece, holder=holder)


def _joined(found: list[tuple[str, list[Piece]]]) -> list[Stretch]:
    """Stretches of one span together, in the order of the spans; empty ones left out."""
    pieces: dict[str, list[Piece]] = {}
    for span, parts in found:
        pieces.setdefault(span, []).extend(part for part in parts if part.length_ns > 0)
    return [Stretch(span=span, pieces=tuple(pieces[span])) for span in SPANS if pieces.get(span)]
