"""Other ways to look at a query's frames, for edits that no embedding survives. Pure numpy.

A picture inside a picture, a half of a split screen, what lies between bars or above a caption: a *box* of the frame
shows the material, and its edges stand still while the picture moves. `boxes` finds rectangles whose sides are straight
edges that last; `views` gives the frames mirrored and the contents of each box, at the size that the library keeps.
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

EDGE = 6.0  # luma levels by which an edge stands above what is beside it, on the mean over time
LEAST_SHARE = 0.6  # of a side that must be an edge
LEAST_SIDE = 0.25  # of the frame's width or height that a box has at least
MOST_AREA = 0.92  # of the frame: above, a box is the frame
LINES = 14  # rows, and columns, that may be sides
LOOKED_AT = 48  # frames among which edges that last are sought


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
    """The same moments seen otherwise. name: "mirrored" or "box"; frames: (T, 3, h, w) uint8, sides multiples of 16."""

    name: str
    frames: Frames
    box: Box | None = None


def views(frames: Frames, *, display_aspect: float) -> Iterator[View]:
    """The frames (T, 3, H, W) mirrored, then the contents of the boxes found in them.

    display_aspect: width over height at which (H, W) is shown.
    """
    yield View("mirrored", np.ascontiguousarray(frames[..., ::-1]))
    height, width = frames.shape[2:]
    for box in boxes(frames):
        aspect = display_aspect * ((box.right - box.left) / width) / ((box.bottom - box.top) / height)
        inside = frames[:, :, box.top : box.bottom, box.left : box.right]
        yield View("box", resized(inside, preview_size(aspect, height * width)), box)


def boxes(frames: Frames, *, most: int = 2) -> list[Box]:
    """Rectangles whose sides are edges that last, or the frame's own; none where there is no such edge.

    At most `most` with two sides or more inside the frame, likeliest first, then as many with one: the frame may be
    split there, and either part may be meant.
    """
    luma = _luma(frames[:: -(-len(frames) // LOOKED_AT)])
    upright, level = _edges(luma), _edges(luma.transpose(0, 2, 1)).T
    found = _rectangles(_near(upright), _near(level.T).T, _lines(level.T), _lines(upright))
    chosen: list[Box] = []
    for wanted in (False, True):
        kind = [box for _, box, split in found if split == wanted]
        for box in kind:
            if all(box.overlap(other) < 0.5 for other in chosen):
                chosen.append(box)
            if len(chosen) == (2 * most if wanted else most):
                break
    return chosen


def _luma(frames: Frames) -> Floats:
    """(T, H, W) float32, 0 to 255."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return np.asarray(np.einsum("tchw,c->thw", frames.astype(np.float32), weights))


def _edges(luma: Floats) -> NDArray[np.bool_]:
    """(H, W - 1): whether an upright edge between columns x and x + 1 lasts, and stands out to its sides."""
    steps = np.abs(np.diff(luma, axis=2)).mean(axis=0)
    beside = np.pad(steps, ((0, 0), (3, 3)), mode="edge")
    around = np.maximum(beside[:, :-6], beside[:, 6:])
    return np.asarray(steps > EDGE + 1.5 * around)


def _near(edges: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where there is an edge here or a pixel to the side: compression and scaling move it that far here and there."""
    spread = edges.copy()
    spread[:, 1:] |= edges[:, :-1]
    spread[:, :-1] |= edges[:, 1:]
    return spread


def _lines(edges: NDArray[np.bool_]) -> list[int]:
    """The columns where edges run longest, ascending: at most `LINES`, no two side by side, long enough for a box."""
    longest = np.zeros(edges.shape[1], np.int64)
    run = np.zeros(edges.shape[1], np.int64)
    for row in _near(edges):
        run = np.where(row, run + 1, 0)
        longest = np.maximum(longest, run)
    chosen: list[int] = []
    for x in np.lexsort((-edges.sum(axis=0), -longest)).tolist():
        if longest[x] < LEAST_SIDE * LEAST_SHARE * len(edges) or len(chosen) == LINES:
            break
        if all(abs(x - other) > 2 for other in chosen):
            chosen.append(x)
    return sorted(chosen)


def _rectangles(
    upright: NDArray[np.bool_], level: NDArray[np.bool_], rows: list[int], columns: list[int]
) -> list[tuple[float, Box, bool]]:
    """Of all rectangles between these lines and the frame's own sides those that may be boxes, best first: how likely,
    the box, and whether only one of its sides is inside the frame.
    """
    height, width = upright.shape[0], level.shape[1]
    down = np.concatenate([np.zeros((1, width - 1)), np.cumsum(upright, axis=0)])
    along = np.concatenate([np.zeros((height - 1, 1)), np.cumsum(level, axis=1)], axis=1)

    found: list[tuple[float, Box, bool]] = []
    for top, bottom in _spans(rows, height):
        for left, right in _spans(columns, width):
            sides = [(down[bottom, x - 1] - down[top, x - 1]) / (bottom - top) for x in (left, right) if 0 < x < width]
            sides += [
                (along[y - 1, right] - along[y - 1, left]) / (right - left) for y in (top, bottom) if 0 < y < height
            ]
            box = Box(top, bottom, left, right)
            if sides and min(sides) >= LEAST_SHARE and box.area <= MOST_AREA * height * width:
                found.append((sum(share - 0.5 for share in sides), box, len(sides) == 1))
    return sorted(found, key=lambda entry: (-entry[0], entry[1].top, entry[1].left))


def _spans(lines: list[int], size: int) -> list[tuple[int, int]]:
    """Pairs of places between pixels, the frame's own ends among them, far enough from each other."""
    places = [0, *(line + 1 for line in lines if 0 < line + 1 < size), size]
    return [(a, b) for a, b in combinations(places, 2) if b - a >= LEAST_SIDE * size]


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
