"""Other ways to look at a query's frames, for edits that no embedding survives. Pure numpy.

A picture inside a picture, a half of a split screen, what lies between bars or above a caption: a *box* of the frame
shows the material, and its edges stand still while the picture moves. `boxes` finds rectangles along whose sides the
picture changes more than beside them; `views` gives the frames mirrored and the contents of each box, at the size that
the library keeps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from vsearch.media.sampling import preview_size

Frames = NDArray[np.uint8]
Floats = NDArray[np.float32]

SOFT = 2.0  # levels that are added to both steps of a ratio, so that noise in flat places is none
CLEAREST = 1.5  # binary logarithm of that ratio, beyond which it counts next to nothing
BEYOND = 0.02  # so much
CLEAR = 0.3  # from where on it speaks for an edge
HERE = 0.1  # share of an edge that must be in a line itself, the rest may be a pixel to the side
SHORTEST_RUN = 2.0  # sum of what is above that, along a line, below which it is none
LEAST_INSIDE = 0.45  # mean along each side that a box has at least
LEAST_SPLIT = 0.6  # the same where only one side is inside the frame
LEAST_SIDE = 0.25  # of the frame's width or height that a box has at least
MOST_AREA = 0.92  # of the frame: above, a box is the frame
LINES = 28  # rows, and columns, that may be sides
LOOKED_AT = 48  # frames among which edges that last are sought
DENSE = 16  # frames: of more every second one is enough
KINDS = (((3, 4), 2, 0.5), ((2,), 1, 0.7), ((1,), 2, 0.7))
"""Of boxes with so many sides inside the frame at most so many, none that another one overlaps by so much."""


@dataclass(frozen=True, slots=True)
class Box:
    """Rows [top, bottom) and columns [left, right) of a frame."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def area(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)

    def overlap(self, other: Box) -> float:
        """Area in common over area of both."""
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        width = min(self.right, other.right) - max(self.left, other.left)
        common = max(0, height) * max(0, width)
        return common / (self.area + other.area - common)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The same moments seen otherwise. name: "mirrored" or "box"; frames: (t, 3, h, w) uint8, sides multiples of 16;
    rows: (t,) which of the frames they are of.
    """

    name: str
    frames: Frames
    rows: NDArray[np.int64]
    box: Box | None = None


def views(frames: Frames, *, display_aspect: float) -> Iterator[View]:
    """The frames (T, 3, H, W), or every second one of many, mirrored, then the contents of the boxes found in them.

    display_aspect: width over height at which (H, W) is shown.
    """
    rows = np.arange(len(frames))[:: 2 if len(frames) > DENSE else 1]
    frames = frames[rows]
    yield View("mirrored", np.ascontiguousarray(frames[..., ::-1]), rows)
    height, width = frames.shape[2:]
    for box in boxes(frames):
        aspect = display_aspect * ((box.right - box.left) / width) / ((box.bottom - box.top) / height)
        inside = frames[:, :, box.top : box.bottom, box.left : box.right]
        yield View("box", resized(inside, preview_size(aspect, height * width)), rows, box)


def boxes(frames: Frames) -> list[Box]:
    """Rectangles whose sides are edges that last, or the frame's own; none where there is no such edge.

    At most two with three or four sides inside the frame, likeliest first, then one with two sides (what bars or a
    corner leave), then two with one: the frame may be split there, and either part may be meant.
    """
    some = frames[:: -(-len(frames) // LOOKED_AT)].astype(np.float32)
    upright, level = _edges(some), _edges(some.transpose(0, 1, 3, 2))
    found = _rectangles(_near(upright), _near(level).T, rows=_lines(level), columns=_lines(upright))
    chosen: list[Box] = []
    for sides, most, same in KINDS:
        of_kind = 0
        for box in (box for box, inside in found if inside in sides):
            if of_kind < most and all(box.overlap(other) < same for other in chosen):
                chosen.append(box)
                of_kind += 1
    return chosen


def _edges(frames: Floats) -> Floats:
    """frames: (T, 3, H, W) -> (H, W - 1): how clearly an upright edge between columns x and x + 1 lasts, on the mean
    over time: the binary logarithm of the step there over the largest beside it.
    """
    steps = np.abs(np.diff(frames, axis=3)).mean(axis=(0, 1))
    n = steps.shape[1]
    beside = np.pad(steps, ((0, 0), (3, 3)), mode="edge")
    around = np.max([beside[:, shift : shift + n] for shift in (0, 1, 5, 6)], axis=0)  # 2 and 3 columns away
    clear = np.log2((steps + SOFT) / (around + SOFT))
    beyond = BEYOND * np.maximum(clear - CLEAREST, 0)
    return np.asarray(np.clip(clear, -CLEAREST, CLEAREST) + beyond, np.float32)


def _near(edges: Floats) -> Floats:
    """The clearest of here and a pixel to either side: compression and scaling move an edge that far here and there."""
    spread = edges.copy()
    spread[:, 1:] = np.maximum(spread[:, 1:], edges[:, :-1])
    spread[:, :-1] = np.maximum(spread[:, :-1], edges[:, 1:])
    return spread


def _lines(edges: Floats) -> list[int]:
    """The columns with the clearest run of an edge, ascending: at most `LINES`, no two side by side."""
    here_or_near = (1 - HERE) * _near(edges) + HERE * edges
    sums = np.cumsum(np.pad(here_or_near - CLEAR, ((1, 0), (0, 0))), axis=0)
    runs = (sums - np.minimum.accumulate(sums, axis=0)).max(axis=0)
    chosen: list[int] = []
    for x in np.argsort(-runs, kind="stable").tolist():
        if runs[x] < SHORTEST_RUN or len(chosen) == LINES:
            break
        if all(abs(x - other) > 2 for other in chosen):
            chosen.append(x)
    return sorted(chosen)


def _rectangles(upright: Floats, level: Floats, *, rows: list[int], columns: list[int]) -> list[tuple[Box, int]]:
    """Of all rectangles between these lines and the frame's own sides those that may be boxes, clearest first, and how
    many of their sides are inside the frame. upright: (H, W - 1), level: (H - 1, W).
    """
    height, width = upright.shape[0], level.shape[1]
    tall, wide = _spans(rows, height), _spans(columns, width)
    if not len(tall) or not len(wide):
        return []
    # for each side of every span of rows (first axis) and of columns (second): how clear, and whether it is inside
    left_right = _along(upright, tall)[:, wide]
    top_bottom = _along(level.T, wide)[:, tall].transpose(1, 0, 2)
    sides = np.concatenate([left_right, top_bottom], axis=2)
    inside = np.isfinite(sides)
    count = inside.sum(axis=2)
    least = np.where(count == 1, LEAST_SPLIT, LEAST_INSIDE)
    area = np.diff(tall) @ np.diff(wide).T
    may = (count > 0) & (np.where(inside, sides, np.inf).min(axis=2) >= least) & (area <= MOST_AREA * height * width)
    likely = np.where(inside, sides - LEAST_INSIDE / 2, 0.0).sum(axis=2)
    i, j = np.nonzero(may)
    order = np.argsort(-likely[i, j], kind="stable")
    corners = np.concatenate([tall[i[order]], wide[j[order]]], axis=1).tolist()
    return [(Box(*four), inside) for four, inside in zip(corners, count[i, j][order].tolist(), strict=True)]


def _along(edges: Floats, spans: NDArray[np.int64]) -> NDArray[np.float64]:
    """edges: (H, W - 1) -> (n, W + 1): how clear an upright side is at each place between columns, on the mean over
    each span (n, 2) of rows; infinite at the frame's own sides.
    """
    sums = np.cumsum(np.pad(edges.astype(np.float64), ((1, 0), (0, 0))), axis=0)
    means = (sums[spans[:, 1]] - sums[spans[:, 0]]) / np.diff(spans)
    return np.pad(means, ((0, 0), (1, 1)), constant_values=np.inf)


def _spans(lines: list[int], size: int) -> NDArray[np.int64]:
    """(n, 2): pairs of places between pixels, the frame's own ends among them, far enough from each other."""
    places = sorted({0, size, *(line + 1 for line in lines)})
    pairs = [(a, b) for a, b in combinations(places, 2) if b - a >= LEAST_SIDE * size]
    return np.array(pairs, np.int64).reshape(-1, 2)


def resized(frames: Frames, size: tuple[int, int]) -> Frames:
    """(T, 3, H, W) uint8 -> (T, 3, *size) uint8 by a triangle as wide as an output pixel: linear where it enlarges."""
    tall, wide = (_weights(before, after) for before, after in zip(frames.shape[2:], size, strict=True))
    out = tall @ (frames.astype(np.float32) @ wide.T)
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)


def _weights(before: int, after: int) -> Floats:
    """(after, before): how much each old sample counts in each new one."""
    scale = before / after
    centres = (np.arange(after) + 0.5) * scale - 0.5
    distance = np.abs(np.arange(before)[None, :] - centres[:, None]) / max(1.0, scale)
    weights = np.maximum(1 - distance, 0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
