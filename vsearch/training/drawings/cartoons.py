"""Cartoons: landscapes of flat colours with or without outlines, creatures that walk in them, faces close by."""

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
    Points,
    Scene,
    Size,
    chance,
    circle,
    copied,
    disc,
    fill,
    gradient,
    hsv,
    mix,
    pick,
    plain,
    smooth,
    stroke,
    turned,
    unit,
    walked,
)

SKINS = (
    (255, 219, 172),
    (241, 194, 125),
    (198, 134, 66),
    (141, 85, 36),
    (255, 217, 15),
    (120, 180, 90),
    (150, 150, 230),
)


@dataclass(frozen=True)
class Pen:
    """The outlines of a cartoon: none where the width is 0."""

    ink: Colour
    width: float

    @property
    def edge(self) -> Colour | None:
        """The colour of outlines where there are any."""
        return self.ink if self.width else None

    def fill(self, draw: ImageDraw.ImageDraw, points: Points, colour: Colour) -> None:
        """A closed outline, filled."""
        fill(draw, points, colour, self.edge, self.width)

    def block(self, draw: ImageDraw.ImageDraw, box: Box, colour: Colour) -> None:
        """A filled box."""
        left, top, right, bottom = box
        self.fill(draw, np.array([(left, top), (right, top), (right, bottom), (left, bottom)]), colour)

    def disc(
        self, draw: ImageDraw.ImageDraw, at: tuple[float, float], radius: float | tuple[float, float], colour: Colour
    ) -> None:
        """A filled ellipse. radius: of both axes, or of x and y."""
        disc(draw, at, radius, colour, self.edge, self.width)

    def limb(self, draw: ImageDraw.ImageDraw, points: Points, colour: Colour, width: float) -> None:
        """A thick line through the points, `width` without its outlines."""
        if self.width:
            stroke(draw, points, self.ink, width + 2 * self.width)
        stroke(draw, points, colour, width)


def _pen(rng: np.random.Generator, size: Size) -> Pen:
    ink = pick(rng, (BLACK, BLACK, (40, 30, 30), hsv(rng.random(), 0.6, 0.3)))
    return Pen(ink, unit(size) * float(rng.choice((0, 0, 0.5, 0.8, 1.2))))


def _landscape(rng: np.random.Generator, size: Size, pen: Pen, wide: float) -> Image.Image:
    """Sky, sun, clouds, hills and a street of houses and trees, `wide` times the width of the picture."""
    hue, night = float(rng.choice((0.55, 0.58, 0.08, 0.75))), chance(rng, 0.25)
    sky = hsv(hue, rng.uniform(0.2, 0.7), 0.25 if night else rng.uniform(0.8, 1))
    w, h, u = round(size[0] * wide), size[1], unit(size)
    canvas = plain((w, h), sky) if chance(rng, 0.5) else gradient((w, h), sky, mix(sky, WHITE, 0.5))
    draw = ImageDraw.Draw(canvas)
    for _ in range(int(30 * night * wide)):
        disc(draw, (rng.uniform(0, w), rng.uniform(0, 0.5 * h)), u * rng.uniform(0.2, 0.6), WHITE)
    at = (rng.uniform(0, w), h * rng.uniform(0.1, 0.3))
    pen.disc(draw, at, u * rng.uniform(5, 12), hsv(rng.uniform(0.1, 0.17), rng.uniform(0.1, 0.8), 1))
    for _ in range(int(rng.integers(0, int(2 + 3 * wide)))):
        _cloud(rng, draw, (rng.uniform(0, w), h * rng.uniform(0.05, 0.4)), u * rng.uniform(4, 10), mix(sky, WHITE, 0.8))
    green, shade = float(rng.choice((0.28, 0.33, 0.12, 0.6))), 0.4 if night else 1
    for k in range(int(rng.integers(1, 4))):
        hills = hsv(green + rng.normal(0, 0.03), rng.uniform(0.3, 0.7), shade * rng.uniform(0.5, 0.9))
        _hills(rng, draw, (w, h), h * (0.5 + 0.1 * k), u * rng.uniform(3, 20), hills, pen)
    floor = h * rng.uniform(0.72, 0.8)
    for x in np.arange(rng.uniform(0, 10), w, u * rng.uniform(20, 60)):
        thing = pick(rng, (_house, _tree, _tree, _tower, _bush))
        thing(rng, draw, (float(x + rng.normal(0, 5 * u)), floor), u * rng.uniform(12, 24), pen, shade)
    ground = hsv(green, rng.uniform(0.2, 0.6), shade * rng.uniform(0.4, 0.8))
    pen.block(draw, (-9, floor, w + 9, h + 9), ground)
    if chance(rng, 0.5):
        grey = hsv(rng.random(), 0.1, shade * rng.uniform(0.3, 0.7))
        pen.block(draw, (-9, h * 0.86, w + 9, h * 0.97), grey)
    return canvas


def _hills(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, size: Size, level: float, high: float, colour: Colour, pen: Pen
) -> None:
    count = max(4, size[0] // (size[1] // 2))
    tops = level + rng.uniform(-1, 1, count) * high
    x = np.linspace(-0.1 * size[0], 1.1 * size[0], count)
    line = np.stack([x, tops], 1)
    line = smooth(line) if chance(rng, 0.7) else line
    pen.fill(draw, np.concatenate([line, [(line[-1, 0], size[1] * 1.1), (line[0, 0], size[1] * 1.1)]]), colour)


def _cloud(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, at: tuple[float, float], radius: float, colour: Colour
) -> None:
    for k in range(int(rng.integers(2, 5))):
        disc(
            draw,
            (at[0] + k * radius, at[1] + rng.normal(0, 0.2) * radius),
            (radius, radius * rng.uniform(0.5, 0.8)),
            colour,
        )


Spot = tuple[float, float]


def _house(rng: np.random.Generator, draw: ImageDraw.ImageDraw, at: Spot, high: float, pen: Pen, shade: float) -> None:
    x, y = at
    w = high * rng.uniform(0.8, 1.6)
    wall, roof = hsv(rng.random(), rng.uniform(0.1, 0.6), shade * 0.9), hsv(rng.random(), 0.7, shade * 0.6)
    pen.block(draw, (x, y - high, x + w, y), wall)
    pen.fill(draw, np.array([(x - 0.1 * w, y - high), (x + w / 2, y - 1.6 * high), (x + 1.1 * w, y - high)]), roof)
    light = (255, 235, 140) if shade < 1 else (170, 210, 240)
    for k in range(2):
        left, top = x + w * (0.15 + 0.45 * k), y - 0.8 * high
        pen.block(draw, (left, top, left + 0.25 * w, top + 0.3 * high), light)
    pen.block(draw, (x + 0.4 * w, y - 0.42 * high, x + 0.6 * w, y), mix(roof, BLACK, 0.3))


def _tree(rng: np.random.Generator, draw: ImageDraw.ImageDraw, at: Spot, high: float, pen: Pen, shade: float) -> None:
    x, y = at
    trunk, leaves = hsv(0.08, 0.6, 0.45 * shade), hsv(rng.uniform(0.2, 0.4), 0.7, shade * rng.uniform(0.4, 0.8))
    half = high * 0.07
    pen.block(draw, (x - half, y - high * 0.6, x + half, y), trunk)
    if chance(rng, 0.5):
        pen.disc(draw, (x, y - high), (high * 0.4, high * rng.uniform(0.4, 0.6)), leaves)
    else:
        for k in range(3):
            top, reach = y - high * (0.9 + 0.3 * k), high * (0.45 - 0.1 * k)
            pen.fill(draw, np.array([(x - reach, top + 0.5 * high), (x, top), (x + reach, top + 0.5 * high)]), leaves)


def _tower(rng: np.random.Generator, draw: ImageDraw.ImageDraw, at: Spot, high: float, pen: Pen, shade: float) -> None:
    """A block of many windows."""
    x, y = at
    w, high = high * rng.uniform(0.8, 1.3), high * rng.uniform(1.5, 3)
    wall = hsv(rng.random(), rng.uniform(0, 0.4), shade * rng.uniform(0.4, 0.8))
    pen.block(draw, (x, y - high, x + w, y), wall)
    lights = (mix(wall, BLACK, 0.4), (255, 230, 140) if shade < 1 else mix(wall, WHITE, 0.6))
    for row in range(int(rng.integers(3, 9))):
        for column in range(3):
            left, top = x + w * (0.1 + 0.3 * column), y - high * 0.95 + row * w * 0.35
            if top + 0.2 * w < y:
                draw.rectangle((left, top, left + 0.2 * w, top + 0.2 * w), fill=lights[chance(rng, 0.6)])


def _bush(rng: np.random.Generator, draw: ImageDraw.ImageDraw, at: Spot, high: float, pen: Pen, shade: float) -> None:
    leaves = hsv(rng.uniform(0.2, 0.4), 0.6, shade * rng.uniform(0.4, 0.8))
    for k in range(3):
        pen.disc(draw, (at[0] + k * high * 0.25, at[1] - high * 0.1), high * (0.2, 0.3, 0.22)[k], leaves)


@dataclass(frozen=True)
class Creature:
    """A walking body of ellipses and limbs. at: its feet, in pixels of the landscape."""

    at: Spot
    height: float
    skin: Colour
    shirt: Colour
    trousers: Colour
    hair: Colour
    legs: int
    stout: float
    side: int

    def drawn(self, draw: ImageDraw.ImageDraw, time: float, pen: Pen) -> None:
        """Draws it as it walks then. time: of its steps, 2 pi for two of them."""
        h, (x, y) = self.height, self.at
        swing, limb = np.sin(time), 0.09 * h * (0.7 + self.stout)
        body, hip = (x, y - 0.48 * h), y - 0.36 * h
        across = (0.1 + 0.25 * (self.legs > 2)) * h
        for k in range(self.legs):
            root = x + across * (k / (self.legs - 1) - 0.5)
            foot = root + 0.13 * h * swing * (1 if k % 2 else -1)
            pen.limb(
                draw,
                np.array([(root, hip), ((root + foot) / 2 + 0.03 * h, y - 0.18 * h), (foot, y)]),
                self.trousers,
                limb,
            )
        wide = (0.15 + 0.15 * self.stout) * h + 0.08 * h * (self.legs > 2)
        if self.legs == 2:
            self._arm(draw, pen, -swing, limb)
        pen.disc(draw, body, (wide, (0.22 if self.legs == 2 else 0.15) * h), self.shirt)
        if self.legs == 2:
            self._arm(draw, pen, swing, limb)
        self._head(draw, pen, (x + self.side * across * 0.7 * (self.legs > 2), y - 0.8 * h + 0.01 * h * swing))

    def _arm(self, draw: ImageDraw.ImageDraw, pen: Pen, swing: float, limb: float) -> None:
        h, (x, y) = self.height, self.at
        hand = (x + 0.22 * h * swing, y - 0.38 * h - 0.12 * h * abs(swing))
        pen.limb(draw, np.array([(x, y - 0.6 * h), (x + 0.13 * h * swing, y - 0.45 * h), hand]), self.shirt, limb * 0.8)
        pen.disc(draw, hand, limb * 0.5, self.skin)

    def _head(self, draw: ImageDraw.ImageDraw, pen: Pen, at: Spot) -> None:
        h, (x, y) = self.height, at
        radius, ahead = 0.17 * h, self.side * 0.05 * h
        pen.disc(draw, (x - ahead * 0.3, y - 0.05 * h), radius * 1.1, self.hair)
        pen.disc(draw, (x + ahead * 0.3, y + 0.02 * h), (radius, radius * 1.05), self.skin)
        for k in (-1, 1):
            disc(draw, (x + ahead + k * 0.055 * h, y), (0.04 * h, 0.05 * h), WHITE, pen.edge, pen.width / 2)
            disc(draw, (x + ahead * 1.3 + k * 0.055 * h, y), 0.018 * h, BLACK)
        stroke(
            draw,
            smooth(
                [(x + ahead - 0.06 * h, y + 0.1 * h), (x + ahead, y + 0.13 * h), (x + ahead + 0.06 * h, y + 0.1 * h)]
            ),
            (120, 30, 30),
            0.015 * h,
        )


def _creature(rng: np.random.Generator, size: Size) -> Creature:
    shirt, trousers, hair = (hsv(rng.random(), rng.uniform(0.3, 0.9), rng.uniform(0.2, 1)) for _ in range(3))
    return Creature(
        at=(size[0] * rng.uniform(0.1, 0.9), size[1] * rng.uniform(0.82, 0.98)),
        height=size[1] * rng.uniform(0.2, 0.75),
        skin=pick(rng, SKINS),
        shirt=shirt,
        trousers=trousers,
        hair=hair,
        legs=int(rng.choice((2, 2, 2, 4))),
        stout=rng.uniform(0, 0.8),
        side=pick(rng, (-1, 1)),
    )


def walks(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """Creatures that walk or stand in a landscape, which the camera may follow."""
    pen = _pen(rng, size)
    world = _landscape(rng, size, pen, 2.5)
    creatures = sorted((_creature(rng, size) for _ in range(int(rng.integers(0, 4)))), key=lambda one: one.at[1])
    speeds = rng.choice((0, 0, 0.03, 0.08), len(creatures)) * size[0]
    if not speeds.any():  # somebody walks, or the camera moves
        speeds[:1] = 0.05 * size[0]
    pans = (0, 0, 0.5, 1.5, 5) if len(creatures) else (0.5, 1.5, 5)
    reach = world.width - size[0]
    camera, pan = rng.uniform(0, reach), float(rng.choice(pans)) * unit(size) * pick(rng, (-1, 1))
    time = rng.uniform(0, 6)
    while True:
        left = round(reach - abs(camera % (2 * reach) - reach))
        canvas = world.crop((left, 0, left + size[0], size[1]))
        draw = ImageDraw.Draw(canvas)
        for k, creature in enumerate(creatures):
            creature.drawn(draw, time * (speeds[k] > 0) + k, pen)
        yield canvas
        creatures = [_ahead(one, speed, size) for one, speed in zip(creatures, speeds, strict=True)]
        camera, time = camera + pan, time + rng.uniform(0.5, 2)


def _ahead(creature: Creature, speed: float, size: Size) -> Creature:
    return replace(creature, at=(walked(creature.at[0], creature.side * speed, size[0]), creature.at[1]))


def faces(rng: np.random.Generator, size: Size) -> Iterator[Image.Image]:
    """One or two heads close by, that talk, blink and look about before a plain ground or a landscape."""
    pen, (w, h) = _pen(rng, size), size
    colour = hsv(rng.random(), rng.uniform(0, 0.7), rng.uniform(0.3, 1))
    ground = (
        _landscape(rng, size, pen, 1)
        if chance(rng, 0.4)
        else gradient(size, colour, mix(colour, WHITE, rng.uniform(0, 0.5)))
    )
    count = int(rng.choice((1, 1, 2)))
    people = [replace(_creature(rng, size), height=h * rng.uniform(0.6, 0.95)) for _ in range(count)]
    noses, brows, calm = rng.uniform(0.02, 0.14, count), rng.uniform(-0.3, 0.3, count), float(rng.choice((0.3, 0.7)))
    moods = [(0.0, 0.0, 0.02)] * count
    while True:
        canvas, draw = copied(ground)
        for k, one in enumerate(people):
            at = (w * (k + 0.5) / count, h * 0.48)
            _bust(draw, pen, one, at, mood=moods[k], nose=noses[k], brow=brows[k])
        yield canvas
        moods = [mood if chance(rng, calm) else _mood(rng) for mood in moods]


def _mood(rng: np.random.Generator) -> tuple[float, float, float]:
    """Where it looks, how far the eyes are closed (0 or 1), how wide the mouth is open."""
    return float(rng.uniform(-1, 1)), float(chance(rng, 0.2)), float(rng.choice((0.02, 0.05, 0.1)))


def _bust(
    draw: ImageDraw.ImageDraw,
    pen: Pen,
    one: Creature,
    at: Spot,
    *,
    mood: tuple[float, float, float],
    nose: float,
    brow: float,
) -> None:
    h, (x, y), (look, closed, mouth) = one.height, at, mood
    pen.disc(draw, (x, y + 0.85 * h), (0.5 * h, 0.45 * h), one.shirt)
    pen.disc(draw, (x, y - 0.08 * h), (0.36 * h, 0.4 * h), one.hair)
    pen.limb(draw, np.array([(x, y + 0.2 * h), (x, y + 0.45 * h)]), one.skin, 0.2 * h)
    pen.disc(draw, (x, y), (0.3 * h * (0.8 + 0.4 * one.stout), 0.36 * h), one.skin)
    fringe = turned(circle(24)[12:] * (0.3 * (0.8 + 0.4 * one.stout), 0.36), scale=h, at=at)
    pen.fill(draw, np.concatenate([fringe, [(x + 0.2 * h, y - 0.2 * h), (x - 0.1 * h, y - 0.24 * h)]]), one.hair)
    for k in (-1, 1):
        eye = (x + k * 0.12 * h, y - 0.06 * h)
        pen.disc(draw, eye, (0.07 * h, 0.085 * h), one.skin if closed else WHITE)
        if closed:
            stroke(draw, [(eye[0] - 0.07 * h, eye[1]), (eye[0] + 0.07 * h, eye[1])], BLACK, 0.015 * h)
        else:
            disc(draw, (eye[0] + look * 0.035 * h, eye[1]), 0.03 * h, BLACK)
        tilt = k * brow * 0.1 * h
        line = [(eye[0] - 0.07 * h, eye[1] - 0.12 * h + tilt), (eye[0] + 0.07 * h, eye[1] - 0.12 * h - tilt)]
        stroke(draw, line, one.hair, 0.025 * h)
    pen.disc(draw, (x + look * 0.02 * h, y + 0.07 * h), (0.03 * h, nose * h * 0.5), mix(one.skin, (200, 60, 60), 0.25))
    pen.disc(draw, (x, y + 0.21 * h), (0.1 * h, mouth * h), (130, 20, 30))


KINDS: tuple[Scene, ...] = (walks, walks, faces)
