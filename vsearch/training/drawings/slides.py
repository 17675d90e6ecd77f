"""Slides: titles, points that appear one by one, charts, tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from PIL import Image, ImageDraw

from vsearch.training.drawings.paint import (
    WHITE,
    Box,
    Colour,
    Palette,
    Scene,
    Series,
    Size,
    around,
    backdrop,
    brightness,
    chance,
    copied,
    disc,
    fill,
    ink_on,
    mix,
    palette,
    pick,
    stroke,
    turned,
    unit,
)
from vsearch.training.drawings.shapes import outline
from vsearch.training.drawings.words import face, figure, label, name, phrase, word, wrapped, write


@dataclass(frozen=True)
class Deck:
    """How all slides of a talk look: their master picture, letters and colours."""

    master: Image.Image
    colours: Palette
    heading: str
    letters: str
    on_bar: Colour
    unit: float
    size: Size

    def write(self, draw: ImageDraw.ImageDraw, x: float, y: float, said: str, height: float, *, anchor: str) -> None:
        """x, y: shares of the picture. height: of letters, in hundredths of its shorter side."""
        w, h = self.size
        widest = {"l": 0.97 - x, "r": x - 0.03, "m": 2 * min(x, 1 - x)}[anchor[0]] * w
        at = (x * w, y * h)
        ink = self.colours.ink
        write(draw, at, said, ink, file=self.letters, height=height * self.unit, anchor=anchor, widest=widest)


def _deck(rng: np.random.Generator, size: Size) -> Deck:
    colours, u, (w, h) = palette(rng), unit(size), size
    master = backdrop(rng, size, colours)
    draw = ImageDraw.Draw(master)
    on_bar, accent = colours.ink, pick(rng, colours.accents)
    match int(rng.integers(5)):
        case 0:
            draw.rectangle((0, 0, w, h * 0.17), fill=accent)
            on_bar = ink_on(accent)
        case 1:
            draw.rectangle((w * 0.05, h * 0.17, w * 0.95, h * 0.17 + 0.6 * u), fill=accent)
        case 2:
            draw.rectangle((0, 0, w * 0.03, h), fill=accent)
        case 3:
            draw.rectangle((0, h * 0.94, w, h), fill=accent)
            disc(draw, (w * 0.94, h * 0.09), 5 * u, pick(rng, colours.accents))
        case _:
            pass
    if chance(rng, 0.3):
        corners = turned(outline(rng), scale=3 * u, at=(w * 0.95, h * 0.94))
        fill(draw, corners, pick(rng, colours.accents))
    return Deck(master, colours, face(rng), face(rng, "sans", "sans", "serif"), on_bar, u, size)


def talks(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """Slide after slide of one deck, each filled in a few steps."""
    deck = _deck(rng, size)
    bodies: tuple[Body, ...] = (_points, _points, _points, _bars, _curves, _pie, _table, _opening, _columns)
    for page in cycle(range(1, 99)):
        canvas, draw = copied(deck.master)
        body = pick(rng, bodies)
        if body is not _opening:
            height, widest = deck.unit * rng.uniform(7, 11), size[0] * 0.86
            at = (size[0] * 0.06, size[1] * 0.09)
            write(draw, at, phrase(rng, 2, 5), deck.on_bar, file=deck.heading, height=height, widest=widest)
            deck.write(draw, 0.97, 0.96, f"{page}", 4, anchor="rm")
        for _ in body(rng, draw, deck):
            yield canvas
        for _ in range(int(rng.choice((0, 0, 1, 4)))):  # it is talked about
            yield canvas


Body = Callable[[np.random.Generator, ImageDraw.ImageDraw, Deck], Iterator[None]]


def _opening(rng: np.random.Generator, draw: ImageDraw.ImageDraw, deck: Deck) -> Iterator[None]:
    deck.write(draw, 0.5, 0.4, phrase(rng, 2, 4), rng.uniform(11, 18), anchor="mm")
    yield
    deck.write(draw, 0.5, 0.58, f"{name(rng)}, {word(rng).title()}", 7, anchor="mm")
    yield
    deck.write(draw, 0.5, 0.7, figure(rng), 6, anchor="mm")
    yield


def _points(rng: np.random.Generator, draw: ImageDraw.ImageDraw, deck: Deck) -> Iterator[None]:
    """Points one by one, the last one sometimes lit."""
    height, y, mark = rng.uniform(5, 8), 0.27, pick(rng, deck.colours.accents)
    bullets = pick(rng, ("disc", "disc", "square", "number", "none"))
    yield
    number = 0
    while y < 0.9:
        number += 1
        at = (deck.size[0] * 0.08, deck.size[1] * y)
        if bullets == "number":
            deck.write(draw, 0.06, y, f"{number}.", height, anchor="lm")
        elif bullets == "square":
            draw.rectangle(around(at, deck.unit), fill=mark)
        elif bullets == "disc":
            disc(draw, at, deck.unit * height / 6, mark)
        for line in wrapped(phrase(rng, 2, 12), int(230 / height)):
            deck.write(draw, 0.12, y, line, height, anchor="lm")
            y += height * 0.0135
        y += height * 0.007
        yield


def _columns(rng: np.random.Generator, draw: ImageDraw.ImageDraw, deck: Deck) -> Iterator[None]:
    """Boxes side by side with a word and a line or two in each."""
    count = int(rng.integers(2, 5))
    w, h = deck.size
    for k in range(count):
        left, right = w * (0.06 + 0.88 * k / count), w * (0.06 + 0.88 * (k + 0.92) / count)
        colour = pick(rng, deck.colours.accents)
        draw.rounded_rectangle((left, h * 0.26, right, h * 0.85), radius=deck.unit * 2, fill=colour)
        ink, middle = ink_on(colour), (left + right) / 2
        heading, text = {"file": deck.heading}, {"file": deck.letters}
        said = label(rng)
        write(draw, (middle, h * 0.36), said, ink, height=8 * deck.unit, anchor="mm", widest=w * 0.7 / count, **heading)
        for j, line in enumerate(wrapped(phrase(rng, 3, 9), 44 // count)):
            at = (middle, h * (0.5 + 0.08 * j))
            write(draw, at, line, ink, height=5 * deck.unit, anchor="mm", widest=w * 0.7 / count, **text)
        yield


def _axes(rng: np.random.Generator, draw: ImageDraw.ImageDraw, deck: Deck) -> Box:
    """Draws axes with numbers, gives the box between them."""
    w, h = deck.size
    box = (w * 0.14, h * 0.26, w * 0.92, h * 0.84)
    faint, most = mix(deck.colours.ground, deck.colours.ink, 0.25), int(rng.choice((4, 10, 50, 100, 800)))
    for k in range(5):
        y = box[3] - (box[3] - box[1]) * k / 4
        if chance(rng, 0.9):
            stroke(draw, [(box[0], y), (box[2], y)], faint, deck.unit * 0.2)
        deck.write(draw, 0.125, y / h, f"{most * k // 4}", 4.5, anchor="rm")
    stroke(draw, [(box[0], box[1]), (box[0], box[3]), (box[2], box[3])], deck.colours.ink, deck.unit * 0.5)
    return box


def _bars(rng: np.random.Generator, draw: ImageDraw.ImageDraw, deck: Deck) -> Iterator[None]:
    """Bars, each group of one or of several colours, that come one by one."""
    left, top, right, bottom = _axes(rng, draw, deck)
    groups, each = int(rng.integers(3, 9)), int(rng.choice((1, 1, 2, 3)))
    yield
    for k in range(groups):
        x, step = left + (right - left) * (k + 0.15) / groups, (right - left) * 0.7 / groups / each
        for j in range(each):
            high = (bottom - top) * rng.uniform(0.05, 1)
            colour = deck.colours.accents[j % len(deck.colours.accents)]
            draw.rectangle((x + j * step, bottom - high, x + (j + 0.95) * step, bottom), fill=colour)
        deck.write(draw, (x + step * each / 2) / deck.size[0], 0.88, word(rng)[:6], 4.5, anchor="mm")
        if each == 1 or chance(rng, 0.5):
            yield


def _curves(rng: np.random.Generator, draw: ImageDraw.ImageDraw, deck: Deck) -> Iterator[None]:
    """Curves one by one, their names beside them."""
    left, top, right, bottom = _axes(rng, draw, deck)
    count, marks, width = int(rng.integers(4, 24)), chance(rng, 0.5), deck.unit * rng.uniform(0.4, 1.2)
    yield
    for k, colour in enumerate(deck.colours.accents[: int(rng.integers(1, 4))]):
        path = np.cumsum(rng.normal(0.1, 1, count))
        path = (path - path.min()) / (np.ptp(path) + 1e-6) * rng.uniform(0.4, 0.9) + rng.uniform(0, 0.1)
        points = np.stack([np.linspace(left, right, count), bottom - path * (bottom - top)], 1)
        for part in np.array_split(np.arange(1, count), 3):
            stroke(draw, points[part[0] - 1 : part[-1] + 1], colour, width)
            for x, y in points[part] if marks else ():
                disc(draw, (x, y), width * 1.8, colour)
            yield
        y = top + 6 * deck.unit * k
        draw.rectangle((left + 3 * deck.unit, y, left + 6 * deck.unit, y + 3 * deck.unit), fill=colour)
        at = (left + 8 * deck.unit) / deck.size[0], (y + 1.5 * deck.unit) / deck.size[1]
        deck.write(draw, *at, word(rng).title(), 4.5, anchor="lm")


def _pie(rng: np.random.Generator, draw: ImageDraw.ImageDraw, deck: Deck) -> Iterator[None]:
    """A pie or a ring, slice by slice, with a list of what they are."""
    count, (w, h), u = int(rng.integers(2, 7)), deck.size, deck.unit
    ends = -90 + 360 * np.concatenate([[0], np.cumsum(rng.dirichlet(np.full(count, 3.0)))])
    middle, radius = (w * 0.3, h * 0.56), min(w * 0.24, h * 0.32)
    box, hollow = around(middle, radius), chance(rng, 0.3)
    for k in range(count):
        accents = deck.colours.accents
        colour = mix(accents[k % len(accents)], deck.colours.ink, 0.3 * (k // len(accents)))
        draw.pieslice(box, float(ends[k]), float(ends[k + 1]), fill=colour, outline=deck.colours.ground, width=2)
        if hollow:
            disc(draw, middle, radius * 0.5, deck.colours.ground)
        y = h * (0.3 + 0.09 * k)
        draw.rectangle((w * 0.58, y - 2 * u, w * 0.58 + 4 * u, y + 2 * u), fill=colour)
        said = f"{word(rng).title()}  {round((ends[k + 1] - ends[k]) / 3.6)}%"
        deck.write(draw, 0.58 + 6 * u / w, y / h, said, 5.5, anchor="lm")
        yield


def _table(rng: np.random.Generator, draw: ImageDraw.ImageDraw, deck: Deck) -> Iterator[None]:
    """A table filled row by row."""
    rows, columns, (w, h), u = int(rng.integers(3, 9)), int(rng.integers(2, 6)), deck.size, deck.unit
    step, lines = (0.64 * h / rows), mix(deck.colours.ground, deck.colours.ink, 0.4)
    head, shade = pick(rng, deck.colours.accents), mix(deck.colours.ground, deck.colours.ink, 0.08)
    ruled = chance(rng, 0.6)
    for row in range(rows):
        top = h * 0.24 + row * step
        ground = head if row == 0 else shade if row % 2 else None
        draw.rectangle((w * 0.06, top, w * 0.94, top + step), fill=ground, outline=lines if ruled else None, width=2)
        for column in range(columns):
            x = w * (0.06 + 0.88 * (column + 0.5) / columns)
            said = word(rng).title() if row == 0 or column == 0 else figure(rng)
            ink = ink_on(head) if row == 0 else deck.colours.ink
            height, widest = min(step * 0.55, 6 * u), w * 0.8 / columns
            write(draw, (x, top + step / 2), said, ink, file=deck.letters, height=height, anchor="mm", widest=widest)
        yield


def boards_of_numbers(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """A dashboard: cards with a number, small charts and gauges that change as time passes."""
    colours, u, (w, h) = palette(rng), unit(size), size
    columns, rows = (3, 2) if w > h else (2, 4)
    card = mix(colours.ground, colours.ink, 0.07) if brightness(colours.ground) < 0.9 else WHITE
    edge, letters = mix(colours.ground, colours.ink, 0.25), face(rng, "sans")
    kinds, names = rng.integers(0, 4, columns * rows), [word(rng).title() for _ in range(columns * rows)]
    series = rng.uniform(0.2, 0.8, (columns * rows, 16))
    ground = backdrop(rng, size, colours)
    while True:
        canvas, draw = copied(ground)
        for k, (row, column) in enumerate(np.ndindex(rows, columns)):
            left, top = w * (column + 0.06) / columns, h * (row + 0.06) / rows
            box = (left, top, left + w * 0.88 / columns, top + h * 0.88 / rows)
            draw.rounded_rectangle(box, radius=1.5 * u, fill=card, outline=edge, width=2)
            at = (box[0] + 3 * u, box[1] + 5 * u)
            write(draw, at, names[k], colours.ink, file=letters, height=5 * u, widest=box[2] - box[0] - 6 * u)
            inner = (box[0] + 4 * u, box[1] + 11 * u, box[2] - 4 * u, box[3] - 4 * u)
            _card(draw, int(kinds[k]), series[k], inner, colours.accents[k % len(colours.accents)], letters)
        yield canvas
        series = np.concatenate([series[:, 1:], (series[:, -1:] + rng.normal(0, 0.12, (len(series), 1))).clip(0, 1)], 1)


def _card(
    draw: ImageDraw.ImageDraw,
    kind: int,
    series: Series,
    box: Box,
    ink: Colour,
    letters: str,
) -> None:
    left, top, right, bottom = box
    x, y = np.linspace(left, right, len(series)), bottom - series * (bottom - top)
    middle, high = ((left + right) / 2, (top + bottom) / 2), bottom - top
    match kind:
        case 0:
            said = f"{series[-1] * 1000:.0f}"
            write(draw, middle, said, ink, file=letters, height=high * 0.7, anchor="mm", widest=right - left)
        case 1:
            stroke(draw, np.stack([x, y], 1), ink, high / 30)
        case 2:
            for a, b in zip(x, y, strict=True):
                draw.rectangle((a, b, a + (right - left) / len(series) * 0.7, bottom), fill=ink)
        case _:
            r = min(right - left, high) / 2
            ring = around(middle, r)
            draw.arc(ring, 135, 405, fill=mix(ink, (128, 128, 128), 0.7), width=round(r / 4))
            draw.arc(ring, 135, 135 + 270 * float(series[-1]), fill=ink, width=round(r / 4))


KINDS: tuple[Scene, ...] = (talks, talks, talks, boards_of_numbers)
