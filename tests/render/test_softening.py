"""Softened pictures: nothing sharp and nothing coloured is drawn, whatever draws it."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from tests import videos
from tests.archives import tiny_folders
from vsearch.config import Look
from vsearch.library import Library
from vsearch.render.softening import CELLS, soften

Pixels = NDArray[np.uint8]
SIDE = 10 * CELLS


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=20, deadline=None)
def test_a_blurred_picture_depends_on_the_means_of_its_cells_alone(seed: int, grey: bool) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    cells = pixels.reshape(CELLS, 10, CELLS, 10, 3).swapaxes(1, 2).reshape(CELLS, CELLS, 100, 3)
    shuffled = cells[:, :, rng.permutation(100)].reshape(CELLS, CELLS, 10, 10, 3).swapaxes(1, 2).reshape(pixels.shape)
    one, other = (np.asarray(soften(Image.fromarray(p), Look(True, grey))) for p in (pixels, shuffled))
    assert np.abs(one.astype(int) - other).max() <= 3  # of rounding
    assert np.abs(pixels.astype(int) - shuffled).max() > 200


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_grey_pictures_have_no_colour_and_sizes_stay(height: int, width: int, seed: int) -> None:
    image = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))
    for look in (Look(grey=True), Look(blur=True), Look(blur=True, grey=True)):
        softened = soften(image, look)
        assert softened.size == image.size
        assert softened.mode == "RGB"
        if look.grey:
            pixels = np.asarray(softened).astype(int)
            assert np.ptp(pixels, axis=2).max() == 0
    assert np.array_equal(soften(image, Look()), image)


# ------------------------------------------------------------------------------------------------- whatever is written


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of coloured blocks, sharp from one 16x16 block to the next, and the library of it."""
    folder = tmp_path_factory.mktemp("film")
    rng = np.random.default_rng(5)
    colours = rng.choice(np.array([0, 255], np.uint8), (20, 3, 9, 16))
    frames = (picture.repeat(16, 1).repeat(16, 2) for picture in colours)
    videos.write_stream(folder / "film.mp4", frames, fps=2)
    codec, head = tiny_folders()
    with Library.open(folder / "library", create=True, codec=codec, head=head) as library:
        library.index([folder / "film.mp4"])
    return folder


def opened(file: Path | BytesIO) -> Pixels:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def sheet(library: Library, film: Path, out: Path) -> Iterator[Pixels]:
    library.preview(["v1"], out / "sheet.png", every_s=2)
    yield opened(out / "sheet.png")[68:212, 20:276]


def frames(library: Library, film: Path, out: Path) -> Iterator[Pixels]:
    for path in library.preview(["v1"], out / "frames", form="frames").files:
        yield opened(path)


def animation(library: Library, film: Path, out: Path) -> Iterator[Pixels]:
    library.preview(["v1"], out / "moving.webp", form="animation")
    with Image.open(out / "moving.webp") as moving:
        for number in range(moving.n_frames):
            moving.seek(number)
            yield np.asarray(moving.convert("RGB"))[:128]  # above the caption and what it bleeds into


def movie(library: Library, film: Path, out: Path) -> Iterator[Pixels]:
    library.preview(["v1"], out / "moving.mp4")
    with av.open(out / "moving.mp4") as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")[:128]


def search_page(library: Library, film: Path, out: Path) -> Iterator[Pixels]:
    list(library.search([film / "film.mp4"], report=out / "found.html"))
    yield from embedded(out / "found.html", at_least=4)  # query frames and frames found


def cluster_page(library: Library, film: Path, out: Path) -> Iterator[Pixels]:
    library.cluster(report=out / "groups.html")
    yield from embedded(out / "groups.html", at_least=1)


def embedded(page: Path, *, at_least: int) -> Iterator[Pixels]:
    found = re.findall(r"data:image/webp;base64,([A-Za-z0-9+/=]+)", page.read_text())
    assert len(found) >= at_least
    for data in found:
        yield opened(BytesIO(b64decode(data)))


def steepest(pixels: Pixels) -> int:
    """The largest step of brightness between neighbouring pixels (colour is subsampled by the file formats)."""
    levels = pixels.astype(int).mean(axis=2)
    return max(int(np.abs(np.diff(levels, axis=axis)).max()) for axis in (0, 1))


def colour(pixels: Pixels) -> int:
    """How far apart the channels of a pixel are, at most."""
    return int(np.ptp(pixels.astype(int), axis=2).max())


@pytest.mark.parametrize("draw", [sheet, frames, animation, movie, search_page, cluster_page])
def test_no_sharp_and_no_coloured_pixel_is_drawn(
    draw: Callable[[Library, Path, Path], Iterator[Pixels]], film: Path, tmp_path: Path
) -> None:
    steps, colours = {}, {}
    for look in (Look(), Look(blur=True), Look(grey=True)):
        out = tmp_path / f"{look.blur}{look.grey}"
        out.mkdir()
        with Library.open(film / "library", look=look) as library:
            drawn = list(draw(library, film, out))
        steps[look] = max(map(steepest, drawn))
        colours[look] = max(map(colour, drawn))
    assert steps[Look()] > 120  # the footage would show it
    assert colours[Look()] > 120
    assert steps[Look(blur=True)] <= 60
    assert colours[Look(grey=True)] <= 8  # rounding of the file formats


def test_softened_files_say_so(film: Path, tmp_path: Path) -> None:
    with Library.open(film / "library", look=Look(blur=True, grey=True)) as library:
        library.preview(["v1"], tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as drawn:
        assert "Shown blurred and without colour." in drawn.info["Description"]


def test_pictures_are_decoded_in_one_place_only() -> None:
    folder = Path(__file__).parents[2] / "vsearch" / "render"
    decoding = [path.name for path in folder.glob("*.py") if ".decode(" in path.read_text().replace(").decode()", "")]
    assert decoding == ["frames.py"]
