"""Searching, grouping and looking through `Library`, with the originals gone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests import archives, videos
from vsearch.config import IndexConfig, Region
from vsearch.errors import AmbiguousError, InputError
from vsearch.library import Library
from vsearch.request import Examples, SearchRequest, VideoFilter
from vsearch.search import clusters
from vsearch.searching import SearchResult

ROOT = Path(__file__).resolve().parents[1]
FPS = 25


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of three videos (0.mp4 to 2.mp4, three scenes each) whose originals are gone, and queries beside it."""
    folder = tmp_path_factory.mktemp("place")
    archive = folder / "videos"
    archive.mkdir()
    for number in range(3):
        shots = [(3 * number, 60), (3 * number + 1, 80), (3 * number + 2, 75)]
        tags = {"title": f"film {number}"}
        videos.cuts_video(archive / f"{number}.mp4", shots, fps=FPS, metadata=tags)
    videos.write_stream(archive / "coded.mov", videos.scene_frames(30, 50), fps=FPS, timecode="01:02:03:04")
    with archives.open_tiny(folder / "library") as library:
        library.index([archive], IndexConfig(workers=1))
    shutil.rmtree(archive)
    frames = [*videos.scene_frames(4, 80), *videos.scene_frames(5, 75)]
    videos.write_stream(folder / "excerpt.mp4", frames[20:120], fps=FPS, options={"crf": "30"})
    Image.fromarray(videos.texture(5).transpose(1, 2, 0)).save(folder / "picture.png")
    videos.write_stream(folder / "unrelated.mp4", videos.scene_frames(99, 50), fps=FPS)
    videos.audio_only(folder / "sound.mp4")
    return folder


@pytest.fixture
def library(place: Path) -> Iterator[Library]:
    with Library.open(place / "library") as opened:
        yield opened


def one(results: Iterator[SearchResult]) -> SearchResult:
    (result,) = results
    return result


def test_an_excerpt_finds_its_video_and_both_ranges(library: Library, place: Path) -> None:
    result = one(library.search([place / "excerpt.mp4"]))
    best = result.hits[0]
    assert best.rank == 1
    assert best.video == str(place / "videos/1.mp4")
    # the excerpt begins 20 frames into the second scene (which begins at 60) and runs for 100 frames
    assert best.start_s == pytest.approx(80 / FPS, abs=0.5)
    assert best.end_s == pytest.approx(180 / FPS, abs=0.5)
    assert best.query_start_s == pytest.approx(0, abs=0.3)
    assert best.query_end_s == pytest.approx(4, abs=0.3)
    assert 0.8 < best.similarity <= 1
    assert 0 <= best.score <= 1
    clips = {clip["clip_id"]: clip for clip in library.info(f"v{best.video_id}")["clips"]}
    assert best.clip_id in clips


def test_a_picture_finds_a_point(library: Library, place: Path) -> None:
    best = one(library.search([place / "picture.png"])).hits[0]
    assert best.video == str(place / "videos/1.mp4")
    assert best.query_start_s is None
    assert best.query_end_s is None
    assert 140 / FPS <= best.end_s <= 215 / FPS


def test_a_range_of_a_query_is_used_alone(library: Library, place: Path) -> None:
    best = one(library.search([place / "excerpt.mp4"], start_s=2.6, end_s=4)).hits[0]
    assert best.query_start_s == pytest.approx(2.6, abs=0.2)
    assert best.start_s == pytest.approx(145 / FPS, abs=0.6)


def test_no_match_is_an_answer_and_a_floor_of_zero_shows_all(library: Library, place: Path) -> None:
    strict = one(library.search([place / "unrelated.mp4"], min_similarity=0.95))
    assert strict.hits == ()
    assert strict.error is None
    everything = one(library.search([place / "unrelated.mp4"], min_similarity=0)).hits
    assert [hit.rank for hit in everything] == list(range(1, len(everything) + 1))
    assert [hit.score for hit in everything] == sorted((hit.score for hit in everything), reverse=True)


def test_never_more_than_k_hits_are_given(library: Library, place: Path) -> None:
    assert len(one(library.search([place / "excerpt.mp4"], k=1, min_similarity=0)).hits) == 1


def test_what_recurs_in_a_video_is_found_at_every_place_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    starts = videos.cuts_video(tmp_path / "a" / "series.mp4", [(70, 75), (71, 100), (70, 75), (72, 100), (70, 75)])
    videos.cuts_video(tmp_path / "ident.mp4", [(70, 75)])
    with archives.open_tiny(tmp_path / "library") as library:
        library.index([tmp_path / "a"], IndexConfig(workers=1))
        (once,) = one(library.search([tmp_path / "ident.mp4"])).hits
        hits = one(library.search([tmp_path / "ident.mp4"], per_video=5)).hits
    assert once == hits[0]
    ends = sorted((hit.start_s, hit.end_s) for hit in hits)
    assert all(before[1] <= after[0] for before, after in pairwise(ends))
    assert sorted(hit.start_s for hit in hits[:3]) == pytest.approx(
        [starts[number] / FPS for number in (0, 2, 4)], abs=0.6
    )


def test_every_place_above_a_score_and_groups_of_places(tmp_path: Path) -> None:
    """An ident three times in one film, the third time in the shot of the second, and once in another film."""
    ident, other = [(70, 75)], [(71, 100)]
    (tmp_path / "a").mkdir()
    videos.cuts_video(tmp_path / "a" / "series.mp4", [*ident, *other, *ident, *ident, (72, 60)])
    videos.cuts_video(tmp_path / "a" / "single.mp4", [(73, 90), *ident])
    videos.cuts_video(tmp_path / "ident.mp4", ident)
    with archives.open_tiny(tmp_path / "library") as library:
        library.index([tmp_path / "a"], IndexConfig(workers=1))
        every = one(library.search([tmp_path / "ident.mp4"], all_above=0.9)).hits
        assert all(hit.score >= 0.9 for hit in every)
        assert sorted((Path(hit.video).name, round(hit.start_s)) for hit in every) == [
            ("series.mp4", 0), ("series.mp4", 7), ("series.mp4", 10), ("single.mp4", 4)
        ]  # fmt: skip
        groups = one(library.search([tmp_path / "ident.mp4"], all_above=0.9, group="video")).hits
        assert [hit.rank for hit in groups] == [1, 2]
        together = {Path(hit.video).name: (hit, *hit.others) for hit in groups}
        assert {name: len(hits) for name, hits in together.items()} == {"series.mp4": 3, "single.mp4": 1}
        assert all(hits[0].score == max(hit.score for hit in hits) for hits in together.values())
        (best,) = one(library.search([tmp_path / "ident.mp4"], k=1, group="video")).hits
        assert best.video_id == groups[0].video_id
        for by in ("clip", "shot"):
            keys = [(hit.video_id, hit.clip_id) for hit in one(library.search(["single.mp4@4-6"], group=by)).hits]
            assert len(keys) == len(set(keys))
        pictures = [hit.clip_id for hit in one(library.search(["single.mp4@4.5"], all_above=0.9, group="shot")).hits]
        assert len(pictures) == len(set(pictures))


def test_a_query_that_cannot_be_read_does_not_stop_the_others(library: Library, place: Path) -> None:
    (place / "empty").mkdir(exist_ok=True)
    queries = [place / "nowhere.mp4", place / "sound.mp4", place / "empty", place / "excerpt.mp4"]
    results = list(library.search(queries))
    assert [result.error_code for result in results] == ["input", "no-video", "input", None]
    assert "no such file" in (results[0].error or "")
    assert results[3].hits


def test_queries_are_answered_as_they_are_asked_for(library: Library, place: Path) -> None:
    taken = []

    def endless() -> Iterator[Path]:
        while True:
            taken.append(len(taken))
            yield place / "excerpt.mp4"

    assert len(list(islice(library.search(endless()), 2))) == 2
    assert taken == [0, 1]


def test_stored_videos_and_clips_can_be_asked_with(library: Library, place: Path) -> None:
    video = library.info("1.mp4")
    assert one(library.search([f"v{video['video_id']}"])).hits[0].video_id == video["video_id"]
    clip = video["clips"][1]
    best = one(library.search([f"c{clip['clip_id']}"])).hits[0]
    assert (best.video_id, best.clip_id) == (video["video_id"], clip["clip_id"])
    assert one(library.search(["v999"])).error_code == "input"


def test_a_stored_frame_and_a_stored_range_can_be_asked_with(library: Library) -> None:
    video = library.info("1.mp4")
    at = video["clips"][1]["start_seconds"] + 0.3
    best = one(library.search([f"v{video['video_id']}@{at}"])).hits[0]
    assert (best.video_id, best.clip_id, best.query_start_s) == (video["video_id"], video["clips"][1]["clip_id"], None)
    assert best.start_s <= at <= best.end_s
    ranged = one(library.search(["1.mp4@0:02.5-5.5"])).hits[0]
    assert (ranged.start_s, ranged.end_s) == pytest.approx((2.5, 5.5), abs=0.6)
    assert ranged.query_start_s == pytest.approx(2.5, abs=0.1)
    clip = video["clips"][2]["clip_id"]
    assert one(library.search([f"id:c{clip}"])).hits[0].clip_id == clip
    for beyond in ("1.mp4@1:00:00", "1.mp4@50-60", "nothing.mp4@3"):
        assert one(library.search([beyond])).error_code == "input"


def test_a_region_of_a_picture_finds_the_picture_in_it(library: Library, place: Path, tmp_path: Path) -> None:
    """A scene pasted into a corner of another one: the corner is found, the whole is not."""
    canvas = np.ascontiguousarray(videos.texture(77, (288, 512)))
    canvas[:, 144:, 200:456] = videos.texture(5)
    Image.fromarray(canvas.transpose(1, 2, 0)).save(tmp_path / "pasted.png")
    whole = one(library.search([tmp_path / "pasted.png"], min_similarity=0.9))
    assert whole.hits == ()
    region = Region(200, 144, 256, 144)
    cut = one(library.search([tmp_path / "pasted.png"], min_similarity=0.9, region=region)).hits[0]
    assert cut.video == str(place / "videos/1.mp4")
    assert cut.start_s >= 139 / FPS
    beyond = one(library.search([tmp_path / "pasted.png"], region=Region(300, 144, 256, 144)))
    assert "reaches beyond the picture, which is 512x288" in (beyond.error or "")
    assert "from a file" in (one(library.search(["v1"], region=region)).error or "")


def test_a_folder_of_queries_is_answered_file_by_file(library: Library, place: Path, tmp_path: Path) -> None:
    for name in ("b.mp4", "deep/a.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(place / "excerpt.mp4", tmp_path / name)
    shutil.copy(place / "picture.png", tmp_path / "c.png")
    (tmp_path / "notes.txt").write_text("no query")
    results = list(library.search([tmp_path]))
    assert [result.query for result in results] == [str(tmp_path / name) for name in ("b.mp4", "c.png", "deep/a.mp4")]
    assert all(result.hits[0].video == str(place / "videos/1.mp4") for result in results)


def test_several_examples_are_one_query(library: Library, place: Path) -> None:
    likes = ("0.mp4@0.5", "1.mp4@0.5", "1.mp4@1")
    both = one(library.search([Examples(likes)], min_similarity=0.9))
    assert both.query == "like 0.mp4@0.5, 1.mp4@0.5, 1.mp4@1"
    assert {Path(hit.video).name for hit in both.hits} == {"0.mp4", "1.mp4"}
    assert {hit.example for hit in both.hits} <= set(likes)
    without = one(library.search([Examples(likes, unlike=("0.mp4@0-2",))], min_similarity=0.9))
    assert without.query.endswith("; unlike 0.mp4@0-2")
    assert Path(without.hits[0].video).name == "1.mp4"
    assert all(hit.score < 0.1 for hit in without.hits if Path(hit.video).name == "0.mp4")
    assert one(library.search([Examples(("nothing.mp4",))])).error_code == "input"
    with pytest.raises(InputError, match="--like"):
        Examples((), unlike=("v1",))


@pytest.mark.parametrize(
    ("where", "names"),
    [
        (VideoFilter(paths=("*/0.mp4", "1.mp4")), {"0.mp4", "1.mp4"}),
        (VideoFilter(duration_s=(5, None)), {"0.mp4", "1.mp4", "2.mp4"}),
        (VideoFilter(duration_s=(None, 5)), {"coded.mov"}),
        (VideoFilter(not_in=("0.mp4", "coded.mov")), {"1.mp4", "2.mp4"}),
        (VideoFilter(online=True), {"0.mp4", "1.mp4", "2.mp4", "coded.mov"}),
        (VideoFilter(online=False), set()),
        (VideoFilter(lines=(145, None)), set()),
    ],
)
def test_filtered_results_are_the_unfiltered_ones_that_fit(
    library: Library, place: Path, where: VideoFilter, names: set[str]
) -> None:
    asked = SearchRequest(k=50, per_video=3, min_similarity=0, views=False)
    every = one(library.search([place / "excerpt.mp4"], asked)).hits
    found = one(library.search([place / "excerpt.mp4"], asked, where=where)).hits
    fitting = [hit for hit in every if Path(hit.video).name in names]
    assert list(found) == [replace(hit, rank=rank) for rank, hit in enumerate(fitting, 1)]
    assert {Path(hit.video).name for hit in found} == names


def test_a_filter_on_a_name_that_fits_nothing_is_refused(library: Library, place: Path) -> None:
    result = one(library.search([place / "excerpt.mp4"], where=VideoFilter(not_in=("nothing.mp4",))))
    assert result.error_code == "input"
    with pytest.raises(InputError, match="duration_s"):
        VideoFilter(duration_s=(5, 2))


def clips_by_group(library: Library, n: int) -> list[set[int]]:
    return [{clip["clip_id"] for clip in group["clips"]} for group in library.cluster(n)["groups"]]


@pytest.mark.parametrize("query", ["excerpt.mp4", "picture.png"])
def test_a_search_in_groups_answers_with_their_clips_alone(library: Library, place: Path, query: str) -> None:
    groups = clips_by_group(library, 4)
    asked = SearchRequest(k=50, per_video=20, min_similarity=0)
    for number, clips in enumerate(groups, 1):
        hits = one(library.search([place / query], asked, clusters=(number,))).hits
        assert hits
        assert {hit.clip_id for hit in hits} <= clips
    some = one(library.search([place / query], asked, clusters=(2, 4))).hits
    assert {hit.clip_id for hit in some} <= groups[1] | groups[3]
    assert {hit.clip_id for hit in some} & groups[1]
    assert {hit.clip_id for hit in some} & groups[3]


def test_a_hit_is_found_in_the_group_of_its_clip_as_it_is_in_all(library: Library, place: Path) -> None:
    best = one(library.search([place / "picture.png"], views=False)).hits[0]
    groups = clips_by_group(library, 9)
    (own,) = [number for number, clips in enumerate(groups, 1) if best.clip_id in clips]
    assert one(library.search([place / "picture.png"], views=False, clusters=(own,))).hits[0] == best
    others = tuple(number for number in range(1, 10) if number != own)
    elsewhere = one(library.search([place / "picture.png"], min_similarity=0, clusters=others)).hits
    assert elsewhere
    for hit in elsewhere:
        assert hit.clip_id != best.clip_id
        assert hit.similarity < best.similarity


def test_groups_and_filters_and_examples_go_together(library: Library, place: Path) -> None:
    groups = clips_by_group(library, 2)
    where = VideoFilter(paths=("0.mp4", "2.mp4"))
    everywhere = SearchRequest(k=50, min_similarity=0, per_video=20)
    clips = {clip["clip_id"] for name in ("0.mp4", "2.mp4") for clip in library.info(name)["clips"]}
    found = one(library.search(["1.mp4@0-8.5"], everywhere, where=where, clusters=(1,))).hits
    assert {hit.clip_id for hit in found} <= groups[0] & clips
    assert found
    likes = Examples(("0.mp4@0.5", "1.mp4@0.5"), unlike=("2.mp4@0-2",))
    liked = one(library.search([likes], everywhere, clusters=(2,))).hits
    assert liked
    assert {hit.clip_id for hit in liked} <= groups[1]


def test_one_is_told_that_groups_and_filters_leave_nothing(library: Library, caplog: pytest.LogCaptureFixture) -> None:
    groups = clips_by_group(library, 9)
    clips = {clip["clip_id"] for clip in library.info("0.mp4")["clips"]}
    (number, *_) = [number for number, there in enumerate(groups, 1) if not there & clips]
    where = VideoFilter(paths=("0.mp4",))
    assert one(library.search(["1.mp4@0.5"], where=where, clusters=(number,))).hits == ()
    assert f"nothing in the clips of --cluster {number} fits the filters" in caplog.text
    assert one(library.search(["1.mp4@0.5"], where=VideoFilter(paths=("9.mp4",)), clusters=(number,))).hits == ()
    assert "nothing in the library fits the filters" in caplog.text


def test_a_range_does_not_run_across_a_blank_clip_between_two_of_a_group(tmp_path: Path) -> None:
    blank = [np.full((3, *archives.SMALL), 128, np.uint8)] * 40
    scenes = [list(videos.scene_frames(scene, 40, archives.SMALL)) for scene in (1, 2)]
    (tmp_path / "a").mkdir()
    path = videos.write_stream(tmp_path / "a" / "film.mp4", [*blank, *scenes[0], *blank, *scenes[1]], fps=10)
    with archives.open_tiny(tmp_path / "library") as library:
        library.index([tmp_path / "a"], IndexConfig(workers=1))
        assert library.cluster(1)["ungrouped"] == 2
        (whole,) = one(library.search([path], min_similarity=0)).hits
        assert whole.end_s - whole.start_s > 10
        hits = one(library.search([path], min_similarity=0, per_video=2, clusters=(1,))).hits
    ranges = sorted((hit.start_s, hit.end_s) for hit in hits)
    assert len(ranges) == 2
    for (start, end), clip in zip(ranges, ((4, 8), (12, 16)), strict=True):
        assert clip[0] - 0.05 <= start < end <= clip[1] + 1  # to the next sampled frame


def test_where_no_clip_can_be_compared_there_are_no_groups(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    videos.write_stream(tmp_path / "a" / "black.mp4", [np.zeros((3, *archives.SMALL), np.uint8)] * 20, fps=10)
    with archives.open_tiny(tmp_path / "library") as library:
        library.index([tmp_path / "a"], IndexConfig(workers=1))
        found = library.cluster(report=tmp_path / "groups.html")
        assert (found["groups"], found["ungrouped"]) == ([], 1)
        assert "made 0" in (one(library.search(["black.mp4"], clusters=(1,))).error or "")
        library.remove(["black.mp4"])
        empty = library.cluster(3)
        assert (empty["groups"], empty["ungrouped"]) == ([], 0)
        assert "made 0" in (one(library.search(["v1"], clusters=(1,))).error or "")


def test_what_is_written_while_clips_are_grouped_makes_the_groups_stale(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archives.make_video(tmp_path / "new" / "new.mp4", 200)
    shutil.copytree(place / "library", tmp_path / "library")
    group = clusters.group

    def group_while_another_writes(*args: Any, **options: Any) -> clusters.Grouping:
        with archives.open_tiny(tmp_path / "library") as another:
            assert another.index([tmp_path / "new"], IndexConfig(workers=1)).indexed == 1
        return group(*args, **options)

    monkeypatch.setattr(clusters, "group", group_while_another_writes)
    with Library.open(tmp_path / "library") as library:
        assert library.cluster(2)["groups"]
        assert "has changed since its clips were grouped" in (one(library.search(["v1"], clusters=(1,))).error or "")
        monkeypatch.undo()
        library.cluster(2)
        assert one(library.search(["v1"], clusters=(1,))).error is None


def test_a_video_that_is_removed_while_clips_are_grouped_is_still_named(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(place / "library", tmp_path / "library")
    group = clusters.group

    def group_while_another_removes(*args: Any, **options: Any) -> clusters.Grouping:
        with archives.open_tiny(tmp_path / "library") as another:
            another.remove(["v1"])
        return group(*args, **options)

    monkeypatch.setattr(clusters, "group", group_while_another_removes)
    with Library.open(tmp_path / "library") as library:
        members = [clip for one in library.cluster(2)["groups"] for clip in one["clips"]]
        assert 1 in {clip["video_id"] for clip in members}


def test_groups_that_are_not_there_are_refused_with_what_to_do(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "library", tmp_path / "library", ignore=shutil.ignore_patterns("groups.index"))
    with Library.open(tmp_path / "library") as library:

        def refused(*numbers: int) -> str:
            result = one(library.search([place / "picture.png"], clusters=numbers))
            assert (result.error_code, result.hits) == ("input", ())
            return result.error or ""

        assert "not grouped yet: run `vsearch cluster`" in refused(1)
        (unread,) = library.search([place / "nowhere.mp4"], clusters=(1,))
        assert "not grouped yet" in (unread.error or "")  # before a query is looked for
        library.cluster(3)
        assert one(library.search([place / "picture.png"], clusters=(3,))).error is None
        assert "no group 4: the last `vsearch cluster` made 3" in refused(1, 4)
        library.remove(["coded.mov"])
        assert "has changed since its clips were grouped" in refused(1)
        library.cluster(2)
        assert one(library.search([place / "picture.png"], clusters=(2,))).error is None
        assert "made 2" in refused(3)


def test_groups_travel_with_the_folder_and_not_into_an_export(library: Library, place: Path, tmp_path: Path) -> None:
    library.cluster(2)
    shutil.copytree(place / "library", tmp_path / "moved")
    library.export(tmp_path / "exported")
    with Library.open(tmp_path / "moved") as moved, Library.open(tmp_path / "exported") as exported:
        assert one(moved.search(["1.mp4@0.5"], clusters=(1,), min_similarity=0)).hits
        assert one(exported.search(["1.mp4@0.5"], clusters=(1,))).error_code == "input"


def test_a_result_says_what_was_searched(library: Library, place: Path) -> None:
    info = library.info()
    for query in ("excerpt.mp4", "nowhere.mp4"):
        result = one(library.search([place / query]))
        assert (result.head, result.generation) == (info["active_head"], 4)


@pytest.mark.parametrize(
    "arguments",
    [
        {"k": 0},
        {"per_video": 0},
        {"start_s": 5.0, "end_s": 2.0},
        {"min_similarity": 1.5},
        {"device": "abacus"},
        {"all_above": 2.0},
        {"all_above": 0.5, "k": 3},
        {"group": "film"},
        {"all_above": 0.5, "threshold": 0.5},
        {"all_above": "most"},
        {"clusters": (1, 0)},
    ],
)
def test_bad_arguments_are_refused_at_once(library: Library, place: Path, arguments: dict[str, float]) -> None:
    with pytest.raises(InputError):
        library.search([place / "excerpt.mp4"], **arguments)


def test_what_is_asked_for_is_one_record_or_its_fields_by_name(library: Library, place: Path) -> None:
    request = SearchRequest(k=2, min_similarity=0)
    asked = one(library.search([place / "excerpt.mp4"], request))
    assert asked == one(library.search([place / "excerpt.mp4"], k=2, min_similarity=0))
    assert one(library.search([place / "excerpt.mp4"], request, k=1)).hits == asked.hits[:1]
    with pytest.raises(TypeError):
        library.search([place / "excerpt.mp4"], hits=3)


def test_a_report_shows_queries_and_hits(library: Library, place: Path, tmp_path: Path) -> None:
    report = tmp_path / "found.html"
    list(library.search([place / "excerpt.mp4", place / "nowhere.mp4", "v2"], report=report))
    page = report.read_text()
    assert "1.mp4" in page
    assert page.count("data:image/") > 3


def test_the_index_file_is_a_cache_that_may_be_deleted(library: Library, place: Path) -> None:
    before = one(library.search([place / "excerpt.mp4"]))
    assert list((place / "library/cache").iterdir())
    shutil.rmtree(place / "library/cache")
    assert one(library.search([place / "excerpt.mp4"])) == before


def test_clips_are_grouped_with_the_most_central_first(library: Library, tmp_path: Path) -> None:
    found = library.cluster(4, report=tmp_path / "groups.html")
    assert len(found["groups"]) == 4
    members = [clip["clip_id"] for group in found["groups"] for clip in group["clips"]]
    assert len(members) == len(set(members)) == 10 - found["ungrouped"]
    assert all(group["size"] == len(group["clips"]) for group in found["groups"])
    assert json.dumps(found)
    assert "data:image/" in (tmp_path / "groups.html").read_text()


def test_previews_of_clips_ranges_and_everything_need_no_original(library: Library, tmp_path: Path) -> None:
    clip = library.info("0.mp4")["clips"][1]
    assert library.preview([f"c{clip['clip_id']}"], tmp_path / "clip.gif").frames >= 3
    hit = library.preview(["0.mp4"], tmp_path / "hit.mp4", start_s=2.4, end_s=5.6)
    assert hit.frames >= 3
    assert library.preview(None, tmp_path / "sheets").files[0].name == "index.html"
    stored = library.info("0.mp4")["frames"]
    assert len(library.preview(["0.mp4"], tmp_path / "frames", form="frames").files) == stored
    assert (tmp_path / "frames/000000000.png").exists()
    with pytest.raises(InputError):
        library.preview(["c999"], tmp_path / "x.png")


def test_what_the_container_said_is_kept(library: Library) -> None:
    info = library.info("coded.mov")
    assert info["timecode"] == "01:02:03:04"
    assert info["codec"] == "h264"
    assert info["frames"] == len(range(0, 50, FPS))
    assert info["bytes_latents"] > 0
    assert json.dumps(info)
    assert "film 1" in json.dumps(library.info("1.mp4")["tags"])


def test_the_sums_of_a_library_are_those_of_its_videos(library: Library) -> None:
    info = library.info()
    videos_info = [library.info(f"v{entry['video_id']}") for entry in library.list()]
    for key in ("frames", "bytes_latents", "bytes_embeddings"):
        assert info[key] == sum(video[key] for video in videos_info)
    assert info["clips"] == sum(len(video["clips"]) for video in videos_info)
    assert info["seconds_of_video"] == pytest.approx(sum(video["duration_seconds"] for video in videos_info))
    assert info["videos"] == len(videos_info) == 4
    assert json.dumps(info)


def test_videos_are_named_by_path_number_or_unique_name(library: Library, place: Path) -> None:
    by_path = library.info(str(place / "videos/2.mp4"))["video_id"]
    assert library.info("2.mp4")["video_id"] == library.info(f"v{by_path}")["video_id"] == by_path
    assert library.info(f"id:{by_path}")["video_id"] == by_path
    with pytest.raises(InputError):
        library.info("nothing-like-it")


def test_a_name_that_fits_several_videos_lists_them(tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a/same.mp4", "b/same.mp4"])
    with archives.open_tiny(tmp_path / "library") as library:
        library.index([archive], IndexConfig(workers=1))
        with pytest.raises(AmbiguousError, match=r"a/same\.mp4"):
            library.info("same.mp4")
        assert library.info("b/same.mp4")["video"].endswith("b/same.mp4")


def test_listing_and_removing_need_neither_torch_nor_an_index(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "library", tmp_path / "library")
    program = (
        "import sys; from vsearch.library import Library; library = Library.open(sys.argv[1]); "
        "library.list(); library.info(); library.info('v1'); library.remove(['v1']); library.close(); "
        "print([name for name in ('torch', 'faiss', 'av', 'PIL', 'sklearn') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "library")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_stored_frames_and_ranges_are_explained_with_their_own_pictures(library: Library, tmp_path: Path) -> None:
    frame = library.explain("1.mp4@0:00:04", "1.mp4", out=tmp_path / "frame.png")
    assert frame["reason"] == "match"
    assert frame["segments"][0]["start_seconds"] == pytest.approx(4, abs=0.5)
    assert frame["segments"][0]["query_start_seconds"] is None
    part = library.explain("1.mp4@0:00:01-0:00:06", "1.mp4", k=1, out=tmp_path / "part.png")
    assert part["segments"][0]["query_coverage"] == pytest.approx(1.0, abs=0.1)
    unlike = library.explain("1.mp4@0:00:01-0:00:06", "2.mp4", min_similarity=0.95)
    assert (unlike["matches"], unlike["picture"], len(unlike["segments"])) == (False, None, 1)
    with pytest.raises(InputError):
        library.explain("1.mp4@0:00:04", "nothing-like-it")
