"""Which excerpts are drawn, and that an excerpt shows what it says."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.datasets import Video
from benchmarks.excerpts import LENGTH_S, Cut, choose, write_excerpt
from benchmarks.report import BenchmarkError
from tests import videos
from tests.benchmarks.small_corpus import video
from vsearch.media.writer import write_video

MANY = [video(f"v{i}", group=f"g{i // 2}", duration_s=6.0 + i / 3) for i in range(40)]
SHORT = video("short", group="g-short", duration_s=5.9)


def test_left_out_groups_are_left_out_with_all_their_videos() -> None:
    split = choose([*MANY, SHORT], inside=5, outside=8, seed=1)
    outside = {cut.video.group for cut in split.outside}
    assert len(outside) == 8
    assert {one.group for one in split.library} == {one.group for one in [*MANY, SHORT]} - outside
    assert len({cut.video.group for cut in split.inside}) == 5
    assert {cut.video.group for cut in split.inside} <= {one.group for one in split.library}


def test_the_same_seed_draws_the_same_excerpts_and_another_draws_others() -> None:
    assert choose(MANY, inside=4, outside=4, seed=3) == choose(MANY, inside=4, outside=4, seed=3)
    assert choose(MANY, inside=4, outside=4, seed=3) != choose(MANY, inside=4, outside=4, seed=4)


def test_excerpts_fit_into_their_videos_and_begin_between_whole_seconds() -> None:
    for seed in range(30):
        split = choose(MANY, inside=10, outside=10, seed=seed)
        for cut in (*split.inside, *split.outside):
            assert 0.2 <= cut.start_s % 1 <= 0.8
            assert cut.start_s + LENGTH_S <= cut.video.duration_s


def test_too_few_groups_are_said_so() -> None:
    with pytest.raises(BenchmarkError, match="20 groups have a video of 6 s, not the 21"):
        choose([*MANY, SHORT], inside=1, outside=20, seed=0)


@pytest.fixture
def counting(tmp_path: Path) -> Video:
    """A video of 8 s whose frames say their number, at 10 frames a second from 3 s on its clock."""
    path = tmp_path / "counting.mp4"
    frames = videos.counting_frames(80, (96, 160))
    write_video(path, frames, time_base=Fraction(1, 10), pts=range(30, 110), crf=10)
    return Video("counting", path, 8.0, 160, 96, "kind", "g", "s")


def test_an_excerpt_holds_exactly_the_frames_that_it_names(counting: Video, tmp_path: Path) -> None:
    excerpt = write_excerpt(Cut(counting, 1.45), tmp_path / "excerpt.mp4")
    assert (excerpt.start_s, excerpt.end_s) == (pytest.approx(1.5), pytest.approx(6.5))
    with av.open(str(excerpt.path)) as file:
        frames = list(file.decode(video=0))
    assert (frames[0].width, frames[0].height) == (96, 58)
    assert [frame.time for frame in frames] == pytest.approx(np.arange(50) / 10)
    shown = [videos.counted(frame.to_ndarray(format="rgb24").transpose(2, 0, 1)) for frame in frames]
    assert shown == list(range(15, 65))


def test_a_container_without_times_gives_them_by_its_rate(tmp_path: Path) -> None:
    path = tmp_path / "b-frames.avi"
    videos.write_stream(
        path, videos.counting_frames(80, (96, 160)), fps=10, codec="mpeg4", options={"bf": "2", "qscale": "2"}
    )
    excerpt = write_excerpt(Cut(Video("avi", path, 8.0, 160, 96, "kind", "g", "s"), 1.45), tmp_path / "excerpt.mp4")
    assert excerpt.end_s - excerpt.start_s == pytest.approx(5.0, abs=0.11)
    with av.open(str(excerpt.path)) as file:
        shown = [videos.counted(frame.to_ndarray(format="rgb24").transpose(2, 0, 1)) for frame in file.decode(video=0)]
    assert shown == list(range(shown[0], shown[0] + len(shown)))
    assert shown[0] == pytest.approx(15, abs=1)


def test_an_excerpt_behind_the_end_is_refused(counting: Video, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="fewer than two frames from 9"):
        write_excerpt(Cut(counting, 9.0), tmp_path / "excerpt.mp4")
