"""Games and simulations: boards with pieces, mazes, cells that live, particles, sorted bars."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from vsearch.training.drawings.paint import (
    BLACK,
    WHITE,
    Scene,
    Size,
    backdrop,
    chance,
    copied,
    disc,
    fill,
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
from vsearch.training.drawings.words import face, figure, word, write


def boards_played(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """A board of squares with pieces of a few shapes, one of which moves at a time, beside a list of moves."""
    colours, u, (w, h) = palette(rng), unit(size), size
    n, side = int(rng.choice((3, 6, 8, 8, 10, 12))), min(size) * 0.92
    cell, left, top = side / n, (w - side) * float(rng.choice((0.1, 0.5))), (h - side) / 2
    light, dark = hsv(0.1, rng.uniform(0, 0.4), 0.95), hsv(rng.random(), 0.5, rng.uniform(0.3, 0.7))
    ground, draw_on = backdrop(rng, size, colours), chance(rng, 0.6)
    draw = ImageDraw.Draw(ground)
    for row, column in np.ndindex(n, n):
        x, y = left + column * cell, top + row * cell
        square = (light, dark)[(row + column) % 2 if draw_on else 0]
        draw.rectangle((x, y, x + cell, y + cell), fill=square, outline=None if draw_on else dark, width=2)
    shapes, sides = [outline(rng) for _ in range(4)], ((250, 250, 250), (25, 25, 25))
    if chance(rng, 0.5):
        sides = (pick(rng, colours.accents), pick(rng, colours.accents))
    squares = [
        (int(s // n), int(s % n)) for s in rng.choice(n * n, max(2, int(n * n * rng.uniform(0.1, 0.5))), replace=False)
    ]
    pieces = {square: (int(rng.integers(4)), int(rng.integers(2))) for square in squares}
    file, moves = face(rng, "sans", "mono"), [word(rng)[:5]]
    while True:
        canvas, draw = copied(ground)
        for (row, column), (kind, owner) in pieces.items():
            at = (left + (column + 0.5) * cell, top + (row + 0.5) * cell)
            fill(draw, turned(shapes[kind], scale=cell * 0.36, at=at), sides[owner], BLACK, 0.4 * u)
        for k, said in enumerate(moves[-14:] if left < w * 0.1 and w - side > 40 * u else ()):
            write(draw, (left + side + 6 * u, top + u * (4 + 6.5 * k)), said, colours.ink, file=file, height=5 * u)
        yield canvas
        goes, free = pick(rng, list(pieces)), (int(rng.integers(n)), int(rng.integers(n)))
        moves.append(f"{len(moves)}. {word(rng)[:3]}{free[1] + 1}")
        pieces[free] = pieces.pop(goes)


def cells_living(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """Squares that live by a rule of their neighbours, or rows of a one-dimensional rule, one below the other."""
    colours, side = palette(rng), unit(size) * float(rng.choice((3, 5, 8)))
    rows, columns = int(size[1] / side) + 1, int(size[0] / side) + 1
    inks = np.array([colours.ground, pick(rng, (colours.ink, *colours.accents))], np.uint8)
    alive = (rng.random((rows, columns)) < rng.uniform(0.15, 0.45)).astype(np.uint8)
    lined, rule = chance(rng, 0.4), pick(rng, (30, 90, 110, 22, 60))
    if lined:
        row, alive = alive[-1], alive * (np.arange(rows)[:, None] > rows * rng.random())
    while True:
        canvas = Image.fromarray(inks[alive]).resize(
            (round(columns * side), round(rows * side)), Image.Resampling.NEAREST
        )
        yield canvas.crop((0, 0, *size))
        if lined:
            code = 4 * np.roll(row, 1) + 2 * row + np.roll(row, -1)
            row = (rule >> code & 1).astype(np.uint8)
            alive = np.concatenate([alive[1:], row[None]])
        else:
            around = sum(np.roll(alive, (a, b), (0, 1)) for a in (-1, 0, 1) for b in (-1, 0, 1))
            alive = ((around == 3) | (alive & (around == 4))).astype(np.uint8)
            alive |= (rng.random(alive.shape) < 0.003).astype(np.uint8)


def particles(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """Many dots or short lines that fall, drift, burst or stream; now and then with trails."""
    colours, u = palette(rng), unit(size)
    ground = backdrop(rng, size, colours)
    count, radius = int(rng.choice((20, 60, 150))), u * rng.uniform(0.4, 1.8)
    at, step = rng.uniform(0, 1, (count, 2)) * size, rng.normal(0, 3, (count, 2)) * u
    match int(rng.integers(3)):
        case 0:
            step = np.abs(step) * (0.2, 1) * 2 + (0, 3 * u)
        case 1:
            at, step = np.array(size) / 2 + step * rng.uniform(0, 10, (count, 1)), step
        case _:
            pass
    inks = [pick(rng, (colours.ink, *colours.accents)) for _ in range(count)]
    sizes, lines = radius * rng.uniform(0.5, 2, count), chance(rng, 0.3)
    while True:
        canvas, draw = copied(ground)
        for k in range(count):
            if lines:
                stroke(draw, np.stack([at[k], at[k] - step[k]]), inks[k], sizes[k])
            else:
                disc(draw, at[k], sizes[k], inks[k])
        yield canvas
        at = (at + step) % size


def bars_sorted(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """Bars in a row, of which pairs change places until they stand in order."""
    colours, (w, h), count = palette(rng), size, int(rng.choice((8, 16, 40)))
    ground, rainbow, u = backdrop(rng, size, colours), chance(rng, 0.4), unit(size)
    heights, step, said = rng.permutation(count) + 1, w * 0.94 / count, f"{word(rng).title()} {figure(rng)}"
    while True:
        out = np.flatnonzero(np.diff(heights) < 0)
        canvas, draw = copied(ground)
        write(draw, (3 * u, 5 * u), said, colours.ink, file="DejaVuSans.ttf", height=6 * u)
        for k, high in enumerate(heights):
            ink = hsv(high / count, 0.8, 0.9) if rainbow else colours.accents[0 if k not in out[:1] else 1]
            x = w * 0.03 + k * step
            draw.rectangle((x, h * 0.97 - h * 0.82 * high / count, x + step * 0.85, h * 0.97), fill=ink)
        yield canvas
        for k in out[: max(1, count // 8)]:
            heights[k], heights[k + 1] = min(heights[k : k + 2]), max(heights[k : k + 2])
        if not len(out):
            heights = rng.permutation(count) + 1


def mazes_run(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """Walls in a grid and a spot that finds its way among dots."""
    colours, (w, h) = palette(rng), size
    side = unit(size) * float(rng.choice((8, 12, 16)))
    rows, columns = int(h / side), int(w / side)
    wall, dot = pick(rng, colours.accents), pick(rng, (colours.ink, *colours.accents))
    ground = plain(size, colours.ground)
    draw = ImageDraw.Draw(ground)
    for row, column in np.ndindex(rows, columns):
        x, y = column * side, row * side
        end = (x + side, y) if chance(rng, 0.5) else (x, y + side)
        stroke(draw, [(x, y), end], wall, side * 0.15)
    eaten, spots = ground.copy(), ImageDraw.Draw(ground)
    for row, column in np.ndindex(rows, columns):
        disc(spots, ((column + 0.5) * side, (row + 0.5) * side), side * 0.08, dot)
    at, ways = np.array([rows // 2, columns // 2]), ((0, 1), (0, 1), (1, 0), (0, -1), (-1, 0))
    runners = [hsv(k / 4 + rng.random(), 0.8, 0.95) for k in range(int(rng.integers(1, 4)))]
    places = [at.copy() for _ in runners]
    while True:
        canvas = ground.copy()
        for place, ink in zip(places, runners, strict=True):
            middle = (float((place[1] + 0.5) * side), float((place[0] + 0.5) * side))
            disc(ImageDraw.Draw(canvas), middle, side * 0.36, ink, ink_on(colours.ground), side * 0.05)
        yield canvas
        for k, place in enumerate(places):
            for _ in range(2):
                place = (place + pick(rng, ways)) % (rows, columns)
                left, top = int(place[1] * side + side * 0.3), int(place[0] * side + side * 0.3)
                box = (left, top, int(left + side * 0.4), int(top + side * 0.4))
                ground.paste(eaten.crop(box), box)
            places[k] = place


def balls_bouncing(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """Bats, bricks and a ball or more, as in the first games for screens."""
    colours, u, (w, h) = palette(rng), unit(size), size
    ground = plain(size, BLACK if chance(rng, 0.6) else colours.ground)
    ink, count = (WHITE if ground.getpixel((0, 0)) == BLACK else colours.ink), int(rng.integers(1, 4))
    rows, columns = int(rng.integers(2, 6)), int(rng.integers(6, 14))
    bricks = {(row, column) for row in range(rows) for column in range(columns)}
    at, step = rng.uniform(0.3, 0.8, (count, 2)) * size, rng.normal(0, 15, (count, 2)) * u
    points = 0
    while True:
        canvas, draw = copied(ground)
        for row, column in sorted(bricks):
            x, y = w * column / columns, h * (0.12 + 0.06 * row)
            colour = colours.accents[row % len(colours.accents)]
            draw.rectangle((x + 2, y + 2, x + w / columns - 2, y + h * 0.06 - 2), fill=mix(colour, WHITE, 0.1))
        bat = float(np.clip(at[0][0], 10 * u, w - 10 * u))
        draw.rectangle((bat - 10 * u, h * 0.93, bat + 10 * u, h * 0.96), fill=ink)
        for x, y in at:
            disc(draw, (x, y), 2 * u, ink)
        write(draw, (w * 0.04, h * 0.06), f"{points:04}", ink, file="DejaVuSansMono-Bold.ttf", height=8 * u)
        yield canvas
        step = np.where((at + step < 0) | (at + step > np.array(size) * (1, 0.92)), -step, step)
        at = (at + step).clip(0, np.array(size) * (1, 0.92))
        if bricks and chance(rng, 0.4):
            bricks.discard(pick(rng, sorted(bricks)))
            points += 10


def sprites_moving(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """A world of large picture elements: floors and blocks of tiles, small figures that walk, fall and jump."""
    side = int(rng.choice((12, 16)))
    dot = max(1, round(unit(size) * rng.uniform(0.6, 1.2)))
    rows, columns = size[1] // (dot * side) + 1, 3 * size[0] // (dot * side)
    sky, hue = hsv(rng.random(), rng.uniform(0, 0.7), float(rng.choice((0, 0.2, 0.6, 0.95)))), rng.random()
    world = plain((columns * side, rows * side), sky)
    tiles = [_sprite(rng, side, hue + k / 3, dense=True) for k in range(3)]
    for column in range(columns):
        for row in range(rows):
            if row >= rows - 2 or chance(rng, 0.06):
                world.paste(tiles[0 if row >= rows - 2 else 1 + row % 2], (column * side, row * side))
    figures = [_sprite(rng, side, rng.random(), dense=False) for _ in range(int(rng.integers(1, 6)))]
    at, step = rng.integers(0, size[0] // dot, len(figures)), rng.choice((-7, -3, 0, 3, 7), len(figures))
    camera, pace, wide = 0, int(rng.choice((0, 0, 2, side))), size[0] // dot + 1
    while True:
        view = world.crop((camera, 0, camera + wide, rows * side))
        for figure_, x in zip(figures, at, strict=True):
            high = (rows - 3) * side - int(rng.choice((0, 0, 0, side // 2, side)))
            view.paste(figure_, (int(x), high), figure_.getchannel("A"))
        large = view.resize((view.width * dot, view.height * dot), Image.Resampling.NEAREST)
        yield large.crop((0, large.height - size[1], size[0], large.height))
        at, camera = (at + step) % wide, (camera + pace) % max(1, world.width - wide)


def _sprite(rng: np.random.Generator, side: int, hue: float, *, dense: bool) -> Image.Image:
    """A mirrored figure of a few colours, nothing around it, or a tile that fills its square."""
    colours = np.array([hsv(hue, 0.7, 0.5), hsv(hue, 0.6, 0.9), hsv(hue + 0.4, 0.7, 0.9), (20, 20, 20)], np.uint8)
    half = rng.integers(0, 4, (side // 2, side // 4)).repeat(2, 0).repeat(2, 1)
    chosen = np.concatenate([half, half[:, ::-1]], 1)
    seen = rng.random(half.shape) < 0.75
    seen[2:-2, -4:] = True
    shown = np.concatenate([seen, seen[:, ::-1]], 1) | dense
    pixels = np.concatenate([colours[chosen], 255 * shown[..., None].astype(np.uint8)], 2)
    return Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST)


KINDS: tuple[Scene, ...] = (
    boards_played,
    cells_living,
    particles,
    bars_sorted,
    mazes_run,
    balls_bouncing,
    sprites_moving,
)
