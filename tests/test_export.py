"""Copies of libraries: of one moment, equal or with exactly what was asked for left out."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.archives import make_video, open_tiny
from tests.db import samples
from tests.equal_libraries import assert_equal_libraries, contents
from vsearch.config import IndexConfig
from vsearch.db.copying import Extent
from vsearch.db.store import Store
from vsearch.errors import InputError
from vsearch.library import Library

OWNER = "the owners private disk"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`library/` of three videos below `the owners private disk/`, one of them seen twice, and of a broken file."""
    folder = tmp_path_factory.mktemp("shelf")
    for number in range(3):
        make_video(folder / OWNER / f"{number}.mp4", 10 * number)
    make_video(folder / OWNER / "copies" / "0.mp4", 0)
    (folder / OWNER / "broken.mp4").write_bytes(bytes(range(256)) * 40)
    with open_tiny(folder / "library") as library:
        library.index([folder / OWNER], IndexConfig(workers=1))
    return folder


def meta(library: Path) -> tuple[str, int]:
    with Store.open(library, writable=False) as store:
        return store.meta().uuid, store.meta().generation


def test_a_whole_copy_is_the_same_library(shelf: Path, tmp_path: Path) -> None:
    with Library.open(shelf / "library") as library:
        told = library.export(tmp_path / "copy")
        before = [library.info(f"v{i}") for i in (1, 2, 3)]
    assert_equal_libraries(shelf / "library", tmp_path / "copy")
    assert meta(tmp_path / "copy") == meta(shelf / "library")
    assert told["uuid"] == meta(shelf / "library")[0]
    with Library.open(tmp_path / "copy") as copy:
        assert [copy.info(f"v{i}") for i in (1, 2, 3)] == before
        assert copy.preview(["v1"], tmp_path / "sheet.png").frames > 0
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {"library.db", "models"}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_without_pictures_the_same_is_found_and_nothing_is_shown(shelf: Path, tmp_path: Path) -> None:
    query = shelf / OWNER / "1.mp4"
    with Library.open(shelf / "library") as library:
        library.export(tmp_path / "copy", pictures=False)
        (expected,) = library.search([query], min_similarity=0)
        whole = library.info()
    with Library.open(tmp_path / "copy") as copy:
        (found,) = copy.search([query], min_similarity=0)
        info = copy.info()
        assert copy.worst_clips(5) == []
        with pytest.raises(InputError, match="stored without pictures"):
            copy.preview(["v1"], tmp_path / "sheet.png")
    assert found.hits == expected.hits != ()
    assert (info["without_pictures"], info["bytes_latents"]) == (3, 0)
    assert info["bytes_embeddings"] == whole["bytes_embeddings"]
    assert info["bytes_database"] < whole["bytes_database"]
    with Store.open(tmp_path / "copy", writable=False) as store:
        assert [store.chunks(video_id) for video_id in store.video_ids()] == [(), (), ()]
    uuid, generation = meta(shelf / "library")
    assert meta(tmp_path / "copy")[0] != uuid
    assert meta(tmp_path / "copy")[1] == generation + 1


def test_without_paths_nothing_tells_of_the_owners_disks(shelf: Path, tmp_path: Path) -> None:
    with Library.open(shelf / "library") as library:
        labels = {str(line["volume"]) for line in library.list()}
        library.export(tmp_path / "copy", paths=False)
    stored = b"".join(path.read_bytes() for path in (tmp_path / "copy").rglob("*") if path.is_file())
    assert OWNER.encode() in (shelf / "library" / "library.db").read_bytes()
    assert OWNER.encode() not in stored
    assert str(shelf).encode() not in stored
    with Library.open(tmp_path / "copy") as copy:
        listed = copy.list()
        assert copy.preview(["v1"], tmp_path / "sheet.png").frames > 0
        assert copy.info("0.mp4")["video_id"] == 1
    assert {line["path"] for line in listed} == {f"/exported/v{i + 1}/{i}.mp4" for i in range(3)}
    assert {line["volume"] for line in listed} == {"exported"}
    assert all(line["online"] is False for line in listed)
    assert "exported" not in labels


def test_a_copy_can_be_indexed_further_and_gives_out_new_ids_only(shelf: Path, tmp_path: Path) -> None:
    make_video(tmp_path / "more" / "9.mp4", 90)
    with Library.open(shelf / "library") as library:
        library.export(tmp_path / "first")
    with Library.open(tmp_path / "first") as first:
        first.remove(["v3"])
        first.export(tmp_path / "second", pictures=False, paths=False)
    with Library.open(tmp_path / "second") as second:
        report = second.index([tmp_path / "more", shelf / OWNER / "0.mp4"])
        assert (report.indexed, report.copies) == (1, 1)
        assert [line["video_id"] for line in second.list()] == [1, 2, 4]


def test_a_folder_that_is_taken_is_left_alone(shelf: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thing").touch()
    (tmp_path / "empty").mkdir()
    with Library.open(shelf / "library") as library:
        with pytest.raises(InputError, match="is there already"):
            library.export(tmp_path / "taken")
        library.export(tmp_path / "empty")
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["thing"]
    assert {path.name for path in tmp_path.iterdir()} == {"taken", "empty"}


def test_a_copy_is_of_one_moment_while_another_writes(tmp_path: Path) -> None:
    """The writer's videos come and go in pairs, in one transaction each; no copy may hold half of a step."""
    library = tmp_path / "library"
    done = threading.Event()

    def write() -> None:
        with Store.open(library, writable=True) as store:
            number = 0
            while not done.is_set():
                name = f"film {number % 7}"
                known = store.video_by_full_hash(samples.identity(name).full_hash)
                if known is not None:
                    store.remove_videos([known])
                store.add_video(samples.indexed(name, n=300), samples.sighting(f"{number % 7}.mp4".encode()))
                number += 1

    with Store.open(library, writable=True, create=True) as store:
        for number in range(7):
            store.add_video(samples.indexed(f"film {number}", n=300), samples.sighting(f"{number}.mp4".encode()))
    writer = threading.Thread(target=write)
    writer.start()
    try:
        generations = set()
        for number in range(5):
            with Store.open(library, writable=False) as reader:
                reader.copy_to(tmp_path / f"copy {number}", Extent())
            held = contents(tmp_path / f"copy {number}")["videos"]
            assert len(held) in (6, 7)
            for video in held.values():
                assert sum(chunk.n_frames for chunk in video["chunks"]) == 300
                assert len(video["times"][3]) == 300
                assert len(video["paths"]) == 1
            generations.add(meta(tmp_path / f"copy {number}")[1])
        assert len(generations) > 1  # it did write meanwhile
    finally:
        done.set()
        writer.join()
