"""Searching a library whose answers are known."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.search.shelves import HEAD, D, excerpt, picture, put, world
from vsearch.db.store import Store
from vsearch.errors import AnnError
from vsearch.metrics import temporal_iou
from vsearch.records import FRAME_NUMBER_BITS, frame_id
from vsearch.search.ann.base import AnnIndex
from vsearch.search.cache import open_index
from vsearch.search.calibration import Background, Calibration, Judge
from vsearch.search.engine import Places, Recurrence, SearchSettings, discounted, find, segments_of
from vsearch.search.gallery import Gallery
from vsearch.search.pair import AlignSettings
from vsearch.search.queries.base import QueryFrames
from vsearch.search.rank import Match, rank

COURSES = [world(60, seed=number) for number in range(8)]
CALIBRATION = Calibration((-8.0, 14.0, *[0.0] * 7), {"duplicate": 0.9, "similar": 0.5, "any": 0.0})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(tmp_path_factory.mktemp("library") / "library", writable=True, create=True) as opened:
        for number, course in enumerate(COURSES):
            put(opened, course, f"{number}.mp4")
        yield opened


@pytest.fixture(scope="module")
def gallery(store: Store) -> Gallery:
    return Gallery(store, HEAD)


@pytest.fixture(scope="module")
def index(gallery: Gallery) -> AnnIndex:
    return open_index(gallery, None, d=D)


def test_excerpts_find_their_video_and_range(gallery: Gallery, index: AnnIndex) -> None:
    ious = []
    for number, course in enumerate(COURSES):
        start = 4.3 + 6.1 * number
        best = find(excerpt(course, start, start + 5), gallery, index, k=3)[0]
        assert best.video_id == number + 1
        ious.append(temporal_iou((best.segment.start_s, best.segment.end_s), (start, start + 5)))
    assert np.mean(ious) > 0.85


def test_a_strange_query_finds_nothing_above_the_floor(gallery: Gallery, index: AnnIndex) -> None:
    strange = excerpt(world(10, seed=77), 1, 6)
    assert find(strange, gallery, index, min_similarity=0.6) == []
    assert find(strange, gallery, index, min_similarity=0.0) != []
    own = find(excerpt(COURSES[2], 10, 15), gallery, index, min_similarity=0.6)
    assert [match.video_id for match in own] == [3]


def test_hits_are_at_most_k_best_first_one_a_video(gallery: Gallery, index: AnnIndex) -> None:
    matches = find(excerpt(COURSES[0], 10, 15), gallery, index, k=4)
    scores = [match.segment.score for match in matches]
    assert len(matches) == 4
    assert scores == sorted(scores, reverse=True)
    assert len({match.video_id for match in matches}) == 4
    assert len(find(excerpt(COURSES[0], 10, 15), gallery, index, k=100)) == len(COURSES)


def test_a_picture_finds_its_moment(gallery: Gallery, index: AnnIndex) -> None:
    best = find(picture(COURSES[4], 31.0), gallery, index, k=2)[0]
    assert best.video_id == 5
    assert (best.segment.start_s, best.segment.end_s) == (31.0, 32.0)
    assert best.segment.matched_frames == 1


def test_only_allowed_frames_are_found(gallery: Gallery, index: AnnIndex) -> None:
    allowed = np.array([frame_id(2, number) for number in range(20, 40)] + [frame_id(6, n) for n in range(60)])
    matches = find(excerpt(COURSES[0], 10, 15), gallery, index, k=10, allowed=allowed)
    assert {match.video_id for match in matches} <= {2, 6}
    inside = find(excerpt(COURSES[1], 25, 31), gallery, index, k=1, allowed=allowed)[0]
    assert inside.video_id == 2
    assert find(excerpt(COURSES[1], 25, 31), gallery, index, allowed=np.empty(0, np.int64)) == []


@settings(max_examples=12, deadline=None)
@given(
    asked=st.integers(0, 7),
    start=st.floats(0, 50),
    videos=st.sets(st.integers(1, 9)),
    k=st.integers(1, 20),
    per_video=st.integers(1, 3),
    floor=st.sampled_from([0.0, 0.3, 0.6]),
)
def test_filtered_hits_are_the_unfiltered_ones_that_fit(
    gallery: Gallery,
    index: AnnIndex,
    asked: int,
    start: float,
    videos: set[int],
    k: int,
    per_video: int,
    floor: float,
) -> None:
    query = excerpt(COURSES[asked], start, start + 5)
    allowed = np.sort(index.ids()[np.isin(index.ids() >> 24, list(videos))])
    filtered = find(query, gallery, index, k=k, per_video=per_video, min_similarity=floor, allowed=allowed)
    everything = find(query, gallery, index, k=1000, per_video=per_video, min_similarity=floor)
    assert filtered == [match for match in everything if match.video_id in videos][:k]


Part = tuple[int, int, int]  # of a library: video id, first frame, and the one after the last


@settings(max_examples=12, deadline=None)
@given(
    asked=st.integers(0, 7),
    start=st.floats(0, 50),
    still=st.booleans(),
    cuts=st.lists(st.tuples(st.integers(1, 8), st.integers(0, 59), st.integers(1, 25)), min_size=1, max_size=12),
    k=st.integers(1, 20),
    per_video=st.integers(1, 3),
    floor=st.sampled_from([0.0, 0.3, 0.6]),
)
def test_hits_in_parts_of_videos_are_those_of_comparing_every_part(
    gallery: Gallery,
    index: AnnIndex,
    asked: int,
    start: float,
    still: bool,
    cuts: list[Part],
    k: int,
    per_video: int,
    floor: float,
) -> None:
    query = picture(COURSES[asked], start) if still else excerpt(COURSES[asked], start, start + 5)
    parts = disjoint(cuts)
    found = find(query, gallery, index, k=k, per_video=per_video, min_similarity=floor, **within(parts))
    every = [
        Match(track.video_id, segment)
        for track in gallery.tracks(range(1, 9))
        for _, first, stop in [part for part in parts if part[0] == track.video_id]
        for segment in segments_of(
            query,
            replace(track.only(slice(first, stop)), part_s=(float(first), float(stop))),
            max_segments=per_video,
            settings=AlignSettings(),
        )
    ]
    assert found == rank(every, k=k, min_similarity=floor, per_video=per_video)
    places = [(match.video_id, match.segment.start_s, match.segment.end_s) for match in found]
    assert all(any(v == video_id and a <= s and e <= b for v, a, b in parts) for video_id, s, e in places)


def within(parts: list[Part], blank: Container[int] = ()) -> dict[str, NDArray[np.int64]]:
    """What `find` takes to look into parts; blank: the frames that the index does not have."""
    frames = [frame_id(video_id, n) for video_id, first, stop in parts for n in range(first, stop) if n not in blank]
    ranges = [(frame_id(video_id, first), frame_id(video_id, stop)) for video_id, first, stop in parts]
    return {"allowed": np.array(frames), "parts": np.array(ranges)}


def disjoint(cuts: list[Part]) -> list[Part]:
    """Of these (video id, first frame, frames), as parts, those that touch none before them; none is a whole video."""
    parts: list[Part] = []
    for video_id, first, n in sorted(cuts):
        if not parts or parts[-1][0] != video_id or first > parts[-1][2]:
            parts.append((video_id, first, min(first + n, 60)))
    return parts


def test_an_excerpt_is_found_as_far_as_a_part_shows_it(gallery: Gallery, index: AnnIndex) -> None:
    parts = [(2, 5, 9), (2, 30, 36), (2, 50, 60)]
    (match,) = find(excerpt(COURSES[1], 27, 33), gallery, index, **within(parts))
    segment = match.segment
    assert (segment.start_s, segment.end_s) == pytest.approx((30, 33), abs=0.8)
    assert (segment.query_start_s, segment.query_end_s) == pytest.approx((3, 6), abs=0.8)
    assert segment.video_coverage == pytest.approx((segment.end_s - segment.start_s) / 60)


def test_a_part_of_one_frame_is_matched_by_no_more_of_a_query_than_it_lasts(gallery: Gallery, index: AnnIndex) -> None:
    (match,) = find(excerpt(COURSES[1], 27, 33), gallery, index, **within([(2, 30, 31)]))
    segment = match.segment
    assert (segment.start_s, segment.end_s) == (30.0, 31.0)
    assert (segment.query_start_s, segment.query_end_s) == pytest.approx((3.0, 4.0), abs=0.3)
    assert segment.query_coverage == pytest.approx(1 / 6, abs=0.01)
    assert segment.video_coverage == pytest.approx(1 / 60, abs=0.001)


def test_other_places_are_sought_only_where_something_may_be_found(gallery: Gallery, index: AnnIndex) -> None:
    query = excerpt(COURSES[1], 10, 14)
    (track,) = gallery.tracks([2])
    allowed = within([(2, 10, 14), (2, 40, 50)])
    (first,) = find(query, gallery, index, **allowed)
    assert first.segment.start_s < 14
    others = Places(query, index, None, SearchSettings(), allowed["parts"]).beside(track, first.segment, most=9)
    places = [(one.start_s, one.end_s) for one in others]
    assert any(start >= 40 for start, _ in places)
    assert all(any(a <= start and end <= b for a, b in [(10, 14), (40, 50)]) for start, end in places)


def test_a_range_does_not_run_across_blank_frames_that_are_in_no_part(tmp_path: Path) -> None:
    """Blank frames are in no track, but those of clips that are not sought part what is on either side."""
    course = world(50, seed=30)
    low = np.zeros(50, bool)
    low[[*range(10), *range(20, 30), *range(40, 50)]] = True
    with Store.open(tmp_path / "library", writable=True, create=True) as store:
        put(store, course, "blank.mp4", low=low)
        gallery = Gallery(store, HEAD)
        index = open_index(gallery, None, d=D)
        query = excerpt(course, 12, 38)
        clips = [(1, 10, 20), (1, 30, 40)]
        blank = np.flatnonzero(low).tolist()
        apart = find(query, gallery, index, per_video=2, **within(clips, blank))
        whole = find(query, gallery, index, per_video=2, **within([(1, 0, 50)], blank))
        everywhere = find(query, gallery, index, per_video=2)
    assert sorted(round(match.segment.start_s / 10) for match in apart) == [1, 3]
    for match in apart:
        assert any(first <= match.segment.start_s < match.segment.end_s <= stop for _, first, stop in clips)
    assert everywhere[0].segment.end_s - everywhere[0].segment.start_s == pytest.approx(26, abs=2)
    assert whole[0].segment.end_s - whole[0].segment.start_s == pytest.approx(26, abs=2)


def test_a_range_over_a_whole_video_finds_what_is_found_in_it(gallery: Gallery, index: AnnIndex) -> None:
    query = excerpt(COURSES[1], 0, 5)
    allowed = within([(2, 0, 60)])
    assert find(query, gallery, index, k=1, **allowed) == find(query, gallery, index, k=1)
    (track,) = gallery.tracks([2])
    (part,) = track.parts(allowed["parts"])
    assert part.part_s is None


def test_the_best_match_of_each_video_is_shown_while_others_are_sought(gallery: Gallery, index: AnnIndex) -> None:
    shown: list[Match] = []
    parts = [(2, 2, 8), (2, 10, 18), (2, 27, 33), (5, 10, 20), (5, 30, 40)]
    found = find(
        excerpt(COURSES[1], 27, 32),
        gallery,
        index,
        per_video=3,
        **within(parts),
        watch=lambda track, match: shown.append(match),
    )
    assert len(found) > 2
    best = [next(match for match in found if match.video_id == video_id) for video_id in (2, 5)]
    assert shown == best


def test_without_limits_all_that_is_similar_enough_is_found(tmp_path: Path) -> None:
    """A jingle five times in one video and once in each of forty others: more than any limit on candidates."""
    jingle = world(5, seed=500)
    often = np.concatenate([part for n in range(5) for part in (world(12, seed=600 + n), jingle)])
    with Store.open(tmp_path / "library", writable=True, create=True) as store:
        many = put(store, often, "often.mp4")
        once = {put(store, np.concatenate([world(7, seed=700 + n), jingle]), f"{n}.mp4") for n in range(40)}
        gallery = Gallery(store, HEAD)
        index = open_index(gallery, None, d=D)
        query = excerpt(jingle, 0, 5, noise=0.1)
        every = SearchSettings(neighbours=4, candidates=None)
        found = find(query, gallery, index, k=None, per_video=None, min_similarity=0.8, settings=every)
        few = find(query, gallery, index, k=None, per_video=1, min_similarity=0.8)
    places = sorted(m.segment.start_s for m in found if m.video_id == many and m.segment.score > 0.6)
    assert places == pytest.approx([12, 29, 46, 63, 80], abs=0.6)
    assert {match.video_id for match in found} == {many, *once}
    assert all(match.segment.similarity >= 0.8 for match in found)
    assert len(few) == SearchSettings().candidates


def test_frames_without_information_do_not_count(gallery: Gallery, index: AnnIndex) -> None:
    query = excerpt(COURSES[3], 20, 26)
    spoilt = query.vectors.copy()
    spoilt[:8] = excerpt(COURSES[0], 30, 32).vectors
    weights = np.ones(len(spoilt), np.float32)
    weights[:8] = 0
    best = find(replace(query, vectors=spoilt, weights=weights), gallery, index, k=1)[0]
    assert best.video_id == 4
    assert temporal_iou((best.segment.start_s, best.segment.end_s), (20, 26)) > 0.85
    assert best.segment.matched_frames == len(spoilt) - 8
    assert find(replace(query, weights=np.zeros(len(spoilt), np.float32)), gallery, index) == []


def test_one_long_static_video_does_not_hide_the_others(tmp_path: Path) -> None:
    """A fixed camera fills every place among the neighbours; a copy of the query must still be met."""
    still = np.repeat(COURSES[0][:1], 20 * 400, axis=0)
    twin = np.repeat(COURSES[0][:1], 20 * 10, axis=0)
    with Store.open(tmp_path / "library", writable=True, create=True) as store:
        long = put(store, still, "camera.mp4")
        short = put(store, twin, "copy.mp4")
        gallery = Gallery(store, HEAD)
        found = find(excerpt(still, 3, 8), gallery, open_index(gallery, None, d=D), k=5)
    assert {match.video_id for match in found} == {long, short}


def test_a_video_removed_since_is_not_found(tmp_path: Path) -> None:
    with Store.open(tmp_path / "library", writable=True, create=True) as store:
        gone, kept = put(store, COURSES[0], "a.mp4"), put(store, COURSES[1], "b.mp4")
        gallery = Gallery(store, HEAD)
        stale = open_index(gallery, None, d=D)
        store.remove_videos([gone])
        assert [match.video_id for match in find(excerpt(COURSES[0], 5, 10), gallery, stale)] == [kept]


def test_queries_of_another_head_are_refused(gallery: Gallery, index: AnnIndex) -> None:
    query = excerpt(world(10, seed=5, d=32), 1, 6)
    with pytest.raises(AnnError, match="64 dimensions"):
        find(query, gallery, index)


def test_small_batches_change_nothing(gallery: Gallery, index: AnnIndex) -> None:
    query = excerpt(COURSES[5], 10, 40)
    whole = find(query, gallery, index)
    assert find(query, gallery, index, settings=SearchSettings(query_batch=7)) == whole


def test_an_empty_library_answers_nothing(tmp_path: Path) -> None:
    with Store.open(tmp_path / "empty", writable=True, create=True) as empty:
        nothing = Gallery(empty, HEAD)
        assert find(excerpt(COURSES[0], 1, 6), nothing, open_index(nothing, None, d=D)) == []


@pytest.mark.parametrize(
    ("vectors", "times", "end"),
    [((3, D), [0.0, 1.0], 3.0), ((2, D), [1.0, 0.0], 3.0), ((2, D), [0.0, 1.0], -1.0)],
)
def test_query_frames_check_themselves(vectors: tuple[int, int], times: list[float], end: float) -> None:
    filled: NDArray[np.float32] = np.ones(vectors, np.float32)
    with pytest.raises(ValueError, match="must"):
        QueryFrames(filled, np.array(times), np.ones(len(times), np.float32), 0.0, end, still=False)


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gallery, AnnIndex]]:
    """24 videos of 30 s, each after the same title of 6 s."""
    title = world(6, seed=500)
    with Store.open(tmp_path_factory.mktemp("serial") / "library", writable=True, create=True) as opened:
        for number in range(24):
            put(opened, np.concatenate([title, world(30, seed=600 + number)]), f"{number}.mp4")
        gallery = Gallery(opened, HEAD)
        yield gallery, open_index(gallery, None, d=D)


RECURRENCE = SearchSettings(recurrence=Recurrence(videos=20, cosine=0.8))


def test_a_title_that_many_videos_share_says_little_about_where_a_query_is_from(
    serial: tuple[Gallery, AnnIndex],
) -> None:
    query = excerpt(np.concatenate([world(6, seed=500), world(30, seed=603)]), 0, 10)
    equal, weighed = (find(query, *serial, k=24, settings=settings) for settings in (SearchSettings(), RECURRENCE))
    assert equal[0].video_id == weighed[0].video_id == 4
    assert weighed[0].segment.score == pytest.approx(equal[0].segment.score, abs=0.05)
    others = [
        {match.video_id: match.segment.score for match in found if match.video_id != 4} for found in (equal, weighed)
    ]
    assert len(others[0]) == 23
    assert max(others[1].values()) < 0.75 * min(others[0].values())


def test_a_title_alone_is_still_found_everywhere(serial: tuple[Gallery, AnnIndex]) -> None:
    query = excerpt(world(6, seed=500), 0.5, 5)
    assert (discounted(query, serial[1], RECURRENCE).weights == query.weights).all()
    found = find(query, *serial, k=30, min_similarity=0.7, settings=RECURRENCE)
    assert len(found) == 24


def test_only_frames_of_enough_videos_lose_weight(serial: tuple[Gallery, AnnIndex]) -> None:
    query = excerpt(np.concatenate([world(6, seed=500), world(30, seed=603)]), 0, 10)
    weights = discounted(query, serial[1], RECURRENCE).weights
    assert weights[query.times_s < 5].max() < 0.2
    assert weights[query.times_s > 7].min() == 1
    rarer = replace(RECURRENCE, recurrence=Recurrence(videos=25, cosine=0.8))
    assert discounted(query, serial[1], rarer).weights.min() == 1
    asked_few = replace(RECURRENCE, neighbours=2, most_neighbours=100)
    assert (discounted(query, serial[1], asked_few).weights == weights).all()


def test_a_title_in_common_is_no_match_by_probability_and_moments_after_it_are(
    serial: tuple[Gallery, AnnIndex],
) -> None:
    judge = Judge(CALIBRATION, Background(world(1, seed=5), np.zeros(20, np.int64)))
    query = excerpt(np.concatenate([world(6, seed=500), world(30, seed=603)]), 0, 10)
    found = find(query, *serial, k=24, judge=judge, settings=RECURRENCE)
    assert found[0].video_id == 4
    assert found[0].segment.score > 0.8
    assert max(match.segment.score for match in found[1:]) < 0.3
    equal = find(query, *serial, k=24, judge=judge)
    assert max(match.segment.score for match in equal[1:]) > 0.5


def test_what_was_copied_often_is_weighed_as_ever(tmp_path: Path) -> None:
    film = world(30, seed=700)
    with Store.open(tmp_path / "library", writable=True, create=True) as opened:
        for number in range(24):
            put(opened, np.concatenate([film, world(3, seed=800 + number)]), f"{number}.mp4")
        index = open_index(Gallery(opened, HEAD), None, d=D)
        query = excerpt(np.concatenate([film, world(3, seed=805)]), 15, 33, noise=0.1)
        assert (discounted(query, index, RECURRENCE).weights == 1).all()


def test_an_empty_index_and_pictures_weigh_nothing_down(serial: tuple[Gallery, AnnIndex], tmp_path: Path) -> None:
    still = picture(world(6, seed=500), 2.0)
    assert discounted(still, serial[1], RECURRENCE).weights.tolist() == [1]
    with Store.open(tmp_path / "library", writable=True, create=True) as opened:
        empty = open_index(Gallery(opened, HEAD), None, d=D)
        query = excerpt(COURSES[0], 0, 5)
        assert (discounted(query, empty, RECURRENCE).weights == 1).all()


def test_filters_do_not_change_what_recurs(serial: tuple[Gallery, AnnIndex]) -> None:
    gallery, index = serial
    query = excerpt(np.concatenate([world(6, seed=500), world(30, seed=603)]), 0, 10)
    ids = index.ids()
    some = np.sort(ids[np.isin(ids >> FRAME_NUMBER_BITS, [4, 9])])
    within = find(query, gallery, index, k=5, allowed=some, settings=RECURRENCE)
    everywhere = {match.video_id: match.segment for match in find(query, gallery, index, k=24, settings=RECURRENCE)}
    assert [match.video_id for match in within] == [4, 9]
    assert all(match.segment == everywhere[match.video_id] for match in within)
    unlimited = find(query, gallery, index, k=5, settings=replace(RECURRENCE, candidates=None))
    assert unlimited[0].video_id == 4


def test_other_places_of_a_video_do_not_touch_the_one_that_is_known(tmp_path: Path) -> None:
    course = world(12, seed=5)
    with Store.open(tmp_path, writable=True, create=True) as store:
        film = [world(20, seed=6), course, world(20, seed=7), course, world(20, seed=8)]
        video_id = put(store, np.concatenate(film), "film")
        gallery = Gallery(store, HEAD)
        index = open_index(gallery, None, d=D)
        query = excerpt(course, 3, 9)
        (first,) = find(query, gallery, index)
        (track,) = gallery.tracks([video_id])
        judge = Judge(CALIBRATION, Background(track.vectors[:20], np.zeros(20, np.int64)))
        others = Places(query, index, judge, SearchSettings()).beside(track, first.segment, most=3)
    places = sorted([first.segment, others[0]], key=lambda one: one.start_s)
    assert [one.start_s for one in places] == pytest.approx([23.0, 55.0], abs=0.5)
    assert all(one.end_s <= first.segment.start_s or one.start_s >= first.segment.end_s for one in others)
    assert others[0].score > max(one.score for one in others[1:])
