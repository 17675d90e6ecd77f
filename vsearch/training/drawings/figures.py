"""Line figures: people, animals and machines of strokes, solids of wire, and doodles that grow on a board."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from vsearch.training.drawings.paint import (
    Colour,
    Palette,
    Points,
    Scene,
    Size,
    backdrop,
    chance,
    circle,
    copied,
    disc,
    fill,
    palette,
    pick,
    smooth,
    stroke,
    turned,
    unit,
    walked,
)
from vsearch.training.drawings.words import face, phrase, write

Corners = NDArray[np.float64]  # (n, 3): x, y, z


@dataclass(frozen=True)
class Bone:
    """Grows from the tip of its parent (-1: the root). angle and swing: degrees, 0 to the right, 90 down."""

    parent: int
    length: float
    angle: float
    swing: float
    phase: float = 0.0


PERSON = (
    Bone(-1, 0.32, -90, 5),
    Bone(0, 0.17, 90, 60, 0),
    Bone(1, 0.16, 60, 70, 0.5),
    Bone(0, 0.17, 90, 60, 3.1),
    Bone(3, 0.16, 60, 70, 3.6),
    Bone(-1, 0.22, 90, 32, 3.1),
    Bone(5, 0.22, 98, 25, 2.4),
    Bone(-1, 0.22, 90, 32, 0),
    Bone(7, 0.22, 98, 25, 5.5),
)
ANIMAL = (
    Bone(-1, 0.42, 0, 4),
    Bone(0, 0.16, -55, 12),
    Bone(1, 0.13, 15, 15),
    Bone(0, 0.17, 90, 25, 0),
    Bone(3, 0.17, 95, 20, 0.6),
    Bone(0, 0.17, 90, 25, 2),
    Bone(5, 0.17, 95, 20, 2.6),
    Bone(-1, 0.17, 90, 25, 3),
    Bone(7, 0.17, 95, 20, 3.6),
    Bone(-1, 0.17, 90, 25, 5),
    Bone(9, 0.17, 95, 20, 5.6),
    Bone(-1, 0.2, 200, 40),
)
CRANE = (Bone(-1, 0.38, -80, 18), Bone(0, 0.34, -20, 35, 1), Bone(1, 0.2, 70, 40, 2), Bone(2, 0.08, 60, 8, 3))


@dataclass(frozen=True)
class Figure:
    """A jointed figure as it stands: root in pixels, size and width in pixels, side -1 or 1."""

    bones: tuple[Bone, ...]
    head: int | None
    root: tuple[float, float]
    height: float
    width: float
    side: int
    colour: Colour
    skin: Colour | None

    def joints(self, time: float) -> Points:
        """(1 + bones, 2): the root and each bone's tip."""
        tips = [np.array(self.root)]
        for bone in self.bones:
            angle = np.radians(bone.angle + bone.swing * np.sin(time + bone.phase))
            along = np.array([self.side * np.cos(angle), np.sin(angle)]) * bone.length * self.height
            tips.append(tips[bone.parent + 1] + along)
        return np.stack(tips)

    def drawn(self, draw: ImageDraw.ImageDraw, time: float) -> None:
        """Draws it as it stands then. time: of its movement, 2 pi a swing to and fro."""
        tips = self.joints(time)
        limbs = [tips[[bone.parent + 1, k + 1]] for k, bone in enumerate(self.bones)]
        for limb in limbs:
            stroke(draw, limb, self.colour, self.width)
        if self.skin is not None:
            for limb in limbs:
                stroke(draw, limb, self.skin, self.width * 0.55)
        if self.head is not None:
            radius = self.height * 0.1
            at = tips[self.head + 1] + (0, -radius)
            disc(draw, (at[0], at[1]), radius, self.skin, self.colour, max(2, self.width * 0.8))


def _figure(rng: np.random.Generator, size: Size, colours: Palette) -> Figure:
    bones, head = pick(rng, ((PERSON, 0), (PERSON, 0), (PERSON, 0), (ANIMAL, 2), (CRANE, None)))
    lengths, angles = rng.uniform(0.8, 1.25, len(bones)), rng.normal(0, 6, len(bones))
    height = size[1] * rng.uniform(0.35, 0.85)
    floor = {PERSON: 0.44, ANIMAL: 0.34, CRANE: 0.02}[bones]
    return Figure(
        bones=tuple(
            replace(bone, length=bone.length * length, angle=bone.angle + angle)
            for bone, length, angle in zip(bones, lengths, angles, strict=True)
        ),
        head=head,
        root=(size[0] * rng.uniform(0.15, 0.85), size[1] * 0.92 - floor * height),
        height=height,
        width=unit(size) * float(rng.choice((0.6, 0.9, 1.2, 1.8, 3, 5))),
        side=pick(rng, (-1, 1)),
        colour=colours.ink if chance(rng, 0.7) else pick(rng, colours.accents),
        skin=pick(rng, (None, None, *colours.accents)),
    )


def strokes_moving(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """One to four jointed figures on a floor: they act on the spot or cross the picture."""
    colours = palette(rng)
    ground = backdrop(rng, size, colours)
    draw = ImageDraw.Draw(ground)
    figures = [_figure(rng, size, colours) for _ in range(int(rng.integers(1, 5)))]
    if chance(rng, 0.7):
        stroke(draw, [(0, size[1] * 0.92), (size[0], size[1] * 0.92)], colours.ink, unit(size) * rng.uniform(0.4, 1.5))
    for _ in range(int(rng.integers(0, 4))):
        _prop(rng, draw, size, colours)
    times = rng.uniform(0, 6, len(figures))
    paces = rng.choice((0, 0.4, 0.8, 1.5), len(figures))
    paces[0] = max(paces[0], 0.3)
    speeds = rng.choice((0, 0, 0.02, 0.05), len(figures)) * size[0]
    while True:
        canvas = ground.copy()
        for figure, time in zip(figures, times, strict=True):
            figure.drawn(ImageDraw.Draw(canvas), time)
        yield canvas
        times = times + paces * rng.uniform(0.5, 1.5, len(figures))
        figures = [_moved(figure, speed, size) for figure, speed in zip(figures, speeds, strict=True)]


def _moved(figure: Figure, speed: float, size: Size) -> Figure:
    return replace(figure, root=(walked(figure.root[0], figure.side * speed, size[0]), figure.root[1]))


def _prop(rng: np.random.Generator, draw: ImageDraw.ImageDraw, size: Size, colours: Palette) -> None:
    """A box, a table, a tree or a ball, of lines, on the floor."""
    floor, x, u = size[1] * 0.92, size[0] * rng.uniform(0.05, 0.95), unit(size)
    w, h, width = u * rng.uniform(8, 30), u * rng.uniform(8, 40), u * rng.uniform(0.4, 1.2)
    match int(rng.integers(4)):
        case 0:
            fill(draw, [(x, floor), (x + w, floor), (x + w, floor - h), (x, floor - h)], None, colours.ink, width)
        case 1:
            stroke(draw, [(x, floor), (x, floor - h), (x + w, floor - h), (x + w, floor)], colours.ink, width)
        case 2:
            stroke(draw, [(x, floor), (x, floor - h)], colours.ink, width)
            disc(draw, (x, floor - h - w / 2), w / 2, None, colours.ink, width)
        case _:
            disc(draw, (x, floor - w / 3), w / 3, None, pick(rng, colours.accents), width)


def _solid(rng: np.random.Generator) -> tuple[Corners, list[tuple[int, int]]]:
    """Corners about within the unit ball, and the edges between them."""
    sides = int(rng.integers(3, 9))
    ring = circle(sides)
    low, high = (np.concatenate([ring, np.full((sides, 1), z)], 1) for z in (-0.8, 0.8))
    around = [(k, (k + 1) % sides) for k in range(sides)]
    match int(rng.integers(5)):
        case 0:  # prism
            corners, upper = np.concatenate([low, high]), [(a + sides, b + sides) for a, b in around]
            return corners, around + upper + [(k, k + sides) for k in range(sides)]
        case 1:  # double pyramid
            tips = np.array([[0.0, 0, 1.2], [0, 0, -1.2]])
            flat = np.concatenate([ring, np.zeros((sides, 1))], 1)
            spokes = [(k, sides + tip) for k in range(sides) for tip in (0, 1)]
            return np.concatenate([flat, tips]), around + spokes
        case 2:
            return _net(_torus, int(rng.integers(8, 16)), int(rng.integers(5, 9)))
        case 3:
            return _net(_ball, int(rng.integers(8, 16)), int(rng.integers(5, 10)))
        case _:
            return _net(_waves, int(rng.integers(8, 14)), int(rng.integers(8, 14)))


Surface = Callable[[float, float], tuple[float, float, float]]  # u, v in 0..1 -> x, y, z


def _torus(u: float, v: float) -> tuple[float, float, float]:
    a, b = 2 * np.pi * u, 2 * np.pi * v
    return (0.8 + 0.35 * np.cos(b)) * np.cos(a), (0.8 + 0.35 * np.cos(b)) * np.sin(a), 0.35 * np.sin(b)


def _ball(u: float, v: float) -> tuple[float, float, float]:
    a, b = 2 * np.pi * u, np.pi * v
    return np.sin(b) * np.cos(a), np.sin(b) * np.sin(a), np.cos(b)


def _waves(u: float, v: float) -> tuple[float, float, float]:
    return 2.4 * u - 1.2, 2.4 * v - 1.2, 0.3 * float(np.sin(6 * u) * np.cos(5 * v))


def _net(surface: Surface, columns: int, rows: int) -> tuple[Corners, list[tuple[int, int]]]:
    """A surface as a net of `columns` by `rows` meshes."""
    numbers = np.arange((columns + 1) * (rows + 1)).reshape(columns + 1, rows + 1)
    corners = [surface(i / columns, j / rows) for i in range(columns + 1) for j in range(rows + 1)]
    along, across = (numbers[:-1], numbers[1:]), (numbers[:, :-1], numbers[:, 1:])
    edges = [(int(a), int(b)) for starts, ends in (along, across) for a, b in zip(starts.flat, ends.flat, strict=True)]
    return np.array(corners), edges


def wires_turning(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """One to three solids of wire that turn, seen in perspective."""
    colours = palette(rng)
    ground = backdrop(rng, size, colours)
    count = int(rng.choice((1, 1, 2, 3)))
    solids = [_solid(rng) for _ in range(count)]
    inks = [pick(rng, (colours.ink, colours.ink, *colours.accents)) for _ in solids]
    angles, speeds = rng.uniform(0, 6, (count, 2)), rng.normal(0, 0.15, (count, 2))
    radius = min(size[1] * 0.35, size[0] * 0.4 / count) * rng.uniform(0.7, 1.1)
    width, dots = unit(size) * rng.uniform(0.3, 1.6), chance(rng, 0.3)
    while True:
        canvas, draw = copied(ground)
        for k, (corners, edges) in enumerate(solids):
            seen = _seen(corners, *angles[k]) * radius + (size[0] * (k + 0.5) / count, size[1] / 2)
            for a, b in edges:
                stroke(draw, seen[[a, b]], inks[k], width)
            for x, y in seen if dots else ():
                disc(draw, (x, y), width * 1.8, inks[k])
        yield canvas
        angles = angles + speeds


def _seen(corners: Corners, turned_by: float, tilted_by: float) -> Points:
    (ca, sa), (cb, sb) = ((np.cos(angle), np.sin(angle)) for angle in (turned_by, tilted_by))
    turn = np.array([[ca, -sa, 0], [sa, ca, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, cb, -sb], [0, sb, cb]])
    away = corners @ turn
    seen: Points = away[:, :2] * (3.2 / (3.2 + away[:, 2:]))
    return seen


def doodles_growing(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """A board on which strokes and words come one after another, wiped when it is full."""
    colours = palette(rng)
    board = backdrop(rng, size, colours)
    u, width, hand = unit(size), unit(size) * rng.uniform(0.5, 2.2), face(rng, "hand")
    columns, rows = pick(rng, ((2, 1), (3, 2), (4, 3), (6, 4)))
    many, cell, begun = int(rng.choice((1, 2, 4, 8))), np.array(size) / (columns, rows), int(rng.choice((0, 3, 12)))
    while True:
        canvas, draw = copied(board)
        for place in rng.permutation(columns * rows):
            at = (np.array([place % columns, place // columns]) + rng.uniform(0.4, 0.6, 2)) * cell
            ink = pick(rng, (colours.ink, colours.ink, *colours.accents))
            if chance(rng, 0.25):
                said, height = phrase(rng, 1, 3), u * rng.uniform(6, 10)
                write(draw, (at[0], at[1]), said, ink, file=hand, height=height, anchor="mm", widest=cell[0])
                strokes = []
            else:
                scale = min(cell) * rng.uniform(0.25, 0.5)
                strokes = [turned(line, scale=scale, turn=rng.normal(0, 0.1), at=at) for line in _doodle(rng)]
            for k in range(0, max(1, len(strokes)), many):
                for line in strokes[k : k + many]:
                    stroke(draw, line, ink, width)
                if begun <= 0:
                    yield canvas
            begun -= 1


def _shaky(rng: np.random.Generator, points: Points) -> Points:
    return points + rng.normal(0, 0.025, points.shape)


def _doodle(rng: np.random.Generator) -> list[Points]:
    """The strokes of one small drawing within -1..1: a face, house, flower, arrow, spiral, scribble or curve."""
    loop = np.concatenate([circle(14), circle(14)[:2]])
    match int(rng.integers(8)):
        case 0:
            eyes = [loop * 0.1 + (x, -0.25) for x in (-0.35, 0.35)]
            bend = rng.uniform(-0.3, 0.4)
            return [smooth(_shaky(rng, loop)), *eyes, smooth([(-0.45, 0.3), (0, 0.3 + bend), (0.45, 0.3)])]
        case 1:
            box = np.array([(-0.8, 0.9), (-0.8, -0.1), (0.8, -0.1), (0.8, 0.9), (-0.8, 0.9)])
            roof = np.array([(-1, -0.1), (0, -0.9), (1.0, -0.1)])
            door = np.array([(-0.2, 0.9), (-0.2, 0.3), (0.2, 0.3), (0.2, 0.9)])
            return [_shaky(rng, box), _shaky(rng, roof), _shaky(rng, door)]
        case 2:
            petals = int(rng.integers(5, 9))
            around = [turned(loop * (0.3, 0.18) + (0.5, 0), turn=2 * np.pi * k / petals) for k in range(petals)]
            return [loop * 0.2, *around, smooth([(0, 0.7), (0.1, 1.2), (0, 1.8)])]
        case 3:
            end = rng.uniform(0.5, 1.5)
            return [
                smooth([(-end, 0.2), (0, -0.1), (end, 0)]),
                np.array([(end - 0.3, -0.25), (end, 0), (end - 0.3, 0.2)]),
            ]
        case 4:
            t = np.linspace(0, rng.uniform(2, 5) * 2 * np.pi, 90)[:, None]
            return [np.concatenate([np.cos(t), np.sin(t)], 1) * t / t[-1]]
        case 5:
            t = np.linspace(0, 1, 60)
            writing = np.stack([3 * t - 1.5 + 0.12 * np.cos(50 * t), 0.2 * np.sin(50 * t) * rng.uniform(0.5, 1)], 1)
            return [writing[k : k + 20] for k in (0, 20, 40)]
        case 6:
            sides = int(rng.integers(3, 7))
            corners = circle(sides, rng.uniform(0, 6))
            return [_shaky(rng, corners[[k, (k + 1) % sides]]) for k in range(sides)]
        case _:
            return [smooth(rng.uniform(-1, 1, (int(rng.integers(3, 9)), 2))) for _ in range(int(rng.integers(1, 4)))]


KINDS: tuple[Scene, ...] = (strokes_moving, wires_turning, doodles_growing)
