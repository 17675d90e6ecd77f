"""How a chunk's pictures are best retouched: what its writer finds by decoding some of them (`retouch` has the form).

Everything is weighed by what the rest of the chunk paid for quality: by the codec's own levels a chunk of R bits and
squared error D lessens that error by about D / R for one bit more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import gcd

import numpy as np
from numpy.typing import NDArray

from vsearch.models.entropy import LATENT_LIMIT
from vsearch.models.retouch import (
    KNOT_LIMIT,
    OTHER_KNOTS,
    OWN_KNOTS,
    STEP_LIMIT,
    STEP_PARTS,
    TO_RGB,
    DetailTables,
    Integers,
    Retouching,
    detail_planes,
    other_colours,
    unit,
)

SAMPLED = 8  # frames of a chunk that are decoded for it
LOOKED_AT = 65536  # pixels of them by which curves are fitted
OTHERS_SAVE = 0.003  # of the error of a picture: what curves over other colours must save for one to take their time
RIDGE = 0.02  # what keeps knots that few pixels speak of near 0
LEAST_ERROR = 0.5  # mean squared error of frames below which they do not count more
LEAST_FRAMES = 3  # that detail is worth looking for
DETAIL_WORTH = 0.8  # of a bit's price: a little more detail than equal slopes give did best on training videos
DEAD_ZONE = 0.7  # a coefficient of less than so much of a step is none
LEAST_BITS = 4000  # that what frames lack alike is worth at least: less of it is mostly chance
GREEN_GAIN = 3.0  # squared errors in RGB for one in green, where all three lack the same
# Squared errors in RGB that a squared error of one in Y, Cb and Cr makes, per coefficient of theirs.
_GAINS = np.square(TO_RGB).sum(0) * np.array([1.0, 4.0, 4.0])

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Some of a chunk's frames, (m, 3, H, W) uint8 RGB, and what its latents decode to. counts: (m,) how much each
    counts, all together as much as the chunk has frames, n; error: the squared error of all frames, so counted.
    """

    frames: NDArray[np.uint8]
    shown: NDArray[np.uint8]
    n: int
    counts: Floats
    error: float

    @classmethod
    def of(cls, frames: NDArray[np.uint8], shown: NDArray[np.uint8], stands_for: Integers) -> Sample:
        """stands_for: how many frames of the chunk each is like. An error counts by its share of the error of its
        frame, as in a mean of PSNR: clean frames among others shall stay clean.
        """
        missing = (frames.astype(np.int16) - shown).reshape(len(frames), -1).astype(np.float32)
        errors = np.array([float(np.vdot(one, one)) for one in missing])
        weights = stands_for / (errors / missing.shape[1] + LEAST_ERROR)
        n = int(stands_for.sum())
        counts = n * weights / weights.sum()
        return cls(frames, shown, n, counts, float(counts @ errors))


def sampled_frames(frames: NDArray[np.uint8]) -> tuple[Integers, Integers]:
    """Which of a chunk's frames are looked at, ascending, and how many of all frames each is most like.

    Each that is chosen is the one least like those that are (Gonzalez, "Clustering to minimize the maximum intercluster
    distance", 1985), by every sixteenth pixel of every sixteenth row.
    """
    small = frames[:, :, 8::16, 8::16].reshape(len(frames), -1).astype(np.int16)
    chosen = [len(frames) // 2]
    distances = [np.abs(small - small[chosen[0]]).sum(1)]
    while len(chosen) < min(len(frames), SAMPLED):
        nearest = np.min(distances, 0)
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
        distances.append(np.abs(small - small[chosen[-1]]).sum(1))
    order = np.argsort(chosen)
    likest = np.array(distances)[order].argmin(0)
    likest[np.array(chosen)[order]] = np.arange(len(chosen))
    return np.array(chosen)[order], np.bincount(likest, minlength=len(chosen))


def best_retouching(sample: Sample, bits: int, coding: DetailTables, *, still: bool = False) -> Retouching:
    """What is worth its bits. bits: what the chunk takes without it; still: whether nothing ever changes in it. Such a
    picture is as fine as its level says, and costs next to nothing after its first frame: it gets no detail.
    """
    if not sample.error:
        return Retouching.nothing()
    price = sample.error / bits  # of a bit, in squared errors
    found = _curves(sample, price)
    if not still and sample.n >= LEAST_FRAMES and _lasts(sample, price):
        found = _with_detail(found, sample, price * DETAIL_WORTH, coding)
    return found


# Curves


def _curves(sample: Sample, price: float) -> Retouching:
    """By least squares over pixels of the sample. What knots have in common is counted by value, not pixel by pixel."""
    frames, shown, counts = _some_pixels(sample)
    wanted = (frames.astype(np.float64) - shown) * counts
    pairs = {
        (a, b): np.bincount(shown[a].astype(np.intp) * 256 + shown[b], counts, 1 << 16).reshape(256, 256)
        for a, b in ((0, 1), (0, 2), (1, 2))
    }
    pairs |= {(b, a): pair.T for (a, b), pair in pairs.items()}
    alone = [np.diag(pairs[colour, (colour + 1) % 3].sum(1)) for colour in range(3)]
    found = Retouching.nothing()
    for colour in range(3):
        terms = [(colour, _HATS[OWN_KNOTS]), *((other, _HATS[OTHER_KNOTS]) for other in other_colours(colour))]
        products = np.block([[x.T @ (alone[a] if a == b else pairs[a, b]) @ y for b, y in terms] for a, x in terms])
        missing = np.concatenate([hats.T @ np.bincount(shown[other], wanted[colour], 256) for other, hats in terms])
        alone_saves, all_save = (_saving(products[:k, :k], missing[:k]) for k in (OWN_KNOTS, len(missing)))
        k = len(missing) if all_save - alone_saves > OTHERS_SAVE * sample.error else OWN_KNOTS
        knots = np.zeros(len(missing), np.int64)
        knots[:k] = worthwhile_knots(products[:k, :k], missing[:k], price)
        found.own[colour], found.others[colour] = knots[:OWN_KNOTS], knots[OWN_KNOTS:].reshape(2, OTHER_KNOTS)
    return found


def _some_pixels(sample: Sample) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Floats]:
    """About LOOKED_AT pixels of the frames and of what is shown, (3, p) each, and how many pixels each stands for."""
    stride = max(1, sample.frames[:, 0].size // LOOKED_AT)
    while gcd(stride, sample.frames.shape[3]) > 1:  # or only some columns would be seen
        stride += 1
    frames, shown = (x.transpose(1, 0, 2, 3).reshape(3, -1)[:, ::stride] for x in (sample.frames, sample.shown))
    owner = np.arange(0, sample.frames[:, 0].size, stride) // sample.frames[0, 0].size
    return frames, shown, sample.counts[owner] * stride


def _saving(products: Floats, wanted: Floats) -> float:
    """What all knots may save at best, in squared errors."""
    ridge = np.eye(len(products)) * (1e-6 * np.trace(products) / len(products))
    return float(wanted @ np.linalg.solve(products + ridge, wanted))


def _hats(knots: int) -> Floats:
    """How much each knot has of each value, (256, knots): what lies between two knots has some of both."""
    levels = np.arange(256)[:, None] * (knots - 1) / 255
    return np.asarray(np.maximum(0, 1 - np.abs(levels - np.arange(knots))))


_HATS = {knots: _hats(knots) for knots in (OWN_KNOTS, OTHER_KNOTS)}


def worthwhile_knots(products: Floats, wanted: Floats, price: float) -> Integers:
    """Knots, in halves of a grey level, by least squares, those left out one by one that save less than they cost.

    products: (k, k) inner products of what knots add for a grey level each; wanted: (k,) theirs with what is missing.
    price: of a bit.
    """
    knots = np.zeros(len(products))
    kept = np.flatnonzero(np.diag(products) > 1e-6 * np.trace(products))
    ridge = RIDGE * price + 1e-9 * float(np.trace(products))
    inverse = np.linalg.inv(products[np.ix_(kept, kept)] + np.eye(len(kept)) * ridge)
    while len(kept):
        values = inverse @ wanted[kept]
        left = values**2 / np.diag(inverse) - price * (2 + 2 * np.log2(np.maximum(2 * np.abs(values), 1)))
        worst = left.argmin()
        if left[worst] > 0:
            knots[kept] = values
            break
        inverse = inverse - np.outer(inverse[worst], inverse[worst]) / inverse[worst, worst]  # without that knot
        stay = np.arange(len(kept)) != worst
        kept, inverse = kept[stay], inverse[np.ix_(stay, stay)]
    return np.asarray(np.clip(np.rint(2 * knots), -KNOT_LIMIT, KNOT_LIMIT), np.int64)


# Detail


def _lasts(sample: Sample, price: float) -> bool:
    """Whether frames lack enough alike that looking for detail may pay, by their green alone: a quick answer."""
    first, second = _halves(sample, sample.shown, slice(1, 2))
    common = float(np.vdot(first, second))
    return common * sample.n * GREEN_GAIN > LEAST_BITS * price


def _halves(
    sample: Sample, shown: NDArray[np.uint8], colours: slice
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What every second frame lacks on average, and what the others do: (colours, H, W) each."""
    missing = (sample.frames[:, colours].astype(np.int16) - shown[:, colours]).astype(np.float32)
    counts = sample.counts.astype(np.float32)
    first, second = (np.einsum("i,ichw->chw", counts[i::2] / counts[i::2].sum(), missing[i::2]) for i in (0, 1))
    return first, second


def _with_detail(found: Retouching, sample: Sample, price: float, coding: DetailTables) -> Retouching:
    """Detail of what the frames of the sample lack alike."""
    halves = _halves(sample, found.on(sample.shown.copy()), slice(None))
    step = int(np.clip(round(STEP_PARTS * (price / (np.log(4) / 12 * sample.n * _GAINS[0])) ** 0.5), 1, STEP_LIMIT))
    planes, saved = [], 0.0
    for number, (first, second) in enumerate(zip(*map(detail_planes, halves), strict=True)):
        one, worth = unit(step, number), sample.n * _GAINS[number]
        lasting = _lasting(first, second, len(sample.frames) / sample.n, one)
        plane, gain = _worthwhile_blocks(lasting, one, price / worth)
        planes.append(plane)
        saved += gain * worth
    detailed = replace(found, step=step, planes=tuple(planes))
    spent = 8 * (len(detailed.coded(coding)) - len(found.coded(coding)))
    return detailed if spent and saved > price * spent else found


def _lasting(first: Floats, second: Floats, seen: float, size: float) -> Floats:
    """Coefficients (rows, columns, 64) of which both halves of the sample speak: less of those of blocks whose halves
    do not agree. seen: the share of all frames that is in the sample; size: of a step.
    """
    mean = (first + second) / 2
    large = np.abs(mean) > size / 2
    common = (first * second * large).sum(-1)
    power = (mean**2 * large).sum(-1)
    agreed = np.clip(np.divide(common, power, out=np.ones_like(power), where=power > 0), 0, 1)
    return np.asarray(mean * (seen + (1 - seen) * agreed)[..., None])


def _worthwhile_blocks(coefficients: Floats, size: float, price: float) -> tuple[Integers, float]:
    """In steps of `size`: those of blocks where they save more than they cost; and what they save, in squared
    coefficients. price: of a bit, in the same.
    """
    steps = np.sign(coefficients) * np.floor(np.abs(coefficients) / size + 1 - DEAD_ZONE)
    saved = (coefficients**2 - (coefficients - steps * size) ** 2).sum(-1)
    bits = np.where(steps != 0, 3.5 + 2 * np.log2(np.maximum(np.abs(steps), 1)), 0.35).sum(-1)
    worth = saved > price * bits
    limited = np.clip(np.where(worth[..., None], steps, 0), -LATENT_LIMIT, LATENT_LIMIT)
    return np.asarray(limited, np.int64), float(saved[worth].sum())
