"""What peers see in frames, and where they place a query."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.frame_peers import PEERS, Described, FramePeer, check_peers, compare, describe_files
from benchmarks.report import BenchmarkError
from tests import videos
from tests.benchmarks.small_corpus import video

SHARING = FramePeer("s", "share", None, PEERS["layout"].describe, 0.9)
MEANING = FramePeer("m", "mean", None, PEERS["layout"].describe, None)
QUERY = Described(np.zeros((3, 2), np.float32), np.array([0.0, 1.0, 2.0]), 3.0)
COSINES = np.array([[0.1, 0.2, 0.95, 0.1, 0.1], [0.1, 0.1, 0.2, 0.92, 0.3], [0.5, 0.1, 0.2, 0.3, 0.4]], np.float32)
TIMES = np.arange(5.0)


def test_a_share_of_frames_matches_at_their_usual_offset() -> None:
    hit = compare(SHARING, QUERY, COSINES, TIMES, video("v"), still=False)
    assert hit is not None
    assert hit.score == pytest.approx(2 / 3)
    assert (hit.start_s, hit.end_s) == (2.0, 4.0)
    assert (hit.query_start_s, hit.query_end_s) == (0.0, 2.0)


def test_without_a_bar_the_mean_of_the_best_counts() -> None:
    hit = compare(MEANING, QUERY, COSINES, TIMES, video("v"), still=True)
    assert hit is not None
    assert hit.score == pytest.approx((0.95 + 0.92 + 0.5) / 3)
    assert hit.query_start_s is None


def test_no_frame_that_matches_is_no_hit() -> None:
    assert compare(SHARING, QUERY, np.zeros((3, 5), np.float32), TIMES, video("v"), still=False) is None
    assert compare(SHARING, QUERY, np.zeros((0, 5), np.float32), TIMES, video("v"), still=False) is None


@pytest.mark.parametrize("name", PEERS)
def test_a_scaled_frame_matches_and_another_scene_does_not(name: str) -> None:
    peer = PEERS[name]
    if peer.package is not None:
        pytest.importorskip(peer.package)
    pictures = [Image.fromarray(videos.texture(scene, (288, 512)).transpose(1, 2, 0)) for scene in (1, 2)]
    (one, good), (smaller, _), (other, _) = map(
        peer.describe, (pictures[0], pictures[0].resize((256, 144)), pictures[1])
    )
    assert good
    assert np.linalg.norm(one) == pytest.approx(1)
    assert one @ smaller >= (peer.least_cosine or 0.95)
    assert one @ other < (peer.least_cosine or 0.7)


def test_a_hamming_distance_of_31_matches_and_of_32_does_not() -> None:
    bits = np.ones(256, np.float32) / 16
    for distance, matches in ((31, True), (32, False)):
        flipped = bits.copy()
        flipped[:distance] *= -1
        assert (float(bits @ flipped) >= (PEERS["pdq"].least_cosine or 0)) is matches


def test_a_flat_frame_is_not_good_enough() -> None:
    flat = Image.new("RGB", (320, 180), (90, 90, 90))
    assert not PEERS["layout"].describe(flat)[1]
    pytest.importorskip("pdqhash")
    assert not PEERS["pdq"].describe(flat)[1]


def test_files_are_described_a_frame_a_second_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    videos.cuts_video(path, [(1, 75), (2, 50)], fps=25)
    ((found,),) = (one.values() for one in describe_files([path], ["layout"], tmp_path, workers=1))
    assert found.times_s == pytest.approx([0, 1, 2, 3, 4])
    assert found.length_s == pytest.approx(5)
    (kept,) = tmp_path.glob("frames-*.npz")
    stamp = kept.stat().st_mtime_ns
    ((again,),) = (one.values() for one in describe_files([path], ["layout"], tmp_path, workers=1))
    assert np.array_equal(found.vectors, again.vectors)
    assert kept.stat().st_mtime_ns == stamp


def test_unknown_peers_are_said_so() -> None:
    with pytest.raises(BenchmarkError, match="knows pdq, phash, layout, not 'x'"):
        check_peers(["x"])
