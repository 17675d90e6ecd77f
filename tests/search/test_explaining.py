"""What is said of a query and a video whose relation is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.search.shelves import WORLD_FPS, excerpt, picture, seen, world
from vsearch.search.calibration import Background, Calibration, Judge
from vsearch.search.explaining import Comparison, compare, figures, in_words
from vsearch.search.gallery import Track
from vsearch.search.pair import AlignSettings
from vsearch.search.queries.base import QueryFrames

FLOOR = 0.5
COURSE = world(60, seed=0)


def track(course: NDArray[np.float32], *, keep: NDArray[np.bool_] | None = None) -> Track:
    """A course as the library holds it, one frame a second; `keep`: those with information."""
    times = np.arange(len(course) // WORLD_FPS, dtype=np.float64)
    chosen = np.flatnonzero(np.ones(len(times), bool) if keep is None else keep)
    vectors = seen(course, times, noise=0.0, seed=0)[chosen]
    return Track(1, chosen, vectors, times[chosen], times[chosen] + 1, float(len(times)))


def joined(*parts: QueryFrames) -> QueryFrames:
    """Queries one after the other."""
    starts = np.cumsum([0.0, *(part.end_s for part in parts)])
    return QueryFrames(
        np.concatenate([part.vectors for part in parts]),
        np.concatenate([start + part.times_s for start, part in zip(starts, parts, strict=False)]),
        np.concatenate([part.weights for part in parts]),
        0.0,
        float(starts[-1]),
        still=False,
    )


def outcome(query: QueryFrames, of: Track | None) -> Comparison:
    return compare(query, of, least_similarity=FLOOR, max_segments=5)


def test_a_copy_matches_with_both_ranges_rate_and_cosine_in_words() -> None:
    found = outcome(excerpt(COURSE, 20, 28), track(COURSE))
    first, *rest = in_words(found)
    assert found.matches
    assert first.startswith("matches: 0:00:00.0 - 0:00:08.0 of the query are 0:00:")
    assert "at 1.00x, mean cosine 0.9" in first
    assert first.endswith("floor 0.50")
    assert rest == ["that is 100% of the query and 13% of the video"]


def test_a_stranger_is_below_the_floor_and_its_nearest_frames_are_named() -> None:
    found = outcome(excerpt(world(10, seed=70), 1, 7), track(COURSE))
    words = in_words(found)
    assert found.reason == "below-floor"
    assert words[0].startswith("does not match: below the floor: at best ")
    assert "nothing stands out" in words[1]
    best = found.best_pair
    assert best is not None
    assert words[-1].endswith(f"have cosine {best.similarity:.2f}")
    assert best.similarity == pytest.approx(found.columns(0, 60).max())


def test_a_floor_that_is_barely_missed_is_told_apart() -> None:
    query, video = excerpt(COURSE, 20, 28), track(COURSE)
    similarity = outcome(query, video).segments[0].similarity
    words = in_words(compare(query, video, least_similarity=similarity + 1e-3))
    assert f"mean cosine {similarity:.4f}, floor {similarity + 1e-3:.4f}" in words[0]


def test_sides_without_information_say_so() -> None:
    query = excerpt(COURSE, 20, 28)
    blank = outcome(replace(query, weights=np.zeros(len(query.weights), np.float32)), track(COURSE))
    assert blank.reason == "no-information-in-query"
    assert blank.best_pair is None
    assert outcome(query, None).reason == "no-information-in-video"
    for found in (blank, outcome(query, None)):
        assert len(in_words(found)) == 1
        assert figures(found)["segments"] == []


def test_blank_frames_are_counted() -> None:
    query = excerpt(COURSE, 20, 28)
    weights = query.weights.copy()
    weights[:6] = 0
    words = in_words(outcome(replace(query, weights=weights), track(COURSE)))
    assert "6 of 32 query frames without information (black or flat) not compared" in words


def test_a_picture_in_common_is_called_that() -> None:
    words = in_words(outcome(excerpt(COURSE, 20, 20.5), track(COURSE)))
    assert words[0].startswith("matches: ")
    assert "the best line crosses only one library frame: a picture in common, not yet a moment" in words
    assert "too few frames to be sure: the best line has 2 query frames" in words


def test_still_footage_leaves_the_moment_uncertain() -> None:
    still = np.repeat(COURSE[:1], WORLD_FPS * 40, axis=0)
    words = in_words(outcome(excerpt(still, 10, 16), track(still)))
    assert any(remark.endswith("the moment is less certain than the video") for remark in words)


def test_a_query_put_together_from_parts_is_taken_apart() -> None:
    query = joined(excerpt(COURSE, 40, 46), excerpt(world(9, seed=71), 1, 7), excerpt(COURSE, 10, 16))
    found = outcome(query, track(COURSE))
    assert len(found.segments) == 2
    ranges = sorted((segment.query_start_s, segment.start_s) for segment in found.segments)
    assert np.allclose(ranges, [(0, 40), (12, 10)], atol=0.7)
    assert in_words(found)[1].startswith("also ")
    assert "together that is 6" in in_words(found)[2]


def test_backwards_play_is_found_where_it_is_asked_for() -> None:
    forwards = excerpt(COURSE, 20, 30)
    query = replace(forwards, vectors=forwards.vectors[::-1].copy())
    settings = AlignSettings(reversed_play=True)
    found = compare(query, track(COURSE), least_similarity=FLOOR, settings=settings)
    assert found.segments[0].rate == pytest.approx(-1, abs=0.1)
    assert "x backwards, " in in_words(found)[0]
    pairings = found.along(found.segments[0])
    assert [one.video_s for one in pairings] == sorted((one.video_s for one in pairings), reverse=True)
    assert np.mean([one.similarity for one in pairings]) > 0.9


def test_frames_are_paired_along_the_line() -> None:
    found = outcome(excerpt(COURSE, 20, 28), track(COURSE))
    pairings = found.along(found.segments[0])
    assert len(pairings) == 32
    assert max(abs(one.video_s - one.query_s - 20) for one in pairings) < 0.8


def test_a_picture_is_a_point() -> None:
    found = outcome(picture(COURSE, 31.0), track(COURSE))
    assert in_words(found)[0].startswith("matches: the picture is 0:00:31.0 - 0:00:32.0 of the video, cosine 0.9")
    assert [(one.query_s, one.video_s) for one in found.along(found.segments[0])] == [(0.0, 31.0)]


def test_a_calibrated_head_matches_by_probability_and_says_so() -> None:
    calibration = Calibration((-6.0, 12.0, *[0.0] * 7), {"duplicate": 0.9, "similar": 0.5, "any": 0.0})
    judge = Judge(calibration, Background(world(1, seed=5), np.zeros(WORLD_FPS, np.int64)))
    query, video = excerpt(COURSE, 20, 28), track(COURSE)
    found = compare(
        replace(query, view="mirrored"), video, least_similarity=0.3, least_score=lambda _: 0.5, judge=judge
    )
    assert found.matches
    assert found.segments[0].score == pytest.approx(1 / (1 + np.exp(6 - 12 * found.segments[0].similarity)), abs=1e-4)
    assert in_words(found)[0].endswith(f"probability {found.segments[0].score:.1%}, threshold 50.0%")
    assert "seen otherwise: the query is mirrored" in in_words(found)
    assert figures(found)["score_kind"] == "probability"
    strict = compare(query, video, least_similarity=0.3, least_score=lambda _: 0.9999, judge=judge)
    assert strict.reason == "below-threshold"
    assert in_words(strict)[0].startswith("does not match: below the threshold: at best ")
