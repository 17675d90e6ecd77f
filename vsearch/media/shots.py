"""Shot boundaries from tiny luma pictures, frame by frame, deciding a few frames late. Pure numpy.

Three kinds are found:

- cut: the difference to the frame before stands out from its neighbourhood, and no frame shortly after resembles one
  shortly before (else it was a flash, or a few lost frames).
- fade: the picture was nearly uniform and dark, or bright, and what comes out of that is not what went in.
- dissolve: over a window of up to 2.5 s the pictures go nearly straight from one picture to a different one, in small
  steps, and lose contrast on the way as mixtures do. A camera that pans changes the picture as much and keeps it sharp.

The boundary of a fade or dissolve is the first clean picture after it, so that the frame sampled there is worth having.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch.media.base import LUMA_SIZE

SHOT_DETECTOR = "luma-1"  # changes with anything below that changes a boundary

_LOOK_S, _LOOK_FRAMES = 0.2, (3, 8)  # how late decisions come; also how long a flash may last
_WINDOW_S, _WINDOW_FRAMES = 2.5, (12, 90)  # the longest dissolve that is looked for
_SCALES = (0.25, 0.35, 0.5, 0.7, 1.0)  # windows tried, as shares of the longest
_MIN_SHOT_S = 0.3
_SPARSE_FPS = 6.0  # below, neighbouring frames say little about each other: only plain differences are used

_CUT_LEVEL = 7.0  # mean difference in grey levels (of 255) below which nothing is a cut
_CUT_RATIO = 3.0  # to the mean of the neighbouring differences
_CUT_ALIKE = 0.8  # correlation with the frame before above which it is the same picture in another light
_FLASH_SHARE = 0.5  # of the cut's difference: pictures around it that are closer than that are the same shot
_SPARSE_LEVEL, _SPARSE_ALIKE = 18.0, 0.35
_BLANK_SPREAD, _BLANK_DARK, _BLANK_BRIGHT = 5.0, 45.0, 215.0
_FADE_ALIKE, _BLINK_ALIKE = 0.7, 0.3  # correlation around a uniform stretch, a long one and one as short as a flash
_DISSOLVE_LEVEL, _DISSOLVE_ALIKE = 22.0, 0.6  # root mean square difference of its ends; their correlation
_DISSOLVE_BEND = 0.4  # mean distance from the straight line, as a share of its length
_DISSOLVE_STEP = 0.45  # largest share of the way made in one frame: more is a cut
_DISSOLVE_DIP = (0.1, 1.5, 2.5)  # contrast lost on the way, as a share: least, more for each bend, most
_OVER = 0.9  # share of the way at which a dissolve is over

_Vector = NDArray[np.float32]
_BLOCK = 4  # luma is compared in blocks of 4x4 where motion should not matter: 9x16 values
_ONES = np.ones(LUMA_SIZE[0] * LUMA_SIZE[1], np.float32)
_ROWS, _COLUMNS = LUMA_SIZE[0] // _BLOCK, LUMA_SIZE[1] // _BLOCK


@dataclass(frozen=True, slots=True)
class Boundary:
    """The frame begins a shot. `kind`: "cut", "fade" or "dissolve"; `strength` in [0, 1]."""

    kind: str
    strength: float


class ShotDetector:
    """Give it the luma of each frame in turn; it answers for frames `look_ahead` earlier.

    `push` returns decisions (None: no boundary), about no frame at first, then about one a call; `finish` the rest.
    """

    def __init__(self, fps: float) -> None:
        self._sparse = fps < _SPARSE_FPS
        self.look_ahead = 1 if self._sparse else _frames(_LOOK_S, fps, _LOOK_FRAMES)
        self._window = _frames(_WINDOW_S, fps, _WINDOW_FRAMES)
        self._min_shot = 1 if self._sparse else max(2, round(_MIN_SHOT_S * fps))
        self._seen = _History(self._window + 2 * self.look_ahead + 2)
        self._decided = 0  # frames decided
        self._last_boundary = 0
        self._blank_since: int | None = None
        self._last_blank = -1
        self._before_blank: _Vector | None = None

    def push(self, luma: NDArray[np.uint8]) -> list[Boundary | None]:
        """luma: (36, 64) uint8 of the next frame. Returns the decision about the frame `look_ahead` frames earlier."""
        self._seen.add(luma)
        return [] if self._seen.count <= self.look_ahead else [self._decide()]

    def finish(self) -> list[Boundary | None]:
        """Decisions about the frames that `push` has not answered for."""
        return [self._decide() for _ in range(self._seen.count - self._decided)]

    def _decide(self) -> Boundary | None:
        number = self._decided
        self._decided += 1
        found = self._fade(number)
        if number == 0 or self._blank_since is not None or number - self._last_boundary < self._min_shot:
            return None
        if found is None:
            found = self._sparse_cut(number) if self._sparse else self._cut(number) or self._dissolve(number)
        if found:
            self._last_boundary = number
        return found

    def _cut(self, number: int) -> Boundary | None:
        seen = self._seen
        change = float(seen.change[seen.at(number)])
        if change < _CUT_LEVEL:
            return None
        changes = np.sort(np.delete(seen.changes(number - self.look_ahead, number + self.look_ahead), self.look_ahead))
        usual = float(changes[:-1].mean())  # without the largest, which may be another cut
        if change < _CUT_RATIO * (usual + 1) or _alike(seen.vector(number), seen.vector(number - 1)) > _CUT_ALIKE:
            return None
        return None if self._flash(number) else Boundary("cut", min(1.0, change / 64))

    def _flash(self, number: int) -> bool:
        """Whether a picture shortly after resembles one shortly before: nothing new began here."""
        old = self._seen.vectors(number - self.look_ahead, number - 1)[::-1]
        new = self._seen.vectors(number, number + self.look_ahead)
        distances = np.abs(old[:, None] - new[None]).mean(axis=2)
        return bool(distances.min() < _FLASH_SHARE * distances[0, 0])

    def _sparse_cut(self, number: int) -> Boundary | None:
        change = float(self._seen.change[self._seen.at(number)])
        if change < _SPARSE_LEVEL:
            return None
        if _alike(self._seen.vector(number), self._seen.vector(number - 1)) > _SPARSE_ALIKE:
            return None
        return Boundary("cut", min(1.0, change / 64))

    def _fade(self, number: int) -> Boundary | None:
        """Keeps track of uniform pictures; a boundary where they end and the content is new."""
        seen = self._seen
        if seen.blank[seen.at(number)]:
            if self._blank_since is None:
                self._blank_since = number
                earlier = max(0, number - self.look_ahead)
                self._before_blank = None if seen.blank[seen.at(earlier)] else seen.vector(earlier).copy()
            self._last_blank = number
            return None
        if self._blank_since is None:
            return None
        blank_frames, before = number - self._blank_since, self._before_blank
        self._blank_since = None
        if before is None:
            return Boundary("fade", 1.0) if blank_frames >= self._min_shot else None
        alike = _alike(before, seen.vector(min(number + self.look_ahead, seen.count - 1)))
        limit = _FADE_ALIKE if blank_frames > self.look_ahead else _BLINK_ALIKE
        return Boundary("fade", min(1.0, 1 - alike)) if alike < limit else None

    def _dissolve(self, number: int) -> Boundary | None:
        newest = min(number + self.look_ahead, self._seen.count - 1)
        for share in _SCALES:
            first = newest - round(self._window * share)
            if first < self._last_boundary or first <= self._last_blank or first >= number - 1:
                return None
            found = self._mixed(first, number, newest)
            if found:
                return found
        return None

    def _mixed(self, first: int, number: int, newest: int) -> Boundary | None:
        """A dissolve that lies in frames first to newest and is over at `number`."""
        old, new = self._seen.vector(first), self._seen.vector(newest)
        way = new - old
        length = float(way @ way)
        if length < _DISSOLVE_LEVEL**2 * way.size:
            return None
        alike = _alike(old, new)
        if alike > _DISSOLVE_ALIKE:
            return None
        gone = self._seen.vectors(first, newest) - old
        shares = np.asarray(gone @ way / length, np.float32)
        late = number - first
        if shares[late - 1] >= _OVER or shares[late:].min() < _OVER or np.diff(shares).max() > _DISSOLVE_STEP:
            return None
        shares = shares.clip(0, 1)
        bend = float(np.sqrt(((gone - shares[:, None] * way) ** 2).sum(axis=1) / length).mean())
        dip = self._dip(first, newest, shares, alike)
        least, for_bend, most = _DISSOLVE_DIP
        if bend > _DISSOLVE_BEND or not least + for_bend * bend < dip < most:
            return None
        return Boundary("dissolve", 1 - bend)

    def _dip(self, first: int, newest: int, shares: _Vector, alike: float) -> float:
        """Contrast lost on the way from one picture to the other, as a share of what mixing them would lose.

        About 1 in a dissolve; about 0 when a camera moves, which shows sharp pictures all the way.
        """
        spread = self._seen.spreads(first, newest)
        kept = (1 - shares) * spread[0] + shares * spread[-1]
        mixed = 2 * shares * (1 - shares) * (1 - alike) * np.sqrt(spread[0] * spread[-1])
        return float((kept - spread).sum() / (mixed.sum() + 1e-3))


class _History:
    """What is kept of the latest frames, by frame number: block means, change, contrast, whether nearly uniform."""

    def __init__(self, keep: int) -> None:
        self._keep, self._size = keep, 4 * keep
        self._first = 0  # the frame number of row 0
        self.count = 0  # frames added
        self._block_means = np.zeros((self._size, _ROWS * _COLUMNS), np.float32)
        self.change = np.zeros(self._size, np.float32)  # mean difference to the frame before, in levels
        self._spread = np.zeros(self._size, np.float32)  # variance of luma
        self.blank = np.zeros(self._size, np.bool_)
        self._luma: _Vector | None = None

    def add(self, luma: NDArray[np.uint8]) -> None:
        row = self.count - self._first
        if row == self._size:
            row = self._forget()
        flat = luma.ravel().astype(np.float32)
        by_rows = luma.reshape(_ROWS, _BLOCK, -1).sum(axis=1, dtype=np.uint16)
        np.divide(by_rows.reshape(-1, _BLOCK).sum(axis=1), _BLOCK**2, out=self._block_means[row], casting="unsafe")
        mean = float(flat @ _ONES) / flat.size  # dot products: a tenth of the cost of mean() on so little data
        spread = max(0.0, float(flat @ flat) / flat.size - mean**2)
        self.change[row] = 0 if self._luma is None else np.abs(flat - self._luma) @ _ONES / flat.size
        self._spread[row] = spread
        self.blank[row] = (mean < _BLANK_DARK or mean > _BLANK_BRIGHT) and spread < _BLANK_SPREAD**2
        self._luma = flat
        self.count += 1

    def _forget(self) -> int:
        """Move the latest rows to the front; returns the next free row."""
        for rows in (self._block_means, self.change, self._spread, self.blank):
            rows[: self._keep] = rows[-self._keep :]
        self._first = self.count - self._keep
        return self._keep

    def at(self, number: int) -> int:
        """The row of frame `number`."""
        return number - self._first

    def vector(self, number: int) -> _Vector:
        found: _Vector = self._block_means[self.at(number)]
        return found

    def vectors(self, first: int, last: int) -> _Vector:
        """Block means (n, 144) of the frames from first to last that there are."""
        return self._block_means[max(0, self.at(first)) : self.at(min(last, self.count - 1)) + 1]

    def spreads(self, first: int, last: int) -> _Vector:
        return self._spread[self.at(first) : self.at(last) + 1]

    def changes(self, first: int, last: int) -> _Vector:
        """(n,) changes of the frames from first to last; 0 for those that there are not."""
        return np.array(  # a handful of values, asked for at likely cuts only
            [self.change[self.at(n)] if max(1, self._first) <= n < self.count else 0 for n in range(first, last + 1)],
            np.float32,
        )


def _alike(one: _Vector, other: _Vector) -> float:
    """Correlation of two pictures: 1 for the same picture in any light, about 0 for unrelated ones."""
    ones = _ONES[: one.size]
    a, b = one - (one @ ones) / one.size, other - (other @ ones) / one.size
    return float(a @ b) / (math.sqrt(float(a @ a) * float(b @ b)) + 1e-6)


def _frames(seconds: float, fps: float, limits: tuple[int, int]) -> int:
    return min(limits[1], max(limits[0], round(seconds * fps)))
