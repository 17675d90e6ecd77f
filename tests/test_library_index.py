"""What `Library.index` counts, remembers and never touches."""

from __future__ import annotations

import os
import shutil
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests import archives, videos
from tests.models.small import small_codec, small_head
from vsearch.config import IndexConfig, ReadConfig
from vsearch.db.store import Store
from vsearch.errors import InputError, LockedError, NotALibraryError
from vsearch.library import Library

CONFIG = IndexConfig(workers=1)
COUNTS = ("indexed", "partial", "unchanged", "copies", "ignored", "offline")


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with archives.open_tiny(tmp_path / "library") as opened:
        yield opened


def counts(library: Library, *paths: Path, config: IndexConfig = CONFIG, log: Path | None = None) -> dict[str, Any]:
    """What a run counted, zeros left out."""
    report = library.index(paths, config, log=log).as_json()
    found = {key: report[key] for key in COUNTS if report[key]}
    if report["failed"]:
        found["failed"] = len(report["failed"])
    return found


def test_a_second_run_finds_everything_unchanged(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4", "b/c.mkv"])
    (archive / "notes.txt").write_text("ignored")
    assert counts(library, archive) == {"indexed": 2, "ignored": 1}
    assert counts(library, archive) == {"unchanged": 2, "ignored": 1}
    assert [entry["path"] for entry in library.list()] == [str(archive / "a.mp4"), str(archive / "b/c.mkv")]


def test_copies_are_read_once_and_unchanged_next_time(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4"])
    shutil.copy(archive / "a.mp4", archive / "b.mp4")
    (archive / "c.mp4").symlink_to("a.mp4")
    assert counts(library, archive, config=replace(CONFIG, workers=2)) == {"indexed": 1, "copies": 2}
    assert counts(library, archive) == {"unchanged": 3}
    shutil.copy(archive / "a.mp4", archive / "d.mp4")
    assert counts(library, archive) == {"unchanged": 3, "copies": 1}
    assert len(library.info("v1")["paths"]) == 4


def test_a_moved_video_is_unchanged_and_keeps_one_path(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4"])
    counts(library, archive)
    (archive / "deep").mkdir()
    (archive / "a.mp4").rename(archive / "deep/b.mp4")
    assert counts(library, archive) == {"unchanged": 1}
    assert [path["path"] for path in library.info("v1")["paths"]] == [str(archive / "deep/b.mp4")]


def test_a_file_moved_by_copying_is_recognised_by_its_content(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4"])
    counts(library, archive)
    shutil.copy(archive / "a.mp4", archive / "b.mp4")
    (archive / "a.mp4").unlink()
    assert counts(library, archive) == {"unchanged": 1}
    assert [path["path"] for path in library.info("v1")["paths"]] == [str(archive / "b.mp4")]


@pytest.mark.parametrize("workers", [1, 4])
def test_files_that_exchange_their_names_are_all_still_there(library: Library, tmp_path: Path, workers: int) -> None:
    names = ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]
    archive = archives.make_archive(tmp_path / "videos", names)
    config = replace(CONFIG, workers=workers)
    counts(library, archive, config=config)
    contents = [(archive / name).read_bytes() for name in names]
    for name, content in zip(names, [*contents[1:], contents[0]], strict=True):
        (archive / name).write_bytes(content)
    assert sum(counts(library, archive, config=config).values()) == len(names)
    assert counts(library, archive, config=config) == {"unchanged": len(names)}
    assert len(library.list()) == len(names)


def test_a_touched_file_is_unchanged_and_a_changed_one_keeps_its_id(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4", "b.mp4"])
    counts(library, archive)
    os.utime(archive / "a.mp4", (1, 1))
    archives.make_video(archive / "b.mp4", 77)
    assert counts(library, archive) == {"indexed": 1, "unchanged": 1}
    changed = library.info(str(archive / "b.mp4"))
    assert (changed["video_id"], changed["revision"]) == (2, 2)
    assert counts(library, archive) == {"unchanged": 2}


def test_bad_files_fail_with_a_reason_once_and_are_tried_again_on_request(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["good.mp4"])
    (archive / "noise.mp4").write_bytes(os.urandom(5000))
    (archive / "empty.mkv").touch()
    (archive / "trap.mp4").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/hostname\n")
    videos.audio_only(archive / "sound.mp4")
    log = tmp_path / "log"
    report = library.index([archive], CONFIG, log=log)
    assert report.exit_status == 0
    codes = {Path(os.fsdecode(failure.path)).name: failure.code for failure in report.failed}
    assert codes == {"noise.mp4": "media", "empty.mkv": "no-video", "trap.mp4": "refused", "sound.mp4": "no-video"}
    assert all(str(archive) not in failure.reason for failure in report.failed)
    assert {line.split("\t")[0] for line in log.read_text().splitlines()} == {"failed"}
    again = library.index([archive], CONFIG)
    assert (again.unchanged, len(again.failed)) == (1, 4)
    assert len(library.list(state="failed")) == 4
    archives.make_video(archive / "noise.mp4", 5)
    assert counts(library, archive) == {"indexed": 1, "unchanged": 1, "failed": 3}
    assert counts(library, archive, config=replace(CONFIG, retry=True)) == {"unchanged": 2, "failed": 3}
    assert len(library.list(state="failed")) == 3


def test_a_run_in_which_everything_failed_has_failed(library: Library, tmp_path: Path) -> None:
    (tmp_path / "noise.mp4").write_bytes(b"nothing")
    assert library.index([tmp_path / "noise.mp4"], CONFIG).exit_status == 1


def test_a_file_that_breaks_off_is_partial_and_read_again_on_request(library: Library, tmp_path: Path) -> None:
    whole = tmp_path / "whole.mp4"
    frames = videos.scene_frames(1, 60, archives.SMALL, noise=20)
    videos.write_stream(whole, frames, fps=10, container_options={"movflags": "faststart"})
    archive = tmp_path / "videos"
    archive.mkdir()
    videos.truncated(whole, archive / "half.mp4", 0.5)
    assert counts(library, archive) == {"partial": 1}
    (entry,) = library.list(state="partial")
    assert entry["reason"]
    assert counts(library, archive) == {"unchanged": 1}
    again = library.index([archive], replace(CONFIG, retry=True))
    assert (again.partial, again.upgraded) == (1, 0)
    shutil.copy(whole, archive / "half.mp4")
    assert counts(library, archive) == {"indexed": 1}
    assert library.info("v1")["state"] == "ok"


def test_still_pictures_are_ignored_also_when_they_are_named_like_videos(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4"])
    Image.fromarray(videos.texture(1).transpose(1, 2, 0)).save(archive / "still.png")
    (archive / "still.png").rename(archive / "still.mp4")
    for _ in range(2):
        report = library.index([archive], CONFIG)
        assert (report.ignored, report.failed) == (1, ())
    assert [entry["path"] for entry in library.list()] == [str(archive / "a.mp4")]


def test_two_disks_mounted_at_the_same_place_stay_two(library: Library, tmp_path: Path) -> None:
    place = archives.make_archive(tmp_path / "disk", ["1.mp4", "2.mp4"])
    assert counts(library, place, config=replace(CONFIG, volume="A")) == {"indexed": 2}
    shutil.rmtree(place)
    archives.make_video(place / "1.mp4", 60)
    archives.make_video(place / "2.mp4", 70)
    assert counts(library, place, config=replace(CONFIG, volume="B")) == {"indexed": 2, "offline": 2}
    assert [(e["volume"], e["online"]) for e in library.list()] == [("A", False)] * 2 + [("B", True)] * 2
    assert len(library.list(volume="A")) == 2
    assert len(library.list(state="offline")) == 2
    assert counts(library, place, config=replace(CONFIG, volume="B")) == {"unchanged": 2, "offline": 2}


@pytest.mark.parametrize("how", ["missing", "empty"])
def test_a_known_place_that_is_not_mounted_makes_its_videos_offline(library: Library, tmp_path: Path, how: str) -> None:
    place = archives.make_archive(tmp_path / "disk", ["1.mp4", "2.mp4"])
    counts(library, place)
    place.rename(tmp_path / "away")
    if how == "empty":
        place.mkdir()
    report = library.index([place], CONFIG)
    assert report.exit_status == 1
    assert report.problems == (f"{place}: 2 known videos are offline (not mounted?)",)
    assert report.offline == 2
    assert [entry["online"] for entry in library.list()] == [False, False]
    shutil.rmtree(place, ignore_errors=True)
    (tmp_path / "away").rename(place)
    assert counts(library, place) == {"unchanged": 2}
    assert [entry["online"] for entry in library.list()] == [True, True]


def test_a_missing_path_that_is_unknown_is_an_error_and_makes_no_library(library: Library, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        library.index([tmp_path / "nowhere"])
    assert not (tmp_path / "library").exists()
    with pytest.raises(NotALibraryError):
        library.list()


def test_an_empty_folder_is_no_failure(library: Library, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    report = library.index([tmp_path / "videos"], CONFIG)
    assert (report.indexed, report.exit_status, report.problems) == (0, 0, ())


def test_more_frames_are_read_when_they_are_asked_for_and_never_fewer(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4"])
    finer = replace(CONFIG, read=ReadConfig(fps=Fraction(5)))
    counts(library, archive)
    few = library.info("v1")["frames"]
    assert counts(library, archive, config=finer) == {"indexed": 1}
    many = library.info("v1")["frames"]
    assert many > few
    assert counts(library, archive) == {"unchanged": 1}
    assert library.info("v1")["frames"] == many


def test_originals_and_their_folders_are_left_as_they_are(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4", "b/c.mp4"])
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(archive.rglob("*"))}
    counts(library, archive)
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(archive.rglob("*"))} == before


def test_names_that_are_not_text_are_indexed_and_given_in_base64_beside_their_display_form(
    library: Library, tmp_path: Path
) -> None:
    made = archives.make_video(tmp_path / "videos/a.mp4", 1)
    odd = Path(os.fsdecode(bytes(made.parent) + b"/not\xff\nutf8.mp4"))
    made.rename(odd)
    assert counts(library, odd.parent) == {"indexed": 1}
    (entry,) = library.list()
    assert entry["path"] == f"{odd.parent}/not\\xff\\nutf8.mp4"
    assert entry["path_b64"]
    assert library.info(str(odd))["video_id"] == 1


def test_a_second_writer_is_turned_away(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4"])
    counts(library, archive)
    with Store.open(tmp_path / "library", writable=True), pytest.raises(LockedError):
        library.index([archive], CONFIG)
    assert counts(library, archive) == {"unchanged": 1}


def test_a_dry_run_writes_nothing(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4", "b.mp4"])
    plan = library.plan([archive], CONFIG)
    assert not (tmp_path / "library").exists()
    assert (plan.files, plan.sampled) == (2, 2)
    assert plan.seconds_of_video == pytest.approx(8.0)
    assert plan.estimated_seconds > 0
    assert plan.estimated_bytes > 0
    counts(library, archive)
    assert library.plan([archive], CONFIG).as_json()["unchanged"] == 2


def test_the_estimate_of_the_size_is_near_the_truth(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", [f"{i}.mp4" for i in range(6)])
    plan = library.plan([archive], CONFIG)
    library.index([archive], CONFIG)
    info = library.info()
    assert plan.seconds_of_video == pytest.approx(info["seconds_of_video"], rel=0.1)
    assert plan.estimated_bytes > 0.5 * (info["bytes_latents"] + info["bytes_embeddings"])


def test_without_a_path_there_must_be_something_to_finish(library: Library, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name the files or folders"):
        library.index([])
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4"])
    counts(library, archive)
    assert library.index([], CONFIG).as_json()["unchanged"] == 0


def test_a_run_that_was_killed_is_finished_by_a_run_without_a_path(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4", "b.mp4"])
    counts(library, archive / "a.mp4")
    with Store.open(tmp_path / "library", writable=True) as store:
        finished = store.runs()[-1].arguments
        store.start_run({**finished, "paths_b64": [b64encode(bytes(archive)).decode()], "volume": None}, {})
    assert counts(library) == {"indexed": 1, "unchanged": 1}
    assert counts(library) == {}


def test_a_folder_of_a_killed_run_that_is_gone_is_named_once_and_blocks_nothing(
    library: Library, tmp_path: Path
) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4", "b.mp4"])
    counts(library, archive / "a.mp4")
    with Store.open(tmp_path / "library", writable=True) as store:
        finished = store.runs()[-1].arguments
        for folder in (tmp_path / "gone", archive):
            store.start_run({**finished, "paths_b64": [b64encode(bytes(folder)).decode()], "volume": None}, {})
    report = library.index([], CONFIG)
    assert (report.indexed, report.unchanged, report.exit_status) == (1, 1, 1)
    assert [problem for problem in report.problems if "gone" in problem]
    assert library.index([], CONFIG).exit_status == 0


def test_removed_videos_are_gone_and_come_back_under_new_ids(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4", "b.mp4"])
    counts(library, archive)
    with pytest.raises(InputError):
        library.remove(["v1", "v99"])
    assert len(library.list()) == 2
    assert library.remove(["v1", str(archive / "a.mp4")]) == 1
    assert [entry["video_id"] for entry in library.list()] == [2]
    assert counts(library, archive) == {"indexed": 1, "unchanged": 1}
    assert [entry["video_id"] for entry in library.list()] == [2, 3]


def test_a_library_works_with_the_originals_gone(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4"])
    counts(library, archive)
    shutil.rmtree(archive)
    assert library.list()[0]["duration_seconds"] == pytest.approx(4.0)
    assert library.info(str(archive / "a.mp4"))["frames"] == 4
    report = library.preview(["v1"], tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 100
    assert report.frames == 4


def test_a_closed_library_is_plain_files_that_work_elsewhere(library: Library, tmp_path: Path) -> None:
    counts(library, archives.make_archive(tmp_path / "videos", ["a.mp4"]))
    library.close()
    names = {path.name for path in (tmp_path / "library").iterdir()}
    assert "library.db" in names
    assert not any(name.endswith(("-wal", "-shm")) for name in names)
    shutil.copytree(tmp_path / "library", tmp_path / "elsewhere")
    with Library.open(tmp_path / "elsewhere") as moved:
        moved.preview(["v1"], tmp_path / "sheet.webp")
        assert moved.info()["videos"] == 1


def test_a_folder_that_holds_something_else_never_becomes_a_library(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(NotALibraryError):
        Library.open(tmp_path, create=True)


def test_a_head_of_another_codec_is_refused_before_anything_is_stored(tmp_path: Path) -> None:
    small_codec(tmp_path / "codec")
    archives.make_video(tmp_path / "videos" / "a.mp4", 1)
    with Library.open(tmp_path / "library", create=True, codec=tmp_path / "codec") as library:
        with pytest.raises(InputError, match="reads latents of codec"):
            library.index([tmp_path / "videos"], IndexConfig(workers=1))
        assert library.info()["videos"] == 0
    small_head(tmp_path / "head")
    with Library.open(tmp_path / "library", codec=tmp_path / "codec", head=tmp_path / "head") as library:
        assert library.index([tmp_path / "videos"], IndexConfig(workers=1)).indexed == 1
