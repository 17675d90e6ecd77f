"""The index file follows the library, and whatever happens to it costs time only."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.db.samples import sighting
from tests.search.shelves import HEAD, D, excerpt, put, video_of, world
from vsearch.db.store import Store
from vsearch.errors import AnnError
from vsearch.search.ann.base import AnnIndex
from vsearch.search.ann.files import read_stamp
from vsearch.search.cache import open_index
from vsearch.search.gallery import Gallery


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "library", writable=True, create=True) as opened:
        for number in range(3):
            put(opened, world(20, seed=number), f"{number}.mp4")
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "library" / "cache"


def refreshed(store: Store, folder: Path | None) -> AnnIndex:
    return open_index(Gallery(store, HEAD), folder, d=D)


def content(index: AnnIndex) -> set[int]:
    return set(index.ids().tolist())


def assert_complete(index: AnnIndex, store: Store) -> None:
    """The index holds what a new one would, and answers alike."""
    fresh = refreshed(store, None)
    assert content(index) == content(fresh)
    query = excerpt(world(20, seed=1), 3, 9).vectors
    for ours, theirs in zip(index.search(query, 5), fresh.search(query, 5), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_file_is_made_once_and_used_again(store: Store, folder: Path) -> None:
    assert len(refreshed(store, folder)) == 60
    (file,) = folder.iterdir()
    before = file.stat()
    assert_complete(refreshed(store, folder), store)
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert read_stamp(file) == {"library": store.meta().uuid, "generation": store.meta().generation, "head": HEAD}


def test_new_videos_are_added_without_building_anew(
    store: Store, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    refreshed(store, folder)
    put(store, world(30, seed=7), "new.mp4")
    with caplog.at_level(logging.INFO):
        index = refreshed(store, folder)
    assert "anew" not in caplog.text
    assert len(index) == 90
    assert_complete(index, store)


def test_removed_and_changed_videos_leave_the_index(store: Store, folder: Path) -> None:
    refreshed(store, folder)
    first, second, _ = store.video_ids()
    store.remove_videos([first])
    store.replace_video(second, video_of(world(10, seed=8), "other"), sighting(b"1.mp4"))
    index = refreshed(store, folder)
    assert {identity >> 24 for identity in content(index)} == {second, 3}
    assert len(index) == 30
    assert_complete(index, store)


def test_frames_without_information_are_not_indexed(store: Store, folder: Path) -> None:
    refreshed(store, folder)
    low = np.zeros(20, bool)
    low[5:15] = True
    video = put(store, world(20, seed=9), "dark.mp4", low=low)
    numbers = {identity & 0xFFFFFF for identity in content(refreshed(store, folder)) if identity >> 24 == video}
    assert numbers == {*range(5), *range(15, 20)}


@pytest.mark.parametrize("damage", ["garbage", "truncated", "flipped", "empty", "other library", "folder"])
def test_a_file_that_cannot_be_used_is_replaced(
    store: Store, folder: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    refreshed(store, folder)
    (file,) = folder.iterdir()
    data = file.read_bytes()
    if damage == "folder":
        file.unlink()
        file.mkdir()
    else:
        file.write_bytes(
            {
                "garbage": os.urandom(1000),
                "truncated": data[:-100],
                "flipped": data[:-200] + bytes([data[-200] ^ 1]) + data[-199:],
                "empty": b"",
                "other library": data.replace(store.meta().uuid.encode(), b"0" * len(store.meta().uuid)),
            }[damage]
        )
    with caplog.at_level(logging.INFO):
        assert_complete(refreshed(store, folder), store)
    assert "anew" in caplog.text
    if damage != "folder":
        assert file.read_bytes() == data


def test_an_index_older_than_the_library_remembers_is_built_anew(store: Store, folder: Path) -> None:
    refreshed(store, folder)
    store.remove_videos(store.video_ids()[:1])
    store.forget_removals(store.meta().generation)
    assert_complete(refreshed(store, folder), store)


def test_a_library_from_a_backup_does_not_meet_its_own_future(store: Store, folder: Path, tmp_path: Path) -> None:
    with Store.open(tmp_path / "older", writable=True, create=True) as other:
        put(other, world(20, seed=0), "0.mp4")
        refreshed(store, folder)
        (file,) = folder.iterdir()
        stamp = read_stamp(file)
        data = file.read_bytes().replace(str(stamp["library"]).encode(), other.meta().uuid.encode())
        file.write_bytes(data)  # its generation is ahead of the other library's (and its checksum no longer fits)
        assert_complete(refreshed(other, folder), other)


def test_where_nothing_can_be_written_the_index_lives_in_memory(store: Store, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    assert_complete(refreshed(store, blocked / "cache"), store)
    assert_complete(refreshed(store, None), store)


def test_what_killed_writers_left_is_cleared_away(store: Store, folder: Path) -> None:
    refreshed(store, folder)
    (file,) = folder.iterdir()
    old, young = (folder / f".{file.name}.{number}" for number in (1, 2))
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(old, (1, 1))
    put(store, world(5, seed=4), "new.mp4")
    refreshed(store, folder)
    assert not old.exists()
    assert young.exists()


def test_vectors_of_other_dimensions_are_named(store: Store) -> None:
    with pytest.raises(AnnError, match="expected embeddings of 32 dimensions"):
        open_index(Gallery(store, HEAD), None, d=32)


def test_an_empty_library_gives_an_empty_index(tmp_path: Path) -> None:
    with Store.open(tmp_path / "empty", writable=True, create=True) as empty:
        assert len(open_index(Gallery(empty, HEAD), tmp_path / "cache", d=D)) == 0
