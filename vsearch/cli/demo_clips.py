"""Short films made of arithmetic, for `vsearch demo`: really different ones, with cuts and camera motion.

A scene is a function (width, height, random generator) -> painter; a painter gives the picture at a time in seconds as
(height, width, 3) floats, 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch.render.lettering import lettering

FPS = 12  # motion is visible, and a dozen clips are made within seconds

Floats = NDArray[np.floating]
Pixels = NDArray[np.uint8]
Painter = Callable[[float], Floats]
Scene = Callable[[int, int, np.random.Generator], Painter]

PAGE = """Minutes of the film club
On Tuesday the archive was opened again.
Forty reels had been found in the cellar,
most of them without a label, some without
a can. The projector was repaired with parts
of a bicycle. We saw: a harbour in winter,
two weddings, a swimming lesson, a parade
that nobody could date, and eleven minutes
of an empty street, which pleased us most.
The treasurer asks for lamps. The secretary
asks for silence during the screening.
Next meeting: when the evenings are long."""


@dataclass(frozen=True, slots=True)
class DemoClip:
    """A film to be made: its name, its size in pixels, and its scenes with their lengths in seconds."""

    name: str
    width: int
    height: int
    scenes: tuple[tuple[Scene, float], ...]
    seed: int

    @property
    def duration_s(self) -> float:
        return sum(length for _, length in self.scenes)

    def frames(self, start_s: float = 0.0, end_s: float | None = None) -> Iterator[Pixels]:
        """(3, height, width) uint8 RGB pictures, FPS a second, of [start_s, end_s)."""
        end_s = self.duration_s if end_s is None else end_s
        began = 0.0
        for number, (scene, length) in enumerate(self.scenes):
            paint = scene(self.width, self.height, np.random.default_rng([self.seed, number]))
            first = max(0, round((start_s - began) * FPS))
            for i in range(first, round((min(end_s, began + length) - began) * FPS)):
                pixels = np.clip(paint(i / FPS) * 255, 0, 255).astype(np.uint8)
                yield np.ascontiguousarray(pixels.transpose(2, 0, 1))
            began += length


def demo_clips() -> tuple[DemoClip, ...]:
    """The dozen that is indexed."""
    return (
        DemoClip("plasma", 432, 240, ((plasma, 8), (plasma, 6)), 1),
        DemoClip("bouncing-logo", 432, 240, ((bouncing_logo, 14),), 2),
        DemoClip("film-leader", 320, 240, ((film_leader, 10), (slate, 4)), 3),
        DemoClip("game-of-life", 432, 240, ((game_of_life, 14),), 4),
        DemoClip("checker-zoom", 432, 240, ((checker_zoom, 12),), 5),
        DemoClip("scrolling-page", 432, 240, ((scrolling_page, 14),), 6),
        DemoClip("day-and-night", 432, 240, ((landscape, 16),), 7),
        DemoClip("fireworks", 432, 240, ((fireworks, 14),), 8),
        DemoClip("station-clock", 240, 320, ((station_clock, 12),), 9),
        DemoClip("sea", 432, 240, ((sea, 14),), 10),
        DemoClip("night-train", 432, 240, ((skyline, 9), (skyline, 7)), 11),
        DemoClip("lava-lamp", 256, 256, ((lava_lamp, 14),), 12),
    )


def stranger() -> DemoClip:
    """A film that is never indexed: searching for it should find nothing."""
    return DemoClip("stranger", 432, 240, ((spirograph, 8),), 99)


@dataclass(frozen=True, slots=True)
class EditedCopy:
    """A part of a clip after an edit: a query, with where it is from. `speed`: how much faster it plays."""

    name: str
    clip: str
    start_s: float
    end_s: float
    what: str
    edit: Callable[[Pixels], Pixels]
    crf: int = 23
    speed: float = 1.0

    def frames(self) -> Iterator[Pixels]:
        """(3, height, width) uint8 RGB pictures, FPS * speed a second."""
        clip = next(clip for clip in demo_clips() if clip.name == self.clip)
        return (np.ascontiguousarray(self.edit(frame)) for frame in clip.frames(self.start_s, self.end_s))


def edited_copies() -> tuple[EditedCopy, ...]:
    """Queries whose answer is known."""
    return (
        EditedCopy("small", "night-train", 2, 8, "half the size, strongly compressed", halved, crf=36),
        EditedCopy("cropped", "day-and-night", 8, 14, "the middle 3/4 of the picture", cropped),
        EditedCopy("mirrored", "sea", 3, 9, "left and right exchanged", mirrored),
        EditedCopy("pale", "lava-lamp", 4, 10, "brighter, with less contrast", pale),
        EditedCopy("grey", "night-train", 9, 15, "without colour", grey),
        EditedCopy("captioned", "station-clock", 4, 10, "with a caption burnt in", captioned),
        EditedCopy("faster", "plasma", 8, 14, "1.25 times as fast, compressed", _unchanged, crf=32, speed=1.25),
        EditedCopy("letterboxed", "checker-zoom", 1, 7, "between black bars", letterboxed),
    )


def halved(frame: Pixels) -> Pixels:
    _, height, width = frame.shape
    blocks = frame.reshape(3, height // 2, 2, width // 2, 2)
    return np.asarray(blocks.mean((2, 4)), np.uint8)


def cropped(frame: Pixels) -> Pixels:
    _, height, width = frame.shape
    return frame[:, height // 8 : height - height // 8, width // 8 : width - width // 8]


def mirrored(frame: Pixels) -> Pixels:
    return frame[:, :, ::-1]


def pale(frame: Pixels) -> Pixels:
    return (70 + frame * 0.65).clip(0, 255).astype(np.uint8)


def grey(frame: Pixels) -> Pixels:
    return np.repeat(np.tensordot((0.299, 0.587, 0.114), frame, 1)[None], 3, 0).astype(np.uint8)


def captioned(frame: Pixels) -> Pixels:
    picture = frame.transpose(1, 2, 0) / 255
    words = lettering("Platform 2, early morning", 14)
    height, width = words.shape
    left, top = (picture.shape[1] - width) // 2, picture.shape[0] - 2 * height
    picture[top - 4 : top + height + 4, left - 6 : left + width + 6] *= 0.3
    _lay(picture, words, left, top, _ink(1, 1, 0.6))
    return (picture * 255).astype(np.uint8).transpose(2, 0, 1)


def letterboxed(frame: Pixels) -> Pixels:
    return np.pad(frame, ((0, 0), (40, 40), (0, 0)))


def _unchanged(frame: Pixels) -> Pixels:
    return frame


def plasma(width: int, height: int, rng: np.random.Generator) -> Painter:
    x, y = _grid(width, height)
    fx, fy, phase = rng.uniform(1.5, 4, 3), rng.uniform(1.5, 4, 3), rng.uniform(0, 6, 3)
    shade = rng.uniform(0, 1, 3)

    def paint(t: float) -> Floats:
        waves = [np.sin(fx[i] * x + fy[i] * y * np.cos(t / 3 + phase[i]) + t + phase[i]) for i in range(3)]
        value = np.sum(waves, axis=0) + np.sin(4 * np.hypot(x - np.sin(t / 2), y))
        return np.stack([0.5 + 0.5 * np.sin(value * 1.3 + 2 * np.pi * (shade[c] + c / 3)) for c in range(3)], -1)

    return paint


def bouncing_logo(width: int, height: int, rng: np.random.Generator) -> Painter:
    word = lettering("VSEARCH", height // 6)
    room_x, room_y = width - word.shape[1], height - word.shape[0]
    ground = np.full((height, width, 3), 0.07, np.float32)
    ground[:: height // 8] = ground[:, :: height // 8] = 0.16

    def paint(t: float) -> Floats:
        x, bounces_x = _bounce(t * 85, room_x)
        y, bounces_y = _bounce(t * 55 + 20, room_y)
        picture = ground.copy()
        _lay(picture, word, x, y, _hue(0.13 * (3 * bounces_x + bounces_y)))
        return picture

    return paint


def film_leader(width: int, height: int, rng: np.random.Generator) -> Painter:
    x, y = _grid(width, height)
    radius, angle = np.hypot(x, y), np.arctan2(x, -y) % (2 * np.pi)
    digits = {n: lettering(str(n), height // 2) for n in range(11)}
    rings = (np.abs(radius - 0.8) < 0.02) | (np.abs(radius - 0.68) < 0.02) | (np.abs(x) < 0.008) | (np.abs(y) < 0.008)

    def paint(t: float) -> Floats:
        swept = angle < 2 * np.pi * (t % 1)
        grey = np.where(swept, 0.42, 0.68) + rng.normal(0, 0.03, x.shape)
        picture = np.repeat(np.where(rings, 0.1, grey).astype(np.float32)[..., None], 3, -1) * _ink(1, 0.97, 0.88)
        digit = digits[max(0, 10 - int(t))]
        _lay(picture, digit, (width - digit.shape[1]) // 2, (height - digit.shape[0]) // 2, _ink(0.05, 0.05, 0.05))
        return picture

    return paint


def slate(width: int, height: int, rng: np.random.Generator) -> Painter:
    words = lettering("SCENE 27   TAKE 3\nROLL A042\nDIRECTOR  N. NOBODY\nCAMERA  B", height // 12)
    stripes = ((np.arange(width)[None] + np.arange(height // 6)[:, None]) // (width // 9)) % 2

    def paint(t: float) -> Floats:
        picture = np.full((height, width, 3), 0.11, np.float32)
        drop = 0 if t > 0.5 else int((0.5 - t) * 40)
        bar = stripes[: max(0, height // 6 - drop)].astype(np.float32)[..., None]
        picture[drop : drop + len(bar)] = bar * 0.9
        _lay(picture, words, width // 12, height // 3, _ink(0.95, 0.95, 0.9))
        return picture

    return paint


def game_of_life(width: int, height: int, rng: np.random.Generator) -> Painter:
    cell, step = 6, 0
    cells = rng.random((height // cell, width // cell)) < 0.3
    age = np.zeros(cells.shape)

    def paint(t: float) -> Floats:
        nonlocal cells, age, step
        while step < int(t * 5):
            shifts = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
            around = np.sum([np.roll(cells, shift, (0, 1)) for shift in shifts], axis=0)
            cells = (around == 3) | (cells & (around == 2))
            age, step = np.where(cells, age + 1, 0), step + 1
        old = np.minimum(age, 12)[..., None] / 12
        colours = np.where(cells[..., None], _ink(0.2, 0.95, 0.55) * (1 - old) + _ink(0.15, 0.3, 0.9) * old, 0.04)
        return colours.repeat(cell, 0).repeat(cell, 1)

    return paint


def checker_zoom(width: int, height: int, rng: np.random.Generator) -> Painter:
    x, y = _grid(width, height)

    def paint(t: float) -> Floats:
        turn, zoom = t / 4, 2.5 + 1.7 * np.sin(t / 2)
        u = zoom * (x * np.cos(turn) - y * np.sin(turn))
        v = zoom * (x * np.sin(turn) + y * np.cos(turn))
        squares = ((np.floor(u * 2) + np.floor(v * 2)) % 2).astype(bool)
        fog = np.exp(-0.6 * np.hypot(x, y))[..., None]
        return np.where(squares[..., None], _ink(0.85, 0.2, 0.15), _ink(0.97, 0.92, 0.8)) * fog

    return paint


def scrolling_page(width: int, height: int, rng: np.random.Generator) -> Painter:
    words = lettering(PAGE, 15)
    page = np.zeros((words.shape[0] + 2 * height, width), np.float32)
    page[height // 2 : height // 2 + words.shape[0], 30 : 30 + words.shape[1]] = words[:, : width - 30]

    def paint(t: float) -> Floats:
        top = min(int(t * 22), len(page) - height)
        cover = page[top : top + height][..., None]
        return (1 - cover) * _ink(0.96, 0.94, 0.88) + cover * _ink(0.12, 0.12, 0.2)

    return paint


def landscape(width: int, height: int, rng: np.random.Generator) -> Painter:
    ridges = [_ridge(3 * width, rng, roughness) for roughness in (4, 9, 16)]
    stars = rng.random((height, width)) > 0.997
    rows = np.linspace(0, 1, height)[:, None, None]
    x, y = _grid(width, height)

    def paint(t: float) -> Floats:
        day = 0.5 + 0.5 * np.cos(2 * np.pi * t / 16)
        sky = (1 - rows) * (_ink(0.25, 0.5, 0.9) * day + _ink(0.02, 0.02, 0.1) * (1 - day))
        sky = sky + rows * (_ink(0.95, 0.75, 0.6) * day + _ink(0.15, 0.08, 0.25) * (1 - day))
        picture = np.broadcast_to(sky, (height, width, 3)).astype(np.float32)
        picture[stars] += np.float32(1 - day)
        sun = np.hypot(x - 1.2 * np.cos(np.pi * (t / 8 - 0.5)), y + 0.9 * np.sin(np.pi * (t / 8 + 0.5))) < 0.16
        picture[sun] = _ink(1, 0.9, 0.5)
        for depth, ridge in enumerate(ridges):
            shift = int(t * 9 * (depth + 1))
            crest = height * (0.45 + 0.16 * depth) - ridge[shift : shift + width] * height * 0.2
            below = np.arange(height)[:, None] > crest[None]
            picture[below] = (_ink(0.45, 0.5, 0.6) - 0.13 * depth) * (0.25 + 0.75 * day)
        return picture

    return paint


def fireworks(width: int, height: int, rng: np.random.Generator) -> Painter:
    n, sparks = 14, 90
    starts = np.sort(rng.uniform(-1, 13, n))
    places = rng.uniform((0.15, 0.12), (0.85, 0.55), (n, 2)) * (width, height)
    angles, speeds = rng.uniform(0, 2 * np.pi, (n, sparks)), rng.uniform(10, 75, (n, sparks))
    colours = [_hue(h) for h in rng.random(n)]

    def paint(t: float) -> Floats:
        picture = np.full((height, width, 3), 0.03, np.float32)
        picture[int(height * 0.88) :] = 0.07
        for i in range(n):
            for trail in range(6):
                age = t - starts[i] - trail * 0.05
                if 0 < age < 2.5:
                    x = places[i, 0] + np.cos(angles[i]) * speeds[i] * age**0.7
                    y = places[i, 1] + np.sin(angles[i]) * speeds[i] * age**0.7 + 14 * age**2
                    _dots(picture, x, y, colours[i] * (1 - age / 2.5) * (1 - trail / 7))
        return picture

    return paint


def station_clock(width: int, height: int, rng: np.random.Generator) -> Painter:
    x, y = _grid(width, height)
    radius, angle = np.hypot(x, y), np.arctan2(x, -y)
    minutes = (np.abs((angle * 30 / np.pi + 0.5) % 1 - 0.5) < 0.12) & (radius > 0.6) & (radius < 0.66)
    hours = (np.abs((angle * 6 / np.pi + 0.5) % 1 - 0.5) < 0.07) & (radius > 0.52) & (radius < 0.66)

    def hand(turns: float, length: float, thick: float) -> NDArray[np.bool_]:
        along = x * np.sin(2 * np.pi * turns) - y * np.cos(2 * np.pi * turns)
        across = x * np.cos(2 * np.pi * turns) + y * np.sin(2 * np.pi * turns)
        return np.asarray((np.abs(across) < thick) & (along > -0.1) & (along < length))

    def paint(t: float) -> Floats:
        picture = np.empty((height, width, 3), np.float32)
        picture[:] = _ink(0.2, 0.32, 0.36) * (0.8 + 0.2 * np.sin(9 * y + t))[..., None]
        picture[radius < 0.72] = 0.93
        picture[minutes | hours | (np.abs(radius - 0.72) < 0.025)] = 0.08
        picture[hand(t / 70 + 0.3, 0.36, 0.035) | hand(t / 6, 0.56, 0.022)] = 0.08
        picture[hand(t / 2, 0.6, 0.01) | (radius < 0.04)] = _ink(0.8, 0.1, 0.1)
        return picture

    return paint


def sea(width: int, height: int, rng: np.random.Generator) -> Painter:
    x, y = _grid(width, height)
    depth = np.maximum(y + 0.35, 1e-3)
    waves = rng.uniform((2, 0.5, 0), (9, 2.5, 6), (6, 3))

    def paint(t: float) -> Floats:
        u, v = x / depth / 2, 1 / depth
        swell = np.mean([np.sin(k * u + k * v / 2 + w * t + p) for k, w, p in waves], axis=0)
        foam = np.clip(swell - 0.45, 0, 1)[..., None] * 2
        water = _ink(0.05, 0.3, 0.38) * (0.8 + 0.4 * swell[..., None]) + foam
        sky = _ink(0.75, 0.8, 0.82) + 0.12 * np.sin(5 * x + 3 * np.sin(7 * y + t / 5) + t / 4)[..., None]
        below = np.asarray(y > -0.33 + 0.02 * np.sin(t))
        return np.asarray(np.where(below[..., None], water, sky))

    return paint


def skyline(width: int, height: int, rng: np.random.Generator) -> Painter:
    long = 5 * width
    layers = [np.zeros((height, long, 3), np.float32) for _ in range(2)]
    for depth, layer in enumerate(layers):
        at = 0
        while at < long:
            wide, high = int(rng.integers(24, 60)), int(height * rng.uniform(0.25, 0.75 - 0.2 * depth))
            layer[height - high :, at : at + wide - 3] = _ink(0.12, 0.12, 0.2) + 0.1 * depth
            lit = rng.random((high // 9, wide // 8)) < 0.4
            for row, column in np.argwhere(lit):
                top, left = height - high + 3 + 9 * row, at + 3 + 8 * column
                layer[top : top + 5, left : left + 4] = _ink(1, 0.85, 0.45) * rng.uniform(0.6, 1)
            at += wide
    dusk = np.linspace(0, 1, height)[:, None, None] * _ink(0.6, 0.25, 0.3) + _ink(0.08, 0.08, 0.2)

    def paint(t: float) -> Floats:
        picture = np.broadcast_to(dusk, (height, width, 3)).astype(np.float32)
        for depth, layer in enumerate(layers):
            shift = int(t * 40 * (depth + 1)) % (long - width)
            seen = layer[:, shift : shift + width]
            picture = np.where(seen.any(-1, keepdims=True), seen, picture)
        return picture

    return paint


def lava_lamp(width: int, height: int, rng: np.random.Generator) -> Painter:
    x, y = _grid(width, height)
    paths = rng.uniform((-0.5, 0.2, 0, 0.1), (0.5, 0.7, 6, 0.25), (8, 4))

    def paint(t: float) -> Floats:
        field = np.zeros(x.shape)
        for cx, w, p, r in paths:
            field += r**2 / ((x - cx - 0.1 * np.sin(t + p)) ** 2 + (y - 0.85 * np.sin(w * t + p)) ** 2 + 0.01)
        wax = 1 / (1 + np.exp(-9 * (field[..., None] - 1.4)))
        glass = _ink(0.35, 0.05, 0.4) + 0.25 * y[..., None] * _ink(0.5, 0.2, 0.1)
        hot = _ink(1, 0.55, 0.1) - 0.3 * y[..., None] * _ink(0, 0.5, 0.1)
        return np.asarray(glass * (1 - wax) + wax * hot)

    return paint


def spirograph(width: int, height: int, rng: np.random.Generator) -> Painter:
    turns = np.linspace(0, 40 * np.pi, 16_000)
    reach = 0.46 * min(width, height)
    x = width / 2 + reach * (0.62 * np.cos(turns) + 0.38 * np.cos(turns * 3.61))
    y = height / 2 + reach * (0.62 * np.sin(turns) - 0.38 * np.sin(turns * 3.61))

    def paint(t: float) -> Floats:
        picture = np.full((height, width, 3), 0.92, np.float32)
        drawn = int(2000 * (t + 0.5))
        _dots(picture, x[:drawn], y[:drawn], -_ink(0.8, 0.35, 0.1))
        return picture

    return paint


def _grid(width: int, height: int) -> tuple[Floats, Floats]:
    """Coordinates with the origin in the middle and 1 at the nearer edges."""
    scale = min(width, height) / 2
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return (x - width / 2) / scale, (y - height / 2) / scale


def _ink(red: float, green: float, blue: float) -> Floats:
    return np.array([red, green, blue], np.float32)


def _hue(turn: float) -> Floats:
    return (0.55 + 0.45 * np.cos(2 * np.pi * (turn - np.arange(3) / 3))).astype(np.float32)


def _bounce(way: float, room: int) -> tuple[int, int]:
    """Where something is that runs between 0 and `room`, and how often it has turned."""
    turns, rest = divmod(way, room)
    return int(rest if turns % 2 == 0 else room - rest), int(turns)


def _lay(picture: Floats, mask: Floats, x: int, y: int, ink: Floats) -> None:
    """Print a mask into a picture at (x, y), cut off at its edges."""
    height, width = picture.shape[:2]
    mask = mask[: max(0, height - y), : max(0, width - x), None]
    part = picture[y : y + mask.shape[0], x : x + mask.shape[1]]
    part[:] = part * (1 - mask) + ink * mask


def _dots(picture: Floats, x: NDArray[np.float64], y: NDArray[np.float64], light: Floats) -> None:
    """Add light at points, two pixels square."""
    height, width = picture.shape[:2]
    inside = (x >= 0) & (x < width - 1) & (y >= 0) & (y < height - 1)
    column, row = x[inside].astype(int), y[inside].astype(int)
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        picture[row + i, column + j] += light


def _ridge(length: int, rng: np.random.Generator, roughness: int) -> NDArray[np.float64]:
    """(length,) heights in about [-1, 1] of a mountain ridge."""
    x = np.linspace(0, 1, length)
    heights = [np.sin(2 * np.pi * (roughness * 2**i * x + rng.random())) / 2**i for i in range(5)]
    return np.asarray(np.sum(heights, axis=0) / 1.5)
