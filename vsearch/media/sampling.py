"""Which frames to take, how large, and which clips they make. Pure: numbers in, numbers out."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from vsearch.config import Region
from vsearch.errors import InputError
from vsearch.records import Clip, MediaInfo, Shot

GRID_PX = 16  # both sides of a preview are multiples of it: one latent cell
MAX_SIDE_PX = 4096  # of a preview; only shapes beyond 450:1 meet it


def preview_size(display_aspect: Fraction | float, pixels: int) -> tuple[int, int]:
    """(height, width) of a preview of about `pixels` for pictures of `display_aspect` (width over height).

    h = 16 * round(sqrt(pixels / aspect) / 16), w likewise from aspect * h; both at least 16 and at most 4096.
    """
    aspect = float(display_aspect)
    height = _on_grid(math.sqrt(pixels / aspect))
    return height, _on_grid(aspect * height)


LEAST_REGION_PX = 8  # a region with a shorter side shows nothing that could be found


@dataclass(frozen=True, slots=True)
class Framing:
    """How a frame becomes the picture that is sampled: scaled to `whole`, cut to `box`, scaled to `size`.

    Sizes are (height, width). box: (top, left, height, width) in `whole`. display_aspect: of what the picture shows.
    """

    size: tuple[int, int]
    whole: tuple[int, int]
    box: tuple[int, int, int, int]
    display_aspect: Fraction


def framing(info: MediaInfo, pixels: int, region: Region | None = None) -> Framing:
    """The picture of about `pixels` that shows the region of a video's frames (None: all of them).

    A region with at least as many pixels as the picture is cut from a frame that is scaled down just so far that
    nothing is scaled again; a smaller one is cut from the frame as it was decoded, and scaled up. Raises InputError for
    a region beyond the edges, or with a side below `LEAST_REGION_PX` pixels.
    """
    if region is None:
        size = preview_size(info.display_aspect, pixels)
        return Framing(size, size, (0, 0, *size), info.display_aspect)
    rows, columns = (info.height, info.width) if info.rotation % 180 == 0 else (info.width, info.height)
    left, top, right, bottom = region.shares(round(info.display_aspect * rows), rows)
    first_row, first_column = round(top * rows), round(left * columns)
    n_rows, n_columns = round(bottom * rows) - first_row, round(right * columns) - first_column
    if min(n_rows, n_columns) < LEAST_REGION_PX:
        raise InputError(f"the region {region} is too small: it needs {LEAST_REGION_PX} pixels of the video each way")
    aspect = info.display_aspect * Fraction(n_columns, columns) / Fraction(n_rows, rows)
    height, width = size = preview_size(aspect, pixels)
    if n_rows < height or n_columns < width:
        return Framing(size, (rows, columns), (first_row, first_column, n_rows, n_columns), aspect)
    whole = round(rows * height / n_rows), round(columns * width / n_columns)
    at = round(first_row * height / n_rows), round(first_column * width / n_columns)
    return Framing(size, whole, (min(at[0], whole[0] - height), min(at[1], whole[1] - width), *size), aspect)


def _on_grid(side_px: float) -> int:
    return min(MAX_SIDE_PX, max(GRID_PX, GRID_PX * math.floor(side_px / GRID_PX + 0.5)))


class SamplingGrid:
    """The global grid: the first frame with pts >= start + i / fps seconds, for each i from 0.

    A gap longer than a step gives one frame after it, not several; other samples (a shot's first frame) don't move it.
    """

    def __init__(self, start_pts: int, fps: Fraction, time_base: Fraction) -> None:
        self._start = start_pts
        self._ticks = 1 / (fps * time_base)  # a step in ticks, exact
        self._next = 0

    def takes(self, pts: int) -> bool:
        """Whether the frame at `pts` is on the grid. Ask once a frame, in ascending order."""
        if pts - self._start < self._next * self._ticks:
            return False
        self._next = math.floor((pts - self._start) / self._ticks) + 1
        return True


def clips_of_shots(
    shots: Sequence[Shot], frame_pts: Sequence[int], clip_s: Fraction, time_base: Fraction
) -> tuple[Clip, ...]:
    """The clips of each shot: ceil(duration / clip_s) equal parts, merged until each holds a sampled frame.

    frame_pts: the sampled frames, ascending. A part without one joins the part before it (the first joins the next); a
    shot without any sampled frame has no clip.
    """
    clips: list[Clip] = []
    for number, shot in enumerate(shots):
        duration = shot.end_pts - shot.start_pts
        parts = max(1, math.ceil(duration * time_base / clip_s))
        edges = [shot.start_pts + duration * part // parts for part in range(parts + 1)]
        begin = edges[0]
        of_shot: list[tuple[int, int]] = []
        for end in edges[1:]:
            first = bisect_left(frame_pts, begin)
            if first < len(frame_pts) and frame_pts[first] < end:
                of_shot.append((begin, end))
                begin = end
            elif of_shot:
                of_shot[-1] = (of_shot[-1][0], end)
                begin = end
        clips += [Clip(start_pts=a, end_pts=b, shot=number) for a, b in of_shot]
    return tuple(clips)
