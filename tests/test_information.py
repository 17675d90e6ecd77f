"""Frames that show nothing are marked, whatever noise, borders and edits are on them; frames that show something are
not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests import videos
from tests.archives import open_tiny
from vsearch.config import IndexConfig
from vsearch.information import low_information

Picture = NDArray[np.uint8]
HEIGHT, WIDTH = 144, 256
LEVELS = st.integers(0, 255)
COLOURS = st.tuples(LEVELS, LEVELS, LEVELS)
BARS = ((1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1), (0, 0, 0))


def plain(colour: tuple[int, int, int], height: int = HEIGHT, width: int = WIDTH) -> Picture:
    return np.broadcast_to(np.array(colour, np.uint8)[:, None, None], (3, height, width)).copy()


def bars(level: int = 191, height: int = HEIGHT, width: int = WIDTH) -> Picture:
    """EBU colour bars: eight columns."""
    order = np.array(BARS, np.uint8).T * np.uint8(level)
    return np.broadcast_to(order[:, None, np.arange(width) * 8 // width], (3, height, width)).copy()


def smpte(height: int = HEIGHT, width: int = WIDTH) -> Picture:
    """SMPTE colour bars: seven columns, a reversed row of blue, cyan and magenta, and a row of dark patches."""
    picture = np.zeros((3, height, width), np.uint8)
    middle, bottom, seventh = round(height * 0.67), round(height * 0.75), np.arange(width) * 7 // width
    row = ((0, 0, 1), (0, 0, 0), (1, 0, 1), (0, 0, 0), (0, 1, 1), (0, 0, 0), (1, 1, 1))
    picture[:, :middle] = (np.array(BARS[:7], np.uint8).T * 191)[:, None, seventh]
    picture[:, middle:bottom] = (np.array(row, np.uint8).T * 191)[:, None, seventh]
    picture[:, bottom:] = 19
    picture[:, bottom:, width // 6 : width // 3] = 255
    return picture


def noisy(picture: Picture, sigma: float, seed: int = 0) -> Picture:
    noise = np.random.default_rng(seed).normal(0, sigma, picture.shape)
    return (picture + noise).clip(0, 255).astype(np.uint8)


def marked(picture: Picture) -> bool:
    return bool(low_information(picture[None])[0])


@given(COLOURS, st.integers(2, 20), st.integers(2, 20), st.floats(0, 15))
@settings(max_examples=60, deadline=None)
def test_plain_frames_are_marked_whatever_the_grain(
    colour: tuple[int, int, int], rows: int, columns: int, sigma: float
) -> None:
    assert marked(noisy(plain(colour, 16 * rows, 16 * columns), sigma))


@given(COLOURS, st.integers(0, 36), st.integers(0, 36), st.booleans())
@settings(max_examples=60, deadline=None)
def test_plain_frames_inside_black_bars_are_marked(
    colour: tuple[int, int, int], first: int, last: int, upright: bool
) -> None:
    """Of a fade to white in a film of another shape, whether or not the bars end where blocks do."""
    assume(np.dot(colour, (0.299, 0.587, 0.114)) > 40)  # plainly no part of the bars
    picture = plain((0, 0, 0))
    inside = (slice(first, HEIGHT - last),) if upright else (slice(None), slice(2 * first, WIDTH - 2 * last))
    picture[:, *inside] = np.array(colour, np.uint8)[:, None, None]
    assert marked(noisy(picture, 3))


@given(st.integers(0, 200), st.integers(0, 40), st.integers(0, 40), st.booleans())
@settings(max_examples=40, deadline=None)
def test_scenes_are_not_marked_nor_inside_black_bars(scene: int, first: int, last: int, dark: bool) -> None:
    picture = videos.texture(scene) // (2 if dark else 1)
    assert not marked(picture)
    picture[:, :first] = 0
    picture[:, HEIGHT - last :] = 0
    assert not marked(picture)


@given(st.integers(0, 50), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_once_marked_a_fade_stays_marked(scene: int, one: float, other: float) -> None:
    brighter, darker = (videos.texture(scene) * share for share in (max(one, other), min(one, other)))
    if marked(brighter.astype(np.uint8)):
        assert marked(darker.astype(np.uint8))


@given(st.sampled_from(["ebu", "smpte"]), st.integers(140, 255), st.floats(0, 4), st.booleans(), st.integers(0, 24))
@settings(max_examples=40, deadline=None)
def test_colour_bars_are_marked_mirrored_cropped_and_noisy(
    kind: str, level: int, sigma: float, mirrored: bool, border: int
) -> None:
    picture = bars(level) if kind == "ebu" else smpte()
    picture = noisy(picture[:, :, ::-1] if mirrored else picture, sigma)
    assert marked(picture)
    assert marked(picture[:, 16:-16, 16:-16])
    picture[:, :border] = 0
    picture[:, HEIGHT - border :] = 0
    assert marked(picture)


def test_a_few_colours_are_not_colour_bars() -> None:
    flag = np.concatenate([plain(colour, 48) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))], axis=1)
    assert not marked(flag)
    sheet = plain((255, 255, 255))
    for number, colour in enumerate(BARS):  # dots of all colours on paper
        sheet[:, 64:72, 16 + 24 * number : 24 + 24 * number] = np.array(colour, np.uint8)[:, None, None] * 255
    assert not marked(sheet)


@pytest.mark.parametrize(("height", "width"), [(4, 60), (10, 40), (20, 160)])
def test_lettering_on_black_is_information(height: int, width: int) -> None:
    credits = plain((0, 0, 0))
    credits[:, 60 : 60 + height, 48 : 48 + width : 4] = 255
    credits[:, 60 : 60 + height, 49 : 49 + width : 4] = 255
    assert not marked(credits)


@given(st.integers(0, 300), st.floats(0, 0.1))
@settings(max_examples=30, deadline=None)
def test_marks_do_not_depend_on_the_orientation(scene: int, share: float) -> None:
    picture = (videos.texture(scene) * share).astype(np.uint8)
    turned = [picture, picture[:, ::-1], picture[:, :, ::-1], picture.transpose(0, 2, 1)]
    assert len({marked(np.ascontiguousarray(one)) for one in turned}) == 1


def test_frames_without_content_are_neither_searched_nor_found(tmp_path: Path) -> None:
    """Through real files: what is marked in the library is marked in a query."""
    (tmp_path / "films").mkdir()
    white = plain((0, 0, 0))
    white[:, 20:124] = 235
    nothing = [bars(), smpte(), plain((16, 16, 16)), white]
    for name, scene in (("one", 3), ("two", 4)):
        cards = [picture for picture in nothing for _ in range(20)]
        videos.write_stream(tmp_path / "films" / f"{name}.mp4", [*videos.scene_frames(scene, 20), *cards], fps=10)
    videos.write_stream(tmp_path / "cards.mp4", [picture for picture in nothing for _ in range(20)], fps=10)
    with open_tiny(tmp_path / "library") as library:
        library.index([tmp_path / "films"], IndexConfig(quality_check=False))
        clips = library.info("one.mp4")["clips"]
        (cards_found,) = library.search([tmp_path / "cards.mp4"], min_similarity=0)
        (found,) = library.search([tmp_path / "films" / "two.mp4"], k=1)
    assert [clip["low_information"] for clip in clips] == [False] + [True] * (len(clips) - 1)
    assert cards_found.hits == ()
    assert found.hits[0].video.endswith("two.mp4")
