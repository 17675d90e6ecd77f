"""Matches whose pictures are looked at, with the shipped models: what it tells apart, and what goes on without them."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests import videos
from vsearch.config import IndexConfig
from vsearch.db.store import Store
from vsearch.library import Library
from vsearch.records import Hit, frame_id
from vsearch.request import SearchRequest
from vsearch.search.kept_groups import GroupedClips, keep_groups

FPS = 8
SECONDS = 8


def room(walk: Sequence[tuple[int, int]], seed: int = 40) -> Iterator[np.ndarray]:
    """A fixed camera: a block is at these places (top, left), second by second, and moves evenly in between."""
    still = videos.texture(seed)
    ends = np.array([*walk, walk[-1]], np.float64)
    for number in range(SECONDS * FPS):
        second, part = divmod(number / FPS, 1)
        top, left = (ends[int(second)] * (1 - part) + ends[int(second) + 1] * part).round().astype(int)
        frame = still.copy()
        frame[:, top : top + 60, left : left + 40] = videos.texture(90, (60, 40))
        yield frame


HERE = [(20, 10), (24, 40), (30, 80), (40, 120), (60, 150), (70, 180), (60, 200), (20, 210)]
THERE = [(80, 210), (70, 160), (10, 150), (10, 20), (40, 30), (80, 60), (84, 100), (20, 100)]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    videos.write_stream(folder / "here.mp4", room(HERE), fps=FPS)
    videos.write_stream(folder / "there.mp4", room(THERE), fps=FPS)
    videos.write_stream(folder / "elsewhere.mp4", videos.scene_frames(50, SECONDS * FPS), fps=FPS)
    return folder


@pytest.fixture(scope="module")
def query(films: Path) -> Path:
    """Five seconds of the first film, without its outer parts and encoded again."""
    frames = [frame[:, 12:132, 20:236] for frame in room(HERE)][2 * FPS : 7 * FPS]
    path = films.parent / "query.mp4"
    videos.write_stream(path, frames, fps=FPS, options={"crf": "32"})
    return path


@pytest.fixture(scope="module")
def place(films: Path) -> Path:
    folder = films.parent / "library"
    with Library.open(folder, create=True) as library:
        assert library.index([films], IndexConfig(workers=1)).indexed == 3
    return folder


def hits(library: Library, query: Path | str) -> dict[str, Hit]:
    (result,) = library.search([query], SearchRequest(threshold="any"))
    assert result.error is None
    return {Path(hit.video).stem: hit for hit in result.hits}


def test_the_moment_is_told_from_another_one_of_the_same_camera(place: Path, query: Path) -> None:
    with Library.open(place) as library:
        found = hits(library, query)
    assert found["here"].rank == 1
    assert found["here"].details is not None
    assert found["here"].details > 20
    assert found["here"].score > 0.9
    assert found["here"].score > found["there"].score + 0.2


def test_a_stored_range_is_looked_at_as_a_file_is(place: Path) -> None:
    with Library.open(place) as library:
        found = hits(library, "here.mp4@2-7")
    assert found["here"].details is not None
    assert found["here"].details > 40


@pytest.mark.parametrize("parts", [[(7, 9)], [(6, 8)], [(0, 1), (7, 8)]])
def test_a_hit_stays_among_the_clips_in_which_it_is_sought(
    place: Path, query: Path, tmp_path: Path, parts: list[tuple[int, int]]
) -> None:
    """Pictures would put it where the query is from, which is elsewhere."""
    shutil.copytree(place, tmp_path / "library")
    with Library.open(tmp_path / "library") as library, Store.open(tmp_path / "library", writable=False) as store:
        here = hits(library, query)["here"]
        assert (here.start_s, here.end_s) == pytest.approx((2, 7), abs=0.5)
        assert here.clip_id is not None
        firsts, stops = (np.array([frame_id(here.video_id, part[end]) for part in parts]) for end in (0, 1))
        groups, clip_ids = np.ones(len(parts), np.int64), np.full(len(parts), here.clip_id)
        keep_groups(tmp_path / "library" / "cache", GroupedClips(groups, clip_ids, firsts, stops), store.meta())
        (result,) = library.search([query], SearchRequest(threshold="any", clusters=(1,)))
    (hit,) = result.hits
    assert any(hit.start_s < stop and hit.end_s > first for first, stop in parts)
    assert hit.details is not None


def test_the_comparison_says_what_the_pictures_have_in_common(place: Path, query: Path) -> None:
    with Library.open(place) as library:
        said = library.explain(str(query), "here.mp4")
        (result,) = library.search([query])
    assert said["segments"][0]["details"] == result.hits[0].details
    assert said["segments"][0]["score"] == pytest.approx(result.hits[0].score)
    assert any("details in the same places" in line for line in said["words"])


def test_without_stored_pictures_vectors_decide_alone(films: Path, query: Path, tmp_path: Path) -> None:
    with Library.open(tmp_path / "bare", create=True) as library:
        library.index([films], IndexConfig(workers=1, pictures=False))
        found = hits(library, query)
    assert found["here"].rank == 1
    assert all(hit.details is None for hit in found.values())


def test_damaged_pictures_do_not_stop_a_search(
    films: Path, query: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "library"
    with Library.open(folder, create=True) as library:
        library.index([films / "here.mp4"], IndexConfig(workers=1))
    with closing(sqlite3.connect(folder / "library.db")) as database, database:
        assert database.execute("UPDATE chunk SET data = zeroblob(length(data))").rowcount > 0
    with Library.open(folder) as library:
        found = hits(library, query)
    assert found["here"].rank == 1
    assert found["here"].details is None
    assert "can't be compared" in caplog.text
