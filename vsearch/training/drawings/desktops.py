"""Desktops: windows, icons, menus, dialogs, a page that scrolls, a cursor that moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

from vsearch.training.drawings.paint import (
    BLACK,
    WHITE,
    Box,
    Colour,
    Place,
    Scene,
    Size,
    around,
    chance,
    copied,
    disc,
    fill,
    glow,
    gradient,
    hsv,
    ink_on,
    mix,
    pick,
    plain,
    turned,
    unit,
)
from vsearch.training.drawings.shapes import outline
from vsearch.training.drawings.words import face, figure, label, phrase, word, wrapped, write

CURSOR = np.array([(0, 0), (0, 17), (4, 13), (7, 20), (9.5, 19), (6.5, 12.2), (12, 12)])


@dataclass(frozen=True)
class Theme:
    """How the windows of one desktop look."""

    bar: Colour
    page: Colour
    ink: Colour
    accent: Colour
    letters: str
    radius: float
    buttons: str
    unit: float


@dataclass(frozen=True)
class Window:
    """A window as a picture, and its left upper corner."""

    picture: Image.Image
    at: tuple[int, int]


def _theme(rng: np.random.Generator, size: Size) -> Theme:
    hue, dark, u = rng.random(), chance(rng, 0.3), unit(size)
    page = (
        pick(rng, (WHITE, WHITE, (240, 240, 240), (212, 208, 200)))
        if not dark
        else hsv(hue, 0.1, rng.uniform(0.1, 0.25))
    )
    accent = hsv(hue, rng.uniform(0.5, 0.9), rng.uniform(0.5, 0.9))
    bar = pick(rng, (accent, mix(page, ink_on(page), 0.12), mix(page, ink_on(page), 0.25), hsv(hue, 0.6, 0.35)))
    radius, buttons = float(rng.choice((0, 0, 1, 2))) * u, pick(rng, ("dots", "cross", "squares"))
    return Theme(bar, page, ink_on(page), accent, face(rng, "sans"), radius, buttons, u)


def _wallpaper(rng: np.random.Generator, size: Size) -> Image.Image:
    first = hsv(rng.random(), rng.uniform(0, 0.8), rng.uniform(0.1, 0.9))
    second = mix(first, pick(rng, (BLACK, WHITE, hsv(rng.random(), 0.7, 0.7))), rng.uniform(0.2, 0.6))
    match int(rng.integers(4)):
        case 0:
            return gradient(size, first, second, across=chance(rng, 0.4))
        case 1:
            return glow(size, first, second)
        case 2:
            canvas = plain(size, first)
            draw = ImageDraw.Draw(canvas)
            for share in np.linspace(0, 1, int(rng.integers(2, 6))):
                at = rng.uniform(0, 1, 2) * size
                fill(
                    draw, turned(outline(rng), scale=rng.uniform(30, 80) * unit(size), at=at), mix(first, second, share)
                )
            return canvas
        case _:
            return plain(size, first)


def _desktop(rng: np.random.Generator, size: Size, theme: Theme) -> Image.Image:
    """Wallpaper, icons in columns and a bar at one edge."""
    canvas, u, (w, h) = _wallpaper(rng, size), unit(size), size
    draw = ImageDraw.Draw(canvas)
    for k in range(int(rng.integers(0, 9))):
        x, y = u * (9 + 17 * (k // 5)), u * (14 + 17 * (k % 5))
        colour = hsv(rng.random(), 0.7, 0.9)
        draw.rounded_rectangle(around((x, y), 4.5 * u), radius=u, fill=colour)
        fill(draw, turned(outline(rng), scale=3 * u, at=(x, y)), ink_on(colour))
        write(draw, (x, y + 7 * u), word(rng)[:9], WHITE, file=theme.letters, height=3.4 * u, anchor="mm")
    top = 0 if chance(rng, 0.4) else h - 7 * u
    draw.rectangle((0, top, w, top + 7 * u), fill=theme.bar)
    ink = ink_on(theme.bar)
    for k in range(int(rng.integers(2, 7))):
        at, said = (u * (3 + 19 * k), top + 3.5 * u), word(rng).title()[:8]
        write(draw, at, said, ink, file=theme.letters, height=3.8 * u, widest=17 * u)
    clock = f"{int(rng.integers(24))}:{int(rng.integers(60)):02}"
    write(draw, (w - 3 * u, top + 3.5 * u), clock, ink, file=theme.letters, height=4 * u, anchor="rm")
    return canvas


def _window(rng: np.random.Generator, theme: Theme, size: Size, share: float) -> Window:
    """Somewhere on the desktop, about `share` of its sides."""
    w, h = (round(side * share * rng.uniform(0.75, 1.2)) for side in size)
    w, h = min(w, size[0]), min(h, round(size[1] * 0.9))
    u, picture = theme.unit, plain((w, h), theme.page)
    draw = ImageDraw.Draw(picture)
    fillings = (_text, _text, _form, _files, _picture, _sheet)
    pick(rng, fillings)(rng, draw, theme, (2 * u, 8 * u, w - 2 * u, h - 2 * u))
    draw.rectangle((0, 0, w, 6 * u), fill=theme.bar)
    ink = ink_on(theme.bar)
    left = 17 * u if theme.buttons == "dots" else 2 * u
    said = phrase(rng, 1, 3)
    write(draw, (left, 3 * u), said, ink, file=theme.letters, height=4 * u, widest=max(u, w - 36 * u))
    _buttons(draw, theme, w)
    draw.rectangle((0, 0, w - 1, h - 1), outline=mix(theme.page, theme.ink, 0.5), width=2)
    left_upper = [int(rng.integers(0, max(1, side - own + 1))) for side, own in zip(size, (w, h), strict=True)]
    return Window(picture, (left_upper[0], left_upper[1]))


def _buttons(draw: ImageDraw.ImageDraw, theme: Theme, width: int) -> None:
    u, ink = theme.unit, ink_on(theme.bar)
    for k in range(3):
        if theme.buttons == "dots":
            disc(draw, (u * (3 + 4.2 * k), 3 * u), 1.4 * u, ((255, 95, 86), (255, 189, 46), (39, 201, 63))[k])
            continue
        x = width - u * (4 + 6 * k)
        if theme.buttons == "squares":
            draw.rectangle(around((x, 3 * u), 2 * u), fill=theme.page, outline=theme.ink)
            ink = theme.ink
        marks = ([(-1, -1, 1, 1), (-1, 1, 1, -1)], [(-1, -1, 1, -1), (1, -1, 1, 1), (1, 1, -1, 1), (-1, 1, -1, -1)])
        for a, b, c, d in (*marks, [(-1, 1, 1, 1)])[k]:
            draw.line((x + a * u, (3 + b) * u, x + c * u, (3 + d) * u), fill=ink, width=max(1, round(u / 3)))


def _text(rng: np.random.Generator, draw: ImageDraw.ImageDraw, theme: Theme, box: Box) -> None:
    left, top, right, bottom = box
    height = theme.unit * rng.uniform(3.2, 5)
    y = top + height
    while y < bottom - height:
        for line in wrapped(phrase(rng, 8, 40), max(4, int((right - left) / height / 0.52))):
            if y < bottom:
                write(draw, (left, y), line, theme.ink, file=theme.letters, height=height)
            y += height * 1.3
        y += height * 0.8


def _form(rng: np.random.Generator, draw: ImageDraw.ImageDraw, theme: Theme, box: Box) -> None:
    """Names and fields, check boxes and buttons."""
    (left, top, right, bottom), u = box, theme.unit
    y, soft = top + 3 * u, mix(theme.page, theme.ink, 0.3)
    while y < bottom - 14 * u:
        write(draw, (left, y), word(rng).title()[:10], theme.ink, file=theme.letters, height=4 * u)
        x = left + (right - left) * 0.4
        if chance(rng, 0.65):
            draw.rectangle((x, y - 3 * u, right, y + 3 * u), outline=soft, width=2)
            write(draw, (x + u, y), label(rng)[:14], theme.ink, file=theme.letters, height=4 * u, widest=right - x - u)
        else:
            on = chance(rng, 0.5)
            draw.rectangle(
                (x, y - 2 * u, x + 4 * u, y + 2 * u), fill=theme.accent if on else None, outline=soft, width=2
            )
        y += 8 * u
    for k in range(2):
        x = right - 20 * u * (k + 1)
        _button(rng, draw, theme, (x, bottom - 8 * u, x + 18 * u, bottom - u), lit=k == 0)


def _button(rng: np.random.Generator, draw: ImageDraw.ImageDraw, theme: Theme, box: Box, *, lit: bool) -> None:
    colour = theme.accent if lit else mix(theme.page, theme.ink, 0.15)
    draw.rounded_rectangle(
        box, radius=max(0.1, theme.radius), fill=colour, outline=mix(colour, theme.ink, 0.4), width=2
    )
    middle, u = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), theme.unit
    said = word(rng).title()
    write(draw, middle, said, ink_on(colour), file=theme.letters, height=4 * u, anchor="mm", widest=box[2] - box[0] - u)


def _files(rng: np.random.Generator, draw: ImageDraw.ImageDraw, theme: Theme, box: Box) -> None:
    (left, top, right, bottom), u = box, theme.unit
    for k, y in enumerate(np.arange(top + 3 * u, bottom - 2 * u, 6 * u)):
        if chance(rng, 0.08):
            draw.rectangle((left, y - 3 * u, right, y + 3 * u), fill=mix(theme.page, theme.accent, 0.5))
        elif k % 2:
            draw.rectangle((left, y - 3 * u, right, y + 3 * u), fill=mix(theme.page, theme.ink, 0.04))
        draw.rectangle(
            (left + u, y - 2 * u, left + 5 * u, y + 1.6 * u), fill=hsv(0.12 + 0.4 * chance(rng, 0.3), 0.6, 0.9)
        )
        for share, said in ((0, f"{word(rng)}.{word(rng)[:3]}"), (0.55, figure(rng)), (0.8, word(rng)[:6])):
            at = (left + 7 * u + share * (right - left - 7 * u), y)
            write(draw, at, said, theme.ink, file=theme.letters, height=3.8 * u)


def _picture(rng: np.random.Generator, draw: ImageDraw.ImageDraw, theme: Theme, box: Box) -> None:
    left, top, right, bottom = box
    draw.rectangle(box, fill=hsv(rng.random(), rng.uniform(0, 0.6), rng.uniform(0.3, 1)))
    for _ in range(int(rng.integers(1, 6))):
        radius = (bottom - top) * rng.uniform(0.05, 0.25)
        at = (
            rng.uniform(left + radius, max(left + radius, right - radius)),
            rng.uniform(top + radius, bottom - radius),
        )
        fill(draw, turned(outline(rng), scale=radius, at=at), hsv(rng.random(), 0.7, 0.9))


def _sheet(rng: np.random.Generator, draw: ImageDraw.ImageDraw, theme: Theme, box: Box) -> None:
    (left, top, right, bottom), u, soft = box, theme.unit, mix(theme.page, theme.ink, 0.2)
    for row, y in enumerate(np.arange(top, bottom - 5 * u, 5 * u)):
        for x in np.arange(left, right - 14 * u, 14 * u):
            shade = mix(theme.page, theme.ink, 0.12) if row == 0 or x == left else None
            draw.rectangle((x, y, x + 14 * u, y + 5 * u), outline=soft, fill=shade)
            if row == 0 or chance(rng, 0.6):
                write(
                    draw,
                    (x + 13 * u, y + 2.5 * u),
                    figure(rng),
                    theme.ink,
                    file=theme.letters,
                    height=3.6 * u,
                    anchor="rm",
                    widest=12 * u,
                )


def windows_in_use(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """Windows on a desktop: the cursor moves mostly; windows, menus and dialogs open, close and are moved."""
    theme = _theme(rng, size)
    desktop = _desktop(rng, size, theme)
    windows = [_window(rng, theme, size, rng.uniform(0.4, 0.8)) for _ in range(int(rng.integers(1, 4)))]
    at, calm = rng.uniform(0.1, 0.9, 2) * size, float(rng.choice((0.4, 0.7, 0.9)))
    while True:
        canvas = desktop.copy()
        for window in windows:
            canvas.paste(window.picture, window.at)
        if chance(rng, 0.12):
            _menu(rng, ImageDraw.Draw(canvas), theme, at, size)
        for _ in range(int(rng.integers(1, 4))):
            yield _pointed(canvas, at, theme)
            at = (at + rng.normal(0, 10, 2) * theme.unit * chance(rng, 0.7)).clip(0, np.array(size) * 0.97)
        if not chance(rng, calm):
            windows = _changed(rng, windows, theme, size)


def _changed(rng: np.random.Generator, windows: list[Window], theme: Theme, size: Size) -> list[Window]:
    match int(rng.integers(4)):
        case 0 if len(windows) > 1:
            return windows[:-1]
        case 1:
            last = windows[-1]
            step = rng.normal(0, 8, 2) * theme.unit
            return [*windows[:-1], replace(last, at=(int(last.at[0] + step[0]), int(last.at[1] + step[1])))]
        case 2:
            return [*windows[1:], windows[0]]
        case _:
            return [*windows[-3:], _window(rng, theme, size, rng.uniform(0.25, 0.6))]


def _menu(
    rng: np.random.Generator,
    draw: ImageDraw.ImageDraw,
    theme: Theme,
    at: Place,
    size: Size,
) -> None:
    u, count = theme.unit, int(rng.integers(3, 9))
    x, y = min(float(at[0]), size[0] - 30 * u), min(float(at[1]), size[1] - 6 * u * count)
    draw.rectangle(
        (x, y, x + 30 * u, y + 6 * u * count), fill=theme.page, outline=mix(theme.page, theme.ink, 0.4), width=2
    )
    lit = int(rng.integers(count))
    for k in range(count):
        if k == lit:
            draw.rectangle((x + 2, y + 6 * u * k, x + 30 * u - 2, y + 6 * u * (k + 1)), fill=theme.accent)
        ink = ink_on(theme.accent) if k == lit else theme.ink
        write(draw, (x + 2 * u, y + u * (6 * k + 3)), word(rng).title(), ink, file=theme.letters, height=4 * u)


def _pointed(canvas: Image.Image, at: Place, theme: Theme) -> Image.Image:
    """A copy with the cursor."""
    pointed, draw = copied(canvas)
    fill(draw, turned(CURSOR, scale=theme.unit * 0.3, at=at), WHITE, BLACK, theme.unit * 0.3)
    return pointed


def pages_scrolling(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """A long page of headings, text, pictures and buttons below a bar that stays: it is read and scrolled."""
    theme, u, (w, h) = _theme(rng, size), unit(size), size
    page = _page(rng, theme, (w, round(h * rng.uniform(2, 4))))
    bar = plain((w, round(8 * u)), theme.bar)
    for k in range(5):
        said, ink = word(rng).title()[:9], ink_on(theme.bar)
        write(ImageDraw.Draw(bar), (u * (3 + 24 * k), 4 * u), said, ink, file=theme.letters, height=4.5 * u)
    top, shown, pace = 0.0, bool(rng.integers(2)), float(rng.choice((0.1, 0.3, 0.8))) * h
    at = rng.uniform(0.1, 0.9, 2) * size
    while True:
        canvas = page.crop((0, round(top), w, round(top) + h))
        canvas.paste(bar, (0, 0))
        share = top / (page.height - h)
        y, draw = 8 * u + share * (h - 28 * u), ImageDraw.Draw(canvas)
        draw.rectangle((w - 3 * u, 8 * u, w, h), fill=mix(theme.page, theme.ink, 0.1))
        draw.rectangle((w - 3 * u, y, w, y + 20 * u), fill=mix(theme.page, theme.ink, 0.4))
        yield _pointed(canvas, at, theme) if shown else canvas
        if chance(rng, 0.5):
            top = float(np.clip(top + pace * rng.choice((1, 1, 1, -0.5)), 0, page.height - h))
        at = (at + rng.normal(0, 5, 2) * u).clip(0, np.array(size) * 0.97)


def _page(rng: np.random.Generator, theme: Theme, size: Size) -> Image.Image:
    picture, u, (w, h) = plain(size, theme.page), theme.unit, size
    draw, left = ImageDraw.Draw(picture), w * float(rng.choice((0.05, 0.15, 0.25)))
    right, y, parts = w - max(left, 0.08 * w), 12 * u, (_text, _text, _picture, _files, _form, _sheet)
    while y < h:
        write(
            draw, (left, y + 4 * u), phrase(rng, 2, 5), theme.ink, file=theme.letters, height=8 * u, widest=right - left
        )
        part, high = pick(rng, parts), u * rng.uniform(20, 55)
        part(rng, draw, theme, (left, y + 10 * u, right, y + 10 * u + high))
        y += high + 14 * u
    return picture


KINDS: tuple[Scene, ...] = (windows_in_use, windows_in_use, pages_scrolling)
