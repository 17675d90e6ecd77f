"""A library that the first schema and the first codec wrote must stay of use for ever.

It is kept in `tests/data/library-1`; `make.py` there says how it was made. Its films were regenerated scenes, so that
their content can be made again here: the originals are long gone.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests import archives
from vsearch.config import IndexConfig
from vsearch.db.store import Store
from vsearch.errors import InputError
from vsearch.library import Library

KEPT = Path(__file__).parent / "data" / "library-1" / "library"
CODEC = "92d92a784a00a9ff7064d38c0c493a098b6cf4b22652ac69df44b486691e8dfd"
HEAD = "11a5019d6ff0f432c3fdb3334138c17c646e07740bd042846187277d78b79338"
FILMS = {"harbour.mp4": 500, "market.mp4": 510, "night.mp4": 520}
STRANGER = 900


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the library, as somebody would take it along."""
    return shutil.copytree(KEPT, tmp_path / "library")


@pytest.fixture
def library(folder: Path) -> Iterator[Library]:
    with Library.open(folder) as opened:
        yield opened


def grow(library: Library, folder: Path) -> Path:
    """One more film goes in, with the models that the library carries."""
    film = archives.make_video(folder / "new" / "station.mp4", STRANGER, seconds=6.0)
    assert library.index([film], IndexConfig(workers=1, device="cpu")).indexed == 1
    return film


def best(library: Library, query: Path) -> str | None:
    (result,) = library.search([query], device="cpu")
    assert result.error is None
    return Path(result.hits[0].video).name if result.hits else None


def test_it_lists_and_names_its_films(library: Library) -> None:
    assert [Path(entry["path"]).name for entry in library.list()] == sorted(FILMS)
    info = library.info()
    assert (info["videos"], info["frames"], info["clips"]) == (3, 36, 6)
    assert (info["active_codec"], info["active_head"]) == (CODEC, HEAD)


def test_it_finds_its_films_by_regenerated_ones_and_no_strangers(library: Library, tmp_path: Path) -> None:
    for name, scene in FILMS.items():
        assert best(library, archives.make_video(tmp_path / "query.mp4", scene, seconds=6.0)) == name
    assert best(library, archives.make_video(tmp_path / "stranger.mp4", STRANGER, seconds=6.0)) is None


def test_it_draws_what_it_keeps(library: Library, tmp_path: Path) -> None:
    assert library.preview(["v2"], tmp_path / "sheet.png").frames == 12
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 500


def test_it_grows_with_its_own_codec(library: Library, folder: Path, tmp_path: Path) -> None:
    film = grow(library, tmp_path)
    assert best(library, film) == "station.mp4"
    assert best(library, archives.make_video(tmp_path / "query.mp4", FILMS["night.mp4"], seconds=6.0)) == "night.mp4"
    with Store.open(folder, writable=False) as store:
        assert {(chunk.codec_id, chunk.model_id) for chunk in store.chunks(4)} == {(1, CODEC)}
        assert store.meta().active_codec == CODEC
        settings = store.video(4).settings
        assert (settings.quality, settings.effort, settings.level) == ("default", "default", 0)
        assert all(record.clip.psnr_db is not None for record in store.clips(4))


def test_it_is_migrated_by_its_first_writer_and_keeps_everything(library: Library, folder: Path) -> None:
    with Store.open(folder, writable=False) as store:
        assert store.needs_migration
        before = list(store.videos()), list(store.all_clips()), [store.chunks(number) for number in (1, 2, 3)]
    library.index([], IndexConfig(device="cpu"))
    assert (folder / "library.db.v0001").is_file()
    with Store.open(folder, writable=False) as store:
        assert not store.needs_migration
        after = list(store.videos()), list(store.all_clips()), [store.chunks(number) for number in (1, 2, 3)]
    assert [video.settings for video in after[0]] == [video.settings for video in before[0]]
    assert after[1:] == before[1:]


def test_it_offers_no_other_quality_than_it_has(library: Library, folder: Path, tmp_path: Path) -> None:
    film = archives.make_video(tmp_path / "station.mp4", STRANGER, seconds=6.0)
    with pytest.raises(InputError, match="start a new library"):
        library.index([film], IndexConfig(device="cpu", quality="high"))
    with Store.open(folder, writable=False) as store:
        assert store.needs_migration
