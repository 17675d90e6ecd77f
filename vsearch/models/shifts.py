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
COARSEST = 4  # pixels to one, where a search begins
STAY_BONUS = 4.0  # mean squared difference that a block may be worse by where it was looked for first
LEAST_DIFFERENCE = 8.0  # mean squared difference from the block in the same place, below which no other is looked for
LOOKED_SHARE = 0.5  # of a pair's blocks: those that differ most
FARTHER = 2  # known frames other than its neighbours that a frame may look at
LEAST_HALVINGS = 20.0  # of blocks' differences that such a frame must make, all blocks together
LOOKED_AT_ONCE = 512  # blocks: few enough for the caches


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard the writer looks: shifted entries a known frame may give to a palette."""

    shifts: int


def best_shifts(luma: Luma, pairs: Sequence[tuple[int, int]]) -> tuple[NDArray[np.intp], Luma]:
    """The shift of each block, (n, h, w, 2), and about how much smaller its sum of squared differences is than
    unshifted, (n, h, w); zeros where none was looked for. luma: (T, H, W); pairs: (frame, known frame).
    """
    frames, known = np.array(pairs).T
    looked = np.nonzero(_worth_looking(luma, frames, known))
    shifts = np.zeros((len(pairs), luma.shape[1] // BLOCK, luma.shape[2] // BLOCK, 2), np.intp)
    saved = np.zeros(shifts.shape[:3], np.float32)
    if len(looked[0]):
        pair, y, x = looked
        found, gain = np.zeros((len(pair), 2), np.intp), np.zeros(len(pair), np.float32)
        for factor, reach in ((COARSEST, REACH // COARSEST), (2, 1), (1, 1)):
            found, gained = _refined(luma, (frames[pair], known[pair], y, x), found, factor=factor, reach=reach)
            gain += gained
        shifts[looked], saved[looked] = found, gain
    return shifts, saved


def _worth_looking(luma: Luma, frames: NDArray[np.intp], known: NDArray[np.intp]) -> NDArray[np.bool_]:
    """The blocks of each pair that differ enough from those in their place, (n, h, w): hardly more than `LOOKED_SHARE`.
    The palette is for what many blocks want, and those that differ most show it.
    """
    small = _smaller(luma, COARSEST)
    side = BLOCK // COARSEST
    differences = F.avg_pool2d((small[frames] - small[known]).square_()[:, None], side)[:, 0]
    most = max(1, round(LOOKED_SHARE * differences[0].numel()))
    least = differences.flatten(1).topk(most, 1).values[:, -1].clamp_min(LEAST_DIFFERENCE)
    return np.asarray((differences >= least[:, None, None]).numpy())


def _smaller(luma: Luma, factor: int) -> Tensor:
    whole = torch.from_numpy(luma)
    return F.avg_pool2d(whole[:, None], factor)[:, 0] if factor > 1 else whole


def _refined(
    luma: Luma,
    places: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]],
    shifts: NDArray[np.intp],
    *,
    factor: int,
    reach: int,
) -> tuple[NDArray[np.intp], Luma]:
    """The best shifts within `reach` steps of `factor` pixels around those given (m, 2), at 1 / `factor` of the size,
    and how much smaller sums of squared differences became, less `STAY_BONUS` where they moved. places: (m,) frames,
    known frames, rows and columns of blocks.
    """
    frames, known, rows, columns = places
    small, side, margin = _smaller(luma, factor), BLOCK // factor, REACH // factor + reach
    span = side + 2 * reach
    padded = F.pad(small[:, None], (margin,) * 4, mode="replicate")[:, 0].numpy()
    windows = np.lib.stride_tricks.sliding_window_view(padded, (span, span), axis=(1, 2))
    blocks = np.lib.stride_tricks.sliding_window_view(small.numpy(), (side, side), axis=(1, 2))
    y = rows * side + margin - reach + shifts[:, 0] // factor
    x = columns * side + margin - reach + shifts[:, 1] // factor
    gained = np.empty(len(rows), np.float32)
    moved = np.empty_like(shifts)
    for start in range(0, len(rows), LOOKED_AT_ONCE):
        some = slice(start, start + LOOKED_AT_ONCE)
        patches = torch.from_numpy(windows[known[some], y[some], x[some]])
        own = torch.from_numpy(blocks[frames[some], rows[some] * side, columns[some] * side])
        differences = _differences(patches, own).flatten(1)
        middle = differences[:, differences.shape[1] // 2]
        middle -= STAY_BONUS * side**2
        best, where = differences.min(1)
        gained[some] = (middle - best).numpy() * factor**2
        moved[some] = torch.stack([where // (2 * reach + 1), where % (2 * reach + 1)], 1).numpy() - reach
    return np.clip(shifts + moved * factor, -REACH, REACH), gained


def _differences(patches: Tensor, blocks: Tensor) -> Tensor:
    """Sums of squared differences of each block (n, s, s) from every window of its patch (n, s + r - 1, s + r - 1),
    less the block's own sum of squares: (n, r, r). Each block is a channel with a filter of its own.
    """
    n, side = blocks.shape[:2]
    squares = F.conv2d(patches.square()[None], patches.new_ones(n, 1, side, side), groups=n)
    return squares.sub_(F.conv2d(patches[None], blocks[:, None], groups=n), alpha=2)[0]


def palettes(luma: Luma, order: Sequence[Sequence[Turn]], effort: Effort) -> dict[int, tuple[Entry, ...]]:
    """What each frame's blocks may be predicted from. luma: (T, H, W), the frames or proxies of them."""
    more = farther(luma, order) if effort.shifts else {}
    seen = {turn.frame: (*turn.known, *more.get(turn.frame, ())) for turns in order for turn in turns}
    pairs = [(frame, known) for frame, all_known in seen.items() for known in all_known]
    found: dict[tuple[int, int], list[tuple[int, int]]] = {pair: [] for pair in pairs}
    if pairs and effort.shifts:
        shifts, saved = best_shifts(luma, pairs)
        for pair, shift, gain in zip(pairs, shifts, saved, strict=True):
            found[pair] = _popular(shift.reshape(-1, 2), gain.ravel(), effort.shifts)
    return {turn.frame: _palette(turn, seen[turn.frame], found) for turns in order for turn in turns}


def _popular(shifts: NDArray[np.intp], saved: Luma, at_most: int) -> list[tuple[int, int]]:
    """The shifts that save most, summed over the blocks that want them."""
    span = 2 * REACH + 1
    distinct, which = np.unique((shifts + REACH) @ (span, 1), return_inverse=True)
    worth = np.bincount(which, np.maximum(saved, 0), len(distinct))
    order = np.argsort(-worth, kind="stable")[:at_most]
    found = zip(*np.divmod(distinct[order], span), worth[order], strict=True)
    return [(int(dy) - REACH, int(dx) - REACH) for dy, dx, gain in found if gain > 0]


def farther(luma: Luma, order: Sequence[Sequence[Turn]]) -> dict[int, tuple[int, ...]]:
    """By frame, known frames that show some of its blocks better than its neighbours do: shots alternate, pages come
    back (Wiegand, Zhang and Girod, "Long-term memory motion-compensated prediction", IEEE TCSVT 9(1), 1999).
    """
    small, side = _smaller(luma, COARSEST), BLOCK // COARSEST
    found: dict[int, tuple[int, ...]] = {}
    known: list[int] = []
    for turns in order:
        for turn in turns:
            others = [frame for frame in known if frame not in turn.known]
            if others:
                squares = (small[[*turn.known, *others]] - small[turn.frame]).square_()
                differences = F.avg_pool2d(squares[:, None], side).flatten(1).add_(LEAST_DIFFERENCE).log2_().numpy()
                best = differences[: len(turn.known)].min(0)
                found[turn.frame] = _chosen_farther(others, differences[len(turn.known) :], best)
        known += [turn.frame for turn in turns]
    return found


def _chosen_farther(others: Sequence[int], differences: Luma, best: Luma) -> tuple[int, ...]:
    """At most FARTHER, each the one that lessens differences (others, blocks) most, which are logarithms; best: those
    that there are without them.
    """
    chosen: list[int] = []
    while len(chosen) < FARTHER:
        gains = np.maximum(best - differences, 0).sum(1)
        if gains.max() < LEAST_HALVINGS:
            break
        chosen.append(int(gains.argmax()))
        best = np.minimum(best, differences[chosen[-1]])
    return tuple(others[number] for number in chosen)


def _palette(turn: Turn, seen: Sequence[int], found: dict[tuple[int, int], list[tuple[int, int]]]) -> tuple[Entry, ...]:
    """Unshifted first, then the shifts, then means of both sides, then frames farther away. seen: all frames."""
    moving = [[Source(known, *s) for s in found[turn.frame, known] if s != (0, 0)] for known in seen]
    singles, sides = [Source(known) for known in turn.known], moving[: len(turn.known)]
    entries = [Entry(source) for source in singles] + [Entry(source) for side in sides for source in side]
    if len(singles) == 2:
        entries.append(Entry(singles[0], singles[1]))
        entries += [Entry(a, b) for a, b in zip(*(side[:2] for side in sides), strict=False)]
    for known, side in list(zip(seen, moving, strict=True))[len(singles) :]:
        entries += [Entry(source) for source in (Source(known), *side)]
    return tuple(entries)
