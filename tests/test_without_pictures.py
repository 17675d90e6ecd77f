"""Videos of which only what they are found by is kept."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from tests.archives import make_video, open_tiny
from tests.tiny_models import write_tiny_models
from vsearch.config import IndexConfig, ReadConfig
from vsearch.db.store import Store
from vsearch.errors import InputError
from vsearch.library import Library

BARE = IndexConfig(pictures=False)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    for number in range(2):
        make_video(tmp_path / "films" / f"{number}.mp4", 10 * number)
    return tmp_path / "films"


def blocks(library: Path) -> list[bytes]:
    with Store.open(library, writable=False) as store:
        head = store.meta().active_head or ""
        return sorted(stored.block.vectors.tobytes() for stored in store.embedding_blocks(head))


def chunks(library: Path) -> dict[int, int]:
    with Store.open(library, writable=False) as store:
        return {video_id: len(store.chunks(video_id)) for video_id in store.video_ids()}


def clip_fidelity(library: Library, video: str) -> list[float | None]:
    return [clip["psnr_db"] for clip in library.info(video)["clips"]]


def test_no_latents_are_stored_and_the_embeddings_are_the_same(films: Path, tmp_path: Path) -> None:
    with open_tiny(tmp_path / "bare") as library:
        report = library.index([films], BARE)
        assert (report.indexed, report.bytes_latents) == (2, 0)
        assert library.info()["without_pictures"] == 2
        assert library.info("v1")["pictures"] is False
        assert [line["pictures"] for line in library.list()] == [False, False]
        assert clip_fidelity(library, "v1") == [None, None]
        (answer,) = library.search([films / "1.mp4"], k=1)
        assert answer.hits[0].video == str(films / "1.mp4")
    with open_tiny(tmp_path / "whole") as library:
        library.index([films])
    assert set(chunks(tmp_path / "bare").values()) == {0}
    assert blocks(tmp_path / "bare") == blocks(tmp_path / "whole") != []


def test_what_draws_says_that_there_is_nothing_to_draw(films: Path, tmp_path: Path) -> None:
    with open_tiny(tmp_path / "library") as library:
        library.index([films / "0.mp4"])
        library.index([films], BARE)
        for out in ("sheet.png", "moving.gif", "moving.mp4", "sheet.webp"):
            with pytest.raises(InputError, match="v2 is stored without pictures"):
                library.preview(["v2"], tmp_path / out)
        with pytest.raises(InputError, match="v2 is stored without pictures"):
            library.preview(["v2"], tmp_path / "frames", form="frames")
        assert {path.name for path in tmp_path.iterdir()} == {"films", "library"}
        drawn = library.preview(None, tmp_path / "all")
        assert [path.name for path in drawn.files] == ["index.html", "v1-0.webp"]
        assert "v2 is stored without pictures" in (tmp_path / "all" / "index.html").read_text()
        list(library.search([films / "1.mp4"], report=tmp_path / "found.html"))
        assert "v2 is stored without pictures" in (tmp_path / "found.html").read_text()
        library.cluster(report=tmp_path / "groups.html")
        page = (tmp_path / "groups.html").read_text()
        assert "v2 is stored without pictures" in page
        assert "data:image/webp" in page  # the other one is drawn
        (films / "1.mp4").unlink()
        library.index([films])
        with pytest.raises(InputError, match="once its original is online again"):
            library.preview(["v2"], tmp_path / "sheet.png")


def test_only_an_upgrade_brings_pictures(films: Path, tmp_path: Path) -> None:
    with open_tiny(tmp_path / "library") as library:
        library.index([films], BARE)
        assert library.index([films]).unchanged == 2
        denser = IndexConfig(read=ReadConfig(fps=Fraction(2)))
        assert library.index([films / "0.mp4"], denser).indexed == 1  # read again, for more frames
        assert library.index([films], IndexConfig(pictures=False, upgrade=True)).unchanged == 2
        assert set(chunks(tmp_path / "library").values()) == {0}
        report = library.index([], IndexConfig(upgrade=True))
        assert (report.indexed, report.upgraded) == (2, 2)
        assert library.info("v1")["pictures"] is True
        assert library.preview(["v1"], tmp_path / "sheet.png").frames > 0


def test_pictures_that_there_are_stay(films: Path, tmp_path: Path) -> None:
    with open_tiny(tmp_path / "library") as library:
        library.index([films])
        before = chunks(tmp_path / "library")
        assert library.index([films], BARE).unchanged == 2
        report = library.index([films], IndexConfig(quality="high", upgrade=True, pictures=False))
        assert report.upgraded == 2
        assert chunks(tmp_path / "library") == before
        assert None not in clip_fidelity(library, "v1")


def test_an_interrupted_run_goes_on_without_pictures(films: Path, tmp_path: Path) -> None:
    with open_tiny(tmp_path / "library") as library:
        library.index([films / "0.mp4"], BARE)
        with Store.open(tmp_path / "library", writable=True) as store:
            store.start_run(store.runs()[-1].arguments, {})
        make_video(films / "0.mp4", 70)  # another film at its place
        assert library.index([]).indexed == 1
        assert set(chunks(tmp_path / "library").values()) == {0}


def test_reembed_names_what_has_no_pictures(films: Path, tmp_path: Path) -> None:
    _, head = write_tiny_models(tmp_path / "other", seed=1)
    with open_tiny(tmp_path / "library") as library:
        library.index([films], BARE)
        report = library.reembed(head=head)
    assert [left.video_id for left in report.left] == [1, 2]
    assert report.switched is False
    assert all("without pictures" in left.reason for left in report.left)
