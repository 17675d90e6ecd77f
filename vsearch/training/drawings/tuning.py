"""Test cards: bars, checkers, wedges, steps of grey and gratings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from vsearch.training.drawings.paint import (
    BLACK,
    WHITE,
    Colour,
    Scene,
    Size,
    chance,
    circle,
    disc,
    fill,
    grid,
    hsv,
    mix,
    palette,
    pick,
    plain,
    unit,
)
from vsearch.training.drawings.words import label, write

BARS: tuple[Colour, ...] = (
    WHITE,
    (255, 255, 0),
    (0, 255, 255),
    (0, 255, 0),
    (255, 0, 255),
    (255, 0, 0),
    (0, 0, 255),
    BLACK,
)


def tuning_cards(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """Bars, checkers, wedges, steps of grey and gratings; with a line of text or a number that runs."""
    u, (w, h), number = unit(size), size, int(rng.integers(1000))
    while True:
        card = pick(rng, (_bar_card, _checkers, _wedges, _steps, _ring_card))(rng, size)
        said, boxed = label(rng), chance(rng, 0.6)
        for _ in range(int(rng.integers(2, 12))):
            canvas = card.copy()
            if boxed:
                draw = ImageDraw.Draw(canvas)
                draw.rectangle((w * 0.3, h * 0.43, w * 0.7, h * 0.57), fill=BLACK)
                write(
                    draw,
                    (w / 2, h / 2),
                    f"{said} {number}",
                    WHITE,
                    file="DejaVuSansMono.ttf",
                    height=8 * u,
                    anchor="mm",
                    widest=w * 0.38,
                )
            yield canvas
            number += 1


def _bar_card(rng: np.random.Generator, size: Size) -> Image.Image:
    (w, h), canvas, level = size, plain(size, BLACK), rng.uniform(0.7, 1)
    draw, low = ImageDraw.Draw(canvas), h * float(rng.choice((0.65, 0.75, 0.85)))
    for k, colour in enumerate(BARS):
        draw.rectangle((w * k / 8, 0, w * (k + 1) / 8, low), fill=mix(BLACK, colour, level))
        draw.rectangle((w * k / 8, low, w * (k + 1) / 8, low + h * 0.08), fill=mix(BLACK, BARS[-1 - k], level))
    for k in range(4):
        draw.rectangle((w * k / 4, low + h * 0.08, w * (k + 1) / 4, h), fill=hsv(0.6 * k, 0.3 * (k % 2), k / 3))
    return canvas


def _checkers(rng: np.random.Generator, size: Size) -> Image.Image:
    colours, side = palette(rng), unit(size) * float(rng.choice((4, 8, 12, 25)))
    inks = (colours.ground, colours.ink)
    canvas = plain(size, colours.ground)
    draw = ImageDraw.Draw(canvas)
    for row, column in np.ndindex(int(size[1] / side) + 1, int(size[0] / side) + 1):
        box = (column * side, row * side, (column + 1) * side, (row + 1) * side)
        draw.rectangle(box, fill=inks[(row + column) % 2])
    return canvas


def _wedges(rng: np.random.Generator, size: Size) -> Image.Image:
    colours, canvas = palette(rng), plain(size, WHITE)
    draw, count, middle = ImageDraw.Draw(canvas), int(rng.choice((8, 16, 36))), np.array(size) / 2
    reach = circle(2 * count, 0.0) * size[0]
    inks = (BLACK, WHITE) if chance(rng, 0.6) else (colours.ink, colours.ground)
    for k in range(2 * count):
        fill(draw, np.stack([middle, middle + reach[k], middle + reach[(k + 1) % (2 * count)]]), inks[k % 2])
    disc(draw, (middle[0], middle[1]), 6 * unit(size), inks[0])
    return canvas


def _steps(rng: np.random.Generator, size: Size) -> Image.Image:
    (w, h), canvas, count = size, plain(size, (128, 128, 128)), int(rng.integers(5, 17))
    draw, tint = ImageDraw.Draw(canvas), hsv(rng.random(), float(rng.choice((0, 0, 1))), 1)
    for k in range(count):
        draw.rectangle((w * k / count, h * 0.1, w * (k + 1) / count, h * 0.5), fill=mix(BLACK, tint, k / (count - 1)))
    x, thin = 0.0, 2.0
    while x < w:
        draw.rectangle((x, h * 0.5, x + thin, h * 0.9), fill=BLACK)
        draw.rectangle((x + thin, h * 0.5, x + 2 * thin, h * 0.9), fill=WHITE)
        x, thin = x + 2 * thin, thin * 1.1
    return canvas


def _ring_card(rng: np.random.Generator, size: Size) -> Image.Image:
    (w, h), u, grey = size, unit(size), (110, 110, 110)
    canvas = plain(size, grey)
    draw = ImageDraw.Draw(canvas)
    grid(draw, size, WHITE, through=(w / 2, h / 2), step=12 * u, width=0.4 * u)
    disc(draw, (w / 2, h / 2), 44 * u, mix(grey, hsv(rng.random(), 0.6, 0.8), rng.uniform(0, 1)), WHITE, u)
    for k in range(6):
        left = w / 2 + u * (10 * k - 30)
        draw.rectangle((left, h * 0.25, left + 10 * u, h * 0.38), fill=BARS[k])
        draw.rectangle((left, h * 0.62, left + 10 * u, h * 0.75), fill=mix(BLACK, WHITE, k / 5))
    for x in (14 * u, w - 14 * u):
        for y in (14 * u, h - 14 * u):
            disc(draw, (x, y), 10 * u, None, WHITE, u)
    return canvas


KINDS: tuple[Scene, ...] = (tuning_cards,)
