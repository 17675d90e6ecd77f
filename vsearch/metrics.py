"""How good an answer, a picture or a codec is: measures under their usual names, each with its source.

numpy only, no state. Every function is deterministic and raises ValueError for shapes or values that make no sense.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Range = tuple[float, float]
SegmentPair = tuple[float, float, float, float]

LUMA_BT601 = (0.299, 0.587, 0.114)
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
PSNR_CAP_DB = 60.0  # what an exact copy counts in a mean of PSNR

SSIM_WINDOW = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
SSIM_WINDOW /= SSIM_WINDOW.sum()
SSIM_C1, SSIM_C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


# Finding


def recall_at_k(found: Sequence[Sequence[Hashable]], wanted: Sequence[Collection[Hashable]], k: int) -> float:
    """The share of queries with at least one wanted answer among their first k (the usual hit rate of copy detection).

    found: the answers of each query, best first. wanted: the right ones of each query, at least one.
    """
    if len(found) != len(wanted) or not found:
        raise ValueError(f"found and wanted must have the same length, at least 1, not {len(found)} and {len(wanted)}")
    if k < 1 or not all(wanted):
        raise ValueError("k must be at least 1 and every query must want something")
    hits = sum(any(answer in right for answer in answers[:k]) for answers, right in zip(found, wanted, strict=True))
    return hits / len(found)


def ann_recall_at_k(found: NDArray[np.int64], exact: NDArray[np.int64]) -> float:
    """The share of exact neighbours that an approximate index found as well (FAISS's intersection measure).

    found, exact: (q, k) int64 ids; -1 is padding and counts on neither side. 1.0 where nothing was to be found.
    """
    if found.shape != exact.shape or found.ndim != 2:
        raise ValueError(f"found and exact must both be (q, k), not {found.shape} and {exact.shape}")
    shared = sum(len(np.intersect1d(f[f >= 0], e[e >= 0])) for f, e in zip(found, exact, strict=True))
    total = int((exact >= 0).sum())
    return shared / total if total else 1.0


def micro_average_precision(scores: ArrayLike, correct: ArrayLike, n_positives: int) -> float:
    """uAP: the average precision of the predictions of all queries pooled and sorted by score.

    scores: (n,) float, higher is more certain. correct: (n,) bool. n_positives: how many right answers exist, found or
    not. Predictions with equal scores count as one group, so that their order cannot matter.

    Source: Perronnin, Liu and Renders, "A family of contextual measures of similarity between distributions with
    application to image retrieval", CVPR 2009; used by DISC21 and VSC2022.
    """
    score = np.asarray(scores, np.float64)
    right = np.asarray(correct, bool)
    if score.ndim != 1 or score.shape != right.shape:
        raise ValueError(f"scores and correct must both be (n,), not {score.shape} and {right.shape}")
    if np.isnan(score).any():
        raise ValueError("a score is not a number")
    if n_positives < max(1, int(right.sum())):
        raise ValueError(f"{n_positives} right answers cannot exist when {int(right.sum())} were found")
    if score.size == 0:
        return 0.0
    order = np.argsort(-score, kind="stable")
    group_ends = np.append(np.flatnonzero(np.diff(score[order])), score.size - 1)
    true_positives = np.cumsum(right[order])[group_ends]
    precision = true_positives / (group_ends + 1)
    recall_steps = np.diff(true_positives, prepend=0) / n_positives
    return float(precision @ recall_steps)


def temporal_iou(a: Range, b: Range) -> float:
    """Intersection over union of two ranges in seconds: 1 when equal, 0 when apart or both empty."""
    intersection = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    union = (a[1] - a[0]) + (b[1] - b[0]) - intersection
    return intersection / union if union > 0 else 0.0


def segment_precision_recall(predicted: Sequence[SegmentPair], truth: Sequence[SegmentPair]) -> tuple[float, float]:
    """Precision and recall of the aligned segments of one (query, video) pair.

    Each segment is (query start, query end, video start, video end). Every segment's overlaps with the other side are
    projected on both time axes; the covered shares of the two axes are multiplied. Without predictions precision is 1,
    without truth recall is 1.

    Source: He et al., "A Large-scale Comprehensive Dataset and Copy-overlap Aware Evaluation Protocol for Segment-level
    Video Copy Detection" (VCSL), CVPR 2022, section 4.
    """
    precision = _covered_share(predicted, truth) if predicted else 1.0
    recall = _covered_share(truth, predicted) if truth else 1.0
    return precision, recall


def segment_f1(predicted: Sequence[SegmentPair], truth: Sequence[SegmentPair]) -> float:
    """The harmonic mean of `segment_precision_recall`, 0 when both are 0 (VCSL)."""
    precision, recall = segment_precision_recall(predicted, truth)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _covered_share(segments: Sequence[SegmentPair], others: Sequence[SegmentPair]) -> float:
    covered = np.zeros(2)
    total = np.zeros(2)
    for segment in segments:
        overlaps = [overlap for other in others if (overlap := _overlap(segment, other)) is not None]
        for axis in (0, 1):
            total[axis] += segment[2 * axis + 1] - segment[2 * axis]
            covered[axis] += _union_length([(overlap[2 * axis], overlap[2 * axis + 1]) for overlap in overlaps])
    return float(np.prod(np.divide(covered, total, out=np.zeros(2), where=total > 0)))


def _overlap(a: SegmentPair, b: SegmentPair) -> SegmentPair | None:
    box = max(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), min(a[3], b[3])
    return box if box[0] < box[1] and box[2] < box[3] else None


def _union_length(ranges: list[Range]) -> float:
    length, reached = 0.0, -np.inf
    for start, end in sorted(ranges):
        length += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return length


# Pictures


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB over all samples of both arrays (any equal shape, uint8): infinite when equal.

    Source: ITU-T J.340. For RGB frames this is the "RGB PSNR" of compression papers: one mean over the three channels.
    """
    if a.shape != b.shape or a.dtype != np.uint8 or b.dtype != np.uint8 or a.size == 0:
        raise ValueError(f"pictures must be uint8 of one shape, not {a.shape} {a.dtype} and {b.shape} {b.dtype}")
    mse = float(np.mean(np.square(a.astype(np.float32) - b.astype(np.float32)), dtype=np.float64))
    return float("inf") if mse == 0 else float(10 * np.log10(255.0**2 / mse))


def luma(frame: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(3, H, W) uint8 RGB -> (H, W) float64 luma, 0 to 255, by BT.601's weights (as SSIM's authors convert)."""
    if frame.ndim != 3 or frame.shape[0] != 3:
        raise ValueError(f"a frame must be (3, H, W), not {frame.shape}")
    weighted: NDArray[np.float64] = np.tensordot(np.asarray(LUMA_BT601), frame.astype(np.float64), axes=1)
    return weighted


def ssim(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Structural similarity of two (3, H, W) uint8 RGB frames on luma, at most 1. H and W at least 11.

    Gaussian window of 11x11, sigma 1.5, K1 = 0.01, K2 = 0.03, L = 255, means over the positions where the window lies
    inside the picture, no down-sampling before.

    Source: Wang, Bovik, Sheikh and Simoncelli, "Image Quality Assessment: From Error Visibility to Structural
    Similarity", IEEE Transactions on Image Processing 13(4), 2004.
    """
    _check_pictures(a, b, least=11)
    return _ssim_terms(luma(a), luma(b))[0]


def luma_psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """PSNR in dB of the luma of two (3, H, W) uint8 RGB frames (`luma`, not rounded): infinite when equal."""
    _check_pictures(a, b, least=1)
    mse = float(np.mean(np.square(luma(a) - luma(b))))
    return float("inf") if mse == 0 else float(10 * np.log10(255.0**2 / mse))


def ms_ssim(a: NDArray[np.uint8], b: NDArray[np.uint8], *, scales: int = 4) -> float:
    """Multi-scale structural similarity on luma of two (3, H, W) uint8 RGB frames, in [0, 1].

    The first `scales` of the published weights, made to sum to one: four where the paper has five, since a preview of
    144 lines halved four times is smaller than the window. Sides must be at least 11 * 2**(scales - 1). Negative terms
    count as 0. An odd last row or column is dropped before halving.

    Source: Wang, Simoncelli and Bovik, "Multi-scale structural similarity for image quality assessment", Asilomar 2003.
    """
    return ssim_and_ms_ssim(a, b, scales=scales)[1]


def ssim_and_ms_ssim(a: NDArray[np.uint8], b: NDArray[np.uint8], *, scales: int = 4) -> tuple[float, float]:
    """(`ssim`, `ms_ssim`) of the same two frames, with what they share computed once."""
    if not 1 <= scales <= len(MS_SSIM_WEIGHTS):
        raise ValueError(f"scales must be from 1 to {len(MS_SSIM_WEIGHTS)}, not {scales}")
    _check_pictures(a, b, least=11 * 2 ** (scales - 1))
    weights = np.asarray(MS_SSIM_WEIGHTS[:scales])
    weights = weights / weights.sum()
    x, y = luma(a), luma(b)
    terms = [_ssim_terms(x, y)]
    for _ in range(scales - 1):
        x, y = _halved(x), _halved(y)
        terms.append(_ssim_terms(x, y))
    kept = [contrast for _, contrast in terms[:-1]] + [terms[-1][0]]
    return terms[0][0], float(np.prod(np.maximum(kept, 0.0) ** weights))


def _check_pictures(a: NDArray[np.uint8], b: NDArray[np.uint8], *, least: int) -> None:
    if a.shape != b.shape or a.ndim != 3 or a.shape[0] != 3 or min(a.shape[1:]) < least:
        raise ValueError(f"frames must both be (3, H, W) with sides of at least {least}, not {a.shape} and {b.shape}")
    if a.dtype != np.uint8 or b.dtype != np.uint8:
        raise ValueError(f"frames must be uint8, not {a.dtype} and {b.dtype}")


def _ssim_terms(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """(mean SSIM, mean of its contrast-structure part) of two (H, W) pictures."""
    mean_x, mean_y = _gaussian(x), _gaussian(y)
    product, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    variances = _gaussian(x * x + y * y) - squares
    covariance = _gaussian(x * y) - product
    contrast = (2 * covariance + SSIM_C2) / (variances + SSIM_C2)
    luminance = (2 * product + SSIM_C1) / (squares + SSIM_C1)
    return float(np.mean(luminance * contrast)), float(np.mean(contrast))


def _gaussian(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    """`picture` under SSIM's window, only where the window fits: (H - 10, W - 10)."""
    return _weighted(_weighted(picture, axis=0), axis=1)


def _weighted(picture: NDArray[np.float64], *, axis: int) -> NDArray[np.float64]:
    """`picture` under the window along one axis, 10 shorter there; the window's two halves are equal, and so added
    first.
    """
    shifted = [
        picture[i : len(picture) - 10 + i] if axis == 0 else picture[:, i : picture.shape[1] - 10 + i]
        for i in range(11)
    ]
    total = shifted[5] * SSIM_WINDOW[5]
    pair = np.empty_like(total)
    for i in range(5):
        np.add(shifted[i], shifted[10 - i], out=pair)
        pair *= SSIM_WINDOW[i]
        total += pair
    return np.asarray(total)


def compare_frames(
    originals: NDArray[np.uint8], shown: NDArray[np.uint8]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """RGB PSNR in dB, at most `PSNR_CAP_DB`, and luma SSIM of each pair of frames: (T,) float64 both.

    originals, shown: (T, 3, H, W) uint8 RGB with sides of at least 11. What `psnr` and `ssim` give (the latter within
    1e-4), in half a millisecond for 256x144: in single precision, the window as products of matrices.
    """
    if originals.shape != shown.shape or originals.ndim != 4 or originals.shape[1] != 3:
        raise ValueError(f"frames must both be (T, 3, H, W), not {originals.shape} and {shown.shape}")
    if originals.dtype != np.uint8 or shown.dtype != np.uint8 or min(originals.shape[2:]) < 11:
        raise ValueError(f"frames must be uint8 with sides of at least 11, not {originals.dtype} {originals.shape}")
    scores = [_fast_psnr_and_ssim(a.astype(np.float32), b) for a, b in zip(originals, shown, strict=True)]
    both = np.array(scores, np.float64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _fast_psnr_and_ssim(x: NDArray[np.float32], y: NDArray[np.uint8]) -> tuple[float, float]:
    """Of one pair of (3, H, W) frames.

    Luma is taken from 128 on: variances do not change by it, and lose no digits to the square of a large mean.
    """
    difference = x - y
    mse = float(np.vdot(difference, difference)) / difference.size
    weights = np.asarray(LUMA_BT601, np.float32)
    luma_x = np.einsum("chw,c->hw", x, weights) - np.float32(128)
    luma_y = luma_x - np.einsum("chw,c->hw", difference, weights)
    powers = np.stack([luma_x, luma_y, luma_x * luma_x + luma_y * luma_y, luma_x * luma_y])
    mean_x, mean_y, squares, product = _fast_gaussian(powers)
    covariance = product - mean_x * mean_y
    variances = squares - mean_x * mean_x - mean_y * mean_y
    mean_x, mean_y = mean_x + np.float32(128), mean_y + np.float32(128)
    top = (2 * mean_x * mean_y + SSIM_C1) * (2 * covariance + SSIM_C2)
    bottom = (mean_x * mean_x + mean_y * mean_y + SSIM_C1) * (variances + SSIM_C2)
    psnr_db = min(PSNR_CAP_DB, 10 * float(np.log10(255.0**2 / max(mse, 1e-9))))
    return psnr_db, float(np.mean(top / bottom, dtype=np.float64))


def _fast_gaussian(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, H, W) pictures under SSIM's window, only where it fits: (n, H - 10, W - 10).

    A few rows, then a few columns at a time, so that the matrices are narrow bands without many zeros.
    """
    n, height, width = pictures.shape[0], pictures.shape[1] - 10, pictures.shape[2] - 10
    rows = np.empty((n, height, width + 10), np.float32)
    for start in range(0, height, _BAND):
        part = min(_BAND, height - start)
        np.matmul(
            _WINDOWS[:part, : part + 10], pictures[:, start : start + part + 10], out=rows[:, start : start + part]
        )
    blurred = np.empty((n, height, width), np.float32)
    for start in range(0, width, _BAND):
        part = min(_BAND, width - start)
        beside = rows[:, :, start : start + part + 10]
        np.matmul(beside, _WINDOWS[:part, : part + 10].T, out=blurred[:, :, start : start + part])
    return blurred


_BAND = 16  # outputs of one product: 8 to 32 are about equally fast
_WINDOWS = np.stack([np.pad(SSIM_WINDOW, (i, _BAND - 1 - i)) for i in range(_BAND)]).astype(np.float32)


def _halved(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    h, w = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
    return np.asarray(picture[:h, :w].reshape(h // 2, 2, w // 2, 2).mean(axis=(1, 3)))


# Samples


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of the values (at least one) do not exceed, interpolated between neighbours."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


# Rates


def bpp(n_bytes: int, *, frames: int, height: int, width: int) -> float:
    """Bits per pixel of `frames` pictures of `height` x `width` pixels coded in `n_bytes`."""
    if n_bytes < 0 or min(frames, height, width) < 1:
        raise ValueError(f"no bits per pixel of {n_bytes} bytes, {frames} frames of {height}x{width}")
    return 8 * n_bytes / (frames * height * width)


def bd_rate(anchor: Sequence[tuple[float, float]], test: Sequence[tuple[float, float]]) -> float:
    """Percent of bytes that `test` needs more (negative: fewer) than `anchor` at equal quality, on average.

    anchor, test: at least two (bytes, quality) points each, in any order; quality in dB or any scale that rises with
    bytes. The logarithm of the bytes is interpolated over quality by monotone piecewise cubics (PCHIP) and averaged
    over the range of quality that both reach; ValueError where there is none.

    Source: Bjøntegaard, VCEG-M33, 2001, with the piecewise interpolation of VCEG-AI11 and JCTVC practice.
    """
    quality_a, log_a = _rate_curve(anchor)
    quality_t, log_t = _rate_curve(test)
    low, high = max(quality_a[0], quality_t[0]), min(quality_a[-1], quality_t[-1])
    if not low < high:
        raise ValueError(f"the curves share no range of quality: {quality_a.tolist()} and {quality_t.tolist()}")
    difference = _pchip_integral(quality_t, log_t, low, high) - _pchip_integral(quality_a, log_a, low, high)
    return float(100 * np.expm1(difference / (high - low)))


def _rate_curve(points: Sequence[tuple[float, float]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    curve = np.asarray(sorted((quality, n_bytes) for n_bytes, quality in points), np.float64)
    if len(curve) < 2 or not np.isfinite(curve).all() or (curve[:, 1] <= 0).any():
        raise ValueError(f"a curve needs at least two finite points of positive bytes, not {list(points)}")
    if (np.diff(curve[:, 0]) <= 0).any():
        raise ValueError(f"two points of one curve have the same quality: {list(points)}")
    return curve[:, 0], np.log(curve[:, 1])


def _pchip_integral(x: NDArray[np.float64], y: NDArray[np.float64], low: float, high: float) -> float:
    """The integral from low to high (inside x) of the monotone cubic interpolant: exact, piece by piece."""
    slopes = _pchip_slopes(x, y)
    total = 0.0
    for i, step in enumerate(np.diff(x)):
        t0, t1 = np.clip((np.array([low, high]) - x[i]) / step, 0.0, 1.0)
        d0, d1, rise = slopes[i] * step, slopes[i + 1] * step, y[i + 1] - y[i]
        # y[i] + d0 t + (3 rise - 2 d0 - d1) t^2 + (d0 + d1 - 2 rise) t^3, integrated
        cubic = np.array([(d0 + d1 - 2 * rise) / 4, (3 * rise - 2 * d0 - d1) / 3, d0 / 2, y[i], 0.0])
        total += step * float(np.polyval(cubic, t1) - np.polyval(cubic, t0))
    return total


def _pchip_slopes(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slopes at the nodes by Fritsch and Butland's weighted harmonic mean, one-sided three-point rule at the ends."""
    h, delta = np.diff(x), np.diff(y) / np.diff(x)
    if len(x) == 2:
        return np.repeat(delta, 2)
    slopes = np.zeros_like(y)
    w1, w2 = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    keep = delta[:-1] * delta[1:] > 0
    slopes[1:-1][keep] = (w1 + w2)[keep] / (w1[keep] / delta[:-1][keep] + w2[keep] / delta[1:][keep])
    slopes[0] = _end_slope(h[0], h[1], delta[0], delta[1])
    slopes[-1] = _end_slope(h[-1], h[-2], delta[-1], delta[-2])
    return slopes


def _end_slope(h0: float, h1: float, delta0: float, delta1: float) -> float:
    slope = ((2 * h0 + h1) * delta0 - h0 * delta1) / (h0 + h1)
    if np.sign(slope) != np.sign(delta0):
        return 0.0
    if np.sign(delta0) != np.sign(delta1) and abs(slope) > 3 * abs(delta0):
        return 3 * delta0
    return slope
