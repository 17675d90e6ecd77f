"""Looking at pictures: which are compared, what it does to a probability, and what happens where there are none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.videos import scene_frames
from vsearch.errors import LatentError
from vsearch.records import Segment
from vsearch.search.calibration import Looks
from vsearch.search.details import Likeness, Motion
from vsearch.search.gallery import Track
from vsearch.search.looking import SHIFTED_S, WATCHED, Looker, Seen, Shown, side_by_side

SEGMENT = Segment(0.0, 5.0, 10.0, 15.0, 1.0, 0.6, 0.4, 20, query_coverage=1.0, video_coverage=0.2)
# 1, odds still and moving, log details alike still and moving, of the video's, of the query's, agreement, moving
LOOKS = Looks((-4.0, 1.0, 1.0, 2.0, 2.0, 0.0, 0.0, 1.0, 0.0), {"duplicate": 0.9, "similar": 0.5, "any": 0.0})


def track(n: int = 30, first: int = 0) -> Track:
    times = np.arange(n, dtype=np.float64)
    return Track(7, np.arange(first, first + n), np.zeros((n, 4), np.float32), times, times + 1, float(n))


def footage(scene: int) -> np.ndarray:
    return np.stack(list(scene_frames(scene, 30, speed=4)))


def looker(asked: np.ndarray, found: np.ndarray | None) -> Looker:
    def stored(video: int) -> Callable[[np.ndarray], np.ndarray] | None:
        return None if found is None else partial(np.take, found, axis=0)

    return Looker(Shown(np.arange(len(asked), dtype=np.float64), lambda rows: asked[rows]), stored, LOOKS)


def test_the_same_pictures_raise_a_probability_and_others_lower_it() -> None:
    film = footage(1)
    same = looker(film[10:15], film).at(track(), SEGMENT)
    other = looker(footage(2)[10:15], film).at(track(), SEGMENT)
    assert same.details is not None
    assert same.details > 40
    assert same.score > 0.95
    assert other.score < 0.4
    assert replace(same, score=0.4, details=None) == SEGMENT


def test_what_recurs_keeps_its_small_share() -> None:
    film = footage(1)
    title = replace(SEGMENT, score=0.04, own=0.1)
    assert looker(film[10:15], film).at(track(), title).score == pytest.approx(
        0.1 * looker(film[10:15], film).at(track(), SEGMENT).score
    )


def test_without_stored_pictures_a_segment_stays_as_it_is() -> None:
    assert looker(footage(1)[:5], None).at(track(), SEGMENT) is SEGMENT


def test_damaged_pictures_are_named_and_change_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def damaged(numbers: np.ndarray) -> np.ndarray:
        raise LatentError("a damaged chunk")

    asked = footage(1)[:5]
    shown = Shown(np.arange(5, dtype=np.float64), lambda rows: asked[rows])
    assert Looker(shown, lambda video: damaged, LOOKS).at(track(), SEGMENT) is SEGMENT
    assert "v7" in caplog.text
    assert "a damaged chunk" in caplog.text


def test_frames_are_asked_for_by_their_numbers_in_the_video() -> None:
    film = footage(1)
    asked = film[:5]
    seen: list[int] = []

    def stored(numbers: np.ndarray) -> np.ndarray:
        seen.extend(numbers.tolist())
        return film[numbers - 100]

    shown = Shown(np.arange(5, dtype=np.float64), lambda rows: asked[rows])
    Looker(shown, lambda video: stored, LOOKS).at(track(first=100), SEGMENT)
    assert set(seen) <= set(range(107, 119))
    assert len(seen) == WATCHED


def test_a_stored_query_shows_the_frames_that_it_is_of() -> None:
    film = footage(3)

    def stored(numbers: np.ndarray) -> np.ndarray:
        assert (np.diff(numbers) > 0).all()
        return film[numbers]

    shown = Shown.stored(np.arange(10.0), 7, np.arange(20, 30), lambda video: stored).pictures(np.array([2, 4, 6]))
    assert shown is not None
    assert np.array_equal(shown, film[[22, 24, 26]])


@pytest.mark.parametrize(("step_s", "n"), [(0.25, 40), (1.0, 60), (5.0, 120), (16.0, 80)])
def test_of_a_copy_every_frame_that_is_looked_at_has_its_picture_however_long_the_query_is(
    step_s: float, n: int
) -> None:
    times = np.arange(n) * step_s
    there = track(n=int(times[-1]) + 1)
    whole = replace(SEGMENT, query_start_s=0.0, query_end_s=times[-1], start_s=0.0, end_s=times[-1])
    beside = side_by_side(times, there, whole)
    columns, lineups = beside.columns, beside.lineups
    assert len(columns) == WATCHED
    assert len(lineups[0].rows) == WATCHED
    assert np.allclose(times[lineups[0].rows], there.times_s[columns[lineups[0].columns]], atol=step_s / 2)


@given(
    times=st.lists(st.floats(0, 60), min_size=1, max_size=40, unique=True).map(sorted),
    start_s=st.floats(0, 25),
    length_s=st.floats(0, 20),
    rate=st.sampled_from([-1.0, 0.5, 1.0, 2.0]),
)
def test_pairs_ascend_are_few_and_lie_in_the_segment(
    times: list[float], start_s: float, length_s: float, rate: float
) -> None:
    there = track()
    segment = replace(
        SEGMENT, query_start_s=5.0, query_end_s=5.0 + length_s, start_s=start_s, end_s=start_s + length_s, rate=rate
    )
    asked = np.array(times)
    beside = side_by_side(asked, there, segment)
    columns, lineups = beside.columns, [*beside.lineups, *beside.paced()]
    assert 1 <= len(columns) <= WATCHED
    assert (np.diff(columns) > 0).all()
    expected = lineups[0]
    assert expected.shift_s == 0
    assert len(expected.rows) >= 1
    inside = (asked >= 5.0 - 1e-6) & (asked <= 5.0 + length_s + 1e-6)
    for lineup in lineups:
        assert len(np.unique(lineup.rows)) == len(lineup.rows) == len(np.unique(lineup.columns))
        assert abs(lineup.shift_s) <= SHIFTED_S
        assert inside[lineup.rows].all() or not inside.any()
        if (lineup.shift_s or lineup.rate != rate) and len(lineup.rows):
            middle = 5.0 + length_s / 2
            as_expected = segment.query_times(there.times_s[columns[lineup.columns]])
            meant = middle + (as_expected - middle) * rate / lineup.rate + lineup.shift_s
            assert 0.5 <= abs(lineup.rate) <= 2.0
            assert (np.abs(asked[lineup.rows] - meant) <= SHIFTED_S / 2 + 1e-9).all()


def walk(first: int, n: int, step: int = 1) -> np.ndarray:
    """Moments of one room, in which a block goes its way."""
    (room,) = scene_frames(4, 1)
    frames = np.stack([room] * n)
    for frame, moment in zip(frames, range(first, first + n * step, step), strict=True):
        left = 40 + 90 * (moment * 5 % 23) // 23
        frame[:, 40 : 40 + 3 * (moment % 20), left : left + 20] = 250
    return frames


@pytest.mark.parametrize("off_s", [-2.0, 0.0, 2.0])
def test_a_segment_is_put_where_what_moves_agrees(off_s: float) -> None:
    there = replace(SEGMENT, start_s=10.0 + off_s, end_s=15.0 + off_s)
    found = looker(walk(10, 6), walk(0, 30)).at(track(), there)
    assert (found.start_s, found.end_s) == (10.0, 15.0)
    assert (found.query_start_s, found.query_end_s) == (0.0, 5.0)


def test_another_moment_of_a_room_is_doubtful_and_the_right_one_is_not() -> None:
    seen = {
        at: looker(walk(10, 6), walk(0, 30)).seen(track(), replace(SEGMENT, start_s=at, end_s=at + 5))
        for at in (2.0, 10.0)
    }
    assert [one is not None and one.doubtful for one in seen.values()] == [True, False]


def test_pictures_of_other_rates_that_cannot_be_read_change_nothing() -> None:
    """A stored query, a frame a second: at other rates other frames of it would be compared."""
    film = swings(np.arange(60.0))
    calls: list[list[int]] = []

    def shown(rows: np.ndarray) -> np.ndarray:
        calls.append(rows.tolist())
        if len(calls) > 1:
            raise LatentError("a damaged chunk")
        return film[rows]

    there = Track(7, np.arange(60), np.zeros((60, 4), np.float32), np.arange(60.0), np.arange(60.0) + 1, 60.0)
    whole = replace(SEGMENT, query_end_s=59.0, start_s=0.0, end_s=59.0)
    other = partial(np.take, swings(np.arange(60.0) * 1.3 + 2), axis=0)
    seen = Looker(Shown(np.arange(60.0), shown), lambda _: other, LOOKS).seen(there, whole)
    assert len(calls) == 2
    assert seen is not None
    assert seen.motion.change > 3
    assert seen.paced == seen.motion


def test_what_stands_still_is_not_doubtful() -> None:
    still = np.repeat(footage(1)[:1], 30, axis=0)
    seen = looker(still[:5], still).seen(track(), SEGMENT)
    assert seen is not None
    assert not seen.doubtful


def swings(moments: np.ndarray) -> np.ndarray:
    """The same room, in which a block swings."""
    (room,) = scene_frames(4, 1)
    frames = np.stack([room] * len(moments))
    for frame, moment in zip(frames, moments.tolist(), strict=True):
        left = round(30 + 50 * (1 + np.sin(0.8 * moment)))
        frame[:, 30:100, left : left + 24] = 250
    return frames


@pytest.mark.parametrize("rate", [0.6, 1.0, 1.5])
@pytest.mark.parametrize("said", [0.6, 1.0, 1.5])
def test_a_segment_passes_at_the_rate_at_which_what_moves_agrees(rate: float, said: float) -> None:
    times = np.arange(0.0, 6.0, 0.25)
    asked = swings(15.0 + rate * (times - 3.0))
    stored = partial(np.take, swings(np.arange(30.0)), axis=0)
    there = replace(SEGMENT, query_end_s=6.0, start_s=15.0 - 3 * said, end_s=15.0 + 3 * said, rate=said)
    found = Looker(Shown(times, lambda rows: asked[rows]), lambda _: stored, LOOKS).at(track(), there)
    assert found.rate == pytest.approx(rate, rel=0.2)
    assert (found.start_s, found.end_s) == pytest.approx((15.0 - 3 * rate, 15.0 + 3 * rate), abs=0.5)


@given(
    rate=st.sampled_from([-1.5, -1.0, 0.5, 1.0, 2.0]),
    other=st.floats(0.5, 2),
    start_s=st.floats(0, 20),
    length_s=st.floats(0.5, 20),
)
def test_a_segment_at_another_rate_has_the_same_middle_and_stays_in_the_video(
    rate: float, other: float, start_s: float, length_s: float
) -> None:
    end_s = start_s + length_s
    segment = replace(SEGMENT, query_start_s=2.0, query_end_s=2.0 + length_s / abs(rate), rate=rate)
    segment = replace(segment, start_s=start_s, end_s=end_s)
    paced = segment.at_rate(other * np.sign(rate), 40.0)
    middle = np.array([(segment.query_start_s + segment.query_end_s) / 2])
    assert np.allclose(paced.video_times(middle), segment.video_times(middle))
    assert 0 <= paced.start_s <= paced.end_s <= 40.0
    assert segment.query_start_s - 1e-9 <= paced.query_start_s <= paced.query_end_s <= segment.query_end_s + 1e-9
    assert np.allclose(paced.end_s - paced.start_s, abs(paced.rate) * (paced.query_end_s - paced.query_start_s))
    assert 0 <= paced.query_coverage <= 1.0 + 1e-9


@given(
    rate=st.sampled_from([-1.5, -1.0, 0.5, 1.0, 2.0]),
    start_s=st.floats(0, 20),
    length_s=st.floats(0.5, 20),
    by_s=st.floats(-3, 3),
)
def test_a_shifted_segment_says_everything_so_much_later_and_stays_in_the_video(
    rate: float, start_s: float, length_s: float, by_s: float
) -> None:
    end_s = start_s + length_s
    segment = replace(SEGMENT, query_start_s=2.0, query_end_s=2.0 + length_s / abs(rate), rate=rate)
    segment = replace(segment, start_s=start_s, end_s=end_s)
    assert np.allclose(segment.video_times(segment.query_times(np.array([1.0, 7.0]))), [1.0, 7.0])
    moved = segment.shifted(by_s, 40.0)
    assert 0 <= moved.start_s <= moved.end_s <= 40.0
    assert 2.0 <= moved.query_start_s <= moved.query_end_s <= segment.query_end_s
    assert 0 <= moved.query_coverage <= 1.0
    assert 0 <= moved.video_coverage <= 0.2 + 1e-9
    if moved.end_s > moved.start_s:
        asked = np.array([moved.query_start_s, moved.query_end_s])
        assert np.allclose(moved.video_times(asked), segment.video_times(asked - by_s), atol=1e-6)


class Counted:
    """Stored footage that says how often it was asked, and waits until it may answer."""

    def __init__(self, found: np.ndarray) -> None:
        self.found, self.asked, self.may = found, 0, threading.Event()

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        self.asked += 1
        assert self.may.wait(30)
        return self.found[numbers]


def test_a_segment_that_was_looked_at_ahead_is_not_looked_at_again_and_others_wait_for_it() -> None:
    frames = footage(3)
    stored = Counted(frames)
    ahead = Looker(Shown(np.arange(6.0), lambda rows: frames[10 + rows]), lambda _: stored, LOOKS)
    ahead.look_ahead(track(), SEGMENT)
    ahead.look_ahead(track(), replace(SEGMENT, start_s=2.0, end_s=7.0))  # only the first one
    stored.may.set()
    found = ahead.at(track(), SEGMENT)
    assert stored.asked == 1
    assert found == looker(frames[10:16], frames).at(track(), SEGMENT)
    other = replace(SEGMENT, start_s=3.0, end_s=8.0)
    assert ahead.at(track(), other) == looker(frames[10:16], frames).at(track(), other)
    assert stored.asked == 2
    ahead.wait()


def test_what_goes_wrong_ahead_is_told_when_the_segment_is_asked_about() -> None:
    def broken(_: int) -> None:
        raise OSError("the disk is gone")

    ahead = Looker(Shown(np.arange(6.0), lambda rows: footage(3)[rows]), broken, LOOKS)
    ahead.look_ahead(track(), SEGMENT)
    ahead.wait()
    with pytest.raises(OSError, match="the disk is gone"):
        ahead.at(track(), SEGMENT)


@pytest.mark.parametrize(
    ("motion", "paced", "rate", "shift_s"),
    [
        (Motion(0.25, 9.0, 0.5), Motion(0.33, 9.0, 0.0, 1.5), 1.0, 0.0),  # neither is sure, and neither is used
        (Motion(0.31, 9.0, 1.0), Motion(0.28, 9.0, 0.0, 1.5), 1.0, 1.0),  # not the one that is not
        (Motion(0.5, 9.0, 0.5), Motion(0.58, 9.0, 0.0, 1.5), 1.0, 0.5),  # too little better
        (Motion(0.3, 9.0, 0.5), Motion(0.6, 9.0, 0.0, 1.5), 1.5, 0.0),
    ],
)
def test_only_what_agrees_surely_moves_a_segment(motion: Motion, paced: Motion, rate: float, shift_s: float) -> None:
    seen = Seen(Likeness(20, None, False, 50.0, 50.0), motion, paced)
    placed = seen.placed(SEGMENT, track())
    wanted = SEGMENT if rate == 1.0 else SEGMENT.at_rate(rate, 30.0)
    assert placed == (wanted if shift_s == 0 else wanted.shifted(shift_s, 30.0))
