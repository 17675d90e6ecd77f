"""Lettering: title cards, credits, captions, countdowns, clocks and scores."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from vsearch.training.drawings.paint import (
    BLACK,
    WHITE,
    Colour,
    Palette,
    Scene,
    Size,
    around,
    backdrop,
    chance,
    circle,
    copied,
    disc,
    fill,
    glow,
    gradient,
    hsv,
    ink_on,
    mix,
    palette,
    pick,
    plain,
    stroke,
    turned,
    unit,
)
from vsearch.training.drawings.shapes import outline
from vsearch.training.drawings.words import face, figure, fitting, label, name, phrase, word, write

SEVEN = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")


def cards(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """Title cards one after another, each of one to four lines, that fade or come line by line."""
    colours, u, (w, h) = palette(rng), unit(size), size
    ground, file, other = backdrop(rng, size, colours), face(rng), face(rng)
    ornate, fading = int(rng.integers(4)), chance(rng, 0.5)
    while True:
        lines = [phrase(rng, 1, 4)] + [phrase(rng, 2, 6) for _ in range(int(rng.integers(0, 4)))]
        lines = [line.upper() if k == 0 and chance(rng, 0.4) else line for k, line in enumerate(lines)]
        heights = [u * rng.uniform(10, 24)] + [u * rng.uniform(5, 9)] * (len(lines) - 1)
        for share in (0.4, 1.0, 1.0, 1.0, 0.4) if fading else np.ones(len(lines) + 2):
            canvas, draw = copied(ground)
            _ornament(draw, size, ornate, mix(colours.ground, colours.accents[0], share))
            y, ink = h / 2 - sum(heights) * 0.6, mix(colours.ground, colours.ink, share)
            for k, (line, height) in enumerate(zip(lines, heights, strict=True)):
                y += height * 0.65
                write(
                    draw, (w / 2, y), line, ink, file=other if k else file, height=height, anchor="mm", widest=w * 0.85
                )
                y += height * 0.65
            yield canvas


def _ornament(draw: ImageDraw.ImageDraw, size: Size, kind: int, ink: Colour) -> None:
    u, (w, h) = unit(size), size
    if kind == 1:
        draw.rectangle((4 * u, 4 * u, w - 4 * u, h - 4 * u), outline=ink, width=round(u))
    elif kind == 2:
        for y in (0.2, 0.8):
            stroke(draw, [(w * 0.25, h * y), (w * 0.75, h * y)], ink, 0.8 * u)
    elif kind == 3:
        draw.rectangle((0, 0, w, h * 0.12), fill=ink)
        draw.rectangle((0, h * 0.88, w, h), fill=ink)


def credits_rolling(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """Names that roll upwards, in one column or two."""
    dark, u, (w, h) = chance(rng, 0.8), unit(size), size
    ground, ink = (BLACK, WHITE) if dark else (hsv(rng.random(), 0.3, 0.95), BLACK)
    file, height, two = face(rng), u * rng.uniform(4.5, 8), chance(rng, 0.6)
    roll = plain((w, 5 * h), ground)
    draw, soft = ImageDraw.Draw(roll), mix(ground, ink, 0.65)
    for y in np.arange(height, 5 * h, height * 1.4):
        if chance(rng, 0.12):
            continue
        if two:
            write(draw, (w * 0.47, y), word(rng).title(), soft, file=file, height=height * 0.8, anchor="rm")
            write(draw, (w * 0.52, y), name(rng), ink, file=file, height=height)
        else:
            write(draw, (w / 2, y), name(rng), ink, file=file, height=height, anchor="mm")
    top, pace = rng.uniform(0, h), h * float(rng.choice((0.05, 0.12, 0.2, 0.35)))
    while True:
        yield roll.crop((0, round(top), w, round(top) + h))
        top = (top + pace) % (4 * h)


def captions(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """Subtitles, lower thirds and a running line over soft colours or a flat shape."""
    colours, u, (w, h) = palette(rng), unit(size), size
    first, second = (hsv(rng.random(), rng.uniform(0, 0.8), rng.uniform(0.1, 0.9)) for _ in range(2))
    ground = pick(rng, (plain(size, first), gradient(size, first, second), glow(size, first, second)))
    for _ in range(int(rng.integers(0, 4))):
        corners = turned(outline(rng), scale=u * rng.uniform(10, 40), at=rng.uniform(0, 1, 2) * size)
        fill(ImageDraw.Draw(ground), corners, mix(first, second, rng.uniform(0, 1)))
    file, height, style = face(rng, "sans", "bold"), u * rng.uniform(5, 9), int(rng.integers(4))
    ink = pick(rng, (WHITE, WHITE, (255, 240, 60)))
    ticker, shift = "  -  ".join(phrase(rng, 4, 9) for _ in range(12)), 0.0
    while True:
        said = [phrase(rng, 2, 7) for _ in range(int(rng.integers(0, 3)))]
        for _ in range(int(rng.integers(1, 5))):
            canvas, draw = copied(ground)
            if style == 3:
                draw.rectangle((0, h * 0.88, w, h), fill=colours.accents[0])
                write(draw, (w - shift, h * 0.94), ticker, ink_on(colours.accents[0]), file=file, height=6 * u)
                shift += 25 * u
            for k, line in enumerate(said):
                at = (
                    w * (0.5 if style else 0.08),
                    h * (0.76 if style == 3 else 0.88) - (len(said) - 1 - k) * height * 1.3,
                )
                _caption(draw, at, line, ink, file=file, height=height, boxed=style == 2, widest=w * 0.88)
            yield canvas


def _caption(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    said: str,
    ink: Colour,
    *,
    file: str,
    height: float,
    boxed: bool,
    widest: float,
) -> None:
    """Letters with a dark edge, or on a dark box."""
    letters = fitting(said, file, height, widest)
    anchor = "mm" if at[0] > widest * 0.3 else "lm"
    if boxed:
        left, top, right, bottom = draw.textbbox(at, said, font=letters, anchor=anchor)
        draw.rectangle((left - height / 3, top - height / 4, right + height / 3, bottom + height / 4), fill=BLACK)
    draw.text(
        at,
        said,
        fill=ink,
        font=letters,
        anchor=anchor,
        stroke_width=0 if boxed else max(1, round(height / 14)),
        stroke_fill=BLACK,
    )


def countdowns(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """A large number that falls, in rings, with or without a hand that sweeps."""
    colours, u, (w, h) = palette(rng), unit(size), size
    ground = backdrop(rng, size, colours)
    middle, radius, file = (w / 2, h / 2), u * rng.uniform(25, 42), face(rng)
    if chance(rng, 0.5):
        stroke(ImageDraw.Draw(ground), [(0, h / 2), (w, h / 2)], colours.ink, 0.5 * u)
        stroke(ImageDraw.Draw(ground), [(w / 2, 0), (w / 2, h)], colours.ink, 0.5 * u)
    rings, sweep, number, step = (
        int(rng.integers(0, 4)),
        chance(rng, 0.6),
        int(rng.integers(3, 100)),
        pick(rng, (1, -1)),
    )
    while True:
        canvas, draw = copied(ground)
        angle = int(rng.integers(0, 360))
        if sweep:
            draw.pieslice(around(middle, radius), -90, angle - 90, fill=mix(colours.ground, colours.accents[0], 0.6))
        for k in range(rings):
            disc(draw, middle, radius * (1 - 0.12 * k), None, colours.ink, 0.8 * u)
        write(draw, middle, f"{number}", colours.ink, file=file, height=radius * 1.2, anchor="mm")
        yield canvas
        number = (number - step) % 100


def clocks(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """A clock with hands, or one or two rows of numbers of seven segments or letters."""
    colours, u, (w, h) = palette(rng), unit(size), size
    ground, time, pace = backdrop(rng, size, colours), int(rng.integers(86400)), int(rng.choice((1, 1, 60, 607)))
    style, file, said = int(rng.integers(3)), face(rng), phrase(rng, 1, 3)
    titled = chance(rng, 0.4)
    while True:
        canvas, draw = copied(ground)
        digits = f"{time // 3600 % 24:02}:{time // 60 % 60:02}:{time % 60:02}"
        if style == 0:
            _dial(draw, (w / 2, h * 0.46), u * 36, time, colours)
        elif style == 1:
            write(draw, (w / 2, h * 0.45), digits, colours.ink, file=file, height=32 * u, anchor="mm", widest=w * 0.9)
        else:
            _segments(draw, digits, (w / 2, h * 0.45), w * 0.09, colours)
        if titled:
            write(draw, (w / 2, h * 0.92), said, colours.ink, file=file, height=8 * u, anchor="mm", widest=w * 0.9)
        yield canvas
        time += pace


def _dial(draw: ImageDraw.ImageDraw, at: tuple[float, float], radius: float, time: int, colours: Palette) -> None:
    disc(draw, at, radius, mix(colours.ground, WHITE, 0.3), colours.ink, radius * 0.05)
    ink = ink_on(mix(colours.ground, WHITE, 0.3))
    for k, spot in enumerate(circle(60)):
        inner = 0.8 if k % 5 == 0 else 0.88
        stroke(draw, np.stack([spot * inner, spot * 0.92]) * radius + at, ink, radius * (0.04 if k % 5 == 0 else 0.015))
    for seconds, reach, width, colour in (
        (43200, 0.5, 0.07, ink),
        (3600, 0.75, 0.045, ink),
        (60, 0.85, 0.02, (220, 30, 30)),
    ):
        angle = 2 * np.pi * (time % seconds) / seconds
        tip = (at[0] + radius * reach * np.sin(angle), at[1] - radius * reach * np.cos(angle))
        stroke(draw, [at, tip], colour, radius * width)


def _segments(draw: ImageDraw.ImageDraw, digits: str, at: tuple[float, float], wide: float, colours: Palette) -> None:
    """Numbers as lamps show them; lamps that are out are faint."""
    ends = {
        "a": (0, 0, 1, 0),
        "b": (1, 0, 1, 1),
        "c": (1, 1, 1, 2),
        "d": (0, 2, 1, 2),
        "e": (0, 1, 0, 2),
        "f": (0, 0, 0, 1),
        "g": (0, 1, 1, 1),
    }
    x, y, size = at[0] - wide * len(digits) * 0.56, at[1] - wide * 0.8, wide * 0.72
    for sign in digits:
        if sign == ":":
            for k in (0.6, 1.4):
                disc(draw, (x + wide * 0.2, y + k * size), wide * 0.08, colours.accents[0])
            x += wide * 0.6
            continue
        for segment, (a, b, c, d) in ends.items():
            ink = colours.accents[0] if segment in SEVEN[int(sign)] else mix(colours.ground, colours.accents[0], 0.08)
            stroke(draw, [(x + a * size, y + b * size), (x + c * size, y + d * size)], ink, wide * 0.13)
        x += wide * 1.2


def scoreboards(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """Names in rows with points that rise; the first row is lit."""
    colours, u, (w, h) = palette(rng), unit(size), size
    rows, file = int(rng.integers(2, 8)), face(rng, "sans", "bold")
    names, points = [label(rng)[:12] for _ in range(rows)], rng.integers(0, 60, rows)
    ground, title = backdrop(rng, size, colours), phrase(rng, 1, 3).upper()
    tiles, step = [pick(rng, colours.accents) for _ in range(rows)], 0.74 * h / rows
    while True:
        canvas, draw = copied(ground)
        write(draw, (w / 2, h * 0.1), title, colours.ink, file=file, height=9 * u, anchor="mm", widest=w * 0.9)
        for k, row in enumerate(np.argsort(-points)):
            y, ink = h * 0.2 + k * step, ink_on(tiles[row])
            draw.rectangle((w * 0.1, y, w * 0.9, y + step * 0.85), fill=tiles[row])
            height = min(10 * u, step * 0.6)
            write(
                draw,
                (w * 0.13, y + step * 0.42),
                f"{k + 1}  {names[row]}",
                ink,
                file=file,
                height=height,
                widest=w * 0.5,
            )
            write(draw, (w * 0.87, y + step * 0.42), f"{points[row]}", ink, file=file, height=height, anchor="rm")
        yield canvas
        points = points + (rng.random(rows) < 0.3) * rng.integers(1, 10, rows)


def slates(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """A form of a few rows: names on the left, words and numbers on the right, of which some change."""
    colours, u, (w, h) = palette(rng), unit(size), size
    rows, file = int(rng.integers(3, 7)), face(rng, "mono", "sans")
    names, values = [word(rng).upper()[:9] for _ in range(rows)], [label(rng) for _ in range(rows)]
    ground, stripes = backdrop(rng, size, colours), chance(rng, 0.5)
    while True:
        canvas, draw = copied(ground)
        for k in range(16 if stripes else 0):
            x, step = w * k / 8, w / 16
            fill(draw, np.array([(x, 0), (x + step, 0), (x, h * 0.1), (x - step, h * 0.1)]), colours.ink)
        for k in range(rows):
            y, step = h * (0.16 + 0.8 * (k + 0.5) / rows), 0.8 * h / rows
            draw.rectangle(
                (w * 0.06, y - step / 2, w * 0.94, y + step / 2), outline=colours.ink, width=round(0.5 * u) + 1
            )
            write(draw, (w * 0.09, y), names[k], colours.accents[0], file=file, height=min(7 * u, step * 0.6))
            write(draw, (w * 0.4, y), values[k], colours.ink, file=file, height=min(11 * u, step * 0.7), widest=w * 0.5)
        yield canvas
        values = [figure(rng) if chance(rng, 0.25) else value for value in values]


def words_flashing(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """One huge word or two at a time, each on another colour of the palette."""
    colours, u, (w, h) = palette(rng), unit(size), size
    file, still, upper = face(rng, "bold", "sans"), chance(rng, 0.4), chance(rng, 0.6)
    while True:
        ground = colours.ground if still else pick(rng, (colours.ground, *colours.accents))
        lines = [word(rng) for _ in range(int(rng.integers(1, 4)))]
        canvas = plain(size, ground)
        draw, height = ImageDraw.Draw(canvas), min(60 * u, 0.8 * h / len(lines))
        for k, line in enumerate(lines):
            ink = ink_on(ground) if k % 2 == 0 or not still else colours.accents[0]
            at = (w / 2, h / 2 + height * (k - (len(lines) - 1) / 2))
            said = line.upper() if upper else line
            write(draw, at, said, ink, file=file, height=height, anchor="mm", widest=w * 0.92)
            if k < len(lines) - 1 and chance(rng, 0.5):
                yield canvas
        yield canvas


KINDS: tuple[Scene, ...] = (
    cards,
    cards,
    words_flashing,
    credits_rolling,
    captions,
    countdowns,
    clocks,
    scoreboards,
    slates,
)
