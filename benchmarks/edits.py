"""What editors and re-uploaders do to footage, as data: a name, how strong, and what happens to each picture.

An edit draws its parameters once a query (`prepare`), so that all frames of a query are changed alike, and equal seeds
give equal pictures. Pictures are Pillow RGB images with square pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

Picture = Image.Image
Change = Callable[[Picture, Picture], Picture]  # a frame of the excerpt, a frame of other footage -> the edited frame
Box = tuple[int, int, int, int]
Corners = tuple[tuple[float, float], ...]

CRF = 26
CAPTIONS = ("WAIT FOR IT - this is what happened next", "Follow for more - full video on our channel")


def unchanged(random: Random) -> Change:
    return lambda picture, other: picture


@dataclass(frozen=True, slots=True)
class Edit:
    """One way of editing.

    strength: for people. prepare: draws the parameters of one query. scale: of both sides, when encoding. crf: of
    H.264. speed: 2 plays twice as fast. whole_s: the query is so long, the excerpt somewhere inside other material.
    still: the query is a picture file of one frame.
    """

    name: str
    strength: str
    prepare: Callable[[Random], Change] = unchanged
    scale: float = 1.0
    crf: int = CRF
    speed: float = 1.0
    whole_s: float | None = None
    still: bool = False


# ------------------------------------------------------------------------------------------------- what is left out


def crop(share: float) -> Callable[[Random], Change]:
    """A part with `share` of the area and the shape of the whole, anywhere."""

    def prepare(random: Random) -> Change:
        x, y, side = random.random(), random.random(), math.sqrt(share)

        def change(picture: Picture, other: Picture) -> Picture:
            return picture.crop(_part(picture.size, side * picture.width, side * picture.height, x, y))

        return change

    return prepare


def turned_crop(random: Random) -> Change:
    """9:16 out of a wide picture, 16:9 out of a tall one: full height or width, anywhere."""
    x, y = random.random(), random.random()

    def change(picture: Picture, other: Picture) -> Picture:
        width, height = picture.size
        if width >= height:
            return picture.crop(_part(picture.size, height * 9 / 16, height, x, y))
        return picture.crop(_part(picture.size, width, width * 9 / 16, x, y))

    return change


def _part(size: tuple[int, int], width: float, height: float, x: float, y: float) -> Box:
    """A box of that size inside `size`: x, y in [0, 1] say where."""
    w, h = max(2, round(width)), max(2, round(height))
    left, top = round(x * (size[0] - w)), round(y * (size[1] - h))
    return left, top, left + w, top + h


# ------------------------------------------------------------------------------------------------ what goes around it


def letterbox(random: Random) -> Change:
    """Black bars above and below, a third of the new picture."""

    def change(picture: Picture, other: Picture) -> Picture:
        canvas = Image.new("RGB", (picture.width, round(picture.height * 1.5)))
        canvas.paste(picture, (0, (canvas.height - picture.height) // 2))
        return canvas

    return change


def pillarbox(random: Random) -> Change:
    """Between two bars that show the picture enlarged and blurred, 45% of the new picture."""

    def change(picture: Picture, other: Picture) -> Picture:
        size = round(picture.width * 1.8), picture.height
        canvas = _cover(picture, (max(1, size[0] // 8), max(1, size[1] // 8)))
        canvas = canvas.filter(ImageFilter.GaussianBlur(2)).resize(size, Image.Resampling.BILINEAR)
        canvas.paste(picture, ((canvas.width - picture.width) // 2, 0))
        return canvas

    return change


def picture_in_picture(random: Random) -> Change:
    """At 35% of the width, anywhere on other footage."""
    x, y = random.random(), random.random()

    def change(picture: Picture, other: Picture) -> Picture:
        canvas = _cover(other, picture.size)
        inset = _part(picture.size, 0.35 * picture.width, 0.35 * picture.height, x, y)
        canvas.paste(picture.resize((inset[2] - inset[0], inset[3] - inset[1]), Image.Resampling.BOX), inset)
        return canvas

    return change


def side_by_side(random: Random) -> Change:
    """Beside other footage of the same size, on either side."""
    ours = random.randint(0, 1)

    def change(picture: Picture, other: Picture) -> Picture:
        canvas = Image.new("RGB", (2 * picture.width, picture.height))
        canvas.paste(picture, (ours * picture.width, 0))
        canvas.paste(_cover(other, picture.size), ((1 - ours) * picture.width, 0))
        return canvas

    return change


def _cover(picture: Picture, size: tuple[int, int]) -> Picture:
    """The middle of the picture, scaled to fill `size`."""
    return ImageOps.fit(picture, size, Image.Resampling.BILINEAR)


# -------------------------------------------------------------------------------------------------- what lies upon it


def caption_and_logo(random: Random) -> Change:
    """A caption over the lowest (or highest) 18% and a logo of 30% x 25% in an opposite corner: a quarter covered."""
    text, below, right = random.choice(CAPTIONS), random.random() < 0.7, random.random() < 0.5
    colour = _colour(random)

    def change(picture: Picture, other: Picture) -> Picture:
        edited = picture.copy()
        draw, (width, height) = ImageDraw.Draw(edited), picture.size
        strip = round(0.18 * height)
        top = height - strip if below else 0
        draw.rectangle((0, top, width, top + strip), fill=(12, 12, 12))
        _write(draw, text, (0, top, width, top + strip), (250, 250, 240))
        logo_w, logo_h = round(0.30 * width), round(0.25 * height)
        left, high = (width - logo_w if right else 0), (0 if below else height - logo_h)
        draw.rectangle((left, high, left + logo_w, high + logo_h), fill=colour)
        _write(draw, "NEWS 24", (left, high, left + logo_w, high + logo_h), (255, 255, 255))
        return edited

    return change


def stickers(random: Random) -> Change:
    """Opaque discs and boxes in many colours, until a third of the picture is covered."""
    seed = random.getrandbits(64)
    drawn: dict[tuple[int, int], tuple[Picture, Picture]] = {}

    def change(picture: Picture, other: Picture) -> Picture:
        if picture.size not in drawn:
            drawn[picture.size] = _stickers(picture.size, Random(seed))
        upon, mask = drawn[picture.size]
        return Image.composite(upon, picture, mask)

    return change


def _stickers(size: tuple[int, int], random: Random) -> tuple[Picture, Picture]:
    """What lies upon a picture of that size, and where."""
    upon, mask = Image.new("RGB", size), Image.new("L", size)
    seen, covered, short = ImageDraw.Draw(upon), ImageDraw.Draw(mask), min(size)
    while np.asarray(mask).mean() < 255 / 3:
        radius, x, y = random.uniform(0.08, 0.2) * short, random.uniform(0, size[0]), random.uniform(0, size[1])
        box, colour = (x - radius, y - radius, x + radius, y + radius), _colour(random)
        if random.random() < 0.6:
            seen.ellipse(box, fill=colour)
            covered.ellipse(box, fill=255)
        else:
            seen.rectangle(box, fill=colour)
            covered.rectangle(box, fill=255)
    return upon, mask


def _colour(random: Random) -> tuple[int, int, int]:
    return random.randint(40, 255), random.randint(0, 255), random.randint(0, 255)


def _write(draw: ImageDraw.ImageDraw, text: str, box: Box, fill: tuple[int, int, int]) -> None:
    """As large as fits into the box, in its middle."""
    width, height = 0.92 * (box[2] - box[0]), 0.7 * (box[3] - box[1])
    wide = draw.textlength(text, ImageFont.load_default(20))
    font = ImageFont.load_default(max(5.0, min(20 * width / wide, height)))
    draw.text(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), text, fill=fill, font=font, anchor="mm")


# ------------------------------------------------------------------------------------------------------ its geometry


def mirror(random: Random) -> Change:
    return lambda picture, other: ImageOps.mirror(picture)


def rotate(degrees: float) -> Callable[[Random], Change]:
    """Either way, the size kept, black corners."""

    def prepare(random: Random) -> Change:
        angle = random.choice((-degrees, degrees))
        return lambda picture, other: picture.rotate(angle, Image.Resampling.BILINEAR)

    return prepare


def stretch(factor: float) -> Callable[[Random], Change]:
    """One of the sides so much longer, the area kept."""

    def prepare(random: Random) -> Change:
        side = math.sqrt(factor) if random.random() < 0.5 else 1 / math.sqrt(factor)

        def change(picture: Picture, other: Picture) -> Picture:
            size = round(picture.width * side), round(picture.height / side)
            return picture.resize(size, Image.Resampling.BILINEAR)

        return change

    return prepare


def perspective(random: Random) -> Change:
    """Filmed off a screen: each corner up to 18% of the sides inward, dark surroundings, dimmer and a little soft."""
    inward = [(random.uniform(0.02, 0.18), random.uniform(0.02, 0.18)) for _ in range(4)]

    def change(picture: Picture, other: Picture) -> Picture:
        width, height = picture.size
        flat: Corners = ((0, 0), (width, 0), (width, height), (0, height))
        seen: Corners = tuple(
            (x + (dx if x == 0 else -dx) * width, y + (dy if y == 0 else -dy) * height)
            for (x, y), (dx, dy) in zip(flat, inward, strict=True)
        )
        dimmer = picture.point([round(0.8 * value + 20) for value in range(256)] * 3)
        tilted = dimmer.transform(
            picture.size,
            Image.Transform.PERSPECTIVE,
            homography(seen, flat),
            Image.Resampling.BILINEAR,
            fillcolor=(24, 22, 20),
        )
        return tilted.filter(ImageFilter.GaussianBlur(height / 360))

    return change


def homography(seen: Corners, flat: Corners) -> tuple[float, ...]:
    """The eight coefficients by which Pillow finds, for a point inside the corners seen, its place in the flat ones."""
    rows, wanted = [], []
    for (x, y), (u, v) in zip(seen, flat, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        wanted += [u, v]
    return tuple(np.linalg.solve(np.array(rows, np.float64), np.array(wanted, np.float64)).tolist())


# ------------------------------------------------------------------------------------------------- light and sharpness


def blur(random: Random) -> Change:
    return lambda picture, other: picture.filter(ImageFilter.GaussianBlur(min(picture.size) / 72))


def noise(sigma: float) -> Callable[[Random], Change]:
    """Normal, each sample on its own, another one in each frame."""

    def prepare(random: Random) -> Change:
        rng = np.random.default_rng(random.getrandbits(64))

        def change(picture: Picture, other: Picture) -> Picture:
            grain = rng.standard_normal((picture.height, picture.width, 3), np.float32) * np.float32(sigma)
            return Image.fromarray(np.clip(np.asarray(picture) + grain, 0, 255).astype(np.uint8))

        return change

    return prepare


def tint(random: Random) -> Change:
    """One channel times 1.4, one times 0.6, then 1.8 times as colourful."""
    gains = random.sample((1.4, 1.0, 0.6), 3)
    table = [min(255, round(gain * value)) for gain in gains for value in range(256)]
    return lambda picture, other: ImageEnhance.Color(picture.point(table)).enhance(1.8)


def curve(function: Callable[[float], float]) -> Callable[[Random], Change]:
    """Every sample through a function from [0, 1] to [0, 1]."""
    table = [min(255, max(0, round(255 * function(value / 255)))) for value in range(256)] * 3
    return lambda random: lambda picture, other: picture.point(table)


def grey(random: Random) -> Change:
    return lambda picture, other: picture.convert("L").convert("RGB")


def one_after_another(*steps: Callable[[Random], Change]) -> Callable[[Random], Change]:
    """Several edits of the same pictures."""

    def prepare(random: Random) -> Change:
        changes = [step(random) for step in steps]

        def change(picture: Picture, other: Picture) -> Picture:
            for one in changes:
                picture = one(picture, other)
            return picture

        return change

    return prepare


def differs(a: Picture, b: Picture) -> bool:
    """Whether two pictures are of different size or have any different sample."""
    return a.size != b.size or ImageChops.difference(a, b).getbbox() is not None


EDITS: Mapping[str, Edit] = {
    edit.name: edit
    for edit in (
        Edit("re-encoded", "60% of both sides, CRF 32", scale=0.6, crf=32),
        Edit("CRF 40", "H.264 at CRF 40", crf=40),
        Edit("third of the size", "a third of both sides", scale=1 / 3),
        Edit("crop", "30% of the area, anywhere", crop(0.3)),
        Edit("turned crop", "9:16 out of a wide picture (32% of 16:9), 16:9 out of a tall one", turned_crop),
        Edit("picture in picture", "at 35% of the width, anywhere on other footage", picture_in_picture),
        Edit("side by side", "with other footage of the same size", side_by_side),
        Edit("mirror", "left and right exchanged", mirror),
        Edit("rotation", "10 degrees either way, black corners", rotate(10)),
        Edit("letterbox", "black bars, a third of the new picture", letterbox),
        Edit("pillarbox", "blurred bars, 44% of the new picture", pillarbox),
        Edit("logo and caption", "over 25% of the picture", caption_and_logo),
        Edit("stickers", "opaque, over a third of the picture", stickers),
        Edit("blur", "Gaussian, sigma 1/72 of the shorter side (4 of 288 lines)", blur),
        Edit("noise", "normal, sigma 24 of 255", noise(24)),
        Edit("tint", "one channel x 1.4, one x 0.6, then saturation x 1.8", tint),
        Edit("bright", "gamma 0.5, then 15% up", curve(lambda value: value**0.5 * 0.85 + 0.15)),
        Edit("dark", "gamma 1.3, then x 0.45", curve(lambda value: value**1.3 * 0.45)),
        Edit("grey", "no colour", grey),
        Edit("aspect", "one side x 1.5 against the other", stretch(1.5)),
        Edit("perspective", "each corner up to 18% inward, dark surroundings, dimmed, softened", perspective),
        Edit("slower", "0.7 times the speed", speed=0.7),
        Edit("faster", "1.5 times the speed", speed=1.5),
        Edit("inside a minute", "5 s somewhere in 60 s of other material", whole_s=60.0),
        Edit("single frame", "a picture file (JPEG, quality 80)", still=True),
        Edit(
            "several at once",
            "mirror, a crop of 60%, logo and caption, tint; 1.2 times the speed, CRF 32",
            one_after_another(mirror, crop(0.6), caption_and_logo, tint),
            crf=32,
            speed=1.2,
        ),
    )
}
