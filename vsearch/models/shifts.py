"""The writer's search for where a block was: which shifts of which known frames are worth trying.

Only the writer searches, so nothing here has to be exact. Luma is compared at a quarter of the size within REACH
pixels, then refined at half and at full size (a pyramid, as most encoders do); shifts that help many blocks become the
frame's palette.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from vsearch.models.motion import BLOCK, REACH, Entry, Source
from vsearch.models.order import Turn

Luma = NDArray[np.float32]
STAY_BONUS = 4.0  # mean squared difference that a block may be worse by where it was looked for first


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard the writer looks: shifted entries a known frame may give to a palette."""

    shifts: int


def best_shifts(luma: Luma, pairs: Sequence[tuple[int, int]]) -> tuple[NDArray[np.intp], Luma]:
    """The shift of each block, (n, h, w, 2), and about how much smaller its sum of squared differences is than
    unshifted, (n, h, w). luma: (T, H, W); pairs: (frame, known frame).
    """
    frames, known = np.array(pairs).T
    shifts = np.zeros((len(pairs), luma.shape[1] // BLOCK, luma.shape[2] // BLOCK, 2), np.intp)
    saved = np.zeros(shifts.shape[:3], np.float32)
    for factor, reach in ((4, REACH // 4), (2, 1), (1, 1)):
        shifts, gained = _refined(luma, frames, known, shifts, factor=factor, reach=reach)
        saved += gained
    return shifts, saved


def _refined(
    luma: Luma,
    frames: NDArray[np.intp],
    known: NDArray[np.intp],
    shifts: NDArray[np.intp],
    *,
    factor: int,
    reach: int,
) -> tuple[NDArray[np.intp], Luma]:
    """The best shifts within `reach` steps of `factor` pixels around those given, at 1 / `factor` of the size."""
    small = F.avg_pool2d(torch.from_numpy(luma)[:, None], factor)[:, 0] if factor > 1 else torch.from_numpy(luma)
    side, margin = BLOCK // factor, REACH // factor + reach
    n, h, w, _ = shifts.shape
    span = side + 2 * reach
    padded = F.pad(small[:, None], (margin,) * 4, mode="replicate")[:, 0]
    y = np.arange(h)[None, :, None] * side + margin - reach + shifts[..., 0] // factor
    x = np.arange(w)[None, None, :] * side + margin - reach + shifts[..., 1] // factor
    windows = np.lib.stride_tricks.sliding_window_view(padded.numpy(), (span, span), axis=(1, 2))
    blocks = small[torch.from_numpy(frames)].reshape(n, h, side, w, side).transpose(2, 3).reshape(-1, side, side)
    patches = torch.from_numpy(windows[known[:, None, None], y, x].reshape(-1, span, span))
    middle = (patches[:, reach : reach + side, reach : reach + side] - blocks).square_().sum((1, 2))
    bonus = STAY_BONUS * side**2
    worth = torch.nonzero(middle > bonus)[:, 0]  # no other place can be better by so much than the rest
    best, where = middle - bonus, torch.full(middle.shape, (2 * reach + 1) ** 2 // 2)
    for some in torch.split(worth, 1024):  # few enough for the caches
        differences = _differences(patches[some], blocks[some]).flatten(1)
        differences[:, differences.shape[1] // 2] -= bonus
        best[some], where[some] = differences.min(1)
    moved = torch.stack([where // (2 * reach + 1) - reach, where % (2 * reach + 1) - reach], 1).numpy() * factor
    chosen = np.clip(shifts + moved.reshape(n, h, w, 2), -REACH, REACH)
    return chosen, np.asarray((middle - best).reshape(n, h, w).numpy() * factor**2, np.float32)


def _differences(patches: Tensor, blocks: Tensor) -> Tensor:
    """Sums of squared differences of each block (n, s, s) from every window of its patch (n, s + r - 1, s + r - 1):
    (n, r, r). The shorter of the two loops is the outer one.
    """
    n, side, _ = blocks.shape
    r = patches.shape[1] - side + 1
    out = torch.zeros(n, r, r)
    if r > side:
        for i in range(side):
            for j in range(side):
                out += (patches[:, i : i + r, j : j + r] - blocks[:, i, j, None, None]).square_()
    else:
        for i in range(r):
            for j in range(r):
                out[:, i, j] = (patches[:, i : i + side, j : j + side] - blocks).square_().sum((1, 2))
    return out


def palettes(luma: Luma, order: Sequence[Sequence[Turn]], effort: Effort) -> dict[int, tuple[Entry, ...]]:
    """What each frame's blocks may be predicted from. luma: (T, H, W), the frames or proxies of them."""
    pairs = [(turn.frame, known) for turns in order for turn in turns for known in turn.known]
    found: dict[tuple[int, int], list[tuple[int, int]]] = {pair: [] for pair in pairs}
    if pairs and effort.shifts:
        shifts, saved = best_shifts(luma, pairs)
        for pair, shift, gain in zip(pairs, shifts, saved, strict=True):
            found[pair] = _popular(shift.reshape(-1, 2), gain.ravel(), effort.shifts)
    return {turn.frame: _palette(turn, found) for turns in order for turn in turns}


def _popular(shifts: NDArray[np.intp], saved: Luma, at_most: int) -> list[tuple[int, int]]:
    """The shifts that save most, summed over the blocks that want them."""
    distinct, which = np.unique(shifts, axis=0, return_inverse=True)
    worth = np.bincount(which.ravel(), np.maximum(saved, 0), len(distinct))
    order = np.argsort(-worth, kind="stable")[:at_most]
    return [(int(dy), int(dx)) for (dy, dx), gain in zip(distinct[order], worth[order], strict=True) if gain > 0]


def _palette(turn: Turn, found: dict[tuple[int, int], list[tuple[int, int]]]) -> tuple[Entry, ...]:
    """Unshifted first, then the shifts, then means of both sides."""
    singles = [Source(known) for known in turn.known]
    moving = [[Source(known, *s) for s in found[turn.frame, known] if s != (0, 0)] for known in turn.known]
    entries = [Entry(source) for source in singles] + [Entry(source) for side in moving for source in side]
    if len(singles) == 2:
        entries.append(Entry(singles[0], singles[1]))
        entries += [Entry(a, b) for a, b in zip(*(side[:2] for side in moving), strict=False)]
    return tuple(entries)
