"""The scorer of excerpts: what is right, what counts neither way, what is false."""

from __future__ import annotations

import pytest

from benchmarks.score_excerpts import Answer, Found, distribution, score_inside, score_outside
from tests.benchmarks.small_corpus import video

SOURCE = video("source", group="g1", scene="s1")
COPY = video("copy", group="g1", scene="s1")
LOOKALIKE = video("lookalike", group="g2", scene="s1")
STRANGER = video("stranger", group="g3")


def found(of: object, start_s: float = 2.0, end_s: float = 7.0, similarity: float = 0.9) -> Found:
    assert isinstance(of, type(SOURCE))
    return Found(of, start_s, end_s, similarity)


def answer(*hits: Found, unlimited: tuple[Found, ...] = ()) -> Answer:
    return Answer(SOURCE, 2.0, 7.0, hits, unlimited or hits, 0.1)


def test_a_hit_in_the_group_at_rank_one_is_right_whichever_copy_it_is() -> None:
    score = score_inside([answer(found(COPY), found(SOURCE)), answer(found(SOURCE))])
    assert (score.right_at_1, score.recall_at_1, score.recall_at_5) == (2, 1.0, 1.0)


def test_a_wrong_video_before_the_right_one_costs_rank_one_and_the_overlap() -> None:
    score = score_inside([answer(found(STRANGER), found(SOURCE))])
    assert (score.right_at_1, score.recall_at_1, score.recall_at_5) == (0, 0.0, 1.0)
    assert score.ious == (0.0,)


def test_no_answer_is_not_right() -> None:
    score = score_inside([answer()])
    assert (score.recall_at_1, score.recall_at_5, score.mean_iou) == (0.0, 0.0, 0.0)
    assert score.right_similarities == ()


def test_a_lookalike_of_the_same_scene_counts_as_if_it_were_not_there() -> None:
    assert score_inside([answer(found(LOOKALIKE), found(SOURCE))]).right_at_1 == 1
    assert score_outside([answer(found(LOOKALIKE))]).false_hits == 0
    assert score_outside([answer(found(LOOKALIKE), found(STRANGER))]).false_hits == 1


def test_overlap_is_measured_in_the_video_that_the_excerpt_was_cut_from() -> None:
    score = score_inside([answer(found(COPY, 0.0, 1.0), found(SOURCE, 2.0, 4.5)), answer(found(COPY))])
    assert score.ious == (pytest.approx(0.5), 0.0)
    assert score.mean_iou == pytest.approx(0.25)


def test_similarities_come_from_the_search_without_a_floor() -> None:
    score = score_outside([answer(unlimited=(found(LOOKALIKE, similarity=0.8), found(STRANGER, similarity=0.3)))])
    assert (score.false_hits, score.best_similarities) == (0, (0.3,))


def test_a_distribution_of_nothing_is_only_its_count() -> None:
    assert distribution([]) == {"n": 0}
    assert distribution([1.0, 3.0])["median"] == 2.0
