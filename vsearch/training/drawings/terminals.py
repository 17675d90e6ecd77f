"""Terminals and editors: coloured text of one width on a plain ground."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from vsearch.training.drawings.paint import (
    BLACK,
    WHITE,
    Colour,
    Scene,
    Size,
    chance,
    copied,
    hsv,
    mix,
    pick,
    plain,
    unit,
)
from vsearch.training.drawings.words import face, figure, font, listed, several, word

KEYWORDS = listed("def if for while return class import else with in int void let var fn new try switch case")
TextLine = list[tuple[str, int]]  # pieces of text and the numbers of their colours


@dataclass(frozen=True)
class Screen:
    """A page of letters of one width: cell in pixels, inks by number, 0 the plain one."""

    file: str
    height: int
    cell: tuple[float, float]
    ground: Colour
    inks: tuple[Colour, ...]

    def line(self, draw: ImageDraw.ImageDraw, x: float, y: float, line: TextLine) -> None:
        """Draws a line of coloured pieces from x on, y its upper edge."""
        for said, ink in line:
            draw.text((x, y), said, fill=self.inks[ink % len(self.inks)], font=font(self.file, self.height))
            x += len(said) * self.cell[0]


def _screen(rng: np.random.Generator, size: Size) -> Screen:
    height, file = round(unit(size) * float(rng.choice((4, 4.5, 5, 6, 8)))), face(rng, "mono")
    hue = rng.random()
    if chance(rng, 0.2):  # one colour, as on old tubes
        ink, ground = pick(rng, (hsv(0.33, 0.8, 0.95), hsv(0.1, 0.9, 1), (225, 225, 225))), (0, 0, 0)
        inks: tuple[Colour, ...] = (ink, ink, mix(ink, BLACK, 0.4))
    else:
        dark = chance(rng, 0.7)
        tint = hsv(hue, float(rng.choice((0, 0, 0.3, 0.6))), rng.uniform(0, 0.22))
        ground = pick(rng, (BLACK, tint, tint)) if dark else pick(rng, (WHITE, hsv(hue, 0.05, 0.98)))
        bright = [hsv(hue + k / 5, rng.uniform(0.3, 0.9), 0.95 if dark else 0.6) for k in range(5)]
        inks = ((225, 225, 225) if dark else (30, 30, 30), *bright)
    return Screen(file, height, (font(file, height).getlength("m"), height * 1.25), ground, inks)


def _code(rng: np.random.Generator) -> Iterator[TextLine]:
    """Lines of a program in no language, indented as one is."""
    depth = 0
    while True:
        depth = int(np.clip(depth + rng.choice((-1, -1, 0, 0, 0, 1)), 0, 4))
        if chance(rng, 0.12):
            yield []
            continue
        line: TextLine = [("    " * depth, 0)]
        if chance(rng, 0.12):
            yield [*line, ("# " + several(rng, 2, 6), 4)]
            continue
        if chance(rng, 0.5):
            line.append((pick(rng, KEYWORDS) + " ", 1))
        line.append((word(rng), 0))
        for _ in range(int(rng.integers(0, 4))):
            quoted = (f'"{word(rng)}"', 2)
            line.append((pick(rng, (" = ", "(", ".", ", ", " + ", "[")), 0))
            line.append(pick(rng, (quoted, (figure(rng).strip("$%"), 3), (word(rng), 0), (word(rng) + "()", 5))))
        yield [*line, (pick(rng, (":", ";", "", ")", " {")), 0)]


def _session(rng: np.random.Generator) -> Iterator[TextLine]:
    """Commands and what they answer."""
    prompt = pick(rng, ("$ ", "> ", f"{word(rng)}@{word(rng)}:~$ ", ">>> ", "# "))
    while True:
        yield [(prompt, 1), (f"{word(rng)} --{word(rng)} {word(rng)}.{word(rng)[:3]}", 0)]
        style = int(rng.integers(4))
        for number in range(int(rng.integers(0, 9))):
            match style:
                case 0:
                    mark = pick(rng, (("[ok] ", 2), ("[ok] ", 2), ("[warn] ", 3), ("[fail] ", 4)))
                    yield [mark, (several(rng, 2, 6), 0)]
                case 1:
                    yield [(f"{word(rng)[:9]:<10}{figure(rng):>9}  {word(rng):<10}", 0), (figure(rng), 5)]
                case 2:
                    yield [(f"{int(rng.integers(24)):02}:{number * 7 % 60:02} ", 4), (word(rng) + "/" + word(rng), 5)]
                case _:
                    yield [(several(rng, 3, 11), 0)]


def _dump(rng: np.random.Generator) -> Iterator[TextLine]:
    """Bytes in rows."""
    address = int(rng.integers(4096)) * 16
    while True:
        values = rng.integers(0, 256, 8)
        shown = "".join(chr(v) if 32 < v < 127 else "." for v in values)
        yield [(f"{address:06x}  ", 4), (" ".join(f"{v:02x}" for v in values), 0), ("  " + shown, 2)]
        address += 16


def text_scrolling(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """A terminal into which lines come, or from an empty one, and which scrolls when it is full."""
    screen = _screen(rng, size)
    lines = pick(rng, (_session, _session, _code, _dump))(rng)
    canvas = plain(size, screen.ground)
    draw = ImageDraw.Draw(canvas)
    left, step = unit(size) * rng.uniform(1, 5), screen.cell[1]
    rows = int((size[1] - left) / step)
    pace, row = float(rng.choice((0.3, 1, 1, 2, 5, 12))), 0
    for _ in range(int(rng.choice((0, 3, rows)))):
        row = _added(screen, canvas, next(lines), row=row, rows=rows, left=left)
    while True:
        for _ in range(int(rng.poisson(pace))):
            row = _added(screen, canvas, next(lines), row=row, rows=rows, left=left)
        at = (left, left + row * step, left + screen.cell[0], left + (row + 0.85) * step)
        if row < rows and chance(rng, 0.7):
            draw.rectangle(at, fill=screen.inks[0])
            yield canvas
            draw.rectangle(at, fill=screen.ground)
        else:
            yield canvas


def _added(screen: Screen, canvas: Image.Image, line: TextLine, *, row: int, rows: int, left: float) -> int:
    """Writes a line at the row, or at the last one of a page moved up; gives the next row."""
    if row >= rows:
        step = round(screen.cell[1])
        canvas.paste(canvas.crop((0, step, *canvas.size)), (0, 0))
        ImageDraw.Draw(canvas).rectangle((0, canvas.height - step - left, *canvas.size), fill=screen.ground)
        row = rows - 1
    screen.line(ImageDraw.Draw(canvas), left, left + row * screen.cell[1], line)
    return row + 1


def editors(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """An editor with line numbers, perhaps a list of files and bars, in which one types, moves or scrolls."""
    screen, u, (w, h) = _screen(rng, size), unit(size), size
    code = _code(rng)
    lines = [next(code) for _ in range(120)]
    shade = mix(screen.ground, screen.inks[0], 0.08)
    left, top, bottom = float(rng.choice((0, 0, 0.2))) * w, float(rng.choice((0, 7))) * u, float(rng.choice((0, 5))) * u
    frame = _frame(rng, screen, size, left=left, top=top, bottom=bottom, shade=shade)
    rows, first, pace = (
        int((h - top - bottom) / screen.cell[1]),
        int(rng.integers(40)),
        int(rng.choice((0, 0, 0, 1, 3))),
    )
    row = first + int(rng.integers(rows))
    gutter = left + 4.5 * screen.cell[0]
    while True:
        canvas, draw = copied(frame)
        for k in range(rows):
            y = top + k * screen.cell[1]
            if first + k == row:
                draw.rectangle((left, y, w, y + screen.cell[1]), fill=shade)
            number = mix(screen.ground, screen.inks[0], 0.45)
            draw.text(
                (left + screen.cell[0], y), f"{first + k + 1:>3}", fill=number, font=font(screen.file, screen.height)
            )
            screen.line(draw, gutter + screen.cell[0], y, lines[first + k])
        yield canvas
        if chance(rng, 0.6):
            lines[row] = [*lines[row], (f" {word(rng)}", int(rng.integers(4)))]
        if chance(rng, 0.4):
            row += 1
            lines.insert(row, next(code))
        first = min(first + pace, len(lines) - rows - 1)
        row = min(max(row, first), first + rows - 1)


def _frame(
    rng: np.random.Generator, screen: Screen, size: Size, *, left: float, top: float, bottom: float, shade: Colour
) -> Image.Image:
    """What stands around the text: files at the left, tabs above, a bar below, each where it has room."""
    canvas, u, (w, h) = plain(size, screen.ground), unit(size), size
    draw = ImageDraw.Draw(canvas)
    small, ink = font("DejaVuSans.ttf", round(3.6 * u)), mix(screen.ground, screen.inks[0], 0.7)
    if left:
        draw.rectangle((0, 0, left, h), fill=shade)
        for k in range(int(h / (6 * u)) - 2):
            at = (u * (2 + 3 * (k % 3 > 0)), top + u * (2 + 6 * k))
            draw.text(at, f"{word(rng)[:9]}.{word(rng)[:2]}", fill=ink, font=small)
    if top:
        draw.rectangle((0, 0, w, top - 1), fill=mix(shade, screen.ground, 0.5))
        for k in range(3):
            x = left + k * 26 * u
            draw.rectangle((x, 0, x + 25 * u, top), fill=screen.ground if k == 0 else shade)
            draw.text((x + 2 * u, top / 2), f"{word(rng)[:8]}.{word(rng)[:2]}", fill=ink, font=small, anchor="lm")
    if bottom:
        bar = screen.inks[-1]
        draw.rectangle((0, h - bottom, w, h), fill=bar)
        draw.text((2 * u, h - bottom / 2), f"{word(rng)}  {figure(rng)}", fill=screen.ground, font=small, anchor="lm")
    return canvas


KINDS: tuple[Scene, ...] = (text_scrolling, text_scrolling, editors)
