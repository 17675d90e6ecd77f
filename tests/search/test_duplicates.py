"""Libraries whose copies are known: pairs, how they are related, groups, what recurs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.db.samples import FACTS, INFO, identity
from tests.search.shelves import HEAD, WORLD_FPS, put, world
from vsearch.db.store import Store
from vsearch.records import Segment
from vsearch.search.best import ranked
from vsearch.search.calibration import Background, Calibration, Judge
from vsearch.search.duplicates import (
    Bar,
    Duplicates,
    DuplicateSettings,
    SharedPair,
    SharedRange,
    Side,
    find_duplicates,
    find_recurring,
    groups_of,
    shared,
)
from vsearch.search.gallery import Gallery, Track
from vsearch.search.recurring import materials
from vsearch.search.structure import Structure

Course = NDArray[np.float32]
BAR = Bar(floor=0.6, threshold=0.6)


def part(course: Course, start_s: float, end_s: float) -> Course:
    return course[round(start_s * WORLD_FPS) : round(end_s * WORLD_FPS)]


def disturbed(course: Course, *, seed: int = 3) -> Course:
    """As an edit leaves it: one shift for all, and some for each frame."""
    rng = np.random.default_rng(seed)
    noise = 0.3 * rng.normal(size=course.shape[1]) + 0.15 * rng.normal(size=course.shape)
    return (course + noise).astype(np.float32)


def library(folder: Path, courses: list[Course]) -> Store:
    """Videos 1, 2, ... with these courses."""
    store = Store.open(folder, writable=True, create=True)
    for number, course in enumerate(courses):
        put(store, course, f"{number}.mp4")
    return store


def duplicates(folder: Path, courses: list[Course], *, recurring: int | None = 20) -> Duplicates:
    with library(folder, courses) as store:
        return find_duplicates(Gallery(store, HEAD), BAR, recurring=recurring, apart=store.not_same())


FILM, OTHER, THIRD = (world(60, seed=seed) for seed in (1, 2, 3))


def test_a_copy_is_the_same_an_excerpt_is_contained_and_strangers_are_nothing(tmp_path: Path) -> None:
    found = duplicates(tmp_path, [FILM, disturbed(FILM), disturbed(part(FILM, 20, 35)), OTHER])
    told = {(pair.a, pair.b): (pair.relation, pair.inner) for pair in found.pairs}
    assert told == {(1, 2): ("same", None), (1, 3): ("contained", 3), (2, 3): ("contained", 3)}
    excerpt = next(pair for pair in found.pairs if (pair.a, pair.b) == (1, 3))
    (one,) = excerpt.ranges
    assert (one.a_start_s, one.a_end_s) == pytest.approx((20, 35), abs=0.5)
    assert (one.b_start_s, one.b_end_s) == pytest.approx((0, 15), abs=0.5)
    assert excerpt.coverage_a == pytest.approx(0.25, abs=0.02)
    assert one.rate == pytest.approx(1, abs=0.05)
    assert found.videos == 4


def test_recordings_that_overlap_say_where(tmp_path: Path) -> None:
    early = np.concatenate([part(OTHER, 0, 20), part(FILM, 0, 30)])
    late = disturbed(np.concatenate([part(FILM, 10, 50), part(THIRD, 0, 10)]))
    (pair,) = duplicates(tmp_path, [early, late]).pairs
    assert (pair.relation, pair.inner) == ("overlapping", None)
    one = pair.ranges[0]
    assert (one.a_start_s, one.a_end_s) == pytest.approx((30, 50), abs=1.0)
    assert (one.b_start_s, one.b_end_s) == pytest.approx((0, 20), abs=1.0)


def test_parts_that_were_moved_are_ranges_of_their_own(tmp_path: Path) -> None:
    swapped = disturbed(np.concatenate([part(FILM, 30, 60), part(FILM, 0, 30)]))
    (pair,) = duplicates(tmp_path, [FILM, swapped]).pairs
    assert pair.relation == "same"
    starts = sorted((one.a_start_s, one.b_start_s) for one in pair.ranges)
    assert starts == [pytest.approx((0, 30), abs=1.0), pytest.approx((30, 0), abs=1.0)]


def test_half_of_a_still_film_is_a_part_of_it_not_the_same(tmp_path: Path) -> None:
    still = np.repeat(FILM[:1], 40 * WORLD_FPS, axis=0)
    (pair,) = duplicates(tmp_path, [still, disturbed(part(still, 0, 20))]).pairs
    assert (pair.relation, pair.inner) == ("contained", 2)


def test_pairs_that_a_person_told_apart_neither_show_nor_join_groups(tmp_path: Path) -> None:
    both = disturbed(np.concatenate([part(FILM, 0, 30), part(OTHER, 0, 30)]))
    with library(tmp_path, [FILM, both, OTHER]) as store:
        gallery = Gallery(store, HEAD)
        before = find_duplicates(gallery, BAR, recurring=None).pairs
        store.mark_not_same(2, 1)
        after = find_duplicates(gallery, BAR, recurring=None, apart=store.not_same()).pairs
    assert [members for members, _ in groups_of(before)] == [(1, 2, 3)]
    assert [members for members, _ in groups_of(after)] == [(2, 3)]


def test_an_empty_library_and_one_of_strangers_hold_nothing(tmp_path: Path) -> None:
    assert duplicates(tmp_path / "empty", []).pairs == ()
    assert duplicates(tmp_path / "strangers", [FILM, OTHER, THIRD]).pairs == ()


def test_pictures_are_compared_by_their_only_frame(tmp_path: Path) -> None:
    picture = np.repeat(part(FILM, 31, 31.05), WORLD_FPS, axis=0)
    found = duplicates(tmp_path, [FILM, picture, picture + np.float32(1e-3), OTHER]).pairs
    told = {(pair.a, pair.b): (pair.relation, pair.inner) for pair in found}
    assert told == {(1, 2): ("contained", 2), (1, 3): ("contained", 3), (2, 3): ("same", None)}


# Probabilities

CALIBRATION = Calibration((-12.0, 20.0, -6.0, 1.0, 1.0, *[0.0] * 4), {"duplicate": 0.9, "similar": 0.5, "any": 0.0})


def test_scores_are_probabilities_where_the_head_is_calibrated(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    strangers = rng.normal(size=(500, FILM.shape[1]))
    strangers /= np.linalg.norm(strangers, axis=1, keepdims=True)
    background = strangers.astype(np.float32)
    with library(tmp_path, [FILM, disturbed(FILM), OTHER]) as store:
        gallery = Gallery(store, HEAD)
        (plain,) = find_duplicates(gallery, BAR, recurring=None).pairs
        (pair,) = find_duplicates(
            gallery, Bar(0.6, 0.9, calibration=CALIBRATION, background=background), recurring=None
        ).pairs
        assert (
            find_duplicates(
                gallery, Bar(0.6, 1.0, calibration=CALIBRATION, background=background), recurring=None
            ).pairs
            == ()
        )
        query = Side.of(next(gallery.tracks([1])), None, DuplicateSettings()).query
    level = Background(background, np.zeros(500, np.int64)).level(query.vectors, query.weights)
    (segment,) = [
        Segment(one.a_start_s, one.a_end_s, one.b_start_s, one.b_end_s, one.rate, one.similarity, one.score, 1, 1, 1)
        for one in plain.ranges
    ]
    assert pair.score == pytest.approx(CALIBRATION.calibrated(segment, level, Structure(0, 0, 0)).score, abs=1e-6)
    assert pair.similarity == plain.similarity


def test_a_video_is_no_background_of_itself() -> None:
    own, others = np.eye(4, dtype=np.float32)[:1], np.eye(4, dtype=np.float32)[1:]
    background = Background(np.concatenate([own, others]), np.array([7, 0, 8, 0]))
    judge = Judge(CALIBRATION, background).besides(7)
    assert judge.background.owners.tolist() == [0, 8, 0]
    assert Judge(CALIBRATION, judge.background).besides(7).background is judge.background


# What recurs

IDENT = world(5, seed=50, cut_s=100)
EPISODES = [
    np.concatenate([part(world(80, seed=100 + n), 0, 20 + n), IDENT, part(world(80, seed=200 + n), 0, 25)])
    for n in range(12)
]


def test_an_ident_makes_no_duplicates_but_copies_stay_copies(tmp_path: Path) -> None:
    courses = [*EPISODES, disturbed(EPISODES[4]), IDENT]
    plain = duplicates(tmp_path / "plain", courses, recurring=None)
    found = duplicates(tmp_path / "recurring", courses, recurring=10)
    assert len(plain.pairs) > 50
    assert [(pair.a, pair.b, pair.relation) for pair in found.pairs] == [(5, 13, "same")]


def test_an_ident_is_listed_with_every_place_where_it_is(tmp_path: Path) -> None:
    with library(tmp_path, EPISODES) as store:
        gallery = Gallery(store, HEAD)
        recurring, videos = find_recurring(gallery, BAR, videos=10)
        (ident,) = materials(recurring, gallery.tracks(recurring.videos), videos=10)
    assert videos == ident.videos == 12
    assert ident.length_s == pytest.approx(5, abs=1.5)
    for number, one in enumerate(ident.occurrences):
        assert one.video_id == number + 1
        assert one.start_s == pytest.approx(20 + number, abs=1.5)


def test_many_copies_of_one_film_are_duplicates_and_recur_nowhere(tmp_path: Path) -> None:
    courses = [disturbed(part(FILM, 0, 20), seed=n) for n in range(12)]
    found = duplicates(tmp_path, courses, recurring=10)
    assert len(found.recurring.ids) == 0
    assert [members for members, _ in groups_of(found.pairs)] == [tuple(range(1, 13))]


def test_what_is_in_fewer_videos_does_not_recur(tmp_path: Path) -> None:
    with library(tmp_path, EPISODES[:9]) as store:
        recurring, _ = find_recurring(Gallery(store, HEAD), BAR, videos=10)
    assert len(recurring.ids) == 0


# Rules

SHARES = st.floats(0, 1)


def pair_of(a: int, b: int, coverage_a: float = 1.0, coverage_b: float = 1.0) -> SharedPair:
    return SharedPair(a, b, (SharedRange(0, 10, 5, 15, 1.0, 0.9, 0.9),), coverage_a, coverage_b)


@given(SHARES, SHARES)
def test_a_relation_is_the_same_from_both_sides(coverage_a: float, coverage_b: float) -> None:
    one, other = pair_of(1, 2, coverage_a, coverage_b), pair_of(2, 1, coverage_b, coverage_a)
    assert (one.relation, one.inner) == (other.relation, other.inner)
    assert (one.relation == "contained") == (one.inner is not None)


@given(st.sets(st.tuples(st.integers(1, 12), st.integers(1, 12)).filter(lambda pair: pair[0] < pair[1])))
def test_groups_are_the_connected_components_of_the_pairs(edges: set[tuple[int, int]]) -> None:
    groups = groups_of(pair_of(a, b) for a, b in sorted(edges))
    reach = {video: {video} for edge in edges for video in edge}
    for _ in reach:
        for a, b in edges:
            reach[a] = reach[b] = reach[a] | reach[b]
    assert {frozenset(members) for members, _ in groups} == {frozenset(seen) for seen in reach.values()}
    assert sorted((pair.a, pair.b) for _, pairs in groups for pair in pairs) == sorted(edges)
    assert [len(members) for members, _ in groups] == sorted((len(members) for members, _ in groups), reverse=True)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(4, 40), st.integers(4, 40))
def test_which_video_comes_first_changes_nothing(seed: int, first_s: int, second_s: int) -> None:
    course = world(60, seed=seed)
    a, b = (side(number, part(course, start, start + length)) for number, start, length in
            ((1, 3, first_s), (2, 10, second_s)))  # fmt: skip
    one = shared(a, b, BAR, settings=DuplicateSettings())
    other = shared(b, a, BAR, settings=DuplicateSettings())
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert (one.coverage_a, one.coverage_b) == (other.coverage_b, other.coverage_a)
        assert [pytest.approx(near(each)) for each in one.ranges] == [near(each.swapped()) for each in other.ranges]
        assert 0 <= one.coverage_a <= 1


def near(one: SharedRange) -> tuple[float, ...]:
    return one.a_start_s, one.a_end_s, one.b_start_s, one.b_end_s, one.rate, one.score


def side(video_id: int, course: Course) -> Side:
    return Side.of(track(video_id, course), None, DuplicateSettings())


def track(video_id: int, course: Course) -> Track:
    vectors = course[::WORLD_FPS] / np.linalg.norm(course[::WORLD_FPS], axis=1, keepdims=True)
    times = np.arange(len(vectors), dtype=np.float64)
    return Track(video_id, np.arange(len(vectors)), vectors, times, times + 1, float(len(vectors)))


# Which copy is best


def test_the_best_copy_is_told_by_the_first_rule_that_differs(tmp_path: Path) -> None:
    with library(tmp_path, [FILM, OTHER]) as store:
        one, other = store.video(1), store.video(2)
    pairs = [pair_of(1, 2)]
    larger = replace(other, info=replace(INFO, width=3840))
    heavier = replace(other, identity=identity("two", size=9_000_000))
    early = replace(other, info=replace(INFO, facts=replace(FACTS, recorded_at="2001-01-01T00:00:00+00:00")))
    cut = [pair_of(1, 2, coverage_a=0.5)]
    for videos, given_pairs, best, reason in (
        ((one, other), pairs, 1, "indexed first"),
        ((one, early), pairs, 2, "recorded first (2001-01-01T00:00:00+00:00)"),
        ((one, replace(early, end_pts=other.end_pts - 90000 * 30)), pairs, 2, "the highest bit rate"),
        ((one, heavier), pairs, 2, "the highest bit rate (1,200 kbit/s)"),
        ((heavier, replace(larger, id=1)), pairs, 1, "the most pixels (3840x1080)"),
        ((one, larger), cut, 1, "not a part of another one"),
        ((one, replace(larger, state="partial")), pairs, 1, "the only one that decodes to its end"),
    ):
        order, why = ranked(videos, given_pairs)
        assert (order[0].id, why.startswith(reason)) == (best, True), why
