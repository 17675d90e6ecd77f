"""A picture of why a query and a video match or do not: their similarity matrix, the lines through it, frames in pairs.

words
[overview of the whole video, where only a part of it is shown below]
query frames | matrix: query time down, video time to the right, lines numbered
             | video frames
             | the best cosine at each moment of the video, and along the lines, with the floor
1  query and video frames that the first line puts side by side
2  ...
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vsearch.errors import InputError
from vsearch.records import Pairing, Segment
from vsearch.render.files import written_whole
from vsearch.render.frames import Footage, pictures_near
from vsearch.render.marks import MARK, NOTICE, Font, notice, save_options, shorten
from vsearch.render.sheets import ACCENT, FAINT, INK, MARGIN, PAPER
from vsearch.text import clock, printable

SUFFIXES = (".png", ".webp")
WIDTH = 1200
GUTTER = 184  # left of the plots: query frames and times
KEY = 64  # right of the plots: what colours mean
PLOT_WIDTH = WIDTH - 2 * MARGIN - GUTTER - KEY
LEAST_HEIGHT, MOST_HEIGHT = 150, 460  # of the matrix
STILL_HEIGHT = 70  # of the one row of a picture
PROFILE_HEIGHT = 110
OVERVIEW_HEIGHT = 26
THUMBNAIL = (96, 60)
PAIRS = 6  # frames shown of one line
LINES_DRAWN = 4  # lines of which frames are shown
BLOCK_FRAMES = 4096  # library frames whose cosines are held at once
SMOOTH = 3  # lines are drawn so much larger, then made smaller

TICKS = (0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200)  # seconds between ticks

GAP_COLOUR = (40, 43, 50)  # no frame that could be compared
GOOD = (124, 214, 142)
BAD = (240, 128, 110)
LINE = (120, 230, 255)
RAMP = np.array(
    [(12, 14, 34), (42, 22, 84), (104, 28, 108), (178, 50, 86), (228, 96, 48), (248, 168, 40), (250, 246, 176)],
    np.float32,
)  # of cosines from 0 to 1

Floats = NDArray[np.float64]
Similarities = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One of the two: its name, the times (n,) of the frames that were compared, its range, its pictures (if any)."""

    name: str
    times_s: Floats
    start_s: float
    end_s: float
    footage: Footage | None


@dataclass(frozen=True, slots=True, eq=False)
class Explained:
    """What is drawn. columns: cosines (m, stop - start) float32 of the query's frames with video frames [start, stop).

    lines: segments, best first, each with the frames that it puts side by side. words: the outcome, then remarks.
    """

    query: Side
    video: Side
    columns: Callable[[int, int], Similarities]
    lines: Sequence[tuple[Segment, Sequence[Pairing]]]
    words: Sequence[str]
    floor: float
    matches: bool
    still: bool


def check_name(path: Path) -> Path:
    """`path`, if an explanation can be drawn to it. Raises InputError for another suffix than those of SUFFIXES."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: an explanation is drawn as {' or '.join(SUFFIXES)}; name such a file")
    return path


def write_explanation(path: Path, explained: Explained) -> None:
    """Draw to a PNG or WebP. Raises InputError when it cannot be written, LatentError for damaged latents."""
    image = draw_explanation(explained)
    title = f"{explained.query.name} in {explained.video.name}"
    with written_whole(check_name(path)) as temporary:
        image.save(temporary, **save_options(path.suffix.lower(), title, _notice(explained)))


def draw_explanation(explained: Explained) -> Image.Image:
    """The whole picture, its parts one below the other."""
    explained = replace(explained, query=_lasting(explained.query), video=_lasting(explained.video))
    window = shown_range(explained)
    parts = [_header(explained)]
    if len(explained.query.times_s) and len(explained.video.times_s):
        if window != (explained.video.start_s, explained.video.end_s):
            parts.append(_overview(explained, window))
        parts.append(_matrix(explained, window))
        parts.append(_profile(explained, window))
    else:
        parts.append(_strips(explained))
    drawn = explained.lines[:LINES_DRAWN]
    parts += [_pairs(explained, number, *line) for number, line in enumerate(drawn, 1)]
    page = Image.new("RGB", (WIDTH, sum(part.height for part in parts) + MARGIN), PAPER)
    top = 0
    for part in parts:
        page.paste(part, (0, top))
        top += part.height
    return page


def _notice(explained: Explained) -> str:
    """What the picture says of itself: as its video's frames do."""
    footage = explained.video.footage or explained.query.footage
    return NOTICE if footage is None else notice(footage.quality, None, footage.look)


def _lasting(side: Side) -> Side:
    """A side that can be drawn: what has no length, as a picture, lasts a second."""
    return side if side.end_s > side.start_s else replace(side, end_s=side.start_s + 1.0)


# What is shown


def shown_range(explained: Explained) -> tuple[float, float]:
    """[start, end) of the video that is drawn: all of it, or around the lines where that would be too small to see."""
    query, video = explained.query, explained.video
    segments = [segment for segment, _ in explained.lines]
    margin = max(10.0, 1.5 * (query.end_s - query.start_s))
    for chosen in (segments, segments[:1]):
        if chosen:
            start_s = max(video.start_s, min(segment.start_s for segment in chosen) - margin)
            end_s = min(video.end_s, max(segment.end_s for segment in chosen) + margin)
            if end_s - start_s <= 8 * margin:
                break
    else:
        return video.start_s, video.end_s
    most_of_it = end_s - start_s > 0.7 * (video.end_s - video.start_s)
    return (video.start_s, video.end_s) if most_of_it else (start_s, end_s)


@dataclass(frozen=True, slots=True)
class Axis:
    """Seconds [start_s, end_s) on `pixels` pixels."""

    start_s: float
    end_s: float
    pixels: int

    def at(self, time_s: float) -> float:
        return (time_s - self.start_s) / (self.end_s - self.start_s) * self.pixels

    def ticks(self, apart_px: int) -> list[float]:
        """Round times, at least `apart_px` from each other."""
        second = self.pixels / (self.end_s - self.start_s)
        step = next((step for step in TICKS if step * second >= apart_px), TICKS[-1])
        first = ceil(self.start_s / step - 1e-6)
        return [i * step for i in range(first, int(self.end_s / step + 1e-6) + 1)]

    def bins(self, times_s: Floats) -> NDArray[np.intp]:
        """The pixel in which each time lies."""
        share = (times_s - self.start_s) / (self.end_s - self.start_s)
        return np.clip(np.floor(share * self.pixels), 0, self.pixels - 1).astype(np.intp)

    def sources(self, times_s: Floats) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """For each pixel the one that holds the frame nearest to it, and whether no frame is near."""
        centres = self.start_s + (np.arange(self.pixels) + 0.5) / self.pixels * (self.end_s - self.start_s)
        right = np.clip(np.searchsorted(times_s, centres), min(1, len(times_s) - 1), len(times_s) - 1)
        left = np.maximum(right - 1, 0)
        nearest = np.where(centres - times_s[left] < times_s[right] - centres, left, right)
        interval = float(np.median(np.diff(times_s))) if len(times_s) > 1 else self.end_s - self.start_s
        # a frame stands for what follows it until the next one
        far = np.abs(times_s[nearest] - centres) > max(interval, 1.5 * (self.end_s - self.start_s) / self.pixels)
        return self.bins(times_s[nearest]), far


def heat(explained: Explained, rows: Axis, columns: Axis) -> Similarities:
    """(rows, columns) pixels: the highest cosine of the frames in each, of the nearest frames where there is none in
    it, NaN where no frame is near."""
    query_s, video_s = explained.query.times_s, explained.video.times_s
    first, stop = np.searchsorted(video_s, [columns.start_s, columns.end_s])
    first, stop = max(0, int(first) - 1), min(len(video_s), int(stop) + 1)
    row_bins, column_bins = rows.bins(query_s), columns.bins(video_s)
    pixels = np.full((columns.pixels, rows.pixels), -np.inf, np.float32)
    for start in range(first, stop, BLOCK_FRAMES):
        end = min(stop, start + BLOCK_FRAMES)
        by_row = np.full((rows.pixels, end - start), -np.inf, np.float32)
        np.maximum.at(by_row, row_bins, explained.columns(start, end))
        np.maximum.at(pixels, column_bins[start:end], by_row.T)
    row_sources, no_row = rows.sources(query_s)
    column_sources, no_column = columns.sources(video_s[first:stop])
    filled = pixels[column_sources][:, row_sources].T
    filled[no_row] = np.nan
    filled[:, no_column] = np.nan
    return filled


def coloured(values: Similarities) -> Image.Image:
    """Cosines (h, w) as colours, NaN as GAP_COLOUR."""
    places = np.clip(np.nan_to_num(values), 0, 1) * (len(RAMP) - 1)
    low = np.minimum(places.astype(np.intp), len(RAMP) - 2)
    colours = RAMP[low] + (RAMP[low + 1] - RAMP[low]) * (places - low)[..., None]
    colours[np.isnan(values)] = GAP_COLOUR
    return Image.fromarray(colours.round().astype(np.uint8))


def _best_at(values: Similarities) -> Similarities:
    """(1, w): the highest cosine of each column; NaN where there is none."""
    known = np.where(np.isnan(values), -np.inf, values).max(axis=0, keepdims=True)
    return np.where(np.isfinite(known), known, np.nan).astype(np.float32)


# Parts of the page


def _header(explained: Explained) -> Image.Image:
    large, small = ImageFont.load_default(20), ImageFont.load_default(15)
    room = WIDTH - 2 * MARGIN
    lines = [(line, i) for i, words in enumerate(explained.words) for line in _wrapped(words, small, room)]
    part, draw = _part(62 + 21 * len(lines))
    mark_width = ImageFont.load_default(14).getlength(MARK) + 20
    title = f"{explained.query.name}   in   {explained.video.name}"
    draw.text((MARGIN, 14), shorten(printable(title), large, room - mark_width), INK, large)
    draw.text((WIDTH - MARGIN, 18), MARK, ACCENT, ImageFont.load_default(14), anchor="ra")
    for row, (line, i) in enumerate(lines):
        colour = FAINT if i else GOOD if explained.matches else BAD
        draw.text((MARGIN, 48 + 21 * row), line, colour, small)
    return part


def _overview(explained: Explained, window: tuple[float, float]) -> Image.Image:
    """The whole video as one band of its best cosines, and which part of it is drawn below."""
    part, draw = _part(OVERVIEW_HEIGHT + 40)
    small = ImageFont.load_default(12)
    columns = Axis(explained.video.start_s, explained.video.end_s, PLOT_WIDTH)
    band = _best_at(heat(explained, Axis(explained.query.start_s, explained.query.end_s, 64), columns))
    left = MARGIN + GUTTER
    part.paste(coloured(np.repeat(band, OVERVIEW_HEIGHT, axis=0)), (left, 8))
    draw.text((left - 10, 8 + OVERVIEW_HEIGHT / 2), "whole video", FAINT, small, anchor="rm")
    start, end = (left + columns.at(time_s) for time_s in window)
    draw.rectangle((start - 2, 5, max(end, start + 3) + 1, 8 + OVERVIEW_HEIGHT + 2), outline=INK, width=2)
    _time_ticks(draw, columns, left, 8 + OVERVIEW_HEIGHT)
    return part


def _matrix(explained: Explained, window: tuple[float, float]) -> Image.Image:
    query = explained.query
    height = round(PLOT_WIDTH * (query.end_s - query.start_s) / (window[1] - window[0]))
    height = STILL_HEIGHT if explained.still else min(max(height, LEAST_HEIGHT), MOST_HEIGHT)
    rows, columns = Axis(query.start_s, query.end_s, height), Axis(*window, PLOT_WIDTH)
    part, draw = _part(height + 60 + THUMBNAIL[1])
    left, top, small = MARGIN + GUTTER, 28, ImageFont.load_default(12)
    cosines = heat(explained, rows, columns)
    part.paste(_with_lines(coloured(cosines), explained, rows, columns), (left, top))
    draw.text((MARGIN, 8), "query", FAINT, small)
    if np.isnan(cosines).any():
        draw.rectangle((MARGIN, top + height + 10, MARGIN + 12, top + height + 22), GAP_COLOUR)
        draw.text((MARGIN + 20, top + height + 8), "no information", FAINT, small)
    if not explained.still:
        for time_s in rows.ticks(40):
            _mark(draw, (left - 4, top + rows.at(time_s)), (left, top + rows.at(time_s)))
            draw.text((left - 8, top + rows.at(time_s)), clock(time_s), FAINT, small, anchor="rm")
    _time_ticks(draw, columns, left, top + height)
    count = max(1, height // (THUMBNAIL[1] + 8))
    for i, picture in enumerate(_evenly(query.footage, rows, count)):
        middle = top + (i + 0.5) * height / count
        part.paste(picture, (MARGIN, round(middle - picture.height / 2)))
    count = PLOT_WIDTH // (THUMBNAIL[0] + 8)
    for i, picture in enumerate(_evenly(explained.video.footage, columns, count)):
        middle = left + (i + 0.5) * PLOT_WIDTH / count
        part.paste(picture, (round(middle - picture.width / 2), top + height + 26))
    _key(part, draw, (left + PLOT_WIDTH + 12, top), height, explained.floor)
    draw.text((left - 10, top + height + 26 + THUMBNAIL[1] / 2), "video", FAINT, small, anchor="rm")
    return part


def _profile(explained: Explained, window: tuple[float, float]) -> Image.Image:
    """How alike the most similar query frame is at each moment, and the query frame that a line puts there."""
    part, draw = _part(PROFILE_HEIGHT + 36)
    left, top, small = MARGIN + GUTTER, 14, ImageFont.load_default(12)
    columns = Axis(*window, PLOT_WIDTH)
    best = _best_at(heat(explained, Axis(explained.query.start_s, explained.query.end_s, 256), columns))[0]

    def height(cosine: float) -> float:
        return top + PROFILE_HEIGHT * (1 - min(max(cosine, 0.0), 1.0))

    for x, cosine in enumerate(best.tolist()):
        if cosine == cosine:
            draw.line((left + x, height(cosine), left + x, height(0)), (62, 68, 82))
    for x in range(0, PLOT_WIDTH, 10):
        draw.line((left + x, height(explained.floor), left + x + 5, height(explained.floor)), ACCENT)
    for _, pairings in explained.lines:
        for one in pairings:
            at, level = left + columns.at(one.video_s), height(one.similarity)
            if left <= at <= left + PLOT_WIDTH:
                draw.ellipse((at - 2, level - 2, at + 2, level + 2), LINE if one.similarity >= explained.floor else BAD)
    _mark(draw, (left, height(0)), (left + PLOT_WIDTH, height(0)))
    draw.text((left + PLOT_WIDTH + 8, height(explained.floor)), "floor", ACCENT, small, anchor="lm")
    for cosine in (0.0, 0.5, 1.0):
        draw.text((left - 8, height(cosine)), f"{cosine:.1f}", FAINT, small, anchor="rm")
    draw.text((MARGIN, top), "cosine at each moment:", FAINT, small)
    draw.text((MARGIN, top + 18), "best query frame", (140, 148, 166), small)
    draw.text((MARGIN, top + 36), "frames on the line", LINE, small)
    _time_ticks(draw, columns, left, top + PROFILE_HEIGHT)
    return part


def _pairs(explained: Explained, number: int, segment: Segment, pairings: Sequence[Pairing]) -> Image.Image:
    """Frames that a line puts side by side, evenly spread over it."""
    small = ImageFont.load_default(13)
    chosen = [pairings[i] for i in np.unique(np.linspace(0, len(pairings) - 1, PAIRS).round().astype(int))]
    tile = (WIDTH - 2 * MARGIN - 60) // PAIRS
    box = (tile - 10, 110)
    asked = _near(explained.query.footage, [one.query_s for one in chosen], box)
    found = _near(explained.video.footage, [one.video_s for one in chosen], box)
    rows = [max((picture.height for picture in side), default=20) for side in (asked, found)]
    part, draw = _part(84 + sum(rows))
    _badge(draw, (MARGIN + 10, 18), str(number), LINE if explained.matches else BAD)
    draw.text((MARGIN + 30, 18), _described(segment, still=explained.still), INK, small, anchor="lm")
    for label, top in (("query", 60 + rows[0] / 2 - 22), ("video", 64 + rows[0] + rows[1] / 2)):
        draw.text((MARGIN, top), label, FAINT, small, anchor="lm")
    for i, one in enumerate(chosen):
        left = MARGIN + 60 + i * tile
        for pictures, top in ((asked, 36), (found, 58 + rows[0])):
            if pictures:
                part.paste(pictures[i], (left, top))
        colour = GOOD if one.similarity >= explained.floor else BAD
        draw.text((left, 40 + rows[0]), f"{one.similarity:.2f}", colour, small)
        times = clock(one.video_s) if explained.still else f"{clock(one.query_s)}  /  {clock(one.video_s)}"
        draw.text((left + 40, 40 + rows[0]), times, FAINT, small)
    return part


def _strips(explained: Explained) -> Image.Image:
    """Frames of both sides, where there is nothing to compare."""
    part, draw = _part(2 * (THUMBNAIL[1] + 24))
    count = PLOT_WIDTH // (THUMBNAIL[0] + 8)
    for row, (label, side) in enumerate((("query", explained.query), ("video", explained.video))):
        top = 12 + row * (THUMBNAIL[1] + 24)
        draw.text((MARGIN, top + THUMBNAIL[1] / 2), label, FAINT, ImageFont.load_default(13), anchor="lm")
        for i, picture in enumerate(_evenly(side.footage, Axis(side.start_s, side.end_s, PLOT_WIDTH), count)):
            part.paste(picture, (MARGIN + 60 + i * (THUMBNAIL[0] + 8), top))
    return part


# Small things


def _part(height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (WIDTH, height), PAPER)
    return image, ImageDraw.Draw(image)


def _with_lines(plot: Image.Image, explained: Explained, rows: Axis, columns: Axis) -> Image.Image:
    """The matrix with its lines and their numbers, drawn larger and made smaller so that they are smooth."""
    size = (plot.width * SMOOTH, plot.height * SMOOTH)
    over = Image.new("RGBA", size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(over)
    colour = LINE if explained.matches else BAD
    for number, (segment, _) in reversed(list(enumerate(explained.lines, 1))):
        asked = np.array([segment.query_start_s, segment.query_end_s])
        there = segment.video_times(asked) if not explained.still else np.array([segment.start_s, segment.end_s])
        levels = asked if not explained.still else np.full(2, (rows.start_s + rows.end_s) / 2)
        ends = [(columns.at(x) * SMOOTH, rows.at(y) * SMOOTH) for x, y in zip(there, levels, strict=True)]
        draw.line(ends, (0, 0, 0, 200), 5 * SMOOTH)
        draw.line(ends, colour, 2 * SMOOTH)
        x = min(max(ends[0][0], 12 * SMOOTH), size[0] - 12 * SMOOTH)
        y = min(max(ends[0][1], 12 * SMOOTH), size[1] - 12 * SMOOTH)
        _badge(draw, (x, y), str(number), colour, SMOOTH)
    return Image.alpha_composite(plot.convert("RGBA"), over.resize(plot.size, Image.Resampling.LANCZOS)).convert("RGB")


def _badge(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, colour: tuple[int, ...], scale: int = 1
) -> None:
    x, y, radius = *at, 9 * scale
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), colour, outline=PAPER, width=scale)
    draw.text(at, text, PAPER, ImageFont.load_default(12 * scale), anchor="mm")


def _mark(draw: ImageDraw.ImageDraw, start: tuple[float, float], end: tuple[float, float]) -> None:
    draw.line((*start, *end), FAINT)


def _time_ticks(draw: ImageDraw.ImageDraw, axis: Axis, left: int, top: int) -> None:
    for time_s in axis.ticks(84):
        x = left + axis.at(time_s)
        _mark(draw, (x, top), (x, top + 4))
        draw.text((x, top + 6), clock(time_s), FAINT, ImageFont.load_default(12), anchor="ma")


def _key(part: Image.Image, draw: ImageDraw.ImageDraw, at: tuple[int, int], height: int, floor: float) -> None:
    """What the colours mean."""
    x, y = at
    part.paste(coloured(np.repeat(np.linspace(1, 0, height, dtype=np.float32)[:, None], 12, axis=1)), at)
    small = ImageFont.load_default(12)
    for cosine, colour in ((1.0, FAINT), (floor, ACCENT), (0.0, FAINT)):
        level = y + (height - 1) * (1 - min(max(cosine, 0.0), 1.0))
        draw.line((x + 12, level, x + 16, level), colour)
        draw.text((x + 19, level), f"{cosine:.2f}", colour, small, anchor="lm")


def _described(segment: Segment, *, still: bool) -> str:
    there = f"video {clock(segment.start_s)} - {clock(segment.end_s)}"
    if still:
        return f"{there}   cosine {segment.similarity:.2f}"
    asked = f"query {clock(segment.query_start_s)} - {clock(segment.query_end_s)}"
    return f"{asked}   {there}   {segment.rate:.2f}x   mean cosine {segment.similarity:.2f}"


def _evenly(footage: Footage | None, axis: Axis, count: int) -> list[Image.Image]:
    """Small pictures of the middles of `count` equal parts of an axis; none without footage."""
    times = axis.start_s + (np.arange(count) + 0.5) / count * (axis.end_s - axis.start_s)
    return _near(footage, times.tolist(), THUMBNAIL)


def _near(footage: Footage | None, times_s: Sequence[float], box: tuple[int, int]) -> list[Image.Image]:
    """Pictures nearest to some times, within a box; none without footage."""
    if footage is None or not len(footage.frame_pts):
        return []
    pictures = [picture.image.copy() for picture in pictures_near(footage, times_s)]
    for picture in pictures:
        picture.thumbnail(box, Image.Resampling.LANCZOS)
    return pictures


def _wrapped(text: str, font: Font, width: float) -> list[str]:
    """The text as lines that are at most so wide."""
    lines: list[str] = []
    line = ""
    for word in printable(text).split():
        longer = f"{line} {word}".strip()
        if line and font.getlength(longer) > width:
            lines.append(line)
            longer = word
        line = longer
    return [*lines, line]
