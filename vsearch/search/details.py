"""Whether two pictures show the same things in the same places: what a cosine of whole frames cannot tell.

Scale-invariant features (SIFT: Lowe, IJCV 2004; with Hellinger's kernel: Arandjelovic and Zisserman, CVPR 2012) of
both pictures are matched, and one affine map, the same for all pairs of frames, is fitted to the matches (RANSAC). A
crop, a picture in a picture or a caption leaves some of them where they were; another picture of the same kind has
none. Where footage moves, what changes from frame to frame must agree as well: other recordings of one fixed camera
share everything that stands still.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from vsearch.metrics import LUMA_BT601

MOST_DETAILS = 400  # of one picture, the strongest
LEAST_CONTRAST = 0.015  # of a detail: less than usual, as previews are soft
EDGE_RATIO = 12.0  # of the curvatures of a detail, above which it is an edge
DARKEST, BRIGHTEST = 1.0, 99.0  # percentiles that are made black and white, so that dim footage has details
NEXT_BEST = 0.85  # of the distance to the second nearest, that the nearest has at most
WITHIN = 3.0  # pixels of the place where the map puts it, that a match counts as right
TRIALS = 2000
LARGEST, SMALLEST = 6.0, 0.12  # scales of a map that means anything
MOST_SHEARED = 2.6  # one of its scales over the other
CELL = 4.0  # pixels: matches in one cell count once
FEWEST = 4  # matches with which a map says anything
FEWEST_MOVING = 6  # for what moves under it to speak for a match: a map of five may lie anywhere
COARSE = (64, 36)  # columns and rows at which changes are compared
SHOWN = 0.95 * 255  # of a white picture, where both pictures show the same
LEAST_SHOWN = 30  # cells that both pictures must show

Luma = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Details:
    """Of one picture. points: (n, 2) float32, x and y in pixels; descriptors: (n, 128) float32, unit length."""

    points: Floats
    descriptors: Floats

    def mirrored(self, width: int) -> Details:
        """Those that the picture, so wide, would have with left and right exchanged: the cells of a descriptor on the
        other side of its direction, its gradients turned the other way.
        """
        points = self.points.copy()
        points[:, 0] = width - 1 - points[:, 0]
        cells = self.descriptors.reshape(-1, 4, 4, 8)[:, ::-1, :, -np.arange(8) % 8]
        return Details(points, np.ascontiguousarray(cells).reshape(-1, 128))


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """How much of several pairs of frames is alike. alike: matches that one map explains, in different places; map:
    (2, 3) float64 from the query's pixels to the video's (None: there is none); mirrored: whether it is of the query's
    mirror image; asked, found: mean number of details of a frame on either side.
    """

    alike: int
    map: NDArray[np.float64] | None
    mirrored: bool
    asked: float
    found: float


@dataclass(frozen=True, slots=True)
class Motion:
    """What changes from frame to frame where both sides are seen. agreement: the correlation of both sides' changes, -1
    to 1, times 1 - 1/n for n pairs, since few agree by chance; change: of the video's picture, root mean square, in
    grey levels. Both 0 where nothing is known. shift_s, rate: of the lineup.
    """

    agreement: float = 0.0
    change: float = 0.0
    shift_s: float = 0.0
    rate: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Lineup:
    """Pictures that may show the same moments: rows (n,) of a query's, columns (n,) of a video's. shift_s: by how much
    later the query's are than was expected; rate: at which the video passes, its seconds a query second.
    """

    shift_s: float
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    rate: float = 1.0


@cache
def _detector() -> cv2.SIFT:
    cv2.setNumThreads(1)  # pictures are looked at side by side
    return cv2.SIFT.create(nfeatures=MOST_DETAILS, contrastThreshold=LEAST_CONTRAST, edgeThreshold=EDGE_RATIO)


def details_of(picture: Luma) -> Details:
    """The details of a picture (H, W) uint8, luma."""
    points, descriptors = _detector().detectAndCompute(_stretched(picture), None)
    if len(points) == 0:
        return Details(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
    shares = descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-6)
    return Details(np.array([point.pt for point in points], np.float32), np.sqrt(shares))


def _stretched(picture: Luma) -> Luma:
    """From black to white."""
    low, high = np.percentile(picture, (DARKEST, BRIGHTEST))
    if high - low < 8:
        return picture
    table = np.clip((np.arange(256) - low) * (255 / (high - low)), 0, 255).astype(np.uint8)
    return np.asarray(table[picture])


def likeness(asked: Sequence[Details], found: Sequence[Details], *, width: int) -> Likeness:
    """Of pairs of frames, one of a query (so wide) and one of a video: as they are, or with the query mirrored where
    that is more alike.
    """
    counts = [float(np.mean([len(one.points) for one in side])) for side in (asked, found)]
    plain = _mapped(asked, found)
    mirrored = _mapped([one.mirrored(width) for one in asked], found)
    alike, affine = max(plain, mirrored, key=lambda fitted: fitted[0])
    return Likeness(alike, affine, mirrored[0] > plain[0], *counts)


def _mapped(asked: Sequence[Details], found: Sequence[Details]) -> tuple[int, NDArray[np.float64] | None]:
    """How many matches one affine map explains, and the map (2, 3)."""
    pairs = [_matches(a, b) for a, b in zip(asked, found, strict=True)]
    here, there = (np.concatenate(side) for side in zip(*pairs, strict=True))
    if len(here) < FEWEST:
        return 0, None
    cv2.setRNGSeed(1)  # the same answer every time
    fitted, explained = cv2.estimateAffine2D(
        here, there, method=cv2.RANSAC, ransacReprojThreshold=WITHIN, maxIters=TRIALS, confidence=0.99
    )
    affine = np.asarray(fitted, np.float64)
    if affine.shape != (2, 3) or not _means_anything(affine):  # there may be none
        return 0, None
    cells = np.round(there[explained.ravel() > 0] / CELL)
    return len(np.unique(cells, axis=0)), affine


def _matches(asked: Details, found: Details) -> tuple[Floats, Floats]:
    """Points (n, 2) of both whose descriptors are nearest to each other, and clearly nearer than the next best."""
    if min(len(asked.points), len(found.points)) < 2:
        return np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)
    cosines = asked.descriptors @ found.descriptors.T
    nearest = cosines.argmax(axis=1)
    two = np.partition(cosines, -2, axis=1)[:, -2:]
    squares = 2 - 2 * np.minimum(two, 1.0)  # of the distances: the second nearest, the nearest
    mutual = cosines.argmax(axis=0)[nearest] == np.arange(len(nearest))
    rows = np.flatnonzero(mutual & (squares[:, 1] < NEXT_BEST**2 * squares[:, 0]))
    return asked.points[rows], found.points[nearest[rows]]


def _means_anything(affine: NDArray[np.float64]) -> bool:
    large, small = np.linalg.svd(affine[:, :2], compute_uv=False)
    return bool(small >= SMALLEST and large <= LARGEST and large <= MOST_SHEARED * small)


class Ground:
    """What pictures of a query and of a video (k, H, W) uint8 show where the map says that they show the same.

    asked: the query's pictures (H, W) uint8 by their rows, more of which may come later.
    """

    def __init__(self, asked: Mapping[int, Luma], found: Luma, alike: Likeness) -> None:
        self._asked, self._alike = asked, alike
        self._here: dict[int, Floats] = {}
        self._shown: NDArray[np.bool_] | None = None
        affine = alike.map
        if affine is None or alike.alike < FEWEST:
            return
        height, width = next(iter(asked.values())).shape
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP

        def seen(picture: Luma) -> Floats:
            return _coarse(cv2.warpAffine(picture, affine, (width, height), flags=how))

        shown = seen(np.full(found.shape[1:], 255, np.uint8)) > SHOWN
        if shown.sum() >= LEAST_SHOWN:
            self._shown = shown
            self._there = np.stack([seen(picture)[shown] for picture in found])

    @property
    def speaks_for(self) -> bool:
        """Whether what moves there may speak for a match: a map of few details may lie anywhere."""
        return self._shown is not None and self._alike.alike >= FEWEST_MOVING

    def motions(self, lineups: Sequence[Lineup]) -> list[Motion]:
        """How both sides change in each lineup that says anything: other moments of one place agree in none. Where the
        first one has one pair at most, others must have three.
        """
        if self._shown is None or not lineups:
            return []
        fewest = 2 if len(lineups[0].rows) > 1 else 3
        found = [self._motion(lineup) for lineup in lineups if len(lineup.rows) >= fewest]
        if self.speaks_for:
            return found
        return [replace(one, agreement=min(one.agreement, 0.0)) for one in found]

    def _motion(self, lineup: Lineup) -> Motion:
        here = np.stack([self._cells(row) for row in lineup.rows.tolist()])
        return _agreement(lineup, here, self._there[lineup.columns])

    def _cells(self, row: int) -> Floats:
        """What one of the query's pictures shows there, (c,)."""
        if row not in self._here:
            picture = self._asked[row]
            self._here[row] = _coarse(picture[:, ::-1] if self._alike.mirrored else picture)[self._shown]
        return self._here[row]


def _agreement(lineup: Lineup, here: Floats, there: Floats) -> Motion:
    """Of cells (n, c) of both sides."""
    asked, found = _changes(here), _changes(there)
    lengths = float(np.linalg.norm(asked)) * float(np.linalg.norm(found))
    agreement = float((asked * found).sum()) / max(lengths, 1e-6) * (1 - 1 / len(here))
    return Motion(agreement, float(np.sqrt(np.square(found).mean())), lineup.shift_s, lineup.rate)


def _coarse(picture: NDArray[np.generic]) -> Floats:
    return np.asarray(cv2.resize(picture.astype(np.float32), COARSE, interpolation=cv2.INTER_AREA))


def _changes(cells: Floats) -> Floats:
    """(n, c): what each frame has of its own, brightness as a whole left out."""
    own = cells - cells.mean(axis=0)
    return np.asarray(own - own.mean(axis=1, keepdims=True))


def luma_of(frames: NDArray[np.uint8]) -> Luma:
    """(n, 3, H, W) uint8 RGB -> (n, H, W) uint8."""
    weights = np.array(LUMA_BT601, np.float32)
    luma: Luma = np.rint(np.einsum("nchw,c->nhw", frames.astype(np.float32), weights)).astype(np.uint8)
    return luma
