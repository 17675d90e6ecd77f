"""Which frames show nothing by which a video could be told from another. Pure numpy; the same for library and query.

Three kinds are marked: flat ones (black, white, a plain colour, the darkest of a fade, fog), also inside black borders,
and colour bars. Everything is measured on the means of 8x8 blocks, so that film grain and coding noise do not pass for
content; bars must be plain within them as well. docs/search.md has what the thresholds were chosen on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Frames whose luma spreads by less than this (standard deviation, of 255 levels) are nearly all taken for frames of
# other videos. White lettering on 1% of a black frame spreads by about 10.
FLAT_SPREAD = 5.0

BORDER_LUMA = 16  # of black bars around a picture, at most (black is 0 here, whatever the range of the file)
LEAST_INSIDE = 0.25  # share of the frame that is left between black bars: less may be a caption

# Colour bars: blocks of one plain colour, whose channels are each near the highest of them or near none.
PLAIN_SPREAD = 10.0  # within a block
HIGH, LOW = 0.7, 0.3  # of the highest channel
LEAST_LEVEL = 100  # of the highest channel
HUES = 5  # of red, yellow, green, cyan, blue, magenta: without one there still are bars, cropped or covered
LEAST_SHARE = 0.02  # of the frame, for each of these

BLOCK = 8


def low_information(frames: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(T,) bool: which of the frames (T, 3, H, W) uint8 RGB, H and W multiples of 8, show nothing."""
    shown = zip(_levels(frames), frames, strict=True)
    return np.array([_is_flat(level) or _is_bars(level, frame) for level, frame in shown], np.bool_)


def _levels(frames: NDArray[np.uint8]) -> Floats:
    """(T, 3, H, W) uint8 -> (T, 3, h, w) float32: the mean of each 8x8 block."""
    t, _, height, width = frames.shape
    rows = frames.reshape(t, 3, height // BLOCK, BLOCK, width).sum(3, dtype=np.uint16)
    sums = rows.reshape(t, 3, height // BLOCK, width // BLOCK, BLOCK).sum(4, dtype=np.uint16)
    return np.asarray(sums * np.float32(1 / BLOCK**2), np.float32)


def _is_flat(level: Floats) -> bool:
    luma = np.tensordot(np.array([0.299, 0.587, 0.114], np.float32), level, axes=1)
    return bool(luma.std() < FLAT_SPREAD or _inside(luma).std() < FLAT_SPREAD)


def _inside(luma: Floats) -> Floats:
    """What black bars leave of a frame (h, w), without the outermost blocks, which their edges cross; the frame itself
    where that is little.
    """
    inside = luma
    for axis in (0, 1):
        bright = np.flatnonzero(luma.max(1 - axis) > BORDER_LUMA)
        if not len(bright):
            return luma
        between = slice(int(bright[0]) + 1, int(bright[-1]))
        inside = inside[between] if axis == 0 else inside[:, between]
    return inside if inside.size >= LEAST_INSIDE * luma.size else luma


def _is_bars(level: Floats, frame: NDArray[np.uint8]) -> bool:
    """level: (3, h, w) of the frame (3, H, W)."""
    highest = level.max(0)
    high, low = level > HIGH * highest, level < LOW * highest
    pure = (high | low).all(0) & (highest >= LEAST_LEVEL)
    hue = (high * np.array([1, 2, 4])[:, None, None]).sum(0)  # 0 is black, 7 white or grey
    return _has_hues(pure, hue) and _has_hues(pure & (_spreads(frame).max(0) < PLAIN_SPREAD), hue)


def _has_hues(pure: NDArray[np.bool_], hue: NDArray[np.int64]) -> bool:
    shares = [float((pure & (hue == which)).mean()) for which in range(1, 7)]
    return sum(share >= LEAST_SHARE for share in shares) >= HUES


def _spreads(frame: NDArray[np.uint8]) -> Floats:
    """(3, H, W) uint8 -> (3, h, w) float32: the standard deviation within each 8x8 block."""
    _, height, width = frame.shape
    blocks = frame.reshape(3, height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(0, 1, 3, 2, 4)
    return np.asarray(blocks.reshape(3, height // BLOCK, width // BLOCK, BLOCK * BLOCK).astype(np.float32).std(3))
