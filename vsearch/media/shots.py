"""Shot boundaries from tiny luma pictures, frame by frame, deciding a few frames late. Pure numpy.

Three kinds are found:

- cut: the difference to the frame before stands out from its neighbourhood, and no frame shortly after resembles one
  shortly before (else it was a flash, or a few lost frames).
- fade: the picture was nearly uniform and dark, or bright, and what comes out of that is not what went in.
- dissolve: over a window of up to 2.5 s the pictures move along a straight line from one picture to a different one, in
  steps: a camera that pans changes the picture as much, but on a curve.

The boundary of a fade or dissolve is the first clean picture after it, so that the frame sampled there is worth having.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch.media.base import LUMA_SIZE

SHOT_DETECTOR = "luma-1"  # changes with anything below that changes a boundary

_LOOK_S, _LOOK_FRAMES = 0.2, (3, 8)  # how late decisions come; also how long a flash may last
_WINDOW_S, _WINDOW_FRAMES = 2.5, (12, 90)  # the longest dissolve that is looked for
_SCALES = (0.25, 0.5, 1.0)  # windows tried, as shares of the longest
_MIN_SHOT_S = 0.3
_SPARSE_FPS = 6.0  # below, neighbouring frames say little about each other: only plain differences are used

_CUT_LEVEL = 7.0  # mean difference in grey levels (of 255) below which nothing is a cut
_CUT_RATIO = 3.0  # to the mean of the neighbouring differences
_CUT_ALIKE = 0.8  # correlation with the frame before above which it is the same picture in another light
_FLASH_SHARE = 0.5  # of the cut's difference: pictures around it that are closer than that are the same shot
_SPARSE_LEVEL, _SPARSE_ALIKE = 18.0, 0.35
_BLANK_SPREAD, _BLANK_DARK, _BLANK_BRIGHT = 5.0, 45.0, 215.0
_FADE_ALIKE = 0.7
_DISSOLVE_LEVEL, _DISSOLVE_ALIKE = 9.0, 0.6
_DISSOLVE_BEND = 0.22  # mean distance from the straight line, as a share of its length
_DISSOLVE_STEP = 0.45  # largest share of the way made in one frame: more is a cut

_Vector = NDArray[np.float32]
_BLOCK = 4  # luma is compared in blocks of 4x4 where motion should not matter: 9x16 values
_VALUES = LUMA_SIZE[0] // _BLOCK * (LUMA_SIZE[1] // _BLOCK)


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
        keep = self._window + 2 * self.look_ahead + 2
        self._history: deque[_Seen] = deque(maxlen=keep)
        self._count = 0  # frames seen
        self._decided = 0  # frames decided
        self._last_boundary = 0
        self._blank_since: int | None = None
        self._before_blank: _Vector | None = None
        self._luma: NDArray[np.uint8] | None = None

    def push(self, luma: NDArray[np.uint8]) -> list[Boundary | None]:
        """luma: (36, 64) uint8 of the next frame. Returns the decision about the frame `look_ahead` frames earlier."""
        self._history.append(_Seen.of(luma, self._luma))
        self._luma = luma
        self._count += 1
        if self._count <= self.look_ahead:
            return []
        return [self._decide()]

    def finish(self) -> list[Boundary | None]:
        """Decisions about the frames that `push` has not answered for."""
        return [self._decide() for _ in range(self._count - self._decided)]

    def _decide(self) -> Boundary | None:
        number = self._decided
        self._decided += 1
        found = self._fade(number)
        if number == 0 or self._blank_since is not None or number - self._last_boundary < self._min_shot:
            found = found if number and found else None
        elif found is None:
            found = self._sparse_cut(number) if self._sparse else (self._cut(number) or self._dissolve(number))
        if found:
            self._last_boundary = number
        return found

    def _seen(self, number: int) -> _Seen | None:
        """Frame `number`, None when it is not (or no longer, or not yet) here."""
        index = number - (self._count - len(self._history))
        return self._history[index] if 0 <= index < len(self._history) else None

    def _cut(self, number: int) -> Boundary | None:
        here, before = self._seen(number), self._seen(number - 1)
        if here is None or before is None or here.change < _CUT_LEVEL:
            return None
        around = [self._seen(number + step) for step in range(-self.look_ahead, self.look_ahead + 1) if step]
        changes = sorted(seen.change for seen in around if seen is not None)[:-1]  # without the largest: another cut
        usual = sum(changes) / len(changes) if changes else 0.0
        if here.change < _CUT_RATIO * (usual + 1.0) or _alike(here.vector, before.vector) > _CUT_ALIKE:
            return None
        return None if self._flash(number) else Boundary("cut", min(1.0, here.change / 64))

    def _flash(self, number: int) -> bool:
        """Whether a picture shortly after resembles one shortly before: nothing new began here."""
        befores = [self._seen(number - step) for step in range(1, self.look_ahead + 1)]
        afters = [self._seen(number + step) for step in range(self.look_ahead + 1)]
        old = np.array([seen.vector for seen in befores if seen is not None])
        new = np.array([seen.vector for seen in afters if seen is not None])
        distances = np.abs(old[:, None] - new[None]).mean(axis=2)
        return bool(distances.min() < _FLASH_SHARE * distances[0, 0])

    def _sparse_cut(self, number: int) -> Boundary | None:
        here, before = self._seen(number), self._seen(number - 1)
        if here is None or before is None or here.change < _SPARSE_LEVEL:
            return None
        if _alike(here.vector, before.vector) > _SPARSE_ALIKE:
            return None
        return Boundary("cut", min(1.0, here.change / 64))

    def _fade(self, number: int) -> Boundary | None:
        """Keeps track of uniform pictures; a boundary where one ends and the content is new."""
        here = self._seen(number)
        if here is None:
            return None
        if here.blank:
            if self._blank_since is None:
                self._blank_since = number
                earlier = self._seen(max(0, number - self.look_ahead))
                self._before_blank = earlier.vector if earlier and not earlier.blank else None
            return None
        if self._blank_since is None:
            return None
        blank_frames, before = number - self._blank_since, self._before_blank
        self._blank_since = None
        after = self._seen(min(number + self.look_ahead, self._count - 1)) or here
        if before is None:
            return Boundary("fade", 1.0) if blank_frames >= self._min_shot else None
        alike = _alike(before, after.vector)
        return Boundary("fade", min(1.0, 1 - alike)) if alike < _FADE_ALIKE else None

    def _dissolve(self, number: int) -> Boundary | None:
        newest = min(number + self.look_ahead, self._count - 1)
        for share in _SCALES:
            length = round(self._window * share)
            first = newest - length
            if first <= self._last_boundary - (self._last_boundary == 0):
                return None
            found = self._straight(first, number, newest)
            if found:
                return found
        return None

    def _straight(self, first: int, number: int, newest: int) -> Boundary | None:
        """A dissolve that lies in frames first to newest and is over at `number`."""
        offset = self._count - len(self._history)
        start, end = self._history[first - offset], self._history[newest - offset]
        way = end.vector - start.vector
        if start.blank or end.blank or np.abs(way).mean() < _DISSOLVE_LEVEL:
            return None
        if _alike(start.vector, end.vector) > _DISSOLVE_ALIKE:
            return None
        pictures = np.array([self._history[index - offset].vector for index in range(first, newest + 1)])
        length = float(way @ way)
        shares = (pictures - start.vector) @ way / length
        late = number - first
        if shares[late] < 0.9 or shares[late - 1] > 0.99 or shares[late - 2] > 0.985:
            return None  # not over yet, or over for long
        if np.diff(shares).max() > _DISSOLVE_STEP:
            return None
        bends = pictures - start.vector - np.clip(shares, 0, 1)[:, None] * way
        bend = float(np.sqrt((bends**2).sum(axis=1) / length).mean())
        return Boundary("dissolve", 1 - bend / _DISSOLVE_BEND / 2) if bend < _DISSOLVE_BEND else None


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What is kept of a frame: block means (144,), mean change since the frame before, whether it is nearly uniform."""

    vector: _Vector
    change: float
    blank: bool

    @classmethod
    def of(cls, luma: NDArray[np.uint8], before: NDArray[np.uint8] | None) -> _Seen:
        blocks = luma.reshape(LUMA_SIZE[0] // _BLOCK, _BLOCK, LUMA_SIZE[1] // _BLOCK, _BLOCK)
        vector = blocks.mean(axis=(1, 3), dtype=np.float32).reshape(_VALUES)
        change = 0.0 if before is None else float((np.maximum(luma, before) - np.minimum(luma, before)).mean())
        mean = float(vector.mean())
        blank = (mean < _BLANK_DARK or mean > _BLANK_BRIGHT) and float(luma.std()) < _BLANK_SPREAD
        return cls(vector, change, blank)


def _alike(one: _Vector, other: _Vector) -> float:
    """Correlation of two pictures: 1 for the same picture in any light, about 0 for unrelated ones."""
    a, b = one - one.mean(), other - other.mean()
    return float(a @ b / (np.sqrt((a @ a) * (b @ b)) + 1e-6))


def _frames(seconds: float, fps: float, limits: tuple[int, int]) -> int:
    return min(limits[1], max(limits[0], round(seconds * fps)))
