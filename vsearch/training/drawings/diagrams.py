"""Diagrams and maps: graphs of nodes, flow charts, plots of functions, street maps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from vsearch.training.drawings.paint import (
    BLACK,
    WHITE,
    Colour,
    Place,
    Points,
    Scene,
    Series,
    Size,
    backdrop,
    chance,
    circle,
    copied,
    disc,
    fill,
    grid,
    hsv,
    ink_on,
    mix,
    palette,
    pick,
    plain,
    smooth,
    stroke,
    turned,
    unit,
)
from vsearch.training.drawings.words import face, label, phrase, word, write


def arrow(draw: ImageDraw.ImageDraw, start: Place, end: Place, colour: Colour, width: float) -> None:
    """A line with a head at its end."""
    along = (end - start) / (np.hypot(*(end - start)) + 1e-6)
    across = np.array([-along[1], along[0]])
    neck = end - along * width * 5
    stroke(draw, np.stack([start, neck]), colour, width)
    fill(draw, np.stack([end, neck + across * width * 2.5, neck - across * width * 2.5]), colour)


def graphs_growing(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """Nodes and links that come one by one and are lit in turn."""
    colours, u = palette(rng), unit(size)
    ground, file, width = backdrop(rng, size, colours), face(rng), u * rng.uniform(0.3, 1.2)
    named, directed, radius = chance(rng, 0.6), chance(rng, 0.4), u * rng.uniform(3, 8)
    count = int(rng.integers(5, 18))
    at = _spread(rng, count, size)
    parents = [
        int(np.argmin(np.hypot(*(at[:k] - at[k]).T))) if k and chance(rng, 0.7) else int(rng.integers(max(1, k)))
        for k in range(count)
    ]
    inks, names = [pick(rng, colours.accents) for _ in at], [label(rng)[:5] for _ in at]
    shown = int(rng.integers(1, count + 1))
    while True:
        (canvas, draw), lit = copied(ground), int(rng.integers(shown))
        for k in range(1, shown):
            a, b = at[parents[k]], at[k]
            ink = colours.accents[0] if lit in (k, parents[k]) else mix(colours.ground, colours.ink, 0.6)
            if directed:
                arrow(draw, a, b - (b - a) / (np.hypot(*(b - a)) + 1e-6) * radius, ink, width)
            else:
                stroke(draw, np.stack([a, b]), ink, width)
        for k in range(shown):
            disc(draw, at[k], radius * (1.3 if k == lit else 1), inks[k], colours.ink, width)
            if named:
                write(
                    draw,
                    (at[k][0], at[k][1]),
                    names[k],
                    ink_on(inks[k]),
                    file=file,
                    height=radius,
                    anchor="mm",
                    widest=radius * 1.8,
                )
        yield canvas
        shown = min(count, shown + int(rng.integers(0, 3)))


def _spread(rng: np.random.Generator, count: int, size: Size) -> Points:
    """Places that keep away from each other: of a few tries, the farthest from the rest."""
    at = rng.uniform(0.08, 0.92, (1, 2)) * size
    for _ in range(count - 1):
        tries = rng.uniform(0.08, 0.92, (12, 2)) * size
        away = np.min(np.hypot(*(tries[:, None] - at).transpose(2, 0, 1)), 1)
        at = np.concatenate([at, tries[[np.argmax(away)]]])
    return at


def flow_charts(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """Boxes in a grid joined by arrows, drawn one by one; then one is lit after another."""
    colours, u, (w, h) = palette(rng), unit(size), size
    columns, rows = int(rng.integers(2, 5)), int(rng.integers(2, 5))
    file, width, filled = face(rng, "sans"), u * rng.uniform(0.4, 1), chance(rng, 0.6)
    half = np.array([w / columns * 0.34, h / rows * 0.28])
    cells = [
        (column, row)
        for row in range(rows)
        for column in (range(columns) if row % 2 == 0 else range(columns - 1, -1, -1))
    ]
    inks, names = (
        [pick(rng, colours.accents) for _ in cells],
        [phrase(rng, 1, 2 if columns < 4 else 1)[:12] for _ in cells],
    )
    kinds = rng.integers(0, 4, len(cells))
    ground, shown = backdrop(rng, size, colours), int(rng.integers(1, len(cells) + 1))
    while True:
        (canvas, draw), lit = copied(ground), int(rng.integers(shown))
        for k, cell in enumerate(cells[:shown]):
            middle = (np.array(cell) + 0.5) * (w / columns, h / rows)
            if k:
                way = np.sign(np.array(cell) - cells[k - 1])
                before = (np.array(cells[k - 1]) + 0.5) * (w / columns, h / rows)
                arrow(draw, before + way * half, middle - way * half, colours.ink, width)
            colour = (inks[k] if filled else mix(colours.ground, inks[k], 0.15)) if k != lit else colours.ink
            corners = _box(int(kinds[k])) * half + middle
            fill(draw, corners, colour, inks[k] if not filled else colours.ink, width)
            at = (float(middle[0]), float(middle[1]))
            write(
                draw,
                at,
                names[k],
                ink_on(colour),
                file=file,
                height=min(half[1], 6 * u),
                anchor="mm",
                widest=half[0] * 1.4,
            )
        yield canvas
        shown = min(len(cells), shown + int(rng.integers(0, 2)))


def _box(kind: int) -> Points:
    """The outline of a box of a flow chart, within -1..1: box, diamond, slanted box, rounded."""
    square = np.array([(-1.0, -1), (1, -1), (1, 1), (-1, 1)])
    if kind == 1:
        return circle(4)
    if kind == 2:
        square[[0, 2], 0] += 0.12, -0.12
    if kind == 3:
        spots = circle(40)
        rounded: Points = np.sign(spots) * np.abs(spots) ** 0.4
        return rounded
    return square


def functions_plotted(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """Curves on a grid with axes, drawn on bit by bit, or waves that run."""
    colours, u, (w, h) = palette(rng), unit(size), size
    ground = backdrop(rng, size, colours)
    origin = np.array([w * float(rng.choice((0.1, 0.5))), h * float(rng.choice((0.5, 0.85)))])
    file = face(rng)
    _grid(rng, ImageDraw.Draw(ground), size, origin, colours.ground, colours.ink)
    write(
        ImageDraw.Draw(ground),
        (w * 0.95, 7 * u),
        f"{word(rng)[0]}(x)",
        colours.ink,
        file=file,
        height=8 * u,
        anchor="rm",
    )
    curves, width = [_curve(rng) for _ in range(int(rng.integers(1, 4)))], u * rng.uniform(0.5, 1.5)
    running, pace, time = chance(rng, 0.35), rng.uniform(0.03, 0.2), 0.2
    x = np.linspace(-1, 1, 160)
    while True:
        canvas, draw = copied(ground)
        end = 160 if running else max(2, int(160 * min(1.0, time)))
        for k, (form, a, b, c) in enumerate(curves):
            values = _values(form, x * b + (time if running else 0), a) + c
            points = np.stack([w / 2 + x * w / 2, origin[1] - values * h * 0.35], 1)[:end]
            ink = colours.accents[k % len(colours.accents)]
            stroke(draw, points, ink, width)
            disc(draw, points[-1], width * 2, ink)
        yield canvas
        time += pace


def _grid(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, size: Size, origin: Place, ground: Colour, ink: Colour
) -> None:
    (w, h), u = size, unit(size)
    step, faint = u * float(rng.choice((8, 12, 16))), mix(ground, ink, rng.uniform(0.08, 0.35))
    if chance(rng, 0.8):
        grid(draw, size, faint, through=(origin[0], origin[1]), step=step, width=0.25 * u)
    arrow(draw, np.array([0, origin[1]]), np.array([w, origin[1]]), ink, 0.6 * u)
    arrow(draw, np.array([origin[0], h]), np.array([origin[0], 0]), ink, 0.6 * u)
    for k in range(1, 6):
        at = (float(origin[0] + k * 2 * step), float(origin[1] + 3.5 * u))
        write(draw, at, f"{k}", ink, file="DejaVuSans.ttf", height=4 * u, anchor="mm")


def _curve(rng: np.random.Generator) -> tuple[int, float, float, float]:
    return int(rng.integers(5)), rng.uniform(0.5, 2), rng.uniform(0.6, 2.5), rng.uniform(-0.3, 0.3)


def _values(form: int, x: Series, a: float) -> Series:
    values: Series
    match form:
        case 0:
            values = np.sin(x * 5 * a)
        case 1:
            values = x**2 * a - 0.8
        case 2:
            values = np.exp(-a * 3 * x**2) * 1.2
        case 3:
            values = np.tanh(3 * a * x)
        case _:
            values = np.sin(8 * a * x) * np.exp(-np.abs(x))
    return values


def maps_followed(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """A street map with blocks, water, parks and names; a spot goes its way, or the map moves."""
    u = unit(size)
    town = _town(rng, (round(size[0] * 1.8), round(size[1] * 1.8)))
    room = np.array(town.size) - size
    still, pin = chance(rng, 0.5), hsv(rng.random(), 0.9, 0.85)
    path, width = [rng.uniform(0.2, 0.8, 2) * size], 1.2 * u
    left_upper, step = rng.uniform(0, 1, 2) * room, rng.normal(0, 6, 2) * u
    while True:
        left, top = (int(v) for v in left_upper)
        canvas = town.crop((left, top, left + size[0], top + size[1]))
        draw = ImageDraw.Draw(canvas)
        if still and len(path) > 1:
            stroke(draw, np.stack(path), pin, width)
        at = path[-1]
        fill(draw, turned([(0, 0), (-2.5, -5), (2.5, -5)], scale=u, at=at), pin)
        disc(draw, (at[0], at[1] - 6.5 * u), 3 * u, pin, WHITE, 0.7 * u)
        yield canvas
        if still:
            move = rng.uniform(4, 12) * u * np.array(pick(rng, ((1, 0), (0, 1), (-1, 0), (0, -1))))
            path = [*path[-30:], (at + move).clip(10 * u, np.array(size) * 0.95)]
        else:
            left_upper = (left_upper + step).clip(0, room)
            step = step if chance(rng, 0.9) else rng.normal(0, 6, 2) * u


def _town(rng: np.random.Generator, size: Size) -> Image.Image:
    dark, u = chance(rng, 0.3), min(size) / 180
    paper = hsv(rng.random(), 0.08, 0.2 if dark else 0.93)
    road, ink = mix(paper, WHITE, 0.2 if dark else 0.9), ink_on(paper)
    canvas = plain(size, paper)
    draw = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(1, 5))):
        blob = smooth(circle(7)[[0, 1, 2, 3, 4, 5, 6, 0]] * rng.uniform(0.6, 1.2, (8, 1)))
        colour = mix(paper, pick(rng, ((70, 190, 90), (90, 160, 240))), 0.5)
        fill(draw, turned(blob, scale=u * rng.uniform(15, 40), at=rng.uniform(0, 1, 2) * size), colour)
    turn, middle, reach = rng.uniform(-0.4, 0.4), np.array(size) / 2, float(sum(size))
    lines = [
        (offset, turn + side)
        for side in (0, np.pi / 2)
        for offset in np.arange(-reach / 2, reach / 2, u * rng.uniform(12, 22))
    ]
    lines += [(rng.normal(0, 30 * u), rng.uniform(0, 3)) for _ in range(2)]
    edge = mix(paper, BLACK, 0.25)
    ways = [
        (turned([(-reach, off), (reach, off)], turn=a, at=middle), u * float(rng.choice((1.2, 2, 3.5))))
        for off, a in lines
    ]
    for way, width in ways:
        stroke(draw, way, edge, width + u * 0.7)
    for way, width in ways:
        stroke(draw, way, road if width < 3 * u else mix(road, (255, 200, 60), 0.6), width)
    river = smooth(np.stack([np.linspace(-0.1, 1.1, 6) * size[0], rng.uniform(0, 1, 6) * size[1]], 1))
    if chance(rng, 0.5):
        stroke(draw, river, mix(paper, (90, 160, 240), 0.6), u * rng.uniform(3, 9))
    for at in _spread(rng, 14, size):
        write(draw, (at[0], at[1]), word(rng).title(), ink, file="DejaVuSans.ttf", height=5 * u, anchor="mm")
    return canvas


KINDS: tuple[Scene, ...] = (graphs_growing, flow_charts, functions_plotted, maps_followed)
