"""Stored latents -> RGB pictures in display shape, decoding only the chunks that hold them.

Whatever is drawn comes out of `decode_pictures`, which softens it where that is asked for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vsearch.config import AS_STORED, Look
from vsearch.errors import InputError
from vsearch.latents import LatentSource
from vsearch.models.base import LatentCodec
from vsearch.records import Clip, seconds
from vsearch.render.marks import notice
from vsearch.render.softening import soften


@dataclass(frozen=True, slots=True, eq=False)
class Footage:
    """One video as it can be drawn: when its sampled frames are, and where their latents come from.

    frame_pts: (n,) int64, ascending. `display_aspect` is width over height as people see it. codec, latents: None for a
    video without pictures; `missing` says why. `quality` and `clips`: what the library says of how true its pictures
    are (a query has neither).
    """

    name: str
    frame_pts: NDArray[np.int64]
    start_pts: int
    end_pts: int
    time_base: Fraction
    display_aspect: Fraction
    codec: LatentCodec | None
    latents: LatentSource | None
    still: bool = False
    quality: str | None = None
    clips: Sequence[Clip] = ()
    missing: str | None = None
    look: Look = AS_STORED

    def source(self) -> tuple[LatentCodec, LatentSource]:
        """What its pictures come from. Raises InputError when it has none."""
        if self.codec is None or self.latents is None:
            raise InputError(f"{self.name}: {self.missing or 'it has no pictures'}")
        return self.codec, self.latents

    @property
    def duration_s(self) -> float:
        return seconds(self.end_pts, self.start_pts, self.time_base)

    def pts_at(self, time_s: float) -> int:
        """The first pts at or after `time_s` seconds; half a millisecond is forgiven, as printed times are rounded."""
        ticks = (Fraction(time_s) - Fraction(1, 2000)) / self.time_base
        return self.start_pts + max(0, -int(-ticks // 1))

    def time_s(self, number: int) -> float:
        return seconds(int(self.frame_pts[number]), self.start_pts, self.time_base)

    def notice(self, numbers: Iterable[int]) -> str:
        """What a picture of these frames says of itself."""
        starts = [clip.start_pts for clip in self.clips]
        at = [bisect_right(starts, int(self.frame_pts[number])) - 1 for number in numbers if starts]
        measured = [psnr_db for i in at if i >= 0 and (psnr_db := self.clips[i].psnr_db) is not None]
        return notice(self.quality, fmean(measured) if measured else None, self.look)


@dataclass(frozen=True, slots=True, eq=False)
class Excerpt:
    """A part of a video in seconds from its time zero (None: to its end), and how it is called on the command line."""

    footage: Footage
    start_s: float = 0.0
    end_s: float | None = None
    label: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded frame in display shape, with its number among the sampled frames and its time."""

    number: int
    time_s: float
    image: Image.Image


def pick_frames(
    footage: Footage,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    every_s: float | None = None,
    at_most: int | None = None,
) -> NDArray[np.int64]:
    """(m,) int64 numbers of the frames in [start_s, end_s), at least one: where none begins there, the one on screen.

    `every_s`: the first frame at or after each step of a grid from the start. `at_most`: evenly thinned to so many.
    Raises InputError for a range that is empty or begins after the end of the video.
    """
    start = footage.start_pts if start_s is None else footage.pts_at(start_s)
    end = footage.end_pts if end_s is None else footage.pts_at(end_s)
    if end_s is not None and end_s < (start_s or 0.0):
        raise InputError(f"the range ends ({end_s} s) before it starts ({start_s or 0.0} s)")
    if start >= footage.end_pts and start_s:
        raise InputError(f"{footage.name} ends at {footage.duration_s:.3f} s; nothing starts at {start_s} s")
    if not len(footage.frame_pts):
        raise InputError(f"{footage.name} has no stored frames")
    first, last = np.searchsorted(footage.frame_pts, [start, max(end, start + 1)])
    if first == last:
        return np.array([max(0, first - 1)], np.int64)
    numbers = np.arange(first, last, dtype=np.int64)
    if every_s is not None:
        numbers = _thin(footage, numbers, start, every_s)
    if at_most is not None and len(numbers) > at_most:
        numbers = numbers[np.linspace(0, len(numbers) - 1, at_most).round().astype(np.int64)]
    return numbers


def decode_pictures(footage: Footage, numbers: NDArray[np.int64]) -> Iterator[Picture]:
    """The pictures of ascending frame numbers, one after the other, as they are to be shown. Raises InputError for a
    video without pictures, LatentError when latents are damaged.
    """
    codec, source = footage.source()
    following = iter(numbers.tolist())
    for latents in source(numbers):
        if not len(latents):
            continue
        frames = codec.decode(latents)
        for frame, number in zip(frames, islice(following, len(frames)), strict=True):
            image = soften(display_image(frame, footage.display_aspect), footage.look)
            yield Picture(number, footage.time_s(number), image)


def pictures_near(footage: Footage, times_s: Sequence[float]) -> list[Picture]:
    """For each time (in any order) the picture nearest to it. Raises LatentError when latents are damaged."""
    sampled = np.array([footage.time_s(number) for number in range(len(footage.frame_pts))])
    nearest = [int(np.abs(sampled - time_s).argmin()) for time_s in times_s]
    numbers = np.unique(np.array(nearest, np.int64))
    pictures = {picture.number: picture for picture in decode_pictures(footage, numbers)}
    return [pictures[number] for number in nearest]


def display_image(frame: NDArray[np.uint8], display_aspect: Fraction) -> Image.Image:
    """frame: (3, H, W) uint8, RGB -> the picture as people see it, of the same height or, for tall ones, width."""
    image = Image.fromarray(np.ascontiguousarray(frame.transpose(1, 2, 0)))
    size = display_size(image.height, image.width, display_aspect)
    return image if image.size == size else image.resize(size, Image.Resampling.BICUBIC)


def display_size(height: int, width: int, display_aspect: Fraction) -> tuple[int, int]:
    """(width, height) that has the display aspect and keeps the longer side."""
    if display_aspect >= 1:
        return width, max(1, round(width / display_aspect))
    return max(1, round(height * display_aspect)), height


def _thin(footage: Footage, numbers: NDArray[np.int64], start: int, every_s: float) -> NDArray[np.int64]:
    if every_s <= 0:
        raise InputError(f"the step must be above 0 s, not {every_s}")
    ticks = np.array([float((pts - start) * footage.time_base) for pts in footage.frame_pts[numbers].tolist()])
    step = np.floor(ticks / every_s + 1e-9)
    first_of_step = np.flatnonzero(np.diff(step, prepend=-1.0))
    return np.take(numbers, first_of_step)
