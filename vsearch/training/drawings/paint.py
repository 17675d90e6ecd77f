"""Colours, grounds and strokes that all scenes share."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Size = tuple[int, int]  # width, height in pixels of the canvas, twice those of the frame
Scene = Callable[[np.random.Generator, Size], Iterator[Image.Image]]  # one canvas may come again and again, drawn on
Place = NDArray[np.float64]  # (2,): x, y
Points = NDArray[np.float64]  # (n, 2): x, y
Series = NDArray[np.float64]  # (n,)
Box = tuple[float, float, float, float]  # left, top, right, bottom
T = TypeVar("T")

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)


@dataclass(frozen=True)
class Palette:
    """Colours that go together: `ink` is read well on `ground`, `accents` are seen well on it."""

    ground: Colour
    ink: Colour
    accents: tuple[Colour, ...]


def pick(rng: np.random.Generator, items: Sequence[T]) -> T:
    """One of the items, each as likely as the others: what is there twice comes twice as often."""
    return items[int(rng.integers(len(items)))]


def chance(rng: np.random.Generator, share: float) -> bool:
    """True so often. share: 0..1."""
    return bool(rng.random() < share)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """hue: in turns, any number; saturation, value: 0..1."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`first` at share 0, `second` at 1."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def brightness(colour: Colour) -> float:
    """0 (black) .. 1 (white), as eyes see it."""
    return (0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]) / 255


def ink_on(ground: Colour) -> Colour:
    """Black or white, whichever is read better on it."""
    return BLACK if brightness(ground) > 0.5 else WHITE


def palette(rng: np.random.Generator) -> Palette:
    """Half of the grounds are plain white or black, the others tinted papers, boards and bright colours."""
    hue = rng.random()
    ground = pick(
        rng,
        (
            *(WHITE,) * 5,
            *(BLACK,) * 3,
            hsv(hue, 0.06, 0.97),
            hsv(hue, rng.uniform(0.1, 0.3), 0.93),
            hsv(hue, rng.uniform(0.2, 0.8), rng.uniform(0.1, 0.3)),
            hsv(hue, 0.1, rng.uniform(0.1, 0.25)),
            hsv(hue, rng.uniform(0.4, 1), rng.uniform(0.5, 0.95)),
            hsv(0, 0, rng.uniform(0.3, 0.9)),
        ),
    )
    ink = mix(ink_on(ground), ground, float(rng.choice((0, 0, 0, 0.12, 0.2))))
    if chance(rng, 0.15):
        ink = _seen_on(ground, hsv(hue + 0.5, 0.9, 0.6))
    return Palette(ground, ink, _accents(rng, ground, ink))


def _accents(rng: np.random.Generator, ground: Colour, ink: Colour) -> tuple[Colour, ...]:
    count, hue = int(rng.integers(3, 7)), rng.random()
    if chance(rng, 0.15):
        return tuple(mix(ink, ground, share) for share in np.linspace(0, 0.65, count))
    spread = float(rng.choice((0.12, 0.35, 1, 1)))
    saturation, value = rng.uniform(0.45, 1), rng.uniform(0.6, 1)
    hues = hue + spread * np.arange(count) / count
    return tuple(_seen_on(ground, hsv(h, saturation, value * rng.uniform(0.75, 1))) for h in hues)


def _seen_on(ground: Colour, colour: Colour) -> Colour:
    """The colour, moved towards black or white where it would hardly be seen."""
    close = abs(brightness(ground) - brightness(colour)) < 0.15
    return mix(colour, ink_on(ground), 0.5) if close else colour


def unit(size: Size) -> float:
    """A hundredth of the shorter side, in pixels of the canvas: what thicknesses and letters are measured by."""
    return min(size) / 100


def plain(size: Size, colour: Colour) -> Image.Image:
    """A canvas of one colour."""
    return Image.new("RGB", size, colour)


def copied(ground: Image.Image) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A copy of the picture, and what draws on it."""
    canvas = ground.copy()
    return canvas, ImageDraw.Draw(canvas)


def gradient(size: Size, first: Colour, second: Colour, *, across: bool = False) -> Image.Image:
    """From `first` at the top (or left, where across) to `second`."""
    ramp = np.linspace(first, second, size[0] if across else size[1])
    strip = ramp.round().astype(np.uint8)[None] if across else ramp.round().astype(np.uint8)[:, None]
    return Image.fromarray(np.ascontiguousarray(strip)).resize(size, Image.Resampling.NEAREST)


def glow(size: Size, inner: Colour, outer: Colour) -> Image.Image:
    """Round light from the middle."""
    x, y = np.linspace(-1, 1, 64), np.linspace(-1, 1, 36)
    share = np.clip(np.hypot(x[None], y[:, None]) / 1.3, 0, 1)[..., None]
    small = (np.array(inner) * (1 - share) + np.array(outer) * share).round().astype(np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BILINEAR)


def backdrop(rng: np.random.Generator, size: Size, colours: Palette) -> Image.Image:
    """The palette's ground, mostly plain."""
    if chance(rng, 0.7):
        return plain(size, colours.ground)
    other = mix(colours.ground, pick(rng, colours.accents), rng.uniform(0.15, 0.5))
    if chance(rng, 0.3):
        return glow(size, colours.ground, other)
    return gradient(size, colours.ground, other, across=chance(rng, 0.3))


def stroke(draw: ImageDraw.ImageDraw, points: ArrayLike, colour: Colour, width: float) -> None:
    """A line through the points, its ends round."""
    flat = [float(value) for value in np.asarray(points).ravel()]
    draw.line(flat, fill=colour, width=max(1, round(width)), joint="curve")
    if width > 3:
        for x, y in (flat[:2], flat[-2:]):
            disc(draw, (x, y), width / 2 - 0.5, colour)


def fill(
    draw: ImageDraw.ImageDraw, points: ArrayLike, colour: Colour | None, edge: Colour | None = None, width: float = 0
) -> None:
    """A closed outline, filled and edged where a colour is given."""
    closed = np.asarray(points)
    if colour is not None:
        draw.polygon([float(value) for value in closed.ravel()], fill=colour)
    if edge is not None and width > 0:
        stroke(draw, np.concatenate([closed, closed[:2]]), edge, width)


def around(at: Sequence[float], rx: float, ry: float | None = None) -> Box:
    """The box that reaches so far from its middle to the left and right, and above and below (None: as far)."""
    ry = rx if ry is None else ry
    return at[0] - rx, at[1] - ry, at[0] + rx, at[1] + ry


def disc(
    draw: ImageDraw.ImageDraw,
    at: Sequence[float],
    radius: float | tuple[float, float],
    colour: Colour | None,
    edge: Colour | None = None,
    width: float = 0,
) -> None:
    """A filled or edged ellipse. radius: of both axes, or of x and y."""
    rx, ry = radius if isinstance(radius, tuple) else (radius, radius)
    if rx > 0 and ry > 0:
        draw.ellipse(around(at, rx, ry), fill=colour, outline=edge, width=max(1, round(width)) if edge else 0)


def grid(
    draw: ImageDraw.ImageDraw, size: Size, colour: Colour, *, through: Sequence[float], step: float, width: float
) -> None:
    """Lines down and across the whole picture, `step` apart, one of each through the given place."""
    (w, h), (x, y) = size, through
    for left in np.arange(x % step, w, step):
        stroke(draw, [(left, 0), (left, h)], colour, width)
    for top in np.arange(y % step, h, step):
        stroke(draw, [(0, top), (w, top)], colour, width)


def walked(x: float, step: float, width: float) -> float:
    """The place after a step; what leaves a picture of that width on one side comes in again from the other."""
    return (x + step + 0.2 * width) % (1.4 * width) - 0.2 * width


def turned(points: ArrayLike, *, scale: ArrayLike = 1.0, turn: float = 0.0, at: ArrayLike = (0.0, 0.0)) -> Points:
    """Points scaled (by one number or by x and y), turned by radians and moved."""
    cos, sin = np.cos(turn), np.sin(turn)
    moved: Points = (np.asarray(points) * scale) @ np.array([[cos, sin], [-sin, cos]]) + np.asarray(at)
    return moved


def circle(count: int = 48, start: float = 0.0) -> Points:
    """`count` points on the unit circle."""
    angles = start + np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([np.cos(angles), np.sin(angles)], 1)


def smooth(knots: ArrayLike, between: int = 8) -> Points:
    """A curve through the knots (Catmull-Rom), `between` points from one to the next."""
    p = np.asarray(knots, dtype=np.float64)
    p = np.concatenate([p[:1], p, p[-1:]])
    t = np.linspace(0, 1, between, endpoint=False)[None, :, None]
    a, b, c, d = (p[k : len(p) - 3 + k, None] for k in range(4))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return np.concatenate([curve.reshape(-1, 2), p[-1:]])
