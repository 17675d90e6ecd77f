"""Indexes that are no longer exact: which is chosen, how it follows the library, when it is built anew."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.db.samples import sighting
from tests.search.shelves import HEAD, D, excerpt, put, video_of, world
from vsearch.db.store import Store
from vsearch.search import cache
from vsearch.search.ann import choice
from vsearch.search.ann.base import AnnIndex
from vsearch.search.ann.choice import cells_for, choose_kind, outgrown
from vsearch.search.ann.files import read_header
from vsearch.search.cache import describe_index, index_path, open_index, refresh_index
from vsearch.search.gallery import Gallery

GIB = 1 << 30
VIDEOS, SECONDS = 12, 60


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "library", writable=True, create=True) as opened:
        for number in range(VIDEOS):
            put(opened, world(SECONDS, seed=number), f"{number}.mp4")
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "library" / "cache"


@pytest.fixture
def few_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "EXACT_FRAMES", 500)
    monkeypatch.setattr(cache, "EXACT_FRAMES", 500)


def opened(
    store: Store, folder: Path | None, *, rebuild: bool = False, kind: str = "auto", memory_bytes: int = GIB
) -> AnnIndex:
    gallery = Gallery(store, HEAD)
    return open_index(gallery, folder, d=D, kind=kind, rebuild=rebuild, memory_bytes=memory_bytes)


def assert_finds(index: AnnIndex, seed: int, video_id: int) -> None:
    """Most frames of an excerpt of a video are nearest to frames of that video."""
    _, found = index.search(excerpt(world(SECONDS, seed=seed), 20, 30).vectors, 1)
    assert (found >> 24 == video_id).mean() > 0.75


def frames_on_disk(folder: Path) -> int:
    return int(read_header(index_path(folder, HEAD)).arrays["ids"][1][0])


@pytest.mark.parametrize(
    ("n", "memory_bytes", "kind"),
    [(1, GIB, "flat"), (200_000, GIB, "flat"), (200_001, GIB, "ivf"), (10_000_000, 2 * GIB, "ivf"),
     (10_000_000, GIB, "ivfpq"), (30_000_000, 2 * GIB, "ivfpq"), (200_000, 16 << 20, "ivfpq")],
)  # fmt: skip
def test_the_structure_fits_the_number_of_frames_and_the_memory(n: int, memory_bytes: int, kind: str) -> None:
    assert choose_kind(n, d=128, memory_bytes=memory_bytes) == kind


def test_a_gpu_compares_millions_exactly() -> None:
    assert choose_kind(8_000_000, d=128, memory_bytes=2 * GIB, on_gpu=True) == "flat"
    assert choose_kind(9_000_000, d=128, memory_bytes=2 * GIB, on_gpu=True) == "ivf"
    assert choose_kind(9_000_000, d=128, memory_bytes=4 * GIB, on_gpu=True) == "flat"
    assert choose_kind(20_000_001, d=128, memory_bytes=8 * GIB, on_gpu=True) == "ivf"


@pytest.mark.parametrize(
    ("kind", "n_then", "n", "is_outgrown"),
    [("flat", 100, 300_000, False), ("flat", 100, 500_000, True), ("ivf", 10**6, 1_900_000, False),
     ("ivf", 10**6, 2_100_000, True), ("ivf", 10**6, 10**5, True), ("ivf", 10**6, 10**6 // 2, False)],
)  # fmt: skip
def test_a_structure_is_outgrown_at_twice_what_it_was_made_for(
    kind: str, n_then: int, n: int, is_outgrown: bool
) -> None:
    assert outgrown(kind, n, n_then=n_then, d=128, memory_bytes=2 * GIB) == is_outgrown


def test_cells_grow_with_the_root_of_the_number() -> None:
    assert [cells_for(n) for n in (0, 1, 10**6, 10**7, 10**12)] == [1, 2, 2048, 8192, 65536]


@pytest.mark.parametrize("kind", ["ivf", "ivfpq"])
def test_a_new_index_says_how_much_it_finds(store: Store, folder: Path, kind: str) -> None:
    index = opened(store, folder, kind=kind)
    assert len(index) == VIDEOS * SECONDS
    assert index.pending == 0
    assert_finds(index, seed=3, video_id=4)
    told = describe_index(folder, HEAD)
    assert told is not None
    assert (told["kind"], told["frames"], told["built_of"]) == (kind, VIDEOS * SECONDS, VIDEOS * SECONDS)
    assert told["ann_recall_at_10"] >= cache.RECALL_WANTED
    assert told["bytes"] == index_path(folder, HEAD).stat().st_size


def test_an_approximate_index_of_nothing_takes_what_comes(tmp_path: Path) -> None:
    with Store.open(tmp_path / "empty", writable=True, create=True) as empty:
        assert len(opened(empty, tmp_path / "cache", kind="ivf")) == 0
        put(empty, world(SECONDS, seed=1), "first.mp4")
        assert len(opened(empty, tmp_path / "cache", kind="ivf")) == SECONDS


def test_nothing_is_said_of_an_index_that_is_not_there_or_damaged(folder: Path) -> None:
    assert describe_index(folder, HEAD) is None
    folder.mkdir(parents=True)
    index_path(folder, HEAD).write_bytes(b"nothing of the kind")
    assert describe_index(folder, HEAD) is None


def test_few_changes_are_followed_in_memory_and_many_are_written(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cache, "PENDING_SHARE", 0.1)
    opened(store, folder, kind="ivf")
    with caplog.at_level(logging.INFO):
        first = put(store, world(SECONDS, seed=50), "first.mp4")
        index = opened(store, folder, kind="ivf")
        assert_finds(index, seed=50, video_id=first)
        assert frames_on_disk(folder) == VIDEOS * SECONDS
        store.remove_videos([1, 2])
        index = opened(store, folder, kind="ivf")
        assert_finds(index, seed=50, video_id=first)
        assert len(index) == frames_on_disk(folder) == (VIDEOS - 1) * SECONDS
        assert not {1, 2} & set((index.ids() >> 24).tolist())
    assert "anew" not in caplog.text
    assert "is built" not in caplog.text


def test_a_changed_video_is_in_the_index_once(store: Store, folder: Path) -> None:
    opened(store, folder, kind="ivf")
    store.replace_video(2, video_of(world(SECONDS, seed=60)[:800], "other"), sighting(b"1.mp4"))
    index = opened(store, folder, kind="ivf")
    assert len(index) == len(set(index.ids().tolist())) == VIDEOS * SECONDS - 20
    assert_finds(index, seed=60, video_id=2)


def test_a_build_that_goes_to_disk_now_and_then_gives_the_same_index(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = opened(store, folder, kind="ivf")
    monkeypatch.setattr(cache, "_BATCH_FRAMES", 100)
    pieces = opened(store, tmp_path / "other", kind="ivf", memory_bytes=1)
    query = excerpt(world(SECONDS, seed=1), 3, 9).vectors
    for ours, theirs in zip(pieces.search(query, 5), whole.search(query, 5), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert [path.name for path in (tmp_path / "other").iterdir()] == [index_path(folder, HEAD).name]


@pytest.mark.usefixtures("few_are_exact")
def test_what_was_outgrown_is_used_until_someone_builds_anew(store: Store, folder: Path) -> None:
    store.remove_videos(range(5, VIDEOS + 1))
    opened(store, folder)
    for number in range(20):
        put(store, world(SECONDS, seed=number), f"new {number}.mp4")
    assert type(opened(store, folder)).__name__ == "FlatIndex"
    old = opened(store, folder)
    index = opened(store, folder, rebuild=True)
    assert type(index).__name__ == "IvfIndex"
    assert set(index.ids().tolist()) == set(old.ids().tolist())
    file = index_path(folder, HEAD).stat()
    assert type(opened(store, folder, rebuild=True)).__name__ == "IvfIndex"
    assert index_path(folder, HEAD).stat().st_mtime_ns == file.st_mtime_ns


@pytest.mark.usefixtures("few_are_exact")
def test_indexing_leaves_small_libraries_to_their_next_search(store: Store, folder: Path) -> None:
    gallery = Gallery(store, HEAD)
    refresh_index(gallery, folder, n=400, d=D)
    assert not folder.exists()
    refresh_index(gallery, folder, n=VIDEOS * SECONDS, d=D)
    assert read_header(index_path(folder, HEAD)).kind == "ivf"


def test_damage_that_shows_when_changes_are_written_leads_to_a_new_index(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from vsearch.search.ann import files

    opened(store, folder, kind="ivf")
    path = index_path(folder, HEAD)
    _, (size,), offset = read_header(path).arrays["lists"]
    data = path.read_bytes()
    path.write_bytes(data[:offset] + b"\xff" * size + data[offset + size :])
    monkeypatch.setattr(files, "CHECKED_BYTES", 0)  # as if it were large
    put(store, world(SECONDS, seed=50), "new.mp4")
    with caplog.at_level(logging.INFO):
        opened(store, folder, kind="ivf")
    assert "damaged" in caplog.text
    assert not path.exists()
    assert_finds(opened(store, folder, kind="ivf"), seed=50, video_id=VIDEOS + 1)
