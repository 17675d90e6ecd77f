"""Contact sheets: pictures in rows with the time under each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from vsearch.errors import InputError
from vsearch.render.files import written_whole
from vsearch.render.frames import Excerpt, Picture, decode_pictures, pick_frames
from vsearch.render.marks import MARK, Font, save_options, shorten
from vsearch.text import clock, printable

DEFAULT_PICTURES = 48  # a page that can be taken in at a glance
MOST_PICTURES = 1600  # 40 x 40 tiles of 256 x 170 px stay below WebP's limit of 16,383 px a side

PAPER = (22, 24, 28)
INK = (232, 234, 237)
FAINT = (150, 156, 166)
ACCENT = (240, 176, 84)

MARGIN = 20
GAP = 10
CAPTION = 22
HEADER = 68
LEAST_WIDTH = 560


@dataclass(frozen=True, slots=True)
class Grid:
    """Where tiles stand on a sheet, in pixels."""

    columns: int
    rows: int
    tile_width: int
    tile_height: int

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the sheet."""
        width = 2 * MARGIN + self.columns * (self.tile_width + GAP) - GAP
        height = HEADER + self.rows * (self.tile_height + CAPTION + GAP) - GAP + MARGIN
        return max(width, LEAST_WIDTH), height

    def corner(self, i: int) -> tuple[int, int]:
        """(x, y) of the upper left corner of tile i."""
        row, column = divmod(i, self.columns)
        return MARGIN + column * (self.tile_width + GAP), HEADER + row * (self.tile_height + CAPTION + GAP)


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """A contact sheet: the picture, how many frames are on it, its title and what it says of itself."""

    image: Image.Image
    shown: int
    title: str
    notice: str


def sheet_of(excerpt: Excerpt, *, every_s: float | None = None) -> Sheet:
    """A contact sheet of an excerpt: one picture each `every_s` seconds, else up to 48 in all.

    Raises InputError when the frames asked for do not fit one sheet.
    """
    footage = excerpt.footage
    at_most = DEFAULT_PICTURES if every_s is None else None
    numbers = pick_frames(footage, start_s=excerpt.start_s, end_s=excerpt.end_s, every_s=every_s, at_most=at_most)
    if len(numbers) > MOST_PICTURES:
        raise InputError(
            f"{len(numbers):,} pictures of {footage.name} do not fit one sheet (at most {MOST_PICTURES:,}): "
            "choose a larger --every or a shorter range"
        )
    pictures = list(decode_pictures(footage, numbers))
    image = contact_sheet(pictures, title=footage.name, note=describe(excerpt, len(pictures)))
    return Sheet(image, len(pictures), footage.name, footage.notice(numbers.tolist()))


def contact_sheet(pictures: Sequence[Picture], *, title: str, note: str) -> Image.Image:
    """The pictures (at least one, all of one size) on dark paper, under a title line and a line that marks them."""
    grid = arrange(len(pictures), *pictures[0].image.size)
    sheet = Image.new("RGB", grid.size, PAPER)
    draw = ImageDraw.Draw(sheet)
    _draw_header(draw, sheet.width, title, note)
    font = ImageFont.load_default(14)
    for i, picture in enumerate(pictures):
        x, y = grid.corner(i)
        sheet.paste(picture.image, (x, y))
        draw.text((x + grid.tile_width / 2, y + grid.tile_height + 4), clock(picture.time_s), FAINT, font, anchor="ma")
    return sheet


def arrange(n: int, tile_width: int, tile_height: int) -> Grid:
    """A grid for n tiles that makes a sheet of about 3:2."""
    columns = ceil(sqrt(n * 1.5 * (tile_height + CAPTION + GAP) / (tile_width + GAP)))
    columns = min(n, max(columns, min(3, n)))
    return Grid(columns, ceil(n / columns), tile_width, tile_height)


def save_sheet(sheet: Sheet, path: Path) -> None:
    """Write a PNG or WebP (by suffix) that carries its marks as metadata too."""
    suffix = path.suffix.lower()
    with written_whole(path) as temporary:
        sheet.image.save(temporary, **save_options(suffix, sheet.title, sheet.notice))


def describe(excerpt: Excerpt, shown: int) -> str:
    """The note of a sheet: what it is called, its length, the part shown, how many pictures."""
    footage = excerpt.footage
    parts = [excerpt.label] if excerpt.label else []
    parts.append("still" if footage.still else clock(footage.duration_s))
    if excerpt.start_s > 0 or excerpt.end_s is not None:
        end_s = footage.duration_s if excerpt.end_s is None else min(excerpt.end_s, footage.duration_s)
        parts.append(f"from {clock(excerpt.start_s)} to {clock(end_s)}")
    parts.append(f"{shown:,} of {len(footage.frame_pts):,} frames")
    return "  ·  ".join(parts)


def _draw_header(draw: ImageDraw.ImageDraw, width: int, title: str, note: str) -> None:
    large: Font = ImageFont.load_default(20)
    small: Font = ImageFont.load_default(14)
    room = width - 2 * MARGIN
    draw.text((MARGIN, 12), shorten(printable(title), large, room), INK, large)
    mark_width = small.getlength(MARK)
    draw.text((width - MARGIN, 38), MARK, ACCENT, small, anchor="ra")
    draw.text((MARGIN, 38), shorten(printable(note), small, room - mark_width - GAP), FAINT, small)
