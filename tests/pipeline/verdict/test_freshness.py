"""Age and reaction at the consumer, against looking at every nanosecond."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.verdict.freshness import Freshness, observe

# Frames with their distance to the frame before and, where it was answered, their latency.
frames = st.lists(
    st.tuples(st.integers(0, 8), st.none() | st.integers(0, 25)), min_size=1, max_size=12
)
Frame = tuple[int, int | None]


def placed(found: list[Frame], begin: int = 100) -> list[tuple[int, int | None]]:
    """Scheduled time and delivery of each frame."""
    rows: list[tuple[int, int | None]] = []
    at = begin
    for distance, latency in found:
        at += distance
        rows.append((at, None if latency is None else at + latency))
    return rows


def observed(rows: list[tuple[int, int | None]]) -> Freshness:
    """Freshness of rows, frame numbers in tens."""
    found = observe(
        np.array([scheduled for scheduled, _ in rows], np.int64),
        np.array([-1 if delivered is None else delivered for _, delivered in rows], np.int64),
        np.array([delivered is not None for _, delivered in rows], np.bool_),
        np.arange(len(rows), dtype=np.int64) * 10,
    )
    assert found is not None
    return found


def newest(rows: list[tuple[int, int | None]], at: int) -> int:
    """Scheduled time of the newest result that is there at an instant; the first one's before."""
    there = [
        scheduled for scheduled, delivered in rows if delivered is not None and delivered <= at
    ]
    return max(there, default=rows[0][0])


def end_of(rows: list[tuple[int, int | None]]) -> int:
    """The last scheduled time, or the last delivery that made the result newer."""
    end = rows[-1][0]
    seen = False
    for delivered in sorted({d for _, d in rows if d is not None}):
        if not seen or newest(rows, delivered) > newest(rows, delivered - 1):
            end = max(end, delivered)
        seen = True
    return end


def ages_of(rows: list[tuple[int, int | None]]) -> list[int]:
    """The age at the end of every nanosecond of the observation, before what is delivered then."""
    return [t + 1 - newest(rows, t) for t in range(rows[0][0], end_of(rows))]


@given(found=frames)
def test_ages_are_those_of_every_nanosecond(found: list[Frame]) -> None:
    """The largest, every percentile, and the time above a limit, exact."""
    rows = placed(found)
    fresh, ages = observed(rows), ages_of(rows)
    assert fresh.observed_ns == len(ages)
    worst = fresh.worst()
    if not ages:
        assert worst is None
        assert fresh.age_at_share(50) is None
        assert fresh.above(0) == (0, 0)
        return
    assert worst is not None
    assert worst[0] == max(ages)
    ordered = sorted(ages)
    for percent in (1, 50, 99, 100):
        rank = -(-len(ages) * percent // 100)
        assert fresh.age_at_share(percent) == ordered[rank - 1]
    for limit in range(max(ages) + 1):
        over = [age > limit for age in ages]
        spells = sum(now and not before for before, now in zip([False, *over], over, strict=False))
        assert fresh.above(limit) == (spells, sum(over))


@given(found=frames)
def test_reactions_are_those_of_an_event_just_after_each_frame(found: list[Frame]) -> None:
    """The first delivery of any frame later than the event, or the end of the observation."""
    rows = placed(found)
    expected: list[int] = []
    for scheduled, _ in rows:
        later = [delivered for other, delivered in rows if other > scheduled]
        if later:
            shown = [delivered for delivered in later if delivered is not None]
            expected.append(min([*shown, end_of(rows)]) - scheduled)
    assert observed(rows).reactions_ns.tolist() == expected


@given(found=frames.filter(lambda rows: any(distance for distance, _ in rows[1:])))
def test_the_largest_age_is_the_largest_reaction(found: list[Frame]) -> None:
    """The equivalence of maximum reaction time and maximum data age, for any ledger."""
    fresh = observed(placed(found))
    worst = fresh.worst()
    assert worst is not None
    assert worst[0] == int(fresh.reactions_ns.max())


@given(found=frames, lost=st.data())
def test_losing_an_answer_makes_no_result_fresher(found: list[Frame], lost: st.DataObject) -> None:
    """At every instant that both observations cover; so gaps count."""
    index = lost.draw(st.integers(0, len(found) - 1))
    poorer = [*found]
    poorer[index] = (found[index][0], None)
    rows, less = placed(found), placed(poorer)
    pairs = zip(ages_of(rows), ages_of(less), strict=False)
    assert all(age <= older for age, older in pairs)


def test_a_gap_is_named_by_the_frames_at_its_ends() -> None:
    """Five frames, two of them lost: frame 10's result is the newest until frame 40's comes."""
    rows: list[tuple[int, int | None]] = [
        (100, 130), (200, 230), (300, None), (400, None), (500, 530),
    ]  # fmt: skip
    fresh = observed(rows)
    assert fresh.worst() == (330, 10, 40)
    assert fresh.above(200) == (1, 130)
    assert fresh.reactions_ns.tolist() == [130, 330, 230, 130]


def test_an_outage_to_the_end_counts_to_the_end() -> None:
    """Nothing was delivered any more, but frames were offered, so the age went on growing."""
    rows: list[tuple[int, int | None]] = [(100, 130), (200, None), (300, None), (400, None)]
    assert observed(rows).worst() == (300, 0, 30)


def test_no_frame_has_no_freshness() -> None:
    """There is nothing to be old."""
    none = np.zeros(0, np.int64)
    assert observe(none, none, np.zeros(0, np.bool_), none) is None
