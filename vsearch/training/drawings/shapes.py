"""Flat shapes: movers, signs made of a few of them, and patterns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from vsearch.training.drawings.paint import (
    Colour,
    Place,
    Points,
    Scene,
    Size,
    backdrop,
    chance,
    circle,
    copied,
    disc,
    fill,
    mix,
    palette,
    pick,
    plain,
    turned,
    unit,
)
from vsearch.training.drawings.words import face, word, write

ARROW = np.array([(-1, -0.3), (0.2, -0.3), (0.2, -0.8), (1, 0), (0.2, 0.8), (0.2, 0.3), (-1, 0.3)])
QUARTER = np.array([(-0.3, -1), (0.3, -1), (0.3, -0.3)])
CROSS = np.concatenate([turned(QUARTER, turn=k * np.pi / 2) for k in range(4)])
BOLT = np.array([(0.2, -1), (-0.6, 0.15), (-0.05, 0.15), (-0.3, 1), (0.6, -0.25), (0.05, -0.25), (0.5, -1)])


def outline(rng: np.random.Generator) -> Points:
    """The corners of some shape within the unit circle, about."""
    count = int(rng.integers(3, 9))
    match int(rng.integers(10)):
        case 0 | 1:
            return circle(48)
        case 2:
            return circle(count)
        case 3:
            return circle(4, np.pi / 4) * (1, rng.uniform(0.3, 1))
        case 4:
            reach = np.where(np.arange(2 * count) % 2, rng.uniform(0.35, 0.7), 1)
            return circle(2 * count, -np.pi / 2) * reach[:, None]
        case 5:
            return pick(rng, (ARROW, CROSS, BOLT))
        case 6:  # a heart
            t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
            y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
            return np.stack([np.sin(t) ** 3, -y / 17], 1)
        case 7:  # a cogwheel
            teeth = int(rng.integers(6, 14))
            return circle(4 * teeth) * np.where(np.arange(4 * teeth) % 4 < 2, 1, 0.8)[:, None]
        case 8:  # a half or quarter disc
            t = np.linspace(0, np.pi * float(rng.choice((0.5, 1, 1.5))), 30)
            return np.concatenate([np.stack([np.cos(t), np.sin(t)], 1), [[0, 0]]])
        case _:  # a blob
            t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
            reach = 0.8 + 0.15 * np.sin(count * t + 1) + 0.1 * np.sin(2 * t)
            return circle(60) * reach[:, None]


def shapes_moving(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """One to a dozen shapes that move, turn, grow and fade, each in its own way."""
    colours, u = palette(rng), unit(size)
    ground = backdrop(rng, size, colours)
    count = int(rng.choice((1, 2, 3, 5, 8, 14)))
    outlines = [outline(rng) for _ in range(count)] if chance(rng, 0.6) else [outline(rng)] * count
    at, step = rng.uniform(0, 1, (count, 2)) * size, rng.normal(0, 1, (count, 2)) * u * rng.choice((0, 1, 3, 8))
    turns, spin = rng.uniform(0, 6, count), rng.normal(0, 1, count) * rng.choice((0, 0.05, 0.3))
    radius, beat = rng.uniform(4, 40 if count < 6 else 18, count) * u, rng.choice((0, 0, 0.1, 0.4))
    inks = [pick(rng, (colours.ink, *colours.accents)) for _ in range(count)]
    fade = rng.choice((0, 0, 0.5), count)
    width = u * rng.uniform(0.5, 3) if chance(rng, 0.4) else 0
    hollow = bool(width) and chance(rng, 0.5)
    time = 0.0
    while True:
        canvas, draw = copied(ground)
        for k in range(count):
            ink = mix(inks[k], colours.ground, fade[k] * (1 + np.sin(time + k)) / 1.1)
            scale = radius[k] * (1 + beat * np.sin(time + k))
            corners = turned(outlines[k], scale=scale, turn=turns[k], at=at[k])
            fill(draw, corners, None if hollow else ink, ink if hollow else colours.ink, width)
        yield canvas
        at = (at + step + 20 * u) % (np.array(size) + 40 * u) - 20 * u
        turns, time = turns + spin, time + 0.6


def signs_forming(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """A sign of a few nested shapes and a word: its parts come one by one, then it stands, shrinks or turns."""
    while True:
        colours, u = palette(rng), unit(size)
        ground = backdrop(rng, size, colours)
        parts = _sign_parts(rng, colours.accents, colours.ink)
        said, file = word(rng).upper() if chance(rng, 0.5) else word(rng).title(), face(rng, "bold", "sans")
        radius, below = u * rng.uniform(15, 34), chance(rng, 0.7)
        spin, grow, time = float(rng.choice((0, 0, 0.1))), float(rng.choice((1, 1, 0.97, 1.03))), 0
        for step in range(int(rng.integers(6, 20))):
            canvas, draw = copied(ground)
            centre = (size[0] / 2, size[1] * (0.4 if below else 0.5))
            for corners, ink in parts[: step + 1]:
                fill(draw, turned(corners, scale=radius, turn=time * spin, at=centre), ink)
            if below and step >= len(parts):
                write(draw, (size[0] / 2, size[1] * 0.85), said, colours.ink, file=file, height=14 * u, anchor="mm")
            yield canvas
            radius, time = radius * grow, time + 1


def _sign_parts(rng: np.random.Generator, accents: tuple[Colour, ...], ink: Colour) -> list[tuple[Points, Colour]]:
    """Outlines and colours, each shape smaller than the last, or several around the middle."""
    parts, scale = [], 1.0
    for _ in range(int(rng.integers(2, 6))):
        colour = pick(rng, (ink, *accents))
        if chance(rng, 0.3):
            many, leaf = int(rng.integers(3, 9)), outline(rng) * scale * 0.3
            parts += [(turned(leaf, turn=a, at=0.65 * scale * c), colour) for a, c in _around(many)]
        else:
            parts.append((outline(rng) * scale, colour))
        scale *= rng.uniform(0.5, 0.85)
    return parts


def _around(many: int) -> list[tuple[float, Place]]:
    return [(2 * np.pi * k / many, spot) for k, spot in enumerate(circle(many))]


def patterns_changing(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """A grid of tiles of which some change each time."""
    colours = palette(rng)
    columns = int(rng.integers(3, 17))
    side = size[0] / columns
    rows = int(np.ceil(size[1] / side))
    shapes, gap = [outline(rng) for _ in range(int(rng.integers(1, 4)))], float(rng.choice((0, 0.1, 0.25)))
    inks = (colours.ground, colours.ground, colours.ink, *colours.accents)
    canvas = plain(size, colours.ground)
    draw = ImageDraw.Draw(canvas)
    tiles, share = list(np.ndindex(rows, columns)), float(rng.choice((0.02, 0.1, 0.3)))
    changed = tiles
    while True:
        for row, column in changed:
            x, y = column * side, row * side
            draw.rectangle((x, y, x + side, y + side), fill=pick(rng, inks))
            middle = (x + side / 2, y + side / 2)
            turn = np.pi / 2 * rng.integers(4)
            fill(draw, turned(pick(rng, shapes), scale=side * (1 - gap) / 2, turn=turn, at=middle), pick(rng, inks))
        yield canvas
        changed = [tile for tile in tiles if chance(rng, share)]


def rings_and_stripes(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """Rings from a middle, or stripes, that run on."""
    colours, u = palette(rng), unit(size)
    inks = (colours.ground, *(pick(rng, (colours.ink, *colours.accents)) for _ in range(int(rng.integers(1, 4)))))
    thick, step = u * rng.uniform(3, 16), rng.uniform(-0.5, 0.5)
    middle, slant = (size[0] * rng.uniform(0.2, 0.8), size[1] * rng.uniform(0.2, 0.8)), rng.uniform(-1, 1) * size[1]
    rings, corners = chance(rng, 0.5), circle(int(rng.choice((3, 4, 6, 60))))
    first = 0.0
    while True:
        canvas = plain(size, colours.ground)
        draw = ImageDraw.Draw(canvas)
        reach = int(size[0] * 1.5 / thick) + 2
        for k in range(reach, -reach, -1):
            ink, at = inks[k % len(inks)], (k + first % len(inks)) * thick
            if rings and at > 0:
                fill(draw, turned(corners, scale=at, turn=k * step * 0.1, at=middle), ink)
            elif not rings:
                fill(draw, [(at, 0), (at + thick, 0), (at + thick + slant, size[1]), (at + slant, size[1])], ink)
        yield canvas
        first += step


def discs_orbiting(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """Small discs on rings around a large one."""
    colours, u = palette(rng), unit(size)
    ground = backdrop(rng, size, colours)
    middle = (size[0] / 2, size[1] / 2)
    count = int(rng.integers(2, 8))
    reach, flat = np.linspace(15, 46, count) * u * rng.uniform(0.8, 1.2), rng.uniform(0.4, 1)
    for r in reach:
        disc(ImageDraw.Draw(ground), middle, (r, r * flat), None, mix(colours.ink, colours.ground, 0.5), 0.4 * u)
    disc(ImageDraw.Draw(ground), middle, u * rng.uniform(4, 12), pick(rng, colours.accents))
    inks, sizes = [pick(rng, colours.accents) for _ in reach], rng.uniform(1.5, 5, count) * u
    angles, speed = rng.uniform(0, 6, count), rng.uniform(0.05, 0.5) / np.sqrt(reach / reach[0])
    while True:
        canvas, draw = copied(ground)
        for r, angle, ink, radius in zip(reach, angles, inks, sizes, strict=True):
            disc(draw, (middle[0] + r * np.cos(angle), middle[1] + r * flat * np.sin(angle)), radius, ink)
        yield canvas
        angles = angles + speed


KINDS: tuple[Scene, ...] = (
    shapes_moving,
    shapes_moving,
    signs_forming,
    patterns_changing,
    rings_and_stripes,
    discs_orbiting,
)
