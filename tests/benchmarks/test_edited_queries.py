"""That query files show the seconds that they name, and which footage cannot be told apart from itself."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from random import Random

import av
import numpy as np
import pytest
from PIL import Image

from benchmarks.copies import (
    COPY,
    LEAST_S,
    STRANGER,
    Plan,
    draw_groups,
    plan_absent,
    plan_copies,
    split_videos,
)
from benchmarks.datasets import Video
from benchmarks.edited_queries import (
    Pictures,
    QuerySet,
    is_self_similar,
    make_queries,
    make_query,
    read_pictures,
    thumbnail,
)
from benchmarks.edits import EDITS
from tests import videos
from tests.benchmarks.small_corpus import video
from vsearch.media.writer import write_video

DEV = [video(f"dev/{i}", group=f"g{i // 2}", duration_s=5.0 + i) for i in range(20)]
TRAIN = [video(f"train/{i}", group=f"t{i}", scene=f"s{i // 5}", duration_s=4.0) for i in range(20)]


@pytest.fixture
def counting(tmp_path: Path) -> Video:
    """A video of 12 s whose frames say their number, at 10 frames a second from 3 s on its clock."""
    path = tmp_path / "counting.mp4"
    write_video(path, videos.counting_frames(120, (96, 160)), time_base=Fraction(1, 10), pts=range(30, 150), crf=10)
    return Video("counting", path, 12.0, 160, 96, "kind", "g", "s")


def shown(path: Path) -> list[tuple[float, int]]:
    """The time of each frame and the number that it says."""
    with av.open(str(path)) as file:
        return [
            (float(frame.time or 0), videos.counted(frame.to_ndarray(format="rgb24").transpose(2, 0, 1)))
            for frame in file.decode(video=0)
        ]


def made(plan: Plan, folder: Path, others: tuple[Video, ...] = ()) -> QuerySet:
    return make_queries([plan], others, folder, workers=1)


@pytest.mark.parametrize(("edit", "speed"), [("re-encoded", 1.0), ("faster", 1.5), ("slower", 0.7), ("grey", 1.0)])
def test_a_query_shows_exactly_the_seconds_that_it_names(
    counting: Video, tmp_path: Path, edit: str, speed: float
) -> None:
    asked = made(Plan("one", COPY, counting, edit, 6.0, 0.4, "seed"), tmp_path)
    (query,) = asked.queries
    frames = shown(asked.path(query))
    first, last = round(query.start_s * 10), round(query.end_s * 10) - 1
    assert [number for _, number in frames] == list(range(first, last + 1))
    assert [time for time, _ in frames] == pytest.approx((np.arange(len(frames)) / 10 / speed).tolist(), abs=0.002)
    assert query.query_start_s == 0
    assert query.query_end_s == pytest.approx(len(frames) / 10 / speed)
    assert query.end_s - query.start_s == pytest.approx(6.0, abs=0.11)


def test_an_excerpt_inside_other_material_begins_where_it_says(counting: Video, tmp_path: Path) -> None:
    other = Video("other", videos_file(tmp_path), 6.0, 256, 144, "kind", "o", "o")
    asked = made(Plan("one", COPY, counting, "inside a minute", 5.0, 0.3, "seed"), tmp_path, (other,))
    (query,) = asked.queries
    with av.open(str(asked.path(query))) as file:
        duration_s = float(file.duration or 0) / av.time_base
    assert duration_s == pytest.approx(60.0, abs=0.1)
    inside = [
        number for time, number in shown(asked.path(query)) if query.query_start_s <= time + 1e-3 < query.query_end_s
    ]
    assert inside == list(range(round(query.start_s * 10), round(query.end_s * 10)))


def videos_file(folder: Path) -> Path:
    path = folder / "other.mp4"
    videos.cuts_video(path, [(7, 150)], fps=25)
    return path


def test_a_single_frame_is_a_picture_of_its_second(counting: Video, tmp_path: Path) -> None:
    asked = made(Plan("one", COPY, counting, "single frame", 5.0, 0.5, "seed"), tmp_path)
    (query,) = asked.queries
    with av.open(str(asked.path(query))) as file:
        (frame,) = file.decode(video=0)
        assert videos.counted(frame.to_ndarray(format="rgb24").transpose(2, 0, 1)) == round(query.start_s * 10)
    assert query.still


def test_queries_that_were_made_are_read_and_other_plans_make_others(counting: Video, tmp_path: Path) -> None:
    plan = Plan("one", COPY, counting, "mirror", 5.0, 0.5, "seed")
    first = made(plan, tmp_path)
    stamp = first.path(first.queries[0]).stat().st_mtime_ns
    again = made(plan, tmp_path)
    assert again == first
    assert again.path(again.queries[0]).stat().st_mtime_ns == stamp
    assert made(Plan("one", COPY, counting, "mirror", 5.0, 0.9, "seed"), tmp_path).folder != first.folder


def test_equal_plans_make_equal_files(counting: Video, tmp_path: Path) -> None:
    plan = Plan("one", COPY, counting, "several at once", 5.0, 0.5, "seed")
    files = [made(plan, tmp_path / name) for name in "ab"]
    assert files[0].queries == files[1].queries
    assert files[0].path(files[0].queries[0]).read_bytes() == files[1].path(files[1].queries[0]).read_bytes()


def test_a_turned_video_is_cut_as_players_show_it(tmp_path: Path) -> None:
    path = videos.write_stream(tmp_path / "turned.mp4", videos.counting_frames(10, (64, 96)), fps=10, rotation=90)
    pictures = read_pictures(path)
    upright = np.asarray(pictures.frames[5].rotate(90, expand=True)).transpose(2, 0, 1)
    assert pictures.frames[5].size == (64, 96)
    assert videos.counted(upright) == 5


def test_a_copy_is_moved_away_from_black_and_a_stranger_is_not(tmp_path: Path) -> None:
    black = [np.zeros((3, 96, 160), np.uint8)] * 80
    path = tmp_path / "half-black.mp4"
    write_video(path, [*black, *videos.scene_frames(1, 80, (96, 160))], time_base=Fraction(1, 10))
    source = Video("half", path, 16.0, 160, 96, "kind", "g", "s")
    pictures = read_pictures(path)
    thumbnails = np.stack([thumbnail(frame) for frame in pictures.frames])
    moved, kept = (
        make_query(Plan(kind, kind, source, "mirror", 5.0, 0.0, "seed"), pictures, thumbnails, tmp_path, ())
        for kind in (COPY, STRANGER)
    )
    assert moved.start_s > 5
    assert kept.start_s == 0


def test_a_fixed_camera_is_self_similar_and_a_moving_one_is_not() -> None:
    times = np.arange(100) / 10
    still = np.repeat(np.asarray(thumbnail(_picture(0)))[None], 100, axis=0)
    assert is_self_similar(still, times, slice(20, 70))
    moving = np.stack([thumbnail(_picture(number)) for number in range(100)])
    assert not is_self_similar(moving, times, slice(20, 70))


def test_an_excerpt_of_the_whole_has_no_other_place() -> None:
    still = np.zeros((50, 16, 16), np.float32)
    assert not is_self_similar(still, np.arange(50) / 10, slice(0, 50))


def _picture(number: int) -> Image.Image:
    wide = videos.texture(5, (72, 128 + 300))
    return Image.fromarray(wide[:, :, 3 * number : 3 * number + 128].transpose(1, 2, 0))


def test_pictures_know_where_each_frame_ends() -> None:
    pictures = Pictures([], np.array([0.0, 0.1, 0.3]), 0.5)
    assert [pictures.until(number) for number in range(3)] == [0.1, 0.3, 0.5]
    assert pictures.between(0.1, 0.3) == slice(1, 2)


def test_no_group_stands_on_both_sides_and_scenes_of_several_groups_do() -> None:
    for seed in range(10):
        split = split_videos(DEV, TRAIN, seed=seed)
        there, absent = {one.group for one in split.gallery}, {one.group for one in split.absent}
        assert there.isdisjoint(absent)
        assert len(there | absent) == 30
        assert {one.scene for one in split.lookalikes} == {"s0", "s1", "s2", "s3"}
        assert len({one.group for one in split.asked}) == 5
        assert {one.name[:3] for one in split.asked} == {"dev"}


def test_groups_are_drawn_by_their_share() -> None:
    assert len(draw_groups(DEV, 0.5, Random(0))) == 5


def test_copies_are_of_long_videos_of_the_gallery_and_spread_over_groups() -> None:
    split = split_videos(DEV, TRAIN, seed=1)
    plans = plan_copies(split, an_edit=8, seed=1)
    assert len(plans) == 8 * len(EDITS)
    for edit in EDITS:
        own = [plan for plan in plans if plan.edit == edit]
        groups = [plan.source.group for plan in own]
        assert max(groups.count(group) for group in groups) <= 2
    for plan in plans:
        assert plan.source in split.asked
        assert plan.source.duration_s >= LEAST_S
        assert 5 <= plan.length_s <= 9
    assert plans == plan_copies(split, an_edit=8, seed=1)
    assert len({plan.name for plan in plans}) == len(plans)


def test_strangers_are_short_and_of_what_is_not_there() -> None:
    split = split_videos(DEV, TRAIN, seed=1)
    plans = plan_absent(split.strangers, kind=STRANGER, count=50, seed=1)
    assert len(plans) == 50
    assert all(plan.source in split.strangers and plan.length_s <= 3 for plan in plans)
    assert "inside a minute" not in {plan.edit for plan in plans}
