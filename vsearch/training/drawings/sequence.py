"""Scenes put together: which is drawn, where it is cut or held, how the camera moves and what lies over it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vsearch.training.drawings import (
    cartoons,
    desktops,
    diagrams,
    figures,
    games,
    shapes,
    slides,
    terminals,
    titles,
    tuning,
)
from vsearch.training.drawings.looks import looked_at
from vsearch.training.drawings.paint import Scene, Size, chance, pick

FAMILIES: tuple[tuple[Scene, ...], ...] = (
    figures.KINDS,
    shapes.KINDS,
    slides.KINDS,
    terminals.KINDS,
    desktops.KINDS,
    cartoons.KINDS,
    titles.KINDS + tuning.KINDS,
    diagrams.KINDS + games.KINDS,
)
SCENES: tuple[Scene, ...] = tuple(scene for family in FAMILIES for scene in family)


def drawn_frames(rng: np.random.Generator, count: int, size: tuple[int, int] = (216, 384)) -> NDArray[np.uint8]:
    """A sequence (count, 3, H, W) uint8 RGB of one drawn scene, its frames about a second apart.

    Each family of scenes comes equally often; some sequences are cut to another scene of any family, and back.
    The same state of `rng` gives the same bytes with the same versions of numpy, Pillow and matplotlib. Raises
    UnavailableError without matplotlib's fonts.
    """
    canvases = pick(rng, pick(rng, FAMILIES))(rng, _canvas(size))
    if count > 3 and chance(rng, 0.12):
        canvases = _cut(rng, canvases, pick(rng, pick(rng, FAMILIES))(rng, _canvas(size)))
    return looked_at(rng, _developed(rng, _held(rng, canvases), count, size))


def scene_frames(
    scene: Scene, rng: np.random.Generator, count: int, size: tuple[int, int] = (216, 384)
) -> NDArray[np.uint8]:
    """(count, 3, H, W) uint8 RGB of one scene alone, as it was drawn. Raises UnavailableError."""
    return _pixels([canvas.reduce(2) for canvas in islice(scene(rng, _canvas(size)), count)])


def _canvas(size: tuple[int, int]) -> Size:
    return 2 * size[1], 2 * size[0]


def _pixels(frames: list[Image.Image]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.stack([np.asarray(frame) for frame in frames]).transpose(0, 3, 1, 2))


def _cut(
    rng: np.random.Generator, first: Iterator[Image.Image], second: Iterator[Image.Image]
) -> Iterator[Image.Image]:
    """Some of the one, some of the other, and so on: they go on where they were left."""
    while True:
        for scene in (first, second):
            yield from islice(scene, int(rng.integers(2, 12)))


def _held(rng: np.random.Generator, canvases: Iterator[Image.Image]) -> Iterator[Image.Image]:
    """Some scenes stand still now and then, a few for most of the time."""
    share = float(rng.choice((0, 0, 0, 0, 0.15, 0.3, 0.6)))
    for canvas in canvases:
        yield canvas
        while share and chance(rng, share):
            yield canvas


def _developed(
    rng: np.random.Generator, canvases: Iterator[Image.Image], count: int, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Each canvas is reduced before the next is drawn, since they may be one and the same."""
    taken = islice(canvases, count)
    if chance(rng, 0.1):
        return _pixels(list(_filmed(rng, taken, count, size)))
    if chance(rng, 0.3):
        return _pixels([canvas.resize((size[1], size[0]), Image.Resampling.LANCZOS) for canvas in taken])
    return _pixels([canvas.reduce(2) for canvas in taken])


def _filmed(
    rng: np.random.Generator, canvases: Iterator[Image.Image], count: int, size: tuple[int, int]
) -> Iterator[Image.Image]:
    """As a camera sees a screen: a part of it that slowly grows, shrinks and moves."""
    shares = np.linspace(rng.uniform(0.6, 1), rng.uniform(0.6, 1), count)
    x, y = (np.linspace(rng.uniform(0, 1), rng.uniform(0, 1), count) for _ in range(2))
    for canvas, share, left, top in zip(canvases, shares, x, y, strict=False):
        width, height = canvas.width * share, canvas.height * share
        left, top = (canvas.width - width) * left, (canvas.height - height) * top
        box = (float(left), float(top), float(left + width), float(top + height))
        yield canvas.resize((size[1], size[0]), Image.Resampling.BILINEAR, box=box)
