"""Queries that are found otherwise than they are: mirrored, between bars; and probabilities instead of scores."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests import videos
from tests.tiny_models import CALIBRATION, write_tiny_models
from vsearch.config import IndexConfig
from vsearch.errors import InputError
from vsearch.library import Library
from vsearch.records import Hit

FPS = 25
SIZE = (144, 256)
BARS = 32


def film(scene: int, frames: int = 100) -> list[np.ndarray]:
    return list(videos.scene_frames(scene, frames, SIZE))


def between_bars(frame: np.ndarray) -> np.ndarray:
    """The picture, all of it, between black bars above and below."""
    out = np.zeros((3, SIZE[0] + 2 * BARS, SIZE[1]), np.uint8)
    out[:, BARS:-BARS] = np.maximum(frame, 60)
    return out


@pytest.fixture(scope="module", params=[False, True], ids=["uncalibrated", "calibrated"])
def calibrated(request: pytest.FixtureRequest) -> bool:
    """Whether the library's head gives probabilities."""
    return bool(request.param)


@pytest.fixture(scope="module")
def place(calibrated: bool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of four films of a scene each, and edited excerpts of the second one beside it."""
    folder = tmp_path_factory.mktemp("place")
    archive = folder / "videos"
    archive.mkdir()
    for number in range(4):
        videos.write_stream(archive / f"{number}.mp4", film(20 + number), fps=FPS)
    codec, head = write_tiny_models(folder / "models", calibrated=calibrated)
    with Library.open(folder / "library", create=True, codec=codec, head=head) as library:
        library.index([archive], IndexConfig(workers=1))
    part = film(21)[15:90]
    videos.write_stream(folder / "plain.mp4", part, fps=FPS)
    videos.write_stream(folder / "mirrored.mp4", (np.ascontiguousarray(f[..., ::-1]) for f in part), fps=FPS)
    videos.write_stream(folder / "bars.mp4", map(between_bars, part), fps=FPS)
    return folder


@pytest.fixture
def library(place: Path) -> Iterator[Library]:
    with Library.open(place / "library") as opened:
        yield opened


def hits(library: Library, query: Path, **options: object) -> tuple[Hit, ...]:
    (result,) = library.search([query], **options)  # type: ignore[arg-type]
    assert result.error is None
    return result.hits


@pytest.mark.parametrize(("query", "view"), [("mirrored", "mirrored"), ("bars", "box")])
def test_an_edited_excerpt_is_found_by_the_view_that_undoes_the_edit(
    library: Library, place: Path, query: str, view: str
) -> None:
    found = hits(library, place / f"{query}.mp4")
    assert [Path(hit.video).stem for hit in found][:1] == ["1"]
    assert found[0].view == view
    assert found[0].start_s == pytest.approx(15 / FPS, abs=0.6)
    plainly = hits(library, place / f"{query}.mp4", views=False)
    assert all(hit.view == "" for hit in plainly)
    assert all(hit.score < found[0].score for hit in plainly)


def test_a_place_that_several_views_find_is_one_hit(library: Library, place: Path) -> None:
    found = hits(library, place / "mirrored.mp4", min_similarity=0, per_video=3, k=50)
    for video in {hit.video_id for hit in found}:
        places = sorted((hit.start_s, hit.end_s, hit.view) for hit in found if hit.video_id == video)
        for (_, end, view), (start, _, other) in pairwise(places):
            assert start >= end or view == other


def test_what_is_found_plainly_is_not_looked_at_otherwise(library: Library, place: Path) -> None:
    found = hits(library, place / "plain.mp4", min_similarity=0)
    assert Path(found[0].video).stem == "1"
    assert {hit.view for hit in found} == {""}


def test_only_a_calibrated_head_gives_probabilities_and_knows_thresholds(
    library: Library, place: Path, calibrated: bool
) -> None:
    everything = hits(library, place / "plain.mp4", min_similarity=0, k=50)
    if not calibrated:
        assert {hit.score_kind for hit in everything} == {"uncalibrated"}
        (refused,) = library.search([place / "plain.mp4"], threshold="duplicate")
        assert "not calibrated" in (refused.error or "")
        return
    assert {hit.score_kind for hit in everything} == {"probability"}
    for name in ("similar", "duplicate"):
        chance = CALIBRATION.thresholds[name]
        wanted = tuple(hit for hit in everything if hit.score >= chance)
        assert hits(library, place / "plain.mp4", threshold=name) == wanted
    assert hits(library, place / "plain.mp4") == hits(library, place / "plain.mp4", threshold="similar")


@pytest.mark.parametrize("threshold", ["sure", -0.1, 1.5])
def test_a_threshold_that_means_nothing_is_refused(library: Library, place: Path, threshold: object) -> None:
    with pytest.raises(InputError, match="threshold must be"):
        hits(library, place / "plain.mp4", threshold=threshold)
