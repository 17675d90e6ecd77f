"""Probabilities: what a fit gives back, and what raises or lowers one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vsearch.errors import LatentError
from vsearch.records import Segment
from vsearch.search.calibration import FEATURES, RICH, UNALIKE, Background, Calibration, Looks, features, fitted
from vsearch.search.details import Likeness, Motion
from vsearch.search.structure import Structure

SEGMENT = Segment(0.0, 6.0, 10.0, 16.0, 1.0, 0.7, 0.7, 24, query_coverage=1.0, video_coverage=0.1)
CALIBRATION = Calibration(
    (-6.0, 14.0, -8.0, 0.5, 1.0, -0.5, 1.5, 2.0, -1.0), {"duplicate": 0.9, "similar": 0.5, "any": 0.0}
)
STRUCTURE = Structure(variety=0.3, agreement=0.2, motion=0.2)


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def test_a_fit_finds_the_chances_that_pairs_were_drawn_with() -> None:
    rng = np.random.default_rng(3)
    rows = np.column_stack([np.ones(40_000), rng.normal(0, 1, (40_000, 2))])
    weights = np.array([0.0, 2.0, -1.0])
    same = rng.random(40_000) < 1 / (1 + np.exp(-rows @ weights))
    assert fitted(rows, same) == pytest.approx(weights, abs=0.08)


def test_both_kinds_of_pairs_count_alike_however_many_there_are() -> None:
    rng = np.random.default_rng(4)
    rows = np.column_stack([np.ones(8_000), np.concatenate([rng.normal(1, 1, 500), rng.normal(-1, 1, 7_500)])])
    same = np.arange(8_000) < 500
    constant, slope = fitted(rows, same)
    assert slope == pytest.approx(2.0, abs=0.25)
    assert constant == pytest.approx(0.0, abs=0.2)


def test_what_separates_perfectly_stays_finite() -> None:
    rows = np.column_stack([np.ones(20), np.linspace(-1, 1, 20)])
    assert np.isfinite(fitted(rows, rows[:, 1] > 0)).all()


def test_a_fit_needs_pairs_of_both_kinds() -> None:
    with pytest.raises(ValueError, match="needs pairs"):
        fitted(np.ones((3, 1)), np.ones(3, bool))


def test_a_probability_rises_with_similarity_and_falls_with_what_everything_reaches() -> None:
    near = CALIBRATION.calibrated(replace(SEGMENT, similarity=0.8, score=0.8), 0.4, STRUCTURE).score
    plain = CALIBRATION.calibrated(SEGMENT, 0.4, STRUCTURE).score
    common = CALIBRATION.calibrated(SEGMENT, 0.6, STRUCTURE).score
    thin = CALIBRATION.calibrated(replace(SEGMENT, score=0.35), 0.4, STRUCTURE).score
    moving = CALIBRATION.calibrated(SEGMENT, 0.4, replace(STRUCTURE, motion=0.6)).score
    otherwise = CALIBRATION.calibrated(SEGMENT, 0.4, STRUCTURE, view=True).score
    assert otherwise < plain < moving
    assert 0 < common < plain < near < 1
    assert thin < plain


def test_a_still_is_judged_without_seconds() -> None:
    still = replace(SEGMENT, query_start_s=0.0, query_end_s=0.0)
    found = features(still, 0.3, Structure(0.09, 0.5, 0.0), view=True)
    assert found.tolist() == pytest.approx([1.0, 0.7, 0.3, 0.0, 0.0, np.log(0.1), 0.5, 0.0, 1.0])


def test_the_level_leaves_out_the_matched_video_and_counts_frames_by_weight() -> None:
    rng = np.random.default_rng(5)
    vectors = unit(rng.normal(size=(200, 16)))
    owners = np.repeat([0, 7], 100).astype(np.int64)
    background = Background(vectors, owners)
    query = vectors[150:152]
    weights = np.ones(2, np.float32)
    with_own, without = (background.level(query, weights, without=video) for video in (0, 7))
    assert with_own > without + 0.05
    first = background.level(query[:1], weights[:1], without=7)
    assert background.level(query, np.array([1, 0], np.float32), without=7) == pytest.approx(first, abs=1e-6)


def test_a_calibration_comes_back_as_it_was_written() -> None:
    read = Calibration.read({"calibration": CALIBRATION.as_json()})
    assert read == CALIBRATION
    assert Calibration.read({"floor": 0.6}) is None


def test_a_calibration_of_an_earlier_version_weighs_what_it_knew() -> None:
    stored = CALIBRATION.as_json()
    stored["weights"] = {name: stored["weights"][name] for name in FEATURES[:5]}
    read = Calibration.read({"calibration": stored})
    assert read is not None
    assert read.weights == (*CALIBRATION.weights[:5], 0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "damaged",
    [{}, {"weights": [1, 2], "thresholds": {}}, {**CALIBRATION.as_json(), "thresholds": {"duplicate": 2}}, "x"],
)
def test_a_malformed_calibration_is_refused(damaged: object) -> None:
    with pytest.raises(LatentError, match="calibration is malformed"):
        Calibration.read({"calibration": damaged})


def test_what_pictures_say_is_stored_with_the_rest() -> None:
    looks = Looks(
        (2.0, 0.5, 0.25, 1.0, -0.5, -0.25, -0.5, 4.0, -1.0), {"duplicate": 0.875, "similar": 0.25, "any": 0.0}
    )
    whole = replace(CALIBRATION, looks=looks)
    assert Calibration.read({"calibration": whole.as_json()}) == whole
    assert whole.least_looked("similar") == 0.25
    assert whole.least("similar") == CALIBRATION.least_looked("similar") == 0.5
    stored = whole.as_json()["looks"]
    damaged = {**whole.as_json(), "looks": {**stored, "thresholds": {}}}
    with pytest.raises(LatentError, match="malformed"):
        Calibration.read({"calibration": damaged})


def test_what_another_version_said_of_pictures_is_left_out() -> None:
    looks = {"weights": {"constant": 2.0, "odds": 0.5, "alike": 1.0}, "thresholds": {"duplicate": 0.9, "similar": 0.3}}
    assert Calibration.read({"calibration": {**CALIBRATION.as_json(), "looks": looks}}) == CALIBRATION


@pytest.mark.parametrize(
    ("alike", "asked", "found", "capped"),
    [(0, 40, 50, True), (0, 40, RICH - 1, False), (0, RICH - 1, 50, False), (1, 40, 50, False)],
)
def test_rich_pictures_with_nothing_in_common_are_never_surely_the_same(
    alike: int, asked: float, found: float, capped: bool
) -> None:
    looks = Looks((0.0, 1.0, *[0.0] * 7), {"duplicate": 0.9, "similar": 0.5, "any": 0.0})
    likely = replace(SEGMENT, score=0.95)
    seen = looks.judged(likely, Likeness(alike, None, mirrored=False, asked=asked, found=found), Motion())
    assert seen.score == pytest.approx(UNALIKE if capped else likely.score)
    assert seen.details == alike


@pytest.mark.parametrize("bar", [0.957, UNALIKE, 0.3])
def test_rich_pictures_with_nothing_in_common_stay_below_duplicate_whatever_its_bar(bar: float) -> None:
    looks = Looks((0.0, 1.0, *[0.0] * 7), {"duplicate": bar, "similar": 0.2, "any": 0.0})
    seen = looks.judged(replace(SEGMENT, score=0.99), Likeness(0, None, mirrored=False, asked=50, found=50), Motion())
    assert seen.score < bar
