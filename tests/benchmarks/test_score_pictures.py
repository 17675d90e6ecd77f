"""The scorer of previews, and the stills that stand beside them."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.score_pictures import Summary, VideoScore, bracket, by_kind, bytes_at, score_video, summarise
from benchmarks.stills import STILLS, StillCoder
from tests import videos
from vsearch.metrics import PSNR_CAP_DB, psnr


def score(name: str, kind: str, values: tuple[float, ...], n_bytes: float = 100.0) -> VideoScore:
    return VideoScore(name, kind, values, tuple(0.5 for _ in values), n_bytes)


def at(psnr_db: float, n_bytes: float) -> Summary:
    return summarise([score("v", "k", (psnr_db,), n_bytes)])


def test_each_video_weighs_the_same_however_many_frames_it_has() -> None:
    found = summarise([score("long", "a", (20.0,) * 9, 50.0), score("short", "b", (40.0,), 150.0)])
    assert (found.videos, found.frames) == (2, 10)
    assert (found.psnr_db, found.bytes_a_frame) == (30.0, 100.0)
    assert found.psnr_db_p5 == 20.0


def test_kinds_are_summed_apart() -> None:
    found = by_kind([score("1", "b", (20.0,)), score("2", "a", (30.0,)), score("3", "b", (40.0,))])
    assert [(kind, one.videos, one.psnr_db) for kind, one in found.items()] == [("a", 1, 30.0), ("b", 2, 30.0)]


def test_an_exact_picture_counts_as_the_cap() -> None:
    frame = videos.texture(1, (48, 64))
    found = score_video("v", "k", [frame, frame], [frame, 255 - frame], n_bytes=9.0)
    assert found.psnr_db[0] == PSNR_CAP_DB
    assert found.psnr_db[1] < 20
    assert found.ssim[0] == pytest.approx(1.0)


@pytest.mark.parametrize(("wanted", "low", "high"), [(20.0, 10, 11), (20.9, 10, 11), (0.5, 1, 1), (500.0, 95, 95)])
def test_a_quality_is_bracketed_by_its_neighbours(wanted: float, low: int, high: int) -> None:
    found = bracket(lambda quality: 2.0 * quality, range(1, 96), wanted)
    assert (found.low, found.high, found.inside) == (low, high, low != high)


def test_bytes_between_two_points_are_interpolated_in_their_logarithm() -> None:
    assert bytes_at(31.0, at(30.0, 100.0), at(32.0, 400.0)) == pytest.approx(200.0)
    assert bytes_at(30.0, at(30.0, 100.0), at(32.0, 400.0)) == pytest.approx(100.0)
    assert bytes_at(30.0, at(30.0, 100.0), at(30.0, 400.0)) == 100.0


@pytest.mark.parametrize("coder", STILLS, ids=lambda coder: coder.name)
def test_every_still_format_gives_better_pictures_for_more_bytes(coder: StillCoder) -> None:
    frame = next(videos.scene_frames(3, 1, (80, 128), noise=4.0))
    poor_bytes, poor = coder.code(frame, 10)
    good_bytes, good = coder.code(frame, 90)
    assert poor.shape == good.shape == frame.shape
    assert poor_bytes < good_bytes
    assert psnr(frame, np.asarray(poor)) < psnr(frame, np.asarray(good))
