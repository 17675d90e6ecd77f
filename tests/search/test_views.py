"""Views of a query: boxes are found where they are and nowhere else, and pictures keep their content."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.videos import scene_frames
from vsearch.search.views import Box, boxes, resized, views

SIZE = (144, 256)


def scene(seed: int, n: int = 12, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.stack(list(scene_frames(seed, n, size, speed=3)))


def pasted(top: int, left: int, height: int, width: int) -> np.ndarray:
    """A moving picture with another one in it, which moves the other way, so that only its sides stand still."""
    outer, inner = scene(1) // 2, scene(2, size=(height, width)) // 2 + 127
    inner = np.stack([np.roll(frame, 5 * i, axis=1) for i, frame in enumerate(inner)])
    outer[:, :, top : top + height, left : left + width] = inner
    return outer


@settings(max_examples=12, deadline=None)
@given(top=st.integers(4, 80), left=st.integers(4, 150), height=st.integers(48, 60), width=st.integers(80, 100))
def test_a_picture_in_a_picture_is_found_within_two_pixels(top: int, left: int, height: int, width: int) -> None:
    found = boxes(pasted(top, left, height, width))
    assert found
    best = found[0]
    truth = (top, top + height, left, left + width)
    assert np.abs(np.subtract((best.top, best.bottom, best.left, best.right), truth)).max() <= 2


def test_what_lies_between_black_bars_is_found() -> None:
    frames = np.zeros((12, 3, *SIZE), np.uint8)
    frames[:, :, 20:124] = scene(3, size=(104, 256)) // 2 + 80
    best = boxes(frames)[0]
    assert (best.left, best.right) == (0, 256)
    assert abs(best.top - 20) <= 1
    assert abs(best.bottom - 124) <= 1


def test_both_halves_of_a_split_screen_are_found() -> None:
    frames = np.concatenate([scene(4, size=(144, 128)) // 3, scene(5, size=(144, 128)) // 3 + 150], axis=3)
    found = boxes(frames)
    assert any(box.overlap(Box(0, 144, 0, 128)) > 0.95 for box in found)
    assert any(box.overlap(Box(0, 144, 128, 256)) > 0.95 for box in found)


def test_flat_frames_have_no_boxes() -> None:
    assert boxes(np.full((4, 3, *SIZE), 90, np.uint8)) == []


def test_views_are_the_mirrored_frames_and_boxes_of_the_size_that_a_library_keeps() -> None:
    frames = pasted(30, 100, 56, 96)
    mirrored, *inside = views(frames, display_aspect=16 / 9)
    assert mirrored.name == "mirrored"
    assert np.array_equal(mirrored.frames[..., ::-1], frames)
    assert inside
    for view in inside:
        assert view.box is not None
        assert view.frames.shape[:2] == frames.shape[:2]
        assert all(side % 16 == 0 for side in view.frames.shape[2:])
        assert view.frames.shape[2] * view.frames.shape[3] == pytest.approx(144 * 256, rel=0.25)


@settings(max_examples=20, deadline=None)
@given(
    before=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    after=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    level=st.integers(0, 255),
)
def test_a_flat_picture_stays_flat_at_every_size(before: tuple[int, int], after: tuple[int, int], level: int) -> None:
    out = resized(np.full((1, 3, *before), level, np.uint8), after)
    assert out.shape == (1, 3, *after)
    assert (out == level).all()


@pytest.mark.parametrize("size", [(144, 192), (32, 80), (48, 64)])
def test_scaling_is_that_of_pillow_within_a_level(size: tuple[int, int]) -> None:
    frame = scene(6, 1, (48, 64))
    image = Image.fromarray(np.ascontiguousarray(frame[0].transpose(1, 2, 0)))
    wanted = np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR), np.int16).transpose(2, 0, 1)
    assert np.abs(resized(frame, size)[0] - wanted).max() <= 1
