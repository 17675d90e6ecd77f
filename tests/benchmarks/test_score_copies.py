"""The scorers of the copies benchmark on answers whose figures are known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.copies import COPY, LOOKALIKE, STRANGER
from benchmarks.datasets import SHOWS_AGAIN, Video
from benchmarks.edited_queries import Query
from benchmarks.score_copies import (
    CopyAnswer,
    CopyHit,
    Threshold,
    at_threshold,
    findings,
    recall_with_few_false,
    score_finding,
    upper_bound,
)
from tests.benchmarks.small_corpus import video

SOURCE, COPY_OF_IT = video("a", group="g"), video("b", group="g")
ALIKE, OTHER, THIRD = video("c", group="h", scene="g"), video("d"), video("e")


def hit(of: Video, score: float, start_s: float = 2.0, end_s: float = 8.0) -> CopyHit:
    return CopyHit(of, start_s, end_s, 0.0, end_s - start_s, similarity=score, score=score)


def answer(
    *hits: CopyHit, kind: str = COPY, edit: str = "mirror", source: Video = SOURCE, self_similar: bool = False
) -> CopyAnswer:
    query = Query("q", kind, source.name, edit, 2.0, 8.0, 0.0, 6.0, self_similar)
    return CopyAnswer(query, source, hits)


def stranger(*hits: CopyHit) -> CopyAnswer:
    return answer(*hits, kind=STRANGER, source=video("absent"))


def test_recall_counts_groups_and_passes_lookalikes_over() -> None:
    found = [
        answer(hit(ALIKE, 0.9), hit(COPY_OF_IT, 0.8)),
        answer(hit(OTHER, 0.9), hit(SOURCE, 0.8)),
        answer(hit(OTHER, 0.9)),
        answer(),
    ]
    scored = score_finding(found, [])
    assert (scored.recall_at_1, scored.recall_at_5) == (0.25, 0.5)


def test_a_video_that_shows_another_one_again_is_no_wrong_answer_where_that_may_be_seen() -> None:
    again, shown = (video(name) for name in SHOWS_AGAIN)
    assert not answer(hit(again, 0.9), source=shown).counted()
    assert not answer(hit(again, 0.9), edit="side by side").counted()
    assert answer(hit(again, 0.9), edit="mirror").counted()
    assert answer(hit(OTHER, 0.9), source=shown).counted()


def test_uap_of_known_rankings() -> None:
    right, wrong = answer(hit(SOURCE, 0.9)), answer(hit(OTHER, 0.8))
    assert score_finding([right], []).uap == 1
    assert score_finding([right, wrong], []).uap == 0.5
    assert score_finding([answer(hit(SOURCE, 0.5))], [stranger(hit(OTHER, 0.9))]).uap == 0.5
    # ties are one group: the order of equal scores cannot matter
    assert score_finding([answer(hit(SOURCE, 0.5))], [stranger(hit(OTHER, 0.5))]).uap == 0.5


def test_a_group_counts_once_however_many_of_its_videos_are_found() -> None:
    assert score_finding([answer(hit(SOURCE, 0.9), hit(COPY_OF_IT, 0.8))], []).uap == 1


def test_places_are_judged_in_the_source_alone_and_not_in_self_similar_footage() -> None:
    whole = score_finding([answer(hit(SOURCE, 0.9, 5.0, 8.0))], [])
    assert (whole.temporal_iou, whole.segment_f1, whole.starts_within) == (0.5, pytest.approx(0.4), 0)
    assert score_finding([answer(hit(SOURCE, 0.9))], []).segment_f1 == 1
    for passed_over in (
        answer(hit(COPY_OF_IT, 0.9)),
        answer(hit(SOURCE, 0.9), self_similar=True),
    ):
        scored = score_finding([passed_over], [])
        assert (scored.temporal_iou, scored.segment_f1, scored.starts_within, scored.placed) == (None, None, None, 0)
    missed = score_finding([answer(hit(OTHER, 0.9))], [])
    assert (missed.temporal_iou, missed.segment_f1, missed.starts_within) == (None, 0, 0)


def test_pictures_have_a_start_and_no_range() -> None:
    scored = score_finding([answer(hit(SOURCE, 0.9, 2.5, 3.5), edit="single frame")], [])
    assert (scored.temporal_iou, scored.segment_f1, scored.starts_within) == (None, None, 1)


def test_findings_are_whole_and_by_edit() -> None:
    found = [answer(hit(SOURCE, 0.9), edit="blur"), answer(edit="blur"), answer(hit(SOURCE, 0.7), edit="grey")]
    whole, edits = findings([*found, stranger(hit(OTHER, 0.1))])
    assert whole.copies == 3
    assert whole.recall_at_1 == pytest.approx(2 / 3)
    assert {name: one.recall_at_1 for name, one in edits.items()} == {"blur": 0.5, "grey": 1.0}


def test_a_threshold_counts_precision_recall_and_false_hits_apart_from_lookalikes() -> None:
    answers = [
        answer(hit(SOURCE, 0.9), hit(OTHER, 0.7)),
        answer(hit(SOURCE, 0.4)),
        stranger(hit(OTHER, 0.8), hit(THIRD, 0.8)),
        stranger(hit(OTHER, 0.2)),
        answer(hit(SOURCE, 0.9), kind=LOOKALIKE, source=ALIKE),
        answer(hit(OTHER, 0.9), kind=LOOKALIKE, source=ALIKE),
    ]
    row = at_threshold(answers, Threshold("t", "score", 0.5))
    assert row["precision"] == 1 / 5  # a right one; wrong: beside it, two of a stranger, one of a lookalike
    assert row["recall"] == 0.5
    assert (row["strangers"], row["strangers_with_a_hit"], row["false_hits_per_1000"]) == (2, 1, 500)
    assert (row["lookalikes"], row["lookalikes_with_a_hit_in_their_scene"]) == (2, 1)
    assert row["lookalikes_with_a_false_hit"] == 1


def test_hits_in_the_strangers_own_series_are_false_and_counted_apart() -> None:
    one, other = (replace(video(name), series="repository/folder") for name in ("one", "other"))
    answers = [
        answer(hit(other, 0.9), kind=STRANGER, source=one),
        answer(hit(other, 0.9), hit(OTHER, 0.6), kind=STRANGER, source=one),
        answer(hit(THIRD, 0.9), kind=STRANGER, source=OTHER),  # of no series
        answer(hit(SOURCE, 0.9)),
    ]
    row = at_threshold(answers, Threshold("t", "score", 0.5))
    assert (row["strangers_with_a_hit"], row["strangers_with_a_hit_outside_their_series"]) == (3, 2)


def test_recall_with_few_false_hits_lies_above_the_strangers() -> None:
    found = [answer(hit(SOURCE, score)) for score in (0.9, 0.7, 0.5, 0.3)]
    strangers = [stranger(hit(OTHER, 0.6)), stranger(hit(OTHER, 0.4)), *(stranger() for _ in range(98))]
    assert recall_with_few_false([*found, *strangers], per_1000=0) == (0.5, 0.7)
    assert recall_with_few_false([*found, *strangers], per_1000=10) == (0.75, 0.5)
    assert recall_with_few_false([*found, *strangers], per_1000=20) == (1.0, 0.3)
    assert recall_with_few_false([answer(hit(OTHER, 0.9)), *strangers], per_1000=0)[0] == 0


def test_the_upper_bound_is_clopper_and_pearsons() -> None:
    assert upper_bound(0, 2000) == pytest.approx(1 - 0.05 ** (1 / 2000), rel=1e-6)
    assert upper_bound(4, 2000) == pytest.approx(0.00457087, rel=1e-5)  # scipy.stats.beta.ppf(0.95, 5, 1996)
    assert upper_bound(10, 10) == 1
    for wrong in ((-1, 10), (11, 10), (0, 0)):
        with pytest.raises(ValueError, match="events"):
            upper_bound(*wrong)


@settings(deadline=None)
@given(trials=st.integers(1, 300), data=st.data())
def test_the_upper_bound_leaves_the_share_that_it_says(trials: int, data: st.DataObject) -> None:
    events = data.draw(st.integers(0, trials - 1))
    bound = upper_bound(events, trials)
    assert events / trials < bound < 1
    tail = sum(math.comb(trials, k) * bound**k * (1 - bound) ** (trials - k) for k in range(events + 1))
    assert tail == pytest.approx(0.05, abs=1e-6)
