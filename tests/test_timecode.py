"""Timecode arithmetic: its own laws, and the same answers as OpenTimelineIO's."""

from __future__ import annotations

from fractions import Fraction

import opentimelineio as otio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsearch.timecode import Counting, can_drop, same_rate, standard_rate

FILM, NTSC, NTSC_TWICE = Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001)
COUNTINGS = [
    *(Counting(rate) for rate in (FILM, Fraction(24), Fraction(25), NTSC, Fraction(30), Fraction(50), NTSC_TWICE)),
    *(Counting(rate) for rate in (Fraction(60), Fraction(100), Fraction(120), Fraction(1), Fraction(12))),
    *(Counting(rate, drop=True) for rate in (NTSC, NTSC_TWICE, Fraction(120000, 1001))),
]
countings = st.sampled_from(COUNTINGS)


@given(countings, st.integers(-(10**9), 10**9))
def test_a_timecode_names_the_frame_that_it_was_made_of_within_a_day(counting: Counting, frame: int) -> None:
    assert counting.frame(counting.timecode(frame)) == frame % counting.day


@given(countings, st.integers(0, 10**7))
def test_the_next_frame_has_the_next_number_or_the_one_after_those_left_out(counting: Counting, frame: int) -> None:
    if (frame + 1) % counting.day == 0:
        return
    hours, minutes, seconds, frames = map(int, counting.timecode(frame).replace(";", ":").split(":"))
    carried = divmod(((60 * hours + minutes) * 60 + seconds) * counting.base + frames + 1, counting.base)
    whole_minute = carried[0] % 60 == 0 and carried[1] == 0 and (carried[0] // 60) % 10
    expected = carried[1] + (counting.base // 15 if counting.drop and whole_minute else 0)
    assert counting.timecode(frame + 1)[-2:] == f"{expected:02}"[-2:]


@given(countings, st.integers(0, 10**8))
def test_opentimelineio_counts_alike(counting: Counting, frame: int) -> None:
    rate = float(counting.rate)
    if not otio.opentime.RationalTime.is_smpte_timecode_rate(rate):
        return
    frame %= counting.day
    theirs = otio.opentime.to_timecode(otio.opentime.RationalTime(frame, rate), rate, drop_frame=counting.drop)
    assert counting.timecode(frame) == theirs
    assert otio.opentime.from_timecode(theirs, rate).value == counting.frame(theirs)


def test_opentimelineio_knows_the_rates_that_films_and_television_have() -> None:
    known = [c for c in COUNTINGS if otio.opentime.RationalTime.is_smpte_timecode_rate(float(c.rate))]
    assert {(c.rate, c.drop) for c in known} >= {
        *((rate, False) for rate in (FILM, 24, 25, NTSC, 30, 50, NTSC_TWICE, 60)),
        *((rate, True) for rate in (NTSC, NTSC_TWICE)),
    }


@pytest.mark.parametrize("counting", COUNTINGS, ids=str)
def test_every_frame_of_eleven_minutes_has_a_number_of_its_own(counting: Counting) -> None:
    count = round(counting.rate * 660)
    names = [counting.timecode(frame) for frame in range(count)]
    assert names == sorted(set(names))
    assert [counting.frame(name) for name in names] == list(range(count))


def test_drop_frame_leaves_out_two_numbers_a_minute_but_none_of_the_tenths() -> None:
    drop = Counting(NTSC, drop=True)
    assert [drop.timecode(1799 + i) for i in range(2)] == ["00:00:59;29", "00:01:00;02"]
    assert [drop.timecode(17981 + i) for i in range(2)] == ["00:09:59;29", "00:10:00;00"]
    twice = Counting(NTSC_TWICE, drop=True)
    assert [twice.timecode(3599 + i) for i in range(2)] == ["00:00:59;59", "00:01:00;04"]


def test_an_hour_of_drop_frame_is_an_hour_on_the_clock_and_of_plain_counting_is_not() -> None:
    assert Counting(NTSC, drop=True).timecode(Counting(NTSC).frames(3600)) == "01:00:00;00"
    assert Counting(NTSC).timecode(Counting(NTSC).frames(3600)) == "00:59:56:12"
    assert Counting(FILM).timecode(Counting(FILM).frames(3600)) == "00:59:56:10"


def test_the_count_begins_again_after_a_day() -> None:
    for counting in COUNTINGS:
        assert counting.timecode(counting.day) == counting.timecode(0)
        assert counting.frame(counting.timecode(-1)) == counting.day - 1
    assert Counting(NTSC, drop=True).timecode(-1) == "23:59:59;29"
    assert Counting(NTSC, drop=True).day == 2589408


@pytest.mark.parametrize("text", ["", "1:2", "24:00:00:00", "00:60:00:00", "00:00:60:00", "00:00:00:30", "a0:00:00:00"])
def test_what_is_no_timecode_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no timecode"):
        Counting(Fraction(30)).frame(text)


def test_numbers_that_drop_frame_leaves_out_are_refused() -> None:
    drop = Counting(NTSC, drop=True)
    with pytest.raises(ValueError, match="leaves it out"):
        drop.frame("00:01:00;01")
    assert drop.frame("00:10:00;01") == 17983


@pytest.mark.parametrize("rate", [Fraction(0), Fraction(-25), Fraction(25, 2), Fraction(2997, 100), Fraction(1001)])
def test_rates_that_timecode_cannot_count_are_refused(rate: Fraction) -> None:
    with pytest.raises(ValueError, match="cannot count"):
        Counting(rate)


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30), FILM, Fraction(60)])
def test_drop_frame_is_refused_where_there_is_none(rate: Fraction) -> None:
    assert not can_drop(rate)
    with pytest.raises(ValueError, match="drop-frame"):
        Counting(rate, drop=True)


@pytest.mark.parametrize(
    ("claimed", "true"),
    [("2997/100", NTSC), ("19001/317", NTSC_TWICE), ("23.98", FILM), ("24", Fraction(24)), ("25", Fraction(25))],
)
def test_rates_that_containers_round_are_the_true_ones(claimed: str, true: Fraction) -> None:
    assert standard_rate(Fraction(claimed)) == true
    assert same_rate(Fraction(claimed), true)


@pytest.mark.parametrize("rate", ["25/2", "29.83", "0.1", "14.5", "333.3", "90000"])
def test_other_rates_are_not_those_that_are_counted(rate: str) -> None:
    assert not same_rate(Fraction(rate), standard_rate(Fraction(rate)))


@given(st.fractions(Fraction(1, 100), 1000, max_denominator=100_000))
def test_no_countable_rate_is_nearer_than_the_standard_one(rate: Fraction) -> None:
    chosen = standard_rate(rate)
    Counting(chosen)
    near = [Fraction(n) * share for n in range(1, 1001) for share in (1, Fraction(1000, 1001))]
    assert abs(chosen - rate) == min(abs(one - rate) for one in near)


@given(countings, st.integers(0, 10**7))
def test_the_time_of_a_frame_is_that_frame_again(counting: Counting, frame: int) -> None:
    assert counting.frames(float(frame / counting.rate)) == frame
