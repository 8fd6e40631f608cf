"""Our values as JSON data and back."""

from __future__ import annotations

import json
import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ledger.fates import FATES
from pipeline.ledger.rows import Delivery, Offer, Row
from pipeline.link import LinkConfig
from pipeline.runtime.core import commands, events
from pipeline.runtime.core.messages import Crossing, Message
from pipeline.runtime.journal import Entry
from pipeline.runtime.timing import Hops
from pipeline.values import Value, from_plain, to_json, to_plain

EVENTS: tuple[type, ...] = typing.get_args(events.Event)
COMMANDS: tuple[type, ...] = typing.get_args(commands.Command)

TEXT = st.text(max_size=12)
NUMBER = st.integers(-(2**63), 2**63 - 1)
REFS = st.lists(TEXT, max_size=3).map(tuple)
JOBS = st.builds(events.Job, NUMBER, TEXT, st.integers(0, 20))
MESSAGES = st.builds(
    Message,
    kind=st.sampled_from(["work", "answer", "refusal", "result"]),
    epoch=NUMBER,
    nonce=NUMBER,
    task=TEXT,
    stream=TEXT,
    frame=NUMBER,
    content=NUMBER,
    route=TEXT,
    model=TEXT,
    step=NUMBER,
    scheduled_ns=NUMBER,
    deadline_at_ns=NUMBER,
    warmup=st.booleans(),
    paths=REFS,
    reason=TEXT,
    stamps=st.lists(st.tuples(TEXT, NUMBER), max_size=3).map(tuple),
    modelled_ns=NUMBER,
    overrun=st.booleans(),
)
ROWS = st.builds(
    Row,
    path=TEXT,
    frame=NUMBER,
    content=NUMBER,
    scheduled_ns=NUMBER,
    deadline_at_ns=NUMBER,
    fate=st.sampled_from(FATES),
    cause=TEXT,
    stamps=st.dictionaries(TEXT, NUMBER, max_size=3),
    overrun=st.booleans(),
)
# One strategy per name of a field; every class of events and commands is made of these.
FIELDS: dict[str, st.SearchStrategy[object]] = {
    "jobs": st.lists(JOBS, min_size=1, max_size=2).map(tuple),
    "job": JOBS,
    "inputs": st.lists(REFS, max_size=2).map(tuple),
    "outputs": st.lists(st.builds(events.Output, ref=TEXT, bytes=NUMBER), max_size=2).map(tuple),
    "message": MESSAGES,
    "crossing": st.builds(Crossing, began_ns=NUMBER, arrived_ns=NUMBER, modelled_ns=NUMBER),
    "row": ROWS,
    "refs": REFS,
    "warmup": st.booleans(),
    "overrun": st.booleans(),
    "improves": st.booleans(),
}


def _any_of(cls: type) -> st.SearchStrategy[object]:
    made = {
        field.name: FIELDS.get(field.name, TEXT if field.type is str else NUMBER)
        for field in msgspec.structs.fields(cls)
    }
    return st.builds(cls, **made)


@pytest.mark.parametrize("cls", EVENTS + COMMANDS, ids=lambda cls: cls.__name__)
@given(data=st.data())
def test_every_event_and_command_comes_back_through_json(cls: type, data: st.DataObject) -> None:
    """Also those with other values inside; equal, and of the same class."""
    value = data.draw(_any_of(cls))
    plain = json.loads(to_json(value))
    assert plain == to_plain(value)
    again: object = from_plain(cls, plain)
    assert again == value
    assert type(again) is cls


@pytest.mark.parametrize("cls", EVENTS, ids=lambda cls: cls.__name__)
@given(data=st.data())
def test_an_event_is_read_back_without_naming_its_class(cls: type, data: st.DataObject) -> None:
    """The log says which event each line is."""
    value = data.draw(_any_of(cls))
    line = json.loads(to_json({"at_ns": 3, "event": value, "commands": []}))
    assert from_plain(Entry, line).event == value


def test_a_command_is_no_event() -> None:
    """A log line of the wrong kind is refused."""
    grant = commands.Grant(peer="cloud", amount=1)
    with pytest.raises(ValueError, match=r"not a Entry: .*Grant"):
        from_plain(Entry, {"at_ns": 3, "event": to_plain(grant), "commands": []})


@pytest.mark.parametrize(
    "value",
    [
        LinkConfig(name="cell", up_bits_per_s=1, down_bits_per_s=2, rtt_ns=3),
        Hops.line(fixed_ns=1, ns_per_mib=2),
        Offer(path="p", frame=0, content=0, scheduled_ns=0, deadline_at_ns=1),
        Delivery(path="p", frame=0, delivered_ns=1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_values_of_a_run_come_back(value: object) -> None:
    """Links, hops and what the ledger is made of."""
    assert from_plain(type(value), json.loads(to_json(value))) == value


GRANT = {"is": "Grant", "peer": "cloud", "amount": 1}
BAD: dict[str, object] = {
    "unknown class": {**GRANT, "is": "System"},
    "class that is a list": {**GRANT, "is": []},
    "unknown field": {**GRANT, "extra": 1},
    "missing field": {"is": "Grant", "peer": "cloud"},
    "another class": {"is": "CancelTimer", "timer": "t"},
    "a list": [GRANT],
    "a number": 3,
    "nothing": None,
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_what_is_not_ours_is_refused(data: object) -> None:
    """Always as a ValueError, whatever is wrong with it."""
    with pytest.raises(ValueError, match="not a Grant"):
        from_plain(commands.Grant, data)


@pytest.mark.parametrize(
    "data",
    [
        {"at_ns": 3},
        {"is": "Settle", "row": GRANT},
        {"is": "Settle", "row": None},
        {"is": "Forget", "refs": "abc"},
        {"is": "Start", "jobs": [[1, "t"]], "device": "d", "inputs": []},
        {"is": "Start", "jobs": [[1, "t", 2, 3]], "device": "d", "inputs": []},
        {"is": "SendRefused", "message": {"is": "Output", "ref": "x"}, "reason": ""},
    ],
    ids=[
        "no-class",
        "row-of-another-class",
        "no-row",
        "text-for-a-list",
        "short-job",
        "long-job",
        "no-message",
    ],
)
def test_a_value_inside_must_fit_too(data: dict[str, object]) -> None:
    """A field that holds another class, or another form, is refused."""
    with pytest.raises(ValueError, match="not a"):
        from_plain(Entry, {"at_ns": 1, "event": data, "commands": []})


@pytest.mark.parametrize(
    "data",
    [
        {**GRANT, "amount": "1"},
        {**GRANT, "amount": 1.5},
        {**GRANT, "amount": True},
        {**GRANT, "peer": None},
    ],
)
def test_a_field_of_another_kind_is_refused(data: dict[str, object]) -> None:
    """Nothing is converted: a number in quotes is no number."""
    with pytest.raises(ValueError, match="not a Grant"):
        from_plain(commands.Grant, data)


def test_foreign_values_have_no_plain_form() -> None:
    """Classes and objects without a form are no part of our values."""
    for value in (Row, object()):
        with pytest.raises(TypeError):
            to_plain(value)
        with pytest.raises(TypeError):
            to_json(value)


class Further(Value, frozen=True, kw_only=True):
    """A value of another room."""

    name: str
    places: dict[int, tuple[int, str]]
    length: float | None = None


def test_keys_of_maps_get_their_type_back() -> None:
    """JSON has text for keys; whole numbers may stand for fractions."""
    value = Further(name="x", places={3: (1, "a")}, length=0.5)
    plain = json.loads(to_json(value))
    assert msgspec.json.decode(to_json(value), type=Further) == value
    assert from_plain(Further, {**plain, "places": {3: [1, "a"]}, "length": 1}).length == 1.0
