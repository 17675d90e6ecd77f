"""Qualities, efforts and sizes of stored pictures: recorded, mixed in one library, upgraded, and never worsened."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import archives
from tests.models.small import small_codec, small_head
from vsearch.config import IndexConfig, ReadConfig
from vsearch.db.store import Store
from vsearch.errors import InputError, InterruptedRunError
from vsearch.library import Library
from vsearch.media.isolated import DecodeProcess
from vsearch.metrics import psnr, ssim
from vsearch.models.shelf import ModelShelf
from vsearch.progress import SilentProgress

LOW = IndexConfig(workers=1, device="cpu", quality="low", effort="fast")
USUAL = IndexConfig(workers=1, device="cpu")
HIGH = replace(USUAL, quality="high", effort="archive", read=ReadConfig(preview_pixels=9216 * 9))
COUNTS = ("indexed", "upgraded", "partial", "unchanged", "copies", "offline", "not_upgraded")


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with archives.open_tiny(tmp_path / "library") as opened:
        yield opened


def counts(library: Library, *paths: Path, config: IndexConfig, log: Path | None = None) -> dict[str, Any]:
    """What a run counted, zeros left out."""
    report = library.index(paths, config, log=log).as_json()
    assert not report["failed"]
    return {key: report[key] for key in COUNTS if report[key]}


def upgrading(config: IndexConfig) -> IndexConfig:
    return replace(config, upgrade=True)


def settings(library: Library) -> dict[str, tuple[str, str, int, int]]:
    """(quality, effort, level, pixels) by name of the file."""
    with Store.open(library.folder, writable=False) as store:
        return {
            Path(video.paths[0].display).name: (
                video.settings.quality,
                video.settings.effort,
                video.settings.level,
                video.settings.preview_pixels,
            )
            for video in store.videos()
        }


def chunk_levels(library: Library, video_id: int) -> set[int]:
    with Store.open(library.folder, writable=False) as store:
        shelf = ModelShelf(library.folder / "models")
        return {shelf.codec(chunk.model_id).unpack(chunk.data).level for chunk in store.chunks(video_id)}


def test_quality_effort_and_size_are_recorded_with_each_video_and_are_what_its_chunks_have(
    library: Library, tmp_path: Path
) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4", "b.mp4", "c.mp4"])
    counts(library, archive / "a.mp4", config=LOW)
    counts(library, archive / "b.mp4", config=HIGH)
    counts(library, archive / "c.mp4", config=USUAL)
    assert settings(library) == {
        "a.mp4": ("low", "fast", 0, 36864),
        "b.mp4": ("high", "archive", 2, 82944),
        "c.mp4": ("default", "default", 1, 36864),
    }
    assert [chunk_levels(library, number) for number in (1, 2, 3)] == [{0}, {2}, {1}]
    sizes = [(library.info(f"v{n}")["preview_height"], library.info(f"v{n}")["preview_width"]) for n in (1, 2)]
    assert sizes == [(144, 224), (224, 352)]


def test_search_finds_videos_of_every_quality_and_size(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4", "b.mp4", "c.mp4"])
    for name, config in (("a.mp4", LOW), ("b.mp4", HIGH), ("c.mp4", USUAL)):
        counts(library, archive / name, config=config)
    results = list(library.search(sorted(archive.iterdir()), device="cpu"))
    assert [Path(result.hits[0].video).name for result in results] == ["a.mp4", "b.mp4", "c.mp4"]


def test_what_is_stored_stays_unchanged_whatever_quality_is_asked_for(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4"])
    counts(library, archive, config=LOW)
    assert counts(library, archive, config=HIGH) == {"unchanged": 1}
    assert settings(library)["a.mp4"][0] == "low"


def test_an_upgrade_reads_again_what_is_stored_with_less_and_keeps_ids(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4", "b.mp4", "c.mp4"])
    counts(library, archive / "a.mp4", config=LOW)
    counts(library, archive / "b.mp4", config=HIGH)
    assert counts(library, archive, config=upgrading(HIGH)) == {"indexed": 2, "upgraded": 1, "unchanged": 1}
    assert set(settings(library).values()) == {("high", "archive", 2, 82944)}
    upgraded = library.info(str(archive / "a.mp4"))
    assert (upgraded["video_id"], upgraded["revision"]) == (1, 2)
    assert library.info("v2")["revision"] == 1
    assert counts(library, archive, config=upgrading(HIGH)) == {"unchanged": 3}


def test_an_upgrade_never_stores_less_of_anything(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4"])
    many = replace(HIGH, effort="fast", read=ReadConfig(fps=Fraction(5), preview_pixels=82944))
    counts(library, archive, config=many)
    frames = library.info("v1")["frames"]
    assert counts(library, archive, config=upgrading(LOW)) == {"unchanged": 1}
    assert counts(library, archive, config=upgrading(replace(USUAL, effort="archive"))) == {"indexed": 1, "upgraded": 1}
    assert settings(library)["a.mp4"] == ("high", "archive", 2, 82944)
    assert library.info("v1")["frames"] == frames


def test_more_frames_do_not_cost_the_quality_that_was_stored(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4"])
    counts(library, archive, config=HIGH)
    assert counts(library, archive, config=replace(USUAL, read=ReadConfig(fps=Fraction(5)))) == {
        "indexed": 1,
        "upgraded": 1,
    }
    assert settings(library)["a.mp4"] == ("high", "archive", 2, 82944)


def test_a_copy_at_a_new_path_upgrades_the_video_with_what_it_had(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4"])
    counts(library, archive, config=replace(USUAL, read=ReadConfig(fps=Fraction(5), preview_pixels=82944)))
    frames = library.info("v1")["frames"]
    (tmp_path / "copies").mkdir()
    shutil.copy(archive / "a.mp4", tmp_path / "copies" / "a.mp4")
    upgrade = upgrading(replace(USUAL, quality="high"))
    assert counts(library, tmp_path / "copies", config=upgrade) == {"indexed": 1, "upgraded": 1}
    info = library.info("v1")
    assert (info["frames"], len(info["paths"])) == (frames, 2)
    assert settings(library)["a.mp4"] == ("high", "default", 2, 82944)


def test_a_changed_file_is_stored_as_is_asked_now(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4"])
    counts(library, archive, config=replace(HIGH, effort="fast"))
    archives.make_video(archive / "a.mp4", 77)
    assert counts(library, archive, config=upgrading(replace(LOW, effort="archive"))) == {"indexed": 1}
    assert settings(library)["a.mp4"] == ("low", "archive", 0, 36864)


def test_originals_that_are_offline_are_counted_named_and_kept(library: Library, tmp_path: Path) -> None:
    shelf = archives.make_archive(tmp_path / "shelf", ["a.mp4", "b.mp4"])
    archives.make_video(tmp_path / "home" / "c.mp4", 90)
    counts(library, shelf, config=replace(LOW, volume="Shelf 7"))
    counts(library, tmp_path / "home", config=LOW)
    (shelf / "a.mp4").rename(tmp_path / "away.mp4")
    log = tmp_path / "log"
    upgrade = upgrading(HIGH)
    found = counts(library, shelf, config=replace(upgrade, volume="Shelf 7"), log=log)
    assert found == {"indexed": 1, "upgraded": 1, "offline": 1, "not_upgraded": 1}
    assert log.read_text().splitlines() == [f"offline\t{shelf}/a.mp4\tnot upgraded: the original can't be seen now"]
    assert [entry["online"] for entry in library.list()] == [False, True, True]
    assert settings(library)["a.mp4"] == ("low", "fast", 0, 36864)
    assert library.preview(["v1"], tmp_path / "sheet.png").frames == 4
    (tmp_path / "away.mp4").rename(shelf / "a.mp4")
    assert counts(library, shelf, config=replace(upgrade, volume="Shelf 7")) == {
        "indexed": 1,
        "upgraded": 1,
        "unchanged": 1,
    }
    assert library.info("v1")["online"]


def test_an_upgrade_without_a_path_takes_every_original_that_is_here_and_nothing_else(
    library: Library, tmp_path: Path
) -> None:
    shelf = archives.make_archive(tmp_path / "shelf", ["a.mp4", "b.mp4"])
    archives.make_video(tmp_path / "home" / "c.mp4", 90)
    archives.make_video(tmp_path / "home" / "d.mp4", 95)
    counts(library, shelf, config=replace(LOW, volume="Shelf 7"))
    counts(library, tmp_path / "home" / "c.mp4", config=LOW)
    counts(library, tmp_path / "home" / "d.mp4", config=HIGH)
    archives.make_video(tmp_path / "home" / "new.mp4", 99)
    shutil.rmtree(shelf)
    archives.make_video(shelf / "a.mp4", 70)  # another disk at the same place
    upgrade = upgrading(HIGH)
    assert library.plan([], upgrade).files == 1
    found = counts(library, config=upgrade)
    assert found == {"indexed": 1, "upgraded": 1, "unchanged": 1, "offline": 2, "not_upgraded": 2}
    assert settings(library) == {
        "a.mp4": ("low", "fast", 0, 36864),
        "b.mp4": ("low", "fast", 0, 36864),
        "c.mp4": ("high", "archive", 2, 82944),
        "d.mp4": ("high", "archive", 2, 82944),
    }
    assert counts(library, config=upgrade) == {"unchanged": 2, "offline": 2, "not_upgraded": 2}


def test_an_upgrade_without_a_path_can_be_kept_to_one_volume(library: Library, tmp_path: Path) -> None:
    for name, scene in (("one", 10), ("two", 20)):
        archives.make_video(tmp_path / name / f"{name}.mp4", scene)
        counts(library, tmp_path / name, config=replace(LOW, volume=name))
    assert counts(library, config=replace(upgrading(HIGH), volume="two"))["upgraded"] == 1
    assert {name: found[0] for name, found in settings(library).items()} == {"one.mp4": "low", "two.mp4": "high"}


class _StopAfterOne(SilentProgress):
    """Presses Ctrl-C when the first file is done."""

    def advance(self, *, files: int = 0, bytes_: int = 0, seconds_of_video: float = 0.0) -> None:
        if files:
            raise KeyboardInterrupt


@pytest.mark.parametrize("named", [True, False])
def test_an_interrupted_upgrade_goes_on(library: Library, tmp_path: Path, named: bool) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4", "b.mp4", "c.mp4"])
    counts(library, archive, config=LOW)
    paths = [archive] if named else []
    with pytest.raises(InterruptedRunError):
        library.index(paths, upgrading(HIGH), progress=_StopAfterOne())
    done = [name for name, found in settings(library).items() if found[0] == "high"]
    assert 1 <= len(done) < 3
    assert counts(library, config=USUAL)["upgraded"] == 3 - len(done)
    assert set(settings(library).values()) == {("high", "archive", 2, 82944)}
    assert [entry["video_id"] for entry in library.list()] == [1, 2, 3]
    assert counts(library, config=USUAL) == {}


def test_videos_without_pictures_get_some_by_an_upgrade(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4"])
    counts(library, archive, config=USUAL)
    with Store.open(library.folder, writable=True) as store, store._database.write() as connection:
        connection.exec_driver_sql("DELETE FROM chunk")
        connection.exec_driver_sql("UPDATE video SET bytes_latents = 0")
    assert counts(library, archive, config=USUAL) == {"unchanged": 1}
    assert counts(library, archive, config=upgrading(LOW)) == {"indexed": 1, "upgraded": 1}
    assert settings(library)["a.mp4"][:2] == ("default", "default")
    assert library.preview(["v1"], tmp_path / "sheet.png").frames == 4


@pytest.mark.parametrize("asked", [{"quality": "high"}, {"effort": "archive"}])
@pytest.mark.parametrize("there", [True, False])
def test_what_the_codec_does_not_offer_is_refused_before_anything_is_read(
    tmp_path: Path, asked: dict[str, str], there: bool
) -> None:
    small_codec(tmp_path / "codec")
    small_head(tmp_path / "head")
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4"])
    with Library.open(tmp_path / "library", create=True, codec=tmp_path / "codec", head=tmp_path / "head") as library:
        if there:
            counts(library, archive, config=USUAL)
        archives.make_video(archive / "b.mp4", 50)
        for attempt in (library.index, library.plan):
            with pytest.raises(InputError, match=r"does not offer .* only quality default and effort default"):
                attempt([archive], replace(USUAL, **asked))
        assert (tmp_path / "library").exists() == there
        if there:
            assert len(library.list()) == 1
            larger = replace(USUAL, read=ReadConfig(preview_pixels=82944))
            assert counts(library, archive, config=upgrading(larger)) == {"indexed": 2, "upgraded": 1}


def test_unknown_qualities_efforts_and_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="quality must be one of low, default, high"):
        IndexConfig(quality="best")
    with pytest.raises(InputError, match="effort must be one of fast, default, archive"):
        IndexConfig(effort="most")
    for pixels in (4095, 1 << 21):
        with pytest.raises(InputError, match="preview_pixels must be from 4096 to 1048576"):
            ReadConfig(preview_pixels=pixels)


def test_each_clip_says_how_near_its_pictures_are_to_the_sampled_frames(library: Library, tmp_path: Path) -> None:
    film = archives.make_video(tmp_path / "a.mp4", 30)
    counts(library, film, config=LOW)
    with DecodeProcess(LOW.read) as decoder, decoder.read(bytes(film), identify=False) as stream:
        batches = list(stream)
    frames, pts = np.concatenate([b.frames for b in batches]), np.concatenate([b.pts for b in batches])
    with Store.open(library.folder, writable=False) as store:
        codec = ModelShelf(library.folder / "models").codec(store.chunks(1)[0].model_id)
        shown = np.concatenate([codec.decode(codec.unpack(chunk.data)) for chunk in store.chunks(1)])
        clips = [record.clip for record in store.clips(1)]
    assert len(clips) == 2
    for clip in clips:
        inside = np.flatnonzero((pts >= clip.start_pts) & (pts < clip.end_pts))
        assert clip.psnr_db == pytest.approx(np.mean([psnr(frames[i], shown[i]) for i in inside]), abs=2e-3)
        assert clip.ssim == pytest.approx(np.mean([ssim(frames[i], shown[i]) for i in inside]), abs=2e-4)


def test_a_finer_quality_measures_better_and_the_check_can_be_left_out(library: Library, tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4"])
    counts(library, archive, config=replace(LOW, quality_check=False))
    with Store.open(library.folder, writable=False) as store:
        assert {(one.clip.psnr_db, one.clip.ssim) for one in store.clips(1)} == {(None, None)}
    counts(library, archive, config=upgrading(replace(LOW, effort="default")))
    with Store.open(library.folder, writable=False) as store:
        low = [one.clip.psnr_db for one in store.clips(1)]
    counts(library, archive, config=upgrading(replace(LOW, quality="high")))
    with Store.open(library.folder, writable=False) as store:
        high = [one.clip.psnr_db for one in store.clips(1)]
    assert all(a is not None and b is not None and a < b for a, b in zip(low, high, strict=True))
