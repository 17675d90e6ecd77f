"""Fitting probabilities to generated queries: the whole way with tiny models, and what counts neither way."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.tiny_models import write_tiny_models
from tests.training.packs import write_pack
from vsearch.calibrating import Pair, Pairs, _Gallery, _queries, calibrate, calibration_of
from vsearch.errors import InputError
from vsearch.models import load_codec, load_head
from vsearch.records import Segment
from vsearch.search.calibration import FEATURES, Calibration
from vsearch.training.data import PackedFrames
from vsearch.training.excerpts import edited_excerpts


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pack(tmp_path_factory.mktemp("pack"), videos=5, photos=1, frames=30)


def test_a_head_is_calibrated_and_its_card_says_so(frames: Path, tmp_path: Path) -> None:
    codec, head = write_tiny_models(tmp_path, calibrated=True)
    before = json.loads((head / "model.json").read_text())["search"]
    fitted = calibrate(head, codec=codec, frames=frames, queries=20, seed=1)
    card = json.loads((head / "model.json").read_text())["search"]
    assert card["floor"] == before["floor"]
    assert card["calibration"]["queries"] == 20
    read = Calibration.read(card)
    assert read is not None
    assert read.weights == pytest.approx(fitted.weights, abs=1e-4)
    assert read.weights[FEATURES.index("similarity")] > 0
    assert 0 == fitted.thresholds["any"] < fitted.thresholds["similar"] <= fitted.thresholds["duplicate"] <= 1


def test_a_head_without_background_frames_is_refused(frames: Path, tmp_path: Path) -> None:
    codec, head = write_tiny_models(tmp_path)
    with pytest.raises(InputError, match="no background frames"):
        calibrate(head, codec=codec, frames=frames, queries=20)


def test_what_an_edit_shows_beside_an_excerpt_is_no_stranger(frames: Path, tmp_path: Path) -> None:
    codec, head = (
        load(folder) for load, folder in zip((load_codec, load_head), write_tiny_models(tmp_path), strict=True)
    )
    packed = PackedFrames(frames)
    gallery = _Gallery.of(packed, codec, head)
    seen = 0
    for excerpt in edited_excerpts(packed, 8, np.random.default_rng(2)):
        query = next(_queries(excerpt, codec, head))
        found = [(own, gallery.entries[track.video_id]) for own, track in gallery.candidates(query, excerpt)]
        assert [entry.group for own, entry in found if own] == [excerpt.entry.group]
        strangers = {entry.scene for own, entry in found if not own}
        assert excerpt.beside.scene not in strangers
        seen += excerpt.beside.group != excerpt.entry.group
        assert len(strangers) == (3 if excerpt.beside.group != excerpt.entry.group else 4)
    assert seen > 0


def test_another_moment_of_the_query_s_own_video_counts_neither_way(frames: Path, tmp_path: Path) -> None:
    codec, head = (
        load(folder) for load, folder in zip((load_codec, load_head), write_tiny_models(tmp_path), strict=True)
    )
    packed = PackedFrames(frames)
    gallery = _Gallery.of(packed, codec, head)
    excerpt = next(one for one in edited_excerpts(packed, 8, np.random.default_rng(2)) if not one.still)
    own, first, last = gallery.entries.index(excerpt.entry), float(excerpt.source_s[0]), float(excerpt.source_s[-1])
    rate = (last - first) / float(excerpt.times_s[-1])
    there = Segment(0.0, float(excerpt.times_s[-1]), first, last, rate, 0.5, 0.5, 4, 1.0, 0.5)
    off_s = -2.0 if first > 2.5 else 2.0
    moved = replace(there, start_s=there.start_s + off_s, end_s=there.end_s + off_s)
    pairs = [
        Pair(0, video, segment, np.zeros(len(FEATURES)), same=True, astray=gallery.astray(excerpt, video, segment))
        for video, segment in ((own, there), (own, moved), (1 - own, moved))
    ]
    assert [pair.astray for pair in pairs] == [False, True, False]
    assert len(Pairs.of(pairs).rows) == 2


def test_the_thresholds_are_what_so_many_strangers_reach_at_their_best() -> None:
    rng = np.random.default_rng(5)
    queries = np.repeat(np.arange(1000), 6)
    same = np.tile([True, False, False, False, False, False], 1000)
    rows = np.zeros((6000, len(FEATURES)))
    rows[:, 0] = 1
    rows[:, FEATURES.index("similarity")] = np.where(same, 0.7, 0.4) + rng.normal(0, 0.1, 6000)
    found = calibration_of(Pairs(rows, same, queries, np.zeros(len(same), bool)))
    chances = 1 / (1 + np.exp(-rows @ np.array(found.weights)))
    best = np.where(same, -1, chances).reshape(1000, 6).max(axis=1)
    assert (best >= found.thresholds["similar"]).mean() == pytest.approx(0.025, abs=0.004)
    assert (best >= found.thresholds["duplicate"]).mean() == pytest.approx(0.002, abs=0.002)


def test_what_acts_without_looking_lets_few_other_moments_of_a_video_pass() -> None:
    rng = np.random.default_rng(6)
    queries, kind = np.repeat(np.arange(1000), 3), np.tile([0, 1, 2], 1000)
    rows = np.zeros((3000, len(FEATURES)))
    rows[:, 0] = 1
    rows[:, FEATURES.index("similarity")] = np.array([0.2, 0.7, 0.5])[kind] + rng.normal(0, 0.05, 3000)
    found = calibration_of(Pairs(rows, kind == 1, queries, kind == 2))
    chances = 1 / (1 + np.exp(-rows @ np.array(found.weights)))
    assert (chances[kind == 2] >= found.thresholds["duplicate"]).mean() == pytest.approx(0.01, abs=0.004)
    assert (chances[kind == 2] >= found.thresholds["similar"]).mean() > 0.2
