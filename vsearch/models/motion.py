"""What a frame's latents probably are, seen from frames that are known: shifted proxies of them, transformed again.

A latent describes a block of 16x16 pixels, so latents do not move with what they show. A *proxy* does: a rough picture
(luma, and chroma at half the size) that a fixed linear map makes of a known frame's latents alone. The writer looks for
each block of the new frame in the proxies of known frames; the block found, taken through a second linear map, predicts
the latents. Both maps are integer matrices fitted by least squares when a model is made. Every product and sum stays
below 2**24 (checked when a model is loaded), where float32 is exact: so proxies and predictions are the same integers
on every machine, in whatever order they are summed.

Which shifts of which frames serve a frame is a short list, the *palette*; a map says which entry each block uses. Entry
0 is "none": nothing known resembles the block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from vsearch.errors import LatentError
from vsearch.models.weights import has_bfloat16

BLOCK = 16
LUMA, CHROMA = BLOCK * BLOCK, 2 * (BLOCK // 2) ** 2
BLOCK_VALUES = LUMA + CHROMA  # of a block of a proxy: luma, then two quarters of chroma
REACH = 32  # the longest shift, in pixels
PROXY_BITS, PREDICTION_BITS = 6, 16  # how finely the maps' weights are rounded, at most
PREDICTION_STEPS_BITS = 3
PREDICTION_STEPS = 1 << PREDICTION_STEPS_BITS  # predictions are integers in this many steps a unit
EXACT = 1 << 24  # float32 holds every integer up to here
LATENT_LIMIT = 1023
PROXY_LIMIT = 127  # what latents are clamped to where they make proxies
MAX_PALETTE = 16

Shorts = NDArray[np.int16]
Proxy = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Source:
    """A known frame, shifted: the block at (y, x) of the new frame looks like the one at (y + dy, x + dx) of it."""

    frame: int
    dy: int = 0
    dx: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One way to predict a block: from one source, or from the mean of two. held: the block is what its prediction
    says, and nothing more is coded of it.
    """

    first: Source
    second: Source | None = None
    held: bool = False

    @property
    def sources(self) -> tuple[Source, ...]:
        return (self.first,) if self.second is None else (self.first, self.second)


@dataclass(frozen=True, slots=True, eq=False)
class Guess:
    """How one frame is predicted. choice: (h, w) uint8, 0 for none, else 1 + the number of an entry."""

    entries: tuple[Entry, ...]
    choice: NDArray[np.uint8]

    @property
    def held(self) -> NDArray[np.bool_]:
        """(h, w): the blocks of which nothing is coded."""
        return np.isin(self.choice, [number for number, entry in enumerate(self.entries, 1) if entry.held])


class Maps:
    """The two linear maps of a model, for one level.

    synthesis: (C, 384), latents -> a block of the proxy, in 1 / 2**PROXY_BITS; analysis: (384, C), back, each channel
    in the finest power of two at most 2**PREDICTION_BITS whose sums float32 holds. Raises LatentError when there is
    none.
    """

    def __init__(self, synthesis: NDArray[np.float32], analysis: NDArray[np.float32]) -> None:
        self.synthesis = np.rint(synthesis.astype(np.float64) * 2.0**PROXY_BITS).astype(np.float32)
        self.analysis = np.zeros(analysis.shape, np.float32)
        self._shifts = np.zeros(analysis.shape[1], np.int32)
        self._rough: dict[int, torch.Tensor] = {}
        todo = np.ones(analysis.shape[1], bool)
        for bits in range(PREDICTION_BITS, PREDICTION_STEPS_BITS, -1):
            rounded = np.rint(analysis.astype(np.float64) * 2.0**bits)
            fits = todo & (128 * np.abs(rounded).sum(0) < EXACT)
            self.analysis[:, fits] = rounded[:, fits]
            self._shifts[fits] = bits - PREDICTION_STEPS_BITS
            todo &= ~fits
        if todo.any() or not PROXY_LIMIT * np.abs(self.synthesis).sum(0).max() < EXACT - 2**PROXY_BITS:
            raise LatentError(
                f"the sums of the model's linear maps may exceed {EXACT}, beyond which float32 is not exact"
            )

    def proxies(self, latents: Shorts) -> Proxy:
        """latents: (n, h, w, C) -> padded proxies (n, 16h + 2 REACH, 1.5 (16w + 2 REACH)).

        Luma fills the left two thirds of each; the right third holds the two chroma planes at half size, one below the
        other. Edges are repeated outward.
        """
        n, h, w, c = latents.shape
        sums = _product(np.clip(latents, -PROXY_LIMIT, PROXY_LIMIT).reshape(-1, c).astype(np.float32), self.synthesis)
        np.floor((sums + np.float32(2 ** (PROXY_BITS - 1))) * np.float32(2.0**-PROXY_BITS), out=sums)
        blocks = np.clip(sums, -128, 127, out=sums).astype(np.int8)
        out = np.empty((n, BLOCK * h + 2 * REACH, (BLOCK * w + 2 * REACH) * 3 // 2), np.int8)
        for plane, values in zip(planes_of(out), _split(blocks), strict=True):
            side = int(np.sqrt(values.shape[1]))
            picture = values.reshape(n, h, w, side, side).transpose(0, 1, 3, 2, 4).reshape(n, h * side, w * side)
            margin = REACH * side // BLOCK
            plane[:] = np.pad(picture, ((0, 0), (margin, margin), (margin, margin)), mode="edge")
        return out

    def predict(self, blocks: Proxy) -> NDArray[np.int32]:
        """blocks of proxies (m, 384) -> predicted latents (m, C) in 1 / PREDICTION_STEPS."""
        sums = _product(blocks.astype(np.float32), self.analysis).astype(np.int32)
        return np.asarray((sums + (1 << self._shifts - 1)) >> self._shifts, np.int32)

    def roughly(self, blocks: Proxy, channels: int) -> NDArray[np.float32]:
        """The same of the first `channels`, (m, channels) in units of latents and not exact: for who chooses among
        blocks. In bfloat16 where processors have it.
        """
        if channels not in self._rough:
            units = 2.0 ** -(self._shifts[:channels] + PREDICTION_STEPS_BITS).astype(np.float32)
            weights = torch.from_numpy(self.analysis[:, :channels] * units)
            self._rough[channels] = weights.to(torch.bfloat16 if has_bfloat16(torch.device("cpu")) else torch.float32)
        weights = self._rough[channels]
        found: NDArray[np.float32] = (torch.from_numpy(blocks).to(weights.dtype) @ weights).float().numpy()
        return found


def _product(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """A product of matrices, by PyTorch: its threads can be limited for one thread alone, those of numpy's BLAS not
    (`weights.one_thread`), and two processes whose BLAS has two threads each take four times as long.
    """
    result: NDArray[np.float32] = (torch.from_numpy(left) @ torch.from_numpy(right)).numpy()
    return result


def planes_of(proxies: Proxy) -> tuple[Proxy, Proxy, Proxy]:
    """Views of the padded luma and chroma planes, (n, rows, columns) each."""
    rows, columns = proxies.shape[1], proxies.shape[2] * 2 // 3
    right = proxies[:, :, columns:]
    return proxies[:, :, :columns], right[:, : rows // 2], right[:, rows // 2 :]


def _split(blocks: Proxy) -> tuple[Proxy, Proxy, Proxy]:
    return blocks[:, :LUMA], blocks[:, LUMA : LUMA + CHROMA // 2], blocks[:, LUMA + CHROMA // 2 :]


def blocks_at(
    proxies: Proxy, which: NDArray[np.intp], rows: NDArray[np.intp], columns: NDArray[np.intp], shifts: NDArray[np.intp]
) -> Proxy:
    """Blocks (m, 384) of padded proxies. which: (m,) numbers of proxies; rows, columns: (m,) positions in blocks;
    shifts: (m, 2) pixels, dy and dx, up to REACH either way.
    """
    m = len(which)
    out = np.empty((m, BLOCK_VALUES), np.int8)
    start = 0
    for number, plane in enumerate(planes_of(proxies)):
        side = BLOCK if number == 0 else BLOCK // 2
        scale = BLOCK // side
        windows = np.lib.stride_tricks.sliding_window_view(plane, (side, side), axis=(1, 2))
        y = rows * side + (REACH + shifts[:, 0]) // scale
        x = columns * side + (REACH + shifts[:, 1]) // scale
        out[:, start : start + side * side] = windows[which, y, x].reshape(m, side * side)
        start += side * side
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What is known of one frame's latents before they are read.

    values: (h, w, C) int32, in 1 / PREDICTION_STEPS; flags: (h, w, FLAGS) float64: predicted at all, from two
    sources, how far away in time the source is (log2 of frames / 4), and whether no source is shifted. held:
    (h, w), where nothing is coded; spread: (h, w, C) int32, how far apart two sources are, 0 where there are not two.
    """

    values: NDArray[np.int32]
    flags: NDArray[np.float64]
    held: NDArray[np.bool_]
    spread: NDArray[np.int32]


FLAGS = 4
UNMOVED = 3  # the flag that says so


def predict(
    guesses: Sequence[Guess],
    frames: Sequence[int],
    known: Mapping[int, Shorts],
    proxies: Mapping[int, Proxy],
    maps: Maps,
) -> list[Prediction]:
    """Predictions of several frames. known: latents (h, w, C) of the frames that are known; proxies: theirs, (rows,
    columns) each.

    An unshifted source predicts with its latents themselves. All shifted blocks are gathered first and go through the
    map at once.
    """
    h, w = guesses[0].choice.shape
    values = np.zeros((len(guesses), h, w, maps.synthesis.shape[0]), np.int32)
    apart = np.zeros_like(values)
    flags = np.zeros((len(guesses), h, w, FLAGS))
    shifted: list[tuple[int, NDArray[np.intp], NDArray[np.intp], Source, int]] = []
    for number, (guess, frame) in enumerate(zip(guesses, frames, strict=True)):
        for place, entry in enumerate(guess.entries, 1):
            rows, columns = np.nonzero(guess.choice == place)
            signs = (0,) if entry.second is None else (1, -1)
            for source, sign in zip(entry.sources, signs, strict=True):
                if source.dy or source.dx:
                    shifted.append((number, rows, columns, source, sign))
                else:
                    same = known[source.frame][rows, columns].astype(np.int32) * PREDICTION_STEPS
                    values[number, rows, columns] += same
                    if sign:
                        apart[number, rows, columns] += sign * same
            distance = min(abs(source.frame - frame) for source in entry.sources)
            unmoved = not any(source.dy or source.dx for source in entry.sources)
            two = entry.second is not None
            flags[number, rows, columns] = (1.0, float(two), DISTANCES[min(distance, 31)], float(unmoved))
    if shifted:
        _add_shifted(values, apart, shifted, proxies, maps)
    for number, guess in enumerate(guesses):
        of_two = [place for place, entry in enumerate(guess.entries, 1) if entry.second is not None]
        both = np.isin(guess.choice, of_two)
        values[number, both] >>= 1
    spread = np.abs(apart)
    return [Prediction(v, f, g.held, a) for v, f, g, a in zip(values, flags, guesses, spread, strict=True)]


def _add_shifted(
    values: NDArray[np.int32],
    apart: NDArray[np.int32],
    shifted: Sequence[tuple[int, NDArray[np.intp], NDArray[np.intp], Source, int]],
    proxies: Mapping[int, Proxy],
    maps: Maps,
) -> None:
    """Add what shifted sources predict to `values` (n, h, w, C), and times their signs to `apart`."""
    used = list(dict.fromkeys(source.frame for _, _, _, source, _ in shifted))
    stacked = np.stack([proxies[frame] for frame in used])
    counts = [len(rows) for _, rows, _, _, _ in shifted]
    rows = np.concatenate([rows for _, rows, _, _, _ in shifted])
    columns = np.concatenate([columns for _, _, columns, _, _ in shifted])
    which = np.repeat([used.index(source.frame) for _, _, _, source, _ in shifted], counts)
    shifts = np.repeat([(source.dy, source.dx) for _, _, _, source, _ in shifted], counts, axis=0)
    predicted = maps.predict(blocks_at(stacked, which, rows, columns, shifts))
    for (number, y, x, _, sign), part in zip(shifted, np.split(predicted, np.cumsum(counts)[:-1]), strict=True):
        values[number, y, x] += part
        if sign:
            apart[number, y, x] += sign * part


# log2(frames) / 4 in sixteenths: what every machine rounds alike.
DISTANCES = (0.0, *(round(4 * float(np.log2(n))) / 16 for n in range(1, 32)))


def predict_all(
    entries: Sequence[Entry],
    size: tuple[int, int],
    known: Mapping[int, Shorts],
    proxies: Mapping[int, Proxy],
    maps: Maps,
    channels: int,
) -> NDArray[np.float32]:
    """About what every entry predicts of every block: (entries, h, w, channels at most), in units of latents."""
    h, w = size
    sources = list(dict.fromkeys(source for entry in entries for source in entry.sources))
    shifted = [source for source in sources if source.dy or source.dx]
    values = {s: known[s.frame][..., :channels].astype(np.float32) for s in sources if s not in shifted}
    c = min(channels, maps.synthesis.shape[0])
    if shifted:
        blocks = np.concatenate([all_blocks(proxies[s.frame], size, s.dy, s.dx) for s in shifted])
        values |= zip(shifted, maps.roughly(blocks, c).reshape(len(shifted), h, w, c), strict=True)
    out = np.empty((len(entries), h, w, c), np.float32)
    for one, entry in zip(out, entries, strict=True):
        one[:] = values[entry.first]
        if entry.second is not None:
            one += values[entry.second]
            one *= 0.5
    return out


def all_blocks(proxy: Proxy, size: tuple[int, int], dy: int, dx: int) -> Proxy:
    """Every block of a picture (h * w, 384), as a padded proxy shows it shifted by dy and dx."""
    h, w = size
    parts = []
    for plane in planes_of(proxy[None]):
        side = BLOCK if len(plane[0]) == len(proxy) else BLOCK // 2
        y, x = (REACH + dy) * side // BLOCK, (REACH + dx) * side // BLOCK
        picture = plane[0, y : y + h * side, x : x + w * side]
        parts.append(picture.reshape(h, side, w, side).transpose(0, 2, 1, 3).reshape(h * w, side * side))
    return np.concatenate(parts, 1)


def begun_map(w: int) -> list[int]:
    """The border of a palette map that is made in row order: a row of -1 above it; each row then begins with a 0.

    With it the rule of docs/format.md is the same everywhere: expected is what is above if left and above left are
    alike, otherwise what is left. Loops over it spell the rule out, because a call for every block took longer than all
    the rest of them.
    """
    return [-1] * (w + 1)


def ended_map(choices: list[int], h: int, w: int) -> NDArray[np.uint8]:
    """The map (h, w) within its border."""
    return np.array(choices[w + 1 :], np.uint8).reshape(h, w + 1)[:, 1:]


def expected_choices(choice: NDArray[np.uint8]) -> NDArray[np.int64]:
    """What the rule expects at every place of a map, (h, w)."""
    padded = np.pad(choice.astype(np.int64), ((1, 0), (1, 0)))
    padded[0] = -1
    left, above, corner = padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1]
    return np.where(left == corner, above, left)
